package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
	"turnout/internal/failover"
	"turnout/internal/platform"
	"turnout/internal/sched"
	"turnout/internal/upstream"
)

// result is how an attempt ended.
type result uint8

const (
	resultFailed  result = iota // nothing of it was answered: the failover core decides
	resultServed                // the caller has the whole answer
	resultBroken                // it failed after the commit: the caller was told so in the stream
	resultLost                  // another attempt of the request was faster
	resultLeft                  // the caller left
	resultDiffers               // it was to go on with an answer that broke, and says something else
)

// attempt is one try at one account. Its fields belong to the goroutine that runs it
// until it has returned.
type attempt struct {
	x      *exchange
	n      int
	cand   *sched.Candidate
	plat   *platform.Platform
	choice sched.Decision
	retry  bool // asks the same provider again because of a fault of its own
	beside bool
	target *target // the model that it is made for
	offer  platform.Offer
	d      dialect.Dialect // the account's
	codec  neutral.Codec   // of it, where it is not the caller's; nil: nothing is translated
	how    reading         // which reasoning that only some accounts can read goes along
	names  neutral.Names
	// warnings say what of the request could not be translated.
	warnings []string
	probe    bool // finds out whether the account is back from a rest
	asks     bool // it has the right to probe, or to ask before a rest's end
	alone    bool // a lack of capacity that only this account has reported so far

	said  *said  // what the caller gets of it, should it have to be gone on with; nil: it is not followed
	joint *joint // where it joins an answer that broke; nil: it begins one

	onStart func() // once the watch runs
	ctx     context.Context
	cancel  context.CancelCauseFunc
	watch   *upstream.Watch
	limits  limits
	learn   learnKey

	began      time.Time
	firstByte  time.Duration // until the answer's header; 0: never
	firstToken time.Duration // until the commit; 0: never
	// firstContent is until the first content of a stream arrived, which may be held back; 0: never.
	firstContent time.Duration
	heldBound    string // what ended a hold before its commit point was reached
	took         time.Duration
	status       int
	requestID    string // the upstream's own
	owned        string // the answer's id, once it is remembered
	answerID     string // of the answer, where its dialect keeps answers
	nextEvent    int64  // the number that the caller's stream has come to, where its protocol counts
	usage        domain.Usage
	doubted      bool // what the upstream stated of it was not believed
	events       int
	deltas       int         // of them, those with content
	text         int64       // bytes of what the model has written, as far as the answer was read for it
	finishing    atomic.Bool // a stream's finish has gone to the caller, and its usage may be still to come
	result       result
	verdict      platform.Verdict // of a failure
	fault        string           // a connection's failure, for logs
	header       http.Header      // of a failure at the caller's own seat
	body         []byte           // of a failure: a JSON object that may be passed on as it came
	decision     failover.Decision
}

// run makes the attempt and gives its slot back.
func (at *attempt) run() result {
	x := at.x
	at.began = time.Now()
	at.watch = upstream.NewWatch(at.cancel, at.limits.firstByte, at.limits.total)
	if at.onStart != nil {
		at.onStart()
	}
	at.result = at.exchange()
	if at.said != nil && at.result != resultBroken {
		at.said.drop()
	}
	at.watch.Stop()
	at.cancel(nil)
	at.took = time.Since(at.began)
	at.counted(at.began.Add(at.took))
	at.cand.Live.Held(at.took, at.began.Add(at.took))
	x.g.queue.release(at.cand.ID, at.cand.Live, time.Now())
	switch at.result {
	case resultServed:
		x.g.learned.add(at.learn, at.learntTime(), at.usage.Output)
	case resultFailed:
		if at.verdict.Class == failover.FirstTokenLate {
			x.g.learned.add(at.learn, at.took, 0)
		}
	case resultLeft, resultLost:
		if at.asks {
			at.cand.ReturnProbe()
		}
		if at.firstContent == 0 && x.req.Stream && x.req.Effort != dialect.EffortHigh && at.cand.Stat != nil {
			at.cand.Stat.Slower(at.took, time.Now())
		}
		if at.result == resultLost && at.firstContent == 0 && at.took >= at.limits.soft {
			x.g.learned.add(at.learn, at.took, 0) // it was slow, and would have taken longer
		}
	}
	return at.result
}

// learntTime is what limits are learnt from: first content of a stream, the whole
// of a JSON answer.
func (at *attempt) learntTime() time.Duration {
	if !at.x.req.Stream {
		return at.took
	}
	if at.firstContent > 0 {
		return at.firstContent
	}
	return at.firstToken
}

