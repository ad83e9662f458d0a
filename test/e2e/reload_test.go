package e2e

import (
	"strings"
	"syscall"
	"testing"

	"turnout/internal/sim"
)

// TestReload: the configuration is swapped whole while a stream goes on, by signal and
// by command; a bad file changes nothing and says where it is bad.
func TestReload(t *testing.T) {
	for _, way := range []string{"SIGHUP", "turnout reload"} {
		t.Run(way, func(t *testing.T) {
			p := startProvider(t, sim.Options{})
			old := "accounts:\n" + account(p, "anthropic", "old", "sk-sim-old-n60-d20", "") + keys
			g := startGateway(t, old)
			reload := func() (stdout, stderr string, code int) {
				t.Helper()
				if way == "SIGHUP" {
					g.signal(syscall.SIGHUP)
					return "", "", 0
				}
				return g.turnout("reload", "-c", g.file())
			}
			s := g.open(ask{form: form{stream: true}, model: "m"})

			// A bad file first: it changes nothing.
			g.write(strings.Replace(old, "platform: anthropic", "platform: anthropics", 1))
			_, stderr, code := reload()
			if way == "SIGHUP" {
				stderr = g.waitLog(`level=ERROR msg="the configuration was not reloaded[^\n]*`)[0]
			} else if code != 2 {
				t.Errorf("exit code %d for a bad file", code)
			}
			if !strings.Contains(stderr, "turnout.yaml:4") || !strings.Contains(stderr, "anthropics") {
				t.Errorf("the message does not say where the file is bad: %s", stderr)
			}
			if got := served(t, g, p, ask{model: "m"}); got != "sk-sim-old-n60-d20" {
				t.Errorf("after a bad file %s answered", got)
			}

			// A good one: another account, another key.
			const newKey = "tk-new-0123456789abcdef"
			g.write("accounts:\n" + account(p, "anthropic", "new", "sk-sim-new", "") + "keys:\n  - {name: new, secret: " + newKey + "}\n")
			stdout, stderr, code := reload()
			if way == "SIGHUP" {
				g.waitLog(`msg="configuration reloaded"`)
			} else if code != 0 || !strings.Contains(stdout, "added account new") {
				t.Errorf("exit code %d: %s%s", code, stdout, stderr)
			}
			if got := served(t, g, p, ask{model: "m", key: newKey}); got != "sk-sim-new" {
				t.Errorf("after the reload %s answered", got)
			}
			if r := g.send(ask{model: "m"}); r.status != 401 || r.fault != "authentication_error" {
				t.Errorf("the key that is gone: %s", &r)
			}
			if r := s.rest(); !r.good() || r.text != sim.Text(60) {
				t.Errorf("the stream that went on meanwhile: %s", &r)
			}
		})
	}
}

// TestReloadRepairs: an account that was refused, limited for days, out of quota, or may not use the model
// is asked again once the file gives it another key. Only a refused key was, once: the others stayed closed for as long as
// their old key's rest lasted, a month at worst.
func TestReloadRepairs(t *testing.T) {
	for name, key := range map[string]string{
		"refused": "sk-bad-key", "limited for days": "sk-sim-a-unified7d", "out of quota": "sk-sim-a-quota", "not permitted": "sk-sim-a-perm403", "limited": "sk-sim-a-fail429-ra3600",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startProvider(t, sim.Options{})
			f := form{openai: name == "refused"}
			g := startGateway(t, "accounts:\n"+account(p, f.platform(), "a", key, "")+keys)
			if r := g.send(ask{form: f, model: "m"}); r.status < 400 {
				t.Fatalf("%s", &r)
			}
			g.write("accounts:\n" + account(p, f.platform(), "a", "sk-sim-good", "") + keys)
			if out, errs, code := g.turnout("reload", "-c", g.file()); code != 0 {
				t.Fatalf("reload: %d %s %s", code, out, errs)
			}
			if got := served(t, g, p, ask{form: f, model: "m"}); got != "sk-sim-good" {
				t.Errorf("%s answered", got)
			}
		})
	}
}

func TestReloadWithoutGateway(t *testing.T) {
	p := startProvider(t, sim.Options{})
	g := startGateway(t, "accounts:\n"+account(p, "openai", "a", "sk-sim", "")+keys)
	g.stop()
	if _, errs, code := g.turnout("reload", "-c", g.file()); code != 1 || !strings.Contains(errs, "no Turnout is running") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}
