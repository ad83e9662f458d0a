package gemini

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
	"turnout/internal/sim"
)

// asked sends a body to the simulated provider, which checks what the real one does.
func asked(model string, body []byte) (status int, answer string) {
	r := httptest.NewRequest(http.MethodPost, "/v1beta/models/"+model+":generateContent", strings.NewReader(string(body)))
	r.Header.Set("x-goog-api-key", "sk-sim-n2")
	w := httptest.NewRecorder()
	sim.New(sim.Options{}).ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestProviderAccepts(t *testing.T) {
	for name, r := range requests() {
		body, _ := encodeRequest(t, r)
		if status, answer := asked(r.Model, body); status != http.StatusOK {
			t.Errorf("%s: %d %s\nto %s", name, status, answer, body)
		}
	}
}

// drawForeign are requests of callers of other dialects, also such as those dialects' own providers would refuse.
func drawForeign(t *rapid.T) *neutral.Request {
	from := rapid.SampledFrom([]domain.Dialect{domain.DialectAnthropic, domain.DialectOpenAIChat, domain.DialectOpenAIResp}).Draw(t, "from")
	r := &neutral.Request{From: from, Model: rapid.SampledFrom([]string{"gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-2.5-pro", "gemini-3-pro-preview", "gemini-3-flash", "gemini-3.1-pro-preview"}).Draw(t, "model")}
	for range rapid.IntRange(0, 2).Draw(t, "system") {
		r.System = append(r.System, txt(rapid.String().Draw(t, "text")))
	}
	id := rapid.SampledFrom([]string{"t1", "t2", "t3", ""})
	for range rapid.IntRange(0, 7).Draw(t, "turns") {
		turn := neutral.Turn{Role: rapid.SampledFrom([]neutral.Role{neutral.User, neutral.User, neutral.Assistant, neutral.Assistant, neutral.System}).Draw(t, "role")}
		for range rapid.IntRange(0, 4).Draw(t, "blocks") {
			b := neutral.Block{Kind: rapid.SampledFrom([]neutral.Kind{neutral.KindText, neutral.KindText, neutral.KindRefusal, neutral.KindImage, neutral.KindDocument, neutral.KindReasoning, neutral.KindToolUse, neutral.KindToolUse, neutral.KindToolResult, neutral.KindToolResult, neutral.KindOpaque}).Draw(t, "kind")}
			switch b.Kind {
			case neutral.KindText, neutral.KindRefusal:
				b.Text = rapid.SampledFrom([]string{"", "a", "b\n"}).Draw(t, "text")
			case neutral.KindImage, neutral.KindDocument:
				b.Data = []byte(rapid.SampledFrom([]string{"", "AAAA"}).Draw(t, "data"))
			case neutral.KindReasoning:
				b.Text, b.Signature, b.Origin = "hm", rapid.SampledFrom([]string{"", "foreign"}).Draw(t, "signature"), from
			case neutral.KindToolUse:
				if turn.Role != neutral.Assistant {
					continue
				}
				b.ID, b.Name, b.Args, b.Custom = id.Draw(t, "id"), "f", []byte(rapid.SampledFrom([]string{"", "{}", `{"a":1}`, "[1]", "null"}).Draw(t, "args")), rapid.Bool().Draw(t, "custom")
			case neutral.KindToolResult:
				if turn.Role != neutral.User {
					continue
				}
				b.ID, b.Failed = id.Draw(t, "id"), rapid.Bool().Draw(t, "failed")
				if rapid.Bool().Draw(t, "content") {
					b.Content = []neutral.Block{txt("x"), {Kind: neutral.KindImage, Data: []byte("AAAA")}, {Kind: neutral.KindDocument, Text: "words", Context: "c"}}
				}
			default:
				b.Origin, b.Raw = from, []byte("{}")
			}
			turn.Blocks = append(turn.Blocks, b)
		}
		r.Turns = append(r.Turns, turn)
	}
	for range rapid.IntRange(0, 2).Draw(t, "tools") {
		r.Tools = append(r.Tools, rapid.SampledFrom([]neutral.Tool{
			{Name: "f", Schema: []byte(`{"$schema":"x","type":"object","additionalProperties":false}`), Strict: yes()}, {Name: "g", Custom: true}, {Name: "web_search", Raw: []byte("{}"), Origin: from}, {Name: "bash_20250124", Raw: []byte("{}"), Origin: from},
		}).Draw(t, "tool"))
	}
	r.Choice = rapid.SampledFrom([]neutral.ToolChoice{
		{}, {Mode: neutral.ChoiceAuto}, {Mode: neutral.ChoiceNone}, {Mode: neutral.ChoiceAny}, {Mode: neutral.ChoiceNamed, Names: []string{"f"}}, {Mode: neutral.ChoiceAllow, Names: []string{"f"}}, {Mode: neutral.ChoiceAllow, Names: []string{"f"}, Must: true},
	}).Draw(t, "choice")
	r.Reasoning = neutral.Reasoning{
		Mode: neutral.ReasoningMode(rapid.IntRange(0, 2).Draw(t, "mode")), Effort: rapid.SampledFrom([]string{"", "none", "minimal", "low", "medium", "high", "xhigh", "max"}).Draw(t, "effort"),
		Budget: rapid.Int64Range(0, 60_000).Draw(t, "budget"), Show: rapid.Bool().Draw(t, "show"), Adaptive: rapid.Bool().Draw(t, "adaptive"),
	}
	r.MaxTokens = rapid.SampledFrom([]int64{0, 1, 50, 4000, 64000}).Draw(t, "max")
	r.Format = rapid.SampledFrom([]neutral.Format{{}, {Mode: neutral.FormatJSON}, {Mode: neutral.FormatSchema, Schema: []byte(`{"type":"object"}`)}}).Draw(t, "format")
	r.Stop = rapid.SliceOfN(anyText, 0, 7).Draw(t, "stop")
	r.PresencePenalty = rapid.SampledFrom([][]byte{nil, []byte("0"), []byte("0.0"), []byte("-1.5")}).Draw(t, "penalty")
	r.Tier = rapid.SampledFrom([]string{"", "auto", "default", "scale", "flex"}).Draw(t, "tier")
	return r
}

// Whatever a caller of another dialect asks, the provider takes what is made of it, unless nothing is asked at all.
func TestProviderAcceptsAll(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := drawForeign(rt)
		n := neutral.NewNotes(own, &table)
		body := Dialect{}.EncodeRequest(r, n)
		status, answer := asked(r.Model, body)
		if strings.Contains(answer, "contents is not specified") && strings.Contains(string(body), `"contents":[]`) {
			return
		}
		if status != http.StatusOK || n.Err() != nil {
			rt.Fatalf("%d %s (%v)\nto %s\nfor %s", status, answer, n.Err(), body, dump(r))
		}
	})
}

