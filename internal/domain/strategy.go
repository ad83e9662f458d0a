package domain

import (
	"fmt"
	"slices"
	"strings"
)

// Strategy is how a pool chooses among the eligible accounts of its best priority.
type Strategy uint8

// The strategies. The zero Strategy is the default.
const (
	Scored       Strategy = iota // the lowest expected cost in seconds: see sched.Score
	LeastLoaded                  // the fewest requests in flight for weight and limit, then the longest unused for its weight
	RoundRobin                   // the longest unused, whatever its weight
	Weighted                     // by lot, in proportion to the weights
	Cheapest                     // the lowest price, then as LeastLoaded
	SoonestReset                 // the window that resets first and still has room, so that nothing expires unused
	FillFirst                    // the first of the configuration until it is full, then the next

	NumStrategies = int(FillFirst) + 1
)

var strategyNames = [NumStrategies]string{"score", "least_loaded", "round_robin", "weighted", "cheapest", "soonest_reset", "fill_first"}

// String is the strategy's name in the configuration.
func (s Strategy) String() string { return strategyNames[s] }

// Strategies are the names of all strategies.
func Strategies() []string { return strategyNames[:] }

// ParseStrategy is the reverse of String.
func ParseStrategy(name string) (Strategy, error) {
	if i := slices.Index(strategyNames[:], name); i >= 0 {
		return Strategy(i), nil
	}
	return 0, fmt.Errorf("%q is no strategy; one of %s", name, strings.Join(strategyNames[:], ", "))
}
