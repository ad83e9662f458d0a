package gemini

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

// ordered checks that events come in the order that neutral.EventKind states.
type ordered struct {
	started, finished, ended, open bool
	index                          int
	kind                           neutral.Kind
}

func (o *ordered) check(ev *neutral.Event) error {
	if o.ended || !o.started && ev.Kind != neutral.Started || o.finished && ev.Kind != neutral.Ended && ev.Kind != neutral.Measured {
		return fmt.Errorf("event %d comes out of order", ev.Kind)
	}
	inBlock := func() error {
		if !o.open || ev.Index != o.index {
			return fmt.Errorf("event %d is for block %d; open %v %d", ev.Kind, ev.Index, o.open, o.index)
		}
		return nil
	}
	switch ev.Kind {
	case neutral.Started:
		if o.started {
			return fmt.Errorf("started twice")
		}
		o.started = true
	case neutral.Opened:
		if o.open || ev.Index != o.index || ev.Block == nil || ev.Block.Text != "" || ev.Block.Args != nil {
			return fmt.Errorf("block %d opens; open %v %d, %+v", ev.Index, o.open, o.index, ev.Block)
		}
		o.open, o.kind = true, ev.Block.Kind
	case neutral.Added:
		var s string
		if json.Unmarshal(ev.Text, &s) != nil || s == "" {
			return fmt.Errorf("%q is added", ev.Text)
		}
		return inBlock()
	case neutral.Signed:
		if ev.Signature == "" || o.kind == neutral.KindText {
			return fmt.Errorf("%q signs a block of kind %d", ev.Signature, o.kind)
		}
		return inBlock()
	case neutral.Cited:
		return inBlock()
	case neutral.Closed:
		err := inBlock()
		o.open = false
		o.index++
		return err
	case neutral.Finished:
		o.finished = true
		if o.open {
			return fmt.Errorf("finished inside a block")
		}
	case neutral.Ended:
		o.ended = true
	}
	return nil
}

func dumpEvent(ev *neutral.Event) string {
	name := [...]string{"started", "opened", "added", "signed", "cited", "closed", "measured", "finished", "ended"}[ev.Kind]
	switch ev.Kind {
	case neutral.Started:
		return fmt.Sprintf("%s %s %s", name, ev.ID, ev.Model)
	case neutral.Opened:
		return fmt.Sprintf("%s %d %s", name, ev.Index, dumpBlock(ev.Block))
	case neutral.Added:
		return fmt.Sprintf("%s %d %s", name, ev.Index, ev.Text)
	case neutral.Signed:
		return fmt.Sprintf("%s %d %s", name, ev.Index, ev.Signature)
	case neutral.Cited:
		return fmt.Sprintf("%s %d %s %q %d-%d", name, ev.Index, ev.Citation.URL, ev.Citation.Title, ev.Citation.Start, ev.Citation.End)
	case neutral.Closed:
		return fmt.Sprintf("%s %d", name, ev.Index)
	case neutral.Measured:
		return fmt.Sprintf("%s %s", name, usageShown(ev.Usage))
	case neutral.Finished:
		return fmt.Sprintf("%s %s %s", name, ev.Finish, usageShown(ev.Usage))
	}
	return name
}

// decodeStream reads a whole stream, checking the order of its events.
func decodeStream(t testing.TB, stream []byte, emit func(*neutral.Event)) error {
	t.Helper()
	d := Dialect{}.NewDecoder()
	var o ordered
	checked := func(ev *neutral.Event) {
		if err := o.check(ev); err != nil {
			t.Fatalf("%v\nin %q", err, stream)
		}
		emit(ev)
	}
	for len(stream) > 0 {
		n := dialect.EndOfEvent(stream)
		if n == 0 {
			break
		}
		if err := d.Event(stream[:n], checked); err != nil {
			return err
		}
		stream = stream[n:]
	}
	d.Close(checked)
	d.Close(func(*neutral.Event) { t.Fatal("closed twice, told twice") })
	if !o.ended {
		t.Fatal("not ended")
	}
	return nil
}

func unquote(b []byte) string {
	var s string
	_ = json.Unmarshal(b, &s)
	return s
}

func gather(t testing.TB, stream []byte) *neutral.Answer {
	t.Helper()
	var g neutral.Gather
	if err := decodeStream(t, stream, func(ev *neutral.Event) { g.Add(ev, unquote) }); err != nil {
		t.Fatal(err)
	}
	return &g.Answer
}

