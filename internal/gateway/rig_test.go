package gateway

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"turnout/internal/caller"
	"turnout/internal/dialect"
	"turnout/internal/dialect/anthropic"
	"turnout/internal/dialect/openai"
	"turnout/internal/domain"
	"turnout/internal/failover"
	"turnout/internal/ledger"
	"turnout/internal/sched"
	"turnout/internal/upstream"
)

// The rig runs the whole gateway against scripted upstreams in memory, so that
// testing/synctest's clock gives exact times.

const testKey = "tk-0123456789abcdef"

// reply is one scripted answer of an account.
type reply func(ctx context.Context, call *upstream.Call) (*http.Response, error)

// made is one attempt that an account saw.
type made struct {
	account string
	at      time.Duration
	body    string
	url     string
	header  http.Header
	ctx     context.Context
}

type rig struct {
	t       *testing.T
	g       *Gateway
	d       dialect.Dialect
	cells   *sched.Cells
	bodies  *Budget
	ledger  *countingLedger
	began   time.Time
	records []*Record

	mu       sync.Mutex
	replies  map[string][]reply // the last one repeats
	attempts []made
	bindings map[domain.SessionID]domain.Binding
	accounts []*domain.Account
}

type account struct {
	name, org string
	limit     int
	priority  int
	models    domain.ModelMap
	pool      string // empty: default
	platform  string // empty: the rig's
	limits    domain.AccountLimits
	base      string // its base URL; empty: one for all
}

type rigOption func(*rigConfig)

type rigConfig struct {
	accounts  []account
	policy    failover.Override
	keepAlive time.Duration
	platform  string
	d         dialect.Dialect
	settings  Settings
	key       domain.Key
	pool      func(*PoolConfig)
	bodies    int64
	observer  Observer
	objects   Objects
}

// byLoad is for tests that have to know who is asked next: no lots.
func byLoad(c *rigConfig) { c.pool = func(p *PoolConfig) { p.Strategy = domain.LeastLoaded } }

func newRig(t *testing.T, accounts []account, opts ...rigOption) *rig {
	t.Helper()
	c := rigConfig{accounts: accounts, platform: "anthropic", d: anthropic.Dialect{}, settings: DefaultSettings()}
	c.key = domain.Key{ID: 1, Name: "team", Hash: sha256.Sum256([]byte(testKey)), Pools: []string{"default"}, Enabled: true}
	c.bodies, c.observer, c.objects = 1<<30, noObserver{}, NoObjects{}
	for _, o := range opts {
		o(&c)
	}
	r := &rig{
		t: t, d: c.d, cells: sched.NewCells(), bodies: NewBudget(c.bodies), ledger: &countingLedger{}, began: time.Now(),
		replies: map[string][]reply{}, bindings: map[domain.SessionID]domain.Binding{},
	}
	pools := map[string]bool{}
	for i, a := range c.accounts {
		if a.pool == "" {
			a.pool = "default"
		}
		pools[a.pool] = true
		if a.platform == "" {
			a.platform = c.platform
		}
		if a.base == "" {
			a.base = "http://upstream.invalid"
		}
		r.accounts = append(r.accounts, &domain.Account{
			ID: domain.AccountID(i + 1), Name: a.name, Platform: a.platform, BaseURL: a.base, APIKey: domain.NewSecret("sk-" + a.name),
			Organization: a.org, Pools: []string{a.pool}, Priority: a.priority, Weight: 1, MaxInFlight: a.limit, Models: a.models, Limits: a.limits, Enabled: true,
		})
	}
	keys, err := caller.NewDirectory([]domain.Key{c.key})
	if err != nil {
		t.Fatal(err)
	}
	r.g = New(Deps{
		Objects:  c.objects,
		Upstream: r, Bindings: r, Recorder: r, Ledger: r.ledger, Observer: c.observer, Cells: r.cells, Bodies: r.bodies,
	})
	pool := PoolConfig{Pool: domain.Pool{ID: 1, Name: "default", Enabled: true}, Policy: c.policy, KeepAlive: c.keepAlive}
	if c.pool != nil {
		c.pool(&pool)
	}
	all := []PoolConfig{pool}
	delete(pools, "default")
	for name := range pools {
		other := pool
		other.Pool = domain.Pool{ID: domain.PoolID(len(all) + 1), Name: name, Enabled: true}
		all = append(all, other)
	}
	snap, err := NewSnapshot(1, c.settings, keys, all, r.accounts, r.cells)
	if err != nil {
		t.Fatal(err)
	}
	r.g.Swap(snap)
	t.Cleanup(func() {
		for _, a := range r.accounts {
			if n := r.cells.Live(a.ID).InFlight(); n != 0 {
				t.Errorf("account %s still holds %d slots", a.Name, n)
			}
		}
		if n := r.bodies.Used(); n != 0 {
			t.Errorf("request bodies still hold %d bytes", n)
		}
		if n := r.g.InFlight(); n != 0 {
			t.Errorf("%d requests are still counted as in flight", n)
		}
		r.ledger.check(t)
	})
	return r
}

