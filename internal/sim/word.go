package sim

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// number says whether a word carries a number.
type number uint8

const (
	noNumber number = iota
	mayNumber
	mustNumber
)

// word is one row of the grammar. Exactly one of set and fault is there.
type word struct {
	name  string
	num   number
	unit  string // of the number, for people
	help  string
	set   func(b *Behaviour, n int)
	fault func(n int) Fault
}

func ms(n int) time.Duration  { return time.Duration(n) * time.Millisecond }
func sec(n int) time.Duration { return time.Duration(n) * time.Second }

func status(code int) func(int) Fault {
	return func(int) Fault { return Fault{Kind: Status, Status: code} }
}

func kind(k FaultKind) func(int) Fault {
	return func(n int) Fault { return Fault{Kind: k, After: n} }
}

// words is the grammar; doc.go repeats it for readers and a test compares them.
var words = []word{
	{name: "n", num: mustNumber, unit: "count", help: "text pieces, each one event and one token (20)", set: func(b *Behaviour, n int) {
		b.Chunks = n
		if n == 0 {
			b.Chunks = -1
		}
	}},
	{name: "d", num: mustNumber, unit: "ms", help: "pause between content events", set: func(b *Behaviour, n int) { b.Delay = ms(n) }},
	{name: "ttft", num: mustNumber, unit: "ms", help: "silence before the status line", set: func(b *Behaviour, n int) { b.FirstByte = ms(n) }},
	{name: "headersthen", num: mustNumber, unit: "ms", help: "headers at once, then silence before the first event", set: func(b *Behaviour, n int) { b.FirstToken = ms(n) }},
	{name: "think", num: mustNumber, unit: "ms", help: "healthy thinking before the text: pings and thinking deltas (Anthropic), silence (OpenAI)", set: func(b *Behaviour, n int) { b.Think = ms(n) }},
	{name: "ping", num: mustNumber, unit: "ms", help: "distance of pings while thinking (15000)", set: func(b *Behaviour, n int) { b.PingEvery = ms(n) }},
	{name: "trickle", num: mayNumber, unit: "bytes", help: "write the body in slices of so many bytes (3)", set: func(b *Behaviour, n int) {
		if n == 0 {
			n = 3
		}
		b.Trickle = n
	}},
	{name: "drip", num: mustNumber, unit: "ms", help: "pause between the slices of a trickle", set: func(b *Behaviour, n int) { b.Drip = ms(n) }},
	{name: "compose", num: mustNumber, unit: "ms", help: "silence between a tool call and its arguments (pings: Anthropic)", set: func(b *Behaviour, n int) { b.Compose = ms(n) }},
	{name: "frag", num: mustNumber, unit: "bytes", help: "tool arguments in pieces of so many bytes (12)", set: func(b *Behaviour, n int) { b.Fragment = n }},
	{name: "args", num: mustNumber, unit: "bytes", help: "tool arguments of at least so many bytes", set: func(b *Behaviour, n int) { b.Arguments = min(n, maxArguments) }},
	{name: "gzip", help: "compress the answer if the request accepts it", set: func(b *Behaviour, _ int) { b.Gzip = true }},
	{name: "unified", num: mayNumber, unit: "%", help: "Anthropic: a subscription's limit headers, so much used (50)", set: func(b *Behaviour, n int) {
		if n == 0 {
			n = 50
		}
		b.Unified = n
	}},
	{name: "refusal", help: "200 with the model's own refusal (stop_reason refusal; message.refusal)", set: func(b *Behaviour, _ int) { b.Refusal = true }},
	{name: "noprefill", help: "400 for a prompt that ends in an assistant's turn", set: func(b *Behaviour, _ int) { b.NoPrefill = true }},
	{name: "goaway", help: "close the connection after the answer (HTTP/2: GOAWAY)", set: func(b *Behaviour, _ int) { b.GoAway = true }},
	{name: "flap", num: mustNumber, unit: "ms", help: "faults on and off by turns, each for so long (503 if no fault is named)", set: func(b *Behaviour, n int) { b.Flap = ms(n) }},
	{name: "down", num: mustNumber, unit: "ms", help: "faults end so long after the first request; a reset that they state is that end", set: func(b *Behaviour, n int) { b.Down = ms(n) }},
	{name: "share", num: mustNumber, unit: "%", help: "faults act on so many of a hundred requests, evenly", set: func(b *Behaviour, n int) { b.Share = min(n, 100) }},
	{name: "after", num: mustNumber, unit: "count", help: "faults begin after so many requests for an answer", set: func(b *Behaviour, n int) { b.Sound = n }},

	{name: "fail", num: mustNumber, unit: "status", help: "this status with the format's own error body", fault: func(n int) Fault { return Fault{Kind: Status, Status: n} }},
	{name: "html", num: mustNumber, unit: "status", help: "this status with an HTML page", fault: func(n int) Fault { return Fault{Kind: Page, Status: n} }},
	{name: "auth401", help: "401, the key is refused", fault: status(401)},
	{name: "perm403", help: "403, the key may not do this", fault: status(403)},
	{name: "overloaded529", help: "529, the provider is overloaded", fault: status(529)},
	{name: "quota", help: "OpenAI 429 insufficient_quota; Anthropic 400, usage limit reached", fault: kind(Quota)},
	{name: "credit", help: "Anthropic 400, credit balance is too low; OpenAI 429 billing_not_active", fault: kind(Credit)},
	{name: "unified5h", num: mayNumber, unit: "s", help: "Anthropic 429, five-hour window used up, reset so far off (7200)", fault: func(n int) Fault { return Fault{Kind: Unified5h, Window: sec(n)} }},
	{name: "unified7d", num: mayNumber, unit: "s", help: "Anthropic 429, seven-day window used up, reset so far off (259200)", fault: func(n int) Fault { return Fault{Kind: Unified7d, Window: sec(n)} }},
	{name: "ctxlen", help: "400, the prompt is too long", fault: kind(ContextLength)},
	{name: "refused", help: "400, the provider refuses the prompt", fault: kind(Refused)},
	{name: "nomodel", help: "404, no such model", fault: kind(NoModel)},
	{name: "reset", help: "connection reset before any header", fault: kind(Reset)},
	{name: "eof", help: "connection closed in order, without an answer", fault: kind(EOF)},
	{name: "hang", help: "the request is read and never answered", fault: kind(Hang)},
	{name: "redirect", help: "307 to /redirected and the asked path", fault: kind(Redirect)},
	{name: "cut", num: mayNumber, unit: "events", help: "connection closed after so many content events (JSON: half way)", fault: kind(Cut)},
	{name: "rst", num: mayNumber, unit: "events", help: "the same with a reset", fault: kind(CutReset)},
	{name: "stall", num: mayNumber, unit: "events", help: "silence after so many content events (JSON: half way)", fault: kind(Stall)},
	{name: "jsonstall", help: "a JSON body stops half way; streams are healthy", fault: kind(JSONStall)},
	{name: "malformed", num: mayNumber, unit: "events", help: "then one content event that is not JSON (a JSON body: half of one)", fault: kind(Malformed)},
	{name: "errevent", num: mayNumber, unit: "events", help: "an error event in a 200 after so many content events, then the end", fault: kind(ErrorEvent)},
	{name: "errstart", help: "an error event in a 200 after the events that begin it, before any content", fault: func(int) Fault { return Fault{Kind: ErrorEvent, Started: true} }},
	{name: "empty", help: "200 without a body or an event", fault: kind(Empty)},
	{name: "nofinish", help: "all content, then an orderly end without finish reason", fault: kind(NoFinish)},
	{name: "nosentinel", help: "finish reason, but no message_stop or [DONE]", fault: kind(NoSentinel)},
	{name: "openend", help: "finish reason, then silence", fault: kind(OpenEnd)},
	{name: "garbage", help: "an event that is not JSON between the content and the finish reason", fault: kind(Garbage)},
	{name: "badgzip", help: "says gzip and is not", fault: kind(BadGzip)},
}

