package neutral

import "strings"

// NoResult is what a call is answered with whose result the conversation does not hold.
const NoResult = "(No result was given.)"

// Pair brings results of tools where every provider wants them: each call is answered in the
// user's turn that follows it, before anything else there. A call without a result gets one
// that says so, a result without a call becomes a text, and instructions between a call and its
// result wait; what is mended is noted. turns are as [Merge] leaves them; they are not changed.
func Pair(turns []Turn, n *Notes) []Turn {
	out := make([]Turn, 0, len(turns)+1)
	var waiting []Turn // instructions after calls that are not answered yet
	var calls []string // of the assistant's turn before
	answer := func(blocks []Block) {
		if blocks = paired(blocks, calls, n); len(blocks) > 0 {
			out = append(out, Turn{Role: User, Blocks: blocks})
		}
		out, waiting, calls = append(out, waiting...), nil, nil
	}
	for _, t := range turns {
		switch {
		case t.Role == System && len(calls) > 0:
			waiting = append(waiting, t)
		case t.Role == System:
			out = append(out, t)
		case t.Role == User:
			name := t.Name
			at := len(out)
			if answer(t.Blocks); at < len(out) {
				out[at].Name = name
			}
		default:
			if len(calls) > 0 || len(waiting) > 0 {
				answer(nil)
			}
			out = append(out, t)
			for i := range t.Blocks {
				if b := &t.Blocks[i]; b.Kind == KindToolUse {
					calls = append(calls, b.ID)
				}
			}
		}
	}
	if len(calls) > 0 || len(waiting) > 0 {
		answer(nil)
	}
	return out
}

// paired orders the blocks of a user's turn that follows the calls.
func paired(blocks []Block, calls []string, n *Notes) []Block {
	if len(calls) == 0 && !HasResult(blocks) {
		return blocks
	}
	results := make([]Block, 0, len(blocks)+len(calls))
	rest := make([]Block, 0, len(blocks))
	open := make(map[string]bool, len(calls))
	for _, id := range calls {
		open[id] = true
	}
	for _, b := range blocks {
		switch {
		case b.Kind != KindToolResult:
			rest = append(rest, b)
		case open[b.ID]:
			delete(open, b.ID)
			results = append(results, b)
		default:
			n.Adapt("messages", "a result that answers no call of the turn before it is given as a text")
			rest = append(rest, Block{Kind: KindText, Text: "Result of " + strings.TrimSpace("the tool "+b.Name) + ":\n" + Words(b.Content, "\n\n")})
		}
	}
	for _, id := range calls {
		if open[id] {
			delete(open, id)
			n.Adapt("messages", "a call without a result is given one that says so")
			results = append(results, Block{Kind: KindToolResult, ID: id, Failed: true, Content: []Block{{Kind: KindText, Text: NoResult}}})
		}
	}
	return append(results, rest...)
}

// HasResult reports whether a tool's result is among the blocks.
func HasResult(blocks []Block) bool {
	for i := range blocks {
		if blocks[i].Kind == KindToolResult {
			return true
		}
	}
	return false
}
