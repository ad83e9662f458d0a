package gateway

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash/maphash"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/caller"
	"turnout/internal/dialect"
	"turnout/internal/dialect/anthropic"
	"turnout/internal/dialect/gemini"
	"turnout/internal/dialect/openai"
	"turnout/internal/dialect/responses"
	"turnout/internal/domain"
	"turnout/internal/sched"
)

// cachedJSON is an answer that read and wrote so many tokens of the prompt's cache.
func cachedJSON(read, written int) reply {
	return func(context.Context, *call) (*response, error) {
		body := strings.Replace(messageJSON("a"), `"cache_creation_input_tokens":0`, fmt.Sprintf(`"cache_creation_input_tokens":%d`, written), 1)
		return answer200("application/json", strings.Replace(body, `"cache_read_input_tokens":0`, fmt.Sprintf(`"cache_read_input_tokens":%d`, read), 1)), nil
	}
}

// agent is a request of a coding agent: tools and a system prompt of some 15,000 tokens, and what the user says.
func agent(system, says string) string {
	return `{"model":"claude-x","max_tokens":100,"tools":[{"name":"t","description":"` + strings.Repeat("tool ", 8000) + `"}],"system":[` +
		`{"type":"text","text":"x-anthropic-billing-header: ` + says + `"},{"type":"text","text":"` + strings.Repeat(system+" ", 5000) + `"}],` +
		`"messages":[{"role":"user","content":"` + says + `"}]}`
}

var many = []account{{name: "a"}, {name: "b"}, {name: "c"}, {name: "d"}, {name: "e"}, {name: "f"}, {name: "g"}, {name: "h"}}

// New conversations go where what they begin with is warm: with a signal and without one, but not those of another
// key, not those that begin otherwise, and not once the cache is cold.
func TestSharedPrefix(t *testing.T) {
	session := func(n int) requestOption { return withHeader("X-Claude-Code-Session-Id", fmt.Sprint("s", n)) }
	second := func(r *http.Request) { r.Header.Set("X-Api-Key", "tk-second-89abcdef") }
	for name, c := range map[string]struct {
		answer reply
		pause  time.Duration
		ask    func(i int) (string, []requestOption)
		there  bool
	}{
		"other sessions": {cachedJSON(0, 15_000), 0, func(i int) (string, []requestOption) {
			return agent("S", fmt.Sprint(i)), []requestOption{session(i)}
		}, true},
		"no signal": {cachedJSON(0, 15_000), 0, func(i int) (string, []requestOption) { return agent("S", fmt.Sprint(i)), nil }, true},
		"no session": {cachedJSON(0, 15_000), 0, func(i int) (string, []requestOption) {
			return agent("S", fmt.Sprint(i)), []requestOption{withHeader("X-Turnout-Session", "none")}
		}, true},
		"cold": {cachedJSON(0, 15_000), 6 * time.Minute, func(i int) (string, []requestOption) {
			return agent("S", fmt.Sprint(i)), []requestOption{session(i)}
		}, false},
		"nothing was cached": {jsonOK("a"), 0, func(i int) (string, []requestOption) {
			return agent("S", fmt.Sprint(i)), []requestOption{session(i)}
		}, false},
		"another system prompt": {cachedJSON(0, 15_000), 0, func(i int) (string, []requestOption) {
			return agent("T", fmt.Sprint(i)), []requestOption{session(i)}
		}, false},
		"another key": {cachedJSON(0, 15_000), 0, func(i int) (string, []requestOption) {
			return agent("S", fmt.Sprint(i)), []requestOption{session(i), second}
		}, false},
		"another model": {cachedJSON(0, 15_000), 0, func(i int) (string, []requestOption) {
			return strings.Replace(agent("S", fmt.Sprint(i)), "claude-x", "claude-y", 1), []requestOption{session(i)}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, many)
				keys, err := caller.NewDirectory([]domain.Key{
					{ID: 1, Name: "team", Hash: sha256.Sum256([]byte(testKey)), Pools: []string{"default"}, Enabled: true},
					{ID: 2, Name: "second", Hash: sha256.Sum256([]byte("tk-second-89abcdef")), Pools: []string{"default"}, Enabled: true},
				})
				if err != nil {
					t.Fatal(err)
				}
				snap, err := NewSnapshot(2, DefaultSettings(), keys, []PoolConfig{{Pool: domain.Pool{ID: 1, Name: "default", Enabled: true}}}, r.accounts, r.cells)
				if err != nil {
					t.Fatal(err)
				}
				r.g.Swap(snap)
				for _, a := range many {
					r.on(a.name, c.answer)
				}
				r.send(agent("S", "first"), session(0))
				first := r.last().Account
				for _, a := range many {
					r.on(a.name, jsonOK("b")) // what is asked now teaches nothing
				}
				time.Sleep(c.pause)
				there := 0
				const asks = 12
				for i := range asks {
					if c.there {
						r.on(r.accounts[first-1].Name, cachedJSON(14_000, 0))
					}
					body, opts := c.ask(i + 1)
					r.send(body, opts...)
					rec := r.last()
					if rec.Account == first {
						there++
					}
					// What a choice hopes for is in its score: there, and nowhere else.
					mustContain(t, "the trace", string(rec.Trace), `"sc":[`)
					terms := strings.Split(between(string(rec.Trace), `"sc":[`, `]`), ",")
					if len(terms) != sched.NumTerms || c.there && !strings.HasPrefix(terms[sched.TermShared], "-") || !c.there && terms[sched.TermShared] != "0" {
						t.Fatalf("the score's terms: %q", terms)
					}
				}
				if c.there && there != asks || !c.there && there > asks/2 {
					t.Errorf("%d of %d went where the first was", there, asks)
				}
			})
		})
	}
}

