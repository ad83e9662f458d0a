package responses

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/dialect/neutral/neutraltest"
	"turnout/internal/domain"
)

// What follows draws neutral values that this dialect carries.

var (
	someText   = rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "a", "two words", "\"quoted\"\n\\", "é😀\u2028", "data: x\n\nevent: y"}))
	someWords  = rapid.StringMatching(`[a-z ]{1,12}[a-z"\\😀]`)
	someName   = rapid.StringMatching(`[a-z][a-z0-9_-]{0,7}`)
	someObject = rapid.SampledFrom([]string{`{}`, `{"a":1}`, `{"a":{"b":["\"",null,true,-0.5e3]}}`, `{"é":"\u00e9"}`})
)

func object(t *rapid.T, label string) []byte { return []byte(someObject.Draw(t, label)) }

func maybe[T any](t *rapid.T, label string, g *rapid.Generator[T]) (v T) {
	if rapid.Bool().Draw(t, label+"?") {
		v = g.Draw(t, label)
	}
	return v
}

func spoken(t *rapid.T) neutral.Block {
	switch rapid.IntRange(0, 4).Draw(t, "spoken") {
	case 0, 1:
		return neutral.Block{Text: someText.Draw(t, "text")}
	case 2:
		return neutral.Block{Kind: neutral.KindRefusal, Text: someText.Draw(t, "refusal")}
	case 3:
		return neutral.Block{Kind: neutral.KindToolUse, ID: "call_" + someName.Draw(t, "id"), Name: someName.Draw(t, "name"), Args: object(t, "args")}
	}
	return neutral.Block{Kind: neutral.KindToolUse, ID: "call_" + someName.Draw(t, "id"), Name: "ns__tool", Custom: true, Text: someText.Draw(t, "input")}
}

func reasoning(t *rapid.T) neutral.Block {
	b := neutral.Block{Kind: neutral.KindReasoning, Origin: own, Text: someText.Draw(t, "thought"), Signature: "gAAA" + someName.Draw(t, "signature")}
	b.Redacted = b.Text == ""
	return b
}

func heard(t *rapid.T) neutral.Block {
	switch rapid.IntRange(0, 6).Draw(t, "heard") {
	case 0:
		return neutral.Block{Kind: neutral.KindImage, URL: "https://example.com/" + someName.Draw(t, "url"), Detail: rapid.SampledFrom([]string{"auto", "low", "high"}).Draw(t, "detail")}
	case 1:
		return neutral.Block{Kind: neutral.KindImage, MediaType: "image/webp", Data: []byte("UklGRg=="), Detail: "auto"}
	case 2:
		return neutral.Block{Kind: neutral.KindDocument, MediaType: "application/pdf", Data: []byte("JVBERi0="), Title: someName.Draw(t, "title") + ".pdf"}
	case 3:
		return neutral.Block{Kind: neutral.KindDocument, URL: "https://example.com/" + someName.Draw(t, "url"), Title: maybe(t, "title", someName)}
	}
	return neutral.Block{Text: someText.Draw(t, "text")}
}

func result(t *rapid.T) neutral.Block {
	b := neutral.Block{Kind: neutral.KindToolResult, ID: "call_" + someName.Draw(t, "id"), Custom: rapid.Bool().Draw(t, "custom")}
	for range rapid.IntRange(1, 3).Draw(t, "parts") {
		b.Content = append(b.Content, heard(t))
	}
	return b
}

func turns(t *rapid.T) (out []neutral.Turn) {
	for i := range rapid.IntRange(1, 5).Draw(t, "turns") {
		turn := neutral.Turn{Role: rapid.SampledFrom([]neutral.Role{neutral.User, neutral.Assistant, neutral.System}).Draw(t, "role")}
		if i == 0 {
			turn.Role = neutral.User // what the system says first is the system prompt
		}
		if turn.Role == neutral.Assistant && rapid.Bool().Draw(t, "thinks") {
			turn.Blocks = append(turn.Blocks, reasoning(t))
		}
		for range rapid.IntRange(1, 3).Draw(t, "blocks") {
			switch turn.Role {
			case neutral.Assistant:
				turn.Blocks = append(turn.Blocks, spoken(t))
			case neutral.System:
				turn.Blocks = append(turn.Blocks, neutral.Block{Text: someText.Draw(t, "text")})
			case neutral.User:
				if rapid.Bool().Draw(t, "result") {
					turn.Blocks = append(turn.Blocks, result(t))
				} else {
					turn.Blocks = append(turn.Blocks, heard(t))
				}
			}
		}
		out = append(out, turn)
	}
	return out
}

