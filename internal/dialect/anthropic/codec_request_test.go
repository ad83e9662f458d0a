package anthropic

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
	"request_claude_code.json", "request_claude_code_old.json", "request_claude_code_title.json", "request_opencode.json",
	"request_sdk.json", "request_everything.json",
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

// A request of this dialect keeps its meaning on the way through the neutral form.
func TestRequestRoundTrip(t *testing.T) {
	for _, file := range requestFiles {
		t.Run(file, func(t *testing.T) {
			r := neutraltest.Request(t, Dialect{}, golden(t, file))
			n := neutral.NewNotes(own, &table)
			body := Dialect{}.EncodeRequest(r, n)
			if !json.Valid(body) {
				t.Fatalf("no JSON: %s", body)
			}
			if w := n.Warnings(); len(w) > 0 || n.Err() != nil {
				t.Errorf("notes %q, %v", w, n.Err())
			}
			want, got := neutraltest.DumpRequest(r), neutraltest.DumpRequest(neutraltest.Request(t, Dialect{}, body))
			if want != got {
				t.Errorf("got:\n%s\nwant:\n%s\nbody: %s", got, want, body)
			}
		})
	}
}

// A signature that another provider's reasoning was given back with is still good for it.
func TestDecodeSealed(t *testing.T) {
	r := neutraltest.Request(t, Dialect{}, []byte(`{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"","signature":"`+
		neutral.Seal(domain.DialectGeminiContent, "id", "c2ln")+`"},{"type":"redacted_thinking","data":"`+neutral.Seal(domain.DialectOpenAIResp, "rs_1", "gAAA")+`"}]}]}`))
	b := r.Turns[0].Blocks
	if id, sig, ok := neutral.SignatureFor(domain.DialectGeminiContent, &b[0]); id != "id" || sig != "c2ln" || !ok {
		t.Errorf("Gemini's: %q %q %v", id, sig, ok)
	}
	if id, sig, ok := neutral.SignatureFor(domain.DialectOpenAIResp, &b[1]); id != "rs_1" || sig != "gAAA" || !ok || !b[1].Redacted {
		t.Errorf("Responses': %q %q %v", id, sig, ok)
	}
	if _, _, ok := neutral.SignatureFor(own, &b[0]); ok {
		t.Error("Gemini's signature goes to Anthropic")
	}
}

func TestRequestProperty(t *testing.T) {
	o := neutraltest.Options{From: own, Reasoning: true, Redacted: true, Images: true, Documents: true, Cache: true, Failed: true, MidSystem: true}
	rapid.Check(t, func(t *rapid.T) {
		r := neutraltest.Requests(o).Draw(t, "request")
		r.Format.Name, r.Format.Strict = "", nil // the protocol has no name for it
		if r.Reasoning.Mode == neutral.ReasoningOn {
			r.Reasoning.Adaptive = true
		}
		n := neutral.NewNotes(own, &table)
		body := Dialect{}.EncodeRequest(r, n)
		back, err := Dialect{}.DecodeRequest(body, dialect.Route{})
		if err != nil || !json.Valid(body) {
			t.Fatalf("%v: %s", err, body)
		}
		if want, got := neutraltest.DumpRequest(r), neutraltest.DumpRequest(back); want != got {
			t.Errorf("got:\n%s\nwant:\n%s", got, want)
		}
	})
}

var models = []string{
	"claude-3-haiku-20240307", "claude-3-5-sonnet-20241022", "claude-3-7-sonnet-20250219", "claude-opus-4-20250514", "claude-opus-4-1",
	"claude-sonnet-4-5-20250929", "claude-opus-4-5", "claude-opus-4-6", "claude-opus-4-8", "claude-sonnet-5", "claude-opus-5-5", "claude-fable-5", "glm-4.6",
}

