package price

import (
	_ "embed" // the catalogue
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"turnout/internal/domain"
)

// Catalogue knows what providers ask for. It is immutable towards its users and may be used by many goroutines; what it keeps are
// answers that it has found before.
type Catalogue struct {
	source    Source
	providers []*provider
	byID      map[string]*provider
	own       []override
	tiers     []tierRule

	mu    sync.RWMutex
	found map[asked]*answer
	// dear are the highest prices of families, by what was asked and the day.
	dear map[askedDay]*Plan
}

// asked is a name as it came, so that a repeated one is found without being read again.
type asked struct{ seller, model string }

type askedDay struct {
	asked
	day string
}

// The bounds of what is remembered; what passes them is looked up anew. Callers choose the names.
const (
	maxFound = 8192
	maxDear  = 1024
	maxName  = 256
)

// proxyNames stands for a proxy whose models' names begin with the provider whose they are.
const proxyNames = "litellm"

type provider struct {
	Provider
	match    matcher // nil: by id only
	url      *regexp.Regexp
	fallback []*provider
	models   []*model
}

type model struct {
	of      *provider
	id      string
	match   matcher
	context int64
	least   int64
	// deprecated says that the catalogue lists it for the past.
	deprecated bool
	names      []string // that it is known to have, for families
	versions   []version
}

type version struct {
	holds
	name  string // what is behind the @ in the plan's name; empty: nothing
	rates rates
	plan  *Plan
}

// answer is what was found for a name: the model's plans, and what the operator says instead of them.
type answer struct {
	model *model // nil: none
	own   []ownPlans
}

//go:embed catalogue.json
var builtin []byte

var builtinFile = sync.OnceValue(func() *File {
	f, err := ReadFile(builtin)
	if err != nil {
		panic(fmt.Sprintf("price: the catalogue that is built in: %v", err)) // a test reads it
	}
	return f
})

var builtinCatalogue = sync.OnceValue(func() *Catalogue {
	c, err := builtinFile().Compile()
	if err != nil {
		panic(fmt.Sprintf("price: the catalogue that is built in: %v", err)) // a test compiles it
	}
	return c
})

// Builtin is the catalogue that this build carries. It is read when it is first asked for.
func Builtin() *Catalogue { return builtinCatalogue() }

// BuiltinFile is the same as it is written down. It must not be changed.
func BuiltinFile() *File { return builtinFile() }

// Load reads and compiles a catalogue.
func Load(data []byte) (*Catalogue, error) {
	f, err := ReadFile(data)
	if err != nil {
		return nil, err
	}
	return f.Compile()
}

// Compile checks a catalogue and makes it ready. Every price is there to the last digit, or it is an error.
func (f *File) Compile() (*Catalogue, error) {
	c := &Catalogue{source: f.Source, byID: map[string]*provider{}, found: map[asked]*answer{}, dear: map[askedDay]*Plan{}, tiers: serviceTiers()}
	for i := range f.Providers {
		p, err := f.Providers[i].compile(c.tiers)
		if err != nil {
			return nil, fmt.Errorf("provider %s: %w", f.Providers[i].ID, err)
		}
		if p.ID == "" || p.ID != strings.ToLower(p.ID) || strings.Contains(p.ID, sellerSplit) || c.byID[p.ID] != nil {
			return nil, fmt.Errorf("provider %q: want an id of its own, in small letters", p.ID)
		}
		c.byID[p.ID] = p
		c.providers = append(c.providers, p)
	}
	for _, p := range c.providers {
		for _, id := range p.Fallback {
			if c.byID[id] == nil {
				return nil, fmt.Errorf("provider %s falls back to %q, which is not there", p.ID, id)
			}
			p.fallback = append(p.fallback, c.byID[id])
		}
	}
	return c, nil
}