// A call's signature survives the way through a caller of another dialect: the provider takes it back, and would refuse the
// call with any other.
func TestSignatureSurvives(t *testing.T) {
	r := &neutral.Request{
		Model: "gemini-3-pro", From: domain.DialectAnthropic, Turns: []neutral.Turn{user(txt(`use tool look with {"b":1,"a":"é"} and use tool look`))},
		Tools: []neutral.Tool{{Name: "look"}},
	}
	body, _ := encodeRequest(t, r)
	status, answer := asked(r.Model, body)
	if status != http.StatusOK {
		t.Fatal(answer)
	}
	a, err := Dialect{}.DecodeAnswer([]byte(answer))
	if err != nil || len(a.Blocks) != 2 || a.Finish != neutral.FinishTool || a.Blocks[0].Signature == "" {
		t.Fatalf("%s is %+v (%v)", answer, a, err)
	}
	for want, change := range map[int]func(string) string{200: func(s string) string { return s }, 400: func(s string) string { return s[1:] }} {
		said := []neutral.Block{{Kind: neutral.KindReasoning, Signature: neutral.Seal(own, "", change(a.Blocks[0].Signature)), Origin: domain.DialectAnthropic}}
		heard := []neutral.Block{}
		for _, b := range a.Blocks {
			said = append(said, use(b.ID, b.Name, string(b.Args)))
			heard = append([]neutral.Block{result1(b.ID, txt("seen"))}, heard...)
		}
		next := *r
		next.Turns = append(append([]neutral.Turn{}, r.Turns...), model(said...), user(heard...))
		body, _ := encodeRequest(t, &next)
		if status, answer := asked(r.Model, body); status != want {
			t.Errorf("%d %s, want %d\nto %s", status, answer, want, body)
		}
	}
}
