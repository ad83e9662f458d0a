package neutral_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"turnout/internal/dialect/anthropic"
	"turnout/internal/dialect/neutral"
	"turnout/internal/dialect/neutral/neutraltest"
	"turnout/internal/dialect/openai"
)

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The requests of real clients, as accounts of another dialect get them, with what the caller is
// told about it.
func TestTranslateRequests(t *testing.T) {
	chat, claude := openai.Dialect{}, anthropic.Dialect{}
	for _, c := range []struct {
		file     string
		from, to neutral.Codec
		model    string
	}{
		{"../anthropic/testdata/request_claude_code.json", claude, chat, "gpt-5.5"},
		{"../anthropic/testdata/request_claude_code.json", claude, chat, "deepseek-chat"},
		{"../anthropic/testdata/request_claude_code_old.json", claude, chat, "gpt-5.5"},
		{"../anthropic/testdata/request_claude_code_title.json", claude, chat, "gpt-5.5"},
		{"../anthropic/testdata/request_opencode.json", claude, chat, "gpt-4o"},
		{"../anthropic/testdata/request_sdk.json", claude, chat, "gpt-5.5"},
		{"../openai/testdata/request_codex_chat.json", chat, claude, "claude-opus-5-5"},
		{"../openai/testdata/request_opencode.json", chat, claude, "claude-sonnet-5"},
		{"../openai/testdata/request_opencode.json", chat, claude, "claude-sonnet-4-5"},
		{"../openai/testdata/request_plain.json", chat, claude, "claude-haiku-4-5"},
		{"../openai/testdata/request_sdk.json", chat, claude, "claude-3-haiku-20240307"},
		{"../openai/testdata/request_legacy.json", chat, claude, "claude-opus-4-6"},
	} {
		name := strings.TrimSuffix(filepath.Base(c.file), ".json") + "_to_" + c.model
		t.Run(name, func(t *testing.T) {
			r := neutraltest.Request(t, c.from, read(t, c.file))
			r.Model = c.model
			n := neutral.NewNotes(c.to.ID(), c.to.Table())
			var out bytes.Buffer
			fmt.Fprintf(&out, "%s\n", c.to.EncodeRequest(r, n))
			for _, w := range n.Warnings() {
				fmt.Fprintln(&out, w)
			}
			if err := n.Err(); err != nil {
				fmt.Fprintln(&out, err)
			}
			neutraltest.Golden(t, name+".txt", out.Bytes())
		})
	}
}

// Streams of one dialect as callers of another one get them, and what those tell is the same.
func TestTranslateStreams(t *testing.T) {
	chat, claude := openai.Dialect{}, anthropic.Dialect{}
	for _, c := range []struct {
		file     string
		from, to neutral.Codec
	}{
		{"../anthropic/testdata/stream_agent.sse", claude, chat},
		{"../anthropic/testdata/stream_server_tool.sse", claude, chat},
		{"../anthropic/testdata/stream_relayed.sse", claude, chat},
		{"../openai/testdata/stream_text_usage.sse", chat, claude},
		{"../openai/testdata/stream_tools.sse", chat, claude},
		{"../openai/testdata/stream_reasoner.sse", chat, claude},
		{"../openai/testdata/stream_odd.sse", chat, claude},
	} {
		name := strings.TrimSuffix(filepath.Base(c.file), ".sse") + "_to_" + c.to.ID().String()
		t.Run(name, func(t *testing.T) {
			s := &neutral.Session{Request: &neutral.Request{ShowUsage: true}, RequestID: "01J", Model: "model", Now: 1_762_300_000}
			d, e := c.from.NewDecoder(), c.to.NewEncoder(s)
			events, err := neutraltest.Split(read(t, c.file))
			if err != nil {
				t.Fatal(err)
			}
			var out []byte
			var g neutral.Gather
			take := func(ev *neutral.Event) {
				out = e.Append(out, ev)
				g.Add(neutraltest.Own(ev), unquote)
			}
			for _, raw := range events {
				if err := d.Event(raw, take); err != nil {
					t.Fatal(err)
				}
			}
			d.Close(take)
			neutraltest.Golden(t, name+".sse", out)

			// What the caller makes of it: the same words, calls and figures.
			_, back, err := neutraltest.Decode(c.to.NewDecoder(), out)
			if err != nil {
				t.Fatal(err)
			}
			if want, got := gist(&g.Answer), gist(back); want != got {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// gist is what an answer says, whoever said it.
func gist(a *neutral.Answer) string {
	var words, thoughts, calls strings.Builder
	for _, b := range a.Blocks {
		switch b.Kind {
		case neutral.KindText, neutral.KindRefusal:
			words.WriteString(b.Text)
		case neutral.KindReasoning:
			thoughts.WriteString(b.Text)
		case neutral.KindToolUse:
			args := neutraltest.Canonical(b.Args)
			if b.Custom {
				args = neutraltest.Canonical(neutral.WrapInput(b.Text))
			}
			if args == "" {
				args = "{}"
			}
			fmt.Fprintf(&calls, "%s %s\n", b.Name, args)
		}
	}
	return fmt.Sprintf("thoughts %q\nwords %q\n%s%d in, %d out, %d thought", thoughts.String(), words.String(), calls.String(), a.Usage.Prompt(), a.Usage.Output, a.Usage.Reasoning)
}
