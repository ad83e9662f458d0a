package neutral

// Replay tells a whole answer as the events of a stream, for a caller that asked for a
// stream and an upstream that gave none.
func Replay(a *Answer, emit func(*Event)) {
	emit(&Event{Kind: Started, ID: a.ID, Model: a.Model, Created: a.Created, Usage: a.Usage, Tier: a.Tier})
	for i := range a.Blocks {
		full := &a.Blocks[i]
		head := *full
		head.Text, head.Args, head.Signature, head.Citations = "", nil, "", nil
		if full.Redacted || full.Kind == KindOpaque {
			head.Signature = full.Signature
		}
		emit(&Event{Kind: Opened, Index: i, Block: &head})
		sign := full.Signature != "" && !full.Redacted && full.Kind != KindOpaque
		if sign && full.Kind == KindToolUse {
			emit(&Event{Kind: Signed, Index: i, Signature: full.Signature})
			sign = false
		}
		switch {
		case full.Kind == KindToolUse && !full.Custom:
			if len(full.Args) > 0 {
				emit(&Event{Kind: Added, Index: i, Text: Quote(string(full.Args))})
			}
		case full.Text != "":
			emit(&Event{Kind: Added, Index: i, Text: Quote(full.Text)})
		}
		for c := range full.Citations {
			emit(&Event{Kind: Cited, Index: i, Citation: &full.Citations[c]})
		}
		if sign {
			emit(&Event{Kind: Signed, Index: i, Signature: full.Signature})
		}
		emit(&Event{Kind: Closed, Index: i})
	}
	emit(&Event{Kind: Finished, Finish: a.Finish, Stopped: a.Stopped, Usage: a.Usage})
	emit(&Event{Kind: Ended})
}

// Gather is the reverse of [Replay]: it builds a whole answer from the events of a stream.
// The zero Gather is ready for use.
type Gather struct {
	Answer Answer
	kept   Kept
}

// Add takes an event in.
func (g *Gather) Add(ev *Event, unquote func([]byte) string) {
	a := &g.Answer
	switch ev.Kind {
	case Started:
		a.ID, a.Model, a.Created, a.Tier, a.Usage = ev.ID, ev.Model, ev.Created, ev.Tier, ev.Usage
	case Opened:
		a.Blocks = append(a.Blocks, *ev.Block)
		g.kept.Reset()
	case Added:
		g.kept.Add(ev.Text)
	case Signed:
		a.Blocks[ev.Index].Signature = ev.Signature
	case Cited:
		a.Blocks[ev.Index].Citations = append(a.Blocks[ev.Index].Citations, *ev.Citation)
	case Closed:
		b := &a.Blocks[ev.Index]
		if g.kept.Len() > 0 {
			if text := unquote(g.kept.Quoted()); b.Kind == KindToolUse && !b.Custom {
				b.Args = []byte(text)
			} else {
				b.Text = text
			}
		}
	case Measured:
		a.Usage = ev.Usage
	case Finished:
		a.Finish, a.Stopped, a.Usage = ev.Finish, ev.Stopped, ev.Usage
	}
}
