package cli

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"

	"turnout/internal/config"
)

// A gateway's live heap is a few megabytes and its garbage short-lived: at Go's
// default of 100 % collections take a fifth of its CPU time and spare little memory. So a small heap
// may grow by gcMost per cent before it is collected, and a large one, as with thousands of open
// streams, by the default; between them the garbage is about gcGarbage bytes.
const (
	gcMost    = 400
	gcLeast   = 100
	gcGarbage = 24 << 20
)

// memoryRoom is what the process may hold beside the request bodies before the
// collector works harder, in bytes.
const memoryRoom = 1 << 30

// tuneMemory sets the collector's targets, unless the environment has (GOGC, GOMEMLIMIT).
func tuneMemory(env config.Env, c *config.Config) {
	if _, set := env("GOGC"); !set {
		debug.SetGCPercent(gcMost)
		followHeap(gcMost)
	}
	if _, set := env("GOMEMLIMIT"); !set {
		debug.SetMemoryLimit(2*c.Limits.Bodies + memoryRoom)
	}
}

// followHeap adapts the target after every collection: the finalizer of an object
// that nobody holds runs once for each. It runs for the rest of the process.
func followHeap(percent int) {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	type cycle struct{ _ [16]byte }
	var arm func()
	arm = func() {
		runtime.SetFinalizer(&cycle{}, func(*cycle) {
			metrics.Read(sample)
			if want := gcPercentFor(sample[0].Value.Uint64()); want < percent*9/10 || want > percent*11/10 {
				percent = want
				debug.SetGCPercent(percent)
			}
			arm()
		})
	}
	arm()
}

// gcPercentFor is the target for a live heap of so many bytes.
func gcPercentFor(live uint64) int {
	if live == 0 {
		return gcMost
	}
	return int(min(max(gcGarbage*100/live, gcLeast), gcMost))
}
