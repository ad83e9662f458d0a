package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"turnout/bench/internal/load"
)

// lab owns the processes of a round and their folder.
type lab struct {
	options
	dir   string
	procs []*process
}

// side is one of the two that are compared, by the mock's listener behind it.
type side struct {
	name  string
	url   [2]string
	pid   [2]int
	pprof [2]string // base URL of its profiling endpoints; empty: none
}

// callers are the secrets of Turnout's keys, which lead to the pool of one listener
// each. The floor passes them on.
var callers = [2]string{"tk-bench-plain-0000", "tk-bench-secure-0000"}

// Secrets of the keys whose accounts speak one dialect only.
const (
	toAnthropic = "tk-bench-to-anthropic"
	toOpenAI    = "tk-bench-to-openai-0"
)

// start ends what runs and starts the mock and both sides afresh, warmed up.
func (l *lab) start() ([]*side, error) {
	l.close()
	var err error
	if l.dir, err = os.MkdirTemp("", "turnout-bench-"); err != nil {
		return nil, err
	}
	port, err := freePorts(8)
	if err != nil {
		return nil, err
	}
	cert := filepath.Join(l.dir, "mock.pem")
	if err := l.run("mock", nil, "http://"+port[0]+"/v1/models", "-addr", port[0], "-tls-addr", port[1], "-cert", cert); err != nil {
		return nil, err
	}
	trust := []string{"SSL_CERT_FILE=" + cert}

	floor := &side{name: "floor"}
	for i, to := range []string{"http://" + port[0], "https://" + port[1]} {
		floor.url[i] = "http://" + port[2+i]
		args := []string{"-addr", port[2+i], "-to", to}
		if l.profiles != "" {
			floor.pprof[i] = "http://" + port[4+i]
			args = append(args, "-pprof", port[4+i])
		}
		if err := l.run("floor", trust, floor.url[i]+"/v1/models", args...); err != nil {
			return nil, err
		}
		floor.pid[i] = l.procs[len(l.procs)-1].pid()
	}

	turnout := &side{name: "turnout", url: [2]string{"http://" + port[6], "http://" + port[6]}}
	config := filepath.Join(l.dir, "turnout.yaml")
	if err := os.WriteFile(config, turnoutConfig(port[6], port[0], port[1]), 0o600); err != nil {
		return nil, err
	}
	program, env := "turnout", trust
	if l.profiles != "" {
		program, env = "profiled", append(env, "TURNOUT_BENCH_PPROF="+port[7])
		turnout.pprof = [2]string{"http://" + port[7], "http://" + port[7]}
	}
	if err := l.run(program, env, turnout.url[0]+"/readyz", "serve", "--config", config); err != nil {
		return nil, err
	}
	pid := l.procs[len(l.procs)-1].pid()
	turnout.pid = [2]int{pid, pid}

	sides := []*side{floor, turnout}
	for _, s := range sides {
		if err := warm(s); err != nil {
			return nil, fmt.Errorf("warm up %s: %w", s.name, err)
		}
	}
	return sides, nil
}

// turnoutConfig has everything at its default and one account for each dialect and
// listener.
func turnoutConfig(listen, plainMock, secureMock string) []byte {
	return fmt.Appendf(nil, `listen: %s
data_dir: ./data
drain: 5s
log: {level: warn}
pools: [{name: plain}, {name: secure}, {name: anthropic}, {name: openai}]
accounts:
  - {name: plain-openai, platform: openai-compatible, base_url: "http://%[2]s/v1", api_key: sk-bench-1, pools: [plain]}
  - {name: plain-anthropic, platform: anthropic-compatible, base_url: "http://%[2]s", api_key: sk-bench-2, pools: [plain]}
  - {name: secure-openai, platform: openai-compatible, base_url: "https://%[3]s/v1", api_key: sk-bench-3, pools: [secure]}
  - {name: secure-anthropic, platform: anthropic-compatible, base_url: "https://%[3]s", api_key: sk-bench-4, pools: [secure]}
  - {name: only-openai, platform: openai-compatible, base_url: "http://%[2]s/v1", api_key: sk-bench-5, pools: [openai]}
  - {name: only-anthropic, platform: anthropic-compatible, base_url: "http://%[2]s", api_key: sk-bench-6, pools: [anthropic]}
keys:
  - {name: to-anthropic, secret: %[6]s, pools: [anthropic]}
  - {name: to-openai, secret: %[7]s, pools: [openai]}
  - {name: plain, secret: %[4]s, pools: [plain]}
  - {name: secure, secret: %[5]s, pools: [secure]}
`, listen, plainMock, secureMock, callers[plain], callers[secure], toAnthropic, toOpenAI)
}

