package jobs

import (
	"context"
	"sync"
	"time"
)

// Loop does something at intervals until it is stopped, and once more then.
type Loop struct {
	cancel context.CancelFunc
	done   chan struct{}
	once   sync.Once
}

// Every starts a loop. f is called by one goroutine; last is true for the call that
// Stop makes. The context of a call that is under way ends with Stop, and that of the last call does not.
func Every(interval time.Duration, f func(ctx context.Context, last bool)) *Loop {
	ctx, cancel := context.WithCancel(context.Background()) //nolint:gosec // G118: Stop calls it
	l := &Loop{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		t := time.NewTicker(interval)
		defer t.Stop()
		for {
			select {
			case <-t.C:
			case <-ctx.Done():
			}
			if ctx.Err() != nil { // also where both have happened
				f(context.Background(), true)
				return
			}
			f(ctx, false)
		}
	}()
	return l
}

// Stop ends the loop; its last call has returned when Stop does. It may be called twice.
func (l *Loop) Stop() {
	l.once.Do(l.cancel)
	<-l.done
}