func (at *attempt) exchange() result {
	x := at.x
	u, err := at.url()
	if err != nil {
		return at.failClass(failover.NetworkUnsent, "url", err.Error())
	}
	resp, res, ok := at.send(u)
	if !ok {
		return res
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return at.failStatus(resp)
	}
	if x.req.Stream && isEventStream(resp.Header.Get("Content-Type")) {
		return at.relay(resp)
	}
	if at.joint != nil {
		return at.failClass(failover.StreamCut, "resume.no-stream", "an answer that goes on with a stream is none")
	}
	if x.path != "" && !isJSON(resp.Header.Get("Content-Type")) {
		return at.copied(resp)
	}
	return at.whole(resp)
}

// url is where the attempt's request goes.
//
//go:noinline
func (at *attempt) url() (*url.URL, error) {
	x := at.x
	route := dialect.Route{Model: at.cand.Sent, Version: x.at.Version, Stream: x.req.Stream}
	if at.codec != nil {
		route.Version = ""
	}
	u, err := x.snap.url(at.cand.Account, at.plat, &at.offer, x.path, route)
	if err != nil {
		return nil, err
	}
	q := ""
	if at.codec == nil {
		q = x.query
	}
	if want := at.offer.StreamQuery; want != "" && x.req.Stream && x.path == "" {
		q = strings.TrimPrefix(without(q, want)+"&"+want, "&")
	}
	if q == "" {
		return u, nil
	}
	withQuery := *u
	withQuery.RawQuery = q
	return &withQuery, nil
}

// without gives a query without the parameter that another one names.
func without(q, like string) string {
	name, _, _ := strings.Cut(like, "=")
	var keep []string
	for pair := range strings.SplitSeq(q, "&") {
		if n, _, _ := strings.Cut(pair, "="); n != name && pair != "" {
			keep = append(keep, pair)
		}
	}
	return strings.Join(keep, "&")
}

// committed reports whether this attempt owns the answer.
func (at *attempt) committed() bool { return at.x.ans.owner() == at }

// commit makes this attempt the answer. Where that cannot be, ok is false and res is
// how the attempt ends: another one is the answer, or this one is of the wrong kind.
func (at *attempt) commit(resp *http.Response, length int64) (res result, ok bool) {
	contentType := resp.Header.Get("Content-Type")
	if at.codec != nil {
		contentType = "application/json"
		if at.x.req.Stream {
			contentType = eventStream
		}
	}
	owns, opened := at.x.ans.commit(at, resp.Header, resp.StatusCode, contentType, length)
	if opened {
		return at.failClass(failover.StreamCut, "answer.no-stream", "the caller is reading an event stream, and the answer is none"), false
	}
	if !owns {
		return resultLost, false
	}
	at.firstToken = time.Since(at.began)
	at.watch.NoSoft()
	at.x.committed(at)
	return 0, true
}

// failFault turns a failure of the connection into a result.
func (at *attempt) failFault(err error) result {
	var f *upstream.Fault
	if !errors.As(err, &f) {
		f = upstream.FaultOf(at.ctx, err)
	}
	switch f.Kind {
	case upstream.FaultCaller:
		return resultLeft
	case upstream.FaultLost:
		return resultLost
	case upstream.FaultUnsent:
		return at.failClass(failover.NetworkUnsent, "network.unsent", f.Error())
	case upstream.FaultLimit:
		at.x.g.deps.Observer.Event(EventLimit, f.Limit.String(), 1)
		class := failover.FirstTokenLate
		if f.Limit == upstream.LimitStall {
			class = failover.StreamStalled
		}
		return at.failClass(class, "limit."+f.Limit.String(), f.Error())
	}
	if at.status > 0 {
		return at.failClass(failover.StreamCut, "stream.cut", f.Error())
	}
	return at.failClass(failover.NetworkUnknown, "network.unknown", f.Error())
}

// failClass is a failure that no upstream answer describes.
func (at *attempt) failClass(c failover.Class, row, fault string) result {
	at.verdict = platform.Verdict{Class: c, Scope: failover.ScopeAccount, Row: row, RetrySame: c == failover.NetworkUnsent || c == failover.EmptyAnswer}
	at.fault = fault
	if at.committed() {
		return resultBroken
	}
	return resultFailed
}

// failBody is a failure that an answer's body describes.
func (at *attempt) failBody(header http.Header, body []byte) result {
	at.verdict = at.plat.Classify(platform.Answer{Status: at.status, Header: header, Body: body, Now: time.Now()})
	at.heardBody(body)
	at.keepBody(body)
	if at.x.ownSeat != nil {
		at.header = header
	}
	if at.committed() {
		return resultBroken
	}
	return resultFailed
}