func (f *Provider) compile(tiers []tierRule) (*provider, error) {
	p := &provider{Provider: *f}
	var err error
	if f.Match != nil {
		if p.match, err = f.Match.compile(0); err != nil {
			return nil, err
		}
	}
	if f.URL != "" {
		if p.url, err = pattern("^(?:" + f.URL + ")"); err != nil {
			return nil, err
		}
	}
	seen := map[string]bool{}
	for i := range f.Models {
		m, err := f.Models[i].compile(p, tiers)
		if err == nil && (m.id == "" || seen[m.id]) {
			err = fmt.Errorf("want an id of its own")
		}
		if err != nil {
			return nil, fmt.Errorf("model %s: %w", f.Models[i].ID, err)
		}
		seen[m.id] = true
		p.models = append(p.models, m)
	}
	return p, nil
}

func (f *Model) compile(of *provider, tiers []tierRule) (*model, error) {
	m := &model{of: of, id: f.ID, context: f.Context, deprecated: f.Deprecated, least: f.LeastSeconds}
	var err error
	if m.match, err = f.Match.compile(0); err != nil {
		return nil, err
	}
	m.names = append(m.names, strings.ToLower(f.ID))
	f.Match.names(func(s string) { m.names = append(m.names, s) })
	if len(f.Versions) == 0 {
		return nil, fmt.Errorf("it has no versions of its prices")
	}
	if f.Context < 0 || f.LeastSeconds < 0 {
		return nil, fmt.Errorf("a negative number")
	}
	for i := range f.Versions {
		v := version{name: f.Versions[i].From}
		if d := f.Versions[i].Daily; d != nil {
			v.name = d[0] + "-" + d[1]
		}
		if v.holds, err = f.Versions[i].holds(); err != nil {
			return nil, err
		}
		if v.rates, err = readRates(f.Versions[i].Prices); err != nil {
			return nil, err
		}
		name := of.ID + "/" + f.ID
		if v.name != "" {
			name += "@" + v.name
		}
		if v.plan, err = newPlan(name, of.ID, f.ID, v.rates, tiersOf(tiers, of.ID, f.ID)); err != nil {
			return nil, err
		}
		v.plan.context, v.plan.least = m.context, m.least
		m.versions = append(m.versions, v)
	}
	return m, nil
}

// at is the place of the version that holds at a time: the last that does, and if none does, the first.
func (m *model) at(t time.Time) int {
	for i := len(m.versions) - 1; i > 0; i-- {
		if m.versions[i].at(t) {
			return i
		}
	}
	return 0
}

// Find gives the prices in force for a model at a provider. The provider is a catalogue's id or a name that the catalogue knows for one, or what
// [Seller] makes of it. A model that is listed without any price is not found, unless its name says that it is free: no
// price is not the same as nothing to pay.
func (c *Catalogue) Find(provider, model string, at time.Time) (*Plan, bool) {
	p, ok := c.Listed(provider, model, at)
	return p, ok && p.known
}

// Listed is Find for people: it gives models without a price too. Their plan costs nothing, and [Plan.Known] tells.
func (c *Catalogue) Listed(provider, model string, at time.Time) (*Plan, bool) {
	a := c.lookup(asked{provider, model})
	v := 0
	if a.model != nil {
		v = a.model.at(at)
	}
	for i := range a.own {
		if !at.Before(a.own[i].from) {
			return a.own[i].plans[v], true
		}
	}
	if a.model == nil {
		return nil, false
	}
	return a.model.versions[v].plan, true
}

func (c *Catalogue) lookup(q asked) *answer {
	c.mu.RLock()
	a := c.found[q]
	c.mu.RUnlock()
	if a != nil {
		return a
	}
	a = c.search(q)
	if len(q.seller)+len(q.model) <= maxName {
		c.mu.Lock()
		if len(c.found) >= maxFound {
			clear(c.found)
		}
		// The names may be parts of a request's body, which must not stay for them.
		c.found[asked{strings.Clone(q.seller), strings.Clone(q.model)}] = a
		c.mu.Unlock()
	}
	return a
}

func (c *Catalogue) search(q asked) *answer {
	id, who := splitSeller(q.seller)
	name := strings.ToLower(strings.TrimSpace(q.model))
	p := c.provider(id)
	if strings.EqualFold(id, proxyNames) {
		if of, rest, ok := strings.Cut(name, "/"); ok && of != "" && rest != "" {
			if at := c.provider(of); at != nil {
				p, name = at, rest
			}
		}
	}
	a := &answer{}
	if p != nil {
		a.model = p.model(name)
	}
	a.own = c.ownFor(who, p, name, a.model)
	return a
}

