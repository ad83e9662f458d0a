package gateway

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
	"turnout/internal/platform"
	"turnout/internal/sched"
)

// warningHeader says what of a request could not be put into the dialect of the account that
// answered, one header for each thing.
const warningHeader = "X-Turnout-Warning"

// mutes are the dialects that a request cannot be put into, as bits. A request for a
// further path of its dialect cannot be put into any.
type mutes uint8

const everyDialect mutes = 0xff

func (m mutes) has(d domain.Dialect) bool { return m>>d&1 == 1 }

// offer is how an account takes the requests of a dialect: as they are, or translated
// into the dialect that its platform names first; foreign says which.
func offer(p *platform.Platform, d domain.Dialect, path string, mute mutes) (o platform.Offer, speech sched.Speech) {
	if o, ok := p.Offer(d); ok {
		if _, serves := o.Others[path]; path == "" || serves {
			return o, sched.Native
		}
		return o, sched.Mute
	}
	if path != "" {
		return o, sched.Mute
	}
	for _, o := range p.Offers {
		if _, ok := o.Dialect.(neutral.Codec); ok && !mute.has(o.Dialect.ID()) {
			return o, sched.Abroad
		}
	}
	return o, sched.Mute
}

// translatable makes the payload for a candidate of another dialect, before an attempt is
// counted. false: the request cannot be put into that dialect, and the request goes on without
// the accounts that speak it.
func (x *exchange) translatable(c *sched.Candidate) bool {
	if !c.Foreign {
		return true
	}
	o, speech := offer(x.platformOf(c), x.d.ID(), x.path, x.mute)
	if speech == sched.Mute {
		return false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	codec := o.Dialect.(neutral.Codec)
	k := x.payloadFor(c, false, x.readingOf(c, o.Dialect), o.Dialect)
	if x.prepared(k) != nil {
		return true
	}
	_, err := x.translate(c, k, codec)
	if err == nil {
		return true
	}
	if x.unsaid == nil {
		x.unsaid = err
	}
	return false
}

// mutely goes on without the accounts that speak a dialect.
func (x *exchange) mutely(c *sched.Candidate) {
	o, _ := offer(x.platformOf(c), x.d.ID(), x.path, x.mute)
	c.ReturnProbe()
	x.giveBack(c)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.mute |= 1 << o.Dialect.ID()
	x.aimAgain()
}

// aimAgain works out anew who may serve; the lock is held.
func (x *exchange) aimAgain() {
	targets := *x.targets.Load()
	again := make([]*target, len(targets))
	now := x.target.Load()
	for i, t := range targets {
		again[i] = &target{model: t.model, fallback: t.fallback, views: x.viewsOf(t.model)}
		if t == now {
			x.target.Store(again[i])
		}
	}
	x.targets.Store(&again)
}

// viewsOf are the accounts that may serve a model, pool by pool of the key.
func (x *exchange) viewsOf(model string) (views []*sched.View) {
	for _, name := range x.key.Pools {
		if p := x.snap.pools[name]; p != nil && p.Enabled && !x.admission.bars(name) {
			if v := x.snap.view(p, x.viewAsk(model), x.key); len(v.Candidates) > 0 {
				views = append(views, v)
			}
		}
	}
	return views
}

func (x *exchange) viewAsk(model string) viewAsk {
	return viewAsk{model, x.d.ID(), x.path, x.mute, x.only}
}

// unspeakable is the error of a request that no account's dialect can express.
func (x *exchange) unspeakable() *domain.Error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.unsaid
}

// translate puts the request into another dialect; the lock is held. A nil payload without an
// error: the body has been let go.
func (x *exchange) translate(c *sched.Candidate, k payloadKey, to neutral.Codec) (*payload, *domain.Error) {
	raw, done := x.body.use()
	if raw == nil {
		return nil, nil
	}
	defer done()
	if x.asked == nil {
		r, err := x.decode(raw)
		if err != nil {
			return nil, err
		}
		x.asked = r
	}
	r := *x.asked
	r.Model = k.sent
	r.PlainUsage = k.plain
	left, unread := &r, false
	if k.reader != 0 {
		x.unreadable(c, k.dialect, k.how, func(is func(string) bool) { left, unread = neutral.Unsealed(&r, to.ID(), is) })
	}
	fitted, names := neutral.FitNames(left, to.ID())
	notes := neutral.NewNotes(to.ID(), to.Table())
	out := to.EncodeRequest(fitted, notes)
	if err := notes.Err(); err != nil {
		return nil, asError(err)
	}
	b := &body{budget: x.g.deps.Bodies, buf: out}
	if !b.budget.take(cap(out)) {
		return nil, &domain.Error{Kind: domain.KindUnavailable, Op: "translate the request", Message: "too many large requests at once; try again in a moment", RetryAfter: time.Second}
	}
	warnings := notes.Warnings()
	if unread {
		warnings = append(warnings, warnOf(to.ID()))
	}
	x.payloads = append(x.payloads, payload{payloadKey: k, body: b.edit(), own: b, names: names, warnings: warnings})
	return &x.payloads[len(x.payloads)-1], nil
}

