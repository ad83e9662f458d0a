package neutral

// Some providers take an effort and some take a number of tokens to think with. Nobody
// says what one is in the other; these steps are Turnout's, the same for all dialects.

var efforts = []struct {
	name   string
	budget int64 // that stands for the effort
	upTo   int64 // the largest budget that the effort stands for
}{
	{"minimal", 1_024, 1_024},
	{"low", 4_096, 6_000},
	{"medium", 12_288, 16_384},
	{"high", 24_576, 1<<63 - 1},
	{"xhigh", 31_999, 0},
	{"max", 31_999, 0},
}

// BudgetFor is how many tokens an effort stands for; 0 for an unknown one.
func BudgetFor(effort string) int64 {
	for _, e := range efforts {
		if e.name == effort {
			return e.budget
		}
	}
	return 0
}

// EffortFor is the effort that a budget of tokens stands for: "minimal", "low", "medium" or
// "high", never more, because a budget only bounds the thinking.
func EffortFor(budget int64) string {
	for _, e := range efforts {
		if budget <= e.upTo {
			return e.name
		}
	}
	return ""
}
