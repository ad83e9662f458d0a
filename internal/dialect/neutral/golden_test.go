package neutral_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"turnout/internal/dialect"
	"turnout/internal/dialect/anthropic"
	"turnout/internal/dialect/gemini"
	"turnout/internal/dialect/neutral"
	"turnout/internal/dialect/neutral/neutraltest"
	"turnout/internal/dialect/openai"
	"turnout/internal/dialect/responses"
)

// Every request of testdata/in, as an account of each other dialect gets it, and every answer and
// stream there, as a caller of each other dialect gets it, stand in testdata/out/<from>_to_<to>.
// What is in testdata/in is shaped as the real clients and providers shape it; what it holds is listed in
// coverage_test.go.

// party is a dialect in the golden files.
type party struct {
	neutral.Codec
	// newest is the model that is asked; older takes what newer ones refuse, such as a temperature.
	newest, older string
	agent         string // the request whose caller gets the answers
}

var parties = []party{
	{anthropic.Dialect{}, "claude-opus-5-5", "claude-sonnet-4-5", "claude_code"},
	{openai.Dialect{}, "gpt-5.5", "gpt-4o", "opencode"},
	{responses.Dialect{}, "gpt-5.5", "gpt-4.1", "codex"},
	{gemini.Dialect{}, "gemini-3-pro-preview", "gemini-2.5-flash", "gemini_cli"},
}

// forOlder are the requests that go to an older model.
var forOlder = map[string]bool{"opencode": true, "sdk_sampling": true, "sdk_stop": true, "sdk_json": true}

// inputs are the files of a party that end so ("request.json"), by their names without it.
func inputs(t *testing.T, p party, end string) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata/in", p.ID().String(), "*."+end))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no input that ends in %s: %v", p.ID(), end, err)
	}
	out := make(map[string][]byte, len(files))
	for _, f := range files {
		body := read(t, f)
		if path.Ext(f) == ".json" {
			body = compact(t, body)
		}
		out[strings.TrimSuffix(filepath.Base(f), "."+end)] = body
	}
	return out
}

// compact is a body without the white space that the files have for readers and clients do not send.
func compact(t *testing.T, body []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, body); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func (p party) request(t *testing.T, body []byte) *neutral.Request {
	t.Helper()
	r, err := p.DecodeRequest(body, dialect.Route{Model: p.newest, Stream: true, Version: "v1beta"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// session is what the encoder of an answer for this party's agent knows.
func (p party) session(t *testing.T) *neutral.Session {
	body := read(t, filepath.Join("testdata/in", p.ID().String(), p.agent+".request.json"))
	return &neutral.Session{Request: p.request(t, compact(t, body)), RequestID: "01K9Z3V8Q4T6", Model: "asked-model", Now: 1_762_300_000}
}

// asks puts a request into the other dialect as the gateway does. refused: it cannot be.
func (p party) asks(t *testing.T, to party, name string, body []byte) (out []byte, refused bool) {
	t.Helper()
	r := p.request(t, body)
	if r.Model = to.newest; forOlder[name] {
		r.Model = to.older
	}
	r, back := neutral.FitNames(r, to.ID())
	n := neutral.NewNotes(to.ID(), to.Table())
	out = to.EncodeRequest(r, n)
	if err := n.Err(); err != nil {
		return fmt.Appendf(nil, "%v\n", err), true
	}
	out = indented(t, out)
	for fitted, given := range back {
		out = fmt.Appendf(out, "renamed %s: %s\n", given, fitted)
	}
	for _, w := range n.Warnings() {
		out = append(append(out, w...), '\n')
	}
	return out, false
}

// hears puts an answer into the other dialect as the gateway does.
func (p party) hears(t *testing.T, from party, body []byte) []byte {
	t.Helper()
	a, err := from.DecodeAnswer(body)
	if err != nil {
		t.Fatal(err)
	}
	return indented(t, p.EncodeAnswer(a, p.session(t)))
}

// follows puts a stream into the other dialect as the gateway does.
func (p party) follows(t *testing.T, from party, body []byte) (out []byte) {
	t.Helper()
	d, e := from.NewDecoder(), p.NewEncoder(p.session(t))
	events, err := neutraltest.Split(body)
	if err != nil {
		t.Fatal(err)
	}
	take := func(ev *neutral.Event) { out = e.Append(out, ev) }
	for _, raw := range events {
		if err := d.Event(raw, take); err != nil {
			t.Fatal(err)
		}
	}
	d.Close(take)
	if _, _, err := neutraltest.Decode(p.NewDecoder(), out); err != nil {
		t.Errorf("the stream cannot be read: %v", err)
	}
	return out
}

func indented(t *testing.T, v []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := json.Indent(&out, v, "", " "); err != nil {
		t.Fatalf("%v: %s", err, v)
	}
	out.WriteByte('\n')
	return out.Bytes()
}

// everyPair calls f for each dialect and each other one.
func everyPair(t *testing.T, f func(t *testing.T, from, to party, dir string)) {
	for _, from := range parties {
		for _, to := range parties {
			if from.ID() != to.ID() {
				dir := from.ID().String() + "_to_" + to.ID().String()
				t.Run(dir, func(t *testing.T) { f(t, from, to, path.Join("out", dir)) })
			}
		}
	}
}

func TestGoldenRequests(t *testing.T) {
	everyPair(t, func(t *testing.T, from, to party, dir string) {
		for name, body := range inputs(t, from, "request.json") {
			t.Run(name, func(t *testing.T) {
				out, _ := from.asks(t, to, name, body)
				neutraltest.Golden(t, path.Join(dir, name+".request.txt"), out)
			})
		}
	})
}

func TestGoldenAnswers(t *testing.T) {
	everyPair(t, func(t *testing.T, from, to party, dir string) {
		for name, body := range inputs(t, from, "answer.json") {
			t.Run(name, func(t *testing.T) {
				neutraltest.Golden(t, path.Join(dir, name+".answer.json"), to.hears(t, from, body))
			})
		}
	})
}

func TestGoldenStreams(t *testing.T) {
	everyPair(t, func(t *testing.T, from, to party, dir string) {
		for name, body := range inputs(t, from, "stream.sse") {
			t.Run(name, func(t *testing.T) {
				neutraltest.Golden(t, path.Join(dir, name+".stream.sse"), to.follows(t, from, body))
			})
		}
	})
}
