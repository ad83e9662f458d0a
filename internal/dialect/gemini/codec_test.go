package gemini

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

var update = flag.Bool("update", false, "write the golden files anew")

// same compares with a golden file.
func same(t *testing.T, name string, got []byte) {
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
	if !bytes.Equal(bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n")), bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n"))) {
		t.Errorf("differs from %s (run with -update if that is meant); got\n%s", file, got)
	}
}

// pretty indents JSON, and fails on what is none.
func pretty(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", " "); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	out.WriteByte('\n')
	return out.Bytes()
}

// dump writes a neutral request down, leaving out what is zero.
func dump(r *neutral.Request) string {
	var b strings.Builder
	line := func(name string, v any) {
		switch s := fmt.Sprint(v); s {
		case "", "[]", "false", "0", "<nil>", "none":
		default:
			fmt.Fprintf(&b, "%s: %s\n", name, s)
		}
	}
	line("model", r.Model)
	line("stream", r.Stream)
	line("from", r.From)
	for i := range r.System {
		fmt.Fprintf(&b, "system: %s\n", dumpBlock(&r.System[i]))
	}
	for _, t := range r.Turns {
		fmt.Fprintf(&b, "turn %s:\n", [...]string{"user", "assistant", "system"}[t.Role])
		for i := range t.Blocks {
			fmt.Fprintf(&b, "  %s\n", dumpBlock(&t.Blocks[i]))
		}
	}
	for _, t := range r.Tools {
		fmt.Fprintf(&b, "tool: %q %q schema %s raw %s of %s extra %s\n", t.Name, t.Description, t.Schema, t.Raw, t.Origin, t.Extra)
	}
	line("choice", map[bool]any{true: fmt.Sprintf("%d %q must %v", r.Choice.Mode, r.Choice.Names, r.Choice.Must)}[r.Choice.Mode != neutral.ChoiceUnset])
	line("max tokens", r.MaxTokens)
	if r.Reasoning != (neutral.Reasoning{}) {
		line("reasoning", fmt.Sprintf("%+v", r.Reasoning))
	}
	if r.Format.Mode != neutral.FormatText {
		line("format", fmt.Sprintf("%d %s", r.Format.Mode, r.Format.Schema))
	}
	if len(r.Stop) > 0 {
		line("stop", fmt.Sprintf("%q", r.Stop))
	}
	line("temperature", string(r.Temperature))
	line("top p", string(r.TopP))
	line("top k", string(r.TopK))
	line("seed", string(r.Seed))
	line("presence penalty", string(r.PresencePenalty))
	line("frequency penalty", string(r.FrequencyPenalty))
	line("tier", r.Tier)
	line("metadata", string(r.Metadata))
	for _, a := range r.Asks {
		line("ask", fmt.Sprintf("%s by %s %s", a.Feature, a.Name, a.Raw))
	}
	for _, m := range r.Extra {
		line("extra", fmt.Sprintf("%s %s", m.Name, m.Raw))
	}
	return b.String()
}

var kindNames = [...]string{"text", "refusal", "image", "document", "audio", "video", "reasoning", "call", "result", "opaque"}

func dumpBlock(b *neutral.Block) string {
	var out strings.Builder
	out.WriteString(kindNames[b.Kind])
	word := func(name, s string) {
		if s != "" {
			fmt.Fprintf(&out, " %s %q", name, s)
		}
	}
	word("", b.Text)
	word("type", b.MediaType)
	word("url", b.URL)
	word("data", string(b.Data))
	word("file", b.FileID)
	word("title", b.Title)
	word("context", b.Context)
	word("id", b.ID)
	word("name", b.Name)
	word("args", string(b.Args))
	word("signature", b.Signature)
	if b.Origin != domain.DialectNone {
		word("of", b.Origin.String())
	}
	word("raw", string(b.Raw))
	if b.Failed {
		out.WriteString(" failed")
	}
	if b.Custom {
		out.WriteString(" custom")
	}
	for i := range b.Content {
		out.WriteString(" [" + dumpBlock(&b.Content[i]) + "]")
	}
	for _, c := range b.Citations {
		fmt.Fprintf(&out, " cites %s %q %d-%d", c.URL, c.Title, c.Start, c.End)
	}
	return out.String()
}

