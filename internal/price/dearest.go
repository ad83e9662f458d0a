package price

import (
	"strings"
	"time"
)

// Dearest makes a plan for a model that has no price: what the dearest of its family costs, kind by kind. The family are the provider's
// models whose names begin with as many of the asked name's words as any do, and with its first word at least; a name's words are parted by
// anything but letters and digits. If none begins like it, the family are all of the provider's models. Long-context prices count whatever the
// request's length, and so do all times of the day. Where the provider is not known, the family is looked for among the models of all providers.
// false: there is none, or none of its models has a price.
func (c *Catalogue) Dearest(provider, model string, at time.Time) (*Plan, bool) {
	at = at.UTC()
	q := askedDay{asked{provider, model}, dayOf(at)}
	remember := len(provider)+len(model) <= maxName
	if remember {
		c.mu.RLock()
		p := c.dear[q]
		c.mu.RUnlock()
		if p != nil {
			return p, true
		}
	}
	p, ok := c.dearest(provider, model, at)
	if ok && remember {
		q.seller, q.model = strings.Clone(provider), strings.Clone(model)
		c.mu.Lock()
		if len(c.dear) >= maxDear {
			clear(c.dear)
		}
		c.dear[q] = p
		c.mu.Unlock()
	}
	return p, ok
}

func (c *Catalogue) dearest(seller, name string, at time.Time) (*Plan, bool) {
	id, _ := splitSeller(seller)
	p := c.provider(id)
	if p == nil {
		return c.anywhere(name, at)
	}
	family, begins := p.family(strings.ToLower(strings.TrimSpace(name)))
	if begins != "" {
		if plan := c.ofFamily(p, family, begins, at); plan != nil {
			return plan, true
		}
	}
	plan := c.ofFamily(p, p.models, "", at)
	return plan, plan != nil
}

// anywhere looks for a family among all providers' models, for a name that somebody sells of whom nothing is known.
func (c *Catalogue) anywhere(name string, at time.Time) (*Plan, bool) {
	all := &provider{Provider: Provider{ID: "any"}}
	for _, p := range c.providers {
		all.models = append(all.models, p.models...)
	}
	family, begins := all.family(strings.ToLower(strings.TrimSpace(name)))
	if begins == "" {
		return nil, false
	}
	plan := c.ofFamily(all, family, begins, at)
	return plan, plan != nil
}

// ofFamily makes a family's plan; nil: none of it has a price. The names that callers ask for are without number, their families are not: what costs
// most of the work is kept by family.
func (c *Catalogue) ofFamily(p *provider, family []*model, begins string, at time.Time) *Plan {
	q := askedDay{asked{p.ID, begins}, dayOf(at)}
	c.mu.RLock()
	plan, known := c.families[q]
	c.mu.RUnlock()
	if known {
		return plan
	}
	if r := highest(family, at); !r.nothing() {
		// The kinds are complete, and each price is one that has been compiled.
		plan, _ = newPlan(p.ID+"/"+begins+"*", p.ID, begins+"*", r, nil)
	}
	if len(begins) <= maxName {
		q.model = strings.Clone(begins)
		c.mu.Lock()
		if len(c.families) >= maxDear {
			clear(c.families)
		}
		c.families[q] = plan
		c.mu.Unlock()
	}
	return plan
}

// family are the models that begin like a name, and what they all begin with.
func (p *provider) family(name string) (out []*model, begins string) {
	best := 0
	for _, m := range p.models {
		common := 0
		for _, n := range m.names {
			common = max(common, wordsAlike(name, n))
		}
		if common > best {
			best, out = common, nil
		}
		if common == best && common > 0 {
			out = append(out, m)
		}
	}
	return out, name[:best]
}

// wordsAlike is how many bytes of two names are the same whole words from the beginning.
func wordsAlike(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	// Not within a word of either.
	for n > 0 && (n < len(a) && isWord(a[n]) || n < len(b) && isWord(b[n])) && isWord(a[n-1]) {
		n--
	}
	for n > 0 && !isWord(a[n-1]) {
		n--
	}
	return n
}

func isWord(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

// highest is the highest price of each kind, of all that hold on a day.
func highest(models []*model, at time.Time) rates {
	out := rates{}
	for _, m := range models {
		dated := -1
		for i, v := range m.versions {
			if !v.daily && v.at(at) {
				dated = i
			}
		}
		for i, v := range m.versions {
			if !v.daily && i != max(dated, 0) {
				continue
			}
			for k := range kinds {
				if r, ok := v.rates.of(k); ok {
					if most := r.most(); out[k].base == nil || most.Cmp(out[k].base) > 0 {
						out[k] = rate{base: most}
					}
				}
			}
		}
	}
	return out
}

// nothing says that no kind costs anything: that is nobody's highest price.
func (r rates) nothing() bool {
	for _, v := range r {
		if v.most().Sign() > 0 {
			return false
		}
	}
	return true
}
