package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"turnout/internal/admin"
	gw "turnout/internal/gateway"
	"turnout/internal/sim"
)

// operated runs a command on the gateway's configuration; in is its standard input.
func operated(g *gateway, in string, args ...string) (stdout, stderr string, code int) {
	g.t.Helper()
	cmd := g.command(append(args, "-c", g.file())...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(in), &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		g.t.Fatal(err)
	}
	return out.String(), errs.String(), code
}

// does is operated for what must go well.
func does(g *gateway, args ...string) string {
	g.t.Helper()
	out, errs, code := operated(g, "", args...)
	if code != 0 {
		g.t.Fatalf("turnout %s: code %d: %s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// listed is a list as JSON, by name.
func listed[T any](g *gateway, name func(T) string, args ...string) map[string]T {
	g.t.Helper()
	var rows []T
	if err := json.Unmarshal([]byte(does(g, append(args, "list", "--json")...)), &rows); err != nil {
		g.t.Fatal(err)
	}
	out := map[string]T{}
	for _, r := range rows {
		out[name(r)] = r
	}
	return out
}

func keysOf(g *gateway) map[string]admin.Key {
	g.t.Helper()
	return listed(g, func(k admin.Key) string { return k.Name }, "keys")
}

func accountsOf(g *gateway) map[string]admin.Account {
	g.t.Helper()
	return listed(g, func(a admin.Account) string { return a.Name }, "accounts")
}

// answers wants one request with a key to be answered so, at once: what an operator did holds when the command has ended.
func answers(g *gateway, key string, status int, says string) {
	g.t.Helper()
	if r := g.send(ask{model: "m", key: key}); r.status != status || !strings.Contains(r.body, says) {
		g.t.Errorf("want %d %q: %s", status, says, &r)
	}
}

// TestKeysLife: a key that is made works for the next request, and one that is taken away works no more for the next one.
func TestKeysLife(t *testing.T) {
	p := startProvider(t, sim.Options{})
	config := "teams: [{name: research}]\naccounts:\n" + account(p, "anthropic", "a", "sk-sim-a", "") + keys
	g := startGateway(t, config)
	var secrets []string
	secret := func(args ...string) string {
		t.Helper()
		s := strings.TrimSpace(does(g, args...))
		if !strings.HasPrefix(s, "tk-") || len(s) < 46 {
			t.Fatalf("%v printed %q", args, s)
		}
		secrets = append(secrets, s)
		return s
	}

	first := secret("keys", "create", "k", "--owner", "team:research", "--models", "m,n", "--deny", "n", "--tags", "project=apollo")
	answers(g, first, 200, "")
	if r := g.send(ask{model: "n", key: first}); r.status != 403 || !strings.Contains(r.said, "denied") {
		t.Errorf("a denied model: %s", &r)
	}
	if _, errs, code := operated(g, "", "keys", "create", "k"); code != 1 || !strings.Contains(errs, "exists already") {
		t.Errorf("a second key of the name: %d %s", code, errs)
	}
	if _, errs, code := operated(g, "", "keys", "create", "l", "--owner", "team:reserch"); code != 1 || !strings.Contains(errs, `did you mean "research"`) {
		t.Errorf("an owner that is not there: %d %s", code, errs)
	}
	eventually(t, "the key's last use", func() bool { return keysOf(g)["k"].LastUsed != nil })
	if k := keysOf(g)["k"]; k.Origin != "api" || k.Owner != "team:research" || k.State != admin.StateActive || k.Tags["project"] != "apollo" {
		t.Errorf("%+v", k)
	}

	second := secret("keys", "rotate", "k", "--overlap", "1h")
	answers(g, second, 200, "")
	answers(g, first, 200, "")
	if keysOf(g)["k"].FormerUntil == nil {
		t.Error("the list does not say that the former secret works")
	}
	third := secret("keys", "rotate", "k", "--overlap", "0s")
	answers(g, third, 200, "")
	answers(g, second, 401, "is not known here")
	answers(g, first, 401, "is not known here")

	does(g, "keys", "revoke", "k")
	answers(g, third, 401, "has been revoked")
	if _, errs, code := operated(g, "", "keys", "rotate", "k"); code != 1 || !strings.Contains(errs, "turnout keys enable k") {
		t.Errorf("the rotation of a revoked key: %d %s", code, errs)
	}
	does(g, "keys", "enable", "k")
	answers(g, third, 200, "")

	// A key of the file: its secret is changed there, but it can be taken away here, for good.
	if _, errs, code := operated(g, "", "keys", "rotate", "team"); code != 1 || !strings.Contains(errs, "change its secret there") {
		t.Errorf("the rotation of a key of the file: %d %s", code, errs)
	}
	does(g, "keys", "revoke", "team")
	answers(g, teamKey, 401, "has been revoked")
	does(g, "reload")
	answers(g, teamKey, 401, "has been revoked")

	// What is the API's survives a reload and a restart; without a gateway the same commands work on the store.
	answers(g, third, 200, "")
	g.stop()
	if k := keysOf(g); k["team"].State != admin.StateRevoked || k["k"].State != admin.StateActive || k["k"].LastUsed == nil {
		t.Errorf("without a gateway: %+v", k)
	}
	fourth := secret("keys", "create", "offline", "--pools", "default")
	g.start()
	answers(g, fourth, 200, "")
	answers(g, third, 200, "")
	answers(g, teamKey, 401, "has been revoked")
	does(g, "keys", "enable", "team")
	answers(g, teamKey, 200, "")

	// A gateway that was killed leaves its run file; nobody is kept out by that.
	_ = g.cmd.Process.Kill()
	<-g.done
	if k := keysOf(g); k["team"].State != admin.StateActive {
		t.Errorf("after a crash: %+v", k)
	}
	g.start()

	// Teams that are made here, and disabled.
	does(g, "teams", "create", "ops", "--rates", "requests_per_minute=1000")
	does(g, "users", "create", "ada", "--team", "ops")
	fifth := secret("keys", "create", "adas", "--owner", "user:ada")
	answers(g, fifth, 200, "")
	does(g, "teams", "disable", "ops")
	answers(g, fifth, 401, `the team \"ops\", which has been disabled`)
	does(g, "teams", "enable", "ops")
	does(g, "users", "disable", "ada")
	answers(g, fifth, 401, `the user \"ada\", who has been disabled`)
	if _, errs, code := operated(g, "", "teams", "disable", "research"); code != 1 || !strings.Contains(errs, "in the configuration file") {
		t.Errorf("a team of the file: %d %s", code, errs)
	}

	// No secret is anywhere but where it was printed.
	lists := does(g, "keys", "list") + does(g, "keys", "list", "--json") + does(g, "teams", "list") + does(g, "users", "list", "--json")
	log := g.log.String()
	g.stop()
	files := map[string][]byte{}
	err := filepath.WalkDir(g.dataDir(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files[path], err = os.ReadFile(path)
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, s := range secrets {
		if strings.Contains(lists, s) || strings.Contains(log+g.log.String(), s) {
			t.Error("a secret is in a list or in the log")
		}
		for path, b := range files {
			if bytes.Contains(b, []byte(s)) {
				t.Errorf("a secret is in %s", filepath.Base(path))
			}
		}
	}
	if !strings.Contains(log, `msg="changed by an operator" by="admin token" action=create kind=users name=ada`) {
		t.Error("the log does not say what operators did")
	}
}

// TestAccountsInOperation: adding, testing, pausing, draining and resting.
func TestAccountsInOperation(t *testing.T) {
	p := startProvider(t, sim.Options{})
	g := startGateway(t, "accounts:\n"+account(p, "anthropic", "a", "sk-sim-a", "models: {m: m}")+keys)
	add := func(name, key string, more ...string) {
		t.Helper()
		out, errs, code := operated(g, key+"\n", append([]string{"accounts", "add", name, "--platform", "anthropic", "--base-url", p.URL()}, more...)...)
		if code != 0 || strings.Contains(out+errs, key) {
			t.Fatalf("add %s: %d %s%s", name, code, out, errs)
		}
	}
	if _, errs, code := operated(g, "", "accounts", "add", "b", "--platform", "anthropic"); code != 1 || !strings.Contains(errs, "--key-env") {
		t.Errorf("without a key: %d %s", code, errs)
	}
	if _, errs, code := operated(g, "sk-x", "accounts", "add", "b", "--platform", "anthropics"); code != 1 || !strings.Contains(errs, `did you mean "anthropic"`) {
		t.Errorf("a wrong platform: %d %s", code, errs)
	}
	add("b", "sk-sim-canary-b", "--models", "m=m", "--priority", "5")
	add("bad", "sk-bad-canary", "--models", "other=other")

	// Tests say what came back, in words.
	if out := does(g, "accounts", "test", "b"); !strings.Contains(out, "account b: good. m answered in") {
		t.Errorf("test b: %s", out)
	}
	out, errs, code := operated(g, "", "accounts", "test", "bad")
	if code != 1 || !strings.Contains(out, "the provider refuses the credential: check the API key") || !strings.Contains(out, "class    credential") || strings.Contains(out+errs, "canary") {
		t.Errorf("test bad: %d %s%s", code, out, errs)
	}
	var result gw.AccountTest
	if out, _, _ := operated(g, "", "accounts", "test", "bad", "--json"); json.Unmarshal([]byte(out), &result) != nil || result.OK || result.Status != 401 {
		t.Errorf("%+v", result)
	}
	if out, _, code := operated(g, "", "accounts", "test", "b", "-m", "else"); code != 1 || !strings.Contains(out, `do not name "else"`) {
		t.Errorf("a model that it does not serve: %d %s", code, out)
	}

	by := func(want string, a ask) {
		t.Helper()
		a.model = "m"
		before := len(p.Requests())
		if r := g.send(a); !r.good() {
			t.Fatalf("%s", &r)
		}
		if seen := p.Requests(); seen[before].Key != want {
			t.Errorf("%s answered, want %s", seen[before].Key, want)
		}
	}
	session := func(name string) ask { return ask{header: map[string]string{"X-Claude-Code-Session-Id": name}} }
	by("sk-sim-a", session("old"))

	// Draining: the session that is there stays, a new one goes elsewhere; then paused, it leaves as well.
	if out := does(g, "accounts", "drain", "a"); !strings.Contains(out, "account a: draining: 1 sessions are bound to it") {
		t.Errorf("drain: %s", out)
	}
	by("sk-sim-a", session("old"))
	by("sk-sim-canary-b", session("new"))
	by("sk-sim-a", session("old"))
	if a := accountsOf(g); a["a"].State != admin.StateDraining || a["a"].Sessions != 1 || a["b"].Sessions != 1 || a["a"].LastUsed == nil || a["b"].Origin != "api" {
		t.Errorf("%+v", a)
	}
	does(g, "accounts", "pause", "a")
	by("sk-sim-canary-b", session("old"))
	does(g, "reload")
	if a := accountsOf(g)["a"]; a.State != admin.StatePaused {
		t.Errorf("%+v", a)
	}
	if out := does(g, "accounts", "resume", "a"); out != "account a: eligible\n" {
		t.Errorf("resume: %s", out)
	}
	by("sk-sim-a", session("third"))

	// Resting, over a restart.
	if out := does(g, "accounts", "rest", "a", "--for", "1h"); !strings.HasPrefix(out, "account a: resting (operator for ") {
		t.Errorf("rest: %s", out)
	}
	by("sk-sim-canary-b", session("fourth"))
	g.stop()
	if a := accountsOf(g)["a"]; a.State != admin.StateResting || len(a.Rests) != 1 || a.Rests[0].Class != "operator" {
		t.Errorf("%+v", a)
	}
	g.start()
	by("sk-sim-canary-b", session("fifth"))
	if out := does(g, "accounts", "rest", "a", "--clear"); out != "account a: eligible\n" {
		t.Errorf("rest --clear: %s", out)
	}
	by("sk-sim-a", session("sixth"))
	for _, wrong := range [][]string{{"rest", "a"}, {"rest", "a", "--for", "1h", "--clear"}} {
		if _, _, code := operated(g, "", append([]string{"accounts"}, wrong...)...); code != 2 {
			t.Errorf("%v: code %d", wrong, code)
		}
	}
	if _, errs, code := operated(g, "", "accounts", "pause", "nobody"); code != 1 || !strings.Contains(errs, `there is no account "nobody" (turnout accounts list shows them)`) {
		t.Errorf("%d %s", code, errs)
	}

	// Pools.
	does(g, "pools", "add", "spare", "--policy", "classic", "--strategy", "fill_first", "--budget", "period=day,hard_usd=5")
	pools := listed(g, func(p admin.Pool) string { return p.Name }, "pools")
	if s := pools["spare"]; s.Profile != "classic" || s.Strategy != "fill_first" || len(s.Budgets) != 1 || s.Budgets[0].HardUSD != "5.00" || pools["default"].Eligible != 3 {
		t.Errorf("%+v", pools)
	}
	if g.log.String() == "" || strings.Contains(g.log.String()+does(g, "accounts", "list")+does(g, "accounts", "list", "--json"), "canary") {
		t.Error("a secret is in the log or in a list")
	}
}

// TestNetworks: a key works from its networks alone; a proxy in between is believed if it is trusted.
func TestNetworks(t *testing.T) {
	p := startProvider(t, sim.Options{})
	const far, near = "tk-far-0123456789abcdef", "tk-near-0123456789abcdef"
	config := "%saccounts:\n" + account(p, "anthropic", "a", "sk-sim-a", "") +
		"keys:\n  - {name: far, secret: " + far + ", networks: [10.0.0.0/8]}\n  - {name: near, secret: " + near + ", networks: [127.0.0.0/8]}\n"
	g := startGateway(t, fmt.Sprintf(config, ""))
	for _, forwarded := range []string{"", "10.1.2.3"} { // nobody is trusted yet
		h := map[string]string{}
		if forwarded != "" {
			h["X-Forwarded-For"] = forwarded
		}
		if r := g.send(ask{model: "m", key: far, header: h}); r.status != 403 || !strings.Contains(r.said, "may not be used from 127.0.0.1") {
			t.Errorf("%q: %s", forwarded, &r)
		}
		if r := g.send(ask{model: "m", key: near, header: h}); !r.good() {
			t.Errorf("%q: %s", forwarded, &r)
		}
	}
	g.write(fmt.Sprintf(config, "trusted_proxies: [127.0.0.1]\n"))
	does(g, "reload")
	for forwarded, status := range map[string]int{"10.1.2.3": 200, "10.1.2.3:4711": 200, "192.0.2.1": 403, "10.1.2.3, 192.0.2.1": 403, "192.0.2.1, 10.1.2.3": 200, "10.1.2.3, 127.0.0.1": 200, "junk": 403, "10.1.2.3, junk": 403} {
		if r := g.send(ask{model: "m", key: far, header: map[string]string{"X-Forwarded-For": forwarded}}); r.status != status {
			t.Errorf("%q: want %d: %s", forwarded, status, &r)
		}
	}
}
