package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/domain"
	"turnout/internal/limit"
	"turnout/internal/sched"
)

// The limits of callers: a request is let in before an account is chosen, by all limits that it meets or by none, and
// holds what it was let in with until it has ended. docs/limits.md.

const (
	outputGuess = 1_000                  // tokens of an answer, where the request does not say how long it may be
	blobTokens  = 1_600                  // of an image or a file within a body, whatever its size
	blobLeast   = 4 << 10                // bytes of base64 in a row that make one
	slotWait    = 250 * time.Millisecond // for one of the caller's own requests that is just ending
)

// admission is what a request was let in with. Safe for concurrent use: an attempt beside another one may enter a pool.
type admission struct {
	barred atomic.Pointer[[]string] // pools that did not let it in

	mu      sync.Mutex
	ended   bool
	tickets []*limit.Ticket
	entered []string      // pools
	tokens  int64         // reserved
	input   int64         // of them, the estimate of the prompt
	by      string        // whose limit refused it; empty: nobody's
	last    *domain.Error // of a pool that it came to and that did not let it in
}

// rated reports whether anything limits the caller.
func (x *exchange) rated() bool {
	if u, t := x.key.Owner.User, x.key.Owner.Team; x.key.Rates != nil || u != nil && u.Rates != nil || t != nil && t.Rates != nil {
		return true
	}
	if x.snap.rated {
		for _, name := range x.key.Pools {
			if p := x.snap.pools[name]; p != nil && p.rates != nil {
				return true
			}
		}
	}
	return false
}

// owner is a key's, user's, team's or pool's counters with the limits of this configuration in force. They are looked up once for each
// configuration; what is a pool's or key's own is its address.
func (s *Snapshot) owner(g *Gateway, of any, kind, name string, r *domain.Rates) *limit.Owner {
	if o, ok := s.owners.Load(of); ok {
		return o.(*limit.Owner)
	}
	models := make(map[string]limit.Limits, len(r.Models))
	for m, l := range r.Models {
		models[m] = limitsOf(l)
	}
	o := g.limits.NewOwner(kind, name, limitsOf(r.RateLimits), models, s.Version, time.Since(g.since))
	s.owners.Store(of, o)
	return o
}

func limitsOf(r domain.RateLimits) limit.Limits {
	rate := func(perMinute, burst int64) limit.Rate {
		if burst == 0 {
			burst = perMinute
		}
		return limit.Rate{PerMinute: perMinute, Burst: burst}
	}
	return limit.Limits{Requests: rate(r.Requests, r.RequestBurst), Tokens: rate(r.Tokens, r.TokenBurst), Concurrency: r.Concurrency}
}

// keyCells and poolCells are the counters of a key and its owners, and of a pool, that the request counts in.
func (x *exchange) keyCells() []*limit.Cell {
	cells := make([]*limit.Cell, 0, limit.MostCells)
	if x.key.Rates != nil {
		cells = x.snap.owner(x.g, x.key, "key", x.key.Name, x.key.Rates).Cells(cells, x.req.Model)
	}
	if u := x.key.Owner.User; u != nil && u.Rates != nil {
		cells = x.snap.owner(x.g, u, "user", u.Name, u.Rates).Cells(cells, x.req.Model)
	}
	if t := x.key.Owner.Team; t != nil && t.Rates != nil {
		cells = x.snap.owner(x.g, t, "team", t.Name, t.Rates).Cells(cells, x.req.Model)
	}
	return cells
}

func (x *exchange) poolCells(p *pool, cells []*limit.Cell) []*limit.Cell {
	if p.rates != nil {
		cells = x.snap.owner(x.g, p, "pool", p.Name, p.rates).Cells(cells, x.req.Model)
	}
	return cells
}

// letIn holds the request to its caller's limits, and tells the caller in header how far they are used. Of the key's pools the
// first that lets it in is its pool. An error is the refusal.
//
//go:noinline
func (x *exchange) letIn(ctx context.Context, header http.Header) error {
	if !x.rated() {
		return nil
	}
	a := &admission{}
	a.input, a.tokens = x.estimate()
	x.admission = a
	var refused limit.Answer
	for began, pause := time.Now(), time.Millisecond; ; pause *= 2 {
		refused = limit.Answer{}
		for i, p := range x.pools {
			t := &limit.Ticket{}
			r := limit.Reserve(x.poolCells(p, x.keyCells()), a.tokens, time.Since(x.g.since), t)
			if i == 0 || r.OK() {
				rateHeaders(header, x.d.ID(), &r, time.Now())
			}
			if r.OK() {
				a.tickets, a.entered = append(a.tickets, t), append(a.entered, p.Name)
				if i > 0 {
					for _, full := range x.pools[:i] {
						a.bar(full.Name)
					}
					x.pools = x.pools[i:]
					x.mu.Lock()
					x.aimAgain()
					x.mu.Unlock()
				}
				return nil
			}
			if i == 0 || r.RetryAfter < refused.RetryAfter {
				refused = r
			}
		}
		// A client that reads the end of an answer may ask again before that request has let go of its slot.
		if refused.Kind != limit.KindConcurrency || time.Since(began) >= slotWait || !sleep(ctx, pause) {
			break
		}
	}
	a.by = refused.By.Scope.Kind + " " + refused.By.Scope.Name + ": " + refused.Kind.String()
	x.g.deps.Observer.Event(EventCallerLimit, refused.By.Scope.Kind+" "+refused.Kind.String(), 1)
	return rateError(&refused, a.tokens, time.Now())
}