// wholeOf is the JSON answer that says what a stream says: its chunks as the API gives them without alt=sse.
func wholeOf(t testing.TB, stream []byte) []byte {
	var list []string
	for _, raw := range split(t, stream) {
		if _, data := dialect.Fields(raw); len(data) > 0 {
			list = append(list, string(data))
		}
	}
	return []byte("[" + strings.Join(list, "\n,\r\n") + "\n]")
}

func dumpAnswer(a *neutral.Answer) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s %s\n", a.ID, a.Model, a.Finish, usageShown(a.Usage))
	for i := range a.Blocks {
		fmt.Fprintf(&b, "  %s\n", dumpBlock(&a.Blocks[i]))
	}
	return b.String()
}

func session() *neutral.Session {
	return &neutral.Session{
		Request: &neutral.Request{From: own, Stream: true, Reasoning: neutral.Reasoning{Show: true}}, RequestID: "req_1", Model: "their-model", Now: 1780272000,
	}
}

// What an upstream of this dialect streams: as events, and as a stream and an answer for a caller of it.
func TestStreams(t *testing.T) {
	for _, name := range []string{"text", "tools", "grounded", "signed_end", "blocked", "code"} {
		t.Run(name, func(t *testing.T) {
			stream := golden(t, "stream_"+name+".sse")
			enc := Dialect{}.NewEncoder(session())
			var events strings.Builder
			var out []byte
			if err := decodeStream(t, stream, func(ev *neutral.Event) {
				events.WriteString(dumpEvent(ev) + "\n")
				out = enc.Append(out, ev)
			}); err != nil {
				t.Fatal(err)
			}
			same(t, "stream_"+name+".events.txt", []byte(events.String()))
			same(t, "stream_"+name+".again.sse", out)
			r := Dialect{}.NewReader(&dialect.Request{})
			for _, raw := range split(t, out) {
				if k := r.Event(raw).Kind; k == dialect.EventMalformed || k == dialect.EventError {
					t.Errorf("%q cannot be read", raw)
				}
			}
			if !r.Finished() {
				t.Error("what was written is not whole")
			}

			whole := wholeOf(t, stream)
			a, err := Dialect{}.DecodeAnswer(whole)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := dumpAnswer(a), dumpAnswer(gather(t, stream)); got != want {
				t.Errorf("read whole it is\n%s\nas a stream\n%s", got, want)
			}
			answer := Dialect{}.EncodeAnswer(a, session())
			same(t, "stream_"+name+".answer.json", pretty(t, answer))
			if w := (Dialect{}).Whole(answer); !w.Valid || !w.Finished || w.Error {
				t.Errorf("%+v", w)
			}
		})
	}
}

func TestStreamBroken(t *testing.T) {
	for _, stream := range []string{
		string(golden(t, "stream_error.sse")), "data: {\"candidates\":[\n\n", "data: [DONE]\n\n", "data: 7\n\n",
	} {
		if err := decodeStream(t, []byte(stream), func(*neutral.Event) {}); err == nil {
			t.Errorf("%q is taken for a stream", stream)
		}
	}
	for _, body := range []string{`{"error":{"code":400}}`, `[{"error":{"code":400}}]`, `[{}`, ``, `x`, `[7]`} {
		if a, err := (Dialect{}).DecodeAnswer([]byte(body)); err == nil {
			t.Errorf("%q is taken for an answer: %+v", body, a)
		}
	}
}

func TestFinish(t *testing.T) {
	for reason, want := range map[string]neutral.Finish{
		"STOP": neutral.FinishStop, "MAX_TOKENS": neutral.FinishLength, "CONTINUATION": neutral.FinishLength, "SAFETY": neutral.FinishRefusal, "RECITATION": neutral.FinishRefusal,
		"PROHIBITED_CONTENT": neutral.FinishRefusal, "SPII": neutral.FinishRefusal, "BLOCKLIST": neutral.FinishRefusal, "LANGUAGE": neutral.FinishRefusal,
		"NO_IMAGE": neutral.FinishStop, "SOMETHING_NEW": neutral.FinishStop,
	} {
		a, err := Dialect{}.DecodeAnswer([]byte(`{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"` + reason + `"}]}`))
		if err != nil || a.Finish != want {
			t.Errorf("%s is %v (%v), want %v", reason, a.Finish, err, want)
		}
	}
	a, _ := Dialect{}.DecodeAnswer([]byte(`{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"}}]},"finishReason":"STOP"}]}`))
	if a.Finish != neutral.FinishTool || string(a.Blocks[0].Args) != "{}" || a.Blocks[0].ID == "" {
		t.Errorf("a call is %+v, finish %v", a.Blocks, a.Finish)
	}
}

