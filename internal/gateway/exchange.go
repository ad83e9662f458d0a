package gateway

import (
	"context"
	"hash/fnv"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
	"turnout/internal/failover"
	"turnout/internal/sched"
)

// exchange is one request's life after it was read and checked.
type exchange struct {
	g     *Gateway
	snap  *Snapshot
	id    domain.RequestID
	began time.Time
	ctx   context.Context

	d           dialect.Dialect
	key         *domain.Key
	tags        map[string]string // shared: not modified
	req         dialect.Request
	body        *body
	header      http.Header // what goes upstream, but for the credential
	query       string
	at          dialect.Route
	path        string // of a further path of the dialect; empty: the main one
	pools       []*pool
	target      atomic.Pointer[target]    // the model that serves
	targets     atomic.Pointer[[]*target] // it, and those before it
	seed        uint64                    // of whatever is drawn for this request
	holding     Holding                   // of the money that it may cost
	promptGuess int64                     // tokens of the prompt, estimated
	warmAtStart int64                     // the request's tokens that were warm at the account that the session was bound to
	splice      atomic.Pointer[splice]    // the answer that broke and is gone on with; nil: none is
	admission   *admission                // by the caller's limits; nil: there are none
	ans         *answer

	ownSeat      *ownSeat      // the caller's own account at a provider; nil: the key's accounts serve
	brings       credentials   // of it
	ended        bool          // finish has done its work
	commit       domain.Commit // when a streamed answer is committed
	session      session
	boundAtStart domain.AccountID
	parent       domain.AccountID // of a sub-agent that is not bound yet: where its parent is
	prefix       prefix           // what it begins with as others do
	patience     time.Duration    // how long the caller waits for an answer, where it says; else 0
	self         formerKey        // names a stream's request once its body has been let go
	former       former           // what is left of the client's earlier try of this request
	broke        former           // what the session's last answer left behind, which broke after its commit
	avoids       bool             // the account that it came from is left out
	trial        bool             // one attempt, to see whether what failed the earlier try is over

	mu       sync.Mutex // guards what follows: two attempts may run side by side
	state    failover.State
	attempts []*attempt
	running  []*attempt
	side     *sideAttempt
	waited   time.Duration
	seat     seat             // while it waits for what others wait for, too
	awaiting domain.AccountID // whose return a round waits for; 0: nobody's
	paid     loadKey          // where the next attempt has been counted as a retry already
	payloads []payload
	only     domain.AccountID // the one account that may serve; 0: any
	mute     mutes            // dialects that the request cannot be translated into
	unsaid   *domain.Error    // why, of the first of them
	asked    *neutral.Request // once something had to be translated; good while the body is in use
	notes    []note           // what was decided outside of attempts
	spilled  bool             // the key's first pool was only busy, for longer than a moment
	fell     []string         // models gone on with after the asked one
	stays    bool             // the request was served elsewhere, but the session stays bound where it is
	rebound  bool
	binding  domain.Binding // the zero binding: unbound
}

// note is a decision that no attempt of this request caused.
type note struct {
	at       time.Duration // since the request arrived
	decision failover.Decision
	soonest  time.Duration // until the first account returns; 0: unknown
	rests    []noteRest    // who rested, where nobody was left
}

// noteRest is one account that rested when nobody was left.
type noteRest struct {
	account domain.AccountID
	class   failover.Class
	left    time.Duration
}

// maxNoteRests bounds how many of them a trace names.
const maxNoteRests = 5

// sideAttempt is the one attempt that was started beside a slow one.
type sideAttempt struct {
	at       *attempt // nil: in the end none was started
	decision failover.Decision
	done     chan struct{} // closed when it has ended, or was not started
}

// ending is how the request as a whole ended.
type ending struct {
	served    *attempt      // owns a whole answer
	broken    *attempt      // owns an answer that broke
	left      bool          // the caller left
	err       *domain.Error // told to the caller
	raw       *attempt      // whose error is passed on as it came
	keepRetry bool          // a rule says when to come back
	replaced  int           // the status that a rule puts in place of the error's; 0: none does
}

// refused reports whether the provider refused the request itself.
func (e *ending) refused() bool { return e.raw != nil && answersItself(e.raw.verdict.Class) }

