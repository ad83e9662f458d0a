package drill

import (
	"context"
	"slices"
	"strings"

	"turnout/internal/domain"
	"turnout/internal/sim"
)

// Conversations are the rows of the matrix that are no faults: what callers say and hear, and what comes of
// it at an account that may speak another dialect. A row that does not apply says why.
func Conversations() []*Scenario {
	return slices.Concat(talk(), toolTalk(), failures())
}

// The tools of the rows that need some, and what they say.
const (
	find        = "find"
	lookResult  = "Track 3 is free."
	findResult  = "No train is late."
	instruction = "You answer for a railway station."
)

// picture is a PNG of one pixel.
const picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

// models are names as the providers have them, because what may be asked differs by model.
var models = map[domain.Dialect]string{
	domain.DialectAnthropic: "claude-opus-5-5", domain.DialectOpenAIChat: "gpt-5.5",
	domain.DialectOpenAIResp: "gpt-5.5", domain.DialectGeminiContent: "gemini-3-flash-preview",
}

// one is a single account that behaves as the words say.
func one(said string) func(Mode) []Account {
	return func(m Mode) []Account {
		return []Account{{Name: primary, SentAs: models[m.spoken()], Behaviour: words(said)}}
	}
}

// ended are the words of each dialect for why an answer ended.
var ended = map[string]map[domain.Dialect]string{
	"stop": {
		domain.DialectAnthropic: "end_turn", domain.DialectOpenAIChat: "stop", domain.DialectOpenAIResp: "completed", domain.DialectGeminiContent: "STOP",
	},
	"length": {
		domain.DialectAnthropic: "max_tokens", domain.DialectOpenAIChat: "length", domain.DialectOpenAIResp: "max_output_tokens", domain.DialectGeminiContent: "MAX_TOKENS",
	},
	"tool": {
		domain.DialectAnthropic: "tool_use", domain.DialectOpenAIChat: "tool_calls", domain.DialectOpenAIResp: "completed", domain.DialectGeminiContent: "STOP",
	},
}

// ends wants the caller's own word for why an answer ended.
func (j *Judgement) ends(r *Run, a *Answer, why string) {
	want := ended[why][r.Mode.Dialect]
	j.want(a.Finish == want, Fail, "request %d ended with %q, not %q", a.Request, a.Finish, want)
}

// billed wants the figures of an answer to be those that were written down.
func (j *Judgement) billed(r *Run, a *Answer) {
	rec := r.record(a)
	if !j.want(rec != nil && a.Usage != nil, Fail, "request %d: no record, or no figures", a.Request) {
		return
	}
	j.want(int64(a.Usage.Input) == rec.Input && int64(a.Usage.Output) == rec.Output && int64(a.Usage.Cached) == rec.Cached, Fail,
		"request %d: the caller reads %+v, and %d + %d tokens were billed, %d of them cached", a.Request, *a.Usage, rec.Input, rec.Output, rec.Cached)
}

// heard is what the last attempt of a request asked.
func (r *Run) heard(j *Judgement, a *Answer) *heard {
	of := r.of(a.Request)
	if !j.want(len(of) > 0, Fail, "request %d reached nobody", a.Request) {
		return &heard{}
	}
	return hear(r.Mode.spoken(), of[len(of)-1].Body)
}

