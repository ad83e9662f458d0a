package drill_test

import (
	"testing"
	"testing/synctest"

	"turnout/internal/cli"
	"turnout/internal/drill"
	"turnout/internal/drill/memnet"
)

// play runs one scenario in one mode, with virtual clocks: real durations, exact, in no time.
func play(t *testing.T, s *drill.Scenario, m drill.Mode) (r *drill.Result) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		r = drill.RunOne(t.Context(), drill.Options{
			Start: cli.StartDrillGateway, Network: drill.Network{Dial: n.Dial, Listen: n.Listen}, Clock: drill.Virtual, Pool: drill.DefaultPool(),
		}, s, m)
		if r.Verdict != drill.Pass {
			t.Errorf("%s: %q\nupstream: %s", r.Verdict, r.Reasons, r.Timeline(20))
		}
	})
	return r
}

func TestConversations(t *testing.T) {
	for _, s := range drill.Conversations() {
		for _, m := range everyMode() {
			if s.Modes != nil && s.Modes(m) != "" {
				continue
			}
			t.Run(s.Name+"/"+m.String(), func(t *testing.T) {
				t.Parallel()
				play(t, s, m)
			})
		}
	}
}
