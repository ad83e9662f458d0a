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
