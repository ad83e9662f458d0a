package domain

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"pgregory.net/rapid"
)

const hidden = "sk-ant-hunter2"

// Every way in which a value reaches a log, an error or an answer by accident.
func TestSecretHidesItself(t *testing.T) {
	s := NewSecret(hidden)
	type open struct{ Key Secret }
	type closed struct{ key Secret } // package fmt asks no methods of unexported fields
	values := map[string]any{
		"itself": s, "a pointer": &s, "a field": open{s}, "an unexported field": closed{s}, "a pointer to a field": &closed{s}, "a list": []Secret{s}, "a map": map[string]Secret{"k": s},
		"an account": Account{Name: "a", APIKey: s}, "a pointer to an account": &Account{APIKey: s}, "an interface": []any{s, &s, closed{s}},
	}
	check := func(how, text string) {
		t.Helper()
		if strings.Contains(text, "hunter2") || strings.Contains(text, fmt.Sprintf("%x", "hunter2")) || strings.Contains(text, fmt.Sprintf("%X", "hunter2")) {
			t.Errorf("%s: %s", how, text)
		}
	}
	for what, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%T %v", "%10s", "%-20v", "%.3s", "%c", "%U", "%t", "%e", "%p"} {
			check(what+" as "+verb, fmt.Sprintf(verb, v))
		}
		check(what+" by Sprint", fmt.Sprint(v, v))
		check(what+" in an error", fmt.Errorf("bad: %v", v).Error())
		for name, h := range map[string]func(*bytes.Buffer) slog.Handler{
			"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) }, "json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
		} {
			var b bytes.Buffer
			log := slog.New(h(&b))
			log.Info("m", "v", v, slog.Group("g", "v", v))
			log.With("v", v).WithGroup("g").Info("a secret", "s", fmt.Sprint(v), "e", fmt.Errorf("%v", v))
			check(what+" in a log as "+name, b.String())
		}
		j, _ := json.Marshal(v)
		check(what+" as JSON", string(j))
		y, _ := yaml.Marshal(v)
		check(what+" as YAML", string(y))
		x, _ := xml.Marshal(v)
		check(what+" as XML", string(x))
		var g bytes.Buffer
		_ = gob.NewEncoder(&g).Encode(v)
		check(what+" as gob", g.String())
	}
	if got := fmt.Sprintf("%v|%s|%q|%#v|%d", s, s, s, s, s); got != "[secret]|[secret]|[secret]|[secret]|[secret]" {
		t.Error(got)
	}
	if j, err := json.Marshal(open{s}); err != nil || string(j) != `{"Key":"[secret]"}` {
		t.Errorf("%s, %v", j, err)
	}
}

func TestSecret(t *testing.T) {
	if s := NewSecret(hidden); s.Reveal() != hidden || s.IsZero() {
		t.Error("the value is lost")
	}
	for _, none := range []Secret{{}, NewSecret("")} {
		if !none.IsZero() || none.Reveal() != "" || none.String() != "" || fmt.Sprintf("%v%#v", none, none) != "" {
			t.Errorf("no secret is %q", none.String())
		}
		if j, err := json.Marshal(none); err != nil || string(j) != `""` {
			t.Errorf("%s, %v", j, err)
		}
	}
	copied := NewSecret(hidden)
	other := copied
	if other.Reveal() != hidden {
		t.Error("a copy holds something else")
	}
}