// run is the attempt loop.
func (x *exchange) run() ending {
	if !x.goOn() {
		return x.giveUp()
	}
	var next tryNext
	for {
		at, end := x.nextAttempt(&next)
		if at == nil {
			return end
		}
		// What runs an attempt stays as small as it can: its frames are a stream's memory
		// for as long as it lasts.
		res := at.run()
		if end, done := x.after(at, res, &next); done {
			return end
		}
	}
}

// tryNext is what the last decision says of the next attempt.
type tryNext struct {
	pin     domain.AccountID
	retryOf string // the provider whose fault caused it
}

// nextAttempt chooses an account, waiting where it must, and prepares the attempt;
// nil: the request ends.
func (x *exchange) nextAttempt(next *tryNext) (*attempt, ending) {
	for {
		if x.ctx.Err() != nil {
			return nil, ending{left: true}
		}
		if x.left() <= 0 {
			return nil, ending{err: domain.Errorf(domain.KindUpstreamTimeout, "serve the request", "the request took longer than %s", x.snap.Settings.Total)}
		}
		picked := x.pick(next.pin)
		if picked.left {
			return nil, ending{left: true}
		}
		if picked.cand != nil {
			x.throttled(picked)
		}
		if picked.cand == nil && x.fallBack() {
			*next = tryNext{}
			continue
		}
		if picked.err != nil {
			return nil, ending{err: picked.err}
		}
		if picked.cand != nil && !x.translatable(picked.cand) {
			x.mutely(picked.cand)
			if len(x.views()) == 0 && !x.fallBack() {
				if x.tried() > 0 {
					return nil, x.giveUp()
				}
				return nil, ending{err: x.unspeakable()}
			}
			*next = tryNext{}
			continue
		}
		if picked.cand != nil && !x.mayUse(x.target.Load(), picked.cand) {
			x.turnedFrom(picked.cand)
			if len(x.views()) == 0 && !x.fallBack() {
				if x.tried() > 0 {
					return nil, x.giveUp()
				}
				return nil, ending{err: x.admission.refusal()}
			}
			*next = tryNext{}
			continue
		}
		if picked.cand == nil {
			d := x.afterNoCandidate(picked.at, &picked.choice)
			if d.Action != failover.Round {
				x.seat.leave()
				return nil, x.giveUp()
			}
			if !x.carryOut(d) {
				return nil, ending{left: true}
			}
			*next = tryNext{retryOf: x.braked(), pin: x.awaiting}
			if x.splice.Load() == nil { // else its own model goes on with it
				x.beginAgain()
			}
			continue
		}
		at := x.newAttempt(x.target.Load(), picked.cand, &picked.choice, next.retryOf == x.provider(picked.cand))
		if !x.join(at) {
			x.unfit(at)
			*next = tryNext{}
			continue
		}
		x.mu.Lock()
		x.register(at)
		x.mu.Unlock()
		x.softLimit(at)
		return at, ending{}
	}
}

// braked is the provider whose own fault was the last failure; empty: it was none.
func (x *exchange) braked() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.attempts) == 0 || !x.policy().Braked.Has(x.state.Last.Class) {
		return ""
	}
	return x.provider(x.attempts[len(x.attempts)-1].cand)
}

// after carries out what follows an attempt; done: the request ends.
func (x *exchange) after(at *attempt, res result, next *tryNext) (end ending, done bool) {
	d, end, done := x.settle(at, res)
	if done {
		return end, true
	}
	if x.unjoinable() {
		x.seat.leave()
		return end, true
	}
	switch d.Action {
	case failover.RetrySame:
		next.pin = d.Account
	case failover.Switch:
		next.pin = 0
	case failover.Round:
		next.pin = x.awaiting // it is back then, and of the others nobody knows
	default:
		if d.Reason == failover.ReasonCommitted || !x.fallBack() {
			x.seat.leave()
			return x.giveUp(), true
		}
		next.pin = 0
	}
	next.retryOf = x.provider(at.cand)
	if !x.carryOut(d) {
		return ending{left: true}, true
	}
	return end, false
}