// on scripts an account's answers; the last one repeats.
func (r *rig) on(account string, replies ...reply) { r.replies[account] = replies }

// Send implements Upstream.
func (r *rig) Send(ctx context.Context, call *upstream.Call) (*http.Response, error) {
	var body []byte
	if call.Body != nil {
		rc, err := call.Body()
		if err != nil {
			return nil, &upstream.Fault{Kind: upstream.FaultUnsent, Err: err}
		}
		body, _ = io.ReadAll(rc)
		_ = rc.Close()
	}
	if int64(len(body)) != call.Length {
		r.t.Errorf("the body has %d bytes and was declared with %d", len(body), call.Length)
	}
	name := call.Account.Name
	r.mu.Lock()
	r.attempts = append(r.attempts, made{name, time.Since(r.began), string(body), call.URL.String(), call.Header, ctx})
	script := r.replies[name]
	if len(script) == 0 {
		r.mu.Unlock()
		r.t.Errorf("account %s was asked and has no script", name)
		return nil, &upstream.Fault{Kind: upstream.FaultUnsent, Err: errors.New("no script")}
	}
	next := script[0]
	if len(script) > 1 {
		r.replies[name] = script[1:]
	}
	r.mu.Unlock()
	return next(ctx, call)
}

// Keep implements Upstream.
func (r *rig) Keep([]*domain.Account) {}

// Record implements Recorder.
func (r *rig) Record(rec *Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records = append(r.records, rec)
}

// Lookup implements Bindings.
func (r *rig) Lookup(s domain.SessionID) (domain.Binding, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b, ok := r.bindings[s]
	return b, ok && time.Now().Before(b.Expires)
}

// Bind implements Bindings.
func (r *rig) Bind(b domain.Binding, expected domain.AccountID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bindings[b.Session].Account != expected {
		return false
	}
	r.bindings[b.Session] = b
	return true
}

// asked lists which accounts were asked, and when.
func (r *rig) asked() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var parts []string
	for _, a := range r.attempts {
		parts = append(parts, fmt.Sprintf("%s@%s", a.account, a.at))
	}
	return strings.Join(parts, " ")
}

// names lists which accounts were asked.
func (r *rig) names() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var parts []string
	for _, a := range r.attempts {
		parts = append(parts, a.account)
	}
	return strings.Join(parts, " ")
}

// last is the latest record.
func (r *rig) last() *Record {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.records) == 0 {
		r.t.Fatal("nothing was recorded")
	}
	return r.records[len(r.records)-1]
}

// got is what the caller saw.
type got struct {
	*httptest.ResponseRecorder
	took time.Duration
}

func (g got) text() string { return g.Body.String() }

type requestOption func(*http.Request)

func withHeader(k, v string) requestOption { return func(r *http.Request) { r.Header.Set(k, v) } }

func withContext(ctx context.Context) requestOption {
	return func(r *http.Request) { *r = *r.WithContext(ctx) }
}

// send makes one request and waits for its end.
func (r *rig) send(body string, opts ...requestOption) (g got) {
	r.t.Helper()
	req := httptest.NewRequest(http.MethodPost, "/v1/messages", strings.NewReader(body))
	req.Header.Set("X-Api-Key", testKey)
	for _, o := range opts {
		o(req)
	}
	g = got{ResponseRecorder: httptest.NewRecorder()}
	began := time.Now()
	defer func() {
		g.took = time.Since(began)
		if p := recover(); p != nil && p != any(http.ErrAbortHandler) {
			panic(p)
		}
	}()
	r.g.Handler(Call{Dialect: r.d}).ServeHTTP(g, req)
	return g
}