func TestRequestID(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_123)
	id := NewRequestID(now)
	if !id.Time().Equal(now) || id.IsZero() || !(RequestID{}).IsZero() {
		t.Errorf("%v is of %v", id, id.Time())
	}
	if s := id.String(); len(s) != 36 || !strings.HasPrefix(s, "req_") || strings.ToLower(s) != s {
		t.Errorf("%q", s)
	}
	if NewRequestID(now) == id {
		t.Error("two requests of one moment have one id")
	}
	if later := NewRequestID(now.Add(time.Millisecond)); later.String() <= id.String() {
		t.Errorf("%v does not sort after %v", later, id)
	}
	for _, s := range []string{id.String(), strings.TrimPrefix(id.String(), "req_"), " " + id.String() + "\n", "req_" + strings.ToUpper(id.String()[4:])} {
		if got, err := ParseRequestID(s); err != nil || got != id {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "req_", id.String()[:35], id.String() + "0", "req_" + strings.Repeat("g", 32), "REQ_" + id.String()[4:], "req_req_" + id.String()[8:]} {
		if got, err := ParseRequestID(s); err == nil || !got.IsZero() {
			t.Errorf("%q is taken for %v", s, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		now := time.UnixMilli(rapid.Int64Range(0, 1<<48-1).Draw(t, "now"))
		id := NewRequestID(now)
		back, err := ParseRequestID(id.String())
		if err != nil || back != id || !back.Time().Equal(now) {
			t.Fatalf("%v became %v (%v)", id, back, err)
		}
	})
}

func TestResolve(t *testing.T) {
	for _, c := range []struct {
		m     ModelMap
		asked string
		sent  string
		ok    bool
	}{
		{nil, "m", "m", true},
		{ModelMap{}, "m", "m", true},
		{ModelMap{"m": "n"}, "m", "n", true},
		{ModelMap{"m": "n"}, "M", "", false},
		{ModelMap{"m": "n"}, "mm", "", false},
		{ModelMap{"*": "n"}, "anything", "n", true},
		{ModelMap{"*": "*"}, "anything", "anything", true},
		{ModelMap{"gpt-*": "llama-*"}, "gpt-5", "llama-5", true},
		{ModelMap{"gpt-*": "llama-*"}, "gpt-", "llama-", true},
		{ModelMap{"gpt-*": "llama-*"}, "gpt", "", false},
		{ModelMap{"*-mini": "small/*"}, "gpt-mini", "small/gpt", true},
		{ModelMap{"a*a": "x*"}, "a", "", false}, // the parts may not overlap
		{ModelMap{"a*a": "x*"}, "aa", "x", true},
		{ModelMap{"gpt-5": "exact", "gpt-*": "p", "*": "all"}, "gpt-5", "exact", true},
		{ModelMap{"gpt-5": "exact", "gpt-*": "p", "*": "all"}, "gpt-4", "p", true},
		{ModelMap{"gpt-5": "exact", "gpt-*": "p", "*": "all"}, "o3", "all", true},
		{ModelMap{"gpt-*": "short", "gpt-5*": "long"}, "gpt-5-mini", "long", true},
		{ModelMap{"gpt-*": "p", "*-mini": "s"}, "gpt-5-mini", "p", true}, // the part before counts first
		{ModelMap{"gpt-*": "p", "gpt-*-mini": "s"}, "gpt-5-mini", "s", true},
		{ModelMap{"*i": "short", "*-mini": "long"}, "gpt-5-mini", "long", true},
		{ModelMap{"gpt-*": "p"}, "gpt-*", "p", true}, // a caller's star is a letter like others
		{ModelMap{"gpt-*": "p-*"}, "gpt-*", "p-*", true},
		{ModelMap{"x*": "*"}, "xa*b", "a*b", true},
	} {
		sent, ok := c.m.Resolve(c.asked)
		if sent != c.sent || ok != c.ok {
			t.Errorf("%v, %q: %q, %v; want %q, %v", c.m, c.asked, sent, ok, c.sent, c.ok)
		}
	}
}

// The choice is that of a plain search for the best pattern, whatever order the map is walked in.
func TestResolveProperties(t *testing.T) {
	name := rapid.StringMatching(`[ab-]{0,5}`)
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.MapOfN(rapid.OneOf(name, rapid.Map(rapid.SliceOfN(name, 2, 2), func(s []string) string { return s[0] + "*" + s[1] })), rapid.SampledFrom([]string{"x", "*", "y-*-z"}), 0, 6).Draw(t, "map")
		asked := name.Draw(t, "asked")
		sent, ok := ModelMap(m).Resolve(asked)
		type match struct {
			exact          bool
			prefix, suffix int
			sent           string
		}
		var matches []match
		for pattern, target := range m {
			if !MatchModel(pattern, asked) {
				continue
			}
			prefix, suffix, wild := strings.Cut(pattern, "*")
			if !wild {
				matches = append(matches, match{exact: true, sent: target})
				continue
			}
			star := asked[len(prefix) : len(asked)-len(suffix)]
			matches = append(matches, match{false, len(prefix), len(suffix), strings.Replace(target, "*", star, 1)})
		}
		switch {
		case len(m) == 0:
			if sent != asked || !ok {
				t.Fatalf("an empty map sends %q as %q (%v)", asked, sent, ok)
			}
			return
		case len(matches) == 0:
			if ok {
				t.Fatalf("%v sends %q as %q, which nothing matches", m, asked, sent)
			}
			return
		}
		slices.SortFunc(matches, func(a, b match) int {
			switch {
			case a.exact != b.exact:
				if a.exact {
					return -1
				}
				return 1
			case a.prefix != b.prefix:
				return b.prefix - a.prefix
			}
			return b.suffix - a.suffix
		})
		if !ok || sent != matches[0].sent {
			t.Fatalf("%v sends %q as %q (%v), want %q", m, asked, sent, ok, matches[0].sent)
		}
		for range 3 {
			if again, _ := ModelMap(m).Resolve(asked); again != sent {
				t.Fatalf("%v sends %q as %q, and then as %q", m, asked, sent, again)
			}
		}
	})
}

