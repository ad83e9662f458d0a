package sim

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Options make a Provider. The zero value is usable.
type Options struct {
	// Name appears in the ids that the provider gives out; letters and digits.
	// Empty: "Sim".
	Name string
	// Speed divides every simulated delay: 1000 makes a second a millisecond.
	// Zero or less: 1. What is stated in headers is not scaled, nor is the life of
	// prompt caches.
	Speed float64
	// Models are what GET /v1/models lists; any other is served, too. Empty: two.
	Models []string
	// Default lies beneath every model's and key's behaviour.
	Default Behaviour
	// Keep is how many requests Requests remembers; 0: 10,000.
	Keep int
	// KeepBytes is how many bytes of their bodies; 0: 64 MiB.
	KeepBytes int
	// Done, if set, is called with every request that ended, by its own goroutine.
	Done func(Seen)
}

// Limits of the provider itself.
const (
	maxBody     = 32 << 20 // bytes of a request, as Anthropic's
	maxSubjects = 10_000   // keys and models remembered each; then all are forgotten
)

// Provider is an http.Handler that answers as the Anthropic, OpenAI and Gemini APIs do.
// It is safe for concurrent use.
type Provider struct {
	o       Options
	journal *journal
	cache   *promptCache
	stored  responseStore

	mu     sync.Mutex
	keys   map[string]*state
	models map[string]*state
	base   *state
	fixed  map[string]Behaviour // by Set
	orgs   map[string]string    // by SetOrganization
	ids    int
}

// state is what is remembered of a key or a model: its behaviour and how far its
// faults are used up.
type state struct {
	b     Behaviour
	used  []int // by fault
	since time.Time
	asked int // requests that a fault could have met
}

func newState(b Behaviour, now time.Time) *state {
	return &state{b: b, used: make([]int, len(b.Faults)), since: now}
}

// New makes a provider.
func New(o Options) *Provider {
	if o.Name == "" {
		o.Name = "Sim"
	}
	if o.Speed <= 0 {
		o.Speed = 1
	}
	if len(o.Models) == 0 {
		o.Models = []string{"claude-sim-1", "gpt-sim-1"}
	}
	if o.Keep <= 0 {
		o.Keep = 10_000
	}
	if o.KeepBytes <= 0 {
		o.KeepBytes = 64 << 20
	}
	p := &Provider{
		o: o, cache: newPromptCache(), journal: newJournal(o.Keep, o.KeepBytes),
		fixed: map[string]Behaviour{}, orgs: map[string]string{},
	}
	p.forget()
	return p
}

func (p *Provider) forget() {
	p.keys, p.models, p.base = map[string]*state{}, map[string]*state{}, newState(p.o.Default, time.Now())
	p.ids = 0
}

// Set decides how the key is answered, in place of its words, from the next
// request on. Uses of its faults begin at zero. The model's words still lie
// beneath it.
func (p *Provider) Set(key string, b Behaviour) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fixed[key] = b
	delete(p.keys, key)
}

// SetOrganization puts the key into an organisation, whatever its words say.
func (p *Provider) SetOrganization(key, organization string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.orgs[key] = organization
}

// Reset forgets what was seen, how far faults are used up, the prompt
// caches and the stored responses. What Set and SetOrganization said stays.
func (p *Provider) Reset() {
	p.mu.Lock()
	p.forget()
	p.mu.Unlock()
	p.cache.forget()
	p.stored.forget()
	p.journal.reset()
}

// decide says how one request is answered: the behaviour, and the fault that it
// suffers. counted: the request may use up a fault that has a number of times;
// others suffer only the faults that never end.
func (p *Provider) decide(key, model string, counted bool, now time.Time) (b Behaviour, f Fault, organization string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := remember(p.keys, key, now, func() Behaviour {
		if fixed, ok := p.fixed[key]; ok {
			return fixed
		}
		return Parse(key)
	})
	m := remember(p.models, model, now, func() Behaviour { return Parse(model) })
	for _, s := range []*state{k, m, p.base} {
		if f = s.take(counted, now, p.o.Speed); f.Kind != None {
			break
		}
	}
	organization = p.orgs[key]
	if organization == "" {
		organization = k.b.Organization
	}
	if organization == "" {
		organization = organizationID(anthropic, "key "+key)[:8]
	}
	return k.b.over(m.b.over(p.base.b)), f, organization
}

