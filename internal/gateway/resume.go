package gateway

import (
	"errors"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
	"turnout/internal/failover"
	"turnout/internal/platform"
)

// An answer that breaks after its commit can be gone on with where it is nothing but plain text and its pool wants that
// (docs/failover.md, docs/adr/0015-resume.md): the failover core is asked as if nothing had gone to the caller, and the attempt that
// follows either goes on with the text, where its model is known to do that, or says everything again. What it says is read into the
// neutral form, and what of it the caller has not got yet is written as the rest of the one stream, whoever began it.

// splice is an answer that broke and is to be gone on with. It is set once.
type splice struct {
	from   *attempt // which the caller has got so far
	text   string   // what it has said
	closed bool     // that is all of it
	enc    neutral.Encoder
	plain  bool // a model may be given the text to go on with: the request asks for no thinking and no other form
	ways   domain.Resume
	broke  time.Time
	joined *attempt // which went on with it; nil: none so far

	touched bool               // what writes it has been told more than the caller had got: nobody else can join
	unfit   []domain.AccountID // accounts that cannot go on with it
}

// joint is where an attempt joins an answer that broke.
type joint struct {
	splice *splice
	way    domain.Resume
	row    *platform.Continuation // how the model goes on; nil: it repeats

	left    string // of what the caller has got: what is still to be repeated
	tail    string // white space at its end, which the model was not given
	open    bool   // the caller's text is
	begun   bool   // the attempt's own text has begun, or ended
	inside  bool   // it is open
	hushed  bool   // a block is open that the caller does not get
	half    []byte // the escape of half a character at the end of what has come, whose other half is to follow
	differs bool
}

var errDiffers = errors.New("the answer does not begin with what the caller has got")

// resume decides how a request goes on whose committed answer broke; false: it does not.
func (x *exchange) resume(at *attempt) (d failover.Decision, ok bool) {
	s := at.said
	if !s.usable() {
		return d, false
	}
	sp := x.newSplice(s)
	if sp == nil {
		s.drop()
		return d, false
	}
	s.text = nil // the splice has it; it stays counted as long as that lasts
	x.splice.Store(sp)
	if t := x.target.Load(); t.model == at.target.model {
		x.aim(t)
	} else {
		x.aim(at.target) // the answer is that of an attempt beside
	}
	d = x.afterFailure(at)
	switch d.Action {
	case failover.RetrySame, failover.Switch, failover.Round:
		return d, true
	}
	return d, false
}

// newSplice prepares to go on with an answer; nil: its request is of a kind that cannot be.
func (x *exchange) newSplice(s *said) *splice {
	raw, done := x.body.use()
	if raw == nil {
		return nil
	}
	defer done()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.asked == nil {
		r, err := x.decode(raw)
		if err != nil {
			return nil
		}
		x.asked = r
	}
	for i := range x.asked.Asks {
		switch x.asked.Asks[i].Feature {
		case neutral.FeatureChoices, neutral.FeatureLogprobs, neutral.FeatureOutputAudio, neutral.FeatureOutputImage, neutral.FeatureBackground:
			return nil // the answer is more than one text
		}
	}
	if s.repeats() && s.head.Index > 0 {
		return nil // what stands before the text would have to be said again
	}
	text, ok := dialect.Unquote(s.quoted())
	if !ok || strings.ContainsRune(text, '\uFFFD') {
		return nil // half of a character may have gone
	}
	turns := x.asked.Turns
	return &splice{
		from: s.at, text: text, closed: s.closed, enc: s.encoder(), ways: x.pools[0].resume, broke: time.Now(),
		plain: !s.thought && !s.closed && x.asked.Reasoning.Mode != neutral.ReasoningOn && x.asked.Format.Mode == neutral.FormatText &&
			len(turns) > 0 && turns[len(turns)-1].Role == neutral.User,
	}
}