func TestMatchModel(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"m", "m", true}, {"m", "mm", false}, {"", "", true}, {"*", "", true}, {"*", "x", true}, {"a*", "a", true}, {"a*", "ba", false}, {"*a", "ba", true}, {"a*b", "ab", true},
		{"ab*ba", "aba", false}, {"ab*ba", "abba", true}, {"A*", "a", false},
	} {
		if got := MatchModel(c.pattern, c.name); got != c.want {
			t.Errorf("MatchModel(%q, %q) = %v", c.pattern, c.name, got)
		}
	}
	exact := ModelMap{"a": "1", "b*": "2", "c": "3"}.Exact()
	if slices.Sort(exact); !slices.Equal(exact, []string{"a", "c"}) {
		t.Errorf("%v", exact)
	}
}

func TestKeyAllows(t *testing.T) {
	for _, c := range []struct {
		models []string
		model  string
		want   bool
	}{{nil, "m", true}, {[]string{"m"}, "m", true}, {[]string{"m"}, "n", false}, {[]string{"a", "claude-*"}, "claude-x", true}, {[]string{""}, "m", false}} {
		if got := (&Key{Models: c.models}).Allows(c.model); got != c.want {
			t.Errorf("%q, %q: %v", c.models, c.model, got)
		}
	}
}

func TestLabels(t *testing.T) {
	have := Labels{"region": "eu", "tier": ""}
	for _, c := range []struct {
		want Labels
		ok   bool
	}{{nil, true}, {Labels{}, true}, {Labels{"region": "eu"}, true}, {Labels{"region": "us"}, false}, {Labels{"region": "eu", "x": "y"}, false}, {Labels{"tier": ""}, true}, {Labels{"x": ""}, false}, {Labels{"Region": "eu"}, false}} {
		if got := have.Satisfy(c.want); got != c.ok {
			t.Errorf("%v satisfies %v: %v", have, c.want, got)
		}
	}
	if !Labels(nil).Satisfy(nil) || Labels(nil).Satisfy(Labels{"a": ""}) {
		t.Error("no labels")
	}
}

func TestError(t *testing.T) {
	cause := errors.New("cause")
	e := &Error{Kind: KindUpstream, Op: "ask", Message: "try later", Err: cause}
	if got := e.Error(); got != "ask: upstream: try later: cause" {
		t.Error(got)
	}
	if !errors.Is(e, cause) || KindOf(fmt.Errorf("wrapped: %w", e)) != KindUpstream || KindOf(cause) != KindInternal || KindOf(nil) != KindInternal {
		t.Error("kinds are lost on the way")
	}
	if got := (&Error{}).Error(); got != "internal" {
		t.Error(got)
	}
	if e := Errorf(KindInvalid, "op", "%d of %s", 1, "2"); e.Message != "1 of 2" || e.Kind != KindInvalid || e.Op != "op" {
		t.Errorf("%+v", e)
	}
	seen := map[string]bool{}
	for k := KindInternal; k <= KindDraining; k++ {
		if seen[k.String()] || k.String() == "unknown" || k.String() == "" {
			t.Errorf("kind %d is called %q", k, k)
		}
		seen[k.String()] = true
	}
	if Kind(200).String() != "unknown" {
		t.Error("a kind that does not exist has a name")
	}
}

func TestUsage(t *testing.T) {
	a := Usage{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, TierStandard, false, true}
	b := Usage{100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 102400, 204800, TierFlex, true, false}
	if a.Prompt() != 15 || a.Warm() != 14 {
		t.Errorf("prompt %d, warm %d", a.Prompt(), a.Warm())
	}
	if got, want := a.Plus(b), (Usage{101, 202, 404, 808, 1616, 3232, 6464, 12928, 25856, 51712, 103424, 206848, TierFlex, true, true}); got != want || b.Plus(a) != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// The numbers are stored in records: they never change.
func TestStoredNumbers(t *testing.T) {
	for tier, want := range map[Tier]struct {
		n    uint8
		name string
	}{TierStandard: {0, "standard"}, TierBatch: {1, "batch"}, TierFlex: {2, "flex"}, TierPriority: {3, "priority"}} {
		if got, ok := ParseTier(want.name); uint8(tier) != want.n || tier.String() != want.name || !ok || got != tier {
			t.Errorf("tier %d is %s", tier, tier)
		}
	}
	for d, want := range map[Dialect]struct {
		n    uint8
		name string
	}{DialectNone: {0, "none"}, DialectAnthropic: {1, "anthropic"}, DialectOpenAIChat: {2, "openai-chat"}, DialectOpenAIResp: {3, "openai-responses"}, DialectGeminiContent: {4, "gemini"}} {
		if uint8(d) != want.n || d.String() != want.name {
			t.Errorf("%d %s, want %d %s", d, d, want.n, want.name)
		}
	}
	if OriginFile != 1 || OriginAPI != 2 || OriginFile.String() != "file" || OriginAPI.String() != "api" || Origin(0).String() != "unknown" {
		t.Error("origins")
	}
	var s SessionID
	if !s.IsZero() || s.String() != strings.Repeat("0", 32) || (SessionID{15: 1}).IsZero() {
		t.Error("session ids")
	}
}
