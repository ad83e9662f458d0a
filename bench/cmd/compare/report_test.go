package main

import (
	"strings"
	"testing"

	"turnout/bench/internal/load"
)

func TestReport(t *testing.T) {
	chosen := []scenario{{name: "small", conns: 1, ratio: 1.4}, {name: "open", slow: true, kib: 60}}
	var all []record
	add := func(name, side string, round int, cpu float64, kib int64) {
		all = append(all, record{round, side, name, &load.Result{Requests: 10, OK: 10, CPU: cpu, Before: 1000, Peak: 1000 + 10*kib}})
	}
	// Turnout costs 1.3, 1.5 and 1.2 times as much while the machine becomes slower.
	for round, cpu := range []float64{100, 200, 400} {
		add("small", "floor", round, cpu, 0)
		add("small", "turnout", round, cpu*[]float64{1.3, 1.5, 1.2}[round], 0)
	}
	add("open", "floor", 0, 1, 50)
	add("open", "turnout", 0, 1, 61)
	var out strings.Builder
	if err := report(&out, chosen, all); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1.30 (1.20–1.50)", "≤ 1.40  pass", "61.0 (61.0–61.0)", "≤ 60    MISS"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, out.String())
		}
	}
	all[1].Result.Errors = map[string]int64{"cut": 3}
	if err := report(&out, chosen, all); err == nil || !strings.Contains(err.Error(), "small turnout: 3 of 10 requests: cut") {
		t.Errorf("broken answers are no error: %v", err)
	}
}
