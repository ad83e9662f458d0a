package gateway

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/domain"
	"turnout/internal/failover"
	"turnout/internal/sched"
	"turnout/internal/upstream"
)

// committed is what happens at the commit, once: the body is let go, rivals are
// cancelled, rests that a success ends are ended, and the session is bound.
func (x *exchange) committed(at *attempt) {
	now := time.Now()
	x.mu.Lock()
	for _, r := range x.running {
		if r != at {
			r.stop()
		}
	}
	x.mu.Unlock()
	if body := x.body.bytes(); x.req.Stream && body != nil {
		x.self = formerKeyOf(x.key.ID, x.session.id, body) // should the stream break
	}
	if at.said == nil || at.said.lost { // else the request may have to be asked again
		x.release()
	}
	if at.joint != nil {
		at.joint.splice.joined = at
	}
	ended := false
	for _, cell := range at.cand.Rests {
		ended = cell.Begin(now, at.choice.Rule == sched.RuleLeastBad) || ended
	}
	if ended {
		x.g.queue.poke(now)
	}
	switch {
	case x.session.derived():
	case x.req.Stream:
		x.bindApart(at, now)
	default:
		x.bind(at, now)
	}
}

// bindApart is for the depths of a stream: the cache of bindings needs 2 KiB of stack.
//
//go:noinline
func (x *exchange) bindApart(at *attempt, now time.Time) { apart(func() { x.bind(at, now) }) }

// succeeded is what a whole answer means for the circuits that it went through.
func (x *exchange) succeeded(at *attempt) {
	now := time.Now()
	more := false
	for _, cell := range at.cand.Rests {
		more = cell.Succeed(now) || more
	}
	if more {
		x.g.queue.poke(now)
	}
	x.g.loads.ended(x.loadKey(at.cand), false, now)
	at.cand.Stat.Attempt(false, now)
	if x.req.Stream && x.req.Effort != dialect.EffortHigh {
		first := at.firstToken
		if at.firstContent > 0 {
			first = at.firstContent // the commit point may be the caller's choice
		}
		at.cand.Stat.FirstToken(first, now)
	}
}

