package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"turnout/internal/admin"
	"turnout/internal/config"
	"turnout/internal/credential"
	"turnout/internal/domain"
	"turnout/internal/failover"
	"turnout/internal/sched"
	"turnout/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const teamKey = "tk-team-0123456789abcdef"

// provider answers chat completions; hold, if set, keeps an answer back until it is closed.
type provider struct {
	*httptest.Server
	hold    chan struct{}
	arrived chan struct{}
}

func newProvider(t *testing.T) *provider {
	p := &provider{arrived: make(chan struct{}, 10)}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.arrived <- struct{}{}
		if p.hold != nil {
			select {
			case <-p.hold:
			case <-r.Context().Done():
				return
			}
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"%s %d"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":2}}`, r.Header.Get("Authorization"), len(body))
	}))
	t.Cleanup(p.Close)
	return p
}

// rig is a configuration and the apps that are started from it.
type rig struct {
	t    testing.TB
	dir  string
	log  *logBuffer
	http *http.Transport

	keyLost bool
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newRig(t testing.TB, text string) *rig {
	r := &rig{t: t, dir: t.TempDir(), log: &logBuffer{}, http: &http.Transport{}}
	t.Cleanup(r.http.CloseIdleConnections)
	r.write(text)
	return r
}

// configuration of accounts with their keys at one address.
func configuration(base string, accounts ...string) string {
	var b strings.Builder
	b.WriteString("listen: 127.0.0.1:0\ndata_dir: ./data\ndrain: 20s\ndrain_delay: 0s\naccounts:\n")
	for _, a := range accounts {
		name, key, _ := strings.Cut(a, "=")
		fmt.Fprintf(&b, "  - {name: %s, platform: openai-compatible, base_url: %s/v1, api_key: %s}\n", name, base, key)
	}
	fmt.Fprintf(&b, "keys:\n  - {name: team, secret: %s}\n", teamKey)
	return b.String()
}

func (r *rig) write(text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, "turnout.yaml"), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) new() (*App, error) {
	return New(r.t.Context(), Options{
		Load: func() (*config.Config, []config.Warning, error) {
			return config.Load(filepath.Join(r.dir, "turnout.yaml"), func(string) (string, bool) { return "", false }, Platforms(), config.Overrides{})
		},
		Log: slog.New(slog.NewTextHandler(r.log, nil)), KeyLost: r.keyLost,
	})
}

// start builds and starts; the app is stopped at the test's end.
func (r *rig) start() *App {
	r.t.Helper()
	a, err := r.new()
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = a.Stop(context.Background()) })
	if err := a.Start(); err != nil {
		r.t.Fatal(err)
	}
	return a
}

// ask asks for a chat completion.
func (r *rig) ask(a *App, key string) (int, string) {
	req, err := http.NewRequest("POST", "http://"+a.Addr()+"/v1/chat/completions", strings.NewReader(`{"model":"m","messages":[{"role":"user","content":"hi"}]}`))
	if err != nil {
		r.t.Error(err)
		return 0, ""
	}
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := r.http.RoundTrip(req)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(b)
}