// modifiers of every fault named beside them.
var modifiers = []struct {
	name, unit, help string
	apply            func(f *Fault, n int)
}{
	{"ra", "s", "state retry-after (and agreeing limit headers)", func(f *Fault, n int) { f.RetryAfter = sec(n) }},
	{"ram", "ms", "the same in milliseconds", func(f *Fault, n int) { f.RetryAfter = ms(n) }},
	{"rad", "s", "the same as an HTTP date", func(f *Fault, n int) { f.RetryAfter, f.RetryDate = sec(n), true }},
	{"window", "s", "no retry-after, but limit headers with this reset", func(f *Fault, n int) { f.Window = sec(n) }},
	{"es", "status", "the status whose error an errevent carries", func(f *Fault, n int) {
		if f.Kind == ErrorEvent {
			f.Status = n
		}
	}},
}

// byLength has the longest names first, so that "unified5h60" is not read as
// "unified" with a strange number.
var byLength = func() []word {
	out := slices.Clone(words)
	slices.SortStableFunc(out, func(a, b word) int { return len(b.name) - len(a.name) })
	return out
}()

// Parse reads the dash-separated words of a key or a model's name. What is not a
// word is ignored, because names hold anything; so Parse cannot fail.
func Parse(s string) Behaviour {
	var b Behaviour
	var after []func(*Fault)
	parts := strings.Split(s, "-")
	for i := 0; i < len(parts); i++ {
		if parts[i] == "org" && i+1 < len(parts) {
			i++
			b.Organization = parts[i]
			continue
		}
		if m := parseModifier(parts[i]); m != nil {
			after = append(after, m)
			continue
		}
		for _, w := range byLength {
			if w.parse(&b, parts[i]) {
				break
			}
		}
	}
	if b.Flap > 0 && len(b.Faults) == 0 {
		b.Faults = []Fault{{Kind: Status, Status: 503}}
	}
	for i := range b.Faults {
		for _, m := range after {
			m(&b.Faults[i])
		}
	}
	return b
}

