package anthropic

import "turnout/internal/dialect/neutral"

// thought is how a request says whether and how the model thinks.
type thought struct {
	typ     string // of thinking: "enabled", "adaptive", "disabled"; empty: nothing is said
	budget  int64
	display string
	effort  string // output_config.effort
	on      bool   // the model will think, said or by itself
}

func (t *thought) write(j *neutral.JSON) {
	if t.typ == "" {
		return
	}
	j.Key("thinking").Open().Member("type", t.typ)
	if t.budget > 0 {
		j.MemberInt("budget_tokens", t.budget)
	}
	if t.display != "" && t.typ != "disabled" {
		j.Member("display", t.display)
	}
	j.Close()
}

// minBudget is the least that the provider takes (extended thinking guide).
const minBudget = 1024

// thinking decides how the reasoning that is asked for is said to this model. It must follow
// conversation and offered, whose results bear on it.
func (e *requestEncoder) thinking() thought {
	want := e.r.Reasoning
	if e.from {
		return e.thinkingAsItCame()
	}
	mode := want.Mode
	if mode == neutral.ReasoningUnset && (want.Effort != "" || want.Budget > 0) {
		mode = neutral.ReasoningOn
	}
	switch {
	case e.forced() && mode != neutral.ReasoningOff:
		// "Thinking may not be enabled when tool_choice forces tool use": a 400, or no call at all.
		if mode == neutral.ReasoningOn {
			e.n.Drop("reasoning", "this provider cannot think before a tool that has to be called")
		}
		if e.f.byDefault() && !e.f.always() {
			return thought{typ: "disabled", effort: e.unthinking(want.Effort)}
		}
		return thought{effort: e.f.effort(want.Effort)}
	case mode == neutral.ReasoningOff:
		return e.thinkingOff()
	case mode == neutral.ReasoningUnset:
		return thought{on: e.f.byDefault()}
	case !e.f.thinks():
		e.n.Drop("reasoning", "this model does not think")
		return thought{}
	}
	t := thought{on: true}
	if e.f.adaptive() {
		t.typ, t.effort = "adaptive", e.effortFor(want)
		if want.Show { // models since 4.7 leave the words out unless told
			t.display = "summarized"
		}
		return t
	}
	return e.thinkingWithBudget(t, want)
}

// effortFor is the effort for a model that thinks adaptively.
func (e *requestEncoder) effortFor(want neutral.Reasoning) string {
	asked := want.Effort
	if asked == "" && want.Budget > 0 {
		asked = neutral.EffortFor(want.Budget)
		if !e.n.Use(neutral.FeatureReasoningBudget, "reasoning budget") {
			return ""
		}
	}
	if asked == "" || !e.n.Use(neutral.FeatureReasoningEffort, "reasoning effort") {
		return ""
	}
	return e.nearest(asked)
}

func (e *requestEncoder) nearest(asked string) string {
	got := e.f.effort(asked)
	if got != asked && got != "" {
		e.n.Adapt("reasoning effort", "this model's nearest effort is "+got)
	}
	return got
}

// unthinking is an effort beside {"type":"disabled"}, which is a 400 above high.
func (e *requestEncoder) unthinking(asked string) string {
	if asked == "xhigh" || asked == "max" {
		asked = "high"
	}
	return e.f.effort(asked)
}

func (e *requestEncoder) thinkingOff() thought {
	switch {
	case e.f.always():
		e.n.Drop("reasoning off", "this model always thinks")
		return thought{on: true}
	case !e.f.thinks():
		return thought{}
	}
	return thought{typ: "disabled", effort: e.unthinking(e.r.Reasoning.Effort)}
}

// thinkingWithBudget is for models before 4.6 and for other makers'.
func (e *requestEncoder) thinkingWithBudget(t thought, want neutral.Reasoning) thought {
	if e.loopWithoutThinking() {
		// "Expected thinking or redacted_thinking, but found tool_use": a 400.
		e.n.Drop("reasoning", "the conversation is amid calls of tools that began without this provider's thinking")
		return thought{effort: e.f.effort(want.Effort)}
	}
	budget := want.Budget
	if budget == 0 {
		if want.Effort != "" {
			if !e.n.Use(neutral.FeatureReasoningEffort, "reasoning effort") {
				return thought{}
			}
			t.effort = e.f.effort(want.Effort)
		}
		if budget = neutral.BudgetFor(want.Effort); budget == 0 {
			budget = neutral.BudgetFor("medium")
		}
	}
	budget = max(budget, minBudget)
	most := e.r.MaxTokens
	if most == 0 {
		most = e.f.maxTokens()
	}
	// The budget is part of max_tokens; a quarter at least is left for the answer.
	if room := most - max(most/4, 1); budget > room {
		if room < minBudget {
			e.n.Drop("reasoning", "max_tokens leaves no room for it")
			return thought{effort: t.effort}
		}
		if want.Budget > 0 && want.Budget >= most {
			e.n.Adapt("reasoning budget", "it has to be smaller than max_tokens")
		}
		if want.Budget == 0 || want.Budget >= most {
			budget = room
		}
	}
	t.typ, t.budget = "enabled", budget
	return t
}

// thinkingAsItCame is for a request of this dialect itself.
func (e *requestEncoder) thinkingAsItCame() thought {
	want := e.r.Reasoning
	t := thought{effort: want.Effort, budget: want.Budget}
	switch {
	case want.Mode == neutral.ReasoningUnset:
	case want.Mode == neutral.ReasoningOff:
		t.typ = "disabled"
	case want.Adaptive:
		t.typ, t.on = "adaptive", true
		if want.Show {
			t.display = "summarized"
		}
	default:
		t.typ, t.on = "enabled", true
		if !want.Show {
			t.display = "omitted"
		}
	}
	return t
}

// forced: the caller insists on a tool.
func (e *requestEncoder) forced() bool {
	switch c := e.r.Choice; c.Mode {
	case neutral.ChoiceAny, neutral.ChoiceNamed:
		return len(e.tools) > 0
	case neutral.ChoiceAllow:
		return c.Must && len(e.tools) > 0
	}
	return false
}

// loopWithoutThinking: the last turn answers tools that an assistant's turn called without
// a thinking block in front.
func (e *requestEncoder) loopWithoutThinking() bool {
	n := len(e.turns)
	if n < 2 || !neutral.HasResult(e.turns[n-1].Blocks) {
		return false
	}
	return e.turns[n-2].Blocks[0].Kind != neutral.KindReasoning
}
