package neutraltest

import (
	"encoding/json"
	"fmt"

	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

// Order checks that events come in the order that [neutral.EventKind] states. The zero
// Order is ready for use.
type Order struct {
	started, finished, ended bool
	open, added              bool
	kind                     neutral.Kind
	origin                   domain.Dialect
	next                     int
}

// Add takes an event in and says what is wrong with it.
func (o *Order) Add(ev *neutral.Event) error {
	switch {
	case o.ended:
		return fmt.Errorf("%s after the end", name(ev.Kind))
	case !o.started && ev.Kind != neutral.Started:
		return fmt.Errorf("%s before the start", name(ev.Kind))
	case o.finished && ev.Kind != neutral.Ended && ev.Kind != neutral.Measured:
		return fmt.Errorf("%s after the finish", name(ev.Kind))
	}
	switch ev.Kind {
	case neutral.Started:
		if o.started {
			return fmt.Errorf("a second start")
		}
		o.started = true
	case neutral.Opened:
		switch {
		case o.open:
			return fmt.Errorf("block %d is opened inside block %d", ev.Index, o.next-1)
		case ev.Index != o.next:
			return fmt.Errorf("block %d is opened, want %d", ev.Index, o.next)
		case ev.Block == nil:
			return fmt.Errorf("block %d is opened and has no block", ev.Index)
		case ev.Block.Text != "" || ev.Block.Args != nil:
			return fmt.Errorf("block %d is opened and has a text", ev.Index)
		}
		o.open, o.added, o.kind, o.origin = true, false, ev.Block.Kind, ev.Block.Origin
		o.next++
	case neutral.Added, neutral.Signed, neutral.Cited, neutral.Closed:
		if !o.open || ev.Index != o.next-1 {
			return fmt.Errorf("%s of block %d, which is not open", name(ev.Kind), ev.Index)
		}
		if err := o.inside(ev); err != nil {
			return err
		}
		o.open = ev.Kind != neutral.Closed
	case neutral.Finished:
		if o.open {
			return fmt.Errorf("the finish inside block %d", o.next-1)
		}
		o.finished = true
	case neutral.Ended:
		if !o.finished {
			return fmt.Errorf("the end without a finish")
		}
		o.ended = true
	}
	return nil
}

func (o *Order) inside(ev *neutral.Event) error {
	switch ev.Kind {
	case neutral.Added:
		o.added = true
		var s string
		if json.Unmarshal(ev.Text, &s) != nil {
			return fmt.Errorf("what is added to block %d is no JSON string: %s", ev.Index, ev.Text)
		}
	case neutral.Signed:
		if o.kind != neutral.KindReasoning && o.kind != neutral.KindToolUse && o.kind != neutral.KindText {
			return fmt.Errorf("block %d is signed and is of kind %d", ev.Index, o.kind)
		}
		if o.origin == domain.DialectNone {
			return fmt.Errorf("block %d is signed, and nobody knows by whom", ev.Index)
		}
		if o.kind == neutral.KindToolUse && o.added {
			return fmt.Errorf("call %d is signed after its arguments", ev.Index)
		}
	case neutral.Cited:
		if ev.Citation == nil {
			return fmt.Errorf("a citation of block %d has no citation", ev.Index)
		}
	}
	return nil
}

// End says whether the stream is whole.
func (o *Order) End() error {
	if !o.ended {
		return fmt.Errorf("the stream has no end")
	}
	return nil
}

func name(k neutral.EventKind) string {
	return [...]string{"started", "opened", "added", "signed", "cited", "closed", "measured", "finished", "ended"}[k]
}