// join makes an attempt one that goes on with the answer that broke, where one did; false: it cannot.
func (x *exchange) join(at *attempt) bool {
	s := x.splice.Load()
	if s == nil {
		return true
	}
	if kin(at.cand.Sent) != kin(s.from.cand.Sent) {
		return false // another model by the same name
	}
	j := &joint{splice: s, open: !s.closed}
	if s.ways&domain.ResumeContinue != 0 && s.plain {
		j.row = at.plat.Continues(at.cand.Account.BaseURL, at.cand.Sent, at.d.ID())
	}
	text := s.text
	if j.row != nil && j.row.Trim {
		text = strings.TrimRightFunc(text, unicode.IsSpace)
		j.tail = s.text[len(text):]
	}
	switch {
	case j.row != nil && text != "":
		j.way = domain.ResumeContinue
	case s.ways&domain.ResumeRepeat != 0:
		j.repeat()
	default:
		return false
	}
	at.joint = j
	return j.way == domain.ResumeRepeat || x.payload(at, x.g.plain.has(at.cand.ID)) != nil
}

// unfit goes on without an account that cannot go on with the answer that broke.
func (x *exchange) unfit(at *attempt) {
	s := x.splice.Load()
	s.unfit = append(s.unfit, at.cand.ID)
	at.cancel(nil)
	at.cand.ReturnProbe()
	x.giveBack(at.cand)
}

// excluded are the accounts that this request does not ask again; the lock is held.
func (x *exchange) excluded() []domain.AccountID {
	out := x.state.Failed()
	if s := x.splice.Load(); s != nil {
		out = append(out, s.unfit...)
	}
	return out
}

// isUnfit reports whether an account cannot go on with the answer that broke.
func (x *exchange) isUnfit(id domain.AccountID) bool {
	s := x.splice.Load()
	return s != nil && slices.Contains(s.unfit, id)
}

// unjoinable reports whether an attempt that has failed since leaves an answer behind that nobody else can join.
func (x *exchange) unjoinable() bool {
	s := x.splice.Load()
	return s != nil && s.touched && s.joined == nil
}

// repeat makes the attempt say everything again.
func (j *joint) repeat() {
	j.way, j.row, j.left, j.tail = domain.ResumeRepeat, nil, j.splice.text, ""
}

// goingOn is a request with the answer so far behind it; the lock is held.
func (x *exchange) goingOn(at *attempt, k payloadKey) *payload {
	plain := k
	plain.begun = false
	p := x.payloadOf(at, plain)
	if p == nil {
		return nil
	}
	rc, err := p.body.open()
	if err != nil {
		return nil
	}
	raw, err := io.ReadAll(rc)
	_ = rc.Close()
	if err != nil {
		return nil
	}
	j := at.joint
	out, ok := dialect.Begin(raw, strings.TrimSuffix(j.splice.text, j.tail), j.row.Mark)
	b := &body{budget: x.g.deps.Bodies, buf: out}
	if !ok || !b.budget.take(cap(out)) {
		if j.splice.ways&domain.ResumeRepeat == 0 {
			return nil
		}
		j.repeat()
		return p
	}
	x.payloads = append(x.payloads, payload{payloadKey: k, body: b.edit(), own: b, names: p.names, warnings: p.warnings})
	return &x.payloads[len(x.payloads)-1]
}

// add writes what of an event the caller has not got yet.
func (j *joint) add(b []byte, ev *neutral.Event) []byte {
	if j.differs {
		return b
	}
	switch ev.Kind {
	case neutral.Started:
		return b
	case neutral.Opened:
		switch kind := ev.Block.Kind; {
		case kind == neutral.KindText && !j.begun:
			j.begun, j.inside = true, true
			return b
		case kind == neutral.KindReasoning && !j.begun:
			j.hushed = true // the caller is past it
			return b
		}
		b = j.shut(b, ev.Index)
	case neutral.Added:
		if j.hushed {
			return b
		}
		if j.inside && (j.left != "" || j.tail != "" || !j.open || j.half != nil) {
			text := j.rest(ev.Text)
			if text == "" {
				return b
			}
			if !j.open {
				j.differs = true
				return b
			}
			ev = &neutral.Event{Kind: neutral.Added, Index: ev.Index, Text: neutral.Quote(text)}
		}
	case neutral.Signed, neutral.Cited:
		if j.hushed || j.inside && j.left != "" {
			return b
		}
	case neutral.Closed:
		if j.hushed {
			j.hushed = false
			return b
		}
		if j.inside {
			j.inside = false
			return j.shut(b, ev.Index)
		}
	case neutral.Measured, neutral.Finished:
		told := *ev
		told.Usage = j.usage(ev.Usage)
		ev = &told
		if ev.Kind == neutral.Finished {
			b = j.shut(b, ev.Index)
		}
	}
	if j.differs {
		return b
	}
	return j.write(b, ev)
}

