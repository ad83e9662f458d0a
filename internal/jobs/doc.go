// Package jobs holds the loops that run beside the requests: writing in batches, and
// doing something at intervals. Every loop has a bound, stops when it is told to, and
// has stopped when Stop returns. It knows nothing of what it carries.
//
// Start reading at batch.go.
package jobs
