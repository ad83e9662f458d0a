//go:build !unix

package main

import "os"

// notifyReload does nothing: this system has no SIGHUP. `turnout reload` works everywhere.
func notifyReload(chan<- os.Signal) {}
