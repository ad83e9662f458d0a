package gemini

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

func txt(s string) neutral.Block { return neutral.Block{Kind: neutral.KindText, Text: s} }

func user(b ...neutral.Block) neutral.Turn { return neutral.Turn{Role: neutral.User, Blocks: b} }

func model(b ...neutral.Block) neutral.Turn { return neutral.Turn{Role: neutral.Assistant, Blocks: b} }

func use(id, name, args string) neutral.Block {
	return neutral.Block{Kind: neutral.KindToolUse, ID: id, Name: name, Args: []byte(args)}
}

func result1(id string, content ...neutral.Block) neutral.Block {
	return neutral.Block{Kind: neutral.KindToolResult, ID: id, Content: content}
}

func yes() *bool { v := true; return &v }

func no() *bool { v := false; return &v }

// requests are what callers of other dialects ask, by name; each is compared with a golden file.
func requests() map[string]*neutral.Request {
	const chat, claude = domain.DialectOpenAIChat, domain.DialectAnthropic
	hi := []neutral.Turn{user(txt("hi"))}
	return map[string]*neutral.Request{
		"plain": {Model: "gemini-2.5-flash", From: chat, System: []neutral.Block{txt("Be short.")}, Turns: hi, MaxTokens: 100, Temperature: []byte("0.5"), TopP: []byte("0.9"), TopK: []byte("40"), Seed: []byte("7"), Stop: []string{"a", "b"}},
		"dropped": {
			Model: "gemini-2.5-flash", From: chat, Turns: hi, Seed: []byte("99999999999"), PresencePenalty: []byte("0.5"), FrequencyPenalty: []byte("0.0"), User: "u", CacheKey: "k", Tier: "batch", Verbosity: "low",
			Metadata: []byte(`{"a":"b"}`), Stop: []string{"1", "2", "3", "4", "5", "6"}, Parallel: no(),
			Tools: []neutral.Tool{{Name: "f", Strict: yes(), Cache: neutral.Cache5m}, {Name: "g", Strict: no()}, {Name: "code_interpreter", Raw: []byte(`{"type":"code_interpreter"}`), Origin: domain.DialectOpenAIResp}},
			Asks:  []neutral.Ask{{Feature: neutral.FeatureLogitBias, Name: "logit_bias", Raw: []byte("{}")}, {Feature: neutral.FeatureStore, Name: "store", Raw: []byte("true")}},
			Extra: []neutral.Member{{Name: "new_member", Raw: []byte("1")}},
		},
		"tiers":       {Model: "gemini-2.5-flash", From: chat, Turns: hi, Tier: "default"},
		"tier_auto":   {Model: "gemini-2.5-flash", From: chat, Turns: hi, Tier: "auto"},
		"only_system": {Model: "gemini-2.5-flash", From: chat, System: []neutral.Block{txt("Say hello.")}},
		"mid_system":  {Model: "gemini-2.5-flash", From: chat, Turns: []neutral.Turn{user(txt("a")), {Role: neutral.System, Blocks: []neutral.Block{txt("be nice")}}, model(txt("b")), user(txt("c"))}},
		"prefill":     {Model: "gemini-2.5-flash", From: claude, Turns: []neutral.Turn{user(txt("a")), model(txt("The answer is"))}},
		"media": {Model: "gemini-2.5-flash", From: claude, Turns: []neutral.Turn{user(
			neutral.Block{Kind: neutral.KindImage, MediaType: "image/png", Data: []byte("AAAA")}, neutral.Block{Kind: neutral.KindImage, URL: "https://e.org/a.webp?x=1"},
			neutral.Block{Kind: neutral.KindImage, URL: "https://e.org/picture"}, neutral.Block{Kind: neutral.KindDocument, Data: []byte("BBBB"), Title: "T", Context: "about it", Cite: true, Cache: neutral.Cache1h},
			neutral.Block{Kind: neutral.KindDocument, Text: "plain words", MediaType: "text/plain"}, neutral.Block{Kind: neutral.KindAudio, MediaType: "audio/mp3", Data: []byte("CCCC")},
			neutral.Block{Kind: neutral.KindVideo, URL: "https://e.org/v.mp4"}, neutral.Block{Kind: neutral.KindOpaque, Type: "container_upload", Raw: []byte("{}"), Origin: claude},
			txt("what?"),
		)}},
		"tools": {
			Model: "gemini-3-pro", From: claude, Choice: neutral.ToolChoice{Mode: neutral.ChoiceAny},
			Tools: []neutral.Tool{{Name: "look", Description: "Looks.", Schema: []byte(`{"$schema":"x","type":"object","additionalProperties":false}`)}, {Name: "patch", Custom: true, Description: "Patches."}},
			Turns: []neutral.Turn{
				user(txt("go")),
				model(neutral.Block{Kind: neutral.KindReasoning, Text: "hm", Signature: "anthropic's", Origin: claude}, txt("I look."), use("t1", "look", `{"a":1}`), use("t2", "look", ``), neutral.Block{Kind: neutral.KindToolUse, ID: "t3", Name: "patch", Custom: true, Text: "*** Begin"}),
				user(txt("by the way"), result1("t2", txt("two"), neutral.Block{Kind: neutral.KindImage, MediaType: "image/png", Data: []byte("AAAA")}), neutral.Block{Kind: neutral.KindToolResult, ID: "t1", Failed: true, Content: []neutral.Block{txt("no"), txt("such file")}}),
				model(use("t4", "look", `[1]`)),
				user(result1("t4", txt("four")), result1("t9", txt("of nobody"))),
			},
		},
		"tools_25": {
			Model: "gemini-2.5-pro", From: claude,
			Tools: []neutral.Tool{{Name: "look"}},
			Turns: []neutral.Turn{model(use("t1", "look", `{}`)), user(result1("t1", neutral.Block{Kind: neutral.KindImage, MediaType: "image/png", Data: []byte("AAAA")}, txt("seen")))},
		},
		"own_reasoning": {
			Model: "gemini-3-flash", From: claude, Tools: []neutral.Tool{{Name: "look"}},
			Turns: []neutral.Turn{
				user(txt("go")),
				// As a caller of another dialect keeps it: the thoughts, and the call's own signature in a block before it.
				model(neutral.Block{Kind: neutral.KindReasoning, Text: "hm", Signature: neutral.Seal(own, "", "c2lnMQ=="), Origin: claude}, txt("I look."),
					neutral.Block{Kind: neutral.KindReasoning, Signature: neutral.Seal(own, "", "c2lnMg=="), Origin: claude}, use("t1", "look", `{}`), use("t2", "look", `{}`)),
				user(result1("t1", txt("1")), result1("t2", txt("2"))),
				model(neutral.Block{Kind: neutral.KindReasoning, Signature: neutral.Seal(own, "", "c2lnMw=="), Origin: claude}, txt("Done."), neutral.Block{Kind: neutral.KindReasoning, Redacted: true, Signature: neutral.Seal(own, "", "c2lnNA=="), Origin: claude}),
				user(txt("thanks")),
			},
		},
		"search":       {Model: "gemini-2.5-flash", From: claude, Turns: hi, Tools: []neutral.Tool{{Name: "web_search_20250305", Raw: []byte(`{"type":"web_search_20250305","max_uses":3}`), Origin: claude}}},
		"search_tools": {Model: "gemini-3-flash", From: domain.DialectOpenAIResp, Turns: hi, Tools: []neutral.Tool{{Name: "shell"}, {Name: "web_search", Raw: []byte(`{"type":"web_search"}`), Origin: domain.DialectOpenAIResp}}},
		"named":        {Model: "gemini-2.5-flash", From: chat, Turns: hi, Tools: []neutral.Tool{{Name: "f"}, {Name: "g"}}, Choice: neutral.ToolChoice{Mode: neutral.ChoiceNamed, Names: []string{"g"}}},
		"allowed":      {Model: "gemini-2.5-flash", From: chat, Turns: hi, Tools: []neutral.Tool{{Name: "f"}, {Name: "g"}}, Choice: neutral.ToolChoice{Mode: neutral.ChoiceAllow, Names: []string{"f", "g"}}},
		"none":         {Model: "gemini-2.5-flash", From: chat, Turns: hi, Tools: []neutral.Tool{{Name: "f"}}, Choice: neutral.ToolChoice{Mode: neutral.ChoiceNone}},
		"choice_alone": {Model: "gemini-2.5-flash", From: chat, Turns: hi, Choice: neutral.ToolChoice{Mode: neutral.ChoiceAuto}},
		"schema":       {Model: "gemini-2.5-flash", From: chat, Turns: hi, Format: neutral.Format{Mode: neutral.FormatSchema, Name: "n", Schema: []byte(`{"type":"object"}`)}},
		"schema_tools": {Model: "gemini-2.5-flash", From: chat, Turns: hi, System: []neutral.Block{txt("s")}, Tools: []neutral.Tool{{Name: "f"}}, Format: neutral.Format{Mode: neutral.FormatSchema, Schema: []byte(`{"type":"object"}`)}},
		"json_tools":   {Model: "gemini-2.5-flash", From: chat, Turns: hi, Tools: []neutral.Tool{{Name: "f"}}, Format: neutral.Format{Mode: neutral.FormatJSON}},
		"schema_3":     {Model: "gemini-3-flash", From: chat, Turns: hi, Tools: []neutral.Tool{{Name: "f"}}, Format: neutral.Format{Mode: neutral.FormatSchema, Schema: []byte(`{"type":"object"}`)}},
	}
}

