package responses

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/dialect/neutral/neutraltest"
	"turnout/internal/domain"
)

func ptr[T any](v T) *T { return &v }

func notes() *neutral.Notes { return neutral.NewNotes(own, Dialect{}.Table()) }

// What a request says, and that it says the same once it has been written and read again.
func TestDecodeRequest(t *testing.T) {
	for _, name := range []string{"codex", "opencode", "sdk", "media"} {
		t.Run(name, func(t *testing.T) {
			r, err := Dialect{}.DecodeRequest(golden(t, "request_"+name+".json"), dialect.Route{})
			if err != nil {
				t.Fatal(err)
			}
			neutraltest.Golden(t, "request_"+name+".neutral.txt", dump(r))
			n := notes()
			out := Dialect{}.EncodeRequest(r, n)
			neutraltest.Golden(t, "request_"+name+".again.json", pretty(t, out))
			if n.Err() != nil {
				t.Errorf("what came in this dialect is refused in it: %v", n.Err())
			}
			again, err := Dialect{}.DecodeRequest(out, dialect.Route{})
			if err != nil {
				t.Fatal(err)
			}
			normalise(r)
			normalise(again)
			if a, b := dump(r), dump(again); !bytes.Equal(a, b) {
				t.Errorf("reads\n%s\nand again\n%s", a, b)
			}
		})
	}
}

// A stored conversation needs no input here; whoever cannot have it refuses.
func TestDecodeStored(t *testing.T) {
	r, err := Dialect{}.DecodeRequest([]byte(`{"model":"m","prompt":{"id":"pmpt_1"}}`), dialect.Route{})
	if err != nil || len(r.Turns) != 0 || len(r.Asks) != 1 || r.Asks[0].Feature != neutral.FeaturePreviousResponse {
		t.Errorf("%+v, %v", r, err)
	}
}

// normalise takes out what a second writing cannot keep: ids of items, which the API would look
// for, what was not to be written (store), and where the turns were cut.
func normalise(r *neutral.Request) {
	r.Unkept = false // which is about the answer alone
	r.Turns = neutral.Merge(r.Turns)
	for i := range r.Turns {
		r.Turns[i].ID = ""
		for k := range r.Turns[i].Blocks {
			if b := &r.Turns[i].Blocks[k]; b.Kind == neutral.KindReasoning {
				b.ID = ""
			}
		}
	}
	var asks []neutral.Ask
	for _, a := range r.Asks {
		if a.Feature != neutral.FeatureStore && a.Name != "include" && !strings.HasPrefix(a.Name, "input[") {
			asks = append(asks, a)
		}
	}
	r.Asks, r.Obfuscation = asks, false
	for i := range r.Tools {
		if t := &r.Tools[i]; t.Namespace != "" {
			if _, rest, ok := strings.Cut(t.Description, "*: "); ok { // of the whole group
				_, t.Description, _ = strings.Cut(rest, "\n\n")
			}
		}
	}
}

func TestDecodeRequestRefused(t *testing.T) {
	for _, c := range []struct{ body, param string }{
		{`[]`, ""},
		{`{"model":"m"}`, "input"},
		{`{"model":"m","input":null}`, "input"},
		{`{"model":"m","input":7}`, "input"},
		{`{"model":"m","store":true}`, "input"},
		{`{"model":"m","input":["x"]}`, "input[0]"},
		{`{"model":"m","input":[{"role":"robot","content":"x"}]}`, "input[0].role"},
		{`{"model":"m","input":[{"role":"user","content":["x"]}]}`, "input[0].content"},
		{`{"model":"m","input":[{"role":"user","content":[{"type":"input_image"}]}]}`, "input[0].content[0]"},
		{`{"model":"m","input":[{"role":"user","content":[{"type":"input_file","file_data":"a\"b"}]}]}`, "input[0].content[0].file_data"},
		{`{"model":"m","input":"x","temperature":"hot"}`, "temperature"},
		{`{"model":"m","input":"x","tools":["f"]}`, "tools[0]"},
		{`{"model":"m","input":"x","tools":[{"name":"f"}]}`, "tools[0].type"},
		{`{"model":"m","input":"x","tools":[{"type":"function"}]}`, "tools[0].name"},
		{`{"model":"m","input":"x","tools":[{"type":"namespace","name":"n","tools":[{"type":"function"}]}]}`, "tools[0].tools[0].name"},
	} {
		_, err := Dialect{}.DecodeRequest([]byte(c.body), dialect.Route{})
		var e *domain.Error
		if !errors.As(err, &e) || e.Kind != domain.KindInvalid || e.Message == "" || e.Param != c.param {
			t.Errorf("%s: %#v", c.body, err)
		}
	}
}

