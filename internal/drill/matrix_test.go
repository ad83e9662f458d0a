package drill_test

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"turnout/internal/domain"
	"turnout/internal/drill"
)

var update = flag.Bool("update", false, "write docs/protocols/matrix.md")

// matrixFile is what the board is compared with.
const matrixFile = "../../docs/protocols/matrix.md"

// board is what came of every scenario in every mode. Safe for concurrent use.
type board struct {
	mu       sync.Mutex
	expected int
	passed   map[string]map[drill.Mode]bool
}

func newBoard() *board { return &board{passed: map[string]map[drill.Mode]bool{}} }

func (b *board) note(s *drill.Scenario, m drill.Mode, passed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.passed[s.Name] == nil {
		b.passed[s.Name] = map[drill.Mode]bool{}
	}
	b.passed[s.Name][m] = passed
}

// compare compares the board with the file, or writes it, if all that was expected ran.
func (b *board) compare(t *testing.T) {
	ran := 0
	for _, modes := range b.passed {
		ran += len(modes)
	}
	if ran < b.expected || race {
		if *update {
			t.Error("the matrix is only written when every scenario has run, without the race detector")
		}
		return
	}
	got := b.text()
	if *update {
		if err := os.WriteFile(matrixFile, got, 0o644); err != nil {
			t.Error(err)
		}
		return
	}
	if want, err := os.ReadFile(matrixFile); err != nil || !bytes.Equal(got, want) {
		t.Errorf("docs/protocols/matrix.md is not what came of the drill (%v): run go test ./internal/drill -run 'TestDrill$' -update", err)
	}
}

// Marks of the matrix.
const (
	markPass, markFail, markNone = "✓", "✗", "·"
)

func (b *board) text() []byte {
	var out bytes.Buffer
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(&out, format, args...) }
	p("# Which protocols work together\n\n")
	p("Written by `go test ./internal/drill -run 'TestDrill$' -update`, which fails without `-update` where this page differs from what happens. ")
	p("A real gateway stands between callers that read strictly and simulated providers; what arrives at the account is read, too. ")
	p("How: [drill.md](../drill.md).\n\n")
	p("In each cell the first mark is of a stream, the second of a JSON answer: %s works, %s does not, %s does not apply (why: below).\n", markPass, markFail, markNone)
	for _, callers := range drill.Dialects() {
		p("\n## Callers of %s\n\n| accounts speak |", drill.Title(callers))
		for _, accounts := range drill.Dialects() {
			p(" %s |", drill.Title(accounts))
		}
		p("\n|---|%s\n", strings.Repeat("---|", len(drill.Dialects())))
		for _, s := range drill.Conversations() {
			p("| %s |", s.Name)
			for _, accounts := range drill.Dialects() {
				p(" %s |", b.cell(s, callers, accounts))
			}
			p("\n")
		}
		p("| faults of the drill |")
		for _, accounts := range drill.Dialects() {
			p(" %s |", b.faults(callers, accounts))
		}
		p("\n")
	}
	b.meanings(p)
	b.perFault(p)
	return out.Bytes()
}

func (b *board) cell(s *drill.Scenario, callers, accounts domain.Dialect) string {
	modes := drill.Pair(callers, accounts)
	if modes == nil {
		return markNone
	}
	var marks []string
	for _, m := range modes {
		switch {
		case s.Modes != nil && s.Modes(m) != "":
			marks = append(marks, markNone)
		case b.passed[s.Name][m]:
			marks = append(marks, markPass)
		default:
			marks = append(marks, markFail)
		}
	}
	return strings.Join(marks, " ")
}

// faults sums the faults of a pair up: how many pass of how many that apply.
func (b *board) faults(callers, accounts domain.Dialect) string {
	modes := drill.Pair(callers, accounts)
	if modes == nil {
		return markNone
	}
	var sums []string
	for _, m := range modes {
		passed, all := 0, 0
		for _, s := range drill.Scenarios() {
			if s.Modes == nil || s.Modes(m) == "" {
				all++
				if b.passed[s.Name][m] {
					passed++
				}
			}
		}
		sums = append(sums, fmt.Sprintf("%d/%d", passed, all))
	}
	return strings.Join(sums, " ")
}

// meanings says what each row is, and why it does not apply where it does not.
func (b *board) meanings(p func(string, ...any)) {
	p("\n## The rows\n\n| row | the account | must | does not apply where |\n|---|---|---|---|\n")
	for _, s := range drill.Conversations() {
		p("| %s | %s | %s | %s |\n", s.Name, s.Does, s.Must, reasons(s, false))
	}
	for _, callers := range drill.Dialects() {
		for _, accounts := range drill.Dialects() {
			if why := drill.NoPair(callers, accounts); why != "" {
				p("\nCallers of %s with accounts of %s: %s.\n", drill.Title(callers), drill.Title(accounts), why)
			}
		}
	}
}

// reasons lists why a scenario does not apply to some modes, with how many modes there are.
func reasons(s *drill.Scenario, counted bool) string {
	if s.Modes == nil {
		return ""
	}
	n := map[string]int{}
	for _, m := range everyMode() {
		if why := s.Modes(m); why != "" {
			n[why]++
		}
	}
	var out []string
	for _, why := range slices.Sorted(maps.Keys(n)) {
		if counted {
			out = append(out, fmt.Sprintf("%s (%d)", why, n[why]))
		} else {
			out = append(out, why)
		}
	}
	return strings.Join(out, "; ")
}

func (b *board) perFault(p func(string, ...any)) {
	p("\n## The faults\n\nOver all pairs, streams and JSON. What each is: `turnout drill --list`.\n\n| fault | passes | does not apply to so many modes, because |\n|---|---|---|\n")
	for _, s := range drill.Scenarios() {
		passed, all := 0, 0
		for _, m := range everyMode() {
			if s.Modes == nil || s.Modes(m) == "" {
				all++
				if b.passed[s.Name][m] {
					passed++
				}
			}
		}
		p("| %s | %d/%d | %s |\n", s.Name, passed, all, reasons(s, true))
	}
}