// Whatever another dialect asks, what goes out is what the provider takes.
func TestProviderTakesEveryRequest(t *testing.T) {
	o := neutraltest.Options{From: domain.DialectOpenAIChat, Reasoning: true, Redacted: true, Images: true, Documents: true, Custom: true, Failed: true, MidSystem: true}
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
		r.Temperature, r.TopP, r.TopK = []byte("1.7"), []byte("0.3"), []byte("5")
	}
	if yes.Draw(t, "no limit") {
		r.MaxTokens = 0
	}
	if yes.Draw(t, "cached") {
		r.CacheKey = "session"
	}
	if yes.Draw(t, "effort") {
		r.Reasoning = neutral.Reasoning{
			Mode:   rapid.SampledFrom([]neutral.ReasoningMode{neutral.ReasoningUnset, neutral.ReasoningOff, neutral.ReasoningOn}).Draw(t, "mode"),
			Effort: rapid.SampledFrom([]string{"", "minimal", "xhigh", "max"}).Draw(t, "effort"),
			Budget: rapid.SampledFrom([]int64{0, 100, 5000, 200_000}).Draw(t, "budget"),
			Show:   yes.Draw(t, "show"),
		}
	}
	switch rapid.IntRange(0, 4).Draw(t, "format") {
	case 0:
		r.Format = neutral.Format{Mode: neutral.FormatJSON}
	case 1:
		r.Format = neutral.Format{Mode: neutral.FormatSchema, Schema: []byte(`{"type":"object","properties":{"a":{"type":"integer","minimum":1},"b":{"type":"object","additionalProperties":true}}}`)}
	}
	for i := range r.Turns {
		b := r.Turns[i].Blocks
		switch rapid.IntRange(0, 12).Draw(t, "spoil") {
		case 0:
			r.Turns[i].Blocks = nil
		case 1:
			r.Turns[i].Blocks = append(slices.Clone(b), neutral.Block{Kind: neutral.KindText, Text: " \n"})
		case 2:
			r.Turns[i].Role = neutral.User
			r.Turns[i].Blocks = []neutral.Block{{Kind: neutral.KindToolResult, ID: "call_of_nobody", Content: nil, Failed: true}}
		case 3:
			r.Turns[i].Blocks = slices.Clone(b)
			slices.Reverse(r.Turns[i].Blocks)
		case 4:
			for k := range b {
				if b[k].Kind == neutral.KindToolUse && !b[k].Custom {
					b[k].Args = []byte(rapid.SampledFrom([]string{"", "not json", "[1]", "{"}).Draw(t, "args"))
					b[k].ID = "functions.x:0"
				}
			}
		case 5:
			r.Turns[i].Role = neutral.System
			r.Turns[i].Blocks = []neutral.Block{{Kind: neutral.KindText, Text: "Mind this."}}
		}
	}
	if yes.Draw(t, "ends early") && len(r.Turns) > 0 {
		r.Turns = r.Turns[:len(r.Turns)-1]
	}
	seen := map[string]bool{}
	for i := range r.Turns { // ids are unique among the calls of a turn
		for k := range r.Turns[i].Blocks {
			if b := &r.Turns[i].Blocks[k]; b.Kind == neutral.KindToolUse {
				for seen[b.ID] {
					b.ID += "'"
				}
				seen[b.ID] = true
			}
		}
	}
}

