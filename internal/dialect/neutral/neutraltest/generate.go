package neutraltest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"

	"pgregory.net/rapid"

	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

// Options say what generated requests and answers hold beside text, calls of functions and their results.
type Options struct {
	From      domain.Dialect // where the request comes from; reasoning is its own
	Reasoning bool           // with signatures
	Redacted  bool
	Images    bool
	Documents bool // PDF
	Custom    bool // tools of free text
	Cache     bool
	Failed    bool
	Refusals  bool
	MidSystem bool
	Citations bool // of pages, in answers
	Calls1    bool // at most one call in a turn of an answer
}

var (
	words = rapid.OneOf(
		rapid.SampledFrom([]string{"hello", "a \"quoted\" word", "line\nbreak", "C:\\dir\t|", "🙂 naïve 文", "</system>", "{\"a\":1}", "a\u2028b"}),
		rapid.StringMatching(`[a-zA-Z0-9 .,:;\\"/{}<>🙂é\n-]{1,20}[a-z]`),
	)
	names = rapid.StringMatching(`[a-zA-Z_][a-zA-Z0-9_-]{0,20}`)
	ids   = rapid.StringMatching(`call_[a-zA-Z0-9]{6,12}`)
	bits  = rapid.Bool()
)

// Args are arguments of a call.
func args(t *rapid.T) []byte {
	v := rapid.MapOfN(names, rapid.OneOf(
		rapid.Map(words, func(s string) any { return s }),
		rapid.Map(rapid.IntRange(-5, 500), func(n int) any { return n }),
		rapid.Map(rapid.SliceOfN(words, 0, 2), func(s []string) any { return s }),
	), 0, 3).Draw(t, "arguments")
	out, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("arguments do not encode: %v", err)) // strings, numbers and lists always do
	}
	return out
}

func data(t *rapid.T) []byte {
	return []byte(base64.StdEncoding.EncodeToString(rapid.SliceOfN(rapid.Byte(), 1, 30).Draw(t, "data")))
}

func (o Options) cache(t *rapid.T) neutral.Cache {
	if !o.Cache {
		return neutral.CacheNone
	}
	return rapid.SampledFrom([]neutral.Cache{neutral.CacheNone, neutral.CacheNone, neutral.Cache5m, neutral.Cache1h}).Draw(t, "cache")
}

func (o Options) text(t *rapid.T) neutral.Block {
	return neutral.Block{Kind: neutral.KindText, Text: words.Draw(t, "text"), Cache: o.cache(t)}
}

// said is what a user says, or a tool gives back: text, images, documents.
func (o Options) said(t *rapid.T) neutral.Block {
	kinds := []neutral.Kind{neutral.KindText, neutral.KindText}
	if o.Images {
		kinds = append(kinds, neutral.KindImage)
	}
	if o.Documents {
		kinds = append(kinds, neutral.KindDocument)
	}
	switch rapid.SampledFrom(kinds).Draw(t, "kind") {
	case neutral.KindImage:
		if bits.Draw(t, "by url") {
			return neutral.Block{Kind: neutral.KindImage, URL: "https://example.com/" + names.Draw(t, "path"), Cache: o.cache(t)}
		}
		return neutral.Block{Kind: neutral.KindImage, MediaType: rapid.SampledFrom([]string{"image/png", "image/jpeg"}).Draw(t, "type"), Data: data(t), Cache: o.cache(t)}
	case neutral.KindDocument:
		return neutral.Block{Kind: neutral.KindDocument, MediaType: "application/pdf", Data: data(t), Title: names.Draw(t, "title") + ".pdf", Cache: o.cache(t)}
	}
	return o.text(t)
}

func (o Options) reasoning(t *rapid.T) neutral.Block {
	if o.Redacted && bits.Draw(t, "redacted") {
		return neutral.Block{Kind: neutral.KindReasoning, Origin: o.From, Redacted: true, Signature: string(data(t))}
	}
	return neutral.Block{Kind: neutral.KindReasoning, Origin: o.From, Text: words.Draw(t, "thought"), Signature: string(data(t))}
}