// between is what stands between two words.
func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}

// What is not shared after all draws nobody: new conversations that read nothing of it twice in a row.
func TestPrefixThatIsNotShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, many)
		for _, a := range many {
			r.on(a.name, cachedJSON(0, 15_000))
		}
		accounts := map[domain.AccountID]int{}
		for i := range 30 {
			r.send(agent("S", fmt.Sprint(i)), withHeader("X-Claude-Code-Session-Id", fmt.Sprint("s", i)))
			if i > 3 {
				accounts[r.last().Account]++
				if strings.Contains(string(r.last().Trace), `"sc":[`) && strings.HasPrefix(strings.Split(between(string(r.last().Trace), `"sc":[`, `]`), ",")[sched.TermShared], "-") {
					t.Fatalf("request %d hoped for it: %s", i, r.last().Trace)
				}
			}
		}
		if len(accounts) < 4 {
			t.Errorf("all went to %v", accounts)
		}
	})
}

// The explanation of a new request knows what the key's conversations begin with.
func TestRouteTellsSharedPrefix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, two)
		r.on("a", cachedJSON(0, 15_000))
		r.on("b", cachedJSON(0, 15_000))
		r.send(agent("S", "first"), claude)
		first := r.accounts[r.last().Account-1].Name
		a, err := r.g.Route(RouteQuery{Model: "claude-x", Dialect: domain.DialectAnthropic, Input: 20_000})
		if err != nil {
			t.Fatal(err)
		}
		if len(a.Shared) != 1 || a.Shared[0].Account != first || a.Shared[0].Tokens < 13_000 || a.Account != first {
			t.Errorf("%+v", a)
		}
		for _, c := range a.Pools[0].Candidates {
			if (c.Terms["shared"] < -1) != (c.Account == first) {
				t.Errorf("%+v", c)
			}
		}
		a, _ = r.g.Route(RouteQuery{Model: "claude-z", Dialect: domain.DialectAnthropic, Input: 20_000})
		if len(a.Shared) != 0 {
			t.Errorf("of another model: %+v", a)
		}
	})
}

