package gateway

import (
	"math"
	"strconv"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/domain"
	"turnout/internal/failover"
	"turnout/internal/sched"
)

// Outcome is how a request ended. The numbers are stored: append, never renumber.
type Outcome uint8

// The outcomes.
const (
	OutcomeServed  Outcome = 1 // the caller has a whole answer
	OutcomeFailed  Outcome = 2 // every account that could be asked failed, or none could be asked
	OutcomeBroken  Outcome = 3 // the answer broke after content had gone out
	OutcomeLeft    Outcome = 4 // the caller left
	OutcomeRefused Outcome = 5 // the provider or Turnout refuses the request itself
)

// String is the outcome's name.
func (o Outcome) String() string {
	switch o {
	case OutcomeServed:
		return "served"
	case OutcomeFailed:
		return "failed"
	case OutcomeBroken:
		return "broken"
	case OutcomeLeft:
		return "left"
	case OutcomeRefused:
		return "refused"
	}
	return "unknown"
}

// Record is the summary of one request, made once when it has ended.
type Record struct {
	ID       domain.RequestID
	Key      domain.KeyID
	Pool     domain.PoolID
	Account  domain.AccountID // that answered, or was asked last; 0: none
	Model    string           // as asked
	Dialect  domain.Dialect
	Stream   bool
	Outcome  Outcome
	Status   int // as the caller saw it, 499 where it left
	Class    failover.Class
	Attempts int
	Session  domain.SessionID
	Usage    domain.Usage // of the answer
	Began    time.Time
	First    time.Duration // until the first content; 0: none
	Took     time.Duration
	Waited   time.Duration
	BytesIn  int64
	BytesOut int64
	Trace    []byte // see trace.go
	Tags     map[string]string
}

// record makes the summary.
func (x *exchange) record(end ending, status int) *Record {
	_, _, written := x.ans.state()
	r := &Record{
		ID: x.id, Key: x.key.ID, Pool: x.pools[0].ID, Model: x.req.Model, Dialect: x.d.ID(), Stream: x.req.Stream,
		Status: status, Attempts: len(x.attempts), Session: x.session.id, Began: x.began, Took: time.Since(x.began),
		Tags: x.tags, Waited: x.waited, BytesIn: int64(x.req.Size), BytesOut: written,
	}
	final := end.served
	switch {
	case end.served != nil:
		r.Outcome = OutcomeServed
	case end.left:
		r.Outcome, r.Status = OutcomeLeft, dialect.StatusClientClosed
	case end.broken != nil:
		r.Outcome, final = OutcomeBroken, end.broken
	case end.refused():
		r.Outcome, final = OutcomeRefused, end.raw
	default:
		r.Outcome = OutcomeFailed
	}
	if final == nil && len(x.attempts) > 0 {
		final = x.attempts[len(x.attempts)-1]
		if owner := x.ans.owner(); owner != nil {
			final = owner
		}
	}
	if final != nil {
		r.Account, r.Usage = max(final.cand.ID, 0), final.usageOf() // an own seat is nobody's account
		if final.result != resultServed {
			r.Class = final.verdict.Class
		}
		if began := final.starts(); began.firstToken > 0 {
			r.First = began.began.Sub(x.began) + began.firstToken
		}
	}
	r.Trace = x.trace()
	return r
}

