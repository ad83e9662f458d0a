package cli

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"turnout/internal/sim"
)

// demoAccount is one upstream account of the demo. The words in its key make the
// simulated provider behave.
type demoAccount struct {
	name, organization string
	openai             bool
	words              string // of package sim
	does               string // for people
	priority           int
	models             string // the one model that it serves before the others; empty: the family's all
}

// Every account that fails is first in line for one model, so that each request of
// the tour meets the failure that it is to show; the healthy ones serve every model behind them.
var demoAccounts = []demoAccount{
	{name: "acme-1", organization: "acme", does: "healthy", priority: 1},
	{name: "acme-2", organization: "acme", does: "healthy; shares acme-1's limits and prompt cache", priority: 2},
	{name: "globex-1", organization: "globex", words: "fail429-ra90", does: "429, free again in 90 s", models: "claude-haiku-sim"},
	{name: "revoked", words: "auth401", does: "401, its key was revoked", models: "claude-opus-sim"},
	{name: "cutter", words: "cut8", does: "breaks its streams in the middle", models: "claude-frail-sim"},
	{name: "sleepy", words: "headersthen60000", does: "no first token for a minute", models: "claude-slow-sim"},
	{name: "initech-1", organization: "initech", openai: true, does: "healthy", priority: 1},
	{name: "flaky", openai: true, words: "fail503", does: "503", models: "gpt-mini-sim"},
	{name: "hiccup", openai: true, words: "erreventx1-es500", does: "one error inside a 200, then healthy", models: "gpt-nano-sim"},
	{name: "spent", openai: true, words: "fail429-ra3600", does: "429, free again in an hour", models: "solo-sim"},
}

// demoWorld is what the demo's gateway runs against.
type demoWorld struct {
	dir, key string
	listen   string
	claude   *sim.Server // speaks Anthropic Messages
	gpt      *sim.Server // speaks OpenAI Chat Completions
}

func newDemoWorld(dir, listen string) (w *demoWorld, err error) {
	w = &demoWorld{dir: dir, key: "tk-" + strings.ToLower(rand.Text()[:16]), listen: listen}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if w.listen == "" {
		w.listen = freeAddress(8080)
	}
	if w.claude, err = sim.Start(sim.New(sim.Options{Name: "Claude", Models: []string{"claude-sim-1"}}), sim.ServerOptions{}); err != nil {
		return w, err
	}
	if w.gpt, err = sim.Start(sim.New(sim.Options{Name: "Gpt", Models: []string{"gpt-sim-1"}}), sim.ServerOptions{}); err != nil {
		return w, err
	}
	return w, os.WriteFile(w.configFile(), []byte(w.config()), 0o600)
}

// freeAddress is the first free port of this machine from first on, or any.
func freeAddress(first int) string {
	const tries = 20
	for port := first; port < first+tries; port++ {
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		if ln, err := net.Listen("tcp", addr); err == nil {
			_ = ln.Close()
			return addr
		}
	}
	return "127.0.0.1:0"
}

func (w *demoWorld) configFile() string { return filepath.Join(w.dir, "turnout.yaml") }
func (w *demoWorld) dataDir() string    { return filepath.Join(w.dir, "data") }

// config is an ordinary configuration file: what a user would write.
func (w *demoWorld) config() string {
	var b strings.Builder
	fmt.Fprintf(&b, "listen: %s\ndata_dir: ./data\ndrain: 5s\ndrain_delay: 0s\npools:\n  - {name: default, fallbacks: {claude-nomodel-sim: {model_gone: [claude-sim-1]}}}\naccounts:\n", w.listen)
	for i := range demoAccounts {
		a := &demoAccounts[i]
		platform, base, models := "anthropic", w.claude.URL(), "claude-*"
		if a.openai {
			platform, base, models = "openai", w.gpt.URL()+"/v1", "gpt-*"
		}
		if a.models != "" {
			models = a.models
		}
		fmt.Fprintf(&b, "  - name: %s\n    platform: %s\n    base_url: %s\n    api_key: %s\n    priority: %d\n    models: {%q: %q}\n",
			a.name, platform, base, a.apiKey(), a.priority, models, models)
		if a.organization != "" {
			fmt.Fprintf(&b, "    organization: %s\n", a.organization)
		}
	}
	fmt.Fprintf(&b, "keys:\n  - {name: demo, secret: %s, overrides: [commit]}\n", w.key)
	return b.String()
}

func (a *demoAccount) apiKey() string {
	key := "sk-sim-" + strings.ReplaceAll(a.name, "-", "")
	if a.organization != "" {
		key += "-org-" + a.organization
	}
	if a.words != "" {
		key += "-" + a.words
	}
	return key
}

// set changes how an account of the Anthropic provider behaves from now on.
func (w *demoWorld) set(account, words string) {
	for i := range demoAccounts {
		if a := &demoAccounts[i]; a.name == account {
			b := sim.Parse(words)
			b.Organization = a.organization
			w.claude.Set(a.apiKey(), b)
		}
	}
}

// table lists the accounts for people.
func (w *demoWorld) table() string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	for i := range demoAccounts {
		a := &demoAccounts[i]
		platform := "Anthropic"
		if a.openai {
			platform = "OpenAI"
		}
		_, _ = fmt.Fprintf(t, "  %s\t%s\t%s\n", a.name, platform, a.does)
	}
	_ = t.Flush() // into memory
	return b.String()
}

func (w *demoWorld) close() error {
	var err error
	for _, s := range []*sim.Server{w.claude, w.gpt} {
		if s != nil {
			err = errors.Join(err, s.Close())
		}
	}
	return err
}
