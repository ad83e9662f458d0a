package neutral_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"turnout/internal/dialect/neutral"
	"turnout/internal/dialect/neutral/neutraltest"
	"turnout/internal/domain"
)

// askedFeatures are the features of requests that every pair has a golden file for, each as it is recognised in what the
// caller's decoder made of the input.
var askedFeatures = map[string]func(r *neutral.Request) bool{
	"text":         holds(func(b *neutral.Block) bool { return b.Kind == neutral.KindText }),
	"instructions": func(r *neutral.Request) bool { return len(r.System) > 0 },
	"image data":   holds(func(b *neutral.Block) bool { return b.Kind == neutral.KindImage && len(b.Data) > 0 }),
	"image by URL": holds(func(b *neutral.Block) bool { return b.Kind == neutral.KindImage && b.URL != "" }),
	"image in a result": holds(func(b *neutral.Block) bool {
		return b.Kind == neutral.KindToolResult && slices.ContainsFunc(b.Content, func(c neutral.Block) bool { return c.Kind == neutral.KindImage })
	}),
	"document data":   holds(func(b *neutral.Block) bool { return b.Kind == neutral.KindDocument && len(b.Data) > 0 }),
	"document by URL": holds(func(b *neutral.Block) bool { return b.Kind == neutral.KindDocument && b.URL != "" }),
	"tools":           func(r *neutral.Request) bool { return len(r.Tools) > 0 && !r.Tools[0].Server() },
	"custom tools":    func(r *neutral.Request) bool { return neutral.CustomTools(r) != nil },
	"provider's tools": func(r *neutral.Request) bool {
		return slices.ContainsFunc(r.Tools, func(t neutral.Tool) bool { return t.Server() })
	},
	"calls":            holds(func(b *neutral.Block) bool { return b.Kind == neutral.KindToolUse }),
	"results":          holds(func(b *neutral.Block) bool { return b.Kind == neutral.KindToolResult && len(b.Content) > 0 }),
	"failed results":   holds(func(b *neutral.Block) bool { return b.Failed }),
	"parallel calls":   parallel,
	"one call at most": func(r *neutral.Request) bool { return r.Parallel != nil && !*r.Parallel },
	"choice: auto":     func(r *neutral.Request) bool { return r.Choice.Mode == neutral.ChoiceAuto },
	"choice: any":      func(r *neutral.Request) bool { return r.Choice.Mode == neutral.ChoiceAny },
	"choice: named": func(r *neutral.Request) bool {
		return r.Choice.Mode == neutral.ChoiceNamed || r.Choice.Mode == neutral.ChoiceAllow && len(r.Choice.Names) == 1
	},
	"choice: allowed":     func(r *neutral.Request) bool { return r.Choice.Mode == neutral.ChoiceAllow },
	"reasoning effort":    func(r *neutral.Request) bool { return r.Reasoning.Effort != "" },
	"reasoning budget":    func(r *neutral.Request) bool { return r.Reasoning.Budget > 0 },
	"reasoning off":       func(r *neutral.Request) bool { return r.Reasoning.Mode == neutral.ReasoningOff },
	"reasoning":           holds(func(b *neutral.Block) bool { return b.Kind == neutral.KindReasoning }),
	"signed reasoning":    holds(func(b *neutral.Block) bool { return b.Signature != "" && b.Origin != domain.DialectNone }),
	"redacted thoughts":   holds(func(b *neutral.Block) bool { return b.Redacted }),
	"answer by schema":    func(r *neutral.Request) bool { return r.Format.Mode == neutral.FormatSchema },
	"JSON mode":           func(r *neutral.Request) bool { return r.Format.Mode == neutral.FormatJSON },
	"stop":                func(r *neutral.Request) bool { return len(r.Stop) > 0 },
	"sampling":            func(r *neutral.Request) bool { return len(r.Temperature) > 0 && len(r.TopP) > 0 },
	"top_k":               func(r *neutral.Request) bool { return len(r.TopK) > 0 },
	"seed, penalties":     func(r *neutral.Request) bool { return len(r.Seed) > 0 && len(r.FrequencyPenalty) > 0 },
	"limit of tokens":     func(r *neutral.Request) bool { return r.MaxTokens > 0 },
	"cache control":       holds(func(b *neutral.Block) bool { return b.Cache != neutral.CacheNone }),
	"cache key":           func(r *neutral.Request) bool { return r.CacheKey != "" },
	"cached content":      asks(neutral.FeatureCachedContent),
	"user":                func(r *neutral.Request) bool { return r.User != "" },
	"citations wanted":    holds(func(b *neutral.Block) bool { return b.Cite }),
	"citations sent back": holds(func(b *neutral.Block) bool { return len(b.Citations) > 0 }),
}

