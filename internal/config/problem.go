package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong, and what is allowed.
type Problem struct {
	Source       string // the file, "environment" or "flag"
	Line, Column int    // from 1; 0: none
	Path         string // the key path, the variable or the flag
	Text         string
}

// String is the problem on one line: turnout.yaml:3:5: log.level: …
func (p Problem) String() string {
	s := p.Source
	if p.Line > 0 {
		s += fmt.Sprintf(":%d:%d", p.Line, p.Column)
	}
	if p.Path != "" {
		s += ": " + p.Path
	}
	return s + ": " + p.Text
}

// Problems are all that is wrong, in the order of the file.
type Problems []Problem

// Error lists them, one a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// place is where a value stands.
type place struct {
	source       string
	line, column int
	path         string
}

func (r *reader) problem(at place, format string, args ...any) {
	r.problems = append(r.problems, r.make(at, format, args...))
}

func (r *reader) warn(at place, format string, args ...any) {
	r.warnings = append(r.warnings, r.make(at, format, args...))
}

func (r *reader) make(at place, format string, args ...any) Problem {
	return Problem{at.source, at.line, at.column, at.path, fmt.Sprintf(format, args...)}
}

// sorted puts problems into the order of the file, the environment and flags last,
// and takes out of them whatever turned out to be a secret: a value that stands in
// one place as a secret may stand in another by mistake.
func (r *reader) sorted(ps Problems) Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		if a.Source != b.Source {
			return cmp.Compare(boolInt(a.Source != r.file), boolInt(b.Source != r.file))
		}
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	if len(ps) == 0 {
		return ps
	}
	masks := r.masks()
	for i := range ps {
		ps[i].Text, ps[i].Path = masks.Replace(ps[i].Text), masks.Replace(ps[i].Path)
	}
	return ps
}

// masks takes all secrets out of a text in one pass; of two that begin alike, the longer one, whole.
func (r *reader) masks() *strings.Replacer {
	secrets := slices.SortedFunc(slices.Values(r.secrets), func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	pairs := make([]string, 0, 2*len(secrets))
	for _, s := range slices.Compact(secrets) {
		pairs = append(pairs, s, "[secret]")
	}
	return strings.NewReplacer(pairs...)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// hide remembers a secret, so that no message shows it. Very short ones would
// blot out ordinary words and are refused as secrets anyway.
func (r *reader) hide(secret string) {
	if s := strings.TrimSpace(secret); len(s) >= minHidden {
		r.secrets = append(r.secrets, s)
	}
}

const minHidden = 6

// show quotes a value in a message if it is plainly no secret: short, and made of
// the characters of names and numbers.
func show(v string) string {
	if len(v) > 32 || strings.HasPrefix(v, "sk-") || strings.HasPrefix(v, "tk-") {
		return "this value"
	}
	for _, c := range []byte(v) {
		if !isNameByte(c) && c != ' ' && c != ':' && c != '*' && c != '/' {
			return "this value"
		}
	}
	return fmt.Sprintf("%q", v)
}

// nearest is the allowed word that was probably meant, or "".
func nearest(word string, allowed []string) string {
	best, bestDistance := "", 3 // further away is another word
	for _, a := range allowed {
		if d := distance(word, a); d < bestDistance && d < len(a) {
			best, bestDistance = a, d
		}
	}
	return best
}

// distance is the number of single-letter edits from a to b.
func distance(a, b string) int {
	if len(a) > 40 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal + boolInt(a[i] != b[j])
			diagonal = row[j+1]
			row[j+1] = min(substitute, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func suggestion(word string, allowed []string) string {
	if n := nearest(word, allowed); n != "" {
		return fmt.Sprintf("; did you mean %q?", n)
	}
	return ""
}
