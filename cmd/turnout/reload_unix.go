//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// notifyReload asks for SIGHUP, by which operators say "read your configuration again".
func notifyReload(c chan<- os.Signal) { signal.Notify(c, syscall.SIGHUP) }