// write tells the caller's encoder of an event. What it is told of it keeps, also where it writes nothing for it yet: all but figures, which
// whoever comes next states anew.
func (j *joint) write(b []byte, ev *neutral.Event) []byte {
	j.splice.touched = j.splice.touched || ev.Kind != neutral.Measured
	return j.splice.enc.Append(b, ev)
}

// shut closes the caller's text, which has to be repeated by then.
func (j *joint) shut(b []byte, index int) []byte {
	j.begun = true
	if j.left != "" {
		j.differs = true
	}
	if j.differs || !j.open {
		return b
	}
	if j.half != nil { // nothing follows it
		b = j.write(b, &neutral.Event{Kind: neutral.Added, Index: index, Text: slices.Concat([]byte{'"'}, j.half, []byte{'"'})})
		j.half = nil
	}
	j.open = false
	return j.write(b, &neutral.Event{Kind: neutral.Closed, Index: index})
}

// rest is what of a piece of text the caller has not got.
func (j *joint) rest(quoted []byte) string {
	if j.half != nil && len(quoted) > 2 {
		quoted = slices.Concat(quoted[:1], j.half, quoted[1:])
		j.half = nil
	}
	if n := halfAt(quoted); n > 0 {
		j.half = slices.Clone(quoted[n : len(quoted)-1])
		quoted = append(slices.Clone(quoted[:n]), '"')
	}
	text, ok := dialect.Unquote(quoted)
	switch {
	case !ok:
		j.differs = true
		return ""
	case len(text) < len(j.left):
		if j.differs = !strings.HasPrefix(j.left, text); !j.differs {
			j.left = j.left[len(text):]
		}
		return ""
	case !strings.HasPrefix(text, j.left):
		j.differs = true
		return ""
	}
	text, j.left = text[len(j.left):], ""
	for j.tail != "" && text != "" {
		space, n := utf8.DecodeRuneInString(j.tail)
		if first, _ := utf8.DecodeRuneInString(text); first != space {
			j.tail = ""
			break
		}
		text, j.tail = text[n:], j.tail[n:]
	}
	return text
}

// halfAt is where the escape of the first half of a character begins that ends a JSON string; 0: none does.
func halfAt(quoted []byte) int {
	n := len(quoted) - len(`\ud800"`)
	if n < 1 || quoted[n] != '\\' || quoted[n+1] != 'u' || quoted[n+2]|0x20 != 'd' || !strings.ContainsRune("89abAB", rune(quoted[n+3])) {
		return 0
	}
	escapes := 0
	for i := n - 1; quoted[i] == '\\'; i-- {
		escapes++
	}
	if escapes%2 == 1 {
		return 0 // it is the text of an escape
	}
	return n
}

// kin is a model's name upstream without what differs by who sells it: a vendor before it, the date of its version, and how the version is written.
func kin(model string) string {
	model = strings.ToLower(model[strings.LastIndexByte(model, '/')+1:])
	return strings.ReplaceAll(family(model), ".", "-")
}