// heardFeatures are those of answers and of streams.
var heardFeatures = map[string]func(a *neutral.Answer) bool{
	"text":             speaks(func(b *neutral.Block) bool { return b.Kind == neutral.KindText && b.Text != "" }),
	"reasoning":        speaks(func(b *neutral.Block) bool { return b.Kind == neutral.KindReasoning && b.Text != "" }),
	"signed reasoning": speaks(func(b *neutral.Block) bool { return b.Signature != "" }),
	"redacted":         speaks(func(b *neutral.Block) bool { return b.Redacted }),
	"call":             speaks(func(b *neutral.Block) bool { return b.Kind == neutral.KindToolUse && len(b.Args) > 0 }),
	"custom call":      speaks(func(b *neutral.Block) bool { return b.Custom }),
	"parallel calls": func(a *neutral.Answer) bool {
		n := 0
		for _, b := range a.Blocks {
			if b.Kind == neutral.KindToolUse {
				n++
			}
		}
		return n > 1
	},
	"citations":         speaks(func(b *neutral.Block) bool { return len(b.Citations) > 0 }),
	"refusal in words":  speaks(func(b *neutral.Block) bool { return b.Kind == neutral.KindRefusal }),
	"usage":             func(a *neutral.Answer) bool { return a.Usage.Input > 0 && a.Usage.Output > 0 },
	"usage: cache read": func(a *neutral.Answer) bool { return a.Usage.CacheRead > 0 },
	"usage: cache writes": func(a *neutral.Answer) bool {
		return a.Usage.CacheWrite5m > 0
	},
	"usage: reasoning":    func(a *neutral.Answer) bool { return a.Usage.Reasoning > 0 },
	"finish: stop":        ends(neutral.FinishStop),
	"finish: length":      ends(neutral.FinishLength),
	"finish: tools":       ends(neutral.FinishTool),
	"finish: refusal":     ends(neutral.FinishRefusal),
	"finish: stop string": ends(neutral.FinishSequence),
}

// unknown are what a dialect has no word for, so that no input of it can hold it.
var unknown = map[domain.Dialect]map[string]bool{
	domain.DialectAnthropic: set("custom tools", "choice: allowed", "seed, penalties", "JSON mode", "cache key", "cached content", "custom call", "refusal in words"),
	domain.DialectOpenAIChat: set("image in a result", "document by URL", "provider's tools", "failed results", "reasoning budget", "reasoning off",
		"redacted thoughts", "top_k", "cache control", "cached content", "citations wanted", "citations sent back", "redacted", "usage: cache writes", "finish: stop string"),
	domain.DialectOpenAIResp: set("failed results", "reasoning budget", "redacted thoughts", "stop", "top_k", "seed, penalties", "cache control", "cached content",
		"citations wanted", "redacted", "usage: cache writes", "finish: stop string"),
	domain.DialectGeminiContent: set("image in a result", "custom tools", "one call at most", "redacted thoughts", "cache control", "cache key", "user",
		"citations wanted", "citations sent back", "custom call", "refusal in words", "redacted", "usage: cache writes", "finish: stop string"),
}

// refusable are the features for which a refusal is what the golden file has to hold.
var refusable = map[domain.Dialect]map[string]bool{
	domain.DialectAnthropic:     set("cached content"),
	domain.DialectOpenAIChat:    set("document by URL", "cached content"),
	domain.DialectOpenAIResp:    set("stop", "cached content"),
	domain.DialectGeminiContent: {},
}

func set(names ...string) map[string]bool {
	out := make(map[string]bool, len(names))
	for _, n := range names {
		out[n] = true
	}
	return out
}

