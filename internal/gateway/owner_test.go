package gateway

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"turnout/internal/dialect"
	"turnout/internal/dialect/anthropic"
	"turnout/internal/dialect/gemini"
	"turnout/internal/dialect/openai"
	"turnout/internal/dialect/responses"
	"turnout/internal/domain"
)

// ownedBy makes the rig's key one of a user of a team.
func ownedBy(u domain.User, team domain.Team) rigOption {
	return func(c *rigConfig) {
		u.Name, u.Team, u.Enabled, team.Name, team.Enabled = "ada", "research", true, "research", true
		c.key.User = "ada"
		keys, conflicts := domain.Link([]domain.Key{c.key}, []domain.User{u}, []domain.Team{team})
		if len(conflicts) > 0 {
			panic(conflicts)
		}
		c.key = keys[0]
	}
}

// spokenForm is one dialect with a small request.
type spokenForm struct {
	name     string
	d        dialect.Dialect
	platform string
	at       dialect.Route
	body     string
	denied   []string // in the refusal of a model
	network  string
	tag      string
}

var spokenForms = []spokenForm{
	{"anthropic", anthropic.Dialect{}, "anthropic", dialect.Route{}, `{"model":"m","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}`,
		[]string{`{"type":"error","error":{"type":"permission_error","message":`}, `"type":"permission_error"`, `"type":"invalid_request_error"`},
	{"chat", openai.Dialect{}, "openai-compatible", dialect.Route{}, `{"model":"m","messages":[{"role":"user","content":"hi"}]}`,
		[]string{`{"error":{"message":`, `"code":"model_not_allowed"`, `"param":"model"`}, `"code":"network_not_allowed"`, `"type":"invalid_request_error"`},
	{"responses", responses.Dialect{}, "openai", dialect.Route{}, `{"model":"m","store":false,"input":"hi"}`,
		[]string{`{"error":{"message":`, `"code":"model_not_allowed"`}, `"code":"network_not_allowed"`, `"type":"invalid_request_error"`},
	{"gemini", gemini.Dialect{}, "gemini", dialect.Route{Model: "m", Version: "v1beta", Verb: "generateContent"}, `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`,
		[]string{`{"error":{"code":403,"message":`, `"status":"PERMISSION_DENIED"`}, `"status":"PERMISSION_DENIED"`, `"status":"INVALID_ARGUMENT"`},
}

// TestOwnersRulesInEveryDialect: what a team denies, where a key may not come from and what it may not say are refused in
// the form of the caller's protocol, and nobody is asked.
func TestOwnersRulesInEveryDialect(t *testing.T) {
	for _, f := range spokenForms {
		t.Run(f.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				call := Call{Dialect: f.d, At: f.at}
				r := newRig(t, []account{{name: "a", platform: f.platform}}, as(f.d), ownedBy(domain.User{}, domain.Team{Deny: []string{"m"}}))
				w := r.ask(call, []byte(f.body))
				if w.Code != 403 {
					t.Errorf("%d %s", w.Code, w.Body)
				}
				mustContain(t, "the refusal", w.Body.String(), append(f.denied, `the team \"research\" of this key may not use the model \"m\", which is denied to it`)...)
				if rec := r.last(); rec.Outcome != OutcomeRefused || rec.Attempts != 0 {
					t.Errorf("%+v", rec)
				}

				r = newRig(t, []account{{name: "a", platform: f.platform}}, as(f.d), func(c *rigConfig) { c.key.Networks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} })
				w = r.ask(call, []byte(f.body))
				if w.Code != 403 {
					t.Errorf("%d %s", w.Code, w.Body)
				}
				mustContain(t, "the refusal", w.Body.String(), f.network, "This API key may not be used from 192.0.2.1.")

				r = newRig(t, []account{{name: "a", platform: f.platform}}, as(f.d), func(c *rigConfig) { c.key.TagHeader = []string{"project"} })
				w = r.ask(call, []byte(f.body), "X-Turnout-Tags", "cost=1")
				if w.Code != 400 {
					t.Errorf("%d %s", w.Code, w.Body)
				}
				mustContain(t, "the refusal", w.Body.String(), f.tag, "x-turnout-tags: the callers of this key may not set cost; they may set: project")
			})
		})
	}
}

