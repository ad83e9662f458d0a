package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/domain"
	"turnout/internal/platform"
	"turnout/internal/sched"
	"turnout/internal/upstream"
)

// ObjectCall is what a route says of a request about what lives at one account.
type ObjectCall struct {
	Dialect    dialect.Dialect
	Collection string // its path at Turnout, as Offers name it: "/v1/files"
	ID         string // of one object; empty: the collection
	Tail       string // what follows the object's path: "/content"
	Part       string // of one part of the object, which lives where that lives: its id, behind Tail
	// Prefix stands before the id in the names that the provider gives: "cachedContents/".
	Prefix string
}

// Object serves requests about stored responses, files, batches and cached content. What
// belongs to a key is found by that key alone. There is no fail-over: nobody else has it.
func (g *Gateway) Object(w http.ResponseWriter, r *http.Request, c *ObjectCall) {
	g.begin()
	defer g.end()
	began := time.Now()
	id := domain.NewRequestID(began)
	w.Header()[requestIDHeader] = []string{id.String()}
	x := &exchange{g: g, id: id, began: began, d: c.Dialect, path: c.Collection, seed: seed(id), ctx: r.Context()}
	if err := x.admit(r); err != nil {
		g.turnAway(w, x, err)
		return
	}
	status, account, err := x.object(w, r, c)
	if err != nil {
		status = Refuse(w, x.d, err, id)
	}
	x.recordObject(r, status, account, err)
}

// object finds the account and asks it. An error has not been told to the caller yet.
func (x *exchange) object(w http.ResponseWriter, r *http.Request, c *ObjectCall) (int, domain.AccountID, error) {
	const op = "find the account"
	if own := x.brought(r); !own.none() {
		return 0, 0, domain.Errorf(domain.KindInvalid, op, "%s is served by the accounts of the Turnout key alone; send that key, without a credential of the provider's beside it", c.Collection)
	}
	if !plainID(c.ID) || !plainID(c.Part) {
		return 0, 0, domain.Errorf(domain.KindInvalid, op, "the path holds something that is no id")
	}
	if r.Method == http.MethodPost && c.ID == "" && strings.HasSuffix(c.Collection, "batches") {
		if err := x.unlimited("a batch", "send its requests one by one"); err != nil {
			return 0, 0, err
		}
	}
	body, err := x.objectBody(w, r)
	if err != nil {
		return 0, 0, err
	}
	ask := objectAsk{body: body}
	if body != nil {
		defer body.release()
		if err = x.objectFacts(r, c, &ask); err != nil {
			return 0, 0, err
		}
	}
	at, err := x.lives(r, c)
	if err != nil {
		return 0, 0, err
	}
	a, to, err := x.holder(c, at, &ask)
	if err != nil {
		return 0, 0, err
	}
	resp, err := x.askObject(r, c, a, to, outgoingQuery(r), &ask)
	if err != nil {
		return 0, a.ID, err
	}
	defer func() { _ = resp.Body.Close() }()
	status, err := x.answerObject(w, r, c, a, to, &ask, resp)
	return status, a.ID, err
}

// plainID reports whether a part of a path may be an id, or is none. Whatever some server on the way might take for more than one
// part, decode once more, or resolve, would lead to another key's object.
func plainID(s string) bool {
	if s == "." || s == ".." || len(s) > maxID {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' || c == ':' || c == '~' || c == '=' || c == '@' {
			continue
		}
		return false
	}
	return true
}

// maxID is longer than every provider's ids, in bytes.
const maxID = 512

// lives finds where the object lives, or the row from which a list goes on, and what the body names: all must be the key's own, and at the same
// account. 0: nothing that lives anywhere is spoken of.
func (x *exchange) lives(r *http.Request, c *ObjectCall) (domain.AccountID, error) {
	const op = "find the account"
	ctx := r.Context()
	name := cursor(r, c.Dialect.ID())
	if c.ID != "" {
		name = c.Prefix + c.ID
	}
	var at domain.AccountID
	if name != "" {
		var err error
		if at, err = x.owner(ctx, name); err != nil {
			if domain.KindOf(err) == domain.KindNotFound {
				err = &domain.Error{
					Kind: domain.KindNotFound, Op: op, Code: "not_found",
					Message: clip(name) + " is not known to this key: it was made with another key or outside of Turnout, was deleted, or has expired",
				}
			}
			return 0, err
		}
	}
	named, err := x.pinned(ctx)
	if err != nil {
		return 0, err
	}
	if at != 0 && named != 0 && at != named {
		return 0, &domain.Error{
			Kind: domain.KindInvalid, Op: op, Param: x.req.Refs[0].Param, Code: "different_accounts",
			Message: clip(x.req.Refs[0].ID) + " lives at another account than " + clip(name) + ", and no account can read another one's; make it anew, with a request that names both",
		}
	}
	return max(at, named), nil
}

