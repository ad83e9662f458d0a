package socket

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// budget has 3.5 MiB.
type budget struct{ used atomic.Int64 }

func (b *budget) Take(n int) bool {
	if b.used.Add(int64(n)) > 7<<19 {
		b.used.Add(int64(-n))
		return false
	}
	return true
}

func (b *budget) Give(n int) { b.used.Add(int64(-n)) }

// rig is a handler with a scripted gateway behind it.
type rig struct {
	t        *testing.T
	h        *Handler
	s        *httptest.Server
	draining atomic.Bool
	memory   budget

	mu     sync.Mutex
	bodies []string
	header http.Header
	n      int
	hold   map[string]chan struct{} // by a word in the body: the turn waits for it
	kept   map[string]bool          // responses that their account keeps
	query  string                   // of the latest turn
	only   string                   // fails only where a response is named
}

func start(t *testing.T) *rig {
	r := &rig{t: t, hold: map[string]chan struct{}{}, kept: map[string]bool{}}
	r.h = &Handler{
		Turn:       http.HandlerFunc(r.turn),
		Check:      func(w http.ResponseWriter, req *http.Request) bool { return r.check(w, req) },
		Kept:       func(_ *http.Request, id string) bool { return r.kept[id] },
		Draining:   r.draining.Load,
		MaxMessage: func() int64 { return 1 << 20 },
		Memory:     &r.memory,
	}
	var open sync.WaitGroup // a server does not wait for connections that were taken over
	r.s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		open.Add(1)
		defer open.Done()
		r.h.ServeHTTP(w, req)
	}))
	t.Cleanup(func() {
		r.h.Close()
		r.s.Close()
		open.Wait()
		if n := r.memory.used.Load(); n != 0 {
			t.Errorf("%d bytes were not given back", n)
		}
	})
	return r
}

func (r *rig) check(w http.ResponseWriter, req *http.Request) bool {
	if req.Header.Get("Authorization") == "Bearer tk" || req.URL.Query().Get("key") == "tk" {
		return true
	}
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = io.WriteString(w, `{"error":{"message":"no key"}}`)
	return false
}

// turn answers the n-th request with "answer n", after a reasoning item that is not encrypted.
func (r *rig) turn(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	r.n++
	n := r.n
	r.bodies = append(r.bodies, string(body))
	r.header, r.query = req.Header, req.URL.RawQuery
	var wait chan struct{}
	for word, c := range r.hold {
		if strings.Contains(string(body), word) {
			wait = c
		}
	}
	r.mu.Unlock()
	once := r.only == "" || strings.Contains(string(body), "previous_response_id")
	if r.only != "" && strings.Contains(string(body), "caller's fault") {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":{"message":"no","type":"invalid_request_error","code":null,"param":null}}`)
		return
	}
	if strings.Contains(string(body), "fail") && once {
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded","param":null}}`)
		return
	}
	const broken = "event: error\ndata: {\"type\":\"error\",\"message\":\"cut\",\"error\":{\"type\":\"server_error\",\"message\":\"cut\"}}\n\n"
	const failed = broken + "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"id\":\"resp_failed\",\"status\":\"failed\"}}\n\n"
	if strings.Contains(string(body), "warn") {
		w.Header()["X-Turnout-Warning"] = []string{`dropped "seed"`, "adapted top_k"}
	}
	if strings.Contains(string(body), "early") && once {
		_, _ = io.WriteString(w, ": a sign of life\n\n"+failed)
		return
	}
	_, _ = fmt.Fprintf(w, "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_%d\"}}\n\n: a sign of life\n\n", n)
	if wait != nil {
		<-wait
	}
	switch {
	case strings.Contains(string(body), "break"):
		_, _ = io.WriteString(w, failed)
		return
	case strings.Contains(string(body), "error alone"):
		_, _ = io.WriteString(w, broken)
		return
	}
	_, _ = fmt.Fprintf(w, "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":1,\"response\":{\"id\":\"resp_%d\",\"output\":[{\"type\":\"reasoning\",\"id\":\"rs\",\"summary\":[]},{\"type\":\"message\",\"text\":\"answer %d\"}]}}\n\n", n, n)
}

// once lets turns fail only where they name a response.
func (r *rig) once(how string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.only = how
}

func (r *rig) turns() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.bodies)
}

func (r *rig) body(i int) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bodies[i]
}