// trace encodes what was decided, compactly: a JSON object with short names that package
// trace's reader in the command line turns into a story. Times are milliseconds.
//
//	v   version of this format           c  version of the configuration, and so of the views
//	s   session signal                   b  bound account
//	x   the session moved                p  the client's own retry of a failed request
//	cp  commit point, if not content
//	n   decisions without an attempt: [at, action, reason, wait, soonest, [[resting account, class, left], …], detail]
//	a   attempts:
//	    a account (0: the caller's own seat)  m model upstream  r rule  bs started beside a slow one  np of one of the key's next pools  f in flight before
//	    rj how it goes on with an answer that broke: continue or repeat
//	    tr the account's dialect, where the request was translated into it  wn what could not be translated
//	    u runners-up [id, in flight, score]  sc score, term by term (sched.Term)  sy score of the session's account where it was weighed
//	    c verdict counts {name: n} of what was looked at
//	    t began  h header  o first content  d duration  hb the bound that ended a hold early
//	    e result  k class  st status  w row  y upstream's error type  rs stated reset
//	    i upstream's request id      g usage [input, read, 5m, 1h, output, reasoning]
//	    q decision [action, reason, wait, n, max, detail]  z rests [scope, for; -1 until changed]
//
// The seed of the scheduler and of jitter is the last eight bytes of the request's id.
func (x *exchange) trace() []byte {
	b := make([]byte, 0, 384)
	b = appendInt(append(b, `{"v":1,"c":`...), int64(x.snap.Version))
	b = dialect.AppendString(append(b, `,"s":`...), x.session.signal.String())
	if x.boundAtStart != 0 {
		b = appendInt(append(b, `,"b":`...), int64(x.boundAtStart))
	}
	if x.rebound {
		b = append(b, `,"x":true`...)
	}
	if x.former.known() || x.avoids {
		b = append(b, `,"p":true`...)
	}
	if x.req.Stream && x.commit != (domain.Commit{}) {
		b = dialect.AppendString(append(b, `,"cp":`...), x.commit.String())
	}
	if len(x.notes) > 0 {
		b = append(b, `,"n":[`...)
		for i, n := range x.notes {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendMs(append(b, '['), n.at)
			b = dialect.AppendString(append(b, ','), n.decision.Action.String())
			b = dialect.AppendString(append(b, ','), string(n.decision.Reason))
			b = appendMs(append(b, ','), n.decision.Wait)
			b = appendMs(append(b, ','), n.soonest)
			if len(n.rests) == 0 && n.decision.Detail != "" {
				b = append(dialect.AppendString(append(b, `,[],`...), n.decision.Detail), ']')
				continue
			}
			for j, r := range n.rests {
				if j == 0 {
					b = append(b, `,[`...)
				} else {
					b = append(b, ',')
				}
				b = appendInt(append(b, '['), int64(r.account))
				b = dialect.AppendString(append(b, ','), r.class.String())
				b = append(appendMs(append(b, ','), r.left), ']')
				if j == len(n.rests)-1 {
					b = append(b, ']')
				}
			}
			b = append(b, ']')
		}
		b = append(b, ']')
	}
	b = append(b, `,"a":[`...)
	for i, at := range x.attempts {
		if i > 0 {
			b = append(b, ',')
		}
		b = at.trace(b)
	}
	return append(b, `]}`...)
}