func TestEncodeRequest(t *testing.T) {
	for name, r := range requests() {
		t.Run(name, func(t *testing.T) {
			before := dump(r)
			body, n := encodeRequest(t, r)
			if n.Err() != nil {
				t.Errorf("refused: %v", n.Err())
			}
			var b bytes.Buffer
			for _, w := range n.Warnings() {
				fmt.Fprintln(&b, w)
			}
			b.Write(pretty(t, body))
			same(t, "encode_"+name+".txt", b.Bytes())
			if dump(r) != before {
				t.Error("the request was changed")
			}
		})
	}
}

// What would make the answer another one is refused, and the caller is told which member it was.
func TestEncodeRefused(t *testing.T) {
	for param, r := range map[string]*neutral.Request{
		"n":                    {Asks: []neutral.Ask{{Feature: neutral.FeatureChoices, Name: "n"}}},
		"previous_response_id": {Asks: []neutral.Ask{{Feature: neutral.FeaturePreviousResponse, Name: "previous_response_id"}}},
		"background":           {Asks: []neutral.Ask{{Feature: neutral.FeatureBackground, Name: "background"}}},
		"modalities":           {Asks: []neutral.Ask{{Feature: neutral.FeatureOutputAudio, Name: "modalities"}}},
		"mcp_servers":          {Asks: []neutral.Ask{{Feature: neutral.FeatureMCP, Name: "mcp_servers"}}},
		"document":             {Turns: []neutral.Turn{user(neutral.Block{Kind: neutral.KindDocument, FileID: "file_1"})}},
		"image":                {Turns: []neutral.Turn{user(neutral.Block{Kind: neutral.KindImage, FileID: "file_1", Origin: domain.DialectAnthropic})}},
	} {
		r.Model, r.From = "gemini-2.5-flash", domain.DialectOpenAIResp
		_, n := encodeRequest(t, r)
		var e *domain.Error
		if err := n.Err(); !errors.As(err, &e) || e.Param != param || e.Code != "unsupported_by_target" {
			t.Errorf("%s: %v", param, err)
		}
	}
}

