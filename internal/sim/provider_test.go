package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// ask1 sends one hello in process and gives the status.
func ask1(t *testing.T, p *Provider, key, model string) int {
	t.Helper()
	r := request(t.Context(), t, "http://sim", openai, key, strings.Replace(hello(false), `"m"`, `"`+model+`"`, 1))
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w.Code
}

// TestWhichFault: the statuses of consecutive requests.
func TestWhichFault(t *testing.T) {
	type req struct{ key, model string }
	same := func(key, model string, n int) []req { return slices.Repeat([]req{{key, model}}, n) }
	for _, c := range []struct {
		name     string
		defaults Behaviour
		requests []req
		want     []int
	}{
		{"used up", Behaviour{}, same("sk-fail429x2", "m", 4), []int{429, 429, 200, 200}},
		{"in order", Behaviour{}, same("sk-fail429x1-fail503x2-fail500x1", "m", 5), []int{429, 503, 503, 500, 200}},
		{"key before model", Behaviour{}, same("sk-fail429x1", "m-fail503", 3), []int{429, 503, 503}},
		{"model alone", Behaviour{}, same("sk", "m-fail503x1", 2), []int{503, 200}},
		{"a model's fault is used up by every key", Behaviour{}, []req{{"sk-a", "m-fail503x2"}, {"sk-b", "m-fail503x2"}, {"sk-a", "m-fail503x2"}}, []int{503, 503, 200}},
		{"keys do not share", Behaviour{}, []req{{"sk-a-fail429x1", "m"}, {"sk-b-fail429x1", "m"}, {"sk-a-fail429x1", "m"}}, []int{429, 429, 200}},
		{"default last", Behaviour{Faults: []Fault{{Kind: Status, Status: 500, Times: 1}}}, same("sk-fail429x1", "m", 3), []int{429, 500, 200}},
		{"no model", Behaviour{}, same("sk", "m-nomodel", 2), []int{404, 404}},
	} {
		p := New(Options{Default: c.defaults})
		var got []int
		for _, r := range c.requests {
			got = append(got, ask1(t, p, r.key, r.model))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestSetAndReset(t *testing.T) {
	p := New(Options{})
	want := func(key, model string, status int) {
		t.Helper()
		if got := ask1(t, p, key, model); got != status {
			t.Errorf("%s: %d, want %d", key, got, status)
		}
	}
	want("sk-fail500", "m", 500)
	p.Set("sk-fail500", Behaviour{}) // in place of its words
	want("sk-fail500", "m", 200)
	want("sk-fail500", "m-fail503", 503) // the model still lies beneath
	p.Set("sk-fail500", Behaviour{Faults: []Fault{{Kind: Status, Status: 429, Times: 1}}})
	want("sk-fail500", "m", 429)
	want("sk-fail500", "m", 200)
	p.Set("sk-fail500", Parse("fail429x1")) // uses begin again
	want("sk-fail500", "m", 429)
	want("sk-fail500", "m", 200)
	if n := p.Count("sk-fail500"); n != 7 {
		t.Errorf("count = %d, want 7", n)
	}
	p.Reset()
	if n := p.Count("sk-fail500"); n != 0 || len(p.Requests()) != 0 {
		t.Errorf("after Reset: count %d, %d requests", n, len(p.Requests()))
	}
	want("sk-fail500", "m", 429) // what Set said stays

	p.SetOrganization("sk-org-a", "b")
	want("sk-org-a", "m", 200)
	all := p.Requests()
	if got := all[len(all)-1].Organization; got != "b" {
		t.Errorf("organisation = %q, want b", got)
	}
}

// TestKeyWinsOverModel, field by field, and both over the default.
func TestKeyWinsOverModel(t *testing.T) {
	p := New(Options{Default: Parse("n1-unified70")})
	for _, c := range []struct {
		key, model string
		want       int
	}{{"sk", "m", 1}, {"sk", "m-n2", 2}, {"sk-n3", "m-n2", 3}, {"sk-n3", "m", 3}, {"sk-n0", "m", 0}} {
		body := strings.Replace(hello(true), `"m"`, `"`+c.model+`"`, 1)
		w := say(t, p, anthropic, c.key, body)
		h := heard{body: w.Body.Bytes()}
		h.readEvents(anthropic)
		if h.text != Text(c.want) || h.events != c.want {
			t.Errorf("%s, %s: %q, want %q", c.key, c.model, h.text, Text(c.want))
		}
		if got := w.Header().Get("anthropic-ratelimit-unified-5h-utilization"); got != "0.70" {
			t.Errorf("%s, %s: utilization %q", c.key, c.model, got)
		}
	}
}

// TestFlap: on, off, on, by the clock since the key's first request.
func TestFlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Options{Speed: 10})
		var got []int
		for range 5 {
			got = append(got, ask1(t, p, "sk-flap1000", "m"))
			time.Sleep(70 * time.Millisecond)
		}
		if want := []int{503, 503, 200, 503, 503}; !slices.Equal(got, want) { // at 0, 70, 140, 210, 280 of 100 each
			t.Errorf("%v, want %v", got, want)
		}
	})
}

