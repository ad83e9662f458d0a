package conformance

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"turnout/internal/domain"
	"turnout/internal/failover"
)

// Report is what a run found.
type Report struct {
	Scenarios, Steps int
	Diffs            []Diff // one for each step that differs, in the order of the file
}

// Diff is one step that did not lead where it must.
type Diff struct {
	Scenario string
	Number   int // of the step, from 1
	Step     Step
	Got      Result
}

// Run runs every scenario through the core in the classic profile. platform gives
// what a platform overrides there (the zero Override for most). An error means
// that a scenario could not be run at all, because its settings are not valid.
func Run(scenarios []Scenario, platform func(name string) failover.Override) (Report, error) {
	report := Report{Scenarios: len(scenarios)}
	for i := range scenarios {
		diffs, err := run(&scenarios[i], platform)
		if err != nil {
			return Report{}, fmt.Errorf("scenario %d (%s): %w", i+1, scenarios[i].Name, err)
		}
		report.Steps += len(scenarios[i].Steps)
		report.Diffs = append(report.Diffs, diffs...)
	}
	return report, nil
}

func run(sc *Scenario, platform func(string) failover.Override) ([]Diff, error) {
	pool := failover.Override{Profile: failover.ProfileClassic, Switches: &sc.MaxSwitches}
	if sc.Graces > 0 {
		pool.GraceRetries = &sc.Graces
	}
	if sc.GraceDelay > 0 {
		pool.GraceDelay = &sc.GraceDelay
	}
	// The seed says nothing here: classic has no jitter.
	state := failover.NewState(failover.Session{HasBound: sc.HasBound, Bound: sc.Bound, BoundKnown: sc.BoundKnown}, 1)
	var diffs []Diff
	for i := range sc.Steps {
		step := &sc.Steps[i]
		policy, err := failover.Effective(platform(step.Platform), pool)
		if err != nil {
			return nil, fmt.Errorf("step %d: %w", i+1, err)
		}
		var got Result
		state, got = play(policy, state, step)
		if !got.equal(step.Want) {
			diffs = append(diffs, Diff{Scenario: sc.Name, Number: i + 1, Step: *step, Got: got})
		}
	}
	return diffs, nil
}

// play is the attempt loop without an attempt: decide, let the wait pass or be cut
// short, and apply what follows a completed one.
func play(policy failover.Policy, state failover.State, step *Step) (failover.State, Result) {
	var d failover.Decision
	if step.Event == NoAccount {
		state, d = failover.AfterNoCandidate(policy, state, 0, false, 0)
	} else {
		state, d = failover.AfterFailure(policy, state, failover.Outcome{
			Account: step.Account, Status: step.Status, Scope: failover.ScopeAccount, Streak: 1,
			RetrySame: step.RetrySame, CacheLost: step.CacheLost,
		})
	}
	got := Result{Wait: d.Wait}
	switch {
	case d.Action == failover.GiveUp:
		got.Action = Exhausted
	case step.Leaves && step.LeavesAfter < d.Wait: // a wait of zero never is interrupted
		got.Action, got.Wait = Canceled, step.LeavesAfter
	default:
		got.Action = Continue
		state = d.Completed(state)
	}
	for _, e := range d.Before {
		if e.Kind == failover.EffectRest {
			got.Rested = append(got.Rested, e.Account)
		}
	}
	slices.Sort(got.Rested)
	got.Failed, got.Switches, got.CacheBilling = state.Failed(), state.Switches, state.CacheBilling
	return state, got
}

func (r Result) equal(o Result) bool {
	return r.Action == o.Action && r.Wait == o.Wait && r.Switches == o.Switches && r.CacheBilling == o.CacheBilling &&
		slices.Equal(r.Rested, o.Rested) && slices.Equal(r.Failed, o.Failed)
}

// String says what the step was and, for each member that differs, what was wanted
// and what came.
func (d Diff) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, step %d: %s", d.Scenario, d.Number, d.Step.Event)
	if d.Step.Event == UpstreamError {
		fmt.Fprintf(&b, " of account %d (%s, status %d", d.Step.Account, d.Step.Platform, d.Step.Status)
		if d.Step.RetrySame {
			b.WriteString(", retryable")
		}
		if d.Step.CacheLost {
			b.WriteString(", cache lost")
		}
		b.WriteByte(')')
	}
	if d.Step.Leaves {
		fmt.Fprintf(&b, ", the client leaves after %d ms", d.Step.LeavesAfter/time.Millisecond)
	}
	line := func(name string, want, got any) {
		if w, g := fmt.Sprint(want), fmt.Sprint(got); w != g {
			fmt.Fprintf(&b, "\n    %-20s want %s, got %s", name, w, g)
		}
	}
	line("action", d.Step.Want.Action, d.Got.Action)
	line("wait_ms", millis(d.Step.Want.Wait), millis(d.Got.Wait))
	line("temp_unschedule", ids(d.Step.Want.Rested), ids(d.Got.Rested))
	line("failed_accounts", ids(d.Step.Want.Failed), ids(d.Got.Failed))
	line("switch_count", d.Step.Want.Switches, d.Got.Switches)
	line("force_cache_billing", d.Step.Want.CacheBilling, d.Got.CacheBilling)
	return b.String()
}

// millis keeps fractions, so that a difference below a millisecond shows.
func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// ids shows a list; one that is empty and one that is missing are the same.
func ids(list []domain.AccountID) string {
	if len(list) == 0 {
		return "[]"
	}
	return fmt.Sprint(list)
}
