package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"turnout/bench/internal/load"
)

// profile begins to take profiles of a side while a scenario runs: the CPU, what was
// allocated, and the heap half-way. The function that it gives waits until the files are written.
func (s *side) profile(of scenario, cfg load.Config, dir string) func() {
	length := cfg.Duration
	if of.slow {
		length = ramp + time.Duration(of.chunks)*100*time.Millisecond
	}
	seconds := max(1, int(length.Seconds()))
	base := s.pprof[of.upstream] + "/debug/pprof/"
	var wg sync.WaitGroup
	take := func(kind, query string, after time.Duration) {
		wg.Go(func() {
			time.Sleep(after)
			if err := fetch(base+query, filepath.Join(dir, s.name+"-"+of.name+"-"+kind+".pprof")); err != nil {
				fmt.Fprintln(os.Stderr, "profile:", err)
			}
		})
	}
	take("cpu", fmt.Sprintf("profile?seconds=%d", seconds), 0)
	take("allocs", fmt.Sprintf("allocs?seconds=%d", seconds), 0)
	take("heap", "heap?gc=1", length/2)
	return wg.Wait
}

func fetch(url, file string) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, resp.Body)
	return errors.Join(err, out.Close())
}
