package gateway

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/sched"
)

// A caller that leaves before the account has answered has not asked for all whether a rest is over: the next one asks.
func TestWhoLeavesHasNotAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}})
		rest := r.cells.Rest(restKeyOf(1))
		rest.Extend(time.Now().Add(7*24*time.Hour), 1, sched.EndStated)
		rest.AskAgain(time.Now().Add(sched.AskEarly))
		time.Sleep(sched.AskEarly + time.Minute)
		r.on("a", after(time.Minute, jsonOK("late")), jsonOK("fine"))
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		r.send(askJSON, withContext(ctx))
		if g := r.send(saying(askJSON, "another")); g.Code != 200 || r.names() != "a a" {
			t.Errorf("%d, asked %s: %s", g.Code, r.asked(), g.text())
		}
	})
}