func TestTable(t *testing.T) {
	for f, rule := range (Dialect{}).Table() {
		if rule.How != neutral.Carried && rule.Why == "" {
			t.Errorf("%s is %s, and the caller is not told why", neutral.Feature(f), rule.How)
		}
		if strings.Trim(rule.Why, " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcdefghijklmnopqrstuvwxyz{|}~") != "" {
			t.Errorf("%s: %q is not plain", neutral.Feature(f), rule.Why)
		}
	}
}

func TestThinking(t *testing.T) {
	r := func(mode neutral.ReasoningMode, effort string, budget int64) neutral.Reasoning {
		return neutral.Reasoning{Mode: mode, Effort: effort, Budget: budget}
	}
	const on, off = neutral.ReasoningOn, neutral.ReasoningOff
	for _, c := range []struct {
		model    string
		r        neutral.Reasoning
		max      int64
		want     string // of thinkingConfig; empty: none
		warnings string
	}{
		{"gemini-2.5-flash", neutral.Reasoning{}, 0, "", ""},
		{"gemini-2.5-flash", neutral.Reasoning{Show: true}, 0, `{"includeThoughts":true}`, ""},
		{"gemini-2.5-flash", r(off, "", 0), 0, `{"thinkingBudget":0}`, ""},
		{"gemini-2.5-flash", r(on, "", 0), 0, "", ""},
		{"gemini-2.5-flash", neutral.Reasoning{Mode: on, Adaptive: true, Show: true}, 0, `{"thinkingBudget":-1,"includeThoughts":true}`, ""},
		{"gemini-2.5-flash", r(on, "", 5000), 0, `{"thinkingBudget":5000}`, ""},
		{"gemini-2.5-flash", r(on, "", 31999), 64000, `{"thinkingBudget":24576}`, "thinking budget"},
		{"gemini-2.5-flash", r(on, "", 5000), 4000, `{"thinkingBudget":3999}`, "thinking budget"},
		{"gemini-2.5-pro", r(on, "", 5000), 100, "", "thinking budget"},
		{"gemini-2.5-flash", r(on, "", 5000), 1, "", "thinking budget"},
		{"gemini-2.5-flash", r(on, "high", 0), 0, `{"thinkingBudget":24576}`, "thinking budget"},
		{"gemini-2.5-flash", r(on, "minimal", 0), 0, `{"thinkingBudget":1024}`, "thinking budget"},
		{"gemini-2.5-flash-lite", r(on, "", 100), 0, `{"thinkingBudget":512}`, "thinking budget"},
		{"gemini-2.5-pro", r(off, "", 0), 0, `{"thinkingBudget":128}`, "reasoning off"},
		{"gemini-2.5-pro", r(on, "max", 0), 0, `{"thinkingBudget":24576}`, "thinking budget"},
		{"gemini-2.5-pro", r(on, "none", 0), 0, `{"thinkingBudget":128}`, "reasoning off"},
		{"gemini-2.0-flash", r(on, "high", 0), 0, "", "reasoning"},
		{"gemini-2.0-flash", r(off, "", 0), 0, "", ""},
		{"gemini-2.0-flash", neutral.Reasoning{Show: true}, 0, "", ""},
		{"gemma-3-27b-it", r(on, "", 100), 0, "", "reasoning"},
		{"gemini-3-pro-preview", r(off, "", 0), 0, `{"thinkingLevel":"LOW"}`, "reasoning off"},
		{"gemini-3-flash", r(off, "", 0), 0, `{"thinkingLevel":"MINIMAL"}`, "reasoning off"},
		{"gemini-3-pro-preview", r(on, "minimal", 0), 0, `{"thinkingLevel":"LOW"}`, "reasoning effort"},
		{"gemini-3-pro-preview", r(on, "medium", 0), 0, `{"thinkingLevel":"HIGH"}`, "reasoning effort"},
		{"gemini-3.1-pro-preview", r(on, "medium", 0), 0, `{"thinkingLevel":"MEDIUM"}`, ""},
		{"gemini-3-flash", r(on, "low", 5000), 0, `{"thinkingLevel":"LOW"}`, ""},
		{"gemini-3-flash", r(on, "xhigh", 0), 0, `{"thinkingLevel":"HIGH"}`, "reasoning effort"},
		{"gemini-3-flash", r(on, "", 1024), 0, `{"thinkingLevel":"LOW"}`, "thinking budget"},
		{"gemini-3-flash", r(on, "", 8000), 0, `{"thinkingLevel":"MEDIUM"}`, "thinking budget"},
		{"gemini-3-flash", r(on, "", 31999), 0, `{"thinkingLevel":"HIGH"}`, "thinking budget"},
		{"gemini-3-flash", neutral.Reasoning{Mode: on, Adaptive: true, Show: true}, 0, `{"includeThoughts":true}`, ""},
		{"our-own-name", r(on, "high", 0), 0, `{"thinkingLevel":"HIGH"}`, ""},
	} {
		body, n := encodeRequest(t, &neutral.Request{Model: c.model, From: domain.DialectAnthropic, Reasoning: c.r, MaxTokens: c.max})
		got := string(member(member(body, "generationConfig"), "thinkingConfig"))
		warnings := strings.Join(n.Warnings(), "; ")
		if got != c.want || (warnings == "") != (c.warnings == "") || !strings.Contains(warnings, c.warnings) {
			t.Errorf("%s %+v: %s (%s), want %s (%s)", c.model, c.r, got, warnings, c.want, c.warnings)
		}
	}
}