// clocked records when each event of a stream was written.
type clocked struct {
	*httptest.ResponseRecorder

	start  time.Time
	header time.Duration
	writes []string
}

func (c *clocked) WriteHeader(code int) {
	c.header = time.Since(c.start)
	c.ResponseRecorder.WriteHeader(code)
}

func (c *clocked) Write(b []byte) (int, error) {
	name := "data"
	if rest, ok := bytes.CutPrefix(b, []byte("event: ")); ok {
		name = string(bytes.SplitN(rest, []byte("\n"), 2)[0])
	}
	c.writes = append(c.writes, fmt.Sprintf("%s@%s", name, time.Since(c.start)))
	return c.ResponseRecorder.Write(b)
}

// TestTimes: every simulated duration, exactly.
func TestTimes(t *testing.T) {
	const think = `"thinking":{"type":"enabled","budget_tokens":1024},`
	for _, c := range []struct {
		name   string
		words  string
		f      format
		stream bool
		extra  string
		speed  float64
		header time.Duration
		writes string
	}{
		{"chunks", "n3-d40", openai, true, "", 1, 0, "data@0s data@0s data@40ms data@80ms data@80ms data@80ms"},
		{"faster", "n3-d40", openai, true, "", 4, 0, "data@0s data@0s data@10ms data@20ms data@20ms data@20ms"},
		{"first byte", "n1-ttft5000", openai, true, "", 1, 5 * time.Second, "data@5s data@5s data@5s data@5s"},
		{"first token", "n1-headersthen5000", openai, true, "", 1, 0, "data@5s data@5s data@5s data@5s"},
		{"reasoning is silent", "n1-think60000", openai, true, "", 1, 0, "data@0s data@1m0s data@1m0s data@1m0s"},
		{"JSON takes as long", "n3-d40-think1000", openai, false, "", 1, 1080 * time.Millisecond, "data@1.08s"},
		{"JSON after its headers", "n3-d40-headersthen1000", openai, false, "", 1, 80 * time.Millisecond, "data@1.08s"},
		{
			"pings", "n1-think50000", anthropic, true, "", 1, 0,
			"message_start@0s ping@15s ping@30s ping@45s content_block_start@50s ping@50s content_block_delta@50s content_block_stop@50s message_delta@50s message_stop@50s",
		},
		{
			"thoughts", "n1-think80000-ping6000", anthropic, true, think, 1, 0,
			"message_start@0s content_block_start@0s ping@0s ping@6s content_block_delta@10s ping@16s content_block_delta@20s ping@26s content_block_delta@30s ping@36s content_block_delta@40s " +
				"ping@46s content_block_delta@50s ping@56s content_block_delta@1m0s ping@1m6s content_block_delta@1m10s ping@1m16s content_block_delta@1m20s content_block_delta@1m20s content_block_stop@1m20s " +
				"content_block_start@1m20s content_block_delta@1m20s content_block_stop@1m20s message_delta@1m20s message_stop@1m20s",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &clocked{ResponseRecorder: httptest.NewRecorder(), start: time.Now()}
				body := strings.Replace(hello(c.stream), `{`, `{`+c.extra, 1)
				New(Options{Speed: c.speed}).ServeHTTP(w, request(t.Context(), t, "http://sim", c.f, "sk-"+c.words, body))
				if got := strings.Join(w.writes, " "); got != c.writes {
					t.Errorf("writes\n%s, want\n%s", got, c.writes)
				}
				if w.header != c.header {
					t.Errorf("headers after %s, want %s", w.header, c.header)
				}
			})
		})
	}
}

// TestAbortEndsEveryDelay at the very moment at which the client leaves.
func TestAbortEndsEveryDelay(t *testing.T) {
	for _, words := range []string{"hang", "ttft99999", "headersthen99999", "think99999", "d99999", "stall2", "flap1-hang"} {
		for _, stream := range []bool{true, false} {
			if !stream && words == "stall2" {
				continue // covered by TestSilence: its headers promise more than a recorder can hold
			}
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				p := New(Options{})
				begin := time.Now()
				func() {
					defer func() { _ = recover() }() // http.ErrAbortHandler
					p.ServeHTTP(httptest.NewRecorder(), request(ctx, t, "http://sim", anthropic, "sk-"+words, hello(stream)))
				}()
				seen := p.Requests()[0]
				if took := time.Since(begin); took != time.Second || seen.Outcome != Aborted || !seen.End.Equal(time.Now()) {
					t.Errorf("%s stream=%t: ended after %s as %s", words, stream, took, seen.Outcome)
				}
			})
		}
	}
}

