package neutral

import "turnout/internal/dialect"

// A custom tool takes free text. Where a target only knows functions, it stands there as a
// function with one string, and what the model writes into that string is what the caller gets.

// CustomSchema is the JSON schema of the function that stands for a custom tool.
const CustomSchema = `{"type":"object","properties":{"input":{"type":"string","description":"the tool's whole input, as plain text"}},"required":["input"],"additionalProperties":false}`

// WrapInput makes the arguments of the function that stands for a custom tool.
func WrapInput(input string) []byte {
	b := append(make([]byte, 0, len(input)+16), `{"input":`...)
	return append(dialect.AppendString(b, input), '}')
}

// UnwrapInput is the reverse of [WrapInput]. Arguments of another shape are the input
// themselves, because the model wrote them for the tool.
func UnwrapInput(args []byte) string {
	if s, ok := dialect.Unquote(dialect.Member(args, "input")); ok {
		return s
	}
	return string(args)
}

// CustomTools are the names of a request's custom tools; nil: it has none.
func CustomTools(r *Request) map[string]bool {
	var names map[string]bool
	for i := range r.Tools {
		if t := &r.Tools[i]; t.Custom {
			if names == nil {
				names = make(map[string]bool)
			}
			names[t.Name] = true
		}
	}
	return names
}

// RestoreCustom makes calls of functions that stand for custom tools into calls of those,
// for callers that know such tools. The answer's blocks are changed.
func RestoreCustom(a *Answer, custom map[string]bool) {
	for i := range a.Blocks {
		if b := &a.Blocks[i]; custom[b.Name] && b.Kind == KindToolUse && !b.Custom {
			b.Custom, b.Text, b.Args = true, UnwrapInput(b.Args), nil
		}
	}
}

// CustomEncoder wraps an encoder of a dialect that knows custom tools so that calls of
// functions that stand for such tools come out as calls of the tools. The input of such a call comes
// in one piece, because it stands inside another JSON text. Without custom tools it is enc itself.
func CustomEncoder(enc Encoder, custom map[string]bool) Encoder {
	if len(custom) == 0 {
		return enc
	}
	return &customEncoder{Encoder: enc, custom: custom}
}

type customEncoder struct {
	Encoder
	custom map[string]bool
	inside bool
	args   Kept
	err    error
}

// Err implements [Failing].
func (e *customEncoder) Err() error {
	if e.err != nil {
		return e.err
	}
	return Failure(e.Encoder)
}

// Next implements dialect.Counter for an encoder that counts.
func (e *customEncoder) Next() int64 {
	if c, ok := e.Encoder.(dialect.Counter); ok {
		return c.Next()
	}
	return 0
}

func (e *customEncoder) Append(b []byte, ev *Event) []byte {
	switch ev.Kind {
	case Opened:
		e.inside = ev.Block.Kind == KindToolUse && !ev.Block.Custom && e.custom[ev.Block.Name]
		if e.inside {
			e.args.Reset()
			block := *ev.Block
			block.Custom, block.Args = true, nil
			return e.Encoder.Append(b, &Event{Kind: Opened, Index: ev.Index, Block: &block})
		}
	case Added:
		if e.inside {
			if e.args.Add(ev.Text); e.args.Len() > MaxKept {
				e.err = ErrKept
				e.args.Reset()
			}
			return b
		}
	case Closed:
		if e.inside {
			e.inside = false
			if args, ok := dialect.Unquote(e.args.Quoted()); ok && args != "" {
				b = e.Encoder.Append(b, &Event{Kind: Added, Index: ev.Index, Text: Quote(UnwrapInput([]byte(args)))})
			}
			e.args.Reset()
		}
	}
	return e.Encoder.Append(b, ev)
}