func talk() []*Scenario {
	return []*Scenario{
		{
			Name: "text", Does: "answers", Must: "instructions, words and the limit of tokens arrive, the answer comes back to the letter, with the reason why it ended",
			Accounts: one(""), Ask: Ask{Context: instruction, Words: "Which track is free?"},
			Judge: func(r *Run, j *Judgement) {
				a := r.only()
				j.whole(a, tokens, Fail)
				j.ends(r, a, "stop")
				h := r.heard(j, a)
				j.want(strings.Contains(h.system, instruction), Fail, "the instructions arrive as %q", h.system)
				j.want(len(h.words) == 1 && h.words[0] == a.Ask.Words, Fail, "the words arrive as %q", h.words)
				j.want(h.most == maxTokens, Fail, "%d tokens are allowed, not %d", h.most, maxTokens)
			},
		},
		{
			Name: "usage", Does: "answers twice", Must: "prompt, cached and written tokens are the provider's, and those that are billed",
			Accounts: one(""), Ask: Ask{Context: strings.Repeat(instruction+" ", 400)},
			Play: twoRequests,
			Judge: func(r *Run, j *Judgement) {
				for _, a := range r.Answers {
					if j.whole(a, tokens, Fail) {
						j.billed(r, a)
					}
				}
				if a := r.Answers[1]; a.Usage != nil && (r.Mode.Dialect == domain.DialectAnthropic || r.Mode.spoken() != domain.DialectAnthropic) {
					// Messages is told what to cache; only its own callers say so.
					j.want(a.Usage.Cached > 0, Fail, "nothing was read from the cache: %+v", *a.Usage)
				}
			},
		},
		{
			Name: "max tokens", Does: "stops at the limit", Must: "the beginning of the text, and the reason",
			Accounts: one(""), Ask: Ask{Max: 30},
			Judge: func(r *Run, j *Judgement) {
				a := r.only()
				j.want(a.Kind == Whole && a.Text != "" && strings.HasPrefix(sim.Text(tokens), a.Text) && len(a.Text) < len(sim.Text(tokens)), Fail, "no beginning of the text: %s", a)
				j.ends(r, a, "length")
			},
		},
		{
			Name: "image", Does: "is shown a picture", Must: "the picture arrives, and the words after it",
			Accounts: one(""), Ask: Ask{Image: picture, Words: "What is this?"},
			Judge: func(r *Run, j *Judgement) {
				a := r.only()
				j.whole(a, tokens, Fail)
				h := r.heard(j, a)
				j.want(len(h.images) == 1 && h.images[0] == picture, Fail, "%d pictures arrive", len(h.images))
				j.want(slices.Contains(h.words, a.Ask.Words), Fail, "the words arrive as %q", h.words)
			},
		},
		{
			Name: "structured output", Does: "is to answer by a schema", Must: "the schema arrives, and an answer that fits it comes back",
			Accounts: one(""), Ask: Ask{Schema: true},
			Judge: func(r *Run, j *Judgement) {
				a := r.only()
				j.want(r.heard(j, a).schema, Fail, "no schema arrives")
				j.want(a.Kind == Whole && parse([]byte(a.Text))["track"] != nil, Fail, "the answer does not fit the schema: %s %q", a, a.Text)
				j.ends(r, a, "stop")
			},
		},
		{
			Name: "refusal", Does: "declines to answer", Must: "its words, and the caller's own word for it",
			Accounts: one("refusal"), Judge: judgeDeclined,
		},
		{
			Name: "reasoning shown", Does: "thinks before it answers", Must: "the caller reads the thoughts, apart from the text, and how many tokens they took",
			Accounts: one(""), Ask: Ask{Effort: "medium"}, Modes: shown,
			Judge: func(r *Run, j *Judgement) {
				a := r.only()
				j.whole(a, tokens, Fail)
				j.want(a.Thinking == sim.Thought, Fail, "the thoughts are %q", a.Thinking)
				j.billed(r, a)
			},
		},
		{
			Name: "reasoning hidden", Does: "thinks before it answers, and nobody is to see it", Must: "no thoughts, the text, and how many tokens they took",
			Accounts: one(""), Ask: Ask{Effort: "medium", Hidden: true},
			Judge: func(r *Run, j *Judgement) {
				a := r.only()
				j.whole(a, tokens, Fail)
				j.want(a.Usage != nil && a.Usage.Output > tokens, Fail, "the thoughts are not among the tokens: %+v", a.Usage)
				if r.Mode.Dialect != domain.DialectOpenAIChat && r.Mode.Dialect != domain.DialectOpenAIResp { // whose callers ask for thoughts, but never for none
					j.want(a.Thinking == "", Fail, "thoughts are shown: %q", a.Thinking)
				}
			},
		},
	}
}

// shown says why the thoughts of an account are not shown to a caller.
func shown(m Mode) string {
	switch {
	case m.spoken() == domain.DialectOpenAIChat:
		return "Completions shows no thoughts"
	case !m.showsThoughts():
		return "a caller of Completions does not ask for thoughts"
	}
	return ""
}

// judgeDeclined wants the refusal of a model, not of the provider.
func judgeDeclined(r *Run, j *Judgement) {
	a := r.only()
	want := []string{r.Mode.caller().declined}
	switch r.Mode.spoken() {
	case domain.DialectOpenAIChat, domain.DialectOpenAIResp:
		// Its own way is a refusal in place of a text, and the usual end.
		want = append(want, ended["stop"][r.Mode.Dialect])
	}
	j.want(a.Kind == Whole && slices.Contains(want, a.Finish), Fail, "not the model's refusal: %s, finish reason %q", a, a.Finish)
	if r.Mode.Dialect != domain.DialectOpenAIResp || a.Text != "" {
		j.want(a.Text+a.Declined == sim.RefusalText, Fail, "its words are %q", a.Text+a.Declined)
	}
}