// TestOwnersRates: a team's and a user's limits hold for its keys, beside the key's own, and say whose they are.
func TestOwnersRates(t *testing.T) {
	for _, c := range []struct {
		name       string
		key        int64
		user, team int64
		by, record string
		served     int
	}{
		{"the team's", 0, 0, 2, `the team \"research\"`, "team research: requests", 2},
		{"the user's", 0, 1, 2, `the user \"ada\"`, "user ada: requests", 1},
		{"the key's", 1, 2, 2, `the key \"team\"`, "key team: requests", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rates := func(n int64) *domain.Rates {
					if n == 0 {
						return nil
					}
					return &domain.Rates{RateLimits: domain.RateLimits{Requests: n, Tokens: 1_000_000}, Models: map[string]domain.RateLimits{"claude-*": {Concurrency: 9}}}
				}
				r := newRig(t, []account{{name: "a"}}, poolRates(*rates(100)), func(rc *rigConfig) { rc.key.Rates = rates(c.key) }, ownedBy(domain.User{Rates: rates(c.user)}, domain.Team{Rates: rates(c.team)}))
				r.on("a", jsonOK("fine"))
				for i := range c.served {
					if w := r.send(askJSON); w.Code != 200 {
						t.Errorf("%d: %d %s", i, w.Code, w.text())
					}
				}
				w := r.send(askJSON)
				if w.Code != 429 {
					t.Errorf("%d %s", w.Code, w.text())
				}
				mustContain(t, "the refusal", w.text(), c.by)
				mustContain(t, "the trace", string(r.last().Trace), c.record)
				r.noSlots("claude-x")
			})
		})
	}
}

// TestOwnersLabels: what the team requires of accounts holds for its keys.
func TestOwnersLabels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "us"}, {name: "eu", priority: 1}}, ownedBy(domain.User{}, domain.Team{Require: domain.Labels{"region": "eu"}}))
		r.accounts[0].Labels, r.accounts[1].Labels = domain.Labels{"region": "us"}, domain.Labels{"region": "eu"}
		r.on("eu", jsonOK("fine"))
		if w := r.send(askJSON); w.Code != 200 || r.names() != "eu" {
			t.Errorf("%d %s: %s", w.Code, w.text(), r.names())
		}
	})
}

// TestTags: a record says what the request was for.
func TestTags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}}, func(c *rigConfig) {
			c.key.Tags, c.key.TagHeader = map[string]string{"project": "apollo"}, []string{"run"}
		},
			ownedBy(domain.User{}, domain.Team{Tags: map[string]string{"cost_centre": "r-17"}}))
		r.on("a", jsonOK("fine"))
		if w := r.send(askJSON, withHeader("X-Turnout-Tags", "run=7")); w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.text())
		}
		if tags := r.last().Tags; len(tags) != 3 || tags["project"] != "apollo" || tags["run"] != "7" || tags["cost_centre"] != "r-17" {
			t.Errorf("%v", tags)
		}
		if h := r.attempts[0].header; h.Get("X-Turnout-Tags") != "" {
			t.Error("the provider was told the tags")
		}
	})
}

// TestOwnersInMe: a caller is told whose limits hold.
func TestOwnersInMe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}}, ownedBy(domain.User{Deny: []string{"x"}}, domain.Team{Models: []string{"claude-*"}, Rates: &domain.Rates{RateLimits: domain.RateLimits{Requests: 5}}}))
		r.on("a", jsonOK("fine"))
		r.send(askJSON)
		req := httptest.NewRequest(http.MethodGet, "/v1/turnout/me", nil)
		req.Header.Set("X-Api-Key", testKey)
		w := httptest.NewRecorder()
		r.g.Me(r.d).ServeHTTP(w, req)
		var s Standing
		if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		if s.Team == nil || s.Team.Name != "research" || len(s.Team.Rates) != 1 || s.Team.Rates[0].Remaining != 4 || s.User == nil || s.User.Deny[0] != "x" || len(s.User.Rates) != 0 || len(s.Key.Rates) != 0 {
			t.Errorf("%s", w.Body)
		}
	})
}

// TestDrainingAccount: it keeps its session and gets no other; what lives there is still found.
func TestDrainingAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}}, byLoad)
		r.on("a", jsonOK("fine"))
		r.on("b", jsonOK("fine"))
		session := func(id string) requestOption { return withHeader("X-Claude-Code-Session-Id", id) }
		r.send(askJSON, session("old"))
		drained := *r.accounts[0]
		drained.Draining = true
		keys := r.g.Snapshot().keys
		snap, err := NewSnapshot(2, r.g.Snapshot().Settings, keys, []PoolConfig{{Pool: domain.Pool{ID: 1, Name: "default", Enabled: true}}}, []*domain.Account{&drained, r.accounts[1]}, r.cells)
		if err != nil {
			t.Fatal(err)
		}
		r.g.Swap(snap)
		r.send(askJSON, session("old"))
		r.send(askJSON, session("new"))
		r.send(askJSON, session("old"))
		if got := r.names(); got != "a a b a" {
			t.Errorf("asked %q", got)
		}
		// With nobody else left a new session is told so.
		other := *r.accounts[1]
		other.Paused = true
		if snap, err = NewSnapshot(3, snap.Settings, keys, []PoolConfig{{Pool: domain.Pool{ID: 1, Name: "default", Enabled: true}}}, []*domain.Account{&drained, &other}, r.cells); err != nil {
			t.Fatal(err)
		}
		r.g.Swap(snap)
		w := r.send(askJSON, session("third"))
		if w.Code != 503 || w.took != 0 || !strings.Contains(w.text(), "no upstream account can serve claude-x now") {
			t.Errorf("%d %s after %s", w.Code, w.text(), w.took)
		}
	})
}
