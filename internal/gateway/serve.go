package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"turnout/internal/caller"
	"turnout/internal/dialect"
	"turnout/internal/domain"
	"turnout/internal/failover"
	"turnout/internal/sched"
	"turnout/internal/upstream"
)

// Call is what a route says of a request.
type Call struct {
	Dialect dialect.Dialect
	Path    string        // a further path of the dialect, as its platforms' Offers name it; empty: its main one
	At      dialect.Route // of dialects that say in the path what others say in the body
}

// Handler serves the requests of one route.
func (g *Gateway) Handler(c Call) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.Serve(w, r, &c) })
}

// Serve serves one request. c is not kept.
func (g *Gateway) Serve(w http.ResponseWriter, r *http.Request, c *Call) {
	g.begin()
	defer g.end()
	g.serve(w, r, c)
}

// serve is one request from its first byte to its record. Its frame, and those of what
// it calls while a stream lasts, are kept small: they are most of what an open stream
// holds (goroutine stacks double when they grow past 8 KiB).
func (g *Gateway) serve(w http.ResponseWriter, r *http.Request, c *Call) {
	x := g.receive(w, r, c)
	if x == nil {
		return
	}
	defer x.leave()
	x.finish(x.run())
	x.ended = true
}

// eventStream is the media type of server-sent events.
const eventStream = "text/event-stream"

// leave lets the body go. Where the request did not come to its end but crashed, it
// also stops what still runs and settles what is held; the panic goes on.
func (x *exchange) leave() {
	x.release()
	if s := x.splice.Load(); s != nil {
		s.from.said.drop()
	}
	if x.ended {
		return
	}
	x.ans.end()
	x.admission.end(x.g, 0)
	x.seat.leave()
	x.mu.Lock()
	running := append([]*attempt(nil), x.running...)
	x.running = nil
	x.mu.Unlock()
	for _, at := range running {
		at.cancel(nil)
		if at.watch != nil {
			at.watch.Stop()
		}
		if !at.beside { // that one runs in a goroutine of its own, and ends with its context
			if at.said != nil {
				at.said.drop()
			}
			x.giveBack(at.cand)
		}
	}
	x.charge(x.ans.owner(), domain.Usage{}, false)
}

// receive reads and checks a request; nil: it was refused, and the caller told.
//
//go:noinline
func (g *Gateway) receive(w http.ResponseWriter, r *http.Request, c *Call) *exchange {
	began := time.Now()
	id := domain.NewRequestID(began)
	w.Header()[requestIDHeader] = []string{id.String()}
	x := &exchange{g: g, id: id, began: began, d: c.Dialect, path: c.Path, at: c.At, seed: seed(id)}
	if err := x.admit(r); err != nil {
		g.turnAway(w, x, err)
		return nil
	}
	received := false
	defer func() {
		if !received { // refused, or crashed: what was taken is given back
			x.admission.end(g, 0)
			if x.body != nil {
				x.body.release()
			}
		}
	}()
	err := x.read(w, r)
	if err == nil {
		err = x.route(r, w.Header())
	}
	if err == nil {
		x.ctx = r.Context()
		err = x.hold(x.ctx)
	}
	if err != nil {
		x.admission.end(g, 0)
		g.recordRefusal(x, err, Refuse(w, x.d, err, id))
		return nil
	}
	if warnings := x.holding.Warnings(); len(warnings) > 0 {
		w.Header()[budgetHeader] = warnings
	}
	x.ans = newAnswer(w, x.snap.Settings.WriteWait)
	x.ans.ownSeat = x.ownSeat != nil
	if x.at.Array {
		x.ans.array = &arrayFrame{}
	}
	if x.req.Stream {
		x.ans.startKeepAlives(aliveFor(r.Header, x.d.ID(), x.pools[0].keepAlive, x.d.KeepAlive()))
	}
	received = true
	return x
}

