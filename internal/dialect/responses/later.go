package responses

import (
	"errors"
	"fmt"

	"turnout/internal/dialect/neutral"
)

// queue keeps the events of items that were begun before the one before them was done. Other dialects have one block at a
// time, so such an item waits.
type queue struct {
	items []*lateItem
	at    map[int]*lateItem // by their output_index
	size  int
}

// lateItem is an item that waits, with its events.
type lateItem struct {
	index  int
	events []lateEvent
}

type lateEvent struct{ typ, data []byte }

var errTurns = errors.New("the upstream's items come in turns and are too long to be put in order")

// held is what an event costs beside its bytes, about.
const held = 128

// put keeps an event. Both texts are copied.
func (q *queue) put(index int, typ, data []byte) error {
	if q.size += len(typ) + len(data) + held; q.size > neutral.MaxKept {
		return errTurns
	}
	it := q.at[index]
	if it == nil {
		if q.at == nil {
			q.at = make(map[int]*lateItem)
		}
		it = &lateItem{index: index}
		q.at[index] = it
		q.items = append(q.items, it)
	}
	it.events = append(it.events, lateEvent{typ: append([]byte(nil), typ...), data: append([]byte(nil), data...)})
	return nil
}

// next takes out the item that has waited longest; nil: there is none.
func (q *queue) next() *lateItem {
	if len(q.items) == 0 {
		return nil
	}
	it := q.items[0]
	q.items = q.items[1:]
	delete(q.at, it.index)
	for i := range it.events {
		q.size -= len(it.events[i].typ) + len(it.events[i].data) + held
	}
	return it
}

// resume hands on what waits: up to an item that is not done, or all of it at the stream's end.
func (d *decoder) resume(all bool, emit func(*neutral.Event)) error {
	for !d.inItem || all {
		it := d.later.next()
		if it == nil {
			return nil
		}
		d.close(emit)
		d.inItem = false
		for _, ev := range it.events {
			var in incoming
			if err := in.read(ev.data); err != nil {
				return fmt.Errorf("read an event: %w", err)
			}
			in.typ = ev.typ
			if err := d.take(&in, emit); err != nil {
				return err
			}
		}
	}
	return nil
}