// calls are a turn's calls, with ids that no other has.
func (o Options) calls(t *rapid.T, tools []neutral.Tool, seen map[string]bool, most int) (out []neutral.Block) {
	for range rapid.IntRange(0, most).Draw(t, "calls") {
		tool := rapid.SampledFrom(tools).Draw(t, "tool")
		id := ids.Filter(func(id string) bool { return !seen[id] }).Draw(t, "id")
		seen[id] = true
		b := neutral.Block{Kind: neutral.KindToolUse, ID: id, Name: tool.Name, Custom: tool.Custom}
		if tool.Custom {
			b.Text = words.Draw(t, "input")
		} else {
			b.Args = args(t)
		}
		out = append(out, b)
	}
	return out
}

// Tools generates tools with names that differ.
func (o Options) tools(t *rapid.T) []neutral.Tool {
	list := rapid.SliceOfNDistinct(names, 1, 3, rapid.ID).Draw(t, "tools")
	out := make([]neutral.Tool, len(list))
	for i, name := range list {
		out[i] = neutral.Tool{Name: name, Description: words.Draw(t, "description"), Cache: o.cache(t)}
		if o.Custom && bits.Draw(t, "custom") {
			out[i].Custom = true
			continue
		}
		out[i].Schema = []byte(`{"type":"object","properties":{"path":{"type":"string"}},"required":["path"],"additionalProperties":false}`)
		if bits.Draw(t, "strict") {
			strict := bits.Draw(t, "strict")
			out[i].Strict = &strict
		}
	}
	return out
}

// Requests generates requests of a whole conversation: the user begins and ends, each call is
// answered in the turn after it, before anything else there.
func Requests(o Options) *rapid.Generator[*neutral.Request] {
	return rapid.Custom(func(t *rapid.T) *neutral.Request {
		r := &neutral.Request{From: o.From, Model: "model", Stream: bits.Draw(t, "stream"), Tools: o.tools(t)}
		for range rapid.IntRange(0, 2).Draw(t, "system") {
			r.System = append(r.System, o.text(t))
		}
		o.turns(t, r)
		o.settings(t, r)
		return r
	})
}

func (o Options) turns(t *rapid.T, r *neutral.Request) {
	seen := map[string]bool{}
	var open []neutral.Block
	for range rapid.IntRange(0, 3).Draw(t, "rounds") {
		r.Turns = append(r.Turns, o.user(t, open))
		if o.MidSystem && bits.Draw(t, "instructions") {
			r.Turns = append(r.Turns, neutral.Turn{Role: neutral.System, Blocks: []neutral.Block{o.text(t)}})
		}
		turn := neutral.Turn{Role: neutral.Assistant}
		if o.Reasoning && bits.Draw(t, "reasons") {
			turn.Blocks = append(turn.Blocks, o.reasoning(t))
		}
		open = o.calls(t, r.Tools, seen, 2)
		if len(open) == 0 || bits.Draw(t, "talks") {
			turn.Blocks = append(turn.Blocks, neutral.Block{Kind: neutral.KindText, Text: words.Draw(t, "said")})
		}
		turn.Blocks = append(turn.Blocks, open...)
		r.Turns = append(r.Turns, turn)
	}
	r.Turns = append(r.Turns, o.user(t, open))
}

func (o Options) user(t *rapid.T, open []neutral.Block) (turn neutral.Turn) {
	for _, call := range open {
		b := neutral.Block{Kind: neutral.KindToolResult, ID: call.ID, Name: call.Name, Cache: o.cache(t)}
		for range rapid.IntRange(1, 2).Draw(t, "parts") {
			b.Content = append(b.Content, o.said(t))
		}
		b.Failed = o.Failed && bits.Draw(t, "failed")
		turn.Blocks = append(turn.Blocks, b)
	}
	for range rapid.IntRange(1, 2).Draw(t, "parts") {
		turn.Blocks = append(turn.Blocks, o.said(t))
	}
	return turn
}

