package anthropic

import "strings"

// family is what a model's name says about the requests that the provider takes for it.
// Sources: Anthropic's model migration guide, its pages on adaptive thinking, effort and
// structured outputs, and the tables of its own claude-api skill (all read 2026-11).
type family struct {
	known        bool // a Claude model; other makers serve this protocol too
	line         string
	major, minor int
}

// newest stands for a Claude model whose name holds no version.
const newest = 99

// familyOf reads names such as "claude-3-5-haiku-20241022", "claude-opus-4-1",
// "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic/claude-opus-4.6".
func familyOf(model string) family {
	model = strings.ToLower(model)
	at := strings.LastIndex(model, "claude")
	if at < 0 {
		return family{}
	}
	f := family{known: true, major: -1}
	words := strings.FieldsFunc(model[at+len("claude"):], func(r rune) bool { return strings.ContainsRune("-._:@/", r) })
	for i, w := range words {
		n, ok := small(strings.TrimPrefix(w, "v"))
		switch {
		case !ok && f.line == "" && w[0] >= 'a' && w[0] <= 'z':
			f.line = w
		case ok && f.major < 0:
			f.major = n
			if i+1 < len(words) {
				if m, ok := small(words[i+1]); ok {
					f.minor = m
				}
			}
		}
	}
	if f.major < 0 {
		f.major = newest
	}
	return f
}

// small reads a version's number; a date is none.
func small(w string) (int, bool) {
	if len(w) == 0 || len(w) > 2 {
		return 0, false
	}
	n := 0
	for i := range len(w) {
		if w[i] < '0' || w[i] > '9' {
			return 0, false
		}
		n = n*10 + int(w[i]-'0')
	}
	return n, true
}

func (f family) from(major, minor int) bool {
	return f.known && (f.major > major || f.major == major && f.minor >= minor)
}

// thinks: the model can think. Models of other makers are taken to.
func (f family) thinks() bool { return !f.known || f.from(3, 7) }

// adaptive: thinking {"type":"adaptive"} is known; from 4.7 on it is the only way.
func (f family) adaptive() bool { return f.from(4, 6) }

// always: thinking cannot be turned off; {"type":"disabled"} is a 400.
func (f family) always() bool { return f.line == "fable" || f.line == "mythos" }

// byDefault: without a word about it the model thinks.
func (f family) byDefault() bool { return f.from(5, 0) }

// samples: temperature, top_p and top_k may be set; from 4.7 on that is a 400.
func (f family) samples() bool { return !f.from(4, 7) }

// oneSampler: temperature and top_p may not both be set.
func (f family) oneSampler() bool { return f.from(4, 1) }

// schemas: output_config.format and strict tools are known.
func (f family) schemas() bool {
	return f.from(4, 5) || f.line == "opus" && f.from(4, 1)
}

// effort gives the nearest effort that the model takes in output_config; empty: it takes none.
func (f family) effort(asked string) string {
	if asked == "minimal" {
		asked = "low"
	}
	switch {
	case f.from(4, 7):
		return asked
	case f.from(4, 6): // "xhigh" came with 4.7
		if asked == "xhigh" {
			return "high"
		}
		return asked
	case f.line == "opus" && f.from(4, 5):
		if asked == "xhigh" || asked == "max" {
			return "high"
		}
		return asked
	}
	return ""
}

// maxTokens is what is asked for where the caller states no limit, because the protocol
// needs one: the most that the oldest models write, and what Claude Code asks of the others.
func (f family) maxTokens() int64 {
	switch {
	case !f.known || f.major > 3:
		return 32_000
	case f.from(3, 7):
		return 32_000
	case f.from(3, 5):
		return 8_192
	}
	return 4_096
}
