package e2e

import (
	"fmt"
	"strings"
	"testing"

	"turnout/internal/sim"
)

// cached is a Messages request with a beginning that is worth caching.
func cached(model, user string) string {
	return fmt.Sprintf(`{"model":%q,"max_tokens":100,"system":[{"type":"text","text":%q,"cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":%q}]}`,
		model, sim.Text(2000), user)
}

// withMember puts a member into a request's body.
func withMember(body, member string) string { return "{" + member + "," + body[1:] }

// sessions are the ways in which clients name a conversation: for a session value,
// what they send.
var sessions = []struct {
	name string
	make func(value string) ask
}{
	{"x-claude-code-session-id", func(v string) ask {
		return ask{model: "m", header: map[string]string{"X-Claude-Code-Session-Id": v}}
	}},
	{"metadata.user_id as JSON", func(v string) ask {
		user := fmt.Sprintf(`{"device_id":"d","account_uuid":"","session_id":%q}`, v)
		return ask{model: "m", raw: withMember(form{}.body("m"), fmt.Sprintf(`"metadata":{"user_id":%q}`, user))}
	}},
	{"metadata.user_id of older versions", func(v string) ask {
		return ask{model: "m", raw: withMember(form{}.body("m"), fmt.Sprintf(`"metadata":{"user_id":"user_0123_account__session_%s"}`, v))}
	}},
	{"session-id", func(v string) ask {
		return ask{model: "m", header: map[string]string{"Session-Id": v}}
	}},
	{"session_id", func(v string) ask {
		return ask{form: form{openai: true}, model: "m", header: map[string]string{"Session_id": v}}
	}},
	{"x-session-affinity", func(v string) ask {
		return ask{form: form{openai: true, stream: true}, model: "m", header: map[string]string{"X-Session-Affinity": v}}
	}},
	{"prompt_cache_key", func(v string) ask {
		return ask{form: form{openai: true}, model: "m", raw: withMember(form{openai: true}.body("m"), fmt.Sprintf(`"prompt_cache_key":%q`, v))}
	}},
	{"derived from the beginning", func(v string) ask {
		return ask{model: "m", raw: cached("m", "This is conversation "+v)}
	}},
}

// served sends a request and gives the account's key that answered it.
func served(t *testing.T, g *gateway, p *sim.Server, a ask) string {
	t.Helper()
	before := len(p.Requests())
	if r := g.send(a); !r.good() {
		t.Fatalf("%s", &r)
	}
	all := p.Requests()
	if len(all) != before+1 {
		t.Fatalf("%d upstream requests for one", len(all)-before)
	}
	return all[before].Key
}

// TestSticky: every signal keeps a conversation on its account, through other
// conversations and through a restart; the values of two keys are two conversations.
func TestSticky(t *testing.T) {
	p := startProvider(t, sim.Options{})
	var config strings.Builder
	config.WriteString("pools: [{name: default, strategy: least_loaded}]\naccounts:\n") // no lots: where each begins is known
	for _, f := range []form{{openai: false}, {openai: true}} {
		for i := range 3 {
			name := fmt.Sprintf("%s-%d", f.platform(), i)
			config.WriteString(account(p, f.platform(), name, "sk-sim-"+name, ""))
		}
	}
	const otherKey = "tk-other-0123456789abcdef"
	g := startGateway(t, config.String()+keys+"  - {name: other, secret: "+otherKey+"}\n")
	home := map[string]string{}
	for _, s := range sessions {
		t.Run(s.name, func(t *testing.T) {
			accounts := map[string]bool{}
			for _, value := range []string{"one", "two", "three"} {
				v := value + "-" + strings.ReplaceAll(s.name, " ", "-")
				home[v] = served(t, g, p, s.make(v))
				accounts[home[v]] = true
			}
			if len(accounts) != 3 {
				t.Errorf("three conversations are on %d accounts", len(accounts))
			}
			for range 3 {
				for _, value := range []string{"three", "one", "two"} {
					v := value + "-" + strings.ReplaceAll(s.name, " ", "-")
					if got := served(t, g, p, s.make(v)); got != home[v] {
						t.Errorf("conversation %s went to %s, and was at %s", v, got, home[v])
					}
				}
			}
		})
	}

	t.Run("another key", func(t *testing.T) {
		// The other key's conversation of the same name is where it began, not where this one's is.
		const v = "one-session-id"
		different := false
		for range 3 {
			a := ask{model: "m", key: otherKey, header: map[string]string{"Session-Id": v}}
			first := served(t, g, p, a)
			different = different || first != home[v]
			if again := served(t, g, p, a); again != first {
				t.Errorf("the other key's conversation moved from %s to %s", first, again)
			}
			if mine := served(t, g, p, ask{model: "m", header: map[string]string{"Session-Id": v}}); mine != home[v] {
				t.Errorf("this key's conversation moved to %s", mine)
			}
		}
		if !different {
			t.Errorf("the other key's conversation began on %s too, although that account had just been used", home[v])
		}
	})

	g.stop()
	g.start()
	for _, s := range sessions {
		for _, value := range []string{"one", "two", "three"} {
			v := value + "-" + strings.ReplaceAll(s.name, " ", "-")
			if got := served(t, g, p, s.make(v)); got != home[v] {
				t.Errorf("after the restart conversation %s went to %s, and was at %s", v, got, home[v])
			}
		}
	}
}

// TestStickyOtherModel: a model that the conversation's account lacks is served elsewhere,
// and the conversation stays where it is.
func TestStickyOtherModel(t *testing.T) {
	p := startProvider(t, sim.Options{})
	g := startGateway(t, "accounts:\n"+
		account(p, "anthropic", "a", "sk-sim-a", "models: {big: big}")+
		account(p, "anthropic", "b", "sk-sim-b", "priority: 1")+keys)
	session := map[string]string{"X-Claude-Code-Session-Id": "s-1"}
	for i, want := range []struct{ model, key string }{
		{"big", "sk-sim-a"}, {"small", "sk-sim-b"}, {"big", "sk-sim-a"}, {"small", "sk-sim-b"}, {"big", "sk-sim-a"},
	} {
		if got := served(t, g, p, ask{model: want.model, header: session}); got != want.key {
			t.Errorf("request %d for %s went to %s, want %s", i, want.model, got, want.key)
		}
	}
}