// turnAway refuses a request that may not be looked at. It is counted and not recorded: whoever has no key
// must not be able to fill the store.
//
//go:noinline
func (g *Gateway) turnAway(w http.ResponseWriter, x *exchange, err error) {
	status := Refuse(w, x.d, err, x.id)
	g.deps.Observer.Request(x.d.ID().String(), OutcomeRefused.String(), status, false, time.Since(x.began), 0, domain.Usage{})
	g.deps.Log.LogAttrs(context.Background(), slog.LevelDebug, "request refused", slog.String("request", x.id.String()), slog.String("error", err.Error()))
}

// finish answers, settles, remembers and records.
func (x *exchange) finish(end ending) {
	g := x.g
	x.seat.leave()
	x.unresumed(&end)
	if end.served == nil && end.broken == nil && !end.left {
		x.remember(end)
	}
	status := x.deliver(end)
	// What the caller got content of is what is settled, whether it is whole, broke, or
	// the caller left; what every other attempt cost is the operator's.
	var usage domain.Usage
	final := x.ans.owner()
	if final != nil {
		usage = final.usageOf()
		x.warm(final)
	}
	x.admission.end(g, x.usedTokens(final))
	x.others(final)
	x.charge(final, usage, end.served != nil)
	if end.served != nil {
		x.succeeded(end.served)
		g.deps.Observer.Attempt(end.served.plat.Name, "", "", end.served.took)
	}
	if end.broken != nil {
		if end.broken.decision.Reason == "" {
			x.afterFailure(end.broken)
		}
		x.remember(end)
	}
	if final != nil && final.heldBound != "" {
		g.deps.Observer.Event(EventHold, final.heldBound, 1)
	}
	if n := x.ans.keepAlives(); n > 0 {
		g.deps.Observer.Event(EventKeepAlive, x.d.ID().String(), n)
	}
	rec := x.record(end, status)
	g.deps.Observer.Request(x.d.ID().String(), rec.Outcome.String(), rec.Status, rec.Stream, rec.Took, rec.First, rec.Usage)
	g.deps.Recorder.Record(rec)
	if aborted := x.ans.aborted(); aborted {
		x.ended = true
		panic(http.ErrAbortHandler) // the only way to show a caller that a JSON answer broke
	}
}

// admit checks what needs no body.
func (x *exchange) admit(r *http.Request) error {
	if x.g.draining.Load() {
		return &domain.Error{Kind: domain.KindDraining, Op: "accept the request", RetryAfter: time.Second}
	}
	if x.snap = x.g.snapshot.Load(); x.snap == nil {
		return &domain.Error{Kind: domain.KindUnavailable, Op: "accept the request", Message: "the gateway is starting", RetryAfter: time.Second}
	}
	secret, _ := caller.Credential(r)
	key, err := x.snap.keys.Check(secret, x.began)
	if err != nil {
		return err
	}
	x.key = key
	return caller.CheckAddress(key, r, x.snap.Settings.TrustedProxies)
}

// read takes the body in and reads its facts.
func (x *exchange) read(w http.ResponseWriter, r *http.Request) (err error) {
	if x.body, err = x.takeBody(w, r); err == nil {
		x.req, err = x.facts(r, x.body.bytes())
	}
	return err
}

// takeBody reads a request's body, decoded.
func (x *exchange) takeBody(w http.ResponseWriter, r *http.Request) (*body, error) {
	limit := x.snap.Settings.MaxBody
	rc := http.NewResponseController(w)
	s := &x.snap.Settings
	src := io.Reader(&patientReader{r: r.Body, rc: rc, wait: s.ReadWait, end: x.began.Add(s.ReadTotal)})
	coding := r.Header.Get("Content-Encoding")
	expect := r.ContentLength
	if coding != "" && !strings.EqualFold(coding, "identity") {
		dec, known, err := upstream.Decoder(coding, src)
		if !known {
			return nil, domain.Errorf(domain.KindUnsupported, "read the request body", "content encoding %q is not supported; send gzip, br, zstd, deflate or none", coding)
		}
		if err != nil {
			return nil, &domain.Error{Kind: domain.KindInvalid, Op: "read the request body", Message: "the body is not valid " + coding, Err: err}
		}
		if c, ok := dec.(io.Closer); ok {
			defer func() { _ = c.Close() }()
		}
		if expect > limit {
			return nil, tooLarge(limit)
		}
		src, expect = dec, -1
	}
	b, err := readBody(src, expect, limit, x.g.deps.Bodies)
	if err != nil {
		return nil, readError(err, limit, coding)
	}
	_ = rc.SetReadDeadline(time.Time{}) // the server watches the connection from now on
	return b, nil
}