type client struct {
	t  *testing.T
	ws *websocket.Conn
}

func (r *rig) dial(key string) (*client, *http.Response, error) {
	ws, resp, err := websocket.Dial(r.t.Context(), r.s.URL, &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + key}, "Session-Id": {"s"}}})
	if err == nil {
		r.t.Cleanup(func() { _ = ws.CloseNow() })
	}
	return &client{r.t, ws}, resp, err
}

func (c *client) send(msg string) {
	c.t.Helper()
	if err := c.ws.Write(c.t.Context(), websocket.MessageText, []byte(msg)); err != nil {
		c.t.Fatal(err)
	}
}

type event struct {
	Type     string
	Stream   string `json:"stream_id"`
	Status   int
	Error    struct{ Code, Message string }
	Response struct{ ID string }
	Warnings []string `json:"turnout_warnings"`
}

func (c *client) read() event {
	c.t.Helper()
	_, msg, err := c.ws.Read(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	var e event
	if err := json.Unmarshal(msg, &e); err != nil {
		c.t.Fatalf("%s: %v", msg, err)
	}
	return e
}

// answer reads one turn's events and gives the response's id.
func (c *client) answer() string {
	c.t.Helper()
	if e := c.read(); e.Type != "response.created" {
		c.t.Fatalf("%+v", e)
	}
	e := c.read()
	if e.Type != "response.completed" {
		c.t.Fatalf("%+v", e)
	}
	return e.Response.ID
}

// A conversation: each turn sends what is new, and the whole goes on.
func TestConversation(t *testing.T) {
	r := start(t)
	c, _, err := r.dial("tk")
	if err != nil {
		t.Fatal(err)
	}
	c.send(`{"type":"response.create","model":"m","store":false,"background":false,"input":"one"}`)
	first := c.answer()
	c.send(`{"type":"response.create","model":"m","store":false,"previous_response_id":"` + first + `","input":[{"type":"function_call_output","output":"two"}]}`)
	second := c.answer()
	c.send(`{"type":"response.create","model":"m","previous_response_id":"` + second + `"}`)
	c.answer()
	for i, want := range []string{
		`{"stream":true,"model":"m","store":false,"input":"one"}`,
		`{"stream":true,"model":"m","store":false,"input":[{"type":"message","role":"user","content":"one"},{"type":"message","text":"answer 1"},{"type":"function_call_output","output":"two"}]}`,
		`{"stream":true,"model":"m","input":[{"type":"message","role":"user","content":"one"},{"type":"message","text":"answer 1"},{"type":"function_call_output","output":"two"},{"type":"message","text":"answer 2"}]}`,
	} {
		if got := r.body(i); got != want {
			t.Errorf("turn %d sent\n%s\nwant\n%s", i, got, want)
		}
	}
	// A fork from the first, and a response that this connection does not know.
	c.send(`{"type":"response.create","model":"m","previous_response_id":"` + first + `","input":"other"}`)
	c.answer()
	if got := r.body(3); !strings.Contains(got, `"answer 1"},{"type":"message","role":"user","content":"other"}]`) || strings.Contains(got, "two") {
		t.Errorf("the fork sent %s", got)
	}
	const unknown = `"previous_response_id":"resp_elsewhere","input":"x"`
	c.send(`{"type":"response.create","model":"m",` + unknown + `}`)
	c.answer()
	if got := r.body(4); got != `{"stream":true,"model":"m",`+unknown+`}` {
		t.Errorf("sent %s", got)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if h := r.header; h.Get("Authorization") != "Bearer tk" || h.Get("Session-Id") != "s" || h.Get("Upgrade") != "" || h.Get("Sec-Websocket-Key") != "" || h.Get("Content-Type") != "application/json" {
		t.Errorf("header %v", h)
	}
}

// A response that its account keeps is named as it came: what is kept says more than what can be sent. Where the account fails,
// or does not keep it, the conversation is spelled out, without the ids of what would be missed.
func TestKeptConversation(t *testing.T) {
	r := start(t)
	c, _, err := r.dial("tk")
	if err != nil {
		t.Fatal(err)
	}
	r.kept["resp_1"], r.kept["resp_2"], r.kept["resp_3"] = true, true, true
	c.send(`{"type":"response.create","model":"m","input":"one"}`)
	c.answer()
	c.send(`{"type":"response.create","model":"m","previous_response_id":"resp_1","input":[{"output":"two"}]}`)
	c.answer()
	if got := r.body(1); got != `{"stream":true,"model":"m","previous_response_id":"resp_1","input":[{"output":"two"}]}` {
		t.Errorf("sent %s", got)
	}
	// The account that keeps it fails before anything was said, with a status or in a stream that was opened: in its place the rest serves.
	const whole = `{"stream":true,"model":"m","input":[{"type":"message","role":"user","content":"one"},{"type":"message","text":"answer 1"},{"output":"two"},{"type":"message","text":"answer 2"},{"x":"`
	sent := 2
	for _, how := range []string{"fail", "early"} {
		r.once(how)
		c.send(`{"type":"response.create","model":"m","previous_response_id":"resp_2","input":[{"x":"` + how + `"}]}`)
		c.answer()
		if first, then := r.body(sent), r.body(sent+1); !strings.Contains(first, `"previous_response_id":"resp_2"`) || then != whole+how+`"}]}` {
			t.Errorf("sent %s\nand %s", first, then)
		}
		sent += 2
	}
	// What the caller did wrong is told, and so is a turn that breaks.
	r.once("caller's fault")
	c.send(`{"type":"response.create","model":"m","previous_response_id":"resp_2","input":"caller's fault"}`)
	if e := c.read(); e.Type != "error" || e.Status != 400 {
		t.Errorf("%+v", e)
	}
	c.send(`{"type":"response.create","model":"m","previous_response_id":"resp_2","input":"break"}`)
	c.read()
	if e := c.read(); e.Type != "response.failed" {
		t.Errorf("%+v", e)
	}
	// Turns without an answer in between are sent along with the next one.
	c.send(`{"type":"response.create","model":"m","generate":false,"previous_response_id":"resp_2","input":"three"}`)
	c.send(`{"type":"response.create","model":"m","generate":false,"previous_response_id":"` + c.answer() + `","input":[{"y":4}]}`)
	id := c.answer()
	sent = r.turns()
	c.send(`{"type":"response.create","model":"m","previous_response_id":"` + id + `","input":[{"y":5}]}`)
	c.answer()
	if got := r.body(sent); got != `{"stream":true,"model":"m","input":[{"type":"message","role":"user","content":"three"},{"y":4},{"y":5}],"previous_response_id":"resp_2"}` {
		t.Errorf("sent %s", got)
	}
	// What was not to be stored is not named.
	sent = r.turns()
	c.send(`{"type":"response.create","model":"m","store":false,"input":"one"}`)
	id = c.answer()
	r.kept[id] = true
	c.send(`{"type":"response.create","model":"m","store":false,"previous_response_id":"` + id + `","input":"two"}`)
	c.answer()
	if got := r.body(sent + 1); strings.Contains(got, "previous_response_id") || !strings.Contains(got, "one") {
		t.Errorf("sent %s", got)
	}
}

func TestKeptIDs(t *testing.T) {
	for reasoning, want := range map[string]string{
		`"summary":[]`:            `{"x":1},{"type":"function_call","call_id":"c1"}`,
		`"encrypted_content":"e"`: `{"x":1},{"type":"reasoning","id":"rs_1","encrypted_content":"e"},{"type":"function_call","id":"fc_1","call_id":"c1"}`,
	} {
		m := newMemory(large{})
		m.keep([]byte(`[{"x":1}]`), []byte(`{"id":"resp_1","output":[{"type":"reasoning","id":"rs_1",`+reasoning+`},{"type":"function_call","id":"fc_1","call_id":"c1"}]}`), true)
		if got := string(m.latest[0].items); got != want {
			t.Errorf("%s is kept as %s", reasoning, got)
		}
	}
}

// A turn that breaks ends once: with response.failed, or with the error where that is all.
func TestOneEnd(t *testing.T) {
	r := start(t)
	c, _, err := r.dial("tk")
	if err != nil {
		t.Fatal(err)
	}
	for _, how := range []struct{ input, created, end string }{
		{"break", "response.created", "response.failed"}, {"error alone", "response.created", "error"}, {"early", "", "response.failed"},
	} {
		c.send(`{"type":"response.create","model":"m","input":"` + how.input + `"}`)
		if how.created != "" {
			c.read()
		}
		if e := c.read(); e.Type != how.end {
			t.Errorf("%s ended with %+v", how.input, e)
		}
		c.send(`{"type":"response.create","model":"m","input":"next"}`)
		c.answer() // fails where anything but its own events comes
	}
}

// A key in the query, and what else stands there, is every turn's.
func TestQuery(t *testing.T) {
	r := start(t)
	ws, _, err := websocket.Dial(t.Context(), r.s.URL+"?key=tk&x=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ws.CloseNow() })
	c := &client{t, ws}
	for range 2 {
		c.send(`{"type":"response.create","model":"m","input":"one"}`)
		c.answer()
		if r.query != "key=tk&x=1" {
			t.Errorf("the turn's query is %q", r.query)
		}
	}
}

// What could not be done as it was asked is told in the turn's first event.
func TestWarnings(t *testing.T) {
	r := start(t)
	c, _, err := r.dial("tk")
	if err != nil {
		t.Fatal(err)
	}
	for _, stream := range []string{"", `"stream_id":"a",`} {
		c.send(`{"type":"response.create",` + stream + `"model":"m","input":"warn"}`)
		if e := c.read(); e.Type != "response.created" || len(e.Warnings) != 2 || e.Warnings[0] != `dropped "seed"` || (e.Stream == "a") != (stream != "") {
			t.Errorf("%+v", e)
		}
		if e := c.read(); e.Type != "response.completed" || e.Warnings != nil {
			t.Errorf("%+v", e)
		}
	}
}

// A warm-up is answered here, and can be gone on from.
func TestWarmUp(t *testing.T) {
	r := start(t)
	c, _, err := r.dial("tk")
	if err != nil {
		t.Fatal(err)
	}
	c.send(`{"type":"response.create","model":"m","generate":false,"input":"before"}`)
	id := c.answer()
	if !strings.HasPrefix(id, "resp_") || len(r.bodies) != 0 {
		t.Errorf("%q, %v", id, r.bodies)
	}
	c.send(`{"type":"response.create","model":"m","previous_response_id":"` + id + `","input":"now"}`)
	c.answer()
	if got := r.body(0); !strings.Contains(got, `"content":"before"},{"type":"message","role":"user","content":"now"}]`) {
		t.Errorf("sent %s", got)
	}
}

// Streams run side by side, turns of one stream one after the other; each event says whose it is.
func TestStreams(t *testing.T) {
	r := start(t)
	slow := make(chan struct{})
	r.hold["slow"] = slow
	c, _, err := r.dial("tk")
	if err != nil {
		t.Fatal(err)
	}
	c.send(`{"type":"response.create","stream_id":"a","model":"m","input":"slow"}`)
	if e := c.read(); e.Type != "response.created" || e.Stream != "a" {
		t.Fatalf("%+v", e)
	}
	c.send(`{"type":"response.create","stream_id":"a","model":"m","input":"second"}`)
	c.send(`{"type":"response.create","stream_id":"b","model":"m","input":"other"}`)
	for _, typ := range []string{"response.created", "response.completed"} {
		if e := c.read(); e.Stream != "b" || e.Type != typ {
			t.Fatalf("%+v", e)
		}
	}
	close(slow)
	for _, typ := range []string{"response.completed", "response.created", "response.completed"} {
		if e := c.read(); e.Stream != "a" || e.Type != typ {
			t.Fatalf("%+v", e)
		}
	}
	if !strings.Contains(r.body(2), "second") {
		t.Errorf("%v", r.bodies)
	}
}

// Bad messages and failed turns are told, and lose nothing: the connection goes on.
func TestErrors(t *testing.T) {
	r := start(t)
	if _, resp, err := r.dial("wrong"); err == nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("%v %v", resp, err)
	}
	c, _, err := r.dial("tk")
	if err != nil {
		t.Fatal(err)
	}
	for _, msg := range []string{`nonsense`, `{}`, `{"type":"response.cancel"}`, `["response.create"]`, `{"type":"response.create","input":5}`, `{"type":"response.create","input":{}}`, `{"type":"response.create","stream_id":"` + strings.Repeat("x", 300) + `"}`} {
		c.send(msg)
		if e := c.read(); e.Type != "error" || e.Status != 400 || e.Error.Message == "" {
			t.Errorf("%s: %+v", msg, e)
		}
	}
	if err := c.ws.Write(t.Context(), websocket.MessageBinary, []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	if e := c.read(); e.Type != "error" || !strings.Contains(e.Error.Message, "binary") {
		t.Errorf("%+v", e)
	}
	c.send(`{"type":"response.create","stream_id":"a","model":"m","input":"fail"}`)
	if e := c.read(); e.Type != "error" || e.Status != 429 || e.Stream != "a" || e.Error.Code != "rate_limit_exceeded" || e.Error.Message != "slow down" {
		t.Errorf("%+v", e)
	}
	c.send(`{"type":"response.create","model":"m","input":"go on"}`)
	c.answer()
}

// A stop lets turns end and refuses new ones.
func TestDraining(t *testing.T) {
	r := start(t)
	c, _, err := r.dial("tk")
	if err != nil {
		t.Fatal(err)
	}
	r.draining.Store(true)
	c.send(`{"type":"response.create","model":"m","input":"late"}`)
	if e := c.read(); e.Status != 503 || !strings.Contains(e.Error.Message, "new connection") {
		t.Errorf("%+v", e)
	}
	if _, _, err := c.ws.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("%v", err)
	}
}

// A message that is too large ends the connection with the reason.
func TestTooLarge(t *testing.T) {
	r := start(t)
	c, _, err := r.dial("tk")
	if err != nil {
		t.Fatal(err)
	}
	_ = c.ws.Write(t.Context(), websocket.MessageText, []byte(`{"type":"response.create","input":"`+strings.Repeat("x", 2<<20)+`"}`))
	if _, _, err := c.ws.Read(context.WithoutCancel(t.Context())); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		t.Errorf("%v", err)
	}
}

// large is a budget without an end.
type large struct{}

func (large) Take(int) bool { return true }
func (large) Give(int)      {}

// Turns that wait are bounded, in number and in memory, and refused one by one: nothing is started for them.
func TestWaitingIsBounded(t *testing.T) {
	r := start(t)
	slow := make(chan struct{})
	r.hold["slow"] = slow
	c, _, err := r.dial("tk")
	if err != nil {
		t.Fatal(err)
	}
	c.send(`{"type":"response.create","model":"m","input":"slow"}`)
	c.read()
	big := strings.Repeat("x", 1<<20-200)
	for range 3 {
		c.send(`{"type":"response.create","model":"m","input":"` + big + `"}`)
	}
	c.send(`{"type":"response.create","model":"m","input":"` + big + `"}`)
	if e := c.read(); e.Status != 503 || e.Error.Code != "server_is_busy" {
		t.Errorf("%+v", e)
	}
	for range maxWaiting - 3 {
		c.send(`{"type":"response.create","model":"m","input":"x"}`)
	}
	for range 200 {
		c.send(`{"type":"response.create","model":"m","input":"x"}`)
		if e := c.read(); e.Status != 429 || e.Error.Code != "too_many_turns" {
			t.Fatalf("%+v", e)
		}
	}
	close(slow)
	c.read()
	for range maxWaiting {
		c.answer()
	}
}

// What a connection remembers is bounded.
func TestMemoryIsBounded(t *testing.T) {
	m := newMemory(&large{})
	for i := range maxResponses + 5 {
		m.add(remembered{id: fmt.Sprint(i), items: []byte("{}")})
	}
	if len(m.latest) != maxResponses || m.latest[0].id != "5" {
		t.Errorf("%d, from %s", len(m.latest), m.latest[0].id)
	}
	m.add(remembered{id: "large", items: make([]byte, maxMemoryBytes-10)})
	if len(m.latest) > 6 || m.bytes > maxMemoryBytes || m.latest[len(m.latest)-1].id != "large" {
		t.Errorf("%d with %d bytes", len(m.latest), m.bytes)
	}
	before := len(m.latest)
	m.add(remembered{id: "too large", items: make([]byte, maxMemoryBytes+1)})
	if len(m.latest) != before {
		t.Error("what is too large was kept")
	}
}

func FuzzTurn(f *testing.F) {
	f.Add([]byte(`{"type":"response.create","stream_id":"a","input":[{"a":1}],"previous_response_id":"x","generate":false}`))
	f.Add([]byte(`{"type":"response.create","input":"x"}`))
	f.Fuzz(func(t *testing.T, msg []byte) {
		turn, err := readTurn(msg)
		if err != nil || !json.Valid(msg) {
			return
		}
		input, known := newMemory(&large{}).input(turn)
		if body := turn.body(input, known); !json.Valid(body) {
			t.Errorf("%s", body)
		}
	})
}