// settle turns the result of the main attempt, and of one beside it, into a
// decision or the end.
func (x *exchange) settle(at *attempt, res result) (d failover.Decision, end ending, done bool) {
	x.finished(at)
	if res == resultFailed {
		d = x.afterFailure(at)
	}
	side := x.takeSide(res)
	if side != nil {
		<-side.done
	}
	if side != nil && side.at != nil && res == resultFailed {
		x.besideFailed(side.at, side.at.result == resultFailed && side.decision.Action != failover.Await)
	}
	if side != nil && side.at != nil {
		// The later failure of the two decides: the earlier one was told to await it.
		if res == resultLost || res == resultFailed && (side.at.result != resultFailed || side.decision.Action != failover.Await) {
			at, res, d = side.at, side.at.result, side.decision
		}
	}
	if len(x.attempts) > 1 {
		x.overtaken()
	}
	switch res {
	case resultServed:
		return d, ending{served: at}, true
	case resultBroken:
		if d, resumes := x.resume(at); resumes {
			return d, end, false
		}
		return d, x.brokenEnd(at), true
	case resultDiffers:
		return d, end, true // finish says what of it
	case resultLeft, resultLost:
		return d, ending{left: true}, true
	}
	return d, ending{}, false
}

// takeSide ends the time in which an attempt may be started beside, and gives the
// one that was. Unless it is the last hope it is cancelled.
func (x *exchange) takeSide(main result) *sideAttempt {
	x.mu.Lock()
	defer x.mu.Unlock()
	side := x.side
	x.side = nil
	if side != nil && side.at != nil && main != resultFailed && main != resultLost {
		side.at.stop()
	}
	return side
}

// carryOut completes a decision's wait and does what follows it; false: the caller
// left meanwhile.
func (x *exchange) carryOut(d failover.Decision) bool {
	defer x.seat.leave()
	for wait := d; wait.Wait > 0; {
		x.g.deps.Observer.Event(EventWait, string(wait.Reason), 1)
		began := time.Now()
		ok := sleep(x.ctx, wait.Wait)
		x.waited += time.Since(began)
		if !ok {
			return false
		}
		wait = x.afterWait(d)
	}
	x.mu.Lock()
	x.state = d.Completed(x.state)
	x.mu.Unlock()
	return true
}

// sleep waits and reports whether it waited in full.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// policy is the pool's, where no platform has a say.
func (x *exchange) policy() *failover.Policy { return &x.pools[0].policy }

// provider names whose capacity a candidate draws on.
func (x *exchange) provider(c *sched.Candidate) string {
	return c.Account.Platform + " " + c.Account.BaseURL
}

// loadKey names what a candidate's attempts are counted under.
func (x *exchange) loadKey(c *sched.Candidate) loadKey { return loadKey{x.pools[0].ID, x.provider(c)} }

func (x *exchange) newAttempt(t *target, c *sched.Candidate, choice *sched.Decision, retry bool) *attempt {
	plat := x.platformOf(c)
	at := &attempt{x: x, cand: c, plat: plat, choice: *choice, retry: retry, target: t, d: x.d}
	at.offer, _ = offer(plat, x.d.ID(), x.path, x.mute)
	if c.Foreign {
		at.d = at.offer.Dialect
		at.codec = at.d.(neutral.Codec)
	}
	at.how = x.readingOf(c, at.d)
	at.asks = choice.Rule != sched.RuleLeastBad && (c.Probing(time.Now()) || c.Asking())
	at.probe = choice.Rule == sched.RuleLeastBad || c.Probing(time.Now())
	at.follow(x.ctx, x.req.Stream)
	a := askOf(&x.req, x.warmAt(c.ID))
	at.learn = learnKeyOf(plat.Name, c.Sent, a)
	at.limits = a.limits(&x.pools[0].limits, x.g.learned.stats(at.learn))
	at.limits.total = min(at.limits.total, x.left()) // above every policy the request has a limit of its own
	x.mu.Lock()
	paid := retry && x.paid == x.loadKey(c)
	x.paid = loadKey{}
	x.mu.Unlock()
	if !paid {
		x.g.loads.began(x.loadKey(c), retry, time.Now())
	}
	return at
}

// register enters an attempt that is about to be made; the lock is held.
func (x *exchange) register(at *attempt) {
	at.n = len(x.attempts) + 1
	x.attempts = append(x.attempts, at)
	x.running = append(x.running, at)
}

// stop cancels an attempt that another one has made needless.
func (at *attempt) stop() { at.cancel(errLost) }

// finished takes an attempt off the list of running ones.
func (x *exchange) finished(at *attempt) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i, r := range x.running {
		if r == at {
			x.running = append(x.running[:i], x.running[i+1:]...)
			return
		}
	}
}

// left is how much of the request's whole time is left.
func (x *exchange) left() time.Duration { return x.snap.Settings.Total - time.Since(x.began) }

