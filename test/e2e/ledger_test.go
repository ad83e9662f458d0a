package e2e

import (
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	_ "modernc.org/sqlite" // what the store keeps is looked at as it is

	"turnout/internal/sim"
	"turnout/internal/store"
)

// paid is a configuration whose team pays before, $3 for a million tokens of the prompt and $15 for one of the answer.
func paid(p *sim.Server) string {
	return "prices: [{model: m, input: 3.00, output: 15.00}]\nteams: [{name: research, prepaid: true}]\naccounts:\n" +
		account(p, "anthropic", "a", "sk-sim-a", "") + account(p, "openai", "o", "sk-sim-o", "") +
		"keys: [{name: team, secret: " + teamKey + ", owner: \"team:research\"}]\n"
}

type verified struct {
	Accounts []struct {
		Name    string `json:"name"`
		Debits  int64  `json:"debits_nano_usd"`
		Credits int64  `json:"credits_nano_usd"`
	} `json:"accounts"`
	Settlements int      `json:"settlements"`
	Wrong       []string `json:"wrong"`
}

// verify checks the books, and gives the balance of each account of theirs.
func (g *gateway) verify() (balances map[string]int64, settlements int) {
	g.t.Helper()
	out, errs, code := g.turnout("ledger", "verify", "--json")
	var v verified
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		g.t.Fatalf("turnout ledger verify: %v\n%s%s", err, out, errs)
	}
	if code != 0 || len(v.Wrong) > 0 {
		g.t.Fatalf("the books do not balance (exit %d):\n%s", code, strings.Join(v.Wrong, "\n"))
	}
	balances = map[string]int64{}
	var sum int64
	for _, a := range v.Accounts {
		balances[a.Name] = a.Credits - a.Debits
		sum += a.Credits - a.Debits
	}
	if sum != 0 {
		g.t.Fatalf("the books sum to %d", sum)
	}
	return balances, v.Settlements
}

// me is what a caller is told of its key.
func (g *gateway) me() string {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), http.MethodGet, g.base+"/v1/turnout/me", nil)
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", teamKey)
	resp, err := newClient(g.t).Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return string(body)
}

// settled are the charges of all requests that are settled, by their ids as callers see them; and how often each stands there.
func (g *gateway) settled() (charged map[string]int64) {
	g.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(g.dataDir(), store.FileName)+"?mode=ro")
	if err != nil {
		g.t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(g.t.Context(), "SELECT id, charged FROM settlements")
	if err != nil {
		g.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	charged = map[string]int64{}
	for rows.Next() {
		var id []byte
		var n int64
		if err := rows.Scan(&id, &n); err != nil {
			g.t.Fatal(err)
		}
		charged["req_"+hex.EncodeToString(id)] = n
	}
	if err := rows.Err(); err != nil {
		g.t.Fatal(err)
	}
	return charged
}

// kills is how often the gateway dies.
const kills = 100

// TestKilledUnderLoad kills the gateway a hundred times, at any instant, while callers ask it in every form. Afterwards every request whose
// answer came to its end is settled, once and to the nano-dollar; nothing is held for the dead; and the books balance.
func TestKilledUnderLoad(t *testing.T) {
	p := startProvider(t, sim.Options{})
	g := startGateway(t, paid(p))
	const credit = 5_000_000_000
	does(g, "ledger", "credit", "team:research", "5", "--ref", "first")
	var mu sync.Mutex
	answered := map[string]string{}
	for n := range kills {
		stop := make(chan struct{})
		// It dies at the beginning or the end of some request, while the others are anywhere.
		ticks, fatal := int64(0), rand.Int64N(60)
		due := make(chan struct{})
		tick := func() {
			if atomic.AddInt64(&ticks, 1) == fatal+1 {
				close(due)
			}
		}
		var wg sync.WaitGroup
		base := g.base
		for caller := range 4 {
			wg.Go(func() {
				c := newClient(t)
				for i := caller; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					f := forms[i%len(forms)]
					tick()
					r := (&ask{form: f, model: "m"}).do(c, base)
					if r.err != nil && r.id == "" {
						return // it is dead
					}
					if r.good() {
						mu.Lock()
						answered[r.id] = f.String()
						mu.Unlock()
					}
					tick()
				}
			})
		}
		<-due
		g.kill()
		close(stop)
		wg.Wait()
		g.start()
		if n%20 == 19 || n == 0 {
			g.verify()
		}
	}
	balances, settlements := g.verify()
	charged := g.settled()
	if len(charged) != settlements {
		t.Errorf("%d settlements, and %d of them different", settlements, len(charged))
	}
	if len(answered) < kills {
		t.Fatalf("only %d requests were answered", len(answered))
	}
	// What an answer costs is known from its own usage: all are alike but for the dialect.
	price := map[string]map[int64]int{}
	for id, f := range answered {
		n, ok := charged[id]
		if !ok || n == 0 {
			t.Errorf("request %s (%s) was answered whole, and is settled with %d (%t)", id, f, n, ok)
		}
		if price[f] == nil {
			price[f] = map[int64]int{}
		}
		price[f][n]++
	}
	for f, prices := range price {
		if len(prices) != 1 {
			t.Errorf("equal requests (%s) were charged differently: %v", f, prices)
		}
	}
	var sum int64
	for _, n := range charged {
		sum += n
	}
	if balances["income"] != sum || balances["purse of team research"]+balances["grant of team research"] != credit-sum {
		t.Errorf("%d is charged, and the books say %v", sum, balances)
	}
	g.stop()
	balances, _ = g.verify()
	if balances["grant of team research"] != 0 || balances["purse of team research"] != credit-sum {
		t.Errorf("after a stop: %v, want %d in the purse", balances, credit-sum)
	}
	t.Logf("%d answers, %d settlements in %d lives", len(answered), settlements, kills+1)
}

