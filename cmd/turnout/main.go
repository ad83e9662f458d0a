// Command turnout is the gateway and its tools in one binary. It owns signals and
// exit codes and nothing else; every command's body is in internal/cli.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"turnout/internal/cli"
)

func main() {
	stop, stopped := context.WithCancel(context.Background())
	abort, aborted := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		stopped()
		<-signals
		aborted()
	}()
	reload := make(chan os.Signal, 1)
	notifyReload(reload)
	os.Exit(cli.Main(stop, cli.Env{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.LookupEnv, Reload: reload, Abort: abort,
	}))
}
