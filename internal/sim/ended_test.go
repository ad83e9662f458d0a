package sim

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestJournal asks the journal of `turnout sim`: it waits for requests that have not ended yet, and tells
// only of those that are asked for.
func TestJournal(t *testing.T) {
	ctx, stop := context.WithCancel(bounded(t))
	defer stop()
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := Run(ctx, RunOptions{Journal: "127.0.0.1:0"}, w)
		w.Close()
		done <- err
	}()
	var journal, base string
	for lines := bufio.NewScanner(r); base == "" && lines.Scan(); {
		if _, rest, found := strings.Cut(lines.Text(), "journal: GET "); found {
			journal, _, _ = strings.Cut(rest, "?")
		}
		if _, rest, found := strings.Cut(lines.Text(), "listens on "); found {
			base = rest
		}
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	c := client(t, nil)
	get := func(q url.Values) []endedRequest {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, journal+"?"+q.Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var out []endedRequest
		if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	if got := get(url.Values{}); len(got) != 0 {
		t.Errorf("told of %v before any request", got)
	}
	asked := make(chan []endedRequest)
	go func() { asked <- get(url.Values{"key": {"sk-sim-a"}, "count": {"2"}, "body": {"1"}}) }()
	for _, key := range []string{"sk-sim-a", "sk-sim-b", "sk-sim-a"} {
		resp, err := c.Do(request(ctx, t, base, openai, key, hello(false)))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	got := <-asked
	if len(got) != 2 {
		t.Fatalf("got %d requests, want 2", len(got))
	}
	for _, s := range got {
		if s.Key != "sk-sim-a" || s.Outcome != "ok" || s.Status != 200 || s.Body != hello(false) || s.Size != len(s.Body) {
			t.Errorf("got %+v", s)
		}
	}
	// One that has come and not ended.
	leaving, leave := context.WithCancel(ctx)
	left := make(chan struct{})
	go func() {
		defer close(left)
		if resp, err := c.Do(request(leaving, t, base, openai, "sk-sim-c-hang", hello(false))); err == nil {
			resp.Body.Close()
		}
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.Replace(journal, "/requests", "/arrived", 1)+"?key=sk-sim-c-hang", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	leave()
	<-left
	if got := get(url.Values{"key": {"sk-sim-c-hang"}, "count": {"1"}}); len(got) != 1 || got[0].Outcome != "aborted" {
		t.Errorf("got %+v", got)
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
}
