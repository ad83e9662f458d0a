package sim

import "encoding/json"

// ask is what both formats' requests have in common: what the answer depends on.
type ask struct {
	model        string
	stream       bool
	includeUsage bool // OpenAI: stream_options.include_usage
	obfuscate    bool // OpenAI: stream_options.include_obfuscation, true unless it is switched off

	think        bool // a thinking block (Anthropic) or reasoning tokens (OpenAI) are wanted
	hideThinking bool // the thoughts are counted and not shown (thinking.display omitted; every Chat Completion)
	maxTokens    int  // 0: no limit

	schema     json.RawMessage // of the answer, which is then JSON; nil: text
	offers     []toolOffer
	forcedTool string
	lastText   string // text of the last message, if it is the user's own; empty after a tool's result
	prefill    bool   // the last message is the assistant's

	responses *responsesAsk // of a Responses request

	blocks       []block // Anthropic: the prompt as its cache sees it
	prompt       []byte  // OpenAI: the same
	promptTokens int
}

// answer is what will be said, before it takes a format's shape.
type answer struct {
	ask          *ask
	b            Behaviour
	name         string // of the provider, for ids
	seq          int    // of the answer, for ids
	made         int64  // Unix seconds
	organization string // Responses: whom encrypted reasoning is for
	cache        cacheUse

	thoughts []string // pieces of the thinking block
	text     []string
	calls    []toolCall
	refusal  bool
	full     bool // max tokens ended it
	noFinish bool // the finish reason is withheld
}

// newAnswer plans the answer to q. f is the fault that it will suffer: a fault
// after so many content events needs an answer that has more of them.
func newAnswer(q *ask, b Behaviour, f Fault) *answer {
	a := &answer{ask: q, b: b, noFinish: f.Kind == NoFinish}
	if q.think {
		a.thoughts = thoughts
	}
	if b.Refusal {
		a.refusal, a.text = true, []string{RefusalText}
		return a
	}
	if a.calls = chooseTools(q.offers, q.forcedTool, q.lastText); len(a.calls) > 0 {
		for i, c := range a.calls {
			a.calls[i] = c.padded(b.Arguments)
		}
		return a
	}
	if len(q.schema) > 0 {
		a.text = fragments(sampleArguments(q.schema), defaultFragment)
		return a
	}
	n := b.Chunks
	if n == 0 {
		n = max(DefaultChunks, f.After+1)
	}
	if q.maxTokens > 0 && len(a.thoughts)+n > q.maxTokens { // reasoning counts, as with both providers
		a.full = true
		a.thoughts = a.thoughts[:min(len(a.thoughts), q.maxTokens)]
		n = q.maxTokens - len(a.thoughts)
	}
	a.text = pieces(n)
	return a
}

// thinkTokens and outputTokens are the figures that the answer's usage states:
// one token a piece, arguments and refusals by their size.
func (a *answer) thinkTokens() int { return len(a.thoughts) }

func (a *answer) outputTokens() int {
	n := a.thinkTokens()
	if a.refusal {
		return n + tokens(len(RefusalText))
	}
	for _, c := range a.calls {
		n += tokens(len(c.name)) + tokens(len(c.args))
	}
	return n + len(a.text)
}

// contentEvents is how many content events a stream of the answer has.
func (a *answer) contentEvents() int {
	n := len(a.text)
	if !a.ask.hideThinking {
		n += len(a.thoughts)
	}
	for _, c := range a.calls {
		n += len(c.fragments(a.b.Fragment))
	}
	return n
}
