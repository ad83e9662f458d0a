package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLookahead(t *testing.T) {
	for _, c := range []struct{ in, never, rest string }{
		{`^claude-\d{8}$`, ``, `^claude-\d{8}$`},
		{`^(?!.*-[tT](?:$|-))`, `^(?:.*-[tT](?:$|-))`, `^`},
		{`^(?![^/)]+/\))(?:a|b)c`, `^(?:[^/)]+/\))`, `^(?:a|b)c`},
	} {
		never, rest, err := lookahead(c.in)
		if err != nil || never != c.never || rest != c.rest {
			t.Errorf("%s: %q %q %v", c.in, never, rest, err)
		}
	}
	if _, _, err := lookahead(`^(?!a`); err == nil {
		t.Error("a pattern without an end is taken")
	}
}

// What the package may say, and what becomes of it: a catalogue, or a refusal.
func TestRun(t *testing.T) {
	data := func(prices string) string {
		return `{"name":"pkg","version":"1.2.3","providers":[{"id":"p","name":"P","api_pattern":"https://p","models":[{"id":"m","match":{"equals":"m"},"context_window":2e5,"prices":[` + prices + `]}]}]}`
	}
	file := filepath.Join(t.TempDir(), "catalogue.json")
	before := `{"source":{"name":"pkg"},"providers":[{"id":"p","models":[{"id":"m","match":{"equals":"m"},"versions":[{"prices":{"input_mtok":"1"}}]}]}]}`
	for _, c := range []struct {
		name, in, want string // want: a part of the file, or of the error after !
		force          bool
	}{
		{"every digit is kept", data(`{"prices":{"input_mtok":0.18000000000000002}}`), `!jumps`, false},
		{"in spite of the guard", data(`{"prices":{"input_mtok":0.18000000000000002}}`), `"input_mtok":"0.18000000000000002"`, true},
		{"an exponent is written out", data(`{"prices":{"input_mtok":1,"output_mtok":5e-7}}`), `"output_mtok":"0.0000005"`, false},
		{"tiers and times", data(`{"prices":{"input_mtok":{"base":1,"tiers":[{"start":200000,"price":2.5}]}}},{"constraint":{"type":"start_date","start_date":"2026-08-17"},"prices":{"input_mtok":2}},{"constraint":{"type":"time_of_date","start_time":"01:00:00Z","end_time":"04:00:00Z"},"prices":{"input_mtok":3}}`),
			`"versions":[{"prices":{"input_mtok":{"base":"1","tiers":[{"above":200000,"price":"2.5"}]}}},{"from":"2026-08-17","prices":{"input_mtok":"2"}},{"daily":["01:00:00","04:00:00"],"prices":{"input_mtok":"3"}}]`, false},
		{"an unknown price", data(`{"prices":{"input_mtok":1,"thoughts_mtok":1}}`), `!name of no price`, true},
		{"an unknown constraint", data(`{"constraint":{"type":"weekday"},"prices":{"input_mtok":1}}`), `!constraint`, true},
		{"another zone", data(`{"constraint":{"type":"time_of_date","start_time":"01:00:00+08:00","end_time":"04:00:00+08:00"},"prices":{"input_mtok":1}}`), `!only UTC`, true},
		{"a part without its whole", data(`{"prices":{"cache_read_mtok":1}}`), `!of which it is a part`, true},
		{"a provider gone", `{"name":"pkg","version":"2","providers":[]}`, `!is gone`, false},
		{"no data", `{`, `!package's data`, true},
		{"something new", `{"name":"pkg","version":"2","providers":[],"regions":[]}`, `!regions`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			err := run(strings.NewReader(strings.Replace(c.in, "2e5", "200000", 1)), file, c.force, &out)
			got, e := os.ReadFile(file)
			if e != nil {
				t.Fatal(e)
			}
			if want, fails := strings.CutPrefix(c.want, "!"); fails {
				if err == nil || !strings.Contains(err.Error(), want) || string(got) != before {
					t.Errorf("%v, want %q; the file is %s", err, want, got)
				}
			} else if err != nil || !strings.Contains(string(got), want) {
				t.Errorf("%v; the file is %s", err, got)
			}
		})
	}
}
