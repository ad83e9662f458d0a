// Command rig starts a simulated provider and a Turnout before it, each a process of its own, and
// runs a command that proves SDKs against them. The command is told of the rig by the
// environment: TURNOUT_SDK_RIG names a file with the addresses (JSON), TURNOUT_SDK_RESULTS one to which it
// appends a line for each row that it tried. At the end the rig prints the table of all rows,
// appends the counts as scripts/test reads them, and fails unless every row passed.
//
// Start reading at world.go (which accounts, pools and keys there are); table.go prints.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

func main() {
	binary := flag.String("turnout", "", "the turnout to prove")
	counts := flag.String("counts", "", "file that the counts are appended to: passed failed skipped")
	report := flag.String("table", "", "file for the table as Markdown")
	only := flag.Bool("part", false, "the command tries a part of the rows: the others may be missing")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *binary, *counts, *report, *only, flag.Args())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "rig:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, binary, counts, report string, part bool, command []string) (err error) {
	if len(command) == 0 {
		return errors.New("give the command to run")
	}
	binary, err = filepath.Abs(binary)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "turnout-sdk-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	results := filepath.Join(dir, "results")
	ended, err := inRig(ctx, binary, dir, results, command)
	if err != nil {
		return err
	}
	t, err := readResults(results)
	if err != nil {
		return err
	}
	if !part {
		t.missing()
	}
	t.print(os.Stdout)
	if counts != "" {
		if err := t.keep(counts); err != nil {
			return err
		}
	}
	if report != "" {
		var b strings.Builder
		t.markdown(&b)
		if err := os.WriteFile(report, []byte(b.String()), 0o600); err != nil {
			return err
		}
	}
	switch {
	case t.failed > 0:
		return fmt.Errorf("%d rows failed", t.failed)
	case ended != nil:
		return fmt.Errorf("%s: %w", command[0], ended)
	case t.passed == 0:
		return errors.New("no row was tried")
	}
	return nil
}

// inRig runs the command. ended is how it ended.
func inRig(ctx context.Context, binary, dir, results string, command []string) (ended, err error) {
	ctx, stop := context.WithCancelCause(ctx)
	var children sync.WaitGroup
	defer children.Wait()
	defer stop(nil)
	start := func(name string, expr *regexp.Regexp, args ...string) ([]string, error) {
		return child(ctx, stop, &children, dir, name, binary, expr, args...)
	}
	sim, err := start("sim", regexp.MustCompile(`(?s)journal: GET (\S+)/requests.*listens on (\S+)`), "sim", "--journal", "127.0.0.1:0", "--models", "claude-sonnet-4-5-1,gpt-5-1,gemini-3-pro-1,qwen-3-1")
	if err != nil {
		return nil, err
	}
	r := rig{Journal: sim[1], Sim: sim[2], Accounts: map[string]string{}, Asked: asked, Rows: rows, Pools: pools}
	for _, a := range accounts {
		r.Accounts[a.name] = a.models
	}
	file := filepath.Join(dir, "turnout.yaml")
	if err := os.WriteFile(file, []byte(configuration(r.Sim)), 0o600); err != nil {
		return nil, err
	}
	gateway, err := start("serve", regexp.MustCompile(`msg=serving address=(\S+)`), "serve", "-c", file)
	if err != nil {
		return nil, err
	}
	r.Gateway = "http://" + gateway[1]
	b, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	told := filepath.Join(dir, "rig.json")
	if err := os.WriteFile(told, b, 0o600); err != nil {
		return nil, err
	}
	c := exec.CommandContext(ctx, command[0], command[1:]...)
	c.Env = append(os.Environ(), "TURNOUT_SDK_RIG="+told, "TURNOUT_SDK_RESULTS="+results)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	ended = c.Run()
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	return ended, nil
}

// rig is what the command is told.
type rig struct {
	Gateway string   `json:"gateway"`
	Sim     string   `json:"sim"`
	Journal string   `json:"journal"`
	Rows    []string `json:"rows"`
	// Accounts says how the models' names begin, by the kind of account; Asked, by the dialect that is
	// spoken, what is asked for.
	Accounts map[string]string `json:"accounts"`
	Asked    map[string]string `json:"asked"`
	// Pools are the accounts' keys, by pool; %s is the account's name with underscores for dashes.
	Pools map[string][]string `json:"pools"`
}

// child starts a process, which ends with the context, and waits until its output matches. What
// it says later is printed where it is a warning or worse. If it ends by itself, everything does.
func child(ctx context.Context, stop context.CancelCauseFunc, all *sync.WaitGroup, dir, name, binary string, expr *regexp.Regexp, args ...string) ([]string, error) {
	c := exec.CommandContext(ctx, binary, args...)
	c.Dir = dir
	c.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	out, w := io.Pipe()
	c.Stdout, c.Stderr = w, w
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("start turnout %s: %w", name, err)
	}
	found := make(chan []string, 1)
	all.Add(2)
	go func() {
		defer all.Done()
		_ = c.Wait()
		stop(fmt.Errorf("turnout %s has ended too early (%s)", name, c.ProcessState)) // nothing, if the end was wanted
		_ = w.Close()
	}()
	go func() {
		defer all.Done()
		defer close(found)
		var text strings.Builder
		waiting := true
		for lines := bufio.NewReader(out); ; { // a log line can be longer than a Scanner takes
			line, err := lines.ReadString('\n')
			if err != nil {
				break
			}
			if !waiting {
				if name == "serve" && !strings.Contains(line, " level=INFO ") { // what fails on purpose is told there
					fmt.Print(name, ": ", line)
				}
				continue
			}
			text.WriteString(line)
			if m := expr.FindStringSubmatch(text.String()); m != nil {
				found <- m
				waiting = false
			}
		}
		if waiting {
			fmt.Print(text.String())
		}
	}()
	m, ok := <-found
	if !ok {
		return nil, context.Cause(ctx)
	}
	return m, nil
}