// warm sends some of everything but the large bodies, so that code, connections and
// pools are there before the first figure. An answer that is not whole is an error.
func warm(to *side) error {
	for _, api := range []*load.API{load.OpenAI, load.Anthropic} {
		for _, up := range []upstream{plain, secure} {
			for _, stream := range []bool{false, true} {
				s := scenario{api: api, upstream: up, shape: load.Shape{Model: model, Size: kib, Stream: stream}, chunks: 100, conns: 8}
				c := s.config(to, 0)
				c.Count, c.Settle = 16, 0
				if api == load.OpenAI && up == plain { // the most that a warm-up may add to what counts as "before"
					c.Count = 300
					if stream {
						c.Count = 50
					}
				}
				r, err := load.Run(c)
				if err != nil {
					return err
				}
				if r.OK != r.Requests {
					return fmt.Errorf("%s, stream %v: %v", c.URL, stream, r.Samples)
				}
			}
		}
	}
	time.Sleep(settle)
	return nil
}

// process is a program that this one started.
type process struct {
	cmd    *exec.Cmd
	log    *os.File
	exited chan struct{}
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// run starts a program of the bin folder and waits until ready answers.
func (l *lab) run(program string, env []string, ready string, args ...string) error {
	path, err := filepath.Abs(filepath.Join(l.bin, program))
	if err != nil {
		return err
	}
	p := &process{cmd: exec.Command(path, args...), exited: make(chan struct{})} //nolint:gosec // G204: the benchmark's own programs
	if p.log, err = os.Create(filepath.Join(l.dir, fmt.Sprintf("%s-%d.log", program, len(l.procs)))); err != nil {
		return err
	}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = append(os.Environ(), env...), p.log, p.log
	if err := p.cmd.Start(); err != nil {
		return errors.Join(err, p.log.Close())
	}
	l.procs = append(l.procs, p)
	go func() {
		_ = p.cmd.Wait() // how it ended is in its log
		close(p.exited)
	}()
	if err := p.await(ready); err != nil {
		text, _ := os.ReadFile(p.log.Name())
		return fmt.Errorf("%s: %w\n%s", program, err, text)
	}
	return nil
}

// await waits until a program answers.
func (p *process) await(url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(resp.Status)
		}
		select {
		case <-p.exited:
			return errors.New("it has ended")
		case <-ctx.Done():
			return fmt.Errorf("not ready after 30 s: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// close ends the round's processes, last started first, and removes their folder.
func (l *lab) close() {
	for i := len(l.procs) - 1; i >= 0; i-- {
		p := l.procs[i]
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.exited:
		case <-time.After(6 * time.Second):
			_ = p.cmd.Process.Kill()
			<-p.exited
		}
		_ = p.log.Close()
	}
	l.procs = nil
	if l.dir != "" {
		_ = os.RemoveAll(l.dir)
	}
}

// freePorts finds addresses on loopback that nobody listens on.
func freePorts(n int) ([]string, error) {
	addrs := make([]string, n)
	listeners := make([]net.Listener, 0, n)
	defer func() { // all at the end, so that no address comes twice
		for _, ln := range listeners {
			_ = ln.Close()
		}
	}()
	for i := range addrs {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		listeners = append(listeners, ln)
		addrs[i] = ln.Addr().String()
	}
	return addrs, nil
}