func tooLarge(limit int64) error {
	return domain.Errorf(domain.KindTooLarge, "read the request body", "the request body is larger than the limit of %d bytes", limit)
}

func readError(err error, limit int64, coding string) error {
	switch {
	case errors.Is(err, errBodyTooLarge):
		return tooLarge(limit)
	case errors.Is(err, errBodiesFull):
		return &domain.Error{Kind: domain.KindUnavailable, Op: "read the request body", Message: "too many large requests at once; try again in a moment", RetryAfter: time.Second}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &domain.Error{Kind: domain.KindTimeout, Op: "read the request body", Message: "the request body was sent too slowly", Err: err}
	case coding != "" && !errors.Is(err, io.ErrUnexpectedEOF):
		return &domain.Error{Kind: domain.KindInvalid, Op: "read the request body", Message: "the body is not valid " + coding, Err: err}
	}
	return &domain.Error{Kind: domain.KindInvalid, Op: "read the request body", Message: "the request body did not arrive whole", Err: err}
}

// patientReader gives every read its deadline.
type patientReader struct {
	r    io.Reader
	rc   *http.ResponseController
	wait time.Duration
	end  time.Time
	set  time.Time
}

func (p *patientReader) Read(b []byte) (int, error) {
	now := time.Now()
	if now.Sub(p.set) > p.wait/16 {
		deadline := now.Add(p.wait)
		if deadline.After(p.end) {
			deadline = p.end
		}
		_ = p.rc.SetReadDeadline(deadline) // a writer without deadlines reads as long as it likes
		p.set = now
	}
	return p.r.Read(b)
}

// route finds who may serve the request, and the session's account.
func (x *exchange) route(r *http.Request, answer http.Header) (err error) {
	if x.tags, err = caller.Tags(x.key, r.Header); err != nil {
		return err
	}
	if !x.key.Allows(x.req.Model) {
		return &domain.Error{Kind: domain.KindForbidden, Op: "route the request", Param: "model", Code: "model_not_allowed", Message: x.key.Refusal(x.req.Model)}
	}
	own, err := x.takeOwnSeat(r)
	if err == nil && !own {
		err = x.routeToAccounts(r)
	}
	if err == nil {
		err = x.letIn(r.Context(), answer)
	}
	if err != nil {
		return err
	}
	t := x.target.Load()
	if x.commit, err = x.commitPoint(r); err != nil {
		return err
	}
	x.header, x.query = outgoing(r)
	x.patience = patienceOf(r.Header)
	if stated := x.header["Content-Type"]; !x.req.Form && (len(stated) != 1 || stated[0] == "" || !isJSON(stated[0])) {
		// What was read as JSON goes on as that: a reader of another type would see another body.
		x.header["Content-Type"] = []string{"application/json"}
	}
	if x.req.Stream {
		if _, stated := x.header["Accept"]; !stated {
			x.header["Accept"] = []string{eventStream}
		}
	}
	x.session = identify(r.Header, x.d, &x.req, x.body.bytes(), x.key.ID, x.pools[0].ID)
	if x.ownSeat != nil {
		x.seated()
	}
	if x.path != "" && x.session.derived() || x.ownSeat != nil {
		x.session = session{} // embeddings and the like have no conversation; an own seat has nowhere else to go
	}
	if !x.session.id.IsZero() {
		if b, ok := x.g.deps.Bindings.Lookup(x.session.id); ok {
			x.binding, x.boundAtStart = b, b.Account
			if b.WarmUntil.After(x.began) {
				x.mu.Lock()
				x.warmAtStart = x.staked()
				x.mu.Unlock()
			}
			x.stays = x.lacksModel(b.Account)
		} else if !x.session.parent.IsZero() {
			b, _ := x.g.deps.Bindings.Lookup(x.session.parent)
			x.parent = b.Account
		}
	}
	x.prefixed()
	bound := x.binding.Account
	if t.fallback {
		bound, x.stays = 0, true
	}
	x.state = failover.NewState(failover.Session{HasBound: bound != 0, Bound: bound, BoundKnown: bound != 0}, x.seed)
	if x.hasFallback(failover.Unknown) {
		x.state.Reserved = 1
	}
	if !x.req.Stream && x.policy().Profile == failover.ProfileBalanced {
		x.state.HoldUntil = jsonHold
	}
	if x.ownSeat == nil && x.g.former.any() && x.policy().Profile == failover.ProfileBalanced {
		x.former = x.g.former.take(formerKeyOf(x.key.ID, x.session.id, x.body.bytes()), x.began)
		x.broke = x.g.former.take(formerKeyOf(x.key.ID, x.session.id, nil), x.began)
	}
	return nil
}