func remember(in map[string]*state, name string, now time.Time, behaviour func() Behaviour) *state {
	s := in[name]
	if s == nil {
		if len(in) >= maxSubjects {
			clear(in)
		}
		s = newState(behaviour(), now)
		in[name] = s
	}
	return s
}

// take gives the first fault that is not used up, and uses it.
func (s *state) take(counted bool, now time.Time, speed float64) Fault {
	if s.b.Flap > 0 {
		period := time.Duration(float64(s.b.Flap) / speed)
		if period > 0 && now.Sub(s.since)/period%2 == 1 {
			return Fault{}
		}
	}
	left := time.Duration(float64(s.b.Down)/speed) - now.Sub(s.since)
	if s.b.Down > 0 && left <= 0 {
		return Fault{}
	}
	if counted && len(s.b.Faults) > 0 {
		s.asked++
	}
	n := s.asked - s.b.Sound
	if s.b.Sound > 0 && n <= 0 {
		return Fault{}
	}
	if share := s.b.Share; share > 0 && counted && n*share/100 == (n-1)*share/100 {
		return Fault{}
	}
	for i, f := range s.b.Faults {
		if s.b.Down > 0 && f.RetryAfter > 0 {
			f.RetryAfter = left
		}
		switch {
		case f.Times == 0:
			return f
		case counted && s.used[i] < f.Times:
			s.used[i]++
			return f
		}
	}
	return Fault{}
}

// nextID numbers the answers.
func (p *Provider) nextID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ids++
	return p.ids
}

// ServeHTTP answers one request. It panics with http.ErrAbortHandler where the
// connection has to break, as net/http asks for.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	x := p.begin(w, r, body, start)
	defer x.end()
	if err != nil {
		if tooLarge := new(http.MaxBytesError); !errors.As(err, &tooLarge) {
			x.set(Aborted) // the client left in the middle of its request
			return
		}
		x.fail(statusFailure(x.format, http.StatusRequestEntityTooLarge, x.who()))
		return
	}
	x.serve()
}

// begin identifies the request and enters it in the journal.
func (p *Provider) begin(w http.ResponseWriter, r *http.Request, body []byte, start time.Time) *exchange {
	var peek struct {
		Model  string `json:"model"`
		Stream bool   `json:"stream"`
	}
	if len(body) < maxBody {
		_ = json.Unmarshal(body, &peek) // what is wrong with it is said later
	}
	if isGemini(r) {
		at, _ := geminiPath(r.URL.Path)
		peek.Model, peek.Stream = at.model, at.verb == "streamGenerateContent"
	}
	x := &exchange{
		p: p, w: w, rc: http.NewResponseController(w), r: r, body: body, id: p.nextID(),
		format: formatOf(r), seen: &Seen{
			Method: r.Method, Path: r.URL.RequestURI(), Proto: r.Proto, Remote: r.RemoteAddr,
			Model: peek.Model, Stream: peek.Stream, Header: r.Header.Clone(), Body: body, Start: start,
		},
	}
	x.array = x.format == gemini && peek.Stream && r.URL.Query().Get("alt") != "sse"
	x.seen.Key = keyOf(r, x.format)
	x.b, x.fault, x.seen.Organization = p.decide(x.seen.Key, peek.Model, x.generates(), start)
	x.seen.Fault = x.fault
	x.organization, x.key, x.model = x.seen.Organization, x.seen.Key, x.seen.Model
	p.journal.add(x.seen)
	return x
}

// formatOf says whose API the request means. Paths that both have are told apart
// by the headers that only Anthropic's clients send.
func formatOf(r *http.Request) format {
	switch {
	case isGemini(r):
		return gemini
	case strings.HasPrefix(r.URL.Path, "/v1/messages"):
		return anthropic
	case strings.HasPrefix(r.URL.Path, "/v1/chat/"):
		return openai
	case r.URL.Path == "/v1/responses", strings.HasPrefix(r.URL.Path, "/v1/responses/"):
		return responses
	case r.Header.Get("anthropic-version") != "" || r.Header.Get("x-api-key") != "":
		return anthropic
	}
	return openai
}

func keyOf(r *http.Request, f format) string {
	if f == gemini {
		return geminiKey(r)
	}
	if f == anthropic {
		if key := r.Header.Get("x-api-key"); key != "" {
			return key
		}
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "bearer") {
		return strings.TrimSpace(token)
	}
	return ""
}