const (
	askJSON   = `{"model":"claude-x","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}`
	askStream = `{"model":"claude-x","max_tokens":100,"stream":true,"messages":[{"role":"user","content":"hi"}]}`
	chatAsk   = `{"model":"gpt-x","stream":true,"messages":[{"role":"user","content":"hi"}]}`
)

// The scripts.

func answer200(contentType, body string) *http.Response {
	return &http.Response{
		StatusCode: 200, Header: http.Header{"Content-Type": {contentType}, "Request-Id": {"req_up"}}, Body: io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)),
	}
}

func jsonOK(text string) reply {
	return func(context.Context, *upstream.Call) (*http.Response, error) {
		return answer200("application/json", messageJSON(text)), nil
	}
}

func messageJSON(text string) string {
	return `{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[{"type":"text","text":"` + text + `"}],"stop_reason":"end_turn","usage":{"input_tokens":10,"cache_read_input_tokens":0,"cache_creation_input_tokens":0,"output_tokens":5}}`
}

func status(code int, body string, header ...string) reply {
	return func(context.Context, *upstream.Call) (*http.Response, error) {
		resp := answer200("application/json", body)
		resp.StatusCode = code
		for i := 0; i+1 < len(header); i += 2 {
			resp.Header.Set(header[i], header[i+1])
		}
		return resp, nil
	}
}

func errorJSON(typ string) string {
	return `{"type":"error","error":{"type":"` + typ + `","message":"scripted"}}`
}

var (
	fail503 = status(503, errorJSON("api_error"))
	fail429 = status(429, errorJSON("rate_limit_error"))
	fail529 = status(529, errorJSON("overloaded_error"))
)

func unsent(context.Context, *upstream.Call) (*http.Response, error) {
	return nil, &upstream.Fault{Kind: upstream.FaultUnsent, Err: errors.New("connection refused")}
}

// hang never answers.
func hang(ctx context.Context, _ *upstream.Call) (*http.Response, error) {
	<-ctx.Done()
	return nil, upstream.FaultOf(ctx, ctx.Err())
}

// after delays an answer's header.
func after(d time.Duration, then reply) reply {
	return func(ctx context.Context, call *upstream.Call) (*http.Response, error) {
		if !sleep(ctx, d) {
			return nil, upstream.FaultOf(ctx, ctx.Err())
		}
		return then(ctx, call)
	}
}

// part is a piece of a stream after a pause.
type part struct {
	pause time.Duration
	text  string
}

// stream answers with parts; end is what the last read gives.
func stream(end error, parts ...part) reply {
	return func(ctx context.Context, _ *upstream.Call) (*http.Response, error) {
		resp := answer200("text/event-stream", "")
		resp.ContentLength = -1
		resp.Body = &scripted{ctx: ctx, parts: parts, end: end}
		return resp, nil
	}
}

type scripted struct {
	ctx   context.Context
	parts []part
	rest  []byte
	end   error
}