// provider finds a provider by its id, or by a name that its rule knows.
func (c *Catalogue) provider(name string) *provider {
	name = strings.ToLower(strings.TrimSpace(name))
	if name == "" {
		return nil
	}
	if p := c.byID[name]; p != nil {
		return p
	}
	for _, p := range c.providers {
		if p.match != nil && p.match(name) {
			return p
		}
	}
	return nil
}

// model finds a model by a name: as it is, and with a date in it written apart.
func (p *provider) model(name string) *model {
	if m := p.search(name); m != nil {
		return m
	}
	if apart := dated(name); apart != name {
		return p.search(apart)
	}
	return nil
}

// search asks the provider and then those that it falls back to, and not those that these fall back to.
func (p *provider) search(name string) *model {
	if m := p.first(name); m != nil {
		return m
	}
	for _, f := range p.fallback {
		if m := f.first(name); m != nil {
			return m
		}
	}
	return nil
}

func (p *provider) first(name string) *model {
	for _, m := range p.models {
		if m.match(name) {
			return m
		}
	}
	return nil
}

var dateInName = regexp.MustCompile(`-20\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[-:]|$)`)

// dated writes the dates in a name apart: claude-x-20260701 becomes claude-x-2026-07-01.
func dated(name string) string {
	var out strings.Builder
	rest := name
	for {
		at := dateInName.FindStringIndex(rest)
		if at == nil {
			break
		}
		day := rest[at[0]+1 : at[0]+9]
		apart := day[:4] + "-" + day[4:6] + "-" + day[6:]
		if _, err := time.Parse(time.DateOnly, apart); err == nil {
			day = apart
		}
		out.WriteString(rest[:at[0]+1])
		out.WriteString(day)
		rest = rest[at[0]+9:] // what ends the date may begin the next
	}
	out.WriteString(rest)
	return out.String()
}

// Provider gives the id of the provider that a name means, or that a base URL is of.
func (c *Catalogue) Provider(name string) (id string, ok bool) {
	if p := c.provider(name); p != nil {
		return p.ID, true
	}
	return "", false
}

// Is reports whether a name is the id of a provider.
func (c *Catalogue) Is(id string) bool { return c.byID[id] != nil }

// Listing is a model's prices in force, for people and programs.
type Listing struct {
	Provider string            `json:"provider"`
	Model    string            `json:"model"`
	Plan     string            `json:"plan"`
	Context  int64             `json:"context,omitempty"`
	Past     bool              `json:"deprecated,omitempty"`
	Prices   map[string]string `json:"prices"` // US dollars, by the names of the prices
	Tiers    []string          `json:"tiers,omitempty"`
}

// List lists models in the catalogue's order: of one provider, or of all for "". Patterns have at most one '*'; empty: every model.
func (c *Catalogue) List(provider, pattern string, at time.Time) (out []Listing) {
	pattern = strings.ToLower(pattern)
	for _, p := range c.providers {
		if provider != "" && p.ID != provider {
			continue
		}
		for _, m := range p.models {
			if pattern != "" && !domain.MatchModel(pattern, strings.ToLower(m.id)) {
				continue
			}
			v := &m.versions[m.at(at)]
			l := Listing{Provider: p.ID, Model: m.id, Plan: v.plan.name, Context: m.context, Past: m.deprecated, Prices: map[string]string{}}
			for k, r := range v.rates {
				l.Prices[units[k].price] = r.text(k)
			}
			for t := range v.plan.sheets {
				if tier := domain.Tier(t); tier != domain.TierStandard && v.plan.Has(tier) { //nolint:gosec // a handful
					l.Tiers = append(l.Tiers, tier.String())
				}
			}
			out = append(out, l)
		}
	}
	return out
}

// ProviderAt gives the id of the provider whose API is at a base URL.
func (c *Catalogue) ProviderAt(baseURL string) (id string, ok bool) {
	for _, p := range c.providers {
		if baseURL != "" && p.url != nil && p.url.MatchString(baseURL) {
			return p.ID, true
		}
	}
	return "", false
}

// Source says where the catalogue comes from.
func (c *Catalogue) Source() Source { return c.source }