func (at *attempt) failStatus(resp *http.Response) result {
	at.watch.Progress(upstream.LimitStall, errorBodyPatience)
	body, err := io.ReadAll(io.LimitReader(resp.Body, platform.MaxBody))
	if err != nil && at.ctx.Err() != nil {
		if f := upstream.FaultOf(at.ctx, err); f.Kind == upstream.FaultCaller || f.Kind == upstream.FaultLost {
			return at.failFault(f)
		}
	}
	return at.failBody(resp.Header, body)
}

// freeWhole is how much of a JSON answer is not counted against the memory of bodies, in bytes.
const freeWhole = 256 << 10

// whole reads a JSON answer to its end before anything of it goes to the caller, so
// that a failure inside it can still be carried over.
func (at *attempt) whole(resp *http.Response) result {
	x := at.x
	if x.req.Stream {
		at.watch.Progress(upstream.LimitStall, x.pools[0].limits.Body)
	}
	hint := resp.ContentLength
	if hint < 0 || hint >= freeWhole {
		hint = 8 << 10
	}
	buf := getBuffer(int(hint) + 1)
	taken, room := 0, true // of the memory of bodies, for what is large
	defer func() {
		putBuffer(buf)
		x.g.deps.Bodies.give(taken)
	}()
	var said prose
	held := true // until the answer outgrows what may be held
	for {
		if len(buf) == cap(buf) {
			if more := 2*cap(buf) - taken; held && 2*cap(buf) > freeWhole {
				if room = x.g.deps.Bodies.take(more); room {
					taken += more
				}
			}
			bigger := getBuffer(2 * cap(buf))
			bigger = append(bigger, buf...)
			putBuffer(buf)
			buf = bigger
		}
		n, err := resp.Body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if n > 0 {
			at.watch.Progress(upstream.LimitStall, x.pools[0].limits.Body)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return at.failFault(upstream.FaultOf(at.ctx, err))
		}
		if held && (!room || int64(len(buf)) > x.snap.Settings.MaxAnswer) || !held && len(buf) > wholeTail {
			// Too large to hold: from here on it is passed through, and cannot fail over.
			if at.codec != nil {
				return at.failClass(failover.CallerFault, "answer.too-large", "the answer is too large to be translated")
			}
			if held {
				if res, ok := at.commit(resp, -1); !ok {
					return res
				}
			}
			held = false
			now := max(len(buf)-wholeTail, 0)
			said.add(buf[:now])
			at.text = said.n
			if x.ans.write(writeWhole|writeFlush, buf[:now]) != nil {
				return resultLeft
			}
			buf = buf[:copy(buf, buf[now:])]
		}
	}
	if !held {
		said.add(buf)
		at.text = said.n
		at.usage = at.plausible(usageAtEnd(at.d, buf))
		x.charge(at, at.usage, true)
		if x.ans.write(writeWhole|writeFlush, buf) != nil {
			return resultLeft
		}
		return resultServed
	}
	var a dialect.Answer
	if x.path == "" {
		a = at.d.Whole(buf)
	} else {
		a = dialect.WholeFurther(at.d, buf)
	}
	at.usage, at.answerID = at.plausible(a.Usage), a.ID
	if !at.usage.Reported || at.usage.Output == 0 && a.Content {
		said.add(buf)
		at.text = said.n
	}
	switch {
	case len(bytes.TrimSpace(buf)) == 0:
		return at.failClass(failover.EmptyAnswer, "answer.empty", "a success without a body")
	case !a.Valid:
		return at.failClass(failover.StreamCut, "answer.invalid", "a success whose body is not whole JSON")
	case a.Error:
		return at.failBody(resp.Header, buf)
	case !a.Content && !a.Finished:
		return at.failClass(failover.EmptyAnswer, "answer.no-content", "a success without content and without a finish reason")
	case !a.Finished:
		return at.failClass(failover.StreamCut, "answer.no-finish", "a success without a finish reason: nobody knows whether it is whole")
	}
	out := buf
	if at.codec != nil {
		var err error
		if out, err = at.wholly(buf); err != nil {
			if errors.Is(err, errLost) {
				return resultLost
			}
			return at.failClass(failover.StreamCut, "answer.untranslatable", err.Error())
		}
	}
	if x.makes() {
		at.made(buf)
	}
	if res, ok := at.commit(resp, int64(len(out))); !ok {
		return res
	}
	x.charge(at, at.usage, true)
	if x.ans.write(writeWhole, out) != nil {
		return resultLeft
	}
	return resultServed
}
