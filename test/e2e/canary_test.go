package e2e

import (
	"bytes"
	"encoding/base64"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"turnout/internal/admin"
	"turnout/internal/sim"
)

// TestCanary: what is said, and every key, is in no file, no log line at the most
// talkative level, no metric, no answer of the admin API and no error.
func TestCanary(t *testing.T) {
	p := startProvider(t, sim.Options{})
	const prompt = "canary-prompt-8f3a1c"
	answer := sim.Text(7)[5:30] // of what the provider says
	secrets := []string{
		teamKey, "sk-sim-canarykey-one", "sk-bad-canarykey-two", "sk-sim-canarykey-three-fail429-ra60", "sk-sim-canarykey-four-cut3", "canary-password",
	}
	g := startGateway(t, "accounts:\n"+
		account(p, "anthropic", "a1", "sk-bad-canarykey-two", "models: {auth: auth, good: good}")+
		account(p, "openai", "o1", "sk-bad-canarykey-two", "models: {auth: auth, good: good}")+
		account(p, "anthropic", "a2", "sk-sim-canarykey-one", "priority: 1, models: {good: good, fail400: fail400}")+
		account(p, "openai", "o2", "sk-sim-canarykey-one", "priority: 1, models: {good: good, fail400: fail400}")+
		account(p, "anthropic", "a3", "sk-sim-canarykey-three-fail429-ra60", "models: {limited: limited}")+
		account(p, "openai", "o3", "sk-sim-canarykey-three-fail429-ra60", "models: {limited: limited}")+
		account(p, "anthropic", "a4", "sk-sim-canarykey-four-cut3", "models: {cut: cut}")+
		account(p, "openai", "o4", "sk-sim-canarykey-four-cut3", "models: {cut: cut}")+
		account(p, "openai", "proxied", "sk-sim-canarykey-one", "proxy: \"http://user:canary-password@127.0.0.1:9\", models: {proxied: proxied}")+keys)
	var errors strings.Builder
	for _, f := range forms {
		for _, model := range []string{"good", "auth", "limited", "cut", "fail400", "proxied", "nobody-serves-this"} {
			body := strings.Replace(f.body(model), "Which track is free?", prompt, 1)
			r := g.send(ask{form: f, raw: body, header: map[string]string{"X-Claude-Code-Session-Id": "s", "Cookie": "c=" + teamKey}})
			if !r.good() && model == "good" {
				t.Errorf("%s: %s", f, &r)
			}
			if !r.good() {
				errors.WriteString(strings.ReplaceAll(r.body, answer, "")) // what was said before a cut is the caller's
				for _, v := range r.header {
					errors.WriteString(strings.Join(v, " "))
				}
			}
		}
		wrong := g.send(ask{form: f, model: "good", key: "tk-wrong-canarykey-0123"})
		bad := g.send(ask{form: f, raw: `{"model":"good","messages":"` + prompt})
		errors.WriteString(wrong.body + bad.body)
	}
	secrets = append(secrets, "tk-wrong-canarykey-0123")

	token, err := admin.Token(g.dataDir())
	if err != nil {
		t.Fatal(err)
	}
	resp, err := newClient(t).Do(must(http.NewRequest(http.MethodPost, g.base+admin.ReloadPath, nil)).with("Authorization", token))
	if err != nil {
		t.Fatal(err)
	}
	adminAnswer := readReply(resp)
	if adminAnswer.status != 200 {
		t.Errorf("reload: %d %s", adminAnswer.status, adminAnswer.body)
	}
	_, metrics := g.get("/metrics")

	places := map[string][]byte{}
	files := func(when string) {
		err := filepath.WalkDir(g.dataDir(), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			places[filepath.Base(path)+" "+when] = b
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	files("while it runs")
	g.stop()
	files("after the stop")
	var told strings.Builder
	rows := g.rows()
	for _, r := range rows {
		out, errs, _ := g.turnout("requests", "show", "-c", g.file(), r.ID)
		told.WriteString(out + errs)
	}
	list, _, _ := g.turnout("requests", "list", "-c", g.file())
	places["the log"] = []byte(g.log.String())
	places["the metrics"] = []byte(metrics)
	places["the admin API"] = []byte(adminAnswer.body)
	places["the errors"] = []byte(errors.String())
	places["requests show and list"] = []byte(told.String() + list)

	if len(rows) < 4*7 || len(places["the log"]) < 1000 || !bytes.Contains(places["the log"], []byte("attempt failed")) {
		t.Fatalf("%d records, %d bytes of log: too little was written to look at", len(rows), len(places["the log"]))
	}
	for place, content := range places {
		for _, secret := range append([]string{prompt, answer}, secrets...) {
			for how, s := range map[string]string{
				"": secret, "in base64": base64.StdEncoding.EncodeToString([]byte(secret))[:len(secret)/3*4],
			} {
				if place == "the errors" && secret == answer {
					continue
				}
				if bytes.Contains(content, []byte(s)) {
					t.Errorf("%s holds %q %s", place, secret, how)
				}
			}
		}
		// OpenAI's 401 quotes a key's head and tail.
		if bytes.Contains(content, []byte("y-two")) {
			t.Errorf("%s holds a key's tail", place)
		}
	}
	for _, name := range []string{"turnout.db", "master.key", "admin.token"} {
		info, err := os.Stat(filepath.Join(g.dataDir(), name))
		if err != nil {
			t.Error(err)
		} else if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("others may read %s: %v", name, info.Mode())
		}
	}
}