// everything is a request of another dialect that uses each feature.
func everything() *neutral.Request {
	r := &neutral.Request{
		Model: "gpt-4.1", Stream: true, From: domain.DialectAnthropic,
		System: []neutral.Block{{Text: "You are"}, {Text: "a \"test\".", Cache: neutral.Cache1h}},
		Turns: []neutral.Turn{
			{Blocks: []neutral.Block{
				{Text: "look", Cache: neutral.Cache5m},
				{Kind: neutral.KindImage, URL: "https://example.com/a.png", Detail: "low"},
				{Kind: neutral.KindImage, Data: []byte("/9j/AA==")},
				{Kind: neutral.KindDocument, MediaType: "text/plain", Data: []byte("aGk="), Context: "a note", Cite: true},
				{Kind: neutral.KindDocument, URL: "https://example.com/b.pdf", Title: "b.pdf"},
			}, Name: "bob"},
			{Role: neutral.Assistant, Blocks: []neutral.Block{
				{Kind: neutral.KindReasoning, Text: "hm", Signature: "EqoB", Origin: domain.DialectAnthropic},
				{Kind: neutral.KindReasoning, Text: "so", Signature: neutral.Seal(own, "rs_1", "gAAA"), Origin: domain.DialectAnthropic},
				{Text: "Calling."},
				{Kind: neutral.KindToolUse, ID: "toolu_1", Name: "a", Args: []byte(`{"x": "\u00e9"}`)},
				{Kind: neutral.KindToolUse, ID: strings.Repeat("long", 20), Name: "b", Signature: "c2ln", Origin: domain.DialectGeminiContent},
				{Kind: neutral.KindToolUse, ID: "call_c", Name: "patch", Custom: true, Text: "*** Begin"},
				{Kind: neutral.KindOpaque, Type: "server_tool_use", Raw: []byte(`{}`), Origin: domain.DialectAnthropic},
			}},
			{Blocks: []neutral.Block{
				{Kind: neutral.KindToolResult, ID: "toolu_1", Content: []neutral.Block{{Text: "one"}}, Failed: true},
				{Kind: neutral.KindToolResult, ID: strings.Repeat("long", 20), Content: []neutral.Block{{Text: "two"}, {Kind: neutral.KindImage, MediaType: "image/gif", Data: []byte("R0lG")}}, Failed: true},
				{Kind: neutral.KindToolResult, ID: "call_c"},
				{Text: "and?"},
			}},
			{Role: neutral.System, Blocks: []neutral.Block{{Text: "be brief"}}},
			{Role: neutral.Assistant, Blocks: []neutral.Block{{Kind: neutral.KindReasoning, Text: "alone", Signature: "gAAB", Origin: own}}},
			{Blocks: []neutral.Block{{Text: "go on"}}},
			{Role: neutral.Assistant, Blocks: []neutral.Block{{Kind: neutral.KindRefusal, Text: "No."}, {Kind: neutral.KindImage, URL: "https://example.com/c.png"}, {Text: "So"}}},
		},
		Tools: []neutral.Tool{
			{Name: "a", Description: "does a", Schema: []byte(`{"type":"object"}`), Strict: ptr(true), Cache: neutral.Cache5m},
			{Name: "b", Extra: []neutral.Member{{Name: "eager", Raw: []byte("true")}}},
			{Name: "patch", Custom: true, Schema: []byte(`{"type":"grammar","grammar":{"syntax":"lark","definition":"start: x"}}`)},
			{Name: "web_search_20250305", Raw: []byte(`{"type":"web_search_20250305","name":"web_search","allowed_domains":["go.dev"],"blocked_domains":["x.y"],"user_location":{"type":"approximate","city":"Olten"}}`), Origin: domain.DialectAnthropic},
			{Name: "bash_20250124", Raw: []byte(`{}`), Origin: domain.DialectAnthropic},
		},
		Choice: neutral.ToolChoice{Mode: neutral.ChoiceAllow, Names: []string{"a", "patch", "gone"}, Must: true}, Parallel: ptr(false),
		MaxTokens: 1, Format: neutral.Format{Mode: neutral.FormatSchema, Schema: []byte(`{"type":"object"}`), Strict: ptr(true), Name: "my answer", Description: "d"},
		Temperature: []byte("0.5"), TopP: []byte("0.9"), TopK: []byte("5"), Seed: []byte("1"), PresencePenalty: []byte("1"), FrequencyPenalty: []byte("1"),
		User: strings.Repeat("u", 70), CacheKey: "k", Tier: "flex", Verbosity: "low", Metadata: []byte(`{"a":"b"}`),
		Asks:  []neutral.Ask{{Feature: neutral.FeatureMCP, Name: "mcp_servers"}, {Feature: neutral.FeatureLogprobs, Name: "logprobs"}, {Feature: neutral.FeatureServerTool, Name: webSearchOptions}},
		Extra: []neutral.Member{{Name: "speed", Raw: []byte(`"fast"`)}},
	}
	return r
}

