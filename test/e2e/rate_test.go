package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"turnout/internal/sim"
)

const crowd = 200

// together makes as many requests at once and gives all answers, whose bodies are not read yet.
func together(t *testing.T, g *gateway, a ask) (answers []*http.Response) {
	t.Helper()
	c := newClient(t)
	var mu sync.Mutex
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for range crowd {
		wg.Go(func() {
			<-begin
			resp, err := c.Do(a.request(context.Background(), g.base))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Errorf("%v", err)
				return
			}
			answers = append(answers, resp)
		})
	}
	close(begin)
	wg.Wait()
	return answers
}

// split tells good answers from refusals, each of which has to be a proper one.
func split(t *testing.T, f form, answers []*http.Response, limit string) (good []*http.Response, refused int) {
	t.Helper()
	for _, resp := range answers {
		if resp.StatusCode == http.StatusOK {
			good = append(good, resp)
			continue
		}
		refused++
		r := readReply(resp)
		want := "rate_limit_error"
		if f.openai {
			want = "requests"
		}
		if r.status != http.StatusTooManyRequests || r.fault != want || !strings.Contains(r.said, limit) || r.header.Get("Retry-After") == "" {
			t.Errorf("a refusal: %s %v", &r, r.header)
		}
	}
	return good, refused
}

// TestRateIsExact: of 200 requests at once exactly as many reach the provider as a key may make, whatever the dialect.
func TestRateIsExact(t *testing.T) {
	const burst = 37
	for _, f := range forms {
		t.Run(f.String(), func(t *testing.T) {
			p := startProvider(t, sim.Options{})
			g := startGateway(t, "accounts:\n"+account(p, f.platform(), "a", "sk-sim-a", "")+
				"keys:\n  - {name: team, secret: "+teamKey+", rates: {requests_per_minute: 1, request_burst: 37}}\n")
			good, refused := split(t, f, together(t, g, ask{form: f, model: "m"}), `the limit of 1 requests a minute of the key "team" is reached`)
			for _, resp := range good {
				if r := readReply(resp); !r.good() {
					t.Errorf("%s", &r)
				}
			}
			if len(good) != burst || refused != crowd-burst || p.Count("sk-sim-a") != burst {
				t.Errorf("%d served, %d refused, %d reached the provider", len(good), refused, p.Count("sk-sim-a"))
			}
		})
	}
}

// TestConcurrencyIsExact: of 200 streams at once exactly as many are open as a pool allows, and those that end make room.
func TestConcurrencyIsExact(t *testing.T) {
	f := form{stream: true}
	p := startProvider(t, sim.Options{})
	g := startGateway(t, "accounts:\n"+account(p, "anthropic", "a", "sk-sim-a", "")+keys+"pools:\n  - {name: default, limits: {text_gap: 30m}, rates: {concurrency: 8}}\n")
	open, refused := split(t, f, together(t, g, ask{form: f, model: "m-stall2"}), `the limit of 8 requests at a time of the pool "default" is reached`)
	if len(open) != 8 || refused != crowd-8 || p.Count("sk-sim-a") != 8 {
		t.Errorf("%d are open, %d were refused, %d reached the provider", len(open), refused, p.Count("sk-sim-a"))
	}
	for _, resp := range open {
		_ = resp.Body.Close()
	}
	// Each refusal has waited a moment for a slot, so that this ends.
	for range 100 {
		r := g.send(ask{form: f, model: "m"})
		if r.good() {
			return
		}
		if r.status != http.StatusTooManyRequests {
			t.Fatalf("%s", &r)
		}
	}
	t.Error("no slot came back")
}

// TestRatesAfterReload: new values hold at once, and what was used before stays used.
func TestRatesAfterReload(t *testing.T) {
	p := startProvider(t, sim.Options{})
	config := func(burst string) string {
		return "accounts:\n" + account(p, "anthropic", "a", "sk-sim-a", "") +
			"keys:\n  - {name: team, secret: " + teamKey + ", rates: {requests_per_minute: 1, request_burst: " + burst + "}}\n"
	}
	g := startGateway(t, config("2"))
	expect := func(when string, want ...int) {
		t.Helper()
		for i, status := range want {
			if r := g.send(ask{model: "m"}); r.status != status {
				t.Errorf("%s, request %d: %s", when, i+1, &r)
			}
		}
	}
	expect("with two at once", 200, 200, 429)
	g.write(config("3"))
	if out, errs, code := g.turnout("reload", "-c", g.file()); code != 0 {
		t.Fatalf("reload: %d %s %s", code, out, errs)
	}
	expect("with three at once", 200, 429)
	r := g.send(ask{model: "m"})
	g.stop() // the records are written
	out, errs, code := g.turnout("requests", "show", "-c", g.file(), r.id)
	if code != 0 || !strings.Contains(out, "refused it before any attempt: rate limited by a limit of callers, key team: requests") {
		t.Errorf("%d %s\n%s", code, errs, out)
	}
}

// TestRateOfTurns: the turns of a WebSocket count like requests.
func TestRateOfTurns(t *testing.T) {
	p := startProvider(t, sim.Options{})
	g := startGateway(t, "accounts:\n"+account(p, "openai", "a", "sk-sim-a", "")+
		"keys:\n  - {name: team, secret: "+teamKey+", rates: {requests_per_minute: 1}}\n")
	ws, resp, err := websocket.Dial(t.Context(), strings.Replace(g.base, "http", "ws", 1)+"/v1/responses", &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + teamKey}}})
	if err != nil {
		t.Fatal(err, resp)
	}
	defer func() { _ = ws.CloseNow() }()
	turn := func() (last struct {
		Type   string
		Status int
		Error  struct{ Code, Message string }
	}) {
		t.Helper()
		if err := ws.Write(t.Context(), websocket.MessageText, []byte(`{"type":"response.create","model":"m","store":false,"input":"hi"}`)); err != nil {
			t.Fatal(err)
		}
		for last.Type != "response.completed" && last.Type != "error" {
			_, msg, err := ws.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(msg, &last); err != nil {
				t.Fatalf("%v: %s", err, msg)
			}
		}
		return last
	}
	if e := turn(); e.Type != "response.completed" {
		t.Errorf("the first: %+v", e)
	}
	if e := turn(); e.Type != "error" || e.Status != http.StatusTooManyRequests || e.Error.Code != "rate_limit_exceeded" || !strings.Contains(e.Error.Message, `the key "team"`) {
		t.Errorf("the second: %+v", e)
	}
	if n := p.Count("sk-sim-a"); n != 1 {
		t.Errorf("%d turns reached the provider", n)
	}
}