// What a caller hears whose money is used up, and how it comes to more.
func TestPrepaid(t *testing.T) {
	p := startProvider(t, sim.Options{})
	g := startGateway(t, paid(p))
	for _, f := range forms {
		r := g.send(ask{form: f, model: "m"})
		status, fault := 402, "billing_error"
		if f.openai {
			status, fault = 402, "insufficient_quota"
		}
		if r.status != status || r.fault != fault || !strings.Contains(r.said, `The balance of team "research" is used up: $0.00 is left, and this request may cost up to $0.06`) || r.header.Get("X-Should-Retry") != "false" {
			t.Errorf("%v: %s", f, &r)
		}
	}
	if n := p.Count("sk-sim-a") + p.Count("sk-sim-o"); n != 0 {
		t.Errorf("%d requests went upstream unpaid", n)
	}
	said := does(g, "ledger", "credit", "team:research", "0.10", "--ref", "r1", "--note", "a start")
	if said != "team:research: the balance is $0.10\n" {
		t.Errorf("credited: %q", said)
	}
	if _, errs, code := g.turnout("ledger", "credit", "team:research", "0.10", "--ref", "r1"); code == 0 || !strings.Contains(errs, `"r1" has been booked already`) {
		t.Errorf("the same credit again: exit %d, %s", code, errs)
	}
	r := g.send(ask{model: "m"})
	if !r.good() {
		t.Fatalf("with money: %s", &r)
	}
	var cost int64
	eventually(t, "the request is booked", func() bool { cost = g.settled()[r.id]; return cost > 0 })
	g.recorded(r.id)
	if story := does(g, "requests", "show", r.id); !strings.Contains(story, "charged to team:research (prices own/m), ") {
		t.Errorf("its story is\n%s", story)
	}
	var balances []struct {
		Owner   string `json:"owner"`
		Balance int64  `json:"balance_nano_usd"`
	}
	if err := json.Unmarshal([]byte(does(g, "ledger", "balances", "--json")), &balances); err != nil || len(balances) != 1 || balances[0].Balance != 100_000_000-cost {
		t.Errorf("%v: %+v after %d", err, balances, cost)
	}
	if body := g.me(); !strings.Contains(body, `"team":{"name":"research","rates":[],"balance_usd":"0.0`) {
		t.Errorf("the caller is told %s", body)
	}
	if table := does(g, "ledger", "balances"); !strings.Contains(table, "team:research") || !strings.Contains(table, "before") {
		t.Errorf("the table says\n%s", table)
	}
	if _, errs, code := g.turnout("ledger", "credit", "team:nobody", "1"); code == 0 || !strings.Contains(errs, `there is no team "nobody"`) {
		t.Errorf("somebody unknown: exit %d, %s", code, errs)
	}
}

// A budget is held by all who share it, at any concurrency, and says when it begins anew.
func TestBudgetAtOnce(t *testing.T) {
	p := startProvider(t, sim.Options{})
	config := strings.Replace(paid(p), "{name: research, prepaid: true}", "{name: research, budgets: [{period: day, rolling: true, hard_usd: 0.5}]}", 1)
	g := startGateway(t, config)
	c := newClient(t)
	var mu sync.Mutex
	var good, refused int
	var wg sync.WaitGroup
	for range 60 {
		wg.Go(func() {
			r := (&ask{model: "m"}).do(c, g.base)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case r.good():
				good++
			case r.status == 402 && strings.Contains(r.said, `The budget "day" of team "research" is used up`):
				refused++
			default:
				t.Errorf("%s", &r)
			}
		})
	}
	wg.Wait()
	var sum int64
	eventually(t, "all are booked", func() bool { return len(g.settled()) == good })
	for _, n := range g.settled() {
		sum += n
	}
	if good == 0 || refused == 0 || sum > 500_000_000 {
		t.Errorf("%d served for %s, %d refused", good, fmt.Sprint(sum), refused)
	}
}
