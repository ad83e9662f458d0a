package neutral_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"turnout/internal/dialect"
	"turnout/internal/dialect/anthropic"
	"turnout/internal/dialect/gemini"
	"turnout/internal/dialect/neutral"
	"turnout/internal/dialect/neutral/neutraltest"
	"turnout/internal/dialect/openai"
	"turnout/internal/dialect/responses"
	"turnout/internal/domain"
)

// speaker is a dialect as both sides of an exchange use it.
type speaker struct {
	neutral.Codec
	model string // of an upstream that reasons
	// again is the request of a client that has got the answer and gives it back with the results
	// of its calls.
	again func(answer []byte, calls []neutral.Block) string
}

var speakers = []speaker{
	{anthropic.Dialect{}, "claude-opus-5-5", func(answer []byte, calls []neutral.Block) string {
		results := ""
		for _, c := range calls {
			results += fmt.Sprintf(`{"type":"tool_result","tool_use_id":%q,"content":"r"},`, c.ID)
		}
		return fmt.Sprintf(`{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":%s},{"role":"user","content":[%s{"type":"text","text":"go on"}]}]}`,
			dialect.Member(answer, "content"), results)
	}},
	{openai.Dialect{}, "deepseek-chat", func(answer []byte, calls []neutral.Block) string {
		results := ""
		for _, c := range calls {
			results += fmt.Sprintf(`{"role":"tool","tool_call_id":%q,"content":"r"},`, c.ID)
		}
		var choice []byte
		list := dialect.Member(answer, "choices")
		_ = dialect.Array(list, func(e dialect.Span) bool { choice = e.Of(list); return false })
		return fmt.Sprintf(`{"messages":[{"role":"user","content":"q"},%s,%s{"role":"user","content":"go on"}]}`, dialect.Member(choice, "message"), results)
	}},
	{responses.Dialect{}, "gpt-5.5", func(answer []byte, calls []neutral.Block) string {
		results := ""
		for _, c := range calls {
			results += fmt.Sprintf(`{"type":"function_call_output","call_id":%q,"output":"r"},`, c.ID)
		}
		items := strings.TrimSuffix(strings.TrimPrefix(string(dialect.Member(answer, "output")), "["), "]")
		if items != "" {
			items += ","
		}
		return fmt.Sprintf(`{"store":false,"input":[{"role":"user","content":"q"},%s%s{"role":"user","content":"go on"}]}`, items, results)
	}},
	{gemini.Dialect{}, "gemini-3-pro", func(answer []byte, calls []neutral.Block) string {
		results := ""
		for _, c := range calls {
			results += fmt.Sprintf(`{"functionResponse":{"id":%q,"name":%q,"response":{"output":"r"}}},`, c.ID, c.Name)
		}
		var candidate []byte
		list := dialect.Member(answer, "candidates")
		_ = dialect.Array(list, func(e dialect.Span) bool { candidate = e.Of(list); return false })
		return fmt.Sprintf(`{"contents":[{"role":"user","parts":[{"text":"q"}]},%s,{"role":"user","parts":[%s{"text":"go on"}]}]}`, dialect.Member(candidate, "content"), results)
	}},
}

// said generates an answer of an upstream, with reasoning of its own kind.
func said(t *rapid.T, by speaker) *neutral.Answer {
	d := by.ID()
	a := neutraltest.Answers(neutraltest.Options{From: d, Reasoning: d != domain.DialectOpenAIChat}).Draw(t, "answer")
	if d == domain.DialectOpenAIChat && rapid.Bool().Draw(t, "reasons") {
		a.Blocks = append([]neutral.Block{{Kind: neutral.KindReasoning, Origin: d, Text: "because", Signature: "reasoning_content"}}, a.Blocks...)
	}
	for i := range a.Blocks {
		if b := &a.Blocks[i]; b.Kind == neutral.KindToolUse && d == domain.DialectGeminiContent && rapid.Bool().Draw(t, "signed call") {
			b.Signature, b.Origin = "c2lnbmVkIGNhbGw=", d
		}
	}
	return a
}