func toolTalk() []*Scenario {
	called := func(j *Judgement, a *Answer, names ...string) bool {
		var got []string
		for _, t := range a.Tools {
			got = append(got, t.Name)
			j.want(strings.Contains(t.Arguments, `"where"`), Fail, "the arguments of %s are %s", t.Name, t.Arguments)
		}
		return j.want(a.Kind == Whole && slices.Equal(got, names), Fail, "the calls are %v, not %v: %s", got, names, a)
	}
	// again calls tools and then tells what they said.
	again := func(results ...string) func(ctx context.Context, r *Run) {
		return func(ctx context.Context, r *Run) {
			first := r.Send(ctx, &r.Scenario.Ask)
			if len(first.Tools) != len(results) {
				return
			}
			next := r.Scenario.Ask
			next.Before = &Exchange{first, results}
			r.Send(ctx, &next)
		}
	}
	// told wants the calls and their results at the account.
	told := func(r *Run, j *Judgement, names ...string) *heard {
		if !j.want(len(r.Answers) == 2, Fail, "there was nothing to go on with: %s", r.only()) {
			return nil
		}
		last := r.Answers[1]
		j.whole(last, tokens, Fail)
		j.ends(r, last, "stop")
		h := r.heard(j, last)
		if !j.want(len(h.calls) == len(names) && len(h.results) == len(names), Fail, "%d calls and %d results arrive", len(h.calls), len(h.results)) {
			return h
		}
		for i, name := range names {
			j.want(h.calls[i].Name == name && sameJSON([]byte(h.calls[i].Arguments), []byte(r.Answers[0].Tools[i].Arguments)), Fail, "the call arrives as %+v", h.calls[i])
			j.want(h.results[i].ID == h.calls[i].ID, Fail, "the result of %q arrives for %q", h.calls[i].ID, h.results[i].ID)
			j.want(strings.HasPrefix(h.results[i].Arguments, []string{lookResult, findResult}[i]), Fail, "the result arrives as %q", h.results[i].Arguments)
		}
		return h
	}
	return []*Scenario{
		{
			Name: "tool call", Does: "calls a tool", Must: "the tool arrives, its call comes back with name, id and arguments, and the reason why the answer ended",
			Accounts: one(""), Ask: Ask{Tools: []string{look}},
			Judge: func(r *Run, j *Judgement) {
				a := r.only()
				if called(j, a, look) {
					j.ends(r, a, "tool")
				}
				j.want(slices.Equal(r.heard(j, a).tools, []string{look}), Fail, "the tools arrive as %v", r.heard(j, a).tools)
				j.billed(r, a)
			},
		},
		{
			Name: "tool result", Does: "calls a tool, is told what it said, and answers", Must: "call and result arrive, under one id, and the answer comes back",
			Accounts: one(""), Ask: Ask{Tools: []string{look}}, Play: again(lookResult),
			Judge: func(r *Run, j *Judgement) {
				called(j, r.Answers[0], look)
				told(r, j, look)
			},
		},
		{
			Name: "parallel tools", Does: "calls two tools at once, is told what they said, and answers", Must: "both calls and results arrive, in order, each under its own id",
			Accounts: one(""), Ask: Ask{Tools: []string{look, find}}, Play: again(lookResult, findResult),
			Judge: func(r *Run, j *Judgement) {
				called(j, r.Answers[0], look, find)
				told(r, j, look, find)
			},
		},
		{
			Name: "reasoning sent back", Does: "thinks, calls a tool, is told what it said, and answers", Must: "its own signature comes back to it, unchanged",
			Accounts: one(""), Ask: Ask{Tools: []string{look}, Effort: "medium"}, Play: again(lookResult), Modes: signed,
			Judge: func(r *Run, j *Judgement) {
				called(j, r.Answers[0], look)
				if h := told(r, j, look); h != nil {
					j.want(len(h.signatures) == 1 && len(h.signatures[0]) > 40 && !strings.Contains(h.signatures[0], "turnout"), Fail, "the signatures that come back are %q", h.signatures)
				}
			},
		},
	}
}

// signed says why no signature of an account comes back to it.
func signed(m Mode) string {
	switch {
	case m.spoken() == domain.DialectOpenAIChat:
		return "Completions signs no reasoning"
	case m.Dialect == domain.DialectOpenAIChat && m.spoken() != domain.DialectGeminiContent:
		return "Completions has no place for a signature"
	}
	return ""
}

