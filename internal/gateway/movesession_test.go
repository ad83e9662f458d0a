package gateway

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/domain"
)

// An operator moves a session, and lets one go; nobody else's is touched.
func TestMoveSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}, {name: "far", pool: "other"}})
		for _, n := range []string{"a", "b"} {
			r.on(n, warmJSON(n))
		}
		const id = "11111111-2222-3333-4444-555555555555" // claude's
		other := withHeader("X-Claude-Code-Session-Id", "another")
		r.send(askJSON, claude)
		r.send(askJSON, other)
		m, err := r.g.MoveSession("team", id, domain.DialectAnthropic, "b")
		if err != nil || m != (MovedSession{"default", "a", "b"}) {
			t.Fatalf("%+v, %v", m, err)
		}
		r.send(askJSON, claude)
		r.send(askJSON, other)
		r.send(askJSON, claude)
		if r.names() != "a a b a b" {
			t.Errorf("asked %s, want a a b a b", r.names())
		}
		if m, err = r.g.MoveSession("", id, domain.DialectAnthropic, ""); err != nil || m != (MovedSession{"default", "b", ""}) {
			t.Fatalf("%+v, %v", m, err)
		}
		if r.send(askJSON, claude); !strings.HasSuffix(r.names(), " a") {
			t.Errorf("asked %s; a session that was let go is a new one", r.names())
		}
		// One that nobody has seen yet may be placed beforehand.
		if m, err = r.g.MoveSession("team", "tomorrow", domain.DialectAnthropic, "b"); err != nil || m != (MovedSession{"default", "", "b"}) {
			t.Fatalf("%+v, %v", m, err)
		}
		r.on("b", jsonOK("b")) // nothing is warm there, and a is better: it stays where it was placed
		for range 2 {
			if r.send(askJSON, withHeader("X-Turnout-Session", "tomorrow")); !strings.HasSuffix(r.names(), " b") {
				t.Errorf("asked %s", r.names())
			}
		}
		for _, c := range []struct {
			key, session, to string
			kind             domain.Kind
			says             string
		}{
			{"nobody", id, "a", domain.KindNotFound, "team"},
			{"team", "", "a", domain.KindInvalid, "name the session"},
			{"team", strings.Repeat("x", 300), "a", domain.KindInvalid, "at most 255"},
			{"team", id, "zzz", domain.KindNotFound, `"zzz"`},
			{"team", id, "far", domain.KindInvalid, "no pool with the account far"},
			{"team", "unknown", "", domain.KindNotFound, "no session unknown"},
		} {
			if _, err := r.g.MoveSession(c.key, c.session, domain.DialectAnthropic, c.to); domain.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%+v: %v", c, err)
			}
		}
	})
}

// A session may be moved to an account of another of the key's pools, also before anybody has seen it; and a placement that
// comes while a request is under way holds.
func TestMoveSessionAcrossPools(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}, {name: "b", pool: "second"}}, func(c *rigConfig) { c.key.Pools = []string{"default", "second"} })
		r.on("a", jsonOK("a"), after(2*time.Second, jsonOK("a")), jsonOK("a"))
		r.on("b", jsonOK("b"))
		const id = "11111111-2222-3333-4444-555555555555" // claude's
		r.send(askJSON, claude)
		if m, err := r.g.MoveSession("", id, domain.DialectAnthropic, "b"); err != nil || m != (MovedSession{"default", "a", "b"}) {
			t.Fatalf("%+v, %v", m, err)
		}
		r.send(askJSON, claude)
		if _, err := r.g.MoveSession("", "tomorrow", domain.DialectAnthropic, "b"); err != nil {
			t.Fatal(err)
		}
		tomorrow := withHeader("X-Turnout-Session", "tomorrow")
		r.send(askJSON, tomorrow)
		if r.names() != "a b b" {
			t.Fatalf("asked %s, want a b b", r.names())
		}
		if _, err := r.g.MoveSession("", id, domain.DialectAnthropic, "a"); err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() { defer close(done); r.send(askJSON, claude) }()
		synctest.Wait()
		if _, err := r.g.MoveSession("", id, domain.DialectAnthropic, "a"); err != nil {
			t.Fatal(err)
		}
		<-done
		if b, _ := r.Lookup(sessionNamed(id, domain.DialectAnthropic, 1, 1)); !b.Placed {
			t.Error("a request that was under way has undone the placement")
		}
	})
}