func TestEncodeRequest(t *testing.T) {
	thinking := func(change func(*neutral.Request)) *neutral.Request {
		r := &neutral.Request{Model: "gpt-5.4", From: domain.DialectAnthropic, System: []neutral.Block{{Text: "s"}}, Turns: []neutral.Turn{{Blocks: []neutral.Block{{Text: "x"}}}}, MaxTokens: 32000}
		change(r)
		return r
	}
	for _, c := range []struct {
		name string
		r    *neutral.Request
	}{
		{"everything", everything()},
		{"thinking", thinking(func(r *neutral.Request) {
			r.Reasoning = neutral.Reasoning{Mode: neutral.ReasoningOn, Budget: 10000, Show: true}
			r.Temperature, r.TopP = []byte("1"), []byte("0.9")
		})},
		{"effort", thinking(func(r *neutral.Request) {
			r.Reasoning = neutral.Reasoning{Mode: neutral.ReasoningOn, Effort: "max"}
		})},
		{"effort_least", thinking(func(r *neutral.Request) {
			r.Model, r.Reasoning = "gpt-5.6-terra", neutral.Reasoning{Mode: neutral.ReasoningOn, Budget: 1024}
		})},
		{"off", thinking(func(r *neutral.Request) { r.Reasoning.Mode, r.Temperature = neutral.ReasoningOff, []byte("1") })},
		{"off_always", thinking(func(r *neutral.Request) {
			r.Model, r.Reasoning.Mode, r.Temperature = "gpt-5", neutral.ReasoningOff, []byte("1")
		})},
		{"off_unknown", thinking(func(r *neutral.Request) {
			r.Model, r.Reasoning.Mode, r.Temperature = "grok-4", neutral.ReasoningOff, []byte("1")
		})},
		{"never", thinking(func(r *neutral.Request) {
			r.Model, r.Reasoning = "gpt-4o", neutral.Reasoning{Mode: neutral.ReasoningOn, Effort: "high"}
		})},
		{"adaptive", thinking(func(r *neutral.Request) { r.Reasoning = neutral.Reasoning{Mode: neutral.ReasoningOn, Adaptive: true} })},
		{"json", thinking(func(r *neutral.Request) {
			r.Format.Mode, r.Tier, r.Choice.Mode = neutral.FormatJSON, "batch", neutral.ChoiceAny
		})},
		{"named", thinking(func(r *neutral.Request) {
			r.Tools = []neutral.Tool{{Name: "a"}, {Name: "ns__b", Namespace: "ns", Inner: "b"}}
			r.Choice = neutral.ToolChoice{Mode: neutral.ChoiceNamed, Names: []string{"ns__b"}}
		})},
		{"named_gone", thinking(func(r *neutral.Request) {
			r.Tools, r.Choice = []neutral.Tool{{Name: "a"}}, neutral.ToolChoice{Mode: neutral.ChoiceNamed, Names: []string{"b"}}
		})},
		{"allowed_gone", thinking(func(r *neutral.Request) {
			r.Tools, r.Choice = []neutral.Tool{{Name: "a"}}, neutral.ToolChoice{Mode: neutral.ChoiceAllow, Names: []string{"b"}}
		})},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := notes()
			before := dump(c.r)
			out := Dialect{}.EncodeRequest(c.r, n)
			if !bytes.Equal(before, dump(c.r)) {
				t.Error("the request was changed")
			}
			if n.Err() != nil {
				t.Errorf("refused: %v", n.Err())
			}
			got := pretty(t, out)
			for _, w := range n.Warnings() {
				got = append(got, w+"\n"...)
			}
			neutraltest.Golden(t, "encode_"+c.name+".txt", got)
			if _, err := (Dialect{}).DecodeRequest(out, dialect.Route{}); err != nil {
				t.Errorf("cannot be read again: %v", err)
			}
		})
	}
}

