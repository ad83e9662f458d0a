package jobs

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Batch gathers items and writes them together, off the path of whoever adds them. Its
// queue is bounded: where the writer cannot keep up, Add waits for a place for at most
// Patience, and then the item is lost and counted. After Stop everything that was
// added has been written. Safe for concurrent use.
type Batch[T any] struct {
	opts  BatchOptions[T]
	queue chan T
	stop  chan struct{}
	done  chan struct{}
	once  sync.Once

	lost atomic.Int64
}

// BatchOptions are a Batch's bounds. All are required but Failed.
type BatchOptions[T any] struct {
	Capacity int           // items that may wait
	Most     int           // items in one write
	Every    time.Duration // a write happens at least so often while there is something to write
	Patience time.Duration // how long Add may wait for a place
	// Write writes; it is called by one goroutine at a time and must not keep the slice.
	Write func(ctx context.Context, items []T) error
	// Failed is told of a write that failed even when it was repeated, and of items that found no place.
	Failed func(err error, items int)
}

// Bounds of a failing write.
const (
	writeTries   = 5
	writeBackoff = 50 * time.Millisecond
	writeTimeout = 30 * time.Second
)

// ErrFull is why an item was lost.
var ErrFull = errors.New("the queue is full")

// NewBatch starts the writer.
func NewBatch[T any](opts BatchOptions[T]) *Batch[T] {
	if opts.Failed == nil {
		opts.Failed = func(error, int) {}
	}
	b := &Batch[T]{opts: opts, queue: make(chan T, opts.Capacity), stop: make(chan struct{}), done: make(chan struct{})}
	go b.run()
	return b
}

// Add hands an item over.
func (b *Batch[T]) Add(item T) {
	select {
	case b.queue <- item:
		return
	default:
	}
	t := time.NewTimer(b.opts.Patience)
	defer t.Stop()
	select {
	case b.queue <- item:
	case <-t.C:
		b.lost.Add(1)
		b.opts.Failed(ErrFull, 1)
	case <-b.done:
		b.lost.Add(1)
		b.opts.Failed(ErrFull, 1)
	}
}

// Lost is how many items were lost.
func (b *Batch[T]) Lost() int64 { return b.lost.Load() }

// Stop writes what was added and ends the writer. Nothing may be added meanwhile
// or afterwards. It may be called twice.
func (b *Batch[T]) Stop() {
	b.once.Do(func() { close(b.stop) })
	<-b.done
}

func (b *Batch[T]) run() {
	defer close(b.done)
	batch := make([]T, 0, b.opts.Most)
	timer := time.NewTimer(b.opts.Every)
	timer.Stop()
	for {
		select {
		case item := <-b.queue:
			if batch = append(batch, item); len(batch) == 1 {
				timer.Reset(b.opts.Every)
			}
			if len(batch) == b.opts.Most {
				timer.Stop()
				batch = b.write(batch)
			}
		case <-timer.C:
			batch = b.write(batch)
		case <-b.stop:
			for {
				select {
				case item := <-b.queue:
					if batch = append(batch, item); len(batch) == b.opts.Most {
						batch = b.write(batch)
					}
					continue
				default:
				}
				break
			}
			b.write(batch)
			return
		}
	}
}

// write writes a batch and gives it back empty.
func (b *Batch[T]) write(batch []T) []T {
	if len(batch) == 0 {
		return batch
	}
	var err error
	for try := range writeTries {
		if try > 0 {
			time.Sleep(writeBackoff << try) //nolint:forbidigo // short, a few times, and a stop waits for the batch anyway
		}
		ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
		err = b.opts.Write(ctx, batch)
		cancel()
		if err == nil {
			break
		}
	}
	if err != nil {
		b.lost.Add(int64(len(batch)))
		b.opts.Failed(err, len(batch))
	}
	clear(batch)
	return batch[:0]
}