func failures() []*Scenario {
	// own is an account of the caller's dialect, before one of the mode's.
	own := func(said string) func(Mode) []Account {
		return func(m Mode) []Account {
			return []Account{
				{Name: primary, Dialect: m.Dialect, SentAs: models[m.Dialect], Behaviour: words(said)},
				{Name: fallback, SentAs: models[m.spoken()], Behaviour: words("")},
			}
		}
	}
	abroad := func(m Mode) string {
		if !m.translated() {
			return "there is no other dialect"
		}
		return ""
	}
	byF := func(r *Run, j *Judgement) {
		if j.whole(r.only(), tokens, Fail) {
			j.ends(r, r.only(), "stop")
			j.attempts(r, primary, 1, 2)
			j.attempts(r, fallback, 1, 1)
			j.billed(r, r.only())
		}
	}
	// refusal wants an error before anything else, with a status and some of the words.
	refusal := func(status int, said func(m Mode) []string) func(*Run, *Judgement) {
		return func(r *Run, j *Judgement) {
			a := r.only()
			j.want(a.Kind == Refusal && a.Status == status && !a.InBand, Fail, "no error with the status %d: %s", status, a)
			for _, words := range said(r.Mode) {
				j.want(strings.Contains(a.Error, words), Fail, "the error lacks %q: %s", words, a.Error)
			}
			j.attempts(r, primary, 1, 1)
		}
	}
	// kinds are how each dialect names what is wrong.
	kinds := func(names map[domain.Dialect]string) func(m Mode) []string {
		return func(m Mode) []string { return []string{names[m.Dialect]} }
	}
	invalid := map[domain.Dialect]string{
		domain.DialectAnthropic: "invalid_request_error", domain.DialectOpenAIChat: "invalid_request_error", domain.DialectOpenAIResp: "invalid_request_error", domain.DialectGeminiContent: "INVALID_ARGUMENT",
	}
	list := []*Scenario{
		{
			Name: "error: bad request", Does: "400", Must: "a 400 in the caller's shape",
			Accounts: one("fail400"), Judge: refusal(400, kinds(invalid)),
		},
		{
			Name: "error: no such model", Does: "404", Must: "a 404 in the caller's shape",
			Accounts: one("nomodel"), Judge: refusal(404, kinds(map[domain.Dialect]string{
				domain.DialectAnthropic: "not_found_error", domain.DialectOpenAIChat: "model_not_found", domain.DialectOpenAIResp: "model_not_found", domain.DialectGeminiContent: "NOT_FOUND",
			})),
		},
		{
			Name: "error: context too long", Does: "400, the prompt is too long", Must: "a 400 in the caller's shape, with the provider's words and those by which the caller's own clients know it",
			Accounts: one("ctxlen"), Judge: refusal(400, func(m Mode) []string {
				own := map[domain.Dialect]string{
					domain.DialectAnthropic: "prompt is too long", domain.DialectOpenAIChat: "context_length_exceeded", domain.DialectOpenAIResp: "context_length_exceeded", domain.DialectGeminiContent: "INVALID_ARGUMENT",
				}
				return []string{own[m.Dialect], m.provider().tooLong}
			}),
		},
		{
			Name: "error: limited", Does: "429 with 120 s to go", Must: "a 429 in the caller's shape, with a true Retry-After",
			Accounts: one("fail429-ra120"), Judge: func(r *Run, j *Judgement) {
				refusal(429, kinds(map[domain.Dialect]string{
					domain.DialectAnthropic: "rate_limit_error", domain.DialectOpenAIChat: "rate_limit", domain.DialectOpenAIResp: "rate_limit", domain.DialectGeminiContent: "RESOURCE_EXHAUSTED",
				}))(r, j)
				j.want(r.only().RetryAfter == "120", Fail, "Retry-After is %q", r.only().RetryAfter)
				if r.Mode.Dialect == domain.DialectGeminiContent {
					j.want(r.only().RetryInfo == "120s", Fail, "RetryInfo is %q", r.only().RetryInfo)
				}
			},
		},
		{
			Name: "fail over", Does: "503, and F answers", Must: "F's answer",
			Accounts: func(m Mode) []Account {
				return []Account{{Name: primary, SentAs: models[m.spoken()], Behaviour: words("fail503")}, {Name: fallback, SentAs: models[m.spoken()], Behaviour: words("")}}
			},
			Judge: byF,
		},
		{
			Name: "fail over abroad", Does: "speaks the caller's dialect and says 503; F speaks the other one", Must: "F's answer, in the caller's dialect",
			Accounts: own("fail503"), Modes: abroad, Judge: byF,
		},
		{
			Name: "fail over abroad, amid a stream", Does: "speaks the caller's dialect and breaks off before any content; F speaks the other one", Must: "F's answer, in the caller's dialect, and nothing of P's",
			Accounts: own("errstart-es503"), Judge: byF,
			Modes: func(m Mode) string {
				if !m.Stream {
					return "of streams"
				}
				return abroad(m)
			},
		},
	}
	for _, l := range leavers() {
		switch l.Name {
		case "leave-before":
			l.Name = "cancel"
		case "leave-mid-stream":
			l.Name = "cancel, amid a stream"
		default:
			continue
		}
		list = append(list, l)
	}
	return list
}
