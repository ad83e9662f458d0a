// Command profiled is turnout with Go's profiling endpoints on the address in
// TURNOUT_BENCH_PPROF, for the benchmarks alone: the product has no such listener.
package main

import (
	"context"
	"log"
	"net/http"
	_ "net/http/pprof" //nolint:gosec // G108: that is what this program is for
	"os"
	"os/signal"
	"syscall"
	"time"

	"turnout/internal/cli"
)

func main() {
	if addr := os.Getenv("TURNOUT_BENCH_PPROF"); addr != "" {
		srv := &http.Server{Addr: addr, ReadHeaderTimeout: time.Minute}
		go func() { log.Fatal("profiled: ", srv.ListenAndServe()) }()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Main(ctx, cli.Env{Args: os.Args[1:], Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.LookupEnv})
	stop()
	os.Exit(code)
}
