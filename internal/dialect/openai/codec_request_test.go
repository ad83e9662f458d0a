package openai

import (
	"bytes"
	"encoding/json"
	"errors"
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

var requestFiles = []string{
	"request_codex_chat.json", "request_opencode.json", "request_plain.json", "request_sdk.json", "request_everything.json", "request_legacy.json",
}

// The bodies are shaped as the clients' own; request_everything.json has what they do not send.
func TestDecodeRequest(t *testing.T) {
	for _, file := range requestFiles {
		t.Run(file, func(t *testing.T) {
			r := neutraltest.Request(t, Dialect{}, golden(t, file))
			neutraltest.Golden(t, strings.Replace(file, ".json", ".neutral.txt", 1), []byte(neutraltest.DumpRequest(r)))
		})
	}
}

// plainly brings a request into the shape in which this dialect gives it back: one text for all
// instructions, and for texts with nothing between them.
func plainly(r *neutral.Request) *neutral.Request {
	out := *r
	if words := neutral.Words(r.System, "\n\n"); words != "" {
		out.System = []neutral.Block{{Kind: neutral.KindText, Text: words}}
	}
	out.Turns = nil
	for _, t := range r.Turns {
		var results, rest []neutral.Block
		for _, b := range t.Blocks {
			if b.Kind == neutral.KindToolResult {
				b.Content = []neutral.Block{{Kind: neutral.KindText, Text: neutral.Words(b.Content, "\n\n")}}
				results = append(results, b)
			} else {
				rest = append(rest, b)
			}
		}
		for _, b := range results {
			out.Turns = append(out.Turns, neutral.Turn{Blocks: []neutral.Block{b}})
		}
		if !slices.ContainsFunc(rest, func(b neutral.Block) bool { return b.Kind != neutral.KindText }) && len(rest) > 0 {
			rest = []neutral.Block{{Kind: neutral.KindText, Text: neutral.Words(rest, "\n\n")}}
		}
		if len(rest) > 0 || len(results) == 0 {
			out.Turns = append(out.Turns, neutral.Turn{Role: t.Role, Name: t.Name, Blocks: rest})
		}
	}
	return &out
}

// A request of this dialect keeps its meaning on the way through the neutral form.
func TestRequestRoundTrip(t *testing.T) {
	for _, file := range requestFiles {
		t.Run(file, func(t *testing.T) {
			r := neutraltest.Request(t, Dialect{}, golden(t, file))
			n := neutral.NewNotes(own, &table)
			body := Dialect{}.EncodeRequest(r, n)
			if w := n.Warnings(); len(w) > 0 && file != "request_legacy.json" || n.Err() != nil {
				t.Errorf("notes %q, %v", w, n.Err())
			}
			r.ShowUsage = r.ShowUsage || r.Stream // Turnout always asks
			if file == "request_legacy.json" {
				r.Reasoning = neutral.Reasoning{Mode: neutral.ReasoningOn, Effort: "low"} // the budget is another maker's
			}
			want, got := neutraltest.DumpRequest(plainly(r)), neutraltest.DumpRequest(neutraltest.Request(t, Dialect{}, body))
			if want != got {
				t.Errorf("got:\n%s\nwant:\n%s\nbody: %s", got, want, body)
			}
		})
	}
}

// web_search_options is a tool that the provider runs, and goes back as what it came as.
func TestSearchOptions(t *testing.T) {
	r := neutraltest.Request(t, Dialect{}, []byte(`{"model":"gpt-4o-search-preview","messages":[],"web_search_options":{"a":1}}`))
	if len(r.Tools) != 1 || !r.Tools[0].Server() || r.Tools[0].Name != "web_search" {
		t.Errorf("%s", neutraltest.DumpRequest(r))
	}
	if body := (Dialect{}).EncodeRequest(r, neutral.NewNotes(own, &table)); string(dialect.Member(body, "web_search_options")) != `{"a":1}` || dialect.Member(body, "tools") != nil {
		t.Errorf("%s", body)
	}
}

func TestRequestProperty(t *testing.T) {
	o := neutraltest.Options{From: own, Images: true, Documents: true, Custom: true, MidSystem: true}
	rapid.Check(t, func(t *rapid.T) {
		r := neutraltest.Requests(o).Draw(t, "request")
		for i := range r.Turns {
			for k := range r.Turns[i].Blocks { // a tool's message holds text alone
				if b := &r.Turns[i].Blocks[k]; b.Kind == neutral.KindToolResult {
					b.Content = []neutral.Block{{Kind: neutral.KindText, Text: "result"}}
				}
			}
		}
		r.ShowUsage = r.Stream
		n := neutral.NewNotes(own, &table)
		body := Dialect{}.EncodeRequest(r, n)
		back, err := Dialect{}.DecodeRequest(body, dialect.Route{})
		if err != nil || !json.Valid(body) {
			t.Fatalf("%v: %s", err, body)
		}
		if want, got := neutraltest.DumpRequest(plainly(r)), neutraltest.DumpRequest(back); want != got {
			t.Errorf("got:\n%s\nwant:\n%s", got, want)
		}
	})
}

var models = []string{"gpt-4o", "o3", "gpt-5", "gpt-5.1", "gpt-5.5", "deepseek/deepseek-r1", "glm-4.6"}

// Whatever another dialect asks, what goes out is what the provider takes.
func TestProviderTakesEveryRequest(t *testing.T) {
	o := neutraltest.Options{
		From: domain.DialectAnthropic, Reasoning: true, Redacted: true, Images: true, Documents: true, Custom: true, Cache: true, Failed: true, MidSystem: true,
	}
	rapid.Check(t, func(t *rapid.T) {
		r := neutraltest.Requests(o).Draw(t, "request")
		r.Model = rapid.SampledFrom(models).Draw(t, "model")
		spoil(t, r)
		before := neutraltest.DumpRequest(r)
		n := neutral.NewNotes(own, &table)
		body := Dialect{}.EncodeRequest(r, n)
		if n.Err() != nil {
			t.Fatalf("refused: %v", n.Err())
		}
		if err := provider(body); err != nil {
			t.Fatalf("%v\n%s", err, body)
		}
		if after := neutraltest.DumpRequest(r); after != before {
			t.Errorf("the request was changed:\n%s\nto:\n%s", before, after)
		}
	})
}

// spoil makes a request as careless as other providers let it be.
func spoil(t *rapid.T, r *neutral.Request) {
	yes := rapid.Bool()
	if yes.Draw(t, "sampling") {
		r.Temperature, r.TopP, r.TopK, r.PresencePenalty = []byte("0.3"), []byte("0.3"), []byte("5"), []byte("0.1")
	}
	if yes.Draw(t, "named") {
		r.User = strings.Repeat("u", 100)
		r.Stop = []string{"a", "b", "c", "d", "e"}
	}
	if yes.Draw(t, "no tools") {
		r.Tools = nil
		if r.Choice.Mode == neutral.ChoiceNamed {
			r.Choice = neutral.ToolChoice{}
		}
	}
	if yes.Draw(t, "effort") {
		r.Reasoning = neutral.Reasoning{
			Mode:     rapid.SampledFrom([]neutral.ReasoningMode{neutral.ReasoningUnset, neutral.ReasoningOff, neutral.ReasoningOn}).Draw(t, "mode"),
			Effort:   rapid.SampledFrom([]string{"", "minimal", "xhigh", "max"}).Draw(t, "effort"),
			Budget:   rapid.SampledFrom([]int64{0, 100, 5000, 200_000}).Draw(t, "budget"),
			Adaptive: yes.Draw(t, "adaptive"),
		}
	}
	for i := range r.Turns {
		b := r.Turns[i].Blocks
		switch rapid.IntRange(0, 12).Draw(t, "spoil") {
		case 0:
			r.Turns[i].Blocks = nil
		case 1:
			r.Turns[i].Blocks = append(slices.Clone(b), neutral.Block{Kind: neutral.KindText})
		case 2:
			r.Turns[i].Role = neutral.User
			r.Turns[i].Blocks = []neutral.Block{{Kind: neutral.KindToolResult, ID: "call_of_nobody", Failed: true}}
		case 3:
			r.Turns[i].Blocks = slices.Clone(b)
			slices.Reverse(r.Turns[i].Blocks)
		case 4:
			for k := range b {
				if b[k].Kind == neutral.KindToolUse && !b[k].Custom {
					b[k].Args = nil
				}
			}
		case 5:
			r.Turns[i].Role = neutral.System
			r.Turns[i].Blocks = []neutral.Block{{Kind: neutral.KindText, Text: "Mind this."}}
		}
	}
	r.Turns = append(r.Turns, neutral.Turn{Blocks: []neutral.Block{{Kind: neutral.KindText, Text: "end"}}}) // no answer is begun
}

// Each thing that another dialect can ask, and what becomes of it: the body and the notes.
func TestEncodeForeignRequest(t *testing.T) {
	yes := true
	user := func(b ...neutral.Block) []neutral.Turn { return []neutral.Turn{{Blocks: b}} }
	hi := neutral.Block{Kind: neutral.KindText, Text: "hi"}
	read := neutral.Tool{Name: "read", Description: "Reads.", Schema: []byte(`{"type":"object"}`), Extra: []neutral.Member{{Name: "input_examples", Raw: []byte("[]")}}}
	patch := neutral.Tool{Name: "patch", Custom: true, Schema: []byte(`{"type":"grammar","syntax":"lark","definition":"x"}`)}
	search := neutral.Tool{Name: "web_search_20250305", Raw: []byte(`{"type":"web_search_20250305"}`), Origin: domain.DialectAnthropic}
	loop := func(thought neutral.Block) []neutral.Turn {
		return []neutral.Turn{
			{Blocks: []neutral.Block{hi}},
			{Role: neutral.Assistant, Blocks: []neutral.Block{
				thought, {Kind: neutral.KindText, Text: "Let me see."}, {Kind: neutral.KindToolUse, ID: "a", Name: "read", Args: []byte(`{"n": 1}`)},
				{Kind: neutral.KindToolUse, ID: "b", Name: "patch", Custom: true, Text: "p", Signature: "c2ln", Origin: domain.DialectGeminiContent},
			}},
			{Role: neutral.System, Blocks: []neutral.Block{{Kind: neutral.KindText, Text: "Be quick."}}},
			{Blocks: []neutral.Block{
				{Kind: neutral.KindToolResult, ID: "b", Failed: true, Content: []neutral.Block{{Kind: neutral.KindText, Text: "no such file"}}},
				{Kind: neutral.KindToolResult, ID: "a", Content: []neutral.Block{hi, {Kind: neutral.KindImage, MediaType: "image/png", Data: []byte("iVBO")}}},
				{Kind: neutral.KindText, Text: "Go on.", Cache: neutral.Cache5m},
			}},
		}
	}
	claudes := neutral.Block{Kind: neutral.KindReasoning, Origin: domain.DialectAnthropic, Text: "hm", Signature: "EqQB"}
	sealed := neutral.Block{Kind: neutral.KindReasoning, Origin: domain.DialectAnthropic, Text: "hm", Signature: neutral.Seal(own, "", "reasoning_content")}
	var out bytes.Buffer
	for _, c := range []struct {
		name  string
		model string
		r     neutral.Request
	}{
		{"plain", "", neutral.Request{Turns: user(hi), Stream: true, MaxTokens: 9}},
		{"of another maker", "glm-4.6", neutral.Request{System: []neutral.Block{hi, hi}, Turns: user(hi, hi), MaxTokens: 9, Temperature: []byte("0.2"), Stop: []string{"a"}}},
		{"everything that tunes", "", neutral.Request{
			Turns: user(hi), Temperature: []byte("0.5"), TopP: []byte("1"), TopK: []byte("3"), User: strings.Repeat("long", 20), Tier: "batch", Stop: []string{"END"},
			Metadata: []byte(`{"a":"b"}`), Verbosity: "low", CacheKey: "k", Format: neutral.Format{Mode: neutral.FormatJSON},
			Asks: []neutral.Ask{
				{Feature: neutral.FeatureContextManagement, Name: "context_management", Raw: []byte("{}")}, {Feature: neutral.FeatureSafety, Name: "safeguards", Raw: []byte("{}")},
				{Feature: neutral.FeatureTier, Name: "speed", Raw: []byte(`"fast"`)}, {Feature: neutral.FeatureContainer, Name: "container", Raw: []byte(`"c"`)},
			},
			Extra: []neutral.Member{{Name: "new_thing", Raw: []byte("1")}},
		}},
		{"tools", "", neutral.Request{Turns: user(hi), Tools: []neutral.Tool{read, patch, search}, Choice: neutral.ToolChoice{Mode: neutral.ChoiceAllow, Names: []string{"read", "patch"}}, Parallel: &yes}},
		{"tools of another maker", "deepseek-chat", neutral.Request{Turns: user(hi), Tools: []neutral.Tool{read, patch, {Name: "x"}}, Choice: neutral.ToolChoice{Mode: neutral.ChoiceAllow, Names: []string{"read", "patch"}, Must: true}}},
		{"a loop", "", neutral.Request{Turns: loop(claudes), Tools: []neutral.Tool{read, patch}}},
		{"a loop of a maker that shows its reasoning", "deepseek-chat", neutral.Request{Turns: loop(sealed), Tools: []neutral.Tool{read, patch}}},
		{"a loop, of Gemini's compatible API", "gemini-3-pro", neutral.Request{Turns: loop(hi), Tools: []neutral.Tool{read, patch}}},
		{"the same, with the signature before the call", "gemini-3-pro", neutral.Request{Turns: loop(neutral.Block{
			Kind: neutral.KindReasoning, Origin: domain.DialectAnthropic, Signature: neutral.Seal(domain.DialectGeminiContent, "", "YmVmb3Jl"),
		}), Tools: []neutral.Tool{read, patch}}},
		{"off, with a temperature", "gpt-5.2", neutral.Request{Turns: user(hi), Temperature: []byte("0.2"), Reasoning: neutral.Reasoning{Mode: neutral.ReasoningOff}}},
		{"effort, 5.5", "", neutral.Request{Turns: user(hi), Reasoning: neutral.Reasoning{Effort: "max", Mode: neutral.ReasoningOn, Adaptive: true}}},
		{"effort, o3", "o3", neutral.Request{Turns: user(hi), MaxTokens: 9, Reasoning: neutral.Reasoning{Effort: "xhigh", Mode: neutral.ReasoningOn}}},
		{"effort, 4o", "gpt-4o", neutral.Request{Turns: user(hi), MaxTokens: 9, Verbosity: "low", Reasoning: neutral.Reasoning{Effort: "high", Mode: neutral.ReasoningOn}}},
		{"budget", "", neutral.Request{Turns: user(hi), Reasoning: neutral.Reasoning{Budget: 10_000, Mode: neutral.ReasoningOn}}},
		{"off, 5.5", "", neutral.Request{Turns: user(hi), Reasoning: neutral.Reasoning{Mode: neutral.ReasoningOff}}},
		{"off, 5", "gpt-5", neutral.Request{Turns: user(hi), Reasoning: neutral.Reasoning{Mode: neutral.ReasoningOff}}},
		{"off, o3", "o3-mini", neutral.Request{Turns: user(hi), Reasoning: neutral.Reasoning{Mode: neutral.ReasoningOff}}},
		{"off, 4o", "gpt-4o", neutral.Request{Turns: user(hi), Reasoning: neutral.Reasoning{Mode: neutral.ReasoningOff}}},
		{"off, another maker", "glm-4.6", neutral.Request{Turns: user(hi), Reasoning: neutral.Reasoning{Mode: neutral.ReasoningOff}}},
		{"schema", "", neutral.Request{Turns: user(hi), Format: neutral.Format{Mode: neutral.FormatSchema, Schema: []byte(`{"type":"object"}`), Strict: &yes}}},
		{"media", "", neutral.Request{Turns: user(
			neutral.Block{Kind: neutral.KindImage, Data: []byte("/9j/AA"), Detail: "high"}, neutral.Block{Kind: neutral.KindImage, URL: "https://e/x"},
			neutral.Block{Kind: neutral.KindDocument, MediaType: "application/pdf", Data: []byte("JVBE"), Cite: true},
			neutral.Block{Kind: neutral.KindDocument, MediaType: "text/csv", Data: []byte("YSxi"), Title: "t", Context: "c"},
			neutral.Block{Kind: neutral.KindAudio, MediaType: "audio/wav", Data: []byte("UklG")},
			neutral.Block{Kind: neutral.KindOpaque, Origin: domain.DialectAnthropic, Type: "container_upload", Raw: []byte("{}")},
		)}},
		{"prefill", "", neutral.Request{Turns: []neutral.Turn{{Blocks: []neutral.Block{hi}}, {Role: neutral.Assistant, Blocks: []neutral.Block{{Kind: neutral.KindText, Text: "{"}}}}}},
		{"upload", "", neutral.Request{Turns: user(neutral.Block{Kind: neutral.KindDocument, FileID: "f"})}},
		{"document elsewhere", "", neutral.Request{Turns: user(neutral.Block{Kind: neutral.KindDocument, URL: "https://e/x.pdf"})}},
		{"film", "", neutral.Request{Turns: user(neutral.Block{Kind: neutral.KindVideo, URL: "https://e/v"})}},
		{"strange sound", "", neutral.Request{Turns: user(neutral.Block{Kind: neutral.KindAudio, MediaType: "audio/ogg", Data: []byte("AAAA")})}},
		{"search alone", "", neutral.Request{Turns: user(hi), Tools: []neutral.Tool{search}}},
		{"MCP servers", "", neutral.Request{Turns: user(hi), Asks: []neutral.Ask{{Feature: neutral.FeatureMCP, Name: "mcp_servers", Raw: []byte("[1]")}}}},
	} {
		c.r.From, c.r.Model = domain.DialectAnthropic, c.model
		if c.model == "" {
			c.r.Model = "gpt-5.5"
		}
		n := neutral.NewNotes(own, &table)
		body := Dialect{}.EncodeRequest(&c.r, n)
		fmt.Fprintf(&out, "== %s (%s)\n", c.name, c.r.Model)
		if err := n.Err(); err != nil {
			var e *domain.Error
			if !errors.As(err, &e) || e.Kind != domain.KindInvalid {
				t.Errorf("%s: refused as %v", c.name, err)
			}
			fmt.Fprintf(&out, "refused %s: %s\n", e.Param, e.Message)
			continue
		}
		if !json.Valid(body) {
			t.Errorf("%s: no JSON: %s", c.name, body)
		}
		fmt.Fprintf(&out, "%s\n", body)
		for _, w := range n.Warnings() {
			fmt.Fprintf(&out, "  %s\n", w)
		}
	}
	neutraltest.Golden(t, "encode_foreign.txt", out.Bytes())
}

// Malformed requests are refused in words for the caller.
func TestDecodeRequestRefuses(t *testing.T) {
	for body, param := range map[string]string{
		`[]`:                            "",
		`{"messages":{}}`:               "messages",
		`{"messages":["x"]}`:            "messages",
		`{"messages":[{"role":"bot"}]}`: "messages",
		`{"messages":[{"role":"user","content":7}]}`:                                            "messages",
		`{"messages":[{"role":"user","content":["x"]}]}`:                                        "messages",
		`{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]}`:        "messages",
		`{"messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"x y"}}]}]}`: "messages",
		`{"messages":[{"role":"assistant","tool_calls":[{}]}]}`:                                 "messages",
		`{"tools":{}}`: "tools",
		"{\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}": "",
	} {
		_, err := Dialect{}.DecodeRequest([]byte(body), dialect.Route{})
		var e *domain.Error
		if !errors.As(err, &e) || e.Kind != domain.KindInvalid || e.Param != param || e.Message == "" {
			t.Errorf("%s: %v, want a refusal of %q", body, err, param)
		}
	}
}

// Ways to ask for reasoning that are not the API's own, as servers of other makers take them.
func TestDecodeOtherReasoning(t *testing.T) {
	for body, want := range map[string]neutral.Reasoning{
		`{"reasoning_effort":"none"}`:                                {Mode: neutral.ReasoningOff},
		`{"reasoning":{"effort":"low"}}`:                             {Mode: neutral.ReasoningOn, Effort: "low", Show: true},
		`{"reasoning":{"max_tokens":100,"exclude":true}}`:            {Mode: neutral.ReasoningOn, Budget: 100},
		`{"reasoning":{"enabled":false}}`:                            {Mode: neutral.ReasoningOff},
		`{"thinking":{"type":"enabled","budget_tokens":1024}}`:       {Mode: neutral.ReasoningOn, Budget: 1024, Show: true},
		`{"thinking":{"type":"disabled"}}`:                           {Mode: neutral.ReasoningOff},
		`{"thinking":{"type":"adaptive"},"reasoning_effort":"high"}`: {Mode: neutral.ReasoningOn, Adaptive: true, Effort: "high", Show: true},
		`{"reasoning_effort":"high","include_reasoning":true}`:       {Mode: neutral.ReasoningOn, Effort: "high", Show: true},
	} {
		if got := neutraltest.Request(t, Dialect{}, []byte(body)).Reasoning; got != want {
			t.Errorf("%s: %+v, want %+v", body, got, want)
		}
	}
}

// Every feature has a rule with a reason that a caller can read, unless it is carried.
func TestTable(t *testing.T) {
	for f := range neutral.NumFeatures {
		rule := Dialect{}.Table()[f]
		if rule.How != neutral.Carried && rule.Why == "" {
			t.Errorf("%s is %s and no reason is given", f, rule.How)
		}
		for _, c := range rule.Why {
			if c < ' ' || c > '~' {
				t.Errorf("%s: %q is not ASCII", f, rule.Why)
			}
		}
	}
}

func FuzzDecodeRequest(f *testing.F) {
	for _, file := range requestFiles {
		f.Add(golden(f, file))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if !json.Valid(body) {
			return // checked before
		}
		r, err := Dialect{}.DecodeRequest(body, dialect.Route{})
		if err != nil {
			return
		}
		for _, from := range []domain.Dialect{own, domain.DialectGeminiContent} {
			r.From = from
			if out := (Dialect{}).EncodeRequest(r, neutral.NewNotes(own, &table)); !json.Valid(out) {
				t.Errorf("from %s: no JSON: %s", from, out)
			}
		}
	})
}

