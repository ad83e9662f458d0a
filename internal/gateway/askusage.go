package gateway

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/domain"
	"turnout/internal/platform"
	"turnout/internal/upstream"
)

// send makes the request and gives the answer once its header is there; without one ok
// is false and res is how the attempt ends. An upstream that does not know the request for usage which Turnout
// added is asked once more without, and never with it again: the caller has not sent it.
func (at *attempt) send(u *url.URL) (resp *http.Response, res result, ok bool) {
	x := at.x
	plain := x.g.plain.has(at.cand.ID)
	for learnt := false; ; {
		p := x.payload(at, plain)
		if p == nil {
			if at.joint != nil { // there is no memory for it
				return nil, at.unsaid(errDiffers), false
			}
			return nil, resultLost, false
		}
		header := x.header
		if at.codec != nil {
			header = x.foreignHeader(&at.offer)
		}
		at.warnings, at.names = p.warnings, p.names
		resp, err := x.g.deps.Upstream.Send(at.ctx, &upstream.Call{
			Account: at.cand.Account, Platform: at.plat, URL: u, Method: http.MethodPost, Header: header,
			Length: p.body.length, Body: p.body.open,
		})
		if err != nil {
			return nil, at.failFault(err), false
		}
		at.firstByte = time.Since(at.began)
		at.status = resp.StatusCode
		at.heard(resp.Header)
		at.requestID = resp.Header.Get(at.d.RequestIDHeader())
		if learnt && !saysInvalid(resp) { // so it was that, and not something else that the words only mention
			x.g.plain.add(at.cand.ID)
			x.g.deps.Log.LogAttrs(x.ctx, slog.LevelWarn, "the upstream does not know stream_options; the usage of its streams will not be known", slog.String("account", at.cand.Account.Name))
		}
		switch {
		case !plain && at.asksUsage() && refuses(resp, "stream_options"):
			plain, learnt = true, true
		case at.how != readNothing && x.sealed(at.d) && refusal(resp, at.d.(dialect.Sealed).Unreadable):
			at.how = at.how.refused() // nobody knew that the session has moved
		default:
			return resp, 0, true
		}
		_ = resp.Body.Close()
	}
}

// asksUsage reports whether Turnout has added a request for usage to the body.
func (at *attempt) asksUsage() bool {
	if at.codec != nil {
		return at.x.req.Stream && at.d.ID() == domain.DialectOpenAIChat
	}
	return at.x.req.AskUsage.Present()
}

func saysInvalid(resp *http.Response) bool {
	return resp.StatusCode == http.StatusBadRequest || resp.StatusCode == http.StatusUnprocessableEntity
}

// refuses reports whether an answer refuses a request because of what it names.
func refuses(resp *http.Response, what string) bool {
	return refusal(resp, func(body []byte) bool { return bytes.Contains(body, []byte(what)) })
}

// refusal reports whether an answer refuses a request in such words. What it reads of the body is put back.
func refusal(resp *http.Response, is func(body []byte) bool) bool {
	if !saysInvalid(resp) {
		return false
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, platform.MaxBody))
	rest := resp.Body
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), errReader{err}, rest), rest}
	return is(body)
}

// errReader gives an error, or the end.
type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	return 0, io.EOF
}

// plainAccounts are those whose upstream does not know what Turnout adds to a body to
// learn the usage. Safe for concurrent use; a restart or reload asks anew.
type plainAccounts struct {
	mu sync.RWMutex
	m  map[domain.AccountID]bool
}

func (p *plainAccounts) has(id domain.AccountID) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.m[id]
}

func (p *plainAccounts) add(id domain.AccountID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.m == nil {
		p.m = map[domain.AccountID]bool{}
	}
	p.m[id] = true
}

func (p *plainAccounts) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.m)
}
