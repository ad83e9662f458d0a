package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"turnout/internal/sim"
)

// patience bounds every wait for something that must happen. Nothing waits it out
// unless it has failed.
const patience = 20 * time.Second

// teamKey is the caller's key in most configurations.
const teamKey = "tk-team-0123456789abcdef"

// gateway is one running process on a directory of its own.
type gateway struct {
	t    *testing.T
	dir  string // holds turnout.yaml and data/
	env  []string
	cmd  *exec.Cmd
	log  *logBuffer
	base string // http://host:port
	done chan struct{}
	err  error // of the process; good after done
}

// startGateway runs the binary on a configuration; `listen` and `data_dir` are added. It is stopped
// at the test's end.
func startGateway(t *testing.T, config string, env ...string) *gateway {
	t.Helper()
	g := &gateway{t: t, dir: t.TempDir(), env: env}
	g.write(config)
	g.start()
	return g
}

// write replaces the configuration file.
func (g *gateway) write(config string) {
	g.t.Helper()
	text := "listen: 127.0.0.1:0\ndata_dir: ./data\n" + config
	if err := os.WriteFile(g.file(), []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

func (g *gateway) file() string    { return filepath.Join(g.dir, "turnout.yaml") }
func (g *gateway) dataDir() string { return filepath.Join(g.dir, "data") }

// command is a call of the binary that inherits nothing that could change its ways.
func (g *gateway) command(args ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	cmd.Dir = g.dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + g.dir, "TMPDIR=" + os.Getenv("TMPDIR"), "SYSTEMROOT=" + os.Getenv("SYSTEMROOT")}, g.env...)
	return cmd
}

// start runs the process and returns when it serves.
func (g *gateway) start() {
	g.t.Helper()
	g.cmd = g.command("serve", "-c", g.file(), "--log-level", "debug")
	if config, err := os.ReadFile(g.file()); err == nil && !strings.Contains(string(config), "drain_delay:") {
		g.cmd.Env = append(g.cmd.Env, "TURNOUT_DRAIN_DELAY=0s") // only the test of it has the time
	}
	g.log = newLogBuffer()
	g.cmd.Stdout, g.cmd.Stderr = g.log, g.log
	if err := g.cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	g.done = make(chan struct{})
	go func() {
		g.err = g.cmd.Wait()
		g.log.close()
		close(g.done)
	}()
	g.t.Cleanup(g.kill)
	m := g.waitLog(`msg=serving address=(\S+)`)
	g.base = "http://" + m[1]
}

// kill ends the process if it still runs.
func (g *gateway) kill() {
	select {
	case <-g.done:
	default:
		_ = g.cmd.Process.Kill()
		<-g.done
	}
	if g.t.Failed() {
		g.t.Logf("log of the gateway:\n%s", g.log.tail())
	}
}

// stop stops it as an operator does, and wants it to end well.
func (g *gateway) stop() {
	g.t.Helper()
	g.signal(syscall.SIGTERM)
	if code := g.exited(); code != 0 {
		g.t.Fatalf("the gateway ended with code %d", code)
	}
}

func (g *gateway) signal(s os.Signal) {
	g.t.Helper()
	if err := g.cmd.Process.Signal(s); err != nil {
		g.t.Fatalf("send %v: %v", s, err)
	}
}

