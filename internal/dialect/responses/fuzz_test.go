package responses

import (
	"bytes"
	"encoding/json"
	"testing"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/dialect/neutral/neutraltest"
	"turnout/internal/domain"
)

func FuzzDecodeRequest(f *testing.F) {
	for _, name := range []string{"codex", "opencode", "sdk", "media"} {
		f.Add(golden(f, "request_"+name+".json"))
	}
	for _, s := range []string{
		`{}`, `{"input":[{"type":"function_call","arguments":"x","namespace":"n"}]}`, `{"input":[{"type":"function_call_output","output":[{"type":"input_image","image_url":"data:;base64,"}]}]}`,
		`{"\u0069nput":"x","tools":[{"type":"namespace","name":"é","tools":[{"type":"custom","name":"c"}]}],"tool_choice":{"type":"allowed_tools","tools":[{"name":"x","namespace":"é"}]}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if !json.Valid(body) {
			return
		}
		r, err := Dialect{}.DecodeRequest(body, dialect.Route{})
		if (r == nil) == (err == nil) {
			t.Fatalf("%v, %v", r, err)
		}
		if err != nil {
			return
		}
		for _, from := range []domain.Dialect{own, domain.DialectAnthropic} {
			r.From = from
			if out := (Dialect{}).EncodeRequest(r, notes()); !json.Valid(out) {
				t.Fatalf("%s becomes %s", body, out)
			}
		}
		r.From = own
		out := events(&neutral.Answer{Blocks: []neutral.Block{{Text: "x"}}}, session(r))
		if _, err := listen(t, out); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	})
}

func FuzzDecodeAnswer(f *testing.F) {
	for _, name := range []string{"agent", "search"} {
		f.Add(golden(f, "answer_"+name+".json"))
	}
	for _, s := range []string{``, `{}`, `{"output":[{"type":"message","content":[{"type":"output_text","annotations":[7]}]}]}`, `{"created_at":1.5,"output":[{}]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := Dialect{}.DecodeAnswer(body)
		if err != nil || !json.Valid(body) {
			return
		}
		if out := (Dialect{}).EncodeAnswer(a, session(nil)); !json.Valid(out) {
			t.Fatalf("%s becomes %s", body, out)
		}
		_ = Dialect{}.Whole(body)
	})
}

// Whatever an upstream sends: no panic, and the events come in their order, up to an error.
func FuzzDecodeStream(f *testing.F) {
	for _, name := range []string{"agent", "search", "refusal", "error", "compatible"} {
		f.Add(golden(f, "stream_"+name+".sse"))
	}
	f.Add([]byte("data: {\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{\"type\":\"mcp_call\"}}\n\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		d := Dialect{}.NewDecoder()
		e := Dialect{}.NewEncoder(session(nil))
		var o neutraltest.Order
		var out []byte
		emit := func(ev *neutral.Event) {
			if err := o.Add(ev); err != nil {
				t.Fatal(err)
			}
			out = e.Append(out, ev)
		}
		valid := true
		for len(stream) > 0 {
			n := dialect.EndOfEvent(stream)
			if n == 0 {
				break
			}
			raw := bytes.Clone(stream[:n])
			_, data := dialect.Fields(raw)
			valid = valid && (len(data) == 0 || json.Valid(data))
			if d.Event(raw, emit) != nil {
				return
			}
			clear(raw) // nothing of an event is needed after it
			stream = stream[n:]
		}
		d.Close(emit)
		if err := o.End(); err != nil {
			t.Fatal(err)
		}
		for rest := out; len(rest) > 0; {
			n := dialect.EndOfEvent(rest)
			_, data := dialect.Fields(rest[:n])
			if n == 0 || valid && !json.Valid(data) {
				t.Fatalf("%q", rest)
			}
			rest = rest[n:]
		}
	})
}