// What cannot be said is refused, each for itself.
func TestEncodeRequestRefused(t *testing.T) {
	block := func(b neutral.Block) *neutral.Request {
		return &neutral.Request{Model: "m", Turns: []neutral.Turn{{Blocks: []neutral.Block{b}}}}
	}
	ask := func(f neutral.Feature) *neutral.Request {
		return &neutral.Request{Model: "m", Asks: []neutral.Ask{{Feature: f, Name: "it"}}}
	}
	for i, r := range []*neutral.Request{
		block(neutral.Block{Kind: neutral.KindAudio, Data: []byte("AA==")}), block(neutral.Block{Kind: neutral.KindVideo, URL: "u"}),
		block(neutral.Block{Kind: neutral.KindImage, FileID: "f"}), block(neutral.Block{Kind: neutral.KindDocument, FileID: "f"}),
		ask(neutral.FeatureChoices), ask(neutral.FeatureOutputAudio), ask(neutral.FeatureOutputImage), ask(neutral.FeatureCachedContent), ask(neutral.FeatureBackground),
	} {
		n := notes()
		Dialect{}.EncodeRequest(r, n)
		var e *domain.Error
		if !errors.As(n.Err(), &e) || e.Kind != domain.KindInvalid || e.Param == "" || strings.HasSuffix(e.Message, ": ") {
			t.Errorf("%d: %v", i, n.Err())
		}
	}
}

// Every feature has its row, and what is not simply carried says why.
func TestTable(t *testing.T) {
	for f := range neutral.NumFeatures {
		rule := Dialect{}.Table()[f]
		if rule.How != neutral.Carried && rule.Why == "" {
			t.Errorf("%s is %s and nobody says why", f, rule.How)
		}
		for _, c := range rule.Why {
			if c < 0x20 || c > 0x7e {
				t.Errorf("%s: %q is no ASCII", f, rule.Why)
			}
		}
	}
}

func TestFamilies(t *testing.T) {
	for _, c := range []struct {
		model  string
		thinks thinking
		asked  string
		want   string
	}{
		{"gpt-5", always, "max", "high"}, {"gpt-5-mini", always, "minimal", "minimal"}, {"gpt-5-codex", always, "minimal", "low"}, {"gpt-5-pro", always, "low", "high"},
		{"gpt-5.1", optional, "xhigh", "high"}, {"gpt-5.4", optional, "max", "xhigh"}, {"gpt-5.6-terra", optional, "minimal", "low"}, {"gpt-6-astra", optional, "max", "max"},
		{"o3", always, "xhigh", "high"}, {"o4-mini", always, "minimal", "low"}, {"openai/gpt-5.2", optional, "low", "low"},
		{"gpt-5.3-chat-latest", unsure, "max", "max"}, {"gpt-5.2-pro", unsure, "low", "low"}, {"grok-4", unsure, "max", "max"}, {"gpt-oss-120b", unsure, "x", "x"},
		{"gpt-4o", never, "low", "low"}, {"gpt-5-chat-latest", never, "low", "low"}, {"chatgpt-4o-latest", never, "low", "low"},
	} {
		f := familyOf(c.model)
		if f.thinks != c.thinks || f.nearest(c.asked) != c.want {
			t.Errorf("%s: %v, %s for %s", c.model, f.thinks, f.nearest(c.asked), c.asked)
		}
	}
}

func TestFlat(t *testing.T) {
	seen := map[string]string{}
	for _, c := range []struct{ namespace, name, want string }{
		{"multi_agent_v1", "close_agent", "multi_agent_v1__close_agent"},
		{"a", "b", "a__b"},
		{"a.b", "c", ""},
		{"a_b", "c", "a_b__c"},
		{strings.Repeat("n", 40), strings.Repeat("t", 40), ""},
		{strings.Repeat("n", 40), strings.Repeat("t", 40) + "2", ""},
		{"é", "b", ""},
	} {
		got := flat(c.namespace, c.name)
		if c.want != "" && got != c.want || len(got) > maxName || strings.Trim(got, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" || got != flat(c.namespace, c.name) {
			t.Errorf("flat(%q, %q) = %q", c.namespace, c.name, got)
		}
		if other, is := seen[got]; is {
			t.Errorf("%q and %q.%q are both called %q", other, c.namespace, c.name, got)
		}
		seen[got] = c.namespace + "." + c.name
	}
}

