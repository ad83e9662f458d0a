// Command testsum reads what `go test -json` writes from its standard input, prints a
// line for each package and the output of whatever failed, and appends its counts to
// the file named by -counts as one line: passed failed skipped. Every test and
// subtest counts once. A package that fails without a failed test (it does not compile, it
// crashes, it exceeds its time) counts as one failure. It exits 1 if anything failed.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

// event is a line of `go doc test2json`.
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build output
	Test        string
	Output      string
	Elapsed     float64 // seconds
	FailedBuild string
}

func main() {
	file := flag.String("counts", "", "file that the counts are appended to")
	flag.Parse()
	s := &summary{out: os.Stdout, output: map[string]*strings.Builder{}, byPackage: map[string]int{}, failedIn: map[string]bool{}}
	err := s.read(os.Stdin)
	if err == nil && *file != "" {
		err = s.keep(*file)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		os.Exit(2)
	}
	if s.failed > 0 {
		os.Exit(1)
	}
}

type summary struct {
	out                     io.Writer
	passed, failed, skipped int

	output    map[string]*strings.Builder // what is not yet known to be uninteresting, by package and test
	byPackage map[string]int              // tests that ran
	failedIn  map[string]bool             // packages with a failed test
}

func (s *summary) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			// Not everything that go prints is JSON.
			if _, err := fmt.Fprintln(s.out, lines.Text()); err != nil {
				return err
			}
			continue
		}
		if err := s.take(e); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (s *summary) take(e event) error {
	key := e.Package + "\x00" + e.Test
	if e.Package == "" {
		key = e.ImportPath + "\x00"
	}
	switch e.Action {
	case "output", "build-output":
		b := s.output[key]
		if b == nil {
			b = &strings.Builder{}
			s.output[key] = b
		}
		b.WriteString(e.Output)
		return nil
	case "pass", "fail", "skip":
		if e.Test == "" {
			return s.pack(e, key)
		}
		s.byPackage[e.Package]++
		return s.test(e, key)
	}
	return nil
}

// test takes the end of one test.
func (s *summary) test(e event, key string) error {
	defer delete(s.output, key)
	switch e.Action {
	case "pass":
		s.passed++
	case "skip":
		s.skipped++
		_, err := fmt.Fprintf(s.out, "skipped %s %s: %s\n", e.Package, e.Test, reason(s.text(key)))
		return err
	default:
		s.failed++
		s.failedIn[e.Package] = true
		_, err := fmt.Fprintf(s.out, "FAIL %s %s\n%s", e.Package, e.Test, s.text(key))
		return err
	}
	return nil
}

// pack takes the end of one package.
func (s *summary) pack(e event, key string) error {
	defer delete(s.output, key)
	if e.Action != "fail" {
		if s.byPackage[e.Package] == 0 {
			return nil // no tests
		}
		_, err := fmt.Fprintf(s.out, "ok   %-40s %5d tests  %6.1f s\n", e.Package, s.byPackage[e.Package], e.Elapsed)
		return err
	}
	text := ""
	if !s.failedIn[e.Package] {
		s.failed++
		text = s.unfinished(e.Package) + s.text(key)
		if e.FailedBuild != "" {
			text += s.text(e.FailedBuild + "\x00")
		}
	}
	_, err := fmt.Fprintf(s.out, "FAIL %-40s %5d tests  %6.1f s\n%s", e.Package, s.byPackage[e.Package], e.Elapsed, text)
	return err
}

// unfinished is the output of tests that had not ended when their package did.
func (s *summary) unfinished(pkg string) string {
	var all strings.Builder
	for key, b := range s.output {
		if p, test, _ := strings.Cut(key, "\x00"); p == pkg && test != "" {
			all.WriteString(b.String())
			delete(s.output, key)
		}
	}
	return all.String()
}

func (s *summary) text(key string) string {
	if b := s.output[key]; b != nil {
		return b.String()
	}
	return ""
}

// reason is what a skipped test says, on one line.
func reason(output string) string {
	var said []string
	for line := range strings.Lines(output) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") {
			said = append(said, line)
		}
	}
	return strings.Join(said, " ")
}

func (s *summary) keep(file string) (err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, s.passed, s.failed, s.skipped)
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}