// exited waits for the end of the process and gives its exit code.
func (g *gateway) exited() int {
	g.t.Helper()
	select {
	case <-g.done:
	case <-time.After(patience):
		g.t.Fatalf("the gateway did not end:\n%s", g.log.tail())
	}
	var exit *exec.ExitError
	if errors.As(g.err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

// waitLog waits for a line that matches and gives the parts that the expression names.
func (g *gateway) waitLog(expr string) []string {
	g.t.Helper()
	m := g.log.wait(regexp.MustCompile(expr), patience)
	if m == nil {
		g.t.Fatalf("no line of the log matches %s:\n%s", expr, g.log.tail())
	}
	return m
}

// turnout runs another command of the binary to its end.
func (g *gateway) turnout(args ...string) (stdout, stderr string, code int) {
	g.t.Helper()
	cmd := g.command(args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
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

// row is a line of `requests list --json`.
type row struct {
	ID, Key, Pool, Account, Model, Dialect, Outcome, Class string
	Stream                                                 bool
	Status, Attempts                                       int
	Usage                                                  map[string]int64
}

// rows lists the recorded requests, the newest first.
func (g *gateway) rows(args ...string) []row {
	g.t.Helper()
	out, errs, code := g.turnout(append([]string{"requests", "list", "-c", g.file(), "--json", "-n", "5000"}, args...)...)
	if code != 0 {
		g.t.Fatalf("requests list: code %d: %s", code, errs)
	}
	var rows []row
	d := json.NewDecoder(strings.NewReader(out))
	for d.More() {
		var r row
		if err := d.Decode(&r); err != nil {
			g.t.Fatalf("%v in\n%s", err, out)
		}
		rows = append(rows, r)
	}
	return rows
}

// recorded waits until a request's record has been written.
func (g *gateway) recorded(id string) row {
	g.t.Helper()
	var found row
	eventually(g.t, "the record of "+id, func() bool {
		for _, r := range g.rows() {
			if r.ID == id {
				found = r
				return true
			}
		}
		return false
	})
	return found
}

// eventually waits for a condition of another process, which nothing here can be told of.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for !holds() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("waited %s in vain for: %s", patience, what)
		}
	}
}

// get asks for a page of the gateway.
func (g *gateway) get(path string) (status int, body string) {
	g.t.Helper()
	resp, err := http.Get(g.base + path)
	if err != nil {
		g.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// startProvider runs a simulated provider until the test's end.
func startProvider(t *testing.T, o sim.Options) *sim.Server {
	t.Helper()
	return startServer(t, o, sim.ServerOptions{})
}

func startServer(t *testing.T, o sim.Options, so sim.ServerOptions) *sim.Server {
	t.Helper()
	s, err := sim.Start(sim.New(o), so)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// seen waits until the provider has seen a request of which match is true.
func seen(t *testing.T, s *sim.Server, match func(sim.Seen) bool) sim.Seen {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := s.Wait(ctx, match)
	if err != nil {
		t.Fatalf("the provider never saw it; it saw %s", brief(s))
	}
	return r
}

// brief lists what a provider saw, for messages.
func brief(s *sim.Server) string {
	var b strings.Builder
	for _, r := range s.Requests() {
		fmt.Fprintf(&b, "\n  %s %s %s %s: %d %s", r.Key, r.Method, r.Path, r.Model, r.Status, r.Outcome)
	}
	return b.String()
}

// account is a line of the configuration's accounts.
func account(s *sim.Server, platform, name, key, more string) string {
	base := s.URL()
	if strings.HasPrefix(platform, "openai") {
		base += "/v1"
	}
	if more != "" {
		more = ", " + more
	}
	return fmt.Sprintf("  - {name: %s, platform: %s, base_url: %q, api_key: %s%s}\n", name, platform, base, key, more)
}

// keys is a configuration's keys with the team's alone.
const keys = "keys:\n  - {name: team, secret: " + teamKey + "}\n"

// logBuffer gathers a process's output and lets others wait for a line.
type logBuffer struct {
	mu     sync.Mutex
	more   sync.Cond
	text   bytes.Buffer
	closed bool
}

func newLogBuffer() *logBuffer {
	b := &logBuffer{}
	b.more.L = &b.mu
	return b
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.more.Broadcast()
	return b.text.Write(p)
}

func (b *logBuffer) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.more.Broadcast()
}

func (b *logBuffer) wait(expr *regexp.Regexp, most time.Duration) []string {
	timer := time.AfterFunc(most, b.more.Broadcast)
	defer timer.Stop()
	end := time.Now().Add(most)
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		if m := expr.FindStringSubmatch(b.text.String()); m != nil {
			return m
		}
		if b.closed || time.Now().After(end) {
			return nil
		}
		b.more.Wait()
	}
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// tail is the last lines, for messages.
func (b *logBuffer) tail() string {
	const most = 60
	var lines []string
	s := bufio.NewScanner(strings.NewReader(b.String()))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		lines = append(lines, s.Text())
	}
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}