// TestSeen keeps what came, to the byte.
func TestSeen(t *testing.T) {
	var done []Seen
	p := New(Options{Done: func(s Seen) { done = append(done, s) }})
	body := "{\"model\" : \"claude\",\n\"max_tokens\":9, \"stream\":true, \"messages\":[{\"role\":\"user\",\"content\":\"h\\u00e9\"}]}\n"
	r := request(t.Context(), t, "http://sim", anthropic, "sk-org-acme-n2", body)
	r.URL.RawQuery = "beta=true"
	r.Header.Set("X-Claude-Code-Session-Id", "abc")
	p.ServeHTTP(httptest.NewRecorder(), r)
	got := p.Requests()[0]
	if string(got.Body) != body || got.Path != "/v1/messages?beta=true" || got.Key != "sk-org-acme-n2" || got.Model != "claude" ||
		!got.Stream || got.Header.Get("x-claude-code-session-id") != "abc" || got.Organization != "acme" || got.Method != "POST" ||
		got.Status != 200 || got.Events != 2 || got.Outcome != OK || got.Seq != 1 {
		t.Errorf("seen: %+v", got)
	}
	if len(done) != 1 || done[0].Outcome != OK || done[0].End.IsZero() {
		t.Errorf("Done was called with %+v", done)
	}
}

// TestJournalIsBounded, in requests and in bytes of bodies; the newest stay.
func TestJournalIsBounded(t *testing.T) {
	const keep, maxBytes = 40, 1000
	p := New(Options{Keep: keep, KeepBytes: maxBytes})
	size := len(hello(false))
	for i := range 200 {
		ask1(t, p, "sk", "m")
		all := p.Requests()
		total := 0
		for _, s := range all {
			total += len(s.Body)
		}
		if len(all) > keep || len(all) < min(i+1, keep*3/4-1) || total > maxBytes {
			t.Fatalf("after %d: %d requests, %d bytes", i+1, len(all), total)
		}
		for k := range all {
			if all[k].Seq != i+1-len(all)+1+k {
				t.Fatalf("after %d: record %d has number %d", i+1, k, all[k].Seq)
			}
		}
		if newest := all[len(all)-1]; len(newest.Body) != size {
			t.Fatalf("after %d: the newest body is gone", i+1)
		}
	}
	if p.Count("sk") != 200 {
		t.Errorf("count = %d", p.Count("sk"))
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := New(Options{}).Wait(ctx, func(Seen) bool { return true }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error = %v", err)
		}
	})
}

// TestModelsInBothShapes, by the headers that tell the formats apart.
func TestModelsInBothShapes(t *testing.T) {
	p := New(Options{Models: []string{"x", "y"}})
	get := func(path string, header map[string]string) (int, map[string]any) {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		for k, v := range header {
			r.Header.Set(k, v)
		}
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		var m map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil {
			t.Fatalf("%s: %v", w.Body, err)
		}
		return w.Code, m
	}
	bearer := map[string]string{"Authorization": "Bearer sk"}
	if _, m := get("/v1/models", bearer); m["object"] != "list" || len(m["data"].([]any)) != 2 {
		t.Errorf("OpenAI: %v", m)
	}
	for _, h := range []map[string]string{{"x-api-key": "sk"}, {"Authorization": "Bearer sk", "anthropic-version": "2023-06-01"}} {
		if _, m := get("/v1/models", h); m["first_id"] != "x" || m["last_id"] != "y" || m["has_more"] != false {
			t.Errorf("Anthropic: %v", m)
		}
	}
	if code, m := get("/v1/models/y", bearer); code != 200 || m["id"] != "y" {
		t.Errorf("one: %d %v", code, m)
	}
	if code, _ := get("/v1/models/z", bearer); code != 404 {
		t.Errorf("unknown: %d", code)
	}
}

// TestWaitSeesEverything: requests from before the call, later ones, and those
// after a Reset, whose numbers begin again.
func TestWaitSeesEverything(t *testing.T) {
	p := New(Options{})
	ctx := bounded(t)
	for range 5 {
		ask1(t, p, "sk-a", "m")
	}
	if s, err := p.Wait(ctx, func(s Seen) bool { return s.Seq == 2 }); err != nil || s.Key != "sk-a" {
		t.Fatalf("%+v, %v", s, err)
	}
	checked := make(chan int, 100)
	found := make(chan Seen, 1)
	go func() {
		s, _ := p.Wait(ctx, func(s Seen) bool {
			checked <- s.Seq
			return s.Model == "wanted"
		})
		found <- s
	}()
	for seq := range 5 { // it has looked at all of them
		if got := <-checked; got != seq+1 {
			t.Errorf("looked at %d, want %d", got, seq+1)
		}
	}
	p.Reset()
	ask1(t, p, "sk-b", "wanted")
	if s := <-found; s.Key != "sk-b" || s.Seq != 1 {
		t.Errorf("found %+v", s)
	}
}
