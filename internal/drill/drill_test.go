package drill_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"turnout/internal/cli"
	"turnout/internal/domain"
	"turnout/internal/drill"
	"turnout/internal/drill/memnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestDrill runs every conversation and every fault for every pair of dialects with virtual clocks: real
// durations, exact, in no time. What came of it stands in docs/protocols/matrix.md.
func TestDrill(t *testing.T) {
	b := newBoard()
	t.Cleanup(func() { b.compare(t) }) // runs when all of them have ended
	conversations := len(drill.Conversations())
	for i, s := range slices.Concat(drill.Conversations(), drill.Scenarios()) {
		for _, m := range everyMode() {
			if s.Modes != nil && s.Modes(m) != "" {
				continue
			}
			if race && !raced(s, m, i >= conversations) {
				continue
			}
			b.expected++
			t.Run(s.Name+"/"+m.String(), func(t *testing.T) {
				t.Parallel()
				r := play(t, s, m)
				b.note(s, m, r.Verdict == drill.Pass)
				if r.Verdict != drill.Pass {
					t.Errorf("%s: %q\nupstream: %s", r.Verdict, r.Reasons, r.Timeline(20))
				}
			})
		}
	}
}

// raced says what runs under the race detector, where all of it would take many minutes: every fault for two dialects,
// the sixteen for the other two, conversations as streams.
func raced(s *drill.Scenario, m drill.Mode, fault bool) bool {
	switch {
	case s.Heavy, fault && m.Accounts != domain.DialectNone:
		return false
	case !fault:
		return m.Stream
	}
	return s.Group == drill.Sixteen || m.Dialect == domain.DialectAnthropic || m.Dialect == domain.DialectOpenAIChat
}

// everyMode lists those of every pair of dialects.
func everyMode() (out []drill.Mode) {
	for _, callers := range drill.Dialects() {
		for _, accounts := range drill.Dialects() {
			out = append(out, drill.Pair(callers, accounts)...)
		}
	}
	return out
}

// play runs one scenario in one mode.
func play(t *testing.T, s *drill.Scenario, m drill.Mode) (r *drill.Result) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		r = drill.RunOne(t.Context(), drill.Options{
			Start: cli.StartDrillGateway, Network: drill.Network{Dial: n.Dial, Listen: n.Listen}, Clock: drill.Virtual, Pool: drill.DefaultPool(),
		}, s, m)
	})
	return r
}