// usage is that of the whole answer, as the caller is told and charged: its prompt once, and all that it got. An attempt that
// repeated it has read and written just that. One that went on with it has read the beginning besides: that is the operator's, and what
// the beginning had taken to write is what the second prompt is longer by, where the first attempt broke before it said so.
func (j *joint) usage(u domain.Usage) domain.Usage {
	from := j.splice.from
	first := from.usage
	switch {
	case !u.Reported:
		return first
	case j.way == domain.ResumeRepeat || !first.Reported:
		return u
	}
	all := first
	if longer := u.Prompt() - first.Prompt(); first.Prompt() > 0 && longer > 0 {
		all.Output = max(all.Output, longer)
	} else if n := int64(from.deltas); n > all.Output {
		all.Output, all.Estimated = n, true
	}
	all.Output += u.Output
	all.Reasoning += u.Reasoning
	all.AudioOutput += u.AudioOutput
	all.ImageOutput += u.ImageOutput
	all.Searches += u.Searches
	return all
}

// tokens is about how many tokens of the answer the caller has got: about one in each delta.
func (at *attempt) tokens() int64 {
	n := max(int64(at.deltas), at.text/textToken)
	if at.joint != nil && at.joint.way == domain.ResumeContinue {
		from := at.joint.splice.from
		n += max(int64(from.deltas), from.text/textToken)
	}
	return n
}

// usageOf is what an attempt's answer took, with what another one had begun.
func (at *attempt) usageOf() domain.Usage {
	if at.joint != nil {
		return at.joint.usage(at.usage)
	}
	return at.usage
}

// others charges the operator with what attempts cost that the caller does not pay for.
func (x *exchange) others(final *attempt) {
	paid := [2]*attempt{final}
	var more domain.Usage // of the final one, beyond what the caller pays
	if final != nil && final.joint != nil {
		switch first := final.starts(); {
		case !final.usage.Reported:
			paid[0] = first
		case final.joint.way == domain.ResumeContinue && first.usage.Reported:
			paid[1], more = first, final.usage
			more.Output, more.Reasoning, more.AudioOutput, more.ImageOutput, more.Searches = 0, 0, 0, 0, 0 // it has read the prompt once more
		}
	}
	for _, at := range x.attempts {
		switch {
		case at.result == resultFailed: // charged when it failed
		case at != paid[0] && at != paid[1]:
			x.lost(at)
		case at == final && more.Reported:
			x.holding.Lost(at.cand.Account, at.cand.Sent, more, time.Now())
		}
	}
}

// unresumed is how a request ends whose answer broke and could not be gone on with.
func (x *exchange) unresumed(end *ending) {
	s := x.splice.Load()
	if s == nil {
		return
	}
	var what string
	switch {
	case s.joined != nil:
		what = s.joined.joint.way.String()
	case end.left:
		what = "left"
	default:
		if end.broken == nil {
			*end = x.brokenEnd(s.from)
		}
		what = "failed"
		for _, at := range x.attempts {
			if at.result == resultDiffers {
				what = "differs"
			}
		}
	}
	x.g.deps.Observer.Event(EventResume, what, 1)
}

// brokenEnd is the end of a request whose answer broke.
func (x *exchange) brokenEnd(at *attempt) ending {
	return x.ruled(ending{broken: at, err: x.brokenError(at)}, at.verdict.Class, at)
}

// joining counts an event of an attempt that goes on with an answer, and commits once there is something that the caller has not got.
func (r *relayer) joining(kind dialect.EventKind, now time.Time) (res result, ok bool) {
	h := &r.hold
	h.events++
	if kind == dialect.EventContent && h.first.IsZero() {
		h.first = now
		r.at.firstContent = now.Sub(r.at.began)
		r.patient = r.at.x.alternative(r.at.cand.ID) == nil
	}
	if len(r.conv.out) == 0 && !r.at.joint.splice.touched {
		return 0, true
	}
	return r.commit()
}

// unsaid ends an attempt whose answer cannot be written for the caller.
func (at *attempt) unsaid(err error) result {
	if errors.Is(err, errDiffers) {
		at.fault = err.Error()
		return resultDiffers
	}
	return at.failClass(failover.StreamCut, "stream.untranslatable", err.Error())
}

// starts is the attempt that began the answer of this one.
func (at *attempt) starts() *attempt {
	if at.joint != nil {
		return at.joint.splice.from
	}
	return at
}