func exchange(model string) *neutral.Session {
	return &neutral.Session{Request: &neutral.Request{ShowUsage: true, Reasoning: neutral.Reasoning{Show: true}}, RequestID: "01J", Model: model, Now: 1_762_300_000}
}

// heard is what a caller of the dialect to makes of what an upstream said: by a JSON answer, and by
// a stream in pieces.
func heard(t *rapid.T, a *neutral.Answer, from, to speaker) (whole, streamed *neutral.Answer) {
	first, err := from.DecodeAnswer(from.EncodeAnswer(a, exchange("m")))
	if err != nil {
		t.Fatal(err)
	}
	body := to.EncodeAnswer(first, exchange("m"))
	if !json.Valid(body) {
		t.Fatalf("no JSON: %s", body)
	}
	if whole, err = to.DecodeAnswer(body); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	up := from.NewEncoder(exchange("m"))
	var wire []byte
	neutraltest.Pieces(a, 3, func(ev *neutral.Event) { wire = up.Append(wire, ev) })
	events, err := neutraltest.Split(wire)
	if err != nil {
		t.Fatal(err)
	}
	d, e := from.NewDecoder(), to.NewEncoder(exchange("m"))
	var out []byte
	take := func(ev *neutral.Event) { out = e.Append(out, ev) }
	for _, raw := range events {
		if err := d.Event(raw, take); err != nil {
			t.Fatalf("%v: %s", err, wire)
		}
	}
	d.Close(take)
	if _, streamed, err = neutraltest.Decode(to.NewDecoder(), out); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return whole, streamed
}

func pairs(t *testing.T, check func(t *rapid.T, from, to speaker)) {
	for _, from := range speakers {
		for _, to := range speakers {
			if from.ID() != to.ID() {
				t.Run(fmt.Sprintf("%s heard by %s", from.ID(), to.ID()), func(t *testing.T) {
					rapid.Check(t, func(t *rapid.T) { check(t, from, to) })
				})
			}
		}
	}
}

// Whatever two dialects are between an upstream and a caller: what is said is heard.
func TestEveryAnswerIsHeard(t *testing.T) {
	pairs(t, func(t *rapid.T, from, to speaker) {
		a := said(t, from)
		whole, streamed := heard(t, a, from, to)
		want := gist(a) + " " + a.Finish.String()
		for name, got := range map[string]*neutral.Answer{"answer": whole, "stream": streamed} {
			if got := gist(got) + " " + got.Finish.String(); got != want {
				t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
			}
		}
	})
}

// Reasoning that a client of another dialect gives back gets to its maker as that wants it.
func TestEveryThoughtComesBack(t *testing.T) {
	pairs(t, func(t *rapid.T, from, to speaker) {
		a := said(t, from)
		if n := len(a.Blocks); n == 0 || a.Blocks[n-1].Kind == neutral.KindReasoning {
			return // OpenAI refuses reasoning that nothing follows
		}
		whole, streamed := heard(t, a, from, to)
		for name, got := range map[string]*neutral.Answer{"answer": whole, "stream": streamed} {
			var calls []neutral.Block
			for _, b := range got.Blocks {
				if b.Kind == neutral.KindToolUse {
					calls = append(calls, b)
				}
			}
			body := to.again(to.EncodeAnswer(got, exchange("m")), calls)
			r, err := to.DecodeRequest([]byte(body), dialect.Route{})
			if err != nil {
				t.Fatalf("%s: %v: %s", name, err, body)
			}
			r.Model = from.model
			n := neutral.NewNotes(from.ID(), from.Table())
			out := string(from.EncodeRequest(r, n))
			if n.Err() != nil || !json.Valid([]byte(out)) {
				t.Fatalf("%s: %v: %s", name, n.Err(), out)
			}
			for _, b := range a.Blocks {
				want := b.Signature
				switch {
				case want == "":
					continue
				case to.ID() == domain.DialectOpenAIChat && b.Kind == neutral.KindReasoning:
					continue // the protocol has no place for it
				case to.ID() == domain.DialectGeminiContent && from.ID() == domain.DialectOpenAIResp:
					// A client of Gemini keeps a signature with the words that follow the thought, so
					// that it comes back behind them, where OpenAI refuses it.
					continue
				case from.ID() == domain.DialectOpenAIChat:
					want = `"reasoning_content":"because"`
				}
				if !strings.Contains(out, want) {
					t.Errorf("%s: %s is lost between %s and\n%s", name, want, body, out)
				}
			}
		}
	})
}

