package neutraltest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

// Split takes a stream apart into its events. A rest that is no whole event is an error.
func Split(stream []byte) (events [][]byte, err error) {
	for len(stream) > 0 {
		n := dialect.EndOfEvent(stream)
		if n == 0 {
			return events, fmt.Errorf("the stream ends inside an event: %q", stream)
		}
		events, stream = append(events, stream[:n]), stream[n:]
	}
	return events, nil
}

// Decode runs a stream's bytes through a decoder and gives its events in their textual form and the
// answer that they tell. Each event's bytes are overwritten once it was read, so that a decoder that
// keeps them is found out. The error is the decoder's, or of a stream that breaks the order.
func Decode(d neutral.Decoder, stream []byte) (dump string, a *neutral.Answer, err error) {
	events, err := Split(stream)
	if err != nil {
		return "", nil, err
	}
	var out strings.Builder
	var order Order
	var gather neutral.Gather
	var broken error
	take := func(ev *neutral.Event) {
		if err := order.Add(ev); err != nil && broken == nil {
			broken = err
		}
		if broken == nil {
			out.WriteString(DumpEvent(ev))
			gather.Add(Own(ev), unquote)
		}
	}
	for _, raw := range events {
		raw = bytes.Clone(raw)
		err := d.Event(raw, take)
		for i := range raw {
			raw[i] = '#'
		}
		if err == nil {
			err = broken
		}
		if err != nil {
			return out.String(), nil, err
		}
	}
	d.Close(take)
	if broken == nil {
		broken = order.End()
	}
	if broken != nil {
		return out.String(), nil, broken
	}
	return out.String(), &gather.Answer, nil
}

func unquote(v []byte) string { s, _ := dialect.Unquote(v); return s }

// Own copies an event and what it points to.
func Own(ev *neutral.Event) *neutral.Event {
	out := *ev
	out.Text = bytes.Clone(ev.Text)
	if ev.Block != nil {
		b := *ev.Block
		b.Raw, b.Data, b.Args = bytes.Clone(b.Raw), bytes.Clone(b.Data), bytes.Clone(b.Args)
		out.Block = &b
	}
	if ev.Citation != nil {
		c := *ev.Citation
		c.Raw = bytes.Clone(c.Raw)
		out.Citation = &c
	}
	return &out
}

// Encode replays an answer through an encoder and gives the stream.
func Encode(e neutral.Encoder, a *neutral.Answer) []byte {
	var out []byte
	neutral.Replay(a, func(ev *neutral.Event) { out = e.Append(out, ev) })
	return out
}

// Pieces replays an answer with its texts cut into pieces of n characters, as a stream has them.
func Pieces(a *neutral.Answer, n int, emit func(*neutral.Event)) {
	neutral.Replay(a, func(ev *neutral.Event) {
		text, ok := dialect.Unquote(ev.Text)
		if ev.Kind != neutral.Added || !ok {
			emit(ev)
			return
		}
		runes := []rune(text)
		for len(runes) > 0 {
			k := min(n, len(runes))
			emit(&neutral.Event{Kind: neutral.Added, Index: ev.Index, Text: neutral.Quote(string(runes[:k]))})
			runes = runes[k:]
		}
	})
}

// Request decodes a body as the gateway does.
func Request(t testing.TB, c neutral.Codec, body []byte) *neutral.Request {
	t.Helper()
	r, err := c.DecodeRequest(body, dialect.Route{})
	if err != nil {
		t.Fatalf("decode the request: %v\n%s", err, body)
	}
	return r
}

// Confused takes the events of streams apart, puts any of them together in any order, and runs
// them through a decoder: whatever an upstream does, what the decoder hands on is in order, until it
// gives up with an error. enc has to bear what comes, too, and write whole events.
func Confused(t *rapid.T, d neutral.Decoder, enc neutral.Encoder, streams [][]byte) {
	var all [][]byte
	for _, s := range streams {
		events, err := Split(s)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, events...)
	}
	var order Order
	var out []byte
	take := func(ev *neutral.Event) {
		if err := order.Add(ev); err != nil {
			t.Fatalf("%v: %s", err, DumpEvent(ev))
		}
		out = enc.Append(out, ev)
	}
	for range rapid.IntRange(0, 20).Draw(t, "events") {
		if d.Event(rapid.SampledFrom(all).Draw(t, "event"), take) != nil {
			return
		}
	}
	d.Close(take)
	if err := order.End(); err != nil {
		t.Fatal(err)
	}
	if _, err := Split(out); err != nil {
		t.Fatal(err)
	}
}
