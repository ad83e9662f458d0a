// Command compare measures Turnout beside the Go floor: the same requests, through
// turnout with everything switched on and through a bare httputil.ReverseProxy, to
// the same simulated upstream. Rounds are interleaved scenario by scenario, because
// on a machine that is shared the ratios hold where the figures do not.
//
// Start reading at lab.round; scenarios are in scenario.go, with their targets.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"turnout/bench/internal/load"
)

// record is one line of the results file.
type record struct {
	Round    int          `json:"round"`
	Side     string       `json:"side"`
	Scenario string       `json:"scenario"`
	Result   *load.Result `json:"result"`
}

func main() {
	bin := flag.String("bin", "bin/bench", "folder of the programs: mock, floor, turnout and, for profiles, profiled")
	rounds := flag.Int("rounds", 4, "rounds")
	length := flag.Duration("d", 2500*time.Millisecond, "length of each timed scenario")
	only := flag.String("scenarios", "", "names or beginnings of names, comma separated; empty: all")
	out := flag.String("out", "", "file that the measurements are written to, one JSON object a line; empty: bench/results/<time>.jsonl")
	profiles := flag.String("profiles", "", "folder for profiles of each scenario instead of figures; one round")
	flag.Parse()

	o := options{bin: *bin, rounds: *rounds, length: *length, only: *only, out: *out, profiles: *profiles}
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

type options struct {
	bin      string
	rounds   int
	length   time.Duration
	only     string
	out      string
	profiles string
}

func run(o options) error {
	chosen := choose(o.only)
	if len(chosen) == 0 {
		return fmt.Errorf("no scenario begins with %q", o.only)
	}
	if o.profiles != "" {
		o.rounds = 1
		if err := os.MkdirAll(o.profiles, 0o750); err != nil {
			return err
		}
	}
	if o.out == "" {
		o.out = filepath.Join("bench", "results", time.Now().UTC().Format("20060102-150405")+".jsonl")
	}
	if err := os.MkdirAll(filepath.Dir(o.out), 0o750); err != nil {
		return err
	}
	file, err := os.Create(o.out)
	if err != nil {
		return err
	}
	var all []record
	enc := json.NewEncoder(file)
	keep := func(r record) error {
		all = append(all, r)
		return enc.Encode(r)
	}
	for round := 1; round <= o.rounds && err == nil; round++ {
		err = measure(o, round, chosen, keep)
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	if o.profiles != "" {
		_, err := fmt.Printf("\nprofiles are in %s: go tool pprof -top %s\n", o.profiles, filepath.Join(o.profiles, "turnout-…-cpu.pprof"))
		return err
	}
	return report(os.Stdout, chosen, all)
}

// measure carries out one round: both sides are started afresh, and each scenario
// runs on one and at once on the other; which is first changes with the round.
func measure(o options, round int, chosen []scenario, keep func(record) error) error {
	l := &lab{options: o}
	defer l.close()
	var sides []*side
	for i, s := range chosen {
		if i == 0 || s.fresh {
			var err error
			if sides, err = l.start(); err != nil {
				return err
			}
		}
		if round%2 == 0 {
			sides[0], sides[1] = sides[1], sides[0]
		}
		for _, side := range sides {
			cfg := s.config(side, o.length)
			done := func() {}
			if o.profiles != "" {
				done = side.profile(s, cfg, o.profiles)
			}
			res, err := load.Run(cfg)
			done()
			if err != nil {
				return err
			}
			note := ""
			for kind, n := range res.Errors {
				note += fmt.Sprintf("  %d × %s: %s", n, kind, strings.ReplaceAll(res.Samples[kind], "\n", " "))
			}
			fmt.Fprintf(os.Stderr, "round %d  %-16s %-8s %8.0f/s  p50 %8.2f ms  p99 %8.2f ms  cpu %6.0f µs  peak %4d MiB%s\n",
				round, s.name, side.name, res.Throughput, res.Latency.P50/1e3, res.Latency.P99/1e3, res.CPU, res.Peak/1024, note)
			if err := keep(record{round, side.name, s.name, res}); err != nil {
				return err
			}
		}
		if round%2 == 0 {
			sides[0], sides[1] = sides[1], sides[0]
		}
	}
	return nil
}