func (s *scripted) Read(p []byte) (int, error) {
	for len(s.rest) == 0 {
		if len(s.parts) == 0 {
			return 0, s.end
		}
		next := s.parts[0]
		s.parts = s.parts[1:]
		if next.pause > 0 && !sleep(s.ctx, next.pause) {
			return 0, s.ctx.Err()
		}
		s.rest = []byte(next.text)
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *scripted) Close() error { return nil }

// forever is longer than any limit.
const forever = 24 * time.Hour

const (
	msgStart = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"usage\":{\"input_tokens\":10,\"cache_creation_input_tokens\":2000,\"cache_read_input_tokens\":0,\"cache_creation\":{\"ephemeral_5m_input_tokens\":2000,\"ephemeral_1h_input_tokens\":0},\"output_tokens\":1}}}\n\n"
	txtStart = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
	txtStop  = "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
	msgDelta = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":7}}\n\n"
	msgStop  = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
	ping     = "event: ping\ndata: {\"type\":\"ping\"}\n\n"
	thkStart = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\"}}\n\n"
	errEvent = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n"
)

func delta(text string) string {
	return "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"" + text + "\"}}\n\n"
}

// whole is a healthy stream.
func whole(text string) reply {
	return stream(io.EOF, part{0, msgStart + txtStart + delta(text) + txtStop + msgDelta + msgStop})
}

type noObserver struct{}

func (noObserver) Attempt(string, string, string, time.Duration) {}
func (noObserver) Request(string, string, int, bool, time.Duration, time.Duration, domain.Usage) {
}
func (noObserver) Rest(string, string, string) {}
func (noObserver) Event(string, string, int)   {}

// countingLedger checks that every hold is settled.
type countingLedger struct {
	mu       sync.Mutex
	holds    map[domain.RequestID]int // 1: held, 10 more: settled
	asks     []ledger.Ask
	ends     []ledger.Final
	costs    int
	used     domain.Usage
	deny     error  // of the next holds
	again    error  // of holding for fallbacks
	unpriced string // an account
	grown    int64
	limited  bool
}

func (l *countingLedger) Hold(_ context.Context, ask *ledger.Ask) (Holding, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.deny != nil {
		return nil, l.deny
	}
	if l.holds == nil {
		l.holds = map[domain.RequestID]int{}
	}
	l.holds[ask.Request]++
	l.asks = append(l.asks, *ask)
	return &countedHolding{l: l, id: ask.Request}, nil
}

func (l *countingLedger) Priced(a *domain.Account, _ string, _ time.Time) bool {
	return a.Name != l.unpriced
}

func (l *countingLedger) Limited(domain.KeyID, domain.UserID, domain.TeamID, domain.PoolID) bool {
	return l.limited
}

type countedHolding struct {
	l     *countingLedger
	id    domain.RequestID
	ended bool
}

func (h *countedHolding) Again(context.Context, []ledger.Route, time.Time) error { return h.l.again }

func (h *countedHolding) Grow(_ context.Context, _ *domain.Account, _ string, output int64, _ time.Time) {
	h.l.mu.Lock()
	defer h.l.mu.Unlock()
	h.l.grown = max(h.l.grown, output)
}

func (h *countedHolding) Warnings() []string { return nil }

func (h *countedHolding) Lost(*domain.Account, string, domain.Usage, time.Time) domain.NanoUSD {
	h.l.mu.Lock()
	defer h.l.mu.Unlock()
	h.l.costs++
	return 0
}

func (h *countedHolding) Settle(f ledger.Final) (s domain.Settlement, first bool) {
	h.l.mu.Lock()
	defer h.l.mu.Unlock()
	if h.ended {
		return s, false
	}
	h.ended = true
	h.l.holds[h.id] += 10
	h.l.used = h.l.used.Plus(f.Usage)
	h.l.ends = append(h.l.ends, f)
	return s, true
}

func (l *countingLedger) check(t *testing.T) {
	t.Helper()
	for id, n := range l.holds {
		if n != 11 {
			t.Errorf("request %s: %d holds and %d settlements, want one of each", id, n%10, n/10)
		}
	}
}

func openAI(c *rigConfig) { c.d, c.platform = openai.Dialect{}, "openai" }

func mustContain(t *testing.T, what, text string, fragments ...string) {
	t.Helper()
	for _, f := range fragments {
		if !strings.Contains(text, f) {
			t.Errorf("%s lacks %q:\n%s", what, f, clipText(text))
		}
	}
}

func mustLack(t *testing.T, what, text string, fragments ...string) {
	t.Helper()
	for _, f := range fragments {
		if strings.Contains(text, f) {
			t.Errorf("%s holds %q:\n%s", what, f, clipText(text))
		}
	}
}

func clipText(s string) string {
	if len(s) > 2000 {
		return s[:1000] + " … " + s[len(s)-900:]
	}
	return s
}

type (
	call     = upstream.Call
	response = http.Response
)

func restKeyOf(id domain.AccountID) sched.RestKey { return sched.AccountKey(id) }

// snapshotAgain compiles the rig's accounts anew, as a reload does. The accounts are
// copied, because a snapshot's are never modified.
func (r *rig) snapshotAgain() *Snapshot {
	r.t.Helper()
	old := r.g.Snapshot()
	copies := make([]*domain.Account, len(r.accounts))
	for i, a := range r.accounts {
		c := *a
		copies[i] = &c
	}
	snap, err := NewSnapshot(old.Version+1, old.Settings, old.keys, []PoolConfig{{Pool: old.pools["default"].Pool}}, copies, r.cells)
	if err != nil {
		r.t.Fatal(err)
	}
	return snap
}
