package gateway

import (
	"bytes"
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
	body, err := x.objectBody(w, r)
	if err != nil {
		return 0, 0, err
	}
	if body != nil {
		defer body.release()
	}
	var at domain.AccountID
	if c.ID != "" {
		if at, err = x.owner(r.Context(), c.Prefix+c.ID); err != nil {
			if domain.KindOf(err) == domain.KindNotFound {
				err = &domain.Error{
					Kind: domain.KindNotFound, Op: op, Code: "not_found",
					Message: clip(c.Prefix+c.ID) + " is not known to this key: it was made with another key or outside of Turnout, was deleted, or has expired",
				}
			}
			return 0, 0, err
		}
	} else if body != nil {
		if err = x.batchModels(c, body.bytes()); err != nil {
			return 0, 0, err
		}
		var few bool
		if x.req.Refs, few = dialect.Refs(body.bytes(), dialect.Mark(body.bytes())); !few {
			return 0, 0, domain.Errorf(domain.KindInvalid, op, "the request names more than %d files and the like", dialect.MaxRefs)
		}
		if at, err = x.pinned(r.Context()); err != nil {
			return 0, 0, err
		}
	}
	a, to, err := x.holder(c, at)
	if err != nil {
		return 0, 0, err
	}
	resp, err := x.askObject(r, c, a, to, body)
	if err != nil {
		return 0, a.ID, err
	}
	defer func() { _ = resp.Body.Close() }()
	status, err := x.answerObject(w, r, c, a, resp)
	return status, a.ID, err
}

// objectBody reads the body of a request that may have one; nil: it has none.
func (x *exchange) objectBody(w http.ResponseWriter, r *http.Request) (*body, error) {
	if r.Method != http.MethodPost && r.Method != http.MethodPatch {
		return nil, nil
	}
	s := &x.snap.Settings
	rc := http.NewResponseController(w)
	b, err := readBody(&patientReader{r: r.Body, rc: rc, wait: s.ReadWait, end: x.began.Add(s.ReadTotal)}, r.ContentLength, s.MaxBody, x.g.deps.Bodies)
	if err != nil {
		return nil, readError(err, s.MaxBody, "")
	}
	_ = rc.SetReadDeadline(time.Time{})
	return b, nil
}

