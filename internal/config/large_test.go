package config

import (
	"fmt"
	"strings"
	"testing"

	"turnout/internal/domain"
)

// largeFile has n accounts, each with a pool and a key of its own, each of which is warned of.
func largeFile(n int) []byte {
	var b strings.Builder
	b.WriteString("pools:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - name: p%d\n    policy: {profile: balanced, switches: 4}\n    limits: {soft: 1m}\n    fallbacks: {m1: [m2]}\n", i)
	}
	b.WriteString("accounts:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - name: a%d\n    platform: compatible\n    base_url: http://10.0.0.1:9/v1\n    api_key: sk-%08d\n    pools: [p%d]\n    models: {m1: x}\n    labels: {region: eu}\n", i, i, i)
	}
	b.WriteString("keys:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - name: k%d\n    secret: tk-team-0123456789abcdef-%d\n    pools: [p%d]\n", i, i, i)
	}
	return []byte(b.String())
}

func BenchmarkLargeFile(b *testing.B) {
	data := largeFile(1400)
	for b.Loop() {
		if _, _, err := Parse("turnout.yaml", data, func(string) (string, bool) { return "", false }, []Platform{{Name: "compatible", NeedsBaseURL: true}}, Overrides{}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestMasksLongSecretsWhole: where one secret begins as another does, nothing of the longer one is left.
func TestMasksLongSecretsWhole(t *testing.T) {
	r := &reader{}
	for _, s := range []string{"abcdef", "abcdef-and-more", "abcdef", "second-one"} {
		r.hide(s)
	}
	const text = "got abcdef-and-more, abcdef and second-one"
	ps := r.sorted(Problems{{Text: text, Path: "labels[abcdef-and-more]"}})
	if want := "got [secret], [secret] and [secret]"; ps[0].Text != want || ps[0].Path != "labels[[secret]]" {
		t.Errorf("shown: %q at %q", ps[0].Text, ps[0].Path)
	}
}

// TestUsableAccounts: a key's accounts are found pool by pool, with the labels that the key and the pool ask for.
func TestUsableAccounts(t *testing.T) {
	label := domain.Labels{"region": "eu"}
	r := &reader{c: &Config{
		Pools:    []Pool{{Pool: domain.Pool{Name: "any"}}, {Pool: domain.Pool{Name: "eu", Require: label}}},
		Accounts: []domain.Account{{Name: "a", Pools: []string{"any", "eu"}}, {Name: "b", Pools: []string{"eu"}, Labels: domain.Labels{"region": "eu", "tier": "1"}}},
	}}
	lives := r.poolsWithAccounts()
	for name, c := range map[string]struct {
		key  domain.Key
		want bool
	}{
		"its pool":                     {domain.Key{Pools: []string{"any"}}, true},
		"not the key's label":          {domain.Key{Pools: []string{"any"}, Require: label}, false},
		"a further pool":               {domain.Key{Pools: []string{"any", "eu"}, Require: label}, true},
		"the pool's label and its own": {domain.Key{Pools: []string{"eu"}, Require: domain.Labels{"tier": "1"}}, true},
		"no account has it":            {domain.Key{Pools: []string{"eu"}, Require: domain.Labels{"tier": "2"}}, false},
		"a pool that is not there":     {domain.Key{Pools: []string{"us"}}, false},
	} {
		if got := lives.usable(&c.key); got != c.want {
			t.Errorf("%s: usable %t, want %t", name, got, c.want)
		}
	}
}