func tools(t *rapid.T) (out []neutral.Tool) {
	for i := range rapid.IntRange(0, 4).Draw(t, "tools") {
		name := fmt.Sprint(someName.Draw(t, "tool"), i)
		tool := neutral.Tool{Name: name, Description: maybe(t, "description", someWords)}
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			tool = neutral.Tool{Name: "web_search", Raw: []byte(`{"type":"web_search","search_context_size":"low"}`), Origin: own}
		case 1:
			tool.Custom, tool.Schema = true, []byte(`{"type":"text"}`)
		case 2:
			tool.Namespace, tool.Inner = rapid.SampledFrom([]string{"ns", "other.space"}).Draw(t, "namespace"), name
			tool.Name = flat(tool.Namespace, name)
			fallthrough
		default:
			tool.Schema = object(t, "schema")
			tool.Strict = rapid.SampledFrom([]*bool{nil, ptr(true), ptr(false)}).Draw(t, "strict")
			if rapid.Bool().Draw(t, "extra") {
				tool.Extra = []neutral.Member{{Name: "defer_loading", Raw: []byte("true")}}
			}
		}
		out = append(out, tool)
	}
	return out
}

func request(t *rapid.T) *neutral.Request {
	r := &neutral.Request{
		Model: "m-" + someName.Draw(t, "model"), Stream: rapid.Bool().Draw(t, "stream"), From: own, Turns: turns(t), Tools: tools(t),
		MaxTokens: maybe(t, "max", rapid.Int64Range(leastTokens, 1e9)), Verbosity: maybe(t, "verbosity", rapid.SampledFrom([]string{"low", "high"})),
		User: maybe(t, "user", someWords), CacheKey: maybe(t, "key", someWords), Tier: maybe(t, "tier", rapid.SampledFrom([]string{"auto", "flex", "scale"})),
	}
	for range rapid.IntRange(0, 2).Draw(t, "system") {
		r.System = append(r.System, neutral.Block{Text: someText.Draw(t, "instructions")})
	}
	if n := len(r.Tools); n > 0 {
		r.Parallel = rapid.SampledFrom([]*bool{nil, ptr(true), ptr(false)}).Draw(t, "parallel")
		r.Choice.Mode = rapid.SampledFrom([]neutral.ChoiceMode{neutral.ChoiceUnset, neutral.ChoiceAuto, neutral.ChoiceNone, neutral.ChoiceAny, neutral.ChoiceNamed, neutral.ChoiceAllow}).Draw(t, "choice")
		one := r.Tools[rapid.IntRange(0, n-1).Draw(t, "chosen")]
		switch {
		case r.Choice.Mode == neutral.ChoiceNamed && one.Server():
			r.Choice.Mode = neutral.ChoiceAuto
		case r.Choice.Mode == neutral.ChoiceNamed:
			r.Choice.Names = []string{one.Name}
		case r.Choice.Mode == neutral.ChoiceAllow:
			r.Choice.Must = rapid.Bool().Draw(t, "must")
			for _, tool := range r.Tools {
				r.Choice.Names = append(r.Choice.Names, tool.Name)
			}
		}
	}
	r.Reasoning = rapid.SampledFrom([]neutral.Reasoning{{}, {Show: true}, {Mode: neutral.ReasoningOff}, {Mode: neutral.ReasoningOn, Effort: "xhigh"}, {Mode: neutral.ReasoningOn, Effort: "low", Show: true}}).Draw(t, "reasoning")
	switch r.Format.Mode = rapid.SampledFrom([]neutral.FormatMode{neutral.FormatText, neutral.FormatJSON, neutral.FormatSchema}).Draw(t, "format"); r.Format.Mode {
	case neutral.FormatSchema:
		r.Format.Name, r.Format.Description, r.Format.Schema = someName.Draw(t, "schema name"), maybe(t, "description", someWords), object(t, "schema")
		r.Format.Strict = rapid.SampledFrom([]*bool{nil, ptr(true), ptr(false)}).Draw(t, "strict")
	case neutral.FormatText, neutral.FormatJSON:
	}
	for _, p := range []*[]byte{&r.Temperature, &r.TopP} {
		*p = rapid.SampledFrom([][]byte{nil, []byte("0"), []byte("0.25"), []byte("1e-1")}).Draw(t, "number")
	}
	if rapid.Bool().Draw(t, "metadata") {
		r.Metadata = object(t, "metadata")
	}
	if rapid.Bool().Draw(t, "asks") {
		r.Asks = []neutral.Ask{{Feature: neutral.FeatureTruncation, Name: "truncation", Raw: []byte(`"auto"`)}, {Feature: neutral.FeatureBackground, Name: "background", Raw: []byte("true")}}
	}
	if rapid.Bool().Draw(t, "extra") {
		r.Extra = []neutral.Member{{Name: "future", Raw: object(t, "extra")}}
	}
	return r
}

func TestRequestsSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := request(t)
		out := Dialect{}.EncodeRequest(r, notes())
		if !json.Valid(out) {
			t.Fatalf("no JSON: %s", out)
		}
		again, err := Dialect{}.DecodeRequest(out, dialect.Route{})
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		normalise(r)
		normalise(again)
		if a, b := dump(r), dump(again); !bytes.Equal(a, b) {
			t.Fatalf("%s\nbecomes\n%s\nby way of %s", a, b, out)
		}
	})
}

// Requests of other dialects become valid JSON that this dialect reads, whatever they use.
func TestForeignRequestsAreWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := request(t)
		r.From = rapid.SampledFrom([]domain.Dialect{domain.DialectAnthropic, domain.DialectOpenAIChat, domain.DialectGeminiContent}).Draw(t, "from")
		r.Model = rapid.SampledFrom([]string{"gpt-5", "gpt-5.4", "gpt-4o", "o3", "other"}).Draw(t, "model")
		full := everything()
		if rapid.Bool().Draw(t, "everything") {
			r.Turns, r.Tools = append(r.Turns, full.Turns...), append(r.Tools, full.Tools...)
			r.Asks, r.Seed = full.Asks, full.Seed
		}
		n := notes()
		out := Dialect{}.EncodeRequest(r, n)
		if !json.Valid(out) {
			t.Fatalf("no JSON: %s", out)
		}
		if _, err := (Dialect{}).DecodeRequest(out, dialect.Route{}); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		var v struct {
			Store   *bool
			Include []string
			Tools   []struct {
				Type   string
				Strict *bool
			}
		}
		if err := json.Unmarshal(out, &v); err != nil || v.Store == nil || *v.Store || slices.Contains(v.Include, "reasoning.encrypted_content") == (r.Model == "gpt-4o") {
			t.Fatalf("store and include: %s", out)
		}
		for _, tool := range v.Tools {
			if tool.Type == "function" && tool.Strict == nil {
				t.Fatalf("a function is strict unless it is told not to be: %s", out)
			}
		}
	})
}

// provider looks at a request as the API does, as far as its refusals are known: calls and outputs
// belong together, reasoning is followed by what came of it, nothing is named that is not stored.
func provider(body []byte) error {
	var r struct {
		Input []struct {
			Type, ID string
			CallID   string `json:"call_id"`
			Role     string
			Content  []struct{ Type string }
			Name     string
		}
		MaxOutputTokens *int `json:"max_output_tokens"`
	}
	if err := json.Unmarshal(body, &r); err != nil {
		return err
	}
	if r.MaxOutputTokens != nil && *r.MaxOutputTokens < 16 {
		return fmt.Errorf("max_output_tokens is %d", *r.MaxOutputTokens)
	}
	open := map[string]string{}
	thought := false
	for i, item := range r.Input {
		said := strings.HasSuffix(item.Type, "_call") || item.Role == "assistant"
		switch {
		case item.ID != "":
			return fmt.Errorf("item %d has an id, which is looked for among what is stored", i)
		case thought && !said && item.Type != "reasoning":
			return fmt.Errorf("item %d: reasoning without its required following item", i)
		case len(item.CallID) > 64:
			return fmt.Errorf("item %d: call_id too long", i)
		}
		thought = item.Type == "reasoning"
		switch item.Type {
		case "function_call", "custom_tool_call":
			open[item.CallID] = item.Type
			if item.Name == "" {
				return fmt.Errorf("item %d: a call of nothing", i)
			}
		case "function_call_output", "custom_tool_call_output":
			if open[item.CallID]+"_output" != item.Type {
				return fmt.Errorf("item %d: no tool call found for function call output with call_id %s", i, item.CallID)
			}
			delete(open, item.CallID)
		}
		for _, part := range item.Content {
			if strings.HasPrefix(part.Type, "input_") == (item.Role == "assistant") {
				return fmt.Errorf("item %d: a part %s of %s", i, part.Type, item.Role)
			}
		}
	}
	for id := range open {
		return fmt.Errorf("no tool output found for function call %s", id)
	}
	if thought {
		return fmt.Errorf("reasoning at the end")
	}
	return nil
}