// decode reads the request into the neutral form; it points into raw.
func (x *exchange) decode(raw []byte) (*neutral.Request, *domain.Error) {
	const op = "translate the request"
	codec, ok := x.d.(neutral.Codec)
	if !ok {
		return nil, domain.Errorf(domain.KindNotFound, op, "requests of the protocol %s cannot be translated", x.d.ID())
	}
	if !json.Valid(raw) {
		return nil, domain.Errorf(domain.KindInvalid, op, "the request body is not valid JSON")
	}
	r, err := codec.DecodeRequest(raw, x.at)
	if err != nil {
		return nil, asError(err)
	}
	r.Size = len(raw)
	return r, nil
}

// describesProtocol are the beginnings of a caller's headers that mean something in its own
// dialect only.
var describesProtocol = []string{"Anthropic-", "Openai-", "X-Goog-", "X-Stainless-"}

// foreignHeader is the caller's header as an account of another dialect gets it.
func (x *exchange) foreignHeader(o *platform.Offer) http.Header {
	out := make(http.Header, len(x.header)+1)
next:
	for k, v := range x.header {
		for _, p := range describesProtocol {
			if strings.HasPrefix(k, p) {
				continue next
			}
		}
		out[k] = v
	}
	for k, v := range o.Header {
		out[k] = v
	}
	out["Accept"] = []string{"application/json"}
	if x.req.Stream {
		out["Accept"] = []string{eventStream}
	}
	return out
}

// session is what the encoder of an answer needs to know.
func (at *attempt) session() *neutral.Session {
	return &neutral.Session{Request: at.x.asked, RequestID: at.x.id.String(), Model: at.cand.Sent, Now: time.Now().Unix()}
}

// wholly translates a JSON answer for the caller: into a JSON answer, or into the events of
// a stream where the caller wants one and the upstream gave none.
func (at *attempt) wholly(answer []byte) (out []byte, err error) {
	raw, done := at.x.body.use()
	if raw == nil {
		return nil, errLost
	}
	defer done()
	to := at.x.d.(neutral.Codec)
	a, err := at.codec.DecodeAnswer(answer)
	if err != nil {
		return nil, err
	}
	for i := range a.Blocks {
		at.names.Restore(&a.Blocks[i])
	}
	if !at.x.req.Stream {
		return to.EncodeAnswer(a, at.session()), nil
	}
	enc := to.NewEncoder(at.session())
	neutral.Replay(a, func(ev *neutral.Event) { out = enc.Append(out, ev) })
	return out, neutral.Failure(enc)
}

// conversion translates one stream, event by event.
type conversion struct {
	dec  neutral.Decoder
	enc  neutral.Encoder
	emit func(*neutral.Event)
	ping []byte
	out  []byte // what is ready to go to the caller
	// joint is where it goes on with another stream; nil: it begins one.
	joint *joint
}

// newConversion begins one; nil: the body has been let go, and the attempt is lost.
//
//go:noinline
func newConversion(at *attempt) *conversion {
	if at.joint != nil {
		return newJoining(at)
	}
	raw, done := at.x.body.use()
	if raw == nil {
		return nil
	}
	defer done()
	c := &conversion{dec: at.codec.NewDecoder(), enc: at.x.d.(neutral.Codec).NewEncoder(at.session()), ping: at.x.d.KeepAlive()}
	c.emit = func(ev *neutral.Event) {
		if ev.Kind == neutral.Opened {
			at.names.Restore(ev.Block)
		}
		c.out = c.enc.Append(c.out, ev)
	}
	if s := at.said; s != nil {
		s.enc = c.enc
		write := c.emit
		c.emit = func(ev *neutral.Event) { s.tell(ev); write(ev) }
	}
	return c
}

// newJoining is the conversion of a stream that goes on with another one.
func newJoining(at *attempt) *conversion {
	c := &conversion{dec: at.d.(neutral.Codec).NewDecoder(), enc: at.joint.splice.enc, joint: at.joint, ping: at.x.d.KeepAlive()}
	c.emit = func(ev *neutral.Event) {
		if ev.Kind == neutral.Opened && at.codec != nil {
			at.names.Restore(ev.Block)
		}
		c.out = c.joint.add(c.out, ev)
	}
	return c
}

// event translates one event of the upstream.
func (c *conversion) event(raw []byte, kind dialect.EventKind) error {
	if kind == dialect.EventPing {
		c.out = append(c.out, c.ping...)
		return nil
	}
	if err := c.dec.Event(raw, c.emit); err != nil {
		return err
	}
	return c.failure()
}

func (c *conversion) failure() error {
	if c.joint != nil && c.joint.differs {
		return errDiffers
	}
	return neutral.Failure(c.enc)
}

// close adds what ends the caller's stream, where the upstream's ended without saying so.
func (c *conversion) close() error {
	c.dec.Close(c.emit)
	return c.failure()
}

// take gives what is ready. It is good until the next event.
func (c *conversion) take() []byte {
	out := c.out
	c.out = c.out[:0]
	return out
}
