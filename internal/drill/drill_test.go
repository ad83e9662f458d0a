package drill_test

import (
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"turnout/internal/cli"
	"turnout/internal/drill"
	"turnout/internal/drill/memnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// everyMode lists those of every pair of dialects.
func everyMode() (out []drill.Mode) {
	for _, callers := range drill.Dialects() {
		for _, accounts := range drill.Dialects() {
			out = append(out, drill.Pair(callers, accounts)...)
		}
	}
	return out
}

// TestDrill runs every scenario with virtual clocks: real durations, exact, in no time.
func TestDrill(t *testing.T) {
	for _, s := range drill.Scenarios() {
		if s.Heavy && !heavy {
			continue
		}
		for _, m := range everyMode() {
			if s.Modes != nil && s.Modes(m) != "" {
				continue
			}
			name := s.Name + "/" + m.String()
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var n memnet.Network
					r := drill.RunOne(t.Context(), drill.Options{
						Start: cli.StartDrillGateway, Network: drill.Network{Dial: n.Dial, Listen: n.Listen}, Clock: drill.Virtual, Pool: drill.DefaultPool(),
					}, s, m)
					if r.Verdict != drill.Pass {
						t.Errorf("%s: %q\nupstream: %s", r.Verdict, r.Reasons, r.Timeline(20))
					}
				})
			})
		}
	}
}
