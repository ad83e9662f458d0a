// Package coord keeps the short-lived state that several machines will share: which
// session is bound to which account, and who rests until when. Memory is the
// implementation for one process; what must survive a restart is handed to the store in
// batches, off the request's path (Drain). Slots and queues live in the gateway until there is a
// second machine to share them with.
//
// It must never decide anything. Start reading at memory.go.
package coord