// Requests of two conversations of one client have one prefix, in every dialect; with other tools or another system prompt they have not.
func TestPrefixOfDialects(t *testing.T) {
	for _, c := range []struct {
		d                        dialect.Dialect
		base                     string
		same, otherTools, system string
	}{
		{
			anthropic.Dialect{}, `{"model":"m","tools":[{"name":"t"}],"system":"S","messages":[{"role":"user","content":"a"}]}`,
			`{"messages":[{"role":"user","content":"b"},{"role":"assistant","content":"c"}],"system":"S","tools":[{"name":"t"}],"model":"m"}`,
			`{"model":"m","tools":[{"name":"u"}],"system":"S","messages":[{"role":"user","content":"a"}]}`,
			`{"model":"m","tools":[{"name":"t"}],"system":"T","messages":[{"role":"user","content":"a"}]}`,
		},
		{
			openai.Dialect{}, `{"model":"m","tools":[{"type":"function"}],"messages":[{"role":"system","content":"S"},{"role":"user","content":"a"}]}`,
			`{"model":"m","tools":[{"type":"function"}],"messages":[{"role":"system","content":"S"},{"role":"user","content":"b"},{"role":"system","content":"later"}]}`,
			`{"model":"m","messages":[{"role":"system","content":"S"},{"role":"user","content":"a"}]}`,
			`{"model":"m","tools":[{"type":"function"}],"messages":[{"role":"developer","content":"T"},{"role":"user","content":"a"}]}`,
		},
		{
			responses.Dialect{}, `{"model":"m","tools":[{"type":"function"}],"instructions":"S","input":[{"role":"developer","content":"D"},{"role":"user","content":"a"}]}`,
			`{"model":"m","tools":[{"type":"function"}],"instructions":"S","input":[{"role":"developer","content":"D"},{"role":"user","content":"<environment_context>x"},{"role":"user","content":"b"}]}`,
			`{"model":"m","tools":[],"instructions":"S","input":[{"role":"developer","content":"D"},{"role":"user","content":"a"}]}`,
			`{"model":"m","tools":[{"type":"function"}],"instructions":"S","input":[{"role":"developer","content":"E"},{"role":"user","content":"a"}]}`,
		},
		{
			gemini.Dialect{}, `{"tools":[{"functionDeclarations":[]}],"systemInstruction":{"parts":[{"text":"S"}]},"contents":[{"role":"user","parts":[{"text":"a"}]}]}`,
			`{"tools":[{"functionDeclarations":[]}],"system_instruction":{"parts":[{"text":"S"}]},"contents":[{"parts":[{"text":"b"}]}]}`,
			`{"systemInstruction":{"parts":[{"text":"S"}]},"contents":[{"role":"user","parts":[{"text":"a"}]}]}`,
			`{"tools":[{"functionDeclarations":[]}],"systemInstruction":{"parts":[{"text":"T"}]},"contents":[{"role":"user","parts":[{"text":"a"}]}]}`,
		},
	} {
		prefix := func(body string) string {
			var b strings.Builder
			req, err := c.d.Request([]byte(body), dialect.Route{Model: "m"})
			if err != nil {
				t.Fatal(err)
			}
			c.d.Prefix([]byte(body), &req, &b)
			return b.String()
		}
		base := prefix(c.base)
		if got := prefix(c.same); got != base {
			t.Errorf("%v: %q and %q", c.d.ID(), base, got)
		}
		for _, other := range []string{c.otherTools, c.system} {
			if prefix(other) == base {
				t.Errorf("%v: %s has the same prefix", c.d.ID(), other)
			}
		}
	}
}

// What it takes to know the prefix of a coding agent's request.
func BenchmarkPrefix(b *testing.B) {
	body := []byte(agent(strings.Repeat("S", 8), "first"))
	req, err := anthropic.Dialect{}.Request(body, dialect.Route{})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	seed := maphash.MakeSeed()
	for b.Loop() {
		h := prefixHash{}
		h.SetSeed(seed)
		anthropic.Dialect{}.Prefix(body, &req, &h)
		if h.Sum64() == 0 {
			b.Fatal("none")
		}
	}
}