// bind keeps the session where it was answered. Of two requests that move one
// session at the same time the first wins. A request that was served elsewhere because the
// bound account was busy, or lacks the model, moves nothing.
func (x *exchange) bind(at *attempt, now time.Time) {
	if x.session.id.IsZero() {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	moved := x.binding.Account != at.cand.ID
	if at.target.fallback || moved && x.stays && x.binding.Account != 0 {
		return
	}
	b := domain.Binding{Session: x.session.id, Account: at.cand.ID, Expires: now.Add(x.snap.Settings.SessionTTL)}
	if !moved {
		b.WarmTokens, b.WarmUntil, b.Size, b.Model = x.binding.WarmTokens, x.binding.WarmUntil, x.binding.Size, x.binding.Model
	}
	b.Placed = x.placed(b.Account)
	if x.g.deps.Bindings.Bind(b, x.binding.Account) {
		x.rebound = x.rebound || moved && x.binding.Account != 0
		x.binding = b
	}
}

// placed reports whether an operator has bound the session to the account, perhaps while this request was under way.
func (x *exchange) placed(id domain.AccountID) bool {
	b, ok := x.g.deps.Bindings.Lookup(x.session.id)
	return ok && b.Account == id && b.Placed
}

// bound is the session's account; 0: none.
func (x *exchange) bound() domain.AccountID {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.binding.Account
}

// How long a prompt cache lives after its last use. Anthropic: five minutes, or an
// hour where that was asked for (prompt caching page); OpenAI: five to ten minutes (prompt caching guide).
const (
	warmShort = 5 * time.Minute
	warmLong  = time.Hour
)

// mostWarm is more than any model's context: what an upstream says beyond it binds nobody any harder.
const mostWarm = 16 << 20

// warm notes what is in the account's cache now, and binds a derived session once there is
// something to lose.
func (x *exchange) warm(at *attempt) {
	if !at.usage.Reported || at.target.fallback { // another model's cache is another cache
		return
	}
	tokens := min(at.usage.Warm(), mostWarm)
	now, life := time.Now(), warmShort
	if at.usage.CacheWrite1h > 0 {
		life = warmLong
	}
	x.learnPrefix(at, life, now)
	if x.session.derived() {
		if tokens == 0 {
			return
		}
		x.bind(at, now)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.binding.Account != at.cand.ID {
		return
	}
	if tokens == 0 && x.shrunk() && now.Before(x.binding.WarmUntil) {
		return // a small request beside the conversation, such as for its title, has used another cache, or none
	}
	warm := x.binding.WarmTokens > 0 && now.Before(x.binding.WarmUntil)
	if warm && !warmFor(&x.binding, at.cand) {
		return // another model's request within the conversation: what is at stake is the conversation's own
	}
	if x.binding.WarmUntil.Sub(now) > warmShort {
		life = warmLong
	}
	b := x.binding
	b.WarmTokens, b.WarmUntil, b.Size, b.Placed = tokens, now.Add(life), int64(x.req.Size), x.placed(b.Account)
	b.Model = modelHash(at.cand.Sent)
	b.Expires = now.Add(x.snap.Settings.SessionTTL)
	if tokens == 0 {
		b.WarmUntil = time.Time{}
	}
	if x.g.deps.Bindings.Bind(b, at.cand.ID) {
		x.binding = b
	}
}

// giveUp answers the most useful failure.
func (x *exchange) giveUp() ending {
	x.mu.Lock()
	best := x.state.Best
	var at *attempt
	for _, a := range x.attempts {
		if a.result == resultFailed && a.cand.ID == best.Account && a.verdict.Class == best.Class {
			at = a
		}
	}
	x.mu.Unlock()
	end := ending{err: x.failureError(best)}
	class := best.Class
	switch {
	case at == nil && best.Attempt == 0: // nobody could be asked
		x.mu.Lock()
		class = x.cause(time.Now())
		x.mu.Unlock()
	case at != nil && at.body != nil && (answersItself(class) || x.ownSeat != nil):
		end.raw = at
		if at.codec != nil {
			at.told(end.err)
		}
	}
	return x.ruled(end, class, at)
}

// told puts the provider's own words, and what its status says, into an error that is written in the caller's dialect.
func (at *attempt) told(e *domain.Error) {
	if at.verdict.Message != "" {
		e.Message = string(redact([]byte(at.verdict.Message), at.cand.Account))
	}
	if at.status >= http.StatusBadRequest && at.status < http.StatusInternalServerError {
		e.Kind = kindOfStatus(at.status)
	}
}

// answersItself reports whether the provider's own words on a failure are the best
// answer: clients read them, and only the caller can mend it.
func answersItself(c failover.Class) bool {
	switch c {
	case failover.CallerFault, failover.ContextTooLong, failover.ContentRefused, failover.ModelGone:
		return true
	}
	return false
}

// failureError says a failure to the caller: whose it was and when to come back,
// never the upstream's own words, keys or account names.
func (x *exchange) failureError(f failover.Failure) *domain.Error {
	now := time.Now()
	soonest, known := x.soonest(now, func(c *sched.Candidate) bool { return lasting(c, now) })
	if !known && x.former.next.After(now) {
		soonest, known = min(x.former.next.Sub(now), formerRetry), true // when this request may try again
	}
	if known && x.anyFree(f.Account, now) {
		soonest = time.Second // somebody failed, and rests not: a moment may do
	}
	e := &domain.Error{Op: "serve the request", FromProvider: true}
	tried := ""
	if n := len(x.attempts); n > 0 {
		tried = fmt.Sprintf(" after %d attempts", n)
		if n == 1 {
			tried = " after one attempt"
		}
	}
	model := x.req.Model
	switch f.Class {
	case failover.RateLimited:
		e.Kind, e.Message = domain.KindRateLimited, "the provider's rate limit for "+model+" is reached on every account that was asked"+tried
	case failover.QuotaExhausted:
		e.Kind, e.Code, e.Message = domain.KindRateLimited, "insufficient_quota", "the provider's quota for "+model+" is used up on every account that was asked"+tried
	case failover.Capacity:
		e.Kind, e.Message = domain.KindOverloaded, "the provider is out of capacity for "+model+tried
	case failover.Credential, failover.Permission:
		e.Kind, e.Message = domain.KindUpstream, "no upstream account is authorised for this request"+tried+"; the operator has to renew a credential"
	case failover.ModelGone:
		e.Kind, e.Param, e.Code, e.Message = domain.KindNotFound, "model", "model_not_found", "no upstream account serves the model "+model
	case failover.ContextTooLong:
		e.Kind, e.Code, e.Message = domain.KindInvalid, "context_length_exceeded", "the prompt is too long for "+model
	case failover.ContentRefused, failover.CallerFault:
		e.Kind, e.Message = domain.KindInvalid, "the provider refuses the request"
	case failover.FirstTokenLate, failover.StreamStalled:
		e.Kind, e.Message = domain.KindUpstreamTimeout, "the upstream did not answer in time"+tried
	default:
		e.Kind, e.Message = domain.KindUpstream, "the upstream failed"+tried
	}
	if f.Attempt == 0 { // nobody could be asked at all
		e.FromProvider = false
		switch rests := x.resting(now); {
		case known && x.onlyLimited(now):
			e.Kind, e.Message = domain.KindRateLimited, "every upstream account for "+model+" is at a limit that Turnout's operator has set"
		case known:
			e.Kind, e.Message = domain.KindRateLimited, "every upstream account for "+model+" is resting"
		case len(rests) > 0:
			e.Kind, e.Message = domain.KindUnavailable, "no upstream account is authorised for "+model+" now; the operator has to renew a credential or a permission"
		default:
			e.Kind, e.Message = domain.KindUnavailable, "no upstream account can serve "+model+" now"
		}
	}
	switch e.Kind {
	case domain.KindRateLimited, domain.KindOverloaded, domain.KindUnavailable:
		if known {
			e.RetryAfter = soonest
		} else if f.Stated {
			e.RetryAfter = max(f.Reset-(x.spent(now)-f.Spent), time.Second)
		}
		if e.RetryAfter > 0 {
			e.Message += "; the first returns in " + e.RetryAfter.Round(time.Second).String()
		}
	}
	return e
}

// anyFree reports whether an account other than the given one could be asked at once,
// as far as rests and limits say.
func (x *exchange) anyFree(but domain.AccountID, now time.Time) bool {
	for _, v := range x.everywhere() {
		for i := range v.Candidates {
			c := &v.Candidates[i]
			if _, full := c.Unwelcome(now); c.ID != but && !c.Resting(now) && !full {
				return true
			}
		}
	}
	return false
}

// lasting reports whether a candidate rests for a cause that time does not mend, so
// that the end of its rest is no promise to a caller.
func lasting(c *sched.Candidate, now time.Time) bool {
	for _, cell := range c.Rests {
		until, ok := cell.Until()
		if ok && !until.After(now) {
			continue
		}
		switch failover.Class(cell.Class()) {
		case failover.Credential, failover.Permission, failover.ModelGone:
			return true
		}
	}
	return false
}

// brokenError says why an answer that had begun cannot go on. OpenCode asks again where the words say so, whatever the
// error's type: "server error", "stream timeout", "rate limit" (the program of 1.18.33).
func (x *exchange) brokenError(at *attempt) *domain.Error {
	e := &domain.Error{Kind: domain.KindUpstream, Op: "relay the answer", FromProvider: true}
	switch at.verdict.Class {
	case failover.RateLimited:
		e.Kind, e.Message = domain.KindRateLimited, "the provider's rate limit struck in the middle of the answer; the answer is not whole"
	case failover.Capacity:
		e.Kind, e.Message = domain.KindOverloaded, "the provider ran out of capacity in the middle of the answer; the answer is not whole"
	case failover.StreamStalled, failover.FirstTokenLate:
		e.Kind, e.Message = domain.KindUpstreamTimeout, "stream timeout: the upstream fell silent in the middle of the answer; the answer is not whole"
	default:
		e.Message = "upstream server error: the answer broke off in the middle and is not whole"
	}
	return e
}

// longRetryAfter is a wait past which clients' own retries only do harm: some hammer,
// some sleep for hours (client packages' sources, read 2026-11).
const longRetryAfter = 60 * time.Second

// promoHeader is where Codex looks for words to show beside "You've hit your usage limit" (codex-rs/codex-api, rate_limits.rs; tried with 0.169.0):
// of the error's own it shows nothing there.
const promoHeader = "X-Codex-Promo-Message"

// retryHeaders tell a client when, and whether, to try again.
func retryHeaders(h http.Header, d dialect.Dialect, e *domain.Error, tried bool) {
	if e.RetryAfter > 0 {
		seconds := max(int64((e.RetryAfter+time.Second-1)/time.Second), 1)
		h["Retry-After"] = []string{strconv.FormatInt(seconds, 10)}
		if d.ID() == domain.DialectOpenAIChat || d.ID() == domain.DialectOpenAIResp {
			h["Retry-After-Ms"] = []string{strconv.FormatInt(e.RetryAfter.Milliseconds(), 10)}
		}
	}
	switch {
	case e.Kind == domain.KindBalance, e.Kind == domain.KindBudget: // nothing that a client does at once helps
		h["X-Should-Retry"] = []string{"false"}
		if d.ID() == domain.DialectOpenAIResp {
			h[promoHeader] = []string{strings.TrimSuffix(e.Message, ".")}
		}
	case e.RetryAfter > longRetryAfter,
		// Failover has been tried; two more rounds of the SDK's own add nothing.
		tried && (e.Kind == domain.KindUpstream || e.Kind == domain.KindUpstreamTimeout),
		tried && e.Kind == domain.KindOverloaded && e.RetryAfter == 0:
		h["X-Should-Retry"] = []string{"false"}
	}
}

// private matches what an upstream's error text may hold of an account: keys, also
// masked ones as OpenAI quotes them, and ids of organisations, projects and
// workspaces, which are at least 16 characters long. Clients parse these texts, so nothing that could be
// a word is touched.
var private = regexp.MustCompile(`\b(sk|pk|rk|sess)-[A-Za-z0-9_*\-]{6,}|\b(org-|orgs-|proj_|wrkspc_|acct_)[A-Za-z0-9]{16,}\b`)

// privateID matches a UUID that the text says to be an account's own, as Anthropic's
// "(org: 00000000-0000-…)"; any other may be the caller's.
var privateID = regexp.MustCompile(`(?i)\b((?:org|organization|organisation|workspace|account|project)(?:[_ -]?(?:id|uuid))?\W{1,5})[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`)

// redact takes an account's private parts out of an upstream's text.
func redact(body []byte, a *domain.Account) []byte {
	s := string(body)
	if k := a.APIKey.Reveal(); k != "" {
		s = strings.ReplaceAll(s, k, "[redacted]")
	}
	return []byte(privateID.ReplaceAllString(private.ReplaceAllString(s, "[redacted]"), "${1}[redacted]"))
}

// nextEvent is the number of the event that the caller has not seen yet, in a protocol that counts them.
func (x *exchange) nextEvent() int64 {
	if at := x.ans.owner(); at != nil {
		return at.nextEvent
	}
	return 0
}

// deliver tells the caller how the request ended, where it does not know yet.
func (x *exchange) deliver(end ending) (status int) {
	if end.left {
		x.ans.end()
		return dialect.StatusClientClosed
	}
	if end.err == nil {
		x.ans.end()
		return end.served.status
	}
	id := x.id.String()
	status, body := x.d.Error(end.err, id)
	if end.raw != nil && end.raw.codec == nil {
		body = redact(end.raw.body, end.raw.cand.Account)
		if end.raw.status >= http.StatusBadRequest { // else it was an error inside a success
			status = end.raw.status
		}
	}
	if end.replaced != 0 {
		status = end.replaced
	}
	x.ans.fail(x.req.Stream, status, body, x.d.StreamError(end.err, id, x.nextEvent()), func(h http.Header) {
		if x.ownSeat != nil && end.raw != nil {
			upstream.OwnLimits(end.raw.header, h)
		}
		retryHeaders(h, x.d, end.err, len(x.attempts) > 0 || x.former.known())
		if end.raw != nil && end.raw.codec == nil && end.raw.requestID != "" {
			h[x.d.RequestIDHeader()] = []string{end.raw.requestID}
		}
	})
	return status
}
