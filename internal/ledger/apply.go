package ledger

import (
	"context"
	"errors"
	"sync"
	"time"

	"turnout/internal/domain"
)

// mostBatch is how many settlements one transaction of the store takes.
const mostBatch = 512

// orphans are settlements that the journal did not take, in order, to be tried again.
type orphans struct {
	mu   sync.Mutex
	list []domain.Settlement
	lost int64
}

// mostOrphans is how many are kept: holds are refused while there are any, so that only requests in flight add to them.
const mostOrphans = 100_000

var frames = sync.Pool{New: func() any { b := make([]byte, 0, 256); return &b }}

// write appends a settlement to the journal, or keeps it for later.
func (b *Book) write(s *domain.Settlement) {
	if !b.broken.Load() {
		err := b.append(s)
		if err == nil {
			return
		}
		b.events.Failed("write a settlement down", err)
	}
	b.orphans.mu.Lock()
	defer b.orphans.mu.Unlock()
	b.broken.Store(true)
	if len(b.orphans.list) >= mostOrphans {
		b.orphans.lost++
		b.events.Failed("keep a settlement that cannot be written down", errors.New("there are too many of them; it is lost"))
		return
	}
	b.orphans.list = append(b.orphans.list, *s)
}

func (b *Book) append(s *domain.Settlement) error {
	frame := frames.Get().(*[]byte)
	*frame = Encode((*frame)[:0], s)
	_, err := b.journal.Append(*frame)
	frames.Put(frame)
	return err
}

// rescue writes down what could not be before.
func (b *Book) rescue() error {
	b.orphans.mu.Lock()
	defer b.orphans.mu.Unlock()
	for len(b.orphans.list) > 0 {
		if err := b.append(&b.orphans.list[0]); err != nil {
			return err
		}
		b.orphans.list = b.orphans.list[1:]
	}
	b.orphans.list = nil
	b.broken.Store(false)
	return nil
}

// Unwritten is how many settlements are in no journal at the moment, and how many are lost.
func (b *Book) Unwritten() (waiting int, lost int64) {
	b.orphans.mu.Lock()
	defer b.orphans.mu.Unlock()
	return len(b.orphans.list), b.orphans.lost
}

// errBatch ends a reading when a batch is full.
var errBatch = errors.New("the batch is full")

// Flush applies everything that the journal holds.
func (b *Book) Flush(ctx context.Context) error {
	b.applying.Lock()
	defer b.applying.Unlock()
	if b.broken.Load() {
		if err := b.rescue(); err != nil {
			return err
		}
	}
	for {
		n, err := b.applyBatch(ctx)
		if err != nil || n < mostBatch {
			return err
		}
	}
}

// applyBatch applies the next settlements of the journal. b.applying is held.
func (b *Book) applyBatch(ctx context.Context) (int, error) {
	batch := make([]domain.Settlement, 0, 64)
	upto, err := b.journal.Read(b.applied, func(record []byte, _ domain.JournalPosition) error {
		if len(batch) == mostBatch {
			return errBatch
		}
		s, err := Decode(record)
		if err != nil {
			return err
		}
		batch = append(batch, s)
		return nil
	})
	if err != nil && !errors.Is(err, errBatch) {
		return 0, err
	}
	if len(batch) == 0 {
		return 0, nil
	}
	if err := b.store.Apply(ctx, batch, upto); err != nil {
		return 0, err
	}
	b.applied = upto
	return len(batch), nil
}

// Tidy deletes what of the journal is not needed any more, and forgets what no budget looks at. It is for a background loop.
func (b *Book) Tidy(ctx context.Context, now time.Time) error {
	b.mu.Lock()
	for _, o := range b.owners {
		o.spent.fold(SlotOf(now.Add(-memory)))
	}
	b.mu.Unlock()
	if len(b.ended()) > 0 {
		b.gate.Lock()
		err := b.Flush(ctx)
		if err == nil {
			err = b.giveBack(ctx, now)
		}
		b.gate.Unlock()
		if err != nil {
			return err
		}
	}
	b.applying.Lock()
	upto, tidied := b.applied, b.tidied
	b.applying.Unlock()
	if upto == tidied {
		return nil
	}
	if err := b.store.Durable(ctx); err != nil {
		return err
	}
	if err := b.journal.Drop(upto); err != nil {
		return err
	}
	b.applying.Lock()
	b.tidied = upto
	b.applying.Unlock()
	return nil
}