func TestServe(t *testing.T) {
	p := newProvider(t)
	r := newRig(t, configuration(p.URL, "one=sk-one-11111111"))
	a := r.start()
	if status, body := r.ask(a, teamKey); status != 200 || !strings.Contains(body, "Bearer sk-one-11111111") {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := r.ask(a, "tk-wrong-0123456789abcdef"); status != 401 {
		t.Errorf("a wrong key: %d", status)
	}
	running, err := FindRunning(filepath.Join(r.dir, "data"))
	if err != nil || running.Address != a.Addr() || running.PID != os.Getpid() {
		t.Errorf("%+v, %v", running, err)
	}
	for range 2 {
		if err := a.Stop(t.Context()); err != nil {
			t.Errorf("stop: %v", err)
		}
	}
	if err := <-a.Done(); err != nil {
		t.Error(err)
	}
	if _, err := FindRunning(filepath.Join(r.dir, "data")); err == nil {
		t.Error("the run file is left behind")
	}
	// Everything that was answered is written down, with what it used.
	records, err := OpenRecords(t.Context(), filepath.Join(r.dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = records.Close() }()
	list, err := records.List(t.Context(), RecordFilter{Key: "team", Account: "one", Outcome: "ok"})
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	got := list[0]
	if got.KeyName != "team" || got.AccountName != "one" || got.PoolName != "default" || got.Model != "m" || got.Status != 200 || got.Attempts != 1 || got.Usage.Input != 5 || got.Usage.Output != 2 || got.ClassName != "" {
		t.Errorf("%+v", got)
	}
	if found, err := records.Find(t.Context(), got.ID); err != nil || !json.Valid(found.Trace) {
		t.Errorf("%s, %v", found.Trace, err)
	}
	for _, f := range []RecordFilter{{Key: "nobody"}, {Account: "nobody"}, {Outcome: "fine"}} {
		if _, err := records.List(t.Context(), f); err == nil {
			t.Errorf("%+v: no error", f)
		}
	}
	if log := r.log.String(); strings.Contains(log, "sk-one") || strings.Contains(log, teamKey) {
		t.Errorf("a secret is in the log:\n%s", log)
	}
}

// A file that cannot work changes nothing; one that can is swapped in whole.
func TestReload(t *testing.T) {
	p := newProvider(t)
	good := configuration(p.URL, "one=sk-one-11111111")
	r := newRig(t, good)
	a := r.start()
	for name, text := range map[string]string{
		"no YAML":             "accounts: [",
		"nothing":             "",
		"an unknown key":      good + "nonsense: true\n",
		"an unknown platform": strings.Replace(good, "openai-compatible", "skynet", 1),
		"no accounts' key":    strings.Replace(good, ", api_key: sk-one-11111111", "", 1) + "  - {}\n",
		"a query in base_url": strings.Replace(good, "/v1,", "/v1?x=1,", 1),
	} {
		before := a.gateway.Snapshot()
		r.write(text)
		if said, err := a.Reload(t.Context()); err == nil {
			t.Errorf("%s: %q", name, said)
		}
		if a.gateway.Snapshot() != before {
			t.Errorf("%s: the configuration was swapped", name)
		}
		if status, body := r.ask(a, teamKey); status != 200 || !strings.Contains(body, "sk-one-11111111") {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	const other = "tk-other-0123456789abcdef"
	r.write(strings.NewReplacer("sk-one-11111111", "sk-one-22222222", teamKey, other, "127.0.0.1:0", "127.0.0.1:1").Replace(good))
	said, err := a.Reload(t.Context())
	if err != nil || !strings.Contains(said, "reloaded") || !strings.Contains(said, "listen takes effect at the next start") || strings.Contains(said, "sk-one") || strings.Contains(said, other) {
		t.Errorf("%q, %v", said, err)
	}
	if status, body := r.ask(a, other); status != 200 || !strings.Contains(body, "sk-one-22222222") {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := r.ask(a, teamKey); status != 401 {
		t.Errorf("the old key: %d", status)
	}
	// The same over the admin API, with its token.
	r.write(good)
	token, err := admin.Token(filepath.Join(r.dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	req, _ := http.NewRequest("POST", "http://"+a.Addr()+admin.ReloadPath, nil)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := r.http.RoundTrip(req)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v, %v", resp, err)
	}
	_ = resp.Body.Close()
	if status, _ := r.ask(a, teamKey); status != 200 {
		t.Errorf("after the reload by the admin API: %d", status)
	}
}

// Rests and bindings outlive the process; a rest that a new credential ends does not outlive one.
func TestRestart(t *testing.T) {
	p := newProvider(t)
	r := newRig(t, configuration(p.URL, "one=sk-one-11111111", "two=sk-two-11111111"))
	a := r.start()
	ids := map[string]domain.AccountID{}
	for _, acc := range a.gateway.Snapshot().Accounts {
		ids[acc.Name] = acc.ID
	}
	until := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	limited, refused, passing := sched.OrganizationKey("openai-compatible", "x"), sched.AccountKey(ids["two"]), sched.AccountModelKey(ids["one"], "m2")
	a.cells.Rest(limited).Fail(ids["one"], time.Now(), time.Now())
	a.cells.Rest(limited).Extend(until, uint8(failover.RateLimited), sched.EndGuessed)
	a.cells.Rest(refused).Forever(uint8(failover.Credential))
	a.cells.Rest(passing).Extend(until, uint8(failover.RateLimited), sched.EndGuessed)
	for _, k := range []sched.RestKey{limited, refused, passing} {
		a.rests.note(k, a.cells.Rest(k))
	}
	a.cells.Rest(passing).Clear() // before it was written
	seat := sched.AccountQuotaKey(ids["one"])
	model := sched.ModelQuotaKey(&domain.Account{Platform: "openai-compatible", Organization: "x"}, "m")
	a.cells.Quota(seat).Observe(&domain.QuotaReading{Window: "5h", Used: .25, Remaining: -1, Length: 5 * time.Hour, Reset: until}, time.Now())
	a.cells.Quota(model).Observe(&domain.QuotaReading{Window: "limit", Used: .5, Remaining: -1, Reset: until}, time.Now())
	b := domain.Binding{Session: domain.SessionID{1}, Account: ids["one"], Expires: until, WarmTokens: 77, WarmUntil: until}
	a.memory.Bind(b, 0)
	if err := a.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	a = r.start()
	cell := a.cells.Rest(limited)
	if got, ok := cell.Until(); !ok || !got.Equal(until) || cell.Class() != uint8(failover.RateLimited) || cell.Streak() != 1 {
		t.Errorf("rests until %v (%v), class %d, streak %d; want %v", got, ok, cell.Class(), cell.Streak(), until)
	}
	if _, ok := a.cells.Rest(refused).Until(); ok {
		t.Error("the rest without an end is over")
	}
	if got, ok := a.cells.Rest(passing).Until(); !ok || !got.IsZero() {
		t.Errorf("a rest that had ended is back until %v", got)
	}
	for k, want := range map[sched.QuotaKey]float64{seat: .25, model: .5} {
		known := a.cells.Quota(k).Windows()
		if len(known) != 1 {
			t.Errorf("%+v has %d windows", k, len(known))
			continue
		}
		if s, ok := known[0].Standing(time.Now()); !ok || s.Used != want || !s.Reset.Equal(until) {
			t.Errorf("%+v: %+v (%v)", k, s, ok)
		}
	}
	if got, ok := a.memory.Lookup(b.Session); !ok || got.Account != b.Account || !got.Expires.Equal(until) || got.WarmTokens != 77 || !got.WarmUntil.Equal(until) {
		t.Errorf("%+v, %v", got, ok)
	}

	// A new key for the account ends the rest that its old one caused, now and after a restart.
	r.write(configuration(p.URL, "one=sk-one-11111111", "two=sk-two-22222222"))
	if _, err := a.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got, ok := a.cells.Rest(refused).Until(); !ok || !got.IsZero() {
			t.Errorf("with a new key it still rests until %v (%v)", got, ok)
		}
		if _, ok := a.cells.Rest(limited).Until(); !ok || a.cells.Rest(limited).Class() == 0 {
			t.Error("the limit of the organisation went with it")
		}
		if err := a.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		a = r.start()
	}
}

// A limit of a day holds over a restart, and what a reload says of it holds at once.
func TestRestartKeepsTheDay(t *testing.T) {
	p := newProvider(t)
	text := func(requests int) string {
		return strings.Replace(configuration(p.URL, "one=sk-one-11111111"), "sk-one-11111111}", fmt.Sprintf("sk-one-11111111, limits: {requests_per_day: %d}}", requests), 1)
	}
	r := newRig(t, text(1))
	began := time.Now()
	a := r.start()
	if status, body := r.ask(a, teamKey); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	if err := a.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	a = r.start()
	restarted, body := r.ask(a, teamKey)
	r.write(text(2))
	if _, err := a.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	var statuses []int
	for range 2 {
		status, _ := r.ask(a, teamKey)
		statuses = append(statuses, status)
	}
	if midnight := began.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour); time.Now().After(midnight) {
		t.Skip("a new day has begun meanwhile")
	}
	if restarted != 429 {
		t.Errorf("after a restart: %d %s", restarted, body)
	}
	if !slices.Equal(statuses, []int{200, 429}) {
		t.Errorf("with a higher limit: %v", statuses)
	}
}

// A reload took new retentions without a word and went on to delete by the old ones.
func TestReloadChangesRetention(t *testing.T) {
	p := newProvider(t)
	good := configuration(p.URL, "one=sk-one-11111111")
	r := newRig(t, good)
	a := r.start()
	old := time.Now().Add(-3 * time.Hour)
	id := domain.NewRequestID(old)
	if err := a.store.AppendRequests(t.Context(), []store.RequestRow{{ID: id, Model: "m", Trace: []byte("{}"), Outcome: store.OutcomeOK}}); err != nil {
		t.Fatal(err)
	}
	kept := func() (request, trace bool) {
		row, err := a.store.Request(t.Context(), id)
		return err == nil, row.Trace != nil
	}
	for _, step := range []struct {
		more           string
		request, trace bool
	}{{"", true, true}, {"trace_retention: 1h\n", true, false}, {"request_retention: 2h\n", false, false}} {
		r.write(good + step.more)
		if _, err := a.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.sweep(t.Context())
		if request, trace := kept(); request != step.request || trace != step.trace {
			t.Errorf("%q: the record is kept: %v, its trace: %v", step.more, request, trace)
		}
	}
}

// A start with another master key sealed every secret anew, called the accounts "edited",
// and left the right key with nothing to open. Now it is refused, unless the old key is there too or is said to be
// lost.
func TestAnotherMasterKey(t *testing.T) {
	p := newProvider(t)
	good := configuration(p.URL, "one=sk-one-11111111", "two=sk-two-11111111")
	r := newRig(t, good)
	keyFile := func(name string, b byte) string {
		file := filepath.Join(r.dir, name)
		if err := os.WriteFile(file, []byte(strings.Repeat(fmt.Sprintf("%02x", b), credential.KeySize)), 0o600); err != nil {
			t.Fatal(err)
		}
		return good + "master_key_file: ./" + name + "\n"
	}
	stop := func(a *App) {
		if err := a.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(what string) {
		t.Helper()
		a, err := r.new()
		if err == nil {
			stop(a)
			t.Fatalf("%s: it starts", what)
		}
		for _, want := range []string{"not the master key", "--master-key-lost", "master.key"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	serves := func(what, log string) {
		t.Helper()
		a := r.start()
		if status, body := r.ask(a, teamKey); status != 200 {
			t.Errorf("%s: %d %s", what, status, body)
		}
		if said := r.log.String(); !strings.Contains(said, log) || strings.Contains(said, "edited") {
			t.Errorf("%s: %s", what, said)
		}
		stop(a)
	}

	serves("the key of the data directory", "made a master key")
	first := keyFile("first.key", 1)
	r.write(first)
	serves("replaced while the old one is there", "sealed anew account one, account two")

	if err := os.Remove(filepath.Join(r.dir, "data", credential.FileName)); err != nil {
		t.Fatal(err)
	}
	r.write(keyFile("second.key", 2))
	refused("another key")
	refused("and again: nothing was changed")
	r.write(first)
	serves("the right one", "")

	// An account that is gone from the file keeps its old seal, which nobody needs to open.
	r.write(strings.Replace(first, "two", "three", 1))
	serves("without account two", "disabled account two")
	r.write(strings.Replace(keyFile("second.key", 2), "two", "three", 1))
	refused("another key, one account less")
	r.keyLost = true
	a := r.start()
	if status, body := r.ask(a, teamKey); status != 200 || !strings.Contains(r.log.String(), "lost") {
		t.Errorf("the old key is lost: %d %s", status, body)
	}
	stop(a)
	r.keyLost = false
	a = r.start()
	stop(a)
}

// Requests in flight go on to their end; new ones are refused meanwhile.
func TestStopWaits(t *testing.T) {
	p := newProvider(t)
	p.hold = make(chan struct{})
	r := newRig(t, configuration(p.URL, "one=sk-one-11111111"))
	a := r.start()
	type answer struct {
		status int
		body   string
	}
	answered := make(chan answer, 1)
	go func() {
		status, body := r.ask(a, teamKey)
		answered <- answer{status, body}
	}()
	<-p.arrived
	stopped := make(chan error, 1)
	go func() { stopped <- a.Stop(context.Background()) }()
	for !a.gateway.Draining() {
		select {
		case err := <-stopped:
			t.Fatalf("stopped with a request in flight: %v", err)
		default:
		}
	}
	if status, body := r.ask(a, teamKey); status != 503 || !strings.Contains(body, "stopping") {
		t.Errorf("while it stops: %d %s", status, body)
	}
	close(p.hold)
	if got := <-answered; got.status != 200 {
		t.Errorf("the request in flight: %+v", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// What does not end in time is cut, and said.
func TestStopCuts(t *testing.T) {
	p := newProvider(t)
	p.hold = make(chan struct{})
	defer close(p.hold)
	r := newRig(t, configuration(p.URL, "one=sk-one-11111111"))
	a := r.start()
	answered := make(chan int, 1)
	go func() {
		status, _ := r.ask(a, teamKey)
		answered <- status
	}()
	<-p.arrived
	over, cancel := context.WithCancel(context.Background())
	cancel()
	if err := a.Stop(over); err == nil || !strings.Contains(err.Error(), "cut") {
		t.Errorf("%v", err)
	}
	if status := <-answered; status == 200 {
		t.Errorf("status %d", status)
	}
}

// What cannot start says why, leaves nothing open and can be started once it is mended.
func TestNewFails(t *testing.T) {
	p := newProvider(t)
	good := configuration(p.URL, "one=sk-one-11111111")
	r := newRig(t, good)
	for name, text := range map[string]string{
		"no file content":    "",
		"a master key file":  good + "master_key_file: ./missing\n",
		"a data directory":   strings.Replace(good, "./data", "./turnout.yaml", 1),
		"a query in the URL": strings.Replace(good, "/v1,", "/v1?x=1,", 1),
	} {
		r.write(text)
		if a, err := r.new(); err == nil {
			t.Errorf("%s: no error", name)
			_ = a.Stop(t.Context())
		} else if a != nil {
			t.Errorf("%s: an app beside the error %v", name, err)
		}
	}
	r.write(good)
	if err := os.MkdirAll(filepath.Join(r.dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	token := filepath.Join(r.dir, "data", "admin.token")
	if err := os.WriteFile(token, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.new(); err == nil || !strings.Contains(err.Error(), "admin.token") {
		t.Errorf("a token that is none: %v", err)
	}
	if err := os.Remove(token); err != nil {
		t.Fatal(err)
	}
	a := r.start()
	if status, body := r.ask(a, teamKey); status != 200 {
		t.Errorf("after it was mended: %d %s", status, body)
	}
	if second, err := r.new(); err == nil {
		t.Error("two processes on one data directory")
		_ = second.Stop(t.Context())
	}
}

func TestStartFails(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	p := newProvider(t)
	r := newRig(t, strings.Replace(configuration(p.URL, "one=sk-one-11111111"), "127.0.0.1:0", ln.Addr().String(), 1))
	a, err := r.new()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(); err == nil || !strings.Contains(err.Error(), ln.Addr().String()) {
		t.Errorf("%v", err)
	}
	if err := a.Stop(t.Context()); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// What is stored is understood again, for every scope, and nothing else is.
func TestStoredRestKeys(t *testing.T) {
	for _, k := range []sched.RestKey{
		sched.AccountKey(7), sched.AccountModelKey(7, "m\x00n"), sched.OrganizationKey("p", "o"), sched.ProviderKey("p", "http://x", "m"), {Scope: sched.RestAccount},
	} {
		got, err := schedKey(storeKey(k))
		if err != nil || got != k {
			t.Errorf("%+v became %+v (%v)", k, got, err)
		}
	}
	stored := storeKey(sched.AccountKey(7))
	for _, subject := range []string{"", "7", "x\x00m"} {
		bad := stored
		bad.Subject = subject
		if got, err := schedKey(bad); err == nil {
			t.Errorf("%q is taken for %+v", subject, got)
		}
	}
	bad := stored
	bad.Scope = 200
	if got, err := schedKey(bad); err == nil {
		t.Errorf("scope 200 is taken for %+v", got)
	}
}

func TestFindRunning(t *testing.T) {
	dir := t.TempDir()
	if _, err := FindRunning(dir); err == nil || !strings.Contains(err.Error(), "no Turnout is running") {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, runFileName), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := FindRunning(dir); err == nil {
		t.Error("a broken run file")
	}
}