// asked is what a request says, whoever is asked: one line for each side's turn, with the words of
// all its texts, and its calls and results in pairs.
func asked(r *neutral.Request) string {
	var out strings.Builder
	words := func(b []neutral.Block) string { // how texts are joined is the dialects' own affair
		return strings.Join(strings.Fields(neutral.Words(b, "\n\n")), " ")
	}
	fmt.Fprintf(&out, "system %q\n", words(r.System))
	order := map[string]int{} // ids are the dialects' own affair, but they pair
	for _, t := range neutral.Merge(r.Turns) {
		fmt.Fprintf(&out, "%d %q", t.Role, words(t.Blocks))
		for _, b := range t.Blocks {
			switch b.Kind {
			case neutral.KindToolUse:
				order[b.ID] = len(order) + 1
				fmt.Fprintf(&out, " call %d %s %s", order[b.ID], b.Name, neutraltest.Canonical(b.Args))
			case neutral.KindToolResult:
				fmt.Fprintf(&out, " result %d %q", order[b.ID], words(b.Content))
			case neutral.KindImage:
				fmt.Fprintf(&out, " image %s %s", b.MediaType, b.Data)
			}
		}
		out.WriteByte('\n')
	}
	for _, t := range r.Tools {
		fmt.Fprintf(&out, "tool %s %q\n", t.Name, t.Description)
	}
	fmt.Fprintf(&out, "stream %v, at most %d\n", r.Stream, r.MaxTokens)
	return out.String()
}

// Whatever two dialects are between a caller and an upstream: the conversation arrives.
func TestEveryRequestArrives(t *testing.T) {
	pairs(t, func(t *rapid.T, from, to speaker) {
		r := neutraltest.Requests(neutraltest.Options{From: from.ID()}).Draw(t, "request")
		r.Format, r.Reasoning, r.Choice = neutral.Format{}, neutral.Reasoning{}, neutral.ToolChoice{}
		if rapid.Bool().Draw(t, "looks") {
			last := &r.Turns[len(r.Turns)-1]
			last.Blocks = append(last.Blocks, neutral.Block{Kind: neutral.KindImage, MediaType: "image/png", Data: []byte("iVBORw0K")})
		}
		r.MaxTokens = 30_000
		wire := from.EncodeRequest(r, neutral.NewNotes(from.ID(), from.Table()))
		at := dialect.Route{}
		if from.ID() == domain.DialectGeminiContent {
			at = dialect.Route{Model: "m", Stream: r.Stream}
		}
		first, err := from.DecodeRequest(wire, at)
		if err != nil {
			t.Fatalf("%v: %s", err, wire)
		}
		first.Model = to.model
		if to.ID() == domain.DialectOpenAIResp {
			first.Stop = nil // refused there
		}
		n := neutral.NewNotes(to.ID(), to.Table())
		body := to.EncodeRequest(first, n)
		if n.Err() != nil || !json.Valid(body) {
			t.Fatalf("%v: %s", n.Err(), body)
		}
		if at = (dialect.Route{}); to.ID() == domain.DialectGeminiContent {
			at = dialect.Route{Model: "m", Stream: r.Stream}
		}
		back, err := to.DecodeRequest(body, at)
		if err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		if want, got := asked(r), asked(back); want != got {
			t.Errorf("got\n%s\nwant\n%s\nof %s\nmade of %s", got, want, body, wire)
		}
	})
}
