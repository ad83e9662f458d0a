package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"turnout/bench/internal/load"
)

// pair is what one round measured on both sides.
type pair struct{ floor, turnout *load.Result }

// report prints a line for each scenario. Ratios are taken within each round, and
// the median of the rounds is shown, with the lowest and the highest. Requests that
// failed are an error: figures of broken answers mean nothing.
func report(w io.Writer, chosen []scenario, all []record) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(t, format, args...) } // Flush tells the error
	p("\nscenario\tCPU µs: floor\tturnout\tratio (min–max)\ttarget\t\tp50 ms: floor\tturnout\tadded\tp99 ms: floor\tturnout\n")
	var broken []string
	for _, s := range chosen {
		pairs := pairsOf(s.name, all)
		for _, x := range pairs {
			for side, r := range map[string]*load.Result{"floor": x.floor, "turnout": x.turnout} {
				for kind, n := range r.Errors {
					broken = append(broken, fmt.Sprintf("%s %s: %d of %d requests: %s", s.name, side, n, r.Requests, kind))
				}
			}
		}
		cpu := func(r *load.Result) float64 { return r.CPU }
		p50 := func(r *load.Result) float64 { return r.Latency.P50 / 1e3 }
		p99 := func(r *load.Result) float64 { return r.Latency.P99 / 1e3 }
		ratio := over(pairs, func(x pair) float64 { return x.turnout.CPU / x.floor.CPU })
		a, b := medians(pairs, p50)
		c, d := medians(pairs, p99)
		f, g := medians(pairs, cpu)
		p("%s\t%.0f\t%.0f\t%s\t%s\t%.2f\t%.2f\t%.2f\t%.1f\t%.1f\n", s.name, f, g, ratio.text("%.2f"), verdict(ratio.median, s.ratio, "≤ %.2f"), a, b, b-a, c, d)
	}
	header := false
	for _, s := range chosen {
		if !s.slow {
			continue
		}
		if !header {
			p("\nopen streams\tKiB each: floor\tturnout (min–max)\t\ttarget\t\n")
			header = true
		}
		pairs := pairsOf(s.name, all)
		each := func(r *load.Result) float64 { return float64(r.Peak-r.Before) / float64(max(r.Requests, 1)) }
		turnout := over(pairs, func(x pair) float64 { return each(x.turnout) })
		p("%s\t%.1f\t%s\t\t%s\n", s.name, over(pairs, func(x pair) float64 { return each(x.floor) }).median, turnout.text("%.1f"), verdict(turnout.median, s.kib, "≤ %.0f"))
	}
	p("\n")
	for _, s := range chosen {
		p("%s\t%s\n", s.name, s.title)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(broken) > 0 {
		slices.Sort(broken)
		return errors.New("not every answer was good:\n  " + strings.Join(broken, "\n  "))
	}
	return nil
}

func pairsOf(name string, all []record) []pair {
	byRound := map[int]pair{}
	for _, r := range all {
		if r.Scenario != name {
			continue
		}
		x := byRound[r.Round]
		if r.Side == "floor" {
			x.floor = r.Result
		} else {
			x.turnout = r.Result
		}
		byRound[r.Round] = x
	}
	var pairs []pair
	for _, x := range byRound {
		pairs = append(pairs, x)
	}
	return pairs
}

// span is the median, the least and the greatest of some values.
type span struct{ median, least, greatest float64 }

func (s span) text(format string) string {
	return fmt.Sprintf(format+" ("+format+"–"+format+")", s.median, s.least, s.greatest)
}

func over(pairs []pair, value func(pair) float64) span {
	v := make([]float64, 0, len(pairs))
	for _, x := range pairs {
		v = append(v, value(x))
	}
	if len(v) == 0 {
		return span{}
	}
	slices.Sort(v)
	return span{(v[(len(v)-1)/2] + v[len(v)/2]) / 2, v[0], v[len(v)-1]}
}

// medians are the medians of a value on both sides.
func medians(pairs []pair, value func(*load.Result) float64) (floor, turnout float64) {
	return over(pairs, func(x pair) float64 { return value(x.floor) }).median, over(pairs, func(x pair) float64 { return value(x.turnout) }).median
}

// verdict is two cells: the target, and whether it is met.
func verdict(value, target float64, format string) string {
	switch {
	case target == 0:
		return "–\t"
	case value <= target:
		return fmt.Sprintf(format+"\tpass", target)
	default:
		return fmt.Sprintf(format+"\tMISS", target)
	}
}