// Calls without ids get ones that do not depend on how the answer is read, and that differ from answer to answer.
func TestCallIDs(t *testing.T) {
	ids := map[string]bool{}
	for _, response := range []string{"r1", "r2", ""} {
		body := `{"responseId":"` + response + `","candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":1}}},{"functionCall":{"name":"f","args":{"a":1}}}]},"finishReason":"STOP"}]}`
		a, err := Dialect{}.DecodeAnswer([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		s := gather(t, []byte("data: "+body+"\n\n"))
		for i := range a.Blocks {
			id := a.Blocks[i].ID
			if id != s.Blocks[i].ID || ids[id] || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" || len(id) > 40 {
				t.Errorf("id %q, %q; so far %v", id, s.Blocks[i].ID, ids)
			}
			ids[id] = true
		}
	}
}

// Reasoning of another provider, shown to a caller of this dialect, comes back in its next request, also from a client
// that keeps no thoughts, and then stands where reasoning stands.
func TestForeignReasoningComesBack(t *testing.T) {
	answer := &neutral.Answer{ID: "msg_1", Finish: neutral.FinishTool, Blocks: []neutral.Block{
		{Kind: neutral.KindReasoning, Text: "let me see", Signature: "sigA", Origin: domain.DialectAnthropic},
		{Kind: neutral.KindReasoning, Signature: "sigB", Origin: domain.DialectOpenAIResp, ID: "rs_1"},
		{Kind: neutral.KindText, Text: "I look."},
		{Kind: neutral.KindReasoning, Redacted: true, Signature: "sigC", Origin: domain.DialectAnthropic},
		{Kind: neutral.KindToolUse, ID: "toolu_1", Name: "look", Args: []byte(`{"a":1}`)},
		{Kind: neutral.KindReasoning, Signature: "sigD", Origin: domain.DialectAnthropic},
	}}
	for _, keeps := range []bool{true, false} {
		var parts []string
		var doc struct {
			Candidates []struct {
				Content struct{ Parts []json.RawMessage }
			}
		}
		if err := json.Unmarshal(Dialect{}.EncodeAnswer(answer, session()), &doc); err != nil {
			t.Fatal(err)
		}
		for _, p := range doc.Candidates[0].Content.Parts {
			var sdk struct{ ThoughtSignature []byte } // Google's Go SDK decodes it; Python's writes it anew, in another alphabet
			if err := json.Unmarshal(p, &sdk); err != nil {
				t.Fatalf("%s: %v", p, err)
			}
			p = bytes.ReplaceAll(p, []byte(base64.StdEncoding.EncodeToString(sdk.ThoughtSignature)), []byte(base64.URLEncoding.EncodeToString(sdk.ThoughtSignature)))
			if keeps || !bytes.Contains(p, []byte(`"thought":true`)) {
				parts = append(parts, string(p))
			}
		}
		r := decodeRequest(t, []byte(`{"contents":[{"role":"model","parts":[`+strings.Join(parts, ",")+`]}]}`), dialect.Route{Model: "m"})
		var got []string
		for i := range r.Turns[0].Blocks {
			b := &r.Turns[0].Blocks[i]
			word := kindNames[b.Kind]
			for _, d := range []domain.Dialect{domain.DialectAnthropic, domain.DialectOpenAIResp} {
				if id, s, ok := neutral.SignatureFor(d, b); ok {
					word += " " + id + s
				}
			}
			got = append(got, word+b.Text)
		}
		want := []string{"reasoning sigA", "reasoning rs_1sigB", "textI look.", "reasoning sigC", "call", "reasoning sigD"}
		if keeps {
			want[0] += "let me see"
		}
		if !slices.Equal(got, want) {
			t.Errorf("from a client that keeps thoughts: %v\n%q, want\n%q", keeps, got, want)
		}
	}
}

// usageShown is a usage with what every answer has, and of the rest what there is.
func usageShown(u domain.Usage) string {
	out := fmt.Sprintf("{Input:%d CacheRead:%d CacheWrite5m:%d CacheWrite1h:%d Output:%d Reasoning:%d", u.Input, u.CacheRead, u.CacheWrite5m, u.CacheWrite1h, u.Output, u.Reasoning)
	v := reflect.ValueOf(u)
	for i := range v.NumField() {
		switch name := v.Type().Field(i).Name; name {
		case "Input", "CacheRead", "CacheWrite5m", "CacheWrite1h", "Output", "Reasoning", "Reported":
		default:
			if !v.Field(i).IsZero() {
				out += fmt.Sprintf(" %s:%v", name, v.Field(i))
			}
		}
	}
	return out + fmt.Sprintf(" Reported:%t}", u.Reported)
}
