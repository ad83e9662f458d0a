package drill

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// maxBody is the largest JSON answer that a caller reads.
const maxBody = 32 << 20

var (
	errLeft    = errors.New("the caller left on purpose")
	errTooLong = errors.New("the caller's patience is over")
)

// Send sends one request and reads its answer to the end, or until the caller leaves.
// It counts the request among the run's, also while others are under way.
func (r *Run) Send(ctx context.Context, ask *Ask) *Answer {
	r.mu.Lock()
	r.sent++
	a := &Answer{Ask: ask.marked(r.sent), Request: r.sent, At: time.Since(r.began)}
	r.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	long := ask.Patience
	if long == 0 {
		long = patience
	}
	over := time.AfterFunc(r.Pace.of(long)+r.Pace.Slack, func() { cancel(errTooLong) })
	defer over.Stop()
	if ask.LeaveAfter > 0 {
		leave := time.AfterFunc(r.Pace.of(ask.LeaveAfter), func() { cancel(errLeft) })
		defer leave.Stop()
	}
	r.send(ctx, ask, a, func() { cancel(errLeft) })
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errLeft):
		a.Kind = Left
	case errors.Is(cause, errTooLong):
		a.Kind = Hang
	}
	a.Took = time.Since(r.began) - a.At
	r.mu.Lock()
	r.Answers = append(r.Answers, a)
	r.mu.Unlock()
	return a
}

func (r *Run) send(ctx context.Context, ask *Ask, a *Answer, leave func()) {
	req, err := a.Ask.request(r.Mode, r.gateway.URL())
	if err != nil {
		a.Broken = err.Error()
		a.settle(false)
		return
	}
	resp, err := r.client.RoundTrip(req.WithContext(ctx))
	if err != nil {
		a.Broken = err.Error()
		a.settle(false)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	a.Header = r.since(a)
	a.Status = resp.StatusCode
	a.RequestID = resp.Header.Get("X-Turnout-Request-Id")
	a.RetryAfter, a.ShouldRetry = resp.Header.Get("Retry-After"), resp.Header.Get("X-Should-Retry")
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		if !r.Mode.Stream {
			a.wrong("a stream where JSON was asked for")
		}
		a.settle(r.readStream(resp.Body, ask, a, leave))
		return
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		a.Broken = err.Error()
		a.settle(false)
		return
	}
	if r.Mode.Stream && a.Status == http.StatusOK {
		a.wrong("JSON where a stream was asked for")
	}
	ended := r.Mode.caller().whole(body, a)
	if a.Text != "" || len(a.Tools) > 0 {
		a.First, a.Contents = r.since(a), 1
	}
	a.settle(ended)
}

// since is the time since a request was sent.
func (r *Run) since(a *Answer) time.Duration { return time.Since(r.began) - a.At }

// readStream reads events to the end; it reports whether the stream's terminal event
// was seen.
func (r *Run) readStream(body io.Reader, ask *Ask, a *Answer, leave func()) (ended bool) {
	reader := r.Mode.caller().stream(a)
	in := newSSEReader(body)
	last := a.Header
	for {
		e, err := in.next()
		now := r.since(a)
		a.Longest, last = max(a.Longest, now-last), now
		switch {
		case errors.Is(err, io.EOF):
			return reader.end()
		case err != nil:
			a.Broken = err.Error()
			return false
		case e.comment:
			a.Comments++
			continue
		case e.blank:
			a.Blanks++
			continue
		}
		if reader.event(e) {
			if a.Contents++; a.Contents == 1 {
				a.First = now
			}
			if a.Contents == ask.LeaveAt {
				leave()
				return false
			}
		}
	}
}
