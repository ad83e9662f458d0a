package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// ended keeps the requests that have ended and tells other processes of them:
//
//	GET /requests?key=K&model=M&count=N&body=1
//
// waits until N requests (0: none is waited for) with this key and model (each optional) have
// ended, and lists all of them in the order in which they came, with their bodies if asked.
//
//	GET /arrived?key=K&model=M
//
// waits until one such request has come, whether it has ended or not.
//
// It is bounded as the provider's own journal is.
type ended struct{ j *journal }

func newEnded() *ended { return &ended{newJournal(10_000, 64<<20)} }

// done is an Options.Done.
func (e *ended) done(s Seen) {
	e.j.add(&s) // numbered anew, in the order of the ends
}

// endedRequest is what is told of one.
type endedRequest struct {
	Key     string      `json:"key"`
	Method  string      `json:"method"`
	Path    string      `json:"path"`
	Model   string      `json:"model"`
	Stream  bool        `json:"stream"`
	Status  int         `json:"status"`
	Events  int         `json:"events"`
	Fault   string      `json:"fault"`
	Outcome string      `json:"outcome"`
	Header  http.Header `json:"header"`
	Size    int         `json:"size"` // of the body
	Body    string      `json:"body,omitempty"`
}

func (e *ended) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	match := matching(q)
	count, err := strconv.Atoi(q.Get("count"))
	if q.Get("count") != "" && err != nil {
		http.Error(w, "count is no number", http.StatusBadRequest)
		return
	}
	found, err := e.wait(r.Context(), match, count)
	if err != nil {
		return // nobody reads it any more
	}
	slices.SortStableFunc(found, func(a, b Seen) int { return a.Start.Compare(b.Start) })
	out := make([]endedRequest, len(found))
	for i, s := range found {
		out[i] = endedRequest{s.Key, s.Method, s.Path, s.Model, s.Stream, s.Status, s.Events, s.Fault.Kind.String(), s.Outcome.String(), s.Header, len(s.Body), ""}
		if q.Get("body") == "1" {
			out[i].Body = string(s.Body)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out)
}

// matching tells of the requests that are asked for.
func matching(q url.Values) func(*Seen) bool {
	return func(s *Seen) bool {
		return (!q.Has("key") || s.Key == q.Get("key")) && (!q.Has("model") || s.Model == q.Get("model"))
	}
}

// wait gives the matching requests once there are so many of them.
func (e *ended) wait(ctx context.Context, match func(*Seen) bool, count int) (found []Seen, err error) {
	era, after := 0, 0
	for {
		all, now, changed := e.j.snapshot(era, after)
		era = now
		for i := range all {
			after = all[i].Seq
			if match(&all[i]) {
				found = append(found, all[i])
			}
		}
		if len(found) >= count {
			return found, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// serve listens until stop is called, and says where.
func (e *ended) serve(ctx context.Context, p *Provider, address string, out *lines) (stop func(), err error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serve the journal of a simulated provider: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /requests", e)
	mux.HandleFunc("GET /arrived", func(_ http.ResponseWriter, r *http.Request) {
		match := matching(r.URL.Query())
		_, _ = p.Wait(r.Context(), func(s Seen) bool { return match(&s) }) // an error: nobody reads it any more
	})
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.Serve(ln) // always ErrServerClosed
	}()
	stop = func() {
		_ = s.Close()
		<-served
	}
	if err := out.journal("http://" + ln.Addr().String()); err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}