func holds(is func(*neutral.Block) bool) func(*neutral.Request) bool {
	return func(r *neutral.Request) bool {
		if slices.ContainsFunc(r.System, func(b neutral.Block) bool { return is(&b) }) {
			return true
		}
		return slices.ContainsFunc(r.Turns, func(t neutral.Turn) bool {
			return slices.ContainsFunc(t.Blocks, func(b neutral.Block) bool { return is(&b) })
		})
	}
}

func parallel(r *neutral.Request) bool {
	return slices.ContainsFunc(neutral.Merge(r.Turns), func(t neutral.Turn) bool {
		n := 0
		for _, b := range t.Blocks {
			if b.Kind == neutral.KindToolUse {
				n++
			}
		}
		return n > 1
	})
}

func asks(f neutral.Feature) func(*neutral.Request) bool {
	return func(r *neutral.Request) bool {
		return slices.ContainsFunc(r.Asks, func(a neutral.Ask) bool { return a.Feature == f })
	}
}

func speaks(is func(*neutral.Block) bool) func(*neutral.Answer) bool {
	return func(a *neutral.Answer) bool {
		return slices.ContainsFunc(a.Blocks, func(b neutral.Block) bool { return is(&b) })
	}
}

func ends(f neutral.Finish) func(*neutral.Answer) bool {
	return func(a *neutral.Answer) bool { return a.Finish == f }
}

// goldenFeatures are the features that the files of a pair hold, by kind of file ("request: tools"), and the files there should be.
func goldenFeatures(t *testing.T, from, to party) (found map[string]bool, files []string) {
	found = map[string]bool{}
	for name, body := range inputs(t, from, "request.json") {
		files = append(files, name+".request.txt")
		r := from.request(t, body)
		_, refused := from.asks(t, to, name, body)
		for f, is := range askedFeatures {
			if is(r) && (!refused || refusable[to.ID()][f]) {
				found["request: "+f] = true
			}
		}
	}
	hear := func(kind string, a *neutral.Answer) {
		for f, is := range heardFeatures {
			if is(a) {
				found[kind+f] = true
			}
		}
	}
	for name, body := range inputs(t, from, "answer.json") {
		files = append(files, name+".answer.json")
		a, err := from.DecodeAnswer(body)
		if err != nil {
			t.Fatal(err)
		}
		hear("answer: ", a)
	}
	for name, body := range inputs(t, from, "stream.sse") {
		files = append(files, name+".stream.sse")
		_, a, err := neutraltest.Decode(from.NewDecoder(), body)
		if err != nil {
			t.Fatal(err)
		}
		hear("stream: ", a)
	}
	return found, files
}

// Every pair has a golden file for every feature that its caller (or, of answers, its provider) has a word for, and no
// file that nothing makes any more.
func TestGoldenCoverage(t *testing.T) {
	wanted := map[string]string{}
	for f := range askedFeatures {
		wanted["request: "+f] = f
	}
	for f := range heardFeatures {
		wanted["answer: "+f], wanted["stream: "+f] = f, f
	}
	everyPair(t, func(t *testing.T, from, to party, dir string) {
		found, files := goldenFeatures(t, from, to)
		for name, f := range wanted {
			switch no := unknown[from.ID()][f]; {
			case no && found[name]:
				t.Errorf("%s: the table says that %s has no word for it", name, from.ID())
			case !no && !found[name]:
				t.Errorf("%s: no input of %s holds it", name, from.ID())
			}
		}
		var there []string
		entries, err := os.ReadDir(filepath.Join("testdata", dir))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			there = append(there, e.Name())
		}
		if from.ID() != domain.DialectOpenAIResp || to.ID() != domain.DialectOpenAIChat { // whose accounts speak both
			for _, end := range []string{".txt", ".broken.txt"} {
				if _, err := os.Stat(filepath.Join("../../gateway/testdata/errors", filepath.Base(dir)+end)); err != nil {
					t.Errorf("errors: %v", err)
				}
			}
		}
		slices.Sort(files)
		if !slices.Equal(there, files) {
			t.Errorf("there are the files\n%s\nand there should be\n%s", strings.Join(there, " "), strings.Join(files, " "))
		}
	})
}