// objectBody reads the body of a request that may have one; nil: it has none.
func (x *exchange) objectBody(w http.ResponseWriter, r *http.Request) (*body, error) {
	if r.Method != http.MethodPost && r.Method != http.MethodPatch {
		return nil, nil
	}
	return x.takeBody(w, r)
}

// holder is the account that is asked: the one where the object lives, or, for a collection,
// the key's own choice among those that know such things, always the same as long as the accounts are.
func (x *exchange) holder(c *ObjectCall, at domain.AccountID, ask *objectAsk) (*domain.Account, *url.URL, error) {
	const op = "find the account"
	var best *domain.Account
	var rank uint64
	lacks := false
	for _, name := range x.key.Pools {
		p := x.snap.pools[name]
		if p == nil || !p.Enabled {
			continue
		}
		for _, a := range p.accounts {
			o, ok := x.snap.platforms[a.ID].Offer(c.Dialect.ID())
			if _, knows := o.Others[c.Collection]; !ok || !knows || !a.Enabled || a.Paused || a.Draining && at != a.ID || !a.Labels.Satisfy(p.Require) || !a.Labels.Satisfy(x.key.Require) {
				continue
			}
			if !ask.serves(a) {
				lacks = lacks || at == 0 || at == a.ID
				continue
			}
			if at == a.ID {
				best = a
				break
			}
			if r := sched.Mix(uint64(x.key.ID), a.ID); at == 0 && (best == nil || r > rank) {
				best, rank = a, r
			}
		}
	}
	switch {
	case best == nil && lacks:
		return nil, nil, &domain.Error{
			Kind: domain.KindNotFound, Op: op, Param: "model", Code: "model_not_found",
			Message: fmt.Sprintf("no account of this key serves %s for the model %q, or for all models of the request", c.Collection, clip(ask.models[0].name)),
		}
	case best == nil && at != 0:
		return nil, nil, &domain.Error{Kind: domain.KindUnavailable, Op: op, Message: "the account at which " + clip(c.ID) + " lives is not in use for this key any more"}
	case best == nil:
		return nil, nil, domain.Errorf(domain.KindNotFound, op, "no account of this key serves %s", c.Collection)
	}
	p := x.snap.platforms[best.ID]
	o, _ := p.Offer(c.Dialect.ID())
	path := o.Others[c.Collection]
	if c.ID != "" {
		path += "/" + url.PathEscape(c.ID) + c.Tail
	}
	if c.Part != "" {
		path += "/" + url.PathEscape(c.Part)
	}
	u, err := p.URL(best.BaseURL, platform.Expand(path, dialect.Route{}))
	if err != nil {
		return nil, nil, err
	}
	return best, u, nil
}

// objectTimes bound a question about an object.
const (
	objectHeader = 60 * time.Second
	objectTotal  = 30 * time.Minute
)

func (x *exchange) askObject(r *http.Request, c *ObjectCall, a *domain.Account, to *url.URL, query string, ask *objectAsk) (*http.Response, error) {
	p := x.snap.platforms[a.ID]
	header, _ := outgoing(r)
	if o, _ := p.Offer(c.Dialect.ID()); o.Header != nil {
		for k, v := range o.Header {
			if _, stated := header[k]; !stated {
				header[k] = v
			}
		}
	}
	withQuery := *to
	withQuery.RawQuery = query
	ctx, cancel := context.WithCancelCause(r.Context())
	watch := upstream.NewWatch(cancel, objectHeader, objectTotal)
	call := &upstream.Call{Account: a, Platform: p, URL: &withQuery, Method: r.Method, Header: header}
	if ask.body != nil {
		if ask.kind != "" {
			header["Content-Type"] = []string{ask.kind}
		}
		e := ask.body.edit(ask.names(a)...)
		call.Length, call.Body = e.length, e.open
	}
	resp, err := x.g.deps.Upstream.Send(ctx, call)
	if err != nil {
		watch.Stop()
		cancel(nil)
		var f *upstream.Fault
		if errors.As(err, &f) && f.Kind == upstream.FaultLimit {
			return nil, domain.Errorf(domain.KindUpstreamTimeout, "ask the account", "the upstream did not answer in time")
		}
		return nil, &domain.Error{Kind: domain.KindUpstream, Op: "ask the account", Message: "the upstream could not be reached", Err: err, FromProvider: true}
	}
	x.g.heardOf(a, resp.Header)
	watch.Progress(upstream.LimitStall, objectTotal)
	resp.Body = &watchedBody{resp.Body, watch, cancel}
	return resp, nil
}

// watchedBody stops its watch when it is closed.
type watchedBody struct {
	io.ReadCloser
	watch  *upstream.Watch
	cancel context.CancelCauseFunc
}

func (b *watchedBody) Close() error {
	err := b.ReadCloser.Close()
	b.watch.Stop()
	b.cancel(nil)
	return err
}

