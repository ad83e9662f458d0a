package cli

import (
	"runtime/debug"

	"turnout/internal/config"
)

// gcPercent lets a small heap grow to five times what is alive before it is
// collected. A gateway's live heap is a few dozen megabytes and its garbage short-lived: at Go's
// default of 100 collections take a fifth of its CPU time, and spare little memory.
const gcPercent = 400

// memoryRoom is what the process may hold beside the request bodies before the
// collector works harder, in bytes.
const memoryRoom = 1 << 30

// tuneMemory sets the collector's targets, unless the environment has (GOGC, GOMEMLIMIT).
func tuneMemory(env config.Env, c *config.Config) {
	if _, set := env("GOGC"); !set {
		debug.SetGCPercent(gcPercent)
	}
	if _, set := env("GOMEMLIMIT"); !set {
		debug.SetMemoryLimit(2*c.Limits.Bodies + memoryRoom)
	}
}