// routeToAccounts finds the key's accounts that may serve the request.
func (x *exchange) routeToAccounts(r *http.Request) (err error) {
	if x.only, err = x.pinned(r.Context()); err != nil {
		return err
	}
	if x.only != 0 {
		x.mute = everyDialect // nobody who reads a translation could read what is named, either
	}
	var out [sched.NumVerdicts]int
	t := &target{model: x.req.Model}
	var first *pool
	for _, name := range x.key.Pools {
		p := x.snap.pools[name]
		if p == nil || !p.Enabled {
			continue
		}
		if first == nil {
			first = p
		}
		v := x.snap.view(p, x.viewAsk(x.req.Model), x.key)
		if len(v.Candidates) == 0 {
			for i, n := range v.Out {
				out[i] += int(n)
			}
			continue
		}
		x.pools, t.views = append(x.pools, p), append(t.views, v)
	}
	if len(t.views) == 0 {
		if x.pools = append(x.pools, first); first != nil {
			t = x.anyFallback(failover.ModelGone)
		}
		if first == nil || t == nil {
			return x.nobody(out)
		}
		x.fell = append(x.fell, t.model)
	}
	x.aim(t)
	return nil
}

// jsonHold is when a caller that waits for a JSON answer has been held long enough:
// it cannot be shown a sign of life, and proxies in between give up at 60 s.
const jsonHold = 45 * time.Second

// lacksModel reports whether a bound account could serve the session but for the
// model that this request asks for. Then the request is served elsewhere and the session stays.
func (x *exchange) lacksModel(id domain.AccountID) bool {
	if x.candidate(id) != nil {
		return false
	}
	a := x.snap.account(id)
	if a == nil || !a.Enabled || a.Paused {
		return false
	}
	if _, serves := a.Models.Resolve(x.req.Model); serves {
		return false
	}
	p := x.pools[0]
	return slices.Contains(a.Pools, p.Name) && a.Labels.Satisfy(p.Require) && a.Labels.Satisfy(x.key.Require)
}

// seed draws from the request's id, so that every jitter can be replayed.
func seed(id domain.RequestID) uint64 {
	var s uint64
	for _, b := range id[8:] {
		s = s<<8 | uint64(b)
	}
	return s
}

// parameters are the parts of a query, as they came.
func parameters(raw string) iter.Seq[string] {
	return strings.FieldsFuncSeq(raw, func(c rune) bool { return c == '&' || c == ';' })
}