func BenchmarkTranslateRequest(b *testing.B) {
	body := golden(b, "request_opencode.json")
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := Dialect{}.DecodeRequest(body, dialect.Route{})
		if err != nil {
			b.Fatal(err)
		}
		r.From = domain.DialectAnthropic
		Dialect{}.EncodeRequest(r, neutral.NewNotes(own, &table))
	}
}

// A failed result says that it is an error, whatever its text begins with.
func TestFailedResultsSaySo(t *testing.T) {
	for words, want := range map[string]string{
		"":                            "Error:",
		"no such file":                "Error: no such file",
		"0 errors, then killed":       "Error: 0 errors, then killed",
		"lint: no error, exit code 2": "Error: lint: no error, exit code 2",
		"Error: no such file":         "Error: no such file",
		"error: no such file":         "error: no such file",
	} {
		r := &neutral.Request{Model: "gpt-5.5", From: domain.DialectAnthropic, Turns: []neutral.Turn{
			{Blocks: []neutral.Block{{Text: "go"}}},
			{Role: neutral.Assistant, Blocks: []neutral.Block{{Kind: neutral.KindToolUse, ID: "a", Name: "f", Args: []byte(`{}`)}}},
			{Blocks: []neutral.Block{{Kind: neutral.KindToolResult, ID: "a", Failed: true, Content: []neutral.Block{{Text: words}}}}},
		}}
		out := Dialect{}.EncodeRequest(r, neutral.NewNotes(own, &table))
		if want := `"tool_call_id":"a","content":` + string(neutral.Quote(want)) + "}"; !strings.Contains(string(out), want) {
			t.Errorf("%q becomes %s", words, out)
		}
	}
}

// A file without a type is what its name says, as in the other API of this provider.
func TestFileTypeByName(t *testing.T) {
	for name, want := range map[string]string{
		"notes.txt": "text/plain", "Table.CSV": "text/csv", "a.json": "application/json", "a.pdf": "application/pdf", "": "application/pdf", "scan": "application/pdf",
		"a.docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	} {
		r, err := Dialect{}.DecodeRequest([]byte(`{"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{"filename":"`+name+`","file_data":"SGVsbG8="}}]}]}`), dialect.Route{})
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Turns[0].Blocks[0].MediaType; got != want {
			t.Errorf("%q is taken for %s", name, got)
		}
	}
}
