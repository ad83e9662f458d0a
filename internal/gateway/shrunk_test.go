package gateway

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// talk is a request with so many bytes of conversation.
func talk(bytes int) string { return saying(askJSON, strings.Repeat("w", bytes)) }

// A session whose prompt was cut down has less at stake at once, and what it asks beside the conversation does not make it forget what
// is warm.
func TestAPromptThatWasCutDown(t *testing.T) {
	for name, c := range map[string]struct {
		then   string
		answer reply
		stake  int64 // of the third request, which is as large as the second
		after  int64 // warm in the end
	}{
		"it goes on":                    {talk(110_000), cachedJSON(50_000, 1000), 50_000, 51_000},
		"a little less":                 {talk(60_000), cachedJSON(20_000, 0), 50_000, 20_000},
		"summed up":                     {talk(9_900), cachedJSON(0, 3_000), 5_000, 3_000},
		"a title":                       {talk(9_900), jsonOK("title"), 5_000, 50_000},
		"nothing is cached any more":    {talk(100_000), jsonOK("b"), 50_000, 0},
		"of a response that was stored": {strings.Replace(talk(9_900), `{"model"`, `{"previous_response_id":"r","model"`, 1), cachedJSON(0, 3_000), 50_000, 3_000},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, two)
				for _, a := range two {
					r.on(a.name, cachedJSON(0, 50_000))
				}
				r.send(talk(100_000), claude)
				x := &exchange{g: r.g, snap: r.g.Snapshot(), binding: r.only(), req: dialect.Request{Size: len(c.then)}}
				x.aim(&target{})
				if strings.Contains(c.then, "previous_response_id") {
					x.req.PreviousResponseID = "r"
				}
				if got := x.staked(); got < c.stake-60 || got > c.stake+60 {
					t.Errorf("%d tokens are at stake, want about %d", got, c.stake)
				}
				for _, a := range two {
					r.on(a.name, c.answer)
				}
				time.Sleep(time.Minute)
				r.send(c.then, claude)
				if got := r.only(); got.WarmTokens != c.after {
					t.Errorf("%d tokens are warm afterwards, want %d", got.WarmTokens, c.after)
				}
			})
		})
	}
}

// A slow account is left by a session whose prompt was cut down, and would have been kept by it before.
func TestASessionThatWasSummedUpLeavesASlowAccount(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want string
	}{"whole": {talk(100_000), "a"}, "summed up": {talk(9_000), "b"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a"}, {name: "b", priority: 1}})
				r.on("a", cachedJSON(0, 50_000))
				r.on("b", jsonOK("b"))
				r.send(talk(100_000), claude)
				for id, took := range map[domain.AccountID]time.Duration{1: 9 * time.Second, 2: time.Second} {
					r.cells.Stat(id, "claude-x").FirstToken(took, time.Now())
				}
				// The priority keeps what has nothing to lose, so that the other account is of the same one here.
				r.accounts[1].Priority = 0
				snap, err := NewSnapshot(2, DefaultSettings(), r.g.Snapshot().keys, []PoolConfig{{Pool: domain.Pool{ID: 1, Name: "default", Enabled: true}}}, r.accounts, r.cells)
				if err != nil {
					t.Fatal(err)
				}
				r.g.Swap(snap)
				r.send(c.body, claude)
				if got := r.accounts[r.last().Account-1].Name; got != c.want {
					t.Errorf("it went to %s, want %s: %s", got, c.want, r.last().Trace)
				}
			})
		})
	}
}

// only is the one binding there is.
func (r *rig) only() (b domain.Binding) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b = range r.bindings {
	}
	return b
}
