package responses

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// compare holds got against a file, or writes that.
func compare(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (run with -update to write it)", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("differs from %s (run with -update if that is meant); got\n%s", file, got)
	}
}

// split takes a stream apart.
func split(t testing.TB, stream []byte) (events [][]byte) {
	t.Helper()
	for len(stream) > 0 {
		n := dialect.EndOfEvent(stream)
		if n == 0 {
			t.Fatalf("the stream ends inside an event: %q", stream)
		}
		events, stream = append(events, stream[:n]), stream[n:]
	}
	return events
}

// dump writes what a value says, without what it does not say.
func dump(v any) []byte {
	var b bytes.Buffer
	dumpTo(&b, reflect.ValueOf(v), "")
	return b.Bytes()
}

func dumpTo(b *bytes.Buffer, v reflect.Value, indent string) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			b.WriteString("nil\n")
			return
		}
		dumpTo(b, v.Elem(), indent)
	case reflect.Struct:
		b.WriteString("\n")
		for i := range v.NumField() {
			if f := v.Field(i); !f.IsZero() && v.Type().Field(i).Name != "Echo" {
				fmt.Fprintf(b, "%s%s: ", indent, v.Type().Field(i).Name)
				dumpTo(b, f, indent+"  ")
			}
		}
	case reflect.Slice:
		if raw, ok := v.Interface().([]byte); ok {
			fmt.Fprintf(b, "%s\n", raw)
			return
		}
		b.WriteString("\n")
		for i := range v.Len() {
			fmt.Fprintf(b, "%s- ", indent)
			dumpTo(b, v.Index(i), indent+"  ")
		}
	case reflect.String:
		fmt.Fprintf(b, "%q\n", v.String())
	default:
		fmt.Fprintf(b, "%v\n", v.Interface())
	}
}

// pretty indents a JSON text and fails for what is none.
func pretty(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", " "); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	out.WriteByte('\n')
	return out.Bytes()
}

// order checks that events come in the order that neutral.EventKind states.
type order struct {
	started, finished, ended, open bool
	index                          int
}

func (o *order) see(ev *neutral.Event) error {
	bad := func(why string) error { return fmt.Errorf("event %d, block %d: %s", ev.Kind, ev.Index, why) }
	if ev.Kind != neutral.Started && !o.started {
		return bad("nothing has started")
	}
	if o.ended {
		return bad("it has ended")
	}
	switch ev.Kind {
	case neutral.Started:
		if o.started {
			return bad("started twice")
		}
		o.started = true
	case neutral.Opened:
		if o.open || ev.Index != o.index || ev.Block == nil || o.finished {
			return bad("opened out of order")
		}
		o.open = true
	case neutral.Added, neutral.Signed, neutral.Cited:
		if !o.open || ev.Index != o.index {
			return bad("outside of its block")
		}
		if ev.Kind == neutral.Added && !json.Valid(ev.Text) {
			return bad(fmt.Sprintf("no JSON string: %q", ev.Text))
		}
		if ev.Kind == neutral.Cited && ev.Citation == nil {
			return bad("without a citation")
		}
	case neutral.Closed:
		if !o.open || ev.Index != o.index {
			return bad("closed out of order")
		}
		o.open = false
		o.index++
	case neutral.Finished:
		if o.open || o.finished {
			return bad("finished out of order")
		}
		o.finished = true
	case neutral.Ended:
		if !o.finished {
			return bad("ended without a finish")
		}
		o.ended = true
	}
	return nil
}

// unquote decodes a JSON string.
func unquote(b []byte) string {
	var s string
	_ = json.Unmarshal(b, &s)
	return s
}

// gather reads a whole stream into an answer, and checks the order of its events.
func gather(stream [][]byte) (*neutral.Answer, error) {
	var o order
	var g neutral.Gather
	var first error
	emit := func(ev *neutral.Event) {
		if err := o.see(ev); err != nil && first == nil {
			first = err
		}
		if first == nil {
			g.Add(ev, unquote)
		}
	}
	d := Dialect{}.NewDecoder()
	for _, raw := range stream {
		if err := d.Event(bytes.Clone(raw), emit); err != nil {
			return nil, err
		}
	}
	d.Close(emit)
	if first == nil && !o.ended {
		first = fmt.Errorf("the stream does not end")
	}
	return &g.Answer, first
}

// events writes an answer as a stream.
func events(a *neutral.Answer, s *neutral.Session) []byte {
	e := Dialect{}.NewEncoder(s)
	var out []byte
	neutral.Replay(a, func(ev *neutral.Event) { out = e.Append(out, ev) })
	return out
}

// short cuts a text for a message.
func short(b []byte) string {
	return strings.ToValidUTF8(string(b[:min(len(b), 300)]), "?")
}