// holder is the account that is asked: the one where the object lives, or, for a collection,
// the key's own choice among those that know such things, always the same as long as the accounts are.
func (x *exchange) holder(c *ObjectCall, at domain.AccountID) (*domain.Account, *url.URL, error) {
	const op = "find the account"
	var best *domain.Account
	var rank uint64
	for _, name := range x.key.Pools {
		p := x.snap.pools[name]
		if p == nil || !p.Enabled {
			continue
		}
		for _, a := range p.accounts {
			o, ok := x.snap.platforms[a.ID].Offer(c.Dialect.ID())
			if _, knows := o.Others[c.Collection]; !ok || !knows || !a.Enabled || a.Paused || !a.Labels.Satisfy(p.Require) || !a.Labels.Satisfy(x.key.Require) {
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

func (x *exchange) askObject(r *http.Request, c *ObjectCall, a *domain.Account, to *url.URL, body *body) (*http.Response, error) {
	p := x.snap.platforms[a.ID]
	header, q := outgoing(r)
	if o, _ := p.Offer(c.Dialect.ID()); o.Header != nil {
		for k, v := range o.Header {
			if _, stated := header[k]; !stated {
				header[k] = v
			}
		}
	}
	withQuery := *to
	withQuery.RawQuery = q
	ctx, cancel := context.WithCancelCause(r.Context())
	watch := upstream.NewWatch(cancel, objectHeader, objectTotal)
	call := &upstream.Call{Account: a, Platform: p, URL: &withQuery, Method: r.Method, Header: header}
	if body != nil {
		e := body.edit()
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
func (x *exchange) answerObject(w http.ResponseWriter, r *http.Request, c *ObjectCall, a *domain.Account, resp *http.Response) (int, error) {
	if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
		return 0, &domain.Error{Kind: domain.KindUpstream, Op: "ask the account", FromProvider: true, Message: "the upstream account is not authorised for this; the operator has to renew a credential or a permission"}
	}
	ctx := context.WithoutCancel(r.Context())
	small := isJSON(resp.Header.Get("Content-Type")) && (c.ID == "" || resp.StatusCode >= http.StatusBadRequest)
	if !small {
		if r.Method == http.MethodDelete && c.Part == "" && resp.StatusCode < http.StatusMultipleChoices {
			_ = x.g.deps.Objects.DeleteObject(ctx, domain.NewObjectID(x.key.ID, c.Prefix+c.ID))
		}
		upstream.AnswerHeader(resp.Header, w.Header())
		w.WriteHeader(resp.StatusCode)
		x.stream(w, resp.Body)
		return resp.StatusCode, nil
	}
	buf, err := io.ReadAll(io.LimitReader(resp.Body, maxObjectBody+1))
	if err == nil && len(buf) > maxObjectBody {
		return 0, domain.Errorf(domain.KindUpstream, "ask the account", "the upstream's list is larger than %d bytes; ask for fewer rows, with limit", maxObjectBody)
	}
	if err != nil {
		return 0, &domain.Error{Kind: domain.KindUpstream, Op: "ask the account", Message: "the upstream's answer broke off", FromProvider: true, Err: err}
	}
	switch {
	case resp.StatusCode >= http.StatusBadRequest:
		buf = redact(buf, a)
	case r.Method == http.MethodPost:
		x.own(ctx, a.ID, madeName(buf), objectLife)
	default:
		buf = x.ownOnly(ctx, buf)
	}
	upstream.AnswerHeader(resp.Header, w.Header())
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write(buf)
	return resp.StatusCode, nil
}

// stream copies an answer that may be large or slow, flushing as it arrives.
func (x *exchange) stream(w http.ResponseWriter, from io.Reader) {
	rc := http.NewResponseController(w)
	buf := burstPool.Get().(*[]byte)
	defer burstPool.Put(buf)
	for {
		n, err := from.Read(*buf)
		if n > 0 {
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

// ownOnly leaves what is not the caller's out of a list: other keys share the account.
func (x *exchange) ownOnly(ctx context.Context, list []byte) []byte {
	for _, member := range []string{"data", "cachedContents", "files", "batches", "operations"} {
		rows := dialect.Member(list, member)
		if len(rows) == 0 || rows[0] != '[' {
			continue
		}
		at := bytes.Index(list, rows)
		out := append([]byte(nil), list[:at]...)
		out = append(out, '[')
		first := true
		_ = dialect.Array(rows, func(e dialect.Span) bool {
			row := e.Of(rows)
			if _, err := x.owner(ctx, madeName(row)); err != nil {
				return true
			}
			if !first {
				out = append(out, ',')
			}
			first = false
			out = append(out, row...)
			return true
		})
		out = append(out, ']')
		return append(out, list[at+len(rows):]...)
	}
	return []byte(`{"object":"list","data":[],"has_more":false}`) // nobody knows whose it is
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

// batchModels holds a batch to the models that the key may use. A batch that names its requests in an upload cannot be
// looked into, so a key that may not use every model may send none.
func (x *exchange) batchModels(c *ObjectCall, body []byte) error {
	if len(x.key.Models) == 0 || !strings.HasSuffix(c.Collection, "batches") {
		return nil
	}
	const op = "route the request"
	requests := dialect.Member(body, "requests")
	if len(requests) == 0 || requests[0] != '[' {
		return &domain.Error{Kind: domain.KindForbidden, Op: op, Code: "model_not_allowed", Message: "this key may use some models only, and the models of this batch stand in an upload; use a key without a list of models"}
	}
	var refused string
	err := dialect.Array(requests, func(e dialect.Span) bool {
		model, ok := dialect.Unquote(dialect.Member(dialect.Member(e.Of(requests), "params"), "model"))
		if !ok || !x.key.Allows(model) {
			refused = model
			if refused == "" {
				refused = "(none)"
			}
		}
		return refused == ""
	})
	if err != nil {
		return &domain.Error{Kind: domain.KindInvalid, Op: op, Param: "requests", Message: "the batch is not valid JSON"}
	}
	if refused != "" {
		return &domain.Error{Kind: domain.KindForbidden, Op: op, Param: "requests", Code: "model_not_allowed", Message: fmt.Sprintf("this key may not use the model %q", clip(refused))}
	}
	return nil
}