// query is what of the caller's query goes upstream: all but a key.
func query(r *http.Request) string {
	raw := r.URL.RawQuery
	if raw == "" || raw == "beta=true" {
		return raw
	}
	// By hand, because net/url drops what it cannot read, and the upstream may read it.
	var keep []string
	found := false
	for pair := range parameters(raw) {
		name, _, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
		// In any case and spelling: Api-Key, api_key, apiKey.
		switch strings.ToLower(strings.NewReplacer("-", "", "_", "", " ", "").Replace(name)) {
		case "key", "apikey", "xapikey", "xgoogapikey", "token", "accesstoken", "authtoken", "authorization":
			found = true
			continue
		}
		keep = append(keep, pair)
	}
	if !found {
		return raw // as it came
	}
	return strings.Join(keep, "&")
}

// nobody says why no account can ever serve the request.
func (x *exchange) nobody(out [sched.NumVerdicts]int) error {
	const op = "route the request"
	model := x.req.Model
	switch {
	case out[sched.NoLabel] > 0:
		return domain.Errorf(domain.KindForbidden, op, "no account that serves %q carries the labels that this key or pool requires", model)
	case out[sched.Paused] > 0:
		return &domain.Error{Kind: domain.KindUnavailable, Op: op, Message: fmt.Sprintf("every account that may serve %q is paused by the operator", model)}
	case x.path != "" && out[sched.WrongPlatform] > 0:
		return &domain.Error{
			Kind: domain.KindNotFound, Op: op, Param: "model", Code: "model_not_found",
			Message: fmt.Sprintf("no account of this key serves %s for the model %q; it is not translated, so that an account has to speak %s itself and have the model", x.path, model, x.d.ID()),
		}
	case out[sched.NoModel] > 0 || out[sched.WrongPlatform] == 0:
		return &domain.Error{
			Kind: domain.KindNotFound, Op: op, Param: "model", Code: "model_not_found",
			Message: fmt.Sprintf("the model %q is served by no account of this key; GET /v1/models lists what is", model),
		}
	}
	return &domain.Error{
		Kind: domain.KindNotFound, Op: op, Param: "model", Code: "model_not_found",
		Message: fmt.Sprintf("the accounts of this key do not speak %s; use the endpoint of their own protocol", x.d.ID()),
	}
}

// asError gives an error that callers may be told; any other becomes an internal one.
func asError(err error) *domain.Error {
	var e *domain.Error
	if errors.As(err, &e) {
		return e
	}
	return &domain.Error{Kind: domain.KindInternal, Err: err}
}

// Refuse writes an error before anything was opened, and says which status it wrote.
func Refuse(w http.ResponseWriter, d dialect.Dialect, err error, id domain.RequestID) int {
	e := asError(err)
	status, body := d.Error(e, id.String())
	h := w.Header()
	retryHeaders(h, d, e, false)
	h["Content-Type"] = []string{"application/json"}
	if e.Kind == domain.KindTooLarge || e.Kind == domain.KindTimeout {
		h["Connection"] = []string{"close"} // what is still coming is not worth reading
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
	return status
}

// recordRefusal writes down a request that was never tried.
func (g *Gateway) recordRefusal(x *exchange, err error, status int) {
	r := &Record{
		ID: x.id, Key: x.key.ID, Model: x.req.Model, Dialect: x.d.ID(), Stream: x.req.Stream, Outcome: OutcomeRefused, Status: status,
		Began: x.began, Took: time.Since(x.began), BytesIn: int64(x.req.Size), Tags: x.tags,
		Trace: x.refusalTrace(err),
	}
	if x.admission.refusedBy() != "" {
		r.Pool = x.pools[0].ID
	}
	g.deps.Observer.Request(x.d.ID().String(), r.Outcome.String(), status, r.Stream, r.Took, 0, r.Usage)
	g.deps.Recorder.Record(r)
	g.deps.Log.LogAttrs(context.Background(), slog.LevelDebug, "request refused", slog.String("request", x.id.String()), slog.String("error", err.Error()))
}