func session(r *neutral.Request) *neutral.Session {
	return &neutral.Session{Request: r, RequestID: "req_0123456789abcdef", Model: "claude-opus-5-5", Now: 1759478873}
}

func codexSession(t testing.TB) *neutral.Session {
	r, err := Dialect{}.DecodeRequest(golden(t, "request_codex.json"), dialect.Route{})
	if err != nil {
		t.Fatal(err)
	}
	return session(r)
}

func TestDecodeAnswer(t *testing.T) {
	for _, name := range []string{"agent", "search"} {
		a, err := Dialect{}.DecodeAnswer(golden(t, "answer_"+name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		neutraltest.Golden(t, "answer_"+name+".neutral.txt", dump(a))
		// The stream of the same answer says the same.
		streamed, err := gather(golden(t, "stream_"+name+".sse"))
		if err != nil {
			t.Fatal(err)
		}
		streamed.Tier = a.Tier // the start says what was asked for, the end what was given
		if x, y := dump(a), dump(streamed); !bytes.Equal(x, y) {
			t.Errorf("%s: the stream says\n%s, the answer\n%s", name, y, x)
		}
	}
	for _, bad := range []string{``, `[]`, `{"status":"failed","error":{"code":"server_error","message":"no"}}`, `{"error":{"message":"no"}}`, `{"status":"cancelled"}`, `{"output":{}}`, `{"output":["x"]}`} {
		if a, err := (Dialect{}).DecodeAnswer([]byte(bad)); err == nil {
			t.Errorf("%s: %+v", bad, a)
		}
	}
}

// What the events of each stream are, in order.
func TestDecodeStream(t *testing.T) {
	for _, name := range []string{"agent", "search", "refusal", "compatible"} {
		dump, _, err := neutraltest.Decode(Dialect{}.NewDecoder(), golden(t, "stream_"+name+".sse"))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		neutraltest.Golden(t, "stream_"+name+".events.txt", []byte(dump))
	}
}

// A stream that cannot be translated any further says so.
func TestDecodeStreamBroken(t *testing.T) {
	added := `{"type":"response.output_item.added","output_index":0,"item":{"type":"message"}}`
	for _, c := range [][]string{
		{`{"type":`},
		{`{"type":"error","error":{"message":"x"}}`},
		{`{"type":"response.failed","response":{"error":{"code":"server_error"}}}`},
		{`{"type":"response.completed"}`},
		{`{"type":"response.completed","response":{"error":{"code":"server_error"}}}`},
		{`{"type":"response.output_text.delta","delta":7,"output_index":0}`},
		{added, `{"type":"response.output_item.done","output_index":0,"item":{"type":"message"}}`, `{"type":"response.output_item.added","output_index":1,"item":{"type":"message"}}`,
			`{"type":"response.output_text.delta","delta":"late","output_index":0}`, `{"type":"response.completed","response":{"status":"completed"}}`},
		{added, `{"type":"response.function_call_arguments.delta","delta":"late","output_index":0}`},
		{added, `{"type":"response.reasoning_summary_text.delta","delta":"late","output_index":0}`},
		{added, `{"type":"response.output_item.done","output_index":0,"item":{"type":"message"}}`, `{"type":"response.content_part.added","output_index":0,"part":{"type":"output_text"}}`},
	} {
		d := Dialect{}.NewDecoder()
		var err error
		for _, data := range c {
			if err != nil {
				t.Errorf("%s: too early: %v", c, err)
			}
			err = d.Event([]byte(event1(data)), func(*neutral.Event) {})
		}
		if err == nil {
			t.Errorf("%s: no error", c)
		}
	}
}

// An answer goes out as a stream and as JSON, to a caller that wants much echoed.
func TestEncodeAnswer(t *testing.T) {
	a := &neutral.Answer{
		ID: "msg_01", Model: "ignored", Finish: neutral.FinishTool, Usage: domain.Usage{Input: 10, CacheRead: 20, CacheWrite5m: 3, CacheWrite1h: 4, Output: 50, Reasoning: 5, Reported: true},
		Blocks: []neutral.Block{
			{Kind: neutral.KindReasoning, Text: "Let me \"see\".", Signature: "EqoB", Origin: domain.DialectAnthropic},
			{Kind: neutral.KindReasoning, Signature: "red", Origin: domain.DialectAnthropic, Redacted: true},
			{Text: "I look 😀", Citations: []neutral.Citation{{URL: "https://go.dev", Title: "Go", Start: 0, End: 6, Origin: domain.DialectAnthropic}, {Cited: "no URL", Document: 1}}},
			{Text: "\n"},
			{Kind: neutral.KindImage, Data: []byte("AAAA")},
			{Kind: neutral.KindOpaque, Type: "server_tool_use", Raw: []byte(`{}`), Origin: domain.DialectAnthropic},
			{Kind: neutral.KindToolUse, ID: "toolu_1", Name: "exec_command", Args: []byte(`{"cmd":"ls \"x\""}`)},
			{Kind: neutral.KindToolUse, ID: "toolu_2", Name: "multi_agent_v1__close_agent"},
			{Kind: neutral.KindToolUse, ID: "toolu_3", Name: "apply_patch", Custom: true, Text: "*** Begin\n"},
			{Kind: neutral.KindToolUse, ID: "call_4", Name: "view_image", Args: []byte(`{}`), Signature: "c2ln", Origin: domain.DialectGeminiContent},
		},
	}
	s := codexSession(t)
	stream := events(a, s)
	neutraltest.Golden(t, "encode_answer.sse", stream)
	c, err := listen(t, stream)
	if err != nil {
		t.Fatal(err)
	}
	whole := Dialect{}.EncodeAnswer(a, s)
	neutraltest.Golden(t, "encode_answer.json", pretty(t, whole))
	if last := c.last["id"]; last != "resp_0123456789abcdef" {
		t.Errorf("the id is %v", last)
	}
}

func TestEncodeFinish(t *testing.T) {
	for _, c := range []struct {
		finish neutral.Finish
		blocks []neutral.Block
		want   string
	}{
		{neutral.FinishStop, nil, `"status":"completed"`},
		{neutral.FinishSequence, nil, `"status":"completed"`},
		{neutral.FinishTool, nil, `"status":"completed"`},
		{neutral.FinishPause, nil, `"status":"completed"`},
		{neutral.FinishNone, nil, `"status":"completed"`},
		{neutral.FinishLength, []neutral.Block{{Text: "x"}}, `"status":"incomplete","error":null,"incomplete_details":{"reason":"max_output_tokens"}`},
		{neutral.FinishContext, nil, `"incomplete_details":{"reason":"max_output_tokens"}`},
		{neutral.FinishRefusal, []neutral.Block{{Text: "x"}}, `"incomplete_details":{"reason":"content_filter"}`},
		{neutral.FinishRefusal, []neutral.Block{{Kind: neutral.KindRefusal, Text: "x"}}, `"status":"completed"`},
		{neutral.FinishLength, []neutral.Block{{Kind: neutral.KindToolUse, ID: "c", Name: "f", Args: []byte(`{"a":`)}}, `"status":"incomplete","call_id":"c"`},
	} {
		a := &neutral.Answer{Blocks: c.blocks, Finish: c.finish}
		stream := events(a, session(nil))
		if _, err := listen(t, stream); err != nil {
			t.Errorf("%v: %v", c.finish, err)
		}
		if !bytes.Contains(stream, []byte(c.want)) {
			t.Errorf("%v: %s lacks %s", c.finish, stream, c.want)
		}
	}
}

// More than can be repeated at the end is an error at the end, and not a shorter answer.
func TestEncoderIsBounded(t *testing.T) {
	e := newEncoder(session(nil))
	var out []byte
	piece := neutral.Quote(strings.Repeat("x", 1<<20))
	e.Append(nil, &neutral.Event{Kind: neutral.Started})
	e.Append(nil, &neutral.Event{Kind: neutral.Opened, Block: &neutral.Block{}})
	for range neutral.MaxKept/len(piece) + 2 {
		out = e.Append(out[:0], &neutral.Event{Kind: neutral.Added, Text: piece})
	}
	if len(out) < len(piece) {
		t.Error("deltas stop")
	}
	if n := e.block.text.Len(); n > neutral.MaxKept {
		t.Errorf("%d bytes are kept", n)
	}
	e.Append(nil, &neutral.Event{Kind: neutral.Closed})
	e.Append(nil, &neutral.Event{Kind: neutral.Finished, Finish: neutral.FinishStop})
	out = e.Append(out[:0], &neutral.Event{Kind: neutral.Ended})
	if !bytes.HasPrefix(out, []byte("event: response.failed\n")) || !bytes.Contains(out, []byte(`"output":[]`)) {
		t.Errorf("it ends with %s", short(out))
	}
	if len(e.output) > neutral.MaxKept {
		t.Errorf("%d bytes of items are kept", len(e.output))
	}
}

// Nothing of the request is needed once the encoder is made.
func TestEncoderCopies(t *testing.T) {
	body := golden(t, "request_codex.json")
	r, err := Dialect{}.DecodeRequest(body, dialect.Route{})
	if err != nil {
		t.Fatal(err)
	}
	a := &neutral.Answer{Blocks: []neutral.Block{{Kind: neutral.KindToolUse, ID: "c", Name: "multi_agent_v1__close_agent"}}}
	want := events(a, session(r))
	e := Dialect{}.NewEncoder(session(r))
	for i := range body {
		body[i] = 'x'
	}
	*r = neutral.Request{}
	var got []byte
	neutral.Replay(a, func(ev *neutral.Event) { got = e.Append(got, ev) })
	if !bytes.Equal(got, want) {
		t.Error("the stream depends on a body that is gone")
	}
	if !bytes.Contains(got, []byte(`"name":"close_agent","namespace":"multi_agent_v1"`)) || !bytes.Contains(got, []byte("exec_command")) {
		t.Errorf("%s", short(got))
	}
}

// Padding hides lengths where it was asked for.
func TestPadding(t *testing.T) {
	a := &neutral.Answer{Blocks: []neutral.Block{{Text: "hello"}}}
	if bytes.Contains(events(a, session(nil)), []byte("obfuscation")) {
		t.Error("padded without being asked")
	}
	stream := events(a, session(&neutral.Request{From: own, Obfuscation: true}))
	if _, err := listen(t, stream); err != nil || !bytes.Contains(stream, []byte(`"delta":"hello","obfuscation":"`)) {
		t.Errorf("%v: %s", err, stream)
	}
}

// The encoder's sign of life means nothing to a client and stays the same.
func TestEncoderKeepAlive(t *testing.T) {
	e := newEncoder(session(nil))
	if e.KeepAlive() != nil {
		t.Error("a sign of life before anything lives")
	}
	a := &neutral.Answer{Blocks: []neutral.Block{{Text: "a"}, {Kind: neutral.KindToolUse, ID: "c", Name: "f", Args: []byte("{}")}}}
	changes, before := 0, []byte(nil)
	neutral.Replay(a, func(ev *neutral.Event) {
		e.Append(nil, ev)
		alive := e.KeepAlive()
		if ev.Kind == neutral.Ended {
			if alive != nil {
				t.Errorf("%q after the end", alive)
			}
			return
		}
		if r := (Dialect{}).NewReader(&dialect.Request{}); r.Event(alive).Kind != dialect.EventPing {
			t.Errorf("%q", alive)
		}
		if len(before) == 0 || &alive[0] != &before[0] {
			changes++
		}
		before = alive
	})
	if changes != 1 {
		t.Errorf("%d signs of life", changes)
	}
}

// What a function stood for elsewhere is again a tool of free text.
func TestCustomToolsAreRestored(t *testing.T) {
	a := &neutral.Answer{Finish: neutral.FinishTool, Blocks: []neutral.Block{{Kind: neutral.KindToolUse, ID: "c", Name: "apply_patch", Args: []byte(`{"input":"*** Begin\n"}`)}}}
	s := codexSession(t)
	stream := events(a, s)
	if _, err := listen(t, stream); err != nil {
		t.Fatal(err)
	}
	for _, out := range [][]byte{stream, Dialect{}.EncodeAnswer(a, s)} {
		if !bytes.Contains(out, []byte(`"type":"custom_tool_call","status":"completed","call_id":"c","name":"apply_patch","input":"*** Begin\n"`)) {
			t.Errorf("%s", short(out[max(len(out)-900, 0):]))
		}
	}
	if a.Blocks[0].Custom {
		t.Error("the answer was changed")
	}
}