// Conversations of other dialects keep the provider's rules.
func TestForeignConversations(t *testing.T) {
	o := neutraltest.Options{From: domain.DialectAnthropic, Reasoning: true, Redacted: true, Images: true, Documents: true, Custom: true, Cache: true, Failed: true, MidSystem: true}
	rapid.Check(t, func(t *rapid.T) {
		o.From = rapid.SampledFrom([]domain.Dialect{domain.DialectAnthropic, domain.DialectOpenAIChat, domain.DialectGeminiContent, own}).Draw(t, "origin")
		r := neutraltest.Requests(o).Draw(t, "request")
		if r.From == own { // it came by way of another dialect
			r.From = domain.DialectOpenAIChat
		}
		r.Stop = nil // refused
		if rapid.Bool().Draw(t, "damaged") && len(r.Turns) > 1 {
			i := rapid.IntRange(0, len(r.Turns)-1).Draw(t, "turn")
			r.Turns = slices.Delete(r.Turns, i, i+1)
		}
		n := notes()
		out := Dialect{}.EncodeRequest(r, n)
		if n.Err() != nil {
			t.Fatal(n.Err())
		}
		if err := provider(out); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
	})
}

func answer(t *rapid.T) *neutral.Answer {
	a := &neutral.Answer{
		ID: "resp_" + someName.Draw(t, "id"), Model: "claude-opus-5-5", Created: rapid.Int64Range(1, 1<<40).Draw(t, "created"), Tier: maybe(t, "tier", someName),
		Usage: domain.Usage{
			Input: rapid.Int64Range(0, 1e9).Draw(t, "input"), CacheRead: rapid.Int64Range(0, 1e9).Draw(t, "read"), CacheWrite5m: rapid.Int64Range(0, 1e9).Draw(t, "written"),
			Output: rapid.Int64Range(0, 1e9).Draw(t, "output"), Reported: true,
		},
	}
	a.Usage.Reasoning = rapid.Int64Range(0, a.Usage.Output).Draw(t, "reasoning")
	for range rapid.IntRange(0, 6).Draw(t, "blocks") {
		switch rapid.IntRange(0, 5).Draw(t, "block") {
		case 0:
			b := reasoning(t)
			b.ID = "rs_" + someName.Draw(t, "id")
			a.Blocks = append(a.Blocks, b)
		case 1:
			raw := fmt.Appendf(nil, `{"id":%q,"type":"web_search_call","action":%s}`, "ws_"+someName.Draw(t, "id"), object(t, "action"))
			a.Blocks = append(a.Blocks, opaque("web_search_call", raw))
			if searches(raw) {
				a.Usage.Searches++
			}
		default:
			b := spoken(t)
			if b.Kind == neutral.KindText && rapid.Bool().Draw(t, "cites") {
				b.Citations = citations([]byte(`[{"type":"url_citation","start_index":1,"end_index":2,"url":"https://go.dev","title":"Go"},{"type":"file_citation","file_id":"f","filename":"x","index":0}]`))
			}
			a.Blocks = append(a.Blocks, b)
		}
	}
	a.Finish = (&head{}).finish(a.Blocks)
	switch rapid.IntRange(0, 5).Draw(t, "cut") {
	case 0:
		a.Finish = neutral.FinishLength
	case 1:
		if a.Finish != neutral.FinishTool && a.Finish != neutral.FinishRefusal {
			a.Finish = neutral.FinishRefusal // by a filter
		}
	}
	return a
}

