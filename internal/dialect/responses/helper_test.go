package responses

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/dialect/neutral/neutraltest"
)

func golden(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
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

// gather reads a whole stream into an answer, and checks the order of its events.
func gather(stream []byte) (*neutral.Answer, error) {
	_, a, err := neutraltest.Decode(Dialect{}.NewDecoder(), stream)
	return a, err
}

// events writes an answer as a stream.
func events(a *neutral.Answer, s *neutral.Session) []byte {
	return neutraltest.Encode(Dialect{}.NewEncoder(s), a)
}

// unquote decodes a JSON string.
func unquote(b []byte) string {
	s, _ := dialect.Unquote(b)
	return s
}

// short cuts a text for a message.
func short(b []byte) string {
	return strings.ToValidUTF8(string(b[:min(len(b), 300)]), "?")
}
