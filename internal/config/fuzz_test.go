package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzParse: no file makes Parse panic, and no message shows a secret, wherever
// in the file it stands. A canary is put wherever the seed asks for it.
func FuzzParse(f *testing.F) {
	const canary = "cAnArY-0123456789/+="
	f.Add(Example())
	files, _ := filepath.Glob("testdata/*.yaml")
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(strings.ReplaceAll(string(b), "canary", "CANARY"))
	}
	for _, s := range []string{
		"accounts: [{name: a, platform: openai, api_key: CANARY}]", "keys: [{name: a, secret: 'CANARY}]", "keys: [{name: a, CANARY, pools: [b]}]",
		"keys:\n- secret: CANARY\n  secret: CANARY\n", "accounts:\n- api_key: |\n    CANARY\n  name: CANARY", "api_key: &a CANARY\nb: *a", "accounts: {api_key: [CANARY]}",
		"a: b: CANARY", "\tkey: CANARY", "- - - CANARY", "? CANARY\n: CANARY", "!!CANARY x", "%CANARY 1.2\n---\n", "---\nCANARY\n---\nCANARY", "listen: CANARY", "<<: CANARY",
		"accounts: [{api_key_env: CANARY}, {api_key_file: CANARY}, {proxy: 'http://u:CANARY@h'}, {base_url: 'http://CANARY@h'}]", "keys: [{secret_sha256: CANARY, name: x}]", "{", "[", "\"", "a:\n b\n  c: CANARY",
		"pools: [{name: p, commit: CANARY}, {name: q, commit: {tokens: CANARY, seconds: CANARY}}, {name: r, commit: {CANARY: 1}}]",
		"pools:\n- name: p\n  commit:\n    seconds: 1e-3\n  fallbacks:\n    CANARY: [CANARY, CANARY]\n    b: {CANARY: [c], any: CANARY}\n    c*: CANARY\n",
		"pools: [{name: p, limits: {soft: CANARY, CANARY: 1s}}, {name: q, limits: CANARY}]",
		"pools: [{name: p, errors: [{when: {class: CANARY, status: CANARY, platform: CANARY, code: CANARY, contains: CANARY}, pass: CANARY}, {when: CANARY, replace: {status: CANARY, code: CANARY, retry_after: CANARY}}, CANARY]}]",
		"pools: [{name: p, policy: {hold: CANARY, max_resting: CANARY%, rests: {CANARY: {from: 1}, unknown: {from: CANARY, first: CANARY, CANARY: 1}, capacity: CANARY}}}]",
		"keys: [{name: k, secret: CANARY, owner: CANARY, deny: [CANARY], networks: [CANARY], tags: {CANARY: CANARY}, tag_header: [CANARY], price_factor: CANARY, budgets: [{period: CANARY, zone: CANARY, hard_usd: CANARY, CANARY: 1}]}]",
		"teams: [{name: CANARY}, {name: a, require: {CANARY: CANARY}, prepaid: CANARY, overdraft_usd: CANARY}]\nusers: [{name: u, team: CANARY}, {name: v, rates: CANARY}]\ntrusted_proxies: [CANARY]",
		"keys: [{name: k, secret: CANARY, commit: {tokens: CANARY}, overrides: [CANARY, commit]}, {name: l, commit: {}, overrides: CANARY}]",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ReplaceAll(text, "CANARY", canary)
		c, warnings, err := Parse("f.yaml", []byte(text), env(map[string]string{"E": canary}), testPlatforms, Overrides{})
		if (c == nil) != (err != nil) {
			t.Fatalf("config %v and error %v", c, err)
		}
		if err != nil {
			if strings.Contains(err.Error(), canary) {
				t.Errorf("shown: %v", err)
			}
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("an error that is no list of problems: %v", err)
			}
			for _, p := range problems {
				if p.Text == "" || p.Line < 0 {
					t.Errorf("an empty problem: %+v", p)
				}
			}
		}
		for _, w := range warnings {
			if strings.Contains(w.String(), canary) {
				t.Errorf("shown: %v", w)
			}
		}
	})
}