func answerSession() *neutral.Session {
	s := session(&neutral.Request{From: own, Reasoning: neutral.Reasoning{Show: true}, Tools: []neutral.Tool{{Name: "ns__tool", Namespace: "ns", Inner: "tool", Custom: true}}})
	return s
}

func TestAnswersSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := answer(t)
		out := Dialect{}.EncodeAnswer(a, answerSession())
		if !json.Valid(out) {
			t.Fatalf("no JSON: %s", out)
		}
		again, err := Dialect{}.DecodeAnswer(out)
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if x, y := dump(a), dump(again); !bytes.Equal(x, y) {
			t.Fatalf("%s\nbecomes\n%s\nby way of %s", x, y, out)
		}
		if w := (Dialect{}).Whole(out); !w.Valid || !w.Finished || w.Error || w.Usage != a.Usage {
			t.Fatalf("%+v of %s", w, out)
		}
	})
}

// pieces tells an answer's text in several deltas.
func pieces(t *rapid.T, emit func(*neutral.Event)) func(*neutral.Event) {
	return func(ev *neutral.Event) {
		if ev.Kind == neutral.Added {
			if s := []rune(unquote(ev.Text)); len(s) > 1 {
				cut := rapid.IntRange(0, len(s)).Draw(t, "cut")
				for _, part := range []string{string(s[:cut]), string(s[cut:])} {
					emit(&neutral.Event{Kind: neutral.Added, Index: ev.Index, Text: neutral.Quote(part)})
				}
				return
			}
		}
		emit(ev)
	}
}

func TestStreamsSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := answer(t)
		e := Dialect{}.NewEncoder(answerSession())
		var stream []byte
		neutral.Replay(a, pieces(t, func(ev *neutral.Event) { stream = e.Append(stream, ev) }))
		c := &client{}
		r := Dialect{}.NewReader(&dialect.Request{})
		for rest := stream; len(rest) > 0; {
			n := dialect.EndOfEvent(rest)
			if n == 0 {
				t.Fatalf("half an event: %q", rest)
			}
			if err := c.event(rest[:n]); err != nil {
				t.Fatalf("%v in %s", err, stream)
			}
			r.Event(rest[:n])
			rest = rest[n:]
		}
		if c.state != "over" || !r.Finished() || r.Usage() != a.Usage {
			t.Fatalf("%s, finished %v, usage %+v", c.state, r.Finished(), r.Usage())
		}
		again, err := gather(stream)
		if err != nil {
			t.Fatalf("%v in %s", err, stream)
		}
		again.Tier = a.Tier
		for i := range again.Blocks {
			if b := &again.Blocks[i]; b.Kind == neutral.KindReasoning && b.Text == "" { // seen only at its end
				b.Redacted = true
			}
		}
		if x, y := dump(a), dump(again); !bytes.Equal(x, y) {
			t.Fatalf("%s\nbecomes\n%s\nby way of %s", x, y, stream)
		}
	})
}

// Reasoning of another provider comes back from a caller of this dialect as it was.
func TestForeignReasoningSurvives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := neutral.Block{Kind: neutral.KindReasoning, Text: someText.Draw(t, "text"), Signature: someName.Draw(t, "signature"), ID: maybe(t, "id", someText), Origin: domain.DialectAnthropic}
		out := Dialect{}.EncodeAnswer(&neutral.Answer{Blocks: []neutral.Block{b, {Text: "x"}}}, session(nil))
		body := append([]byte(`{"model":"m","input":`), dialect.Member(out, "output")...)
		r, err := Dialect{}.DecodeRequest(append(body, '}'), dialect.Route{})
		if err != nil {
			t.Fatal(err)
		}
		back := r.Turns[0].Blocks[0]
		id, signature, ok := neutral.SignatureFor(domain.DialectAnthropic, &back)
		if !ok || id != b.ID || signature != b.Signature || back.Text != b.Text {
			t.Fatalf("%+v comes back as %+v", b, back)
		}
		n := notes()
		if again := (Dialect{}).EncodeRequest(r, n); bytes.Contains(again, []byte("turnout1")) || len(n.Warnings()) == 0 {
			t.Fatalf("it goes to a provider that cannot read it: %s", again)
		}
	})
}