// tried is how many attempts were begun.
func (x *exchange) tried() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.attempts)
}

// warmAt is how many tokens of the session are in an account's cache.
func (x *exchange) warmAt(id domain.AccountID) int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.binding.Account == id && time.Now().Before(x.binding.WarmUntil) {
		return x.staked()
	}
	return 0
}

// staked is how many of the session's warm tokens are the request's: none, if they are another model's; all, unless its prompt was cut down.
// The lock is held.
func (x *exchange) staked() int64 {
	if b := &x.binding; b.Account != 0 && b.Model != 0 && !warmFor(b, x.candidate(b.Account)) {
		return 0
	}
	if !x.shrunk() {
		return x.binding.WarmTokens
	}
	return int64(float64(x.binding.WarmTokens) * float64(x.req.Size) / float64(x.binding.Size))
}

// warmFor reports whether a session's warm tokens are in the cache of the model that a candidate would serve; a binding that does not know
// of which model they are is believed, and so is one whose account is none of the candidates: nil.
func warmFor(b *domain.Binding, c *sched.Candidate) bool {
	return b.Model == 0 || c == nil || b.Model == modelHash(c.Sent)
}

// modelHash names a model's cache in a binding; never 0.
func modelHash(sent string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(kin(sent)))
	return int64(h.Sum64() | 1)
}

// shrunk reports whether the request's body is much smaller than the one whose tokens are warm: the conversation was summed up, or
// the request is one beside it. Bodies that do not hold the whole conversation tell nothing. The lock is held.
func (x *exchange) shrunk() bool {
	return 2*int64(x.req.Size) < x.binding.Size && x.req.PreviousResponseID == "" && x.only == 0
}

// payload is the body as it goes upstream in an attempt; nil: another attempt has become the
// answer, and the body was let go.
func (x *exchange) payload(at *attempt, plain bool) *payload {
	x.mu.Lock()
	defer x.mu.Unlock()
	k := x.payloadFor(at.cand, plain, at.how, at.d)
	if at.joint != nil && at.joint.row != nil {
		k.begun = true
		if p := x.prepared(k); p != nil {
			return p
		}
		return x.goingOn(at, k)
	}
	return x.payloadOf(at, k)
}

// payloadOf makes a payload, or finds it; the lock is held.
func (x *exchange) payloadOf(at *attempt, k payloadKey) *payload {
	if p := x.prepared(k); p != nil {
		return p
	}
	if at.codec != nil {
		p, _ := x.translate(at.cand, k, at.codec) // that it can be was seen before the attempt
		return p
	}
	var rename dialect.Edit
	if k.sent != x.req.Model && x.req.ModelAt.Present() {
		rename = dialect.Edit{At: x.req.ModelAt, With: dialect.AppendString(nil, k.sent)}
		if x.req.Form {
			rename.With = []byte(k.sent)
		}
	}
	ask := x.req.AskUsage
	if k.plain {
		ask = dialect.Edit{}
	}
	if r, ok := x.d.(dialect.Renamer); ok && x.path != "" && k.sent != x.req.Model {
		return x.renamed(k, r)
	}
	if p, done := x.readable(at.cand, k, rename, ask); done {
		return p
	}
	p := x.body.edit(rename, ask)
	if p == nil {
		return nil
	}
	x.payloads = append(x.payloads, payload{payloadKey: k, body: p})
	return &x.payloads[len(x.payloads)-1]
}

// prepared is a payload that was made before; the lock is held.
func (x *exchange) prepared(k payloadKey) *payload {
	for i := range x.payloads {
		if x.payloads[i].payloadKey == k {
			return &x.payloads[i]
		}
	}
	return nil
}

// release lets the body go, and what was made of it.
func (x *exchange) release() {
	x.body.release()
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range x.payloads {
		if own := x.payloads[i].own; own != nil {
			own.release()
		}
	}
}

// payloadKey names what is sent upstream.
type payloadKey struct {
	sent    string // the model's name
	plain   bool   // without the request for usage that Turnout adds
	how     reading
	dialect domain.Dialect
	reader  domain.AccountID // 0: it is the same for every account
	begun   bool             // the answer so far stands behind it
}

// payload is the request as it goes upstream.
type payload struct {
	payloadKey
	body     *edited
	own      *body         // what a translation made; nil: the body is the caller's, edited
	names    neutral.Names // of tools that go by other names there
	warnings []string      // what could not be translated
}