func (at *attempt) trace(b []byte) []byte {
	b = appendInt(append(b, `{"a":`...), max(int64(at.cand.ID), 0))
	if at.cand.Sent != at.x.req.Model {
		b = dialect.AppendString(append(b, `,"m":`...), at.cand.Sent)
	}
	b = dialect.AppendString(append(b, `,"r":`...), at.choice.Rule.String())
	if at.beside {
		b = append(b, `,"bs":true`...)
	}
	if at.joint != nil {
		b = dialect.AppendString(append(b, `,"rj":`...), at.joint.way.String())
	}
	if len(at.target.views) > 1 && at.target.views[0].Find(at.cand.ID) == nil {
		b = append(b, `,"np":true`...)
	}
	if at.choice.InFlight > 0 {
		b = appendInt(append(b, `,"f":`...), int64(at.choice.InFlight))
	}
	if at.codec != nil {
		b = dialect.AppendString(append(b, `,"tr":`...), at.d.ID().String())
	}
	kept := at.warnings
	if n := len(kept); n > maxRecorded {
		kept = append(append([]string(nil), kept[:maxRecorded]...), "and "+strconv.Itoa(n-maxRecorded)+" more")
	}
	for i, w := range kept {
		if i == 0 {
			b = append(b, `,"wn":[`...)
		} else {
			b = append(b, ',')
		}
		b = dialect.AppendString(b, w[:min(len(w), maxWarning)])
		if i == len(kept)-1 {
			b = append(b, ']')
		}
	}
	sep := `,"u":[[`
	for _, u := range at.choice.RunnersUp {
		if u.Account != 0 {
			b = appendInt(append(b, sep...), int64(u.Account))
			b = appendInt(append(b, ','), int64(u.InFlight))
			if u.Score != 0 {
				b = appendScore(append(b, ','), u.Score)
			}
			sep = `],[`
		}
	}
	if sep == `],[` {
		b = append(b, `]]`...)
	}
	if s := at.choice.Score; s != (sched.Score{}) {
		b = append(b, `,"sc":[`...)
		for i, t := range s {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendScore(b, t)
		}
		b = append(b, ']')
	}
	if at.choice.Stay != 0 {
		b = appendScore(append(b, `,"sy":`...), at.choice.Stay)
	}
	sep = `,"c":{`
	for v, n := range at.choice.Counts {
		if n > 0 && sched.Verdict(v) != sched.Eligible {
			b = dialect.AppendString(append(b, sep...), sched.Verdict(v).String())
			b = appendInt(append(b, ':'), int64(n))
			sep = `,`
		}
	}
	if sep == `,` {
		b = append(b, '}')
	}
	b = appendMs(append(b, `,"t":`...), at.began.Sub(at.x.began))
	if at.firstByte > 0 {
		b = appendMs(append(b, `,"h":`...), at.firstByte)
	}
	if at.firstToken > 0 {
		b = appendMs(append(b, `,"o":`...), at.firstToken)
	}
	if at.heldBound != "" {
		b = dialect.AppendString(append(b, `,"hb":`...), at.heldBound)
	}
	b = appendMs(append(b, `,"d":`...), at.took)
	b = dialect.AppendString(append(b, `,"e":`...), at.result.String())
	if at.status > 0 {
		b = appendInt(append(b, `,"st":`...), int64(at.status))
	}
	if at.requestID != "" {
		b = dialect.AppendString(append(b, `,"i":`...), at.requestID[:min(len(at.requestID), 64)])
	}
	if u := at.usage; u.Reported {
		b = append(b, `,"g":[`...)
		for i, n := range [...]int64{u.Input, u.CacheRead, u.CacheWrite5m, u.CacheWrite1h, u.Output, u.Reasoning} {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendInt(b, n)
		}
		b = append(b, ']')
	}
	if at.result == resultFailed || at.result == resultBroken {
		b = dialect.AppendString(append(b, `,"k":`...), at.verdict.Class.String())
		b = dialect.AppendString(append(b, `,"w":`...), at.verdict.Row)
		if at.verdict.Type != "" {
			b = dialect.AppendString(append(b, `,"y":`...), at.verdict.Type[:min(len(at.verdict.Type), 64)])
		}
		if at.verdict.Stated {
			b = appendMs(append(b, `,"rs":`...), at.verdict.Reset)
		}
	}
	if d := at.decision; d.Reason != "" {
		b = dialect.AppendString(append(b, `,"q":[`...), d.Action.String())
		b = dialect.AppendString(append(b, ','), string(d.Reason))
		b = appendMs(append(b, ','), d.Wait)
		b = appendInt(append(b, ','), int64(d.N))
		b = appendInt(append(b, ','), int64(d.Max))
		b = append(dialect.AppendString(append(b, ','), d.Detail), ']')
		sep := `,"z":[[`
		for _, e := range d.Before {
			if e.Kind == failover.EffectRest {
				b = dialect.AppendString(append(b, sep...), e.Scope.String())
				if e.UntilChanged {
					b = append(b, `,-1]`...)
				} else {
					b = append(appendMs(append(b, ','), e.For), ']')
				}
				sep = `,[`
			}
		}
		if sep == `,[` {
			b = append(b, ']')
		}
	}
	return append(b, '}')
}

// maxWarning is how much of each warning a trace keeps, in bytes.
const maxWarning = 120

// maxRecorded is how many warnings it keeps.
const maxRecorded = 64

// String is the result's name in traces.
func (r result) String() string {
	return [...]string{"failed", "served", "broken", "lost", "left", "differs"}[r]
}

func appendInt(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }

// appendScore writes seconds as milliseconds.
func appendScore(b []byte, seconds float32) []byte {
	return strconv.AppendInt(b, int64(math.Round(float64(seconds)*1000)), 10)
}

func appendMs(b []byte, d time.Duration) []byte { return strconv.AppendInt(b, d.Milliseconds(), 10) }
