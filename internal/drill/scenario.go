package drill

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"turnout/internal/config"
	"turnout/internal/domain"
	"turnout/internal/sim"
)

// Group is the part of the drill that a scenario belongs to.
type Group string

// The groups, in the order of the scorecard.
const (
	Sixteen Group = "sixteen"         // the sixteen faults of the public crash test
	Ours    Group = "ours"            // further faults
	Uncut   Group = "must not be cut" // healthy slowness
)

// Scenario is one row of the drill: what is done to the primary P, and what must
// happen. It is a value; what happens in a run is a Run.
type Scenario struct {
	Group  Group
	Number int    // of the sixteen faults; 0: another
	Name   string // short, unique, stable: what --only takes
	Does   string // what is done to P
	Must   string // what must happen then

	// Modes says why a mode does not apply; "" if it does. nil: every mode does.
	Modes func(Mode) string
	// Scale is by how much the story may be shortened; 0: as most are. RealTime: not at
	// all, because something in it cannot be stated in less than whole seconds.
	Scale    float64
	RealTime bool
	// Lasts is about how long the story is where it is longer than a minute: long ones begin first.
	Lasts time.Duration

	// Heavy ones keep the machine busy, so that few of them run at a time.
	Heavy bool

	// Accounts are P, F and whoever else there is.
	Accounts func(Mode) []Account
	// Queue is how many requests may wait in the line for a slot; 0: many.
	Queue int
	// Pool changes the settings of the pool; nil: not at all.
	Pool func(p *config.Pool)
	// Ask is the request, as most of them are sent; the zero value is a small one.
	Ask Ask
	// Play sends the requests; nil: one, as Ask says.
	Play func(ctx context.Context, r *Run)
	// Judge says how well it went.
	Judge func(r *Run, j *Judgement)
}

// Account is a simulated upstream account. Lists order accounts by priority: the first one is
// tried first.
type Account struct {
	Name         string
	Organization string
	Model        string // serves only this one; empty: whatever is asked for
	SentAs       string // the model's name upstream; empty: as it is asked for
	Level        bool   // of the same priority as the one before it
	MaxInFlight  int    // requests at a time; 0: any number
	Behaviour    sim.Behaviour
	Address      Address
	Dialect      domain.Dialect // that it speaks; none: as the mode says
}

// Address is where an account's provider is found.
type Address uint8

// The addresses.
const (
	Provider  Address = iota // the simulated provider of the run
	NoName                   // a name that does not resolve
	Untrusted                // a provider whose certificate nobody trusts
)

// Scenarios lists every scenario, in the order of the scorecard.
func Scenarios() []*Scenario {
	return slices.Concat(sixteen(), ours(), uncut())
}

// Choose gives the scenarios that a list of names means: a scenario's own, a number of
// the sixteen faults, or the beginning of a name that ends in "*". Unknown names are
// given back.
func Choose(all []*Scenario, names []string) (chosen []*Scenario, unknown []string) {
	if len(names) == 0 {
		return all, nil
	}
	met := map[string]bool{}
	for _, s := range all {
		for _, n := range names {
			prefix, wild := strings.CutSuffix(n, "*")
			if n == s.Name || s.Number > 0 && n == strconv.Itoa(s.Number) || wild && strings.HasPrefix(s.Name, prefix) {
				met[n] = true
				if !slices.Contains(chosen, s) {
					chosen = append(chosen, s)
				}
			}
		}
	}
	for _, n := range names {
		if !met[n] {
			unknown = append(unknown, n)
		}
	}
	return chosen, unknown
}

// patience is after how long, in the story, a caller takes silence for a hang.
const patience = 10 * time.Minute

// with is the scenario under another name, changed.
func (s Scenario) with(suffix string, change func(s *Scenario)) *Scenario {
	s.Name += "+" + suffix
	change(&s)
	return &s
}