// Each thing that another dialect can ask, and what becomes of it: the body and the notes.
func TestEncodeForeignRequest(t *testing.T) {
	yes, no := true, false
	user := func(b ...neutral.Block) []neutral.Turn { return []neutral.Turn{{Blocks: b}} }
	hi := neutral.Block{Kind: neutral.KindText, Text: "hi"}
	read := neutral.Tool{Name: "read", Description: "Reads.", Schema: []byte(`{"type":"object","properties":{"n":{"type":"integer","minimum":0}}}`)}
	write := neutral.Tool{Name: "write"}
	thought := neutral.Block{Kind: neutral.KindReasoning, Origin: domain.DialectOpenAIChat, Text: "hm", Signature: "reasoning_content"}
	var out bytes.Buffer
	for _, c := range []struct {
		name  string
		model string
		r     neutral.Request
	}{
		{"plain", "", neutral.Request{Turns: user(hi), Stream: true}},
		{"everything that tunes", "", neutral.Request{
			Turns: user(hi), MaxTokens: 100, Temperature: []byte("1.5"), TopK: []byte("3"), Seed: []byte("7"), PresencePenalty: []byte("0.5"),
			FrequencyPenalty: []byte("0"), User: "u", Tier: "flex", Verbosity: "low", Metadata: []byte(`{"a":"b"}`), Stop: []string{"\n", "END"},
			Asks:  []neutral.Ask{{Feature: neutral.FeatureLogitBias, Name: "logit_bias", Raw: []byte(`{"1":2}`)}, {Feature: neutral.FeatureStore, Name: "store", Raw: []byte("true")}},
			Extra: []neutral.Member{{Name: "new_thing", Raw: []byte("1")}},
		}},
		{"tools", "claude-sonnet-4-5", neutral.Request{
			Turns: user(hi), MaxTokens: 100, Tools: []neutral.Tool{read, write, {Name: "patch", Custom: true, Schema: []byte(`{"type":"grammar"}`)}, {Name: "web_search", Raw: []byte(`{"type":"web_search"}`), Origin: domain.DialectOpenAIResp}},
			Choice: neutral.ToolChoice{Mode: neutral.ChoiceAllow, Names: []string{"read", "patch"}, Must: true}, Parallel: &no,
		}},
		{"strict tool", "claude-sonnet-4-5", neutral.Request{Turns: user(hi), MaxTokens: 100, Tools: []neutral.Tool{{Name: "read", Schema: read.Schema, Strict: &yes}}, Parallel: &yes}},
		{"strict tool of an old model", "claude-3-haiku-20240307", neutral.Request{Turns: user(hi), Tools: []neutral.Tool{{Name: "read", Schema: []byte(`{"properties":{}}`), Strict: &yes}}}},
		{"search alone", "", neutral.Request{Turns: user(hi), MaxTokens: 100, Tools: []neutral.Tool{{Name: "googleSearch", Raw: []byte(`{"googleSearch":{}}`), Origin: domain.DialectGeminiContent}}}},
		{"effort, new", "claude-opus-4-8", neutral.Request{Turns: user(hi), MaxTokens: 100, Temperature: []byte("0.2"), Reasoning: neutral.Reasoning{Mode: neutral.ReasoningOn, Effort: "xhigh", Show: true}}},
		{"effort, 4.6", "claude-sonnet-4-6", neutral.Request{Turns: user(hi), MaxTokens: 100, Temperature: []byte("0.2"), TopK: []byte("9"), Reasoning: neutral.Reasoning{Mode: neutral.ReasoningOn, Effort: "xhigh"}}},
		{"effort, old", "claude-sonnet-4-5", neutral.Request{Turns: user(hi), Temperature: []byte("1"), Reasoning: neutral.Reasoning{Mode: neutral.ReasoningOn, Effort: "high"}}},
		{"effort, no room", "claude-sonnet-4-5", neutral.Request{Turns: user(hi), MaxTokens: 1200, Reasoning: neutral.Reasoning{Mode: neutral.ReasoningOn, Effort: "high"}}},
		{"effort, older", "claude-3-5-haiku-20241022", neutral.Request{Turns: user(hi), Reasoning: neutral.Reasoning{Mode: neutral.ReasoningOn, Effort: "high"}}},
		{"budget, new", "claude-opus-5-5", neutral.Request{Turns: user(hi), MaxTokens: 100, Reasoning: neutral.Reasoning{Mode: neutral.ReasoningOn, Budget: 2000}}},
		{"budget, old", "claude-opus-4-1", neutral.Request{Turns: user(hi), MaxTokens: 3000, Reasoning: neutral.Reasoning{Mode: neutral.ReasoningOn, Budget: 5000}}},
		{"off, new", "claude-opus-5-5", neutral.Request{Turns: user(hi), MaxTokens: 100, Reasoning: neutral.Reasoning{Mode: neutral.ReasoningOff}}},
		{"off, always thinking", "claude-fable-5", neutral.Request{Turns: user(hi), MaxTokens: 100, Reasoning: neutral.Reasoning{Mode: neutral.ReasoningOff}}},
		{"forced tool", "claude-opus-5-5", neutral.Request{Turns: user(hi), MaxTokens: 100, Tools: []neutral.Tool{write}, Choice: neutral.ToolChoice{Mode: neutral.ChoiceAny}, Reasoning: neutral.Reasoning{Mode: neutral.ReasoningOn, Effort: "max"}}},
		{"schema, new", "claude-haiku-4-5", neutral.Request{Turns: user(hi), MaxTokens: 100, Format: neutral.Format{Mode: neutral.FormatSchema, Name: "x", Schema: read.Schema}}},
		{"schema, old", "claude-opus-4-20250514", neutral.Request{Turns: user(hi), MaxTokens: 100, Format: neutral.Format{Mode: neutral.FormatSchema, Schema: read.Schema}}},
		{"JSON mode", "", neutral.Request{System: []neutral.Block{hi}, Turns: user(hi), MaxTokens: 100, Format: neutral.Format{Mode: neutral.FormatJSON}}},
		{"conversation", "claude-sonnet-4-5", neutral.Request{
			MaxTokens: 5000, CacheKey: "k", System: []neutral.Block{hi, {Kind: neutral.KindText, Text: " "}}, Reasoning: neutral.Reasoning{Mode: neutral.ReasoningOn},
			Tools: []neutral.Tool{read},
			Turns: []neutral.Turn{
				{Role: neutral.Assistant, Blocks: []neutral.Block{{Kind: neutral.KindRefusal, Text: "No."}}},
				{Name: "anna", Blocks: []neutral.Block{hi}},
				{Role: neutral.Assistant, Blocks: []neutral.Block{thought, {Kind: neutral.KindToolUse, ID: "a:1", Name: "read", Args: []byte(`{"n": 1}`)}, {Kind: neutral.KindToolUse, ID: "b", Name: "read", Args: []byte("oops")}}},
				{Role: neutral.System, Blocks: []neutral.Block{{Kind: neutral.KindText, Text: "Be quick."}}},
				{Blocks: []neutral.Block{{Kind: neutral.KindToolResult, ID: "b", Name: "read", Failed: true}}},
				{Blocks: []neutral.Block{{Kind: neutral.KindToolResult, ID: "c", Name: "read", Content: []neutral.Block{hi}}}},
			},
		}},
		{"own thinking, sealed", "claude-sonnet-4-5", neutral.Request{
			MaxTokens: 5000, Reasoning: neutral.Reasoning{Mode: neutral.ReasoningOn, Budget: 2000}, Tools: []neutral.Tool{read},
			Turns: []neutral.Turn{
				{Blocks: []neutral.Block{hi}},
				{Role: neutral.Assistant, Blocks: []neutral.Block{
					{Kind: neutral.KindReasoning, Origin: domain.DialectOpenAIResp, Text: "hm", Signature: neutral.Seal(own, "", "EqQB")},
					{Kind: neutral.KindToolUse, ID: "a", Name: "read"},
				}},
				{Blocks: []neutral.Block{{Kind: neutral.KindToolResult, ID: "a", Content: []neutral.Block{hi, {Kind: neutral.KindImage, MediaType: "image/png", Data: []byte("iVBO")}}}}},
			},
		}},
		{"media", "", neutral.Request{MaxTokens: 100, Turns: user(
			neutral.Block{Kind: neutral.KindImage, Data: []byte("/9j/AA")}, neutral.Block{Kind: neutral.KindImage, URL: "https://e/x"},
			neutral.Block{Kind: neutral.KindDocument, MediaType: "application/pdf", Data: []byte("JVBE"), Title: "a.pdf", Cite: true},
			neutral.Block{Kind: neutral.KindDocument, URL: "https://e/x.pdf"}, neutral.Block{Kind: neutral.KindDocument, MediaType: "text/csv", Data: []byte("YSxi"), Context: "c"},
			neutral.Block{Kind: neutral.KindOpaque, Origin: domain.DialectOpenAIResp, Type: "x", Raw: []byte("{}")},
		)}},
		{"prefill", "", neutral.Request{MaxTokens: 100, Turns: []neutral.Turn{{Blocks: []neutral.Block{hi}}, {Role: neutral.Assistant, Blocks: []neutral.Block{{Kind: neutral.KindText, Text: "{", Citations: []neutral.Citation{{URL: "u"}}}}}}}},
		{"nothing said", "", neutral.Request{MaxTokens: 100, System: []neutral.Block{hi}}},
		{"upload", "", neutral.Request{Turns: user(neutral.Block{Kind: neutral.KindImage, FileID: "f"})}},
		{"sound", "", neutral.Request{Turns: user(neutral.Block{Kind: neutral.KindAudio, Data: []byte("AAAA")})}},
		{"film", "", neutral.Request{Turns: user(neutral.Block{Kind: neutral.KindVideo, URL: "https://e/v"})}},
		{"spreadsheet", "", neutral.Request{Turns: user(neutral.Block{Kind: neutral.KindDocument, MediaType: "application/vnd.ms-excel", Data: []byte("AAAA")})}},
		{"several answers", "", neutral.Request{Turns: user(hi), Asks: []neutral.Ask{{Feature: neutral.FeatureChoices, Name: "n", Raw: []byte("2")}}}},
		{"foreign tool alone", "", neutral.Request{Turns: user(hi), Tools: []neutral.Tool{{Name: "file_search", Raw: []byte("{}"), Origin: domain.DialectOpenAIResp}}}},
	} {
		c.r.From, c.r.Model = domain.DialectOpenAIChat, c.model
		if c.model == "" {
			c.r.Model = "claude-opus-4-6"
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
		if err := provider(body); err != nil {
			t.Errorf("%s: %v\n%s", c.name, err, body)
		}
		fmt.Fprintf(&out, "%s\n", body)
		for _, w := range n.Warnings() {
			fmt.Fprintf(&out, "  %s\n", w)
		}
	}
	neutraltest.Golden(t, "encode_foreign.txt", out.Bytes())
}

// The names of models as accounts have them, from every host that serves them.
func TestFamily(t *testing.T) {
	for name, want := range map[string]family{
		"claude-3-haiku-20240307":                      {true, "haiku", 3, 0},
		"claude-3-5-sonnet-latest":                     {true, "sonnet", 3, 5},
		"claude-3-7-sonnet@20250219":                   {true, "sonnet", 3, 7},
		"claude-opus-4-20250514":                       {true, "opus", 4, 0},
		"us.anthropic.claude-sonnet-4-5-20250929-v1:0": {true, "sonnet", 4, 5},
		"anthropic/claude-opus-4.6":                    {true, "opus", 4, 6},
		"claude-opus-5-5":                              {true, "opus", 5, 5},
		"claude-fable-5":                               {true, "fable", 5, 0},
		"claude-mythos-preview":                        {true, "mythos", newest, 0},
		"anthropic.claude-v2:1":                        {true, "", 2, 1},
		"Claude-Instant-1.2":                           {true, "instant", 1, 2},
		"claude":                                       {true, "", newest, 0},
		"deepseek-chat":                                {},
		"glm-4.6":                                      {},
		"arn:aws:bedrock:eu:1:p/eu.anthropic.claude-haiku-4-5-20251001-v1:0": {true, "haiku", 4, 5},
	} {
		if got := familyOf(name); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	for model, want := range map[string]int64{"claude-3-opus-20240229": 4096, "claude-3-5-haiku-20241022": 8192, "claude-3-7-sonnet-20250219": 32000, "claude-opus-4-1": 32000, "claude-haiku-5": 32000, "glm-4.6": 32000} {
		if got := familyOf(model).maxTokens(); got != want {
			t.Errorf("%s: %d tokens by default, want %d", model, got, want)
		}
	}
}

// Malformed requests are refused in words for the caller.
func TestDecodeRequestRefuses(t *testing.T) {
	for body, param := range map[string]string{
		`[]`:                            "",
		`{"messages":{}}`:               "messages",
		`{"messages":["x"]}`:            "messages",
		`{"messages":[{"role":"bot"}]}`: "messages",
		`{"messages":[{"role":"user","content":7}]}`:                                                        "messages",
		`{"messages":[{"role":"user","content":[{"text":"no type"}]}]}`:                                     "messages",
		`{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","data":1}}]}]}`:   "messages",
		`{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"carrier pigeon"}}]}]}`: "messages",
		`{"system":5}`:    "system",
		`{"tools":{}}`:    "tools",
		`{"tools":["x"]}`: "tools",
		"{\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}": "",
	} {
		_, err := Dialect{}.DecodeRequest([]byte(body), dialect.Route{})
		var e *domain.Error
		if !errors.As(err, &e) || e.Kind != domain.KindInvalid || e.Param != param || e.Message == "" {
			t.Errorf("%s: %v, want a refusal of %q", body, err, param)
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
	body := golden(b, "request_claude_code.json")
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := Dialect{}.DecodeRequest(body, dialect.Route{})
		if err != nil {
			b.Fatal(err)
		}
		r.From = domain.DialectOpenAIChat
		Dialect{}.EncodeRequest(r, neutral.NewNotes(own, &table))
	}
}
