package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// result is one row of one SDK before one kind of account.
type result struct {
	Client   string `json:"client"`
	Accounts string `json:"accounts"`
	Row      string `json:"row"`
	Result   string `json:"result"` // pass, fail, or skip: it does not exist there
	Detail   string `json:"detail"` // of a failure, or why it does not exist
}

type cell struct{ client, accounts, row string }

type table struct {
	of                      map[cell]result
	passed, failed, skipped int
}

// readResults reads the lines that the commands wrote.
func readResults(file string) (*table, error) {
	t := &table{of: map[cell]result{}}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var r result
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("a line of results: %w", err)
		}
		t.add(r)
	}
	return t, lines.Err()
}

func (t *table) add(r result) {
	t.of[cell{r.Client, r.Accounts, r.Row}] = r
	switch r.Result {
	case "pass":
		t.passed++
	case "skip":
		t.skipped++
	default:
		t.failed++
	}
}

// missing counts a row that nobody tried as failed.
func (t *table) missing() {
	for _, c := range clients {
		for _, a := range accounts {
			for _, row := range rows {
				if _, tried := t.of[cell{c, a.name, row}]; !tried {
					t.add(result{c, a.name, row, "missing", "nobody tried it"})
				}
			}
		}
	}
}

// symbol is a result in the table.
func (t *table) symbol(c, a, row string) string {
	switch t.of[cell{c, a, row}].Result {
	case "pass":
		return "ok"
	case "skip":
		return "–"
	case "":
		return "."
	case "missing":
		return "?"
	}
	return "FAIL"
}

// print writes the failures and a line for each SDK and kind of account.
func (t *table) print(w io.Writer) {
	var why []string
	for _, r := range t.of {
		if r.Result == "fail" {
			why = append(why, fmt.Sprintf("FAIL %s | %s | %s\n     %s\n", r.Client, r.Accounts, r.Row, strings.ReplaceAll(strings.TrimSpace(r.Detail), "\n", "\n     ")))
		}
	}
	slices.Sort(why)
	_, _ = fmt.Fprint(w, "\n", strings.Join(why, ""))
	for _, c := range clients {
		for _, a := range accounts {
			n, tried := 0, 0
			var bad []string
			for _, row := range rows {
				switch s := t.symbol(c, a.name, row); s {
				case "ok":
					n, tried = n+1, tried+1
				case "–", ".":
				default:
					tried++
					bad = append(bad, row)
				}
			}
			if tried > 0 {
				_, _ = fmt.Fprintf(w, "%-20s before %-18s %2d of %2d  %s\n", c, a.name, n, tried, strings.Join(bad, " "))
			}
		}
	}
	_, _ = fmt.Fprintf(w, "%d rows passed, %d failed, %d do not exist\n", t.passed, t.failed, t.skipped)
}

// markdown writes the whole table.
func (t *table) markdown(w io.Writer) {
	for _, a := range accounts {
		_, _ = fmt.Fprintf(w, "## Before accounts of %s\n\n| | %s |\n|---|%s\n", a.name, strings.Join(clients, " | "), strings.Repeat("---|", len(clients)))
		for _, row := range rows {
			_, _ = fmt.Fprintf(w, "| %s |", row)
			for _, c := range clients {
				_, _ = fmt.Fprintf(w, " %s |", t.symbol(c, a.name, row))
			}
			_, _ = fmt.Fprintln(w)
		}
		_, _ = fmt.Fprintln(w)
	}
	seen := map[string]bool{}
	for _, c := range clients {
		for _, row := range rows {
			for _, a := range accounts {
				if r := t.of[cell{c, a.name, row}]; r.Result == "skip" && !seen[c+row+r.Detail] {
					seen[c+row+r.Detail] = true
					_, _ = fmt.Fprintf(w, "- %s, %s: %s\n", c, row, r.Detail)
				}
			}
		}
	}
}

// keep appends the counts for scripts/test. What does not exist is no skipped test.
func (t *table) keep(file string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, t.passed, t.failed, 0)
	return errors.Join(err, f.Close())
}
