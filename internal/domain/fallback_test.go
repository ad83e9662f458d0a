package domain

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestFallbacksFor(t *testing.T) {
	f := Fallbacks{
		"gpt-5":      {FallbackAny: {"exact"}, "context_too_long": {"exact-large", "exact-larger"}},
		"gpt-4":      {"model_gone": {"gone"}},
		"gpt-*":      {FallbackAny: {"prefix"}, "rate_limited": {}},
		"gpt-*-mini": {FallbackAny: {"prefix and suffix"}},
		"gpt-5-*":    {FallbackAny: {"longer prefix"}},
		"*":          {FallbackAny: {"all"}},
	}
	for _, c := range []struct {
		asked, cause string
		want         []string
	}{
		{"gpt-5", "transient", []string{"exact"}},                              // an exact name beats every pattern
		{"gpt-5", "context_too_long", []string{"exact-large", "exact-larger"}}, // a cause beats any, and the order stays
		{"gpt-4", "model_gone", []string{"gone"}},
		{"gpt-4", "transient", nil},                                // also where it says nothing of the cause
		{"gpt-5-nano", "transient", []string{"longer prefix"}},     // the longest part before the '*'
		{"gpt-5-mini", "transient", []string{"longer prefix"}},     // whatever stands after it
		{"gpt-4-mini", "transient", []string{"prefix and suffix"}}, // then the longest after it
		{"gpt-3", "transient", []string{"prefix"}},
		{"gpt-3", "rate_limited", []string{}}, // none, on purpose
		{"claude", "transient", []string{"all"}},
		{"gpt-*", "transient", []string{"prefix"}}, // a '*' that was asked for is a letter like others
		{"gpt-*x", "transient", []string{"prefix"}},
		{"", "", []string{"all"}},
		{"gpt-5", FallbackAny, []string{"exact"}},
		{"gpt-4", FallbackAny, nil},
	} {
		if got := f.For(c.asked, c.cause); !slices.Equal(got, c.want) {
			t.Errorf("For(%q, %q) = %q, want %q", c.asked, c.cause, got, c.want)
		}
	}
	if got := (Fallbacks)(nil).For("gpt-5", "transient"); got != nil {
		t.Errorf("nothing gives %q", got)
	}
	if got := (Fallbacks{"gpt-*": {FallbackAny: {"x"}}}).For("claude", "transient"); got != nil {
		t.Errorf("no pattern gives %q", got)
	}
}

// The same entry is chosen as a model map chooses it, however the map is walked.
func TestFallbacksChooseAsModelMaps(t *testing.T) {
	name := rapid.StringMatching(`[ab]{0,4}`)
	rapid.Check(t, func(t *rapid.T) {
		f, m := Fallbacks{}, ModelMap{}
		for range rapid.IntRange(1, 6).Draw(t, "entries") {
			p := name.Draw(t, "before")
			if rapid.Bool().Draw(t, "wild") {
				p += "*" + name.Draw(t, "after")
			}
			f[p], m[p] = map[string][]string{FallbackAny: {"<" + p}}, "<"+p
		}
		asked := name.Draw(t, "asked")
		got := f.For(asked, "transient")
		if _, ok := m.Resolve(asked); ok != (len(got) == 1) {
			t.Fatalf("%q: %q, and the model map says %v", asked, got, ok)
		}
		if len(got) == 1 && !MatchModel(got[0][1:], asked) {
			t.Fatalf("%q: %q does not match", asked, got)
		}
		for pattern := range m {
			if pattern == asked && got[0] != "<"+asked {
				t.Fatalf("%q: %q beats the exact name", asked, got)
			}
		}
	})
}