func decodeRequest(t testing.TB, body []byte, at dialect.Route) *neutral.Request {
	t.Helper()
	r, err := Dialect{}.DecodeRequest(body, at)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func encodeRequest(t testing.TB, r *neutral.Request) ([]byte, *neutral.Notes) {
	t.Helper()
	n := neutral.NewNotes(Dialect{}.ID(), Dialect{}.Table())
	body := Dialect{}.EncodeRequest(r, n)
	if !json.Valid(body) {
		t.Fatalf("no JSON: %s", body)
	}
	return body, n
}

// What a caller asks in this dialect, decoded, and encoded again for an upstream of it.
func TestRequests(t *testing.T) {
	for _, c := range []struct {
		file string
		at   dialect.Route
	}{
		{"request_gemini_cli", dialect.Route{Model: "gemini-3-pro-preview", Stream: true}},
		{"request_curl", dialect.Route{Model: "models/gemini-2.5-flash"}},
		{"request_ai_sdk", dialect.Route{Model: "gemini-3-flash"}},
	} {
		t.Run(c.file, func(t *testing.T) {
			body := golden(t, c.file+".json")
			r := decodeRequest(t, body, c.at)
			same(t, c.file+".neutral.txt", []byte(dump(r)))
			again, n := encodeRequest(t, r)
			if n.Err() != nil || len(n.Warnings()) > 0 {
				t.Errorf("in its own dialect nothing is lost: %v, %q", n.Err(), n.Warnings())
			}
			same(t, c.file+".again.json", pretty(t, again))
			if twice, _ := encodeRequest(t, decodeRequest(t, again, c.at)); !bytes.Equal(twice, again) {
				t.Errorf("once more it is\n%s\nafter\n%s", twice, again)
			}
		})
	}
}

func TestRequestsRefused(t *testing.T) {
	for body, param := range map[string]string{
		`{"contents":[{"role":"assistant","parts":[{"text":"x"}]}]}`: "contents",
		`{"tools":[{"functionDeclarations":[{"description":"x"}]}]}`: "tools",
	} {
		_, err := Dialect{}.DecodeRequest([]byte(body), dialect.Route{Model: "m"})
		var e *domain.Error
		if !errors.As(err, &e) || e.Kind != domain.KindInvalid || e.Param != param {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestSchema(t *testing.T) {
	for schema, want := range map[string]string{
		`{"type":"STRING","nullable":true}`: `{"type":["string","null"]}`,
		`{"nullable":false,"type":"OBJECT","properties":{"type":{"type":"STRING"},"nullable":{"type":"BOOLEAN","nullable":true},"snake_name":{"type":"INTEGER","format":"int32"}},"propertyOrdering":["type"]}`: `{"type":"object","properties":{"type":{"type":"string"},"nullable":{"type":["boolean","null"]},"snake_name":{"type":"integer","format":"int32"}}}`,
		`{"type":"ARRAY","minItems":"2","items":{"anyOf":[{"type":"NUMBER"},{"type":"TYPE_UNSPECIFIED"}]}}`:                                                                                                     `{"type":"array","minItems":2,"items":{"anyOf":[{"type":"number"},{}]}}`,
		`{"type":["string","null"],"default":"x","title":"T"}`: `{"type":["string","null"],"default":"x","title":"T"}`,
		`{"type":"object","additionalProperties":false}`:       `{"type":"object","additionalProperties":false}`,
		`{}`:   `{}`,
		`true`: `true`,
	} {
		if got := string(jsonSchema([]byte(schema))); got != want {
			t.Errorf("%s\nbecame %s\nwant   %s", schema, got, want)
		}
	}
	for schema, want := range map[string]string{
		`{"type":"OBJECT","properties":{"a":{"type":"STRING"}}}`: `{"type":"object","properties":{"a":{"type":"string"}}}`,
		`{"type":"object","example":{"type":"OBJECT"}}`:          `{"type":"object","example":{"type":"OBJECT"}}`,
		`{"type":["string","null"]}`:                             `{"type":["string","null"]}`,
		`true`:                                                   `true`,
	} {
		if got := string(statedSchema([]byte(schema))); got != want {
			t.Errorf("%s stated as a JSON schema became %s", schema, got)
		}
	}
	if deep := jsonSchema([]byte(strings.Repeat(`{"items":`, 400) + `{}` + strings.Repeat(`}`, 400))); !json.Valid(deep) {
		t.Error("a deep schema is broken")
	}
}