// answerObject passes the answer on, and remembers what was made or forgets what was deleted.
func (x *exchange) answerObject(w http.ResponseWriter, r *http.Request, c *ObjectCall, a *domain.Account, to *url.URL, ask *objectAsk, resp *http.Response) (int, error) {
	if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
		return 0, &domain.Error{Kind: domain.KindUpstream, Op: "ask the account", FromProvider: true, Message: "the upstream account is not authorised for this; the operator has to renew a credential or a permission"}
	}
	ctx := context.WithoutCancel(r.Context())
	ok := resp.StatusCode < http.StatusBadRequest
	if r.Method == http.MethodDelete && c.Part == "" && resp.StatusCode < http.StatusMultipleChoices {
		_ = x.g.deps.Objects.DeleteObject(ctx, domain.NewObjectID(x.key.ID, c.Prefix+c.ID))
	}
	tells := ok && c.tells(r.Method)
	if c.ID != "" && !tells && (ok || !isJSON(resp.Header.Get("Content-Type"))) || tells && !isJSON(resp.Header.Get("Content-Type")) {
		hear := func([]byte) {}
		if tells {
			hear = (&hearing{x: x, ctx: ctx, c: c, at: a.ID}).hear
		}
		upstream.AnswerHeader(resp.Header, w.Header())
		w.WriteHeader(resp.StatusCode)
		x.stream(w, resp.Body, hear)
		return resp.StatusCode, nil
	}
	buf, err := io.ReadAll(io.LimitReader(resp.Body, maxObjectBody+1))
	if err == nil && len(buf) > maxObjectBody && !tells {
		return 0, domain.Errorf(domain.KindUpstream, "ask the account", "the upstream's list is larger than %d bytes; ask for fewer rows, with limit", maxObjectBody)
	}
	if err != nil {
		return 0, &domain.Error{Kind: domain.KindUpstream, Op: "ask the account", Message: "the upstream's answer broke off", FromProvider: true, Err: err}
	}
	switch {
	case resp.StatusCode >= http.StatusBadRequest:
		buf = redact(buf, a)
	case tells && len(buf) > maxObjectBody:
		// Too large to be looked through: what it names stays unknown.
	case tells:
		x.told(ctx, c, a.ID, ask, buf)
	case r.Method == http.MethodPost:
		x.own(ctx, a.ID, madeName(buf), objectLife)
	default:
		if buf, err = x.ownList(r, c, a, to, buf); err != nil {
			return 0, err
		}
	}
	upstream.AnswerHeader(resp.Header, w.Header())
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write(buf)
	if tells {
		x.stream(w, resp.Body, func([]byte) {}) // the rest of one that is too large
	}
	return resp.StatusCode, nil
}

// stream copies an answer that may be large or slow, flushing as it arrives. hear learns of each piece before the caller can.
func (x *exchange) stream(w http.ResponseWriter, from io.Reader, hear func([]byte)) {
	rc := http.NewResponseController(w)
	buf := burstPool.Get().(*[]byte)
	defer burstPool.Put(buf)
	for {
		n, err := from.Read(*buf)
		if n > 0 {
			hear((*buf)[:n])
			_ = rc.SetWriteDeadline(time.Now().Add(x.snap.Settings.WriteWait))
			if _, err := w.Write((*buf)[:n]); err != nil {
				return
			}
			_ = rc.Flush()
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler) // a clean end would look like a whole answer
		}
	}
}

// madeName is the provider's name of what an answer says was made: its id, or Gemini's name.
func madeName(answer []byte) string {
	for _, member := range []string{"id", "name"} {
		if s, ok := dialect.Unquote(dialect.Member(answer, member)); ok && s != "" {
			return s
		}
	}
	if file := dialect.Member(answer, "file"); file != nil {
		return madeName(file)
	}
	return ""
}

func (x *exchange) recordObject(r *http.Request, status int, account domain.AccountID, err error) {
	outcome := OutcomeServed
	switch {
	case r.Context().Err() != nil:
		outcome, status = OutcomeLeft, dialect.StatusClientClosed
	case err != nil && account == 0:
		outcome = OutcomeRefused
	case status >= http.StatusInternalServerError:
		outcome = OutcomeFailed
	case status >= http.StatusBadRequest:
		outcome = OutcomeRefused
	}
	attempts := 0
	if account != 0 {
		attempts = 1
	}
	x.g.deps.Observer.Request(x.d.ID().String(), outcome.String(), status, false, time.Since(x.began), 0, domain.Usage{})
	x.g.deps.Recorder.Record(&Record{
		ID: x.id, Key: x.key.ID, Account: account, Model: x.path, Dialect: x.d.ID(), Outcome: outcome, Status: status, Attempts: attempts,
		Began: x.began, Took: time.Since(x.began),
		Trace: append(dialect.AppendString([]byte(`{"v":1,"object":`), r.Method+" "+x.path), '}'),
	})
}

// maxObjectBody is the largest answer about a collection that is looked through.
const maxObjectBody = 16 << 20