// mayUse reports whether the request may go to a candidate of a target as far as the limits of its pool say. A pool with limits that
// is not the request's own is entered by it when it comes there, or left out from then on.
func (x *exchange) mayUse(t *target, c *sched.Candidate) bool {
	a := x.admission
	if a == nil || x.ownSeat != nil {
		return true
	}
	var p *pool
	for _, v := range t.views {
		if v.Find(c.ID) != nil {
			p = x.snap.pools[v.PoolName]
			break
		}
	}
	if p == nil || p.rates == nil {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended {
		return false
	}
	for _, name := range a.entered {
		if name == p.Name {
			return true
		}
	}
	ticket := &limit.Ticket{}
	if r := limit.Reserve(x.poolCells(p, make([]*limit.Cell, 0, limit.MostCells)), a.tokens, time.Since(x.g.since), ticket); !r.OK() {
		x.g.deps.Observer.Event(EventCallerLimit, "pool "+r.Kind.String(), 1)
		a.bar(p.Name)
		a.last = rateError(&r, a.tokens, time.Now())
		return false
	}
	a.tickets, a.entered = append(a.tickets, ticket), append(a.entered, p.Name)
	return true
}

// turnedFrom gives back a candidate whose pool did not let the request in, and goes on without that pool.
func (x *exchange) turnedFrom(c *sched.Candidate) {
	c.ReturnProbe()
	x.giveBack(c)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.aimAgain()
}

// bar leaves a pool out.
func (a *admission) bar(name string) {
	all := []string{name}
	if old := a.barred.Load(); old != nil {
		all = append(all, *old...)
	}
	a.barred.Store(&all)
}

// bars reports whether the pool has not let the request in.
func (a *admission) bars(name string) bool {
	if a == nil {
		return false
	}
	if all := a.barred.Load(); all != nil {
		for _, n := range *all {
			if n == name {
				return true
			}
		}
	}
	return false
}

// refusal is the latest of a pool that the request came to.
func (a *admission) refusal() *domain.Error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last
}

// end gives back what the request holds, which has used so many tokens. It may be called more than once.
func (a *admission) end(g *Gateway, used int64) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	for _, t := range a.tickets {
		t.End(used, time.Since(g.since))
	}
	a.tickets = nil
}

// refusedBy is whose limit refused the request; empty: nobody's.
func (a *admission) refusedBy() string {
	if a == nil {
		return ""
	}
	return a.by
}

// estimate is how many tokens the prompt has, and how many the request may take in all.
func (x *exchange) estimate() (input, all int64) {
	if x.req.Form || x.onlyCounts() {
		return 0, 0 // of audio and images no tokens are known
	}
	input = promptTokens(x.body.bytes())
	switch {
	case x.req.MaxTokens > 0:
		return input, input + x.req.MaxTokens
	case x.path != "":
		return input, input // embeddings and the like answer in few tokens, or none
	}
	return input, input + outputGuess
}

// onlyCounts reports whether the request asks how many tokens a prompt has, which takes none.
func (x *exchange) onlyCounts() bool {
	switch x.path {
	case "/v1/messages/count_tokens", "/v1/responses/input_tokens", "countTokens":
		return true
	}
	return false
}

// promptTokens is a token for four bytes, but for images and files.
func promptTokens(body []byte) int64 {
	bytes, blobs, run := int64(len(body)), int64(0), 0
	for i := 0; i <= len(body); i++ {
		if i < len(body) && base64Byte[body[i]] {
			run++
			continue
		}
		if run >= blobLeast {
			bytes, blobs = bytes-int64(run), blobs+1
		}
		run = 0
		// A run that is long enough to count passes one of these places: what lies between need not be looked at.
		if next := i + blobLeast; next < len(body) && !base64Byte[body[next]] {
			i = next
		}
	}
	return bytes/4 + blobs*blobTokens
}

var base64Byte = func() (is [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=") {
		is[c] = true
	}
	return is
}()