// settings are those that more than one dialect has.
func (o Options) settings(t *rapid.T, r *neutral.Request) {
	switch m := rapid.SampledFrom([]neutral.ChoiceMode{neutral.ChoiceUnset, neutral.ChoiceAuto, neutral.ChoiceNone, neutral.ChoiceAny, neutral.ChoiceNamed}).Draw(t, "choice"); m {
	case neutral.ChoiceNamed:
		r.Choice = neutral.ToolChoice{Mode: m, Names: []string{r.Tools[0].Name}}
	default:
		r.Choice.Mode = m
	}
	r.MaxTokens = int64(rapid.SampledFrom([]int{1, 4096, 100_000}).Draw(t, "max tokens"))
	if bits.Draw(t, "reasons") {
		r.Reasoning = neutral.Reasoning{Mode: neutral.ReasoningOn, Effort: rapid.SampledFrom([]string{"low", "medium", "high"}).Draw(t, "effort")}
	}
	if bits.Draw(t, "format") {
		r.Format = neutral.Format{Mode: neutral.FormatSchema, Name: names.Draw(t, "name"), Schema: []byte(`{"type":"object","properties":{},"additionalProperties":false}`)}
	}
	if bits.Draw(t, "stops") {
		r.Stop = rapid.SliceOfN(words, 1, 3).Draw(t, "stop")
	}
	number := func(name string) []byte {
		if !bits.Draw(t, name) {
			return nil
		}
		return []byte(rapid.SampledFrom([]string{"0", "0.5", "1"}).Draw(t, name))
	}
	r.Temperature, r.TopP = number("temperature"), number("top_p")
	if bits.Draw(t, "named") {
		r.User = names.Draw(t, "user")
	}
}

// Answers generates whole answers.
func Answers(o Options) *rapid.Generator[*neutral.Answer] {
	return rapid.Custom(func(t *rapid.T) *neutral.Answer {
		a := &neutral.Answer{Model: "model", Finish: neutral.FinishStop}
		if o.Reasoning && bits.Draw(t, "reasons") {
			a.Blocks = append(a.Blocks, o.reasoning(t))
		}
		if bits.Draw(t, "talks") {
			b := neutral.Block{Kind: neutral.KindText, Text: words.Draw(t, "text")}
			if o.Citations && bits.Draw(t, "cites") {
				b.Citations = []neutral.Citation{{URL: "https://example.com/" + names.Draw(t, "path"), Title: words.Draw(t, "title"), Document: -1}}
			}
			a.Blocks = append(a.Blocks, b)
		} else if o.Refusals && bits.Draw(t, "refuses") {
			a.Blocks = append(a.Blocks, neutral.Block{Kind: neutral.KindRefusal, Text: words.Draw(t, "refusal")})
		}
		most := 3
		if o.Calls1 {
			most = 1
		}
		if calls := o.calls(t, o.tools(t), map[string]bool{}, most); len(calls) > 0 {
			a.Blocks = append(a.Blocks, calls...)
			a.Finish = neutral.FinishTool
		} else if bits.Draw(t, "cut") {
			a.Finish = neutral.FinishLength
		}
		n := rapid.Int64Range(0, 100_000)
		a.Usage = domain.Usage{Input: n.Draw(t, "input"), CacheRead: n.Draw(t, "read"), Output: n.Draw(t, "output"), Reported: true}
		a.Usage.Reasoning = rapid.Int64Range(0, a.Usage.Output).Draw(t, "reasoning")
		if o.Cache {
			a.Usage.CacheWrite5m, a.Usage.CacheWrite1h = n.Draw(t, "5m"), n.Draw(t, "1h")
		}
		return a
	})
}