func parseModifier(s string) func(*Fault) {
	for _, m := range modifiers {
		if rest, ok := strings.CutPrefix(s, m.name); ok {
			if n, ok := parseNumber(rest); ok {
				return func(f *Fault) { m.apply(f, n) }
			}
		}
	}
	return nil
}

// parse applies s to b if s is this word.
func (w word) parse(b *Behaviour, s string) bool {
	rest, ok := strings.CutPrefix(s, w.name)
	if !ok {
		return false
	}
	times := 0
	if num, x, found := strings.Cut(rest, "x"); found {
		if w.fault == nil {
			return false
		}
		if times, ok = parseNumber(x); !ok || times == 0 {
			return false
		}
		rest = num
	}
	n := 0
	if rest != "" {
		if n, ok = parseNumber(rest); !ok || w.num == noNumber {
			return false
		}
	} else if w.num == mustNumber {
		return false
	}
	if w.set != nil {
		w.set(b, n)
		return true
	}
	f := w.fault(n)
	if (f.Kind == Status || f.Kind == Page) && (f.Status < 300 || f.Status > 599) {
		return false
	}
	f.Times = times
	b.Faults = append(b.Faults, f)
	return true
}

// parseNumber reads up to nine digits: nothing in the grammar needs more, and so
// nothing overflows.
func parseNumber(s string) (int, bool) {
	if s == "" || len(s) > 9 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}

// WriteWords prints the grammar as a table for people.
func WriteWords(out io.Writer) error {
	tw := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	line := func(form, help string) { _, _ = fmt.Fprintf(tw, "  %s\t%s\n", form, help) } // Flush tells
	line("org-<name>", "key only: the organisation, which shares a prompt cache")
	for _, w := range words {
		line(w.form(), w.help)
	}
	for _, m := range modifiers {
		line(m.name+"<"+m.unit+">", "beside a fault: "+m.help)
	}
	return tw.Flush()
}

func (w word) form() string {
	s := w.name
	switch w.num {
	case mustNumber:
		s += "<" + w.unit + ">"
	case mayNumber:
		s += "[<" + w.unit + ">]"
	case noNumber:
	}
	if w.fault != nil {
		s += "[x<times>]"
	}
	return s
}