// usedTokens is what the request is charged in the end: what the upstream has stated of the answer that the caller got. What an
// answer without such a statement took is estimated; where there was none, nothing was used.
func (x *exchange) usedTokens(final *attempt) int64 {
	a := x.admission
	if a == nil || x.onlyCounts() {
		return 0
	}
	if final == nil { // the caller left before an answer: who was asked has read the prompt all the same
		for _, at := range x.attempts {
			if at.result == resultLeft {
				return max(at.usage.Prompt(), a.input) + at.usage.Output
			}
		}
		return 0
	}
	u := final.usageOf()
	prompt, output := a.input, u.Output
	if n := u.Prompt(); n > 0 {
		prompt = n
	}
	if u.Reported && final.result == resultServed {
		return prompt + output
	}
	_, _, written := x.ans.state()
	switch {
	case x.path != "": // what further paths answer is no text
	case x.req.Stream:
		output = max(output, int64(final.events)) // about a token in each
	default:
		output = max(output, written/4)
	}
	return prompt + output
}

// rateError says which limit of whom refuses a request, and until when.
func rateError(r *limit.Answer, tokens int64, now time.Time) *domain.Error {
	e := &domain.Error{Kind: domain.KindRateLimited, Op: "hold the caller to its limits"}
	whose := r.By.Scope.Kind + " " + strconv.Quote(r.By.Scope.Name)
	if m := r.By.Scope.Model; m != "" {
		whose += " for the model " + m
		if strings.Contains(m, "*") {
			whose = whose + " and its like"
		}
	}
	switch r.Kind {
	case limit.KindConcurrency:
		e.RetryAfter = time.Second
		e.Message = fmt.Sprintf("the limit of %d requests at a time of the %s is reached; try again when one of them has ended", r.Most, whose)
		return e
	case limit.KindTokens:
		e.Message = fmt.Sprintf("the limit of %d tokens a minute of the %s is reached, and this request may take %d", r.Rate.PerMinute, whose, tokens)
	default:
		e.Message = fmt.Sprintf("the limit of %d requests a minute of the %s is reached", r.Rate.PerMinute, whose)
	}
	e.RetryAfter = roundUp(r.RetryAfter, time.Millisecond)
	at := now.Add(e.RetryAfter)
	e.Message += fmt.Sprintf("; try again in %s, at %s", e.RetryAfter, roundUpTime(at).Format(time.RFC3339))
	return e
}

func roundUp(d, to time.Duration) time.Duration { return (d + to - 1) / to * to }

// roundUpTime is the next full second, in UTC.
func roundUpTime(t time.Time) time.Time { return t.Add(time.Second - 1).UTC().Truncate(time.Second) }

// rateHeaders tell a caller its limits and how far they are used, each in the form that clients of its protocol know: Anthropic's and
// OpenAI's own (their references, read 2026-11), and for Gemini's, which has none, those of draft-ietf-httpapi-ratelimit-headers-10.
func rateHeaders(h http.Header, d domain.Dialect, a *limit.Answer, now time.Time) {
	if d == domain.DialectGeminiContent {
		var policy, state []string
		for _, l := range []struct {
			name string
			s    limit.State
		}{{"requests", a.Requests}, {"tokens", a.Tokens}} {
			if l.s.Known() {
				window := (l.s.Limit*60 + l.s.PerMinute - 1) / l.s.PerMinute
				policy = append(policy, fmt.Sprintf("%q;q=%d;w=%d", l.name, l.s.Limit, window))
				state = append(state, fmt.Sprintf("%q;r=%d;t=%d", l.name, l.s.Remaining, roundUp(l.s.Reset, time.Second)/time.Second))
			}
		}
		if policy != nil {
			h["Ratelimit-Policy"], h["Ratelimit"] = []string{strings.Join(policy, ", ")}, []string{strings.Join(state, ", ")}
		}
		return
	}
	for _, l := range []struct {
		name string
		s    limit.State
	}{{"Requests", a.Requests}, {"Tokens", a.Tokens}} {
		if !l.s.Known() {
			continue
		}
		format, reset := "X-Ratelimit-%[2]s-%[1]s", roundUp(l.s.Reset, time.Millisecond).String()
		if d == domain.DialectAnthropic {
			format, reset = "Anthropic-Ratelimit-%[1]s-%[2]s", roundUpTime(now.Add(l.s.Reset)).Format(time.RFC3339)
		}
		for _, part := range [][2]string{{"Limit", strconv.FormatInt(l.s.Limit, 10)}, {"Remaining", strconv.FormatInt(l.s.Remaining, 10)}, {"Reset", reset}} {
			h[fmt.Sprintf(format, l.name, part[0])] = []string{part[1]}
		}
	}
}

// refusalTrace is the trace of a request that was never tried.
func (x *exchange) refusalTrace(err error) []byte {
	b := dialect.AppendString([]byte(`{"v":1,"refused":`), domain.KindOf(err).String())
	if by := x.admission.refusedBy(); by != "" {
		b = dialect.AppendString(append(b, `,"limit":`...), by)
	}
	return append(b, '}')
}
