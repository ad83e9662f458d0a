package sim

import (
	"go/parser"
	"go/token"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		words string
		want  Behaviour
	}{
		{"", Behaviour{}},
		{"claude-sonnet-4-5", Behaviour{}},
		{"gpt-4o-mini", Behaviour{}},
		{"deepseek-r1-0528-think-nano-d-n", Behaviour{}},
		{"sk-ant-api03-AbCdEf", Behaviour{}},
		{"fail", Behaviour{}},
		{"fail99", Behaviour{}},
		{"fail600", Behaviour{}},
		{"fail429x0", Behaviour{}},
		{"fail429x", Behaviour{}},
		{"fail429xx2", Behaviour{}},
		{"hang5", Behaviour{}},
		{"n5x2", Behaviour{}},
		{"n9999999999", Behaviour{}},
		{"org", Behaviour{}},
		{"org-acme-n3", Behaviour{Organization: "acme", Chunks: 3}},
		{"org-n3", Behaviour{Organization: "n3"}},
		{"n0", Behaviour{Chunks: -1}},
		{"n7-d8-ttft9-headersthen10-think11-ping12-trickle", Behaviour{
			Chunks: 7, Delay: 8 * time.Millisecond, FirstByte: 9 * time.Millisecond, FirstToken: 10 * time.Millisecond,
			Think: 11 * time.Millisecond, PingEvery: 12 * time.Millisecond, Trickle: 3,
		}},
		{"gzip-unified-refusal-noprefill-goaway-trickle5", Behaviour{Gzip: true, Unified: 50, Refusal: true, NoPrefill: true, GoAway: true, Trickle: 5}},
		{"fail429x3-ra2", Behaviour{Faults: []Fault{{Kind: Status, Status: 429, Times: 3, RetryAfter: 2 * time.Second}}}},
		{"ra2-fail429", Behaviour{Faults: []Fault{{Kind: Status, Status: 429, RetryAfter: 2 * time.Second}}}},
		{"fail429-ram250", Behaviour{Faults: []Fault{{Kind: Status, Status: 429, RetryAfter: 250 * time.Millisecond}}}},
		{"fail429-rad3", Behaviour{Faults: []Fault{{Kind: Status, Status: 429, RetryAfter: 3 * time.Second, RetryDate: true}}}},
		{"fail429-window60", Behaviour{Faults: []Fault{{Kind: Status, Status: 429, Window: time.Minute}}}},
		{"auth401-perm403x1-overloaded529", Behaviour{Faults: []Fault{{Kind: Status, Status: 401}, {Kind: Status, Status: 403, Times: 1}, {Kind: Status, Status: 529}}}},
		{"unified5h-unified7d60x2", Behaviour{Faults: []Fault{{Kind: Unified5h}, {Kind: Unified7d, Window: time.Minute, Times: 2}}}},
		{"cut40x1-stall", Behaviour{Faults: []Fault{{Kind: Cut, After: 40, Times: 1}, {Kind: Stall}}}},
		{"errevent3-es429-fail500", Behaviour{Faults: []Fault{{Kind: ErrorEvent, After: 3, Status: 429}, {Kind: Status, Status: 500}}}},
		{"errstart-es503", Behaviour{Faults: []Fault{{Kind: ErrorEvent, Started: true, Status: 503}}}},
		{"flap500", Behaviour{Flap: 500 * time.Millisecond, Faults: []Fault{{Kind: Status, Status: 503}}}},
		{"trickle1-drip1000-compose60000-frag9-args70", Behaviour{Trickle: 1, Drip: time.Second, Compose: time.Minute, Fragment: 9, Arguments: 70}},
		{"fail503-after2", Behaviour{Sound: 2, Faults: []Fault{{Kind: Status, Status: 503}}}},
		{"fail503-down60000-share70", Behaviour{Down: time.Minute, Share: 70, Faults: []Fault{{Kind: Status, Status: 503}}}},
		{"flap500-reset", Behaviour{Flap: 500 * time.Millisecond, Faults: []Fault{{Kind: Reset}}}},
	} {
		if got := Parse(c.words); !reflect.DeepEqual(got, c.want) {
			t.Errorf("Parse(%q)\n= %+v, want\n  %+v", c.words, got, c.want)
		}
	}
}

// FuzzParse: whatever a name holds, the behaviour is within what the grammar can
// say, and words do not depend on the order of what surrounds them.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "-", "sk-sim-a-fail429x3-ra2", "org-", "n-0-d", "unified5h60x2", "cut99999999999", "fail4290x1", "\xff-hang-x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b := Parse(s)
		for _, d := range []time.Duration{b.Delay, b.FirstByte, b.FirstToken, b.Think, b.PingEvery, b.Flap} {
			if d < 0 || d > 1e9*time.Millisecond {
				t.Errorf("duration %s", d)
			}
		}
		if b.Trickle < 0 || b.Unified < 0 || b.Chunks < -1 {
			t.Errorf("negative: %+v", b)
		}
		for _, x := range b.Faults {
			if x.Kind == None || int(x.Kind) >= len(kindNames) || x.After < 0 || x.Times < 0 || x.RetryAfter < 0 || x.Window < 0 {
				t.Errorf("fault %+v", x)
			}
			if (x.Kind == Status || x.Kind == Page) && (x.Status < 300 || x.Status > 599) {
				t.Errorf("status %d", x.Status)
			}
		}
		if !reflect.DeepEqual(b, Parse("zzz-"+s)) {
			t.Errorf("%q means something else behind a name", s)
		}
	})
}

// TestEveryKindHasAWord, and every word stands in the package's comment and in
// the printed table.
func TestEveryKindHasAWord(t *testing.T) {
	reachable := map[FaultKind]bool{None: true}
	for _, w := range words {
		if (w.set == nil) == (w.fault == nil) {
			t.Errorf("word %q: want one of set and fault", w.name)
		}
		if w.fault != nil {
			reachable[w.fault(500).Kind] = true
		}
	}
	for k := range kindNames {
		if !reachable[FaultKind(k)] {
			t.Errorf("no word asks for %s", FaultKind(k))
		}
	}

	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	if err := WriteWords(&printed); err != nil {
		t.Fatal(err)
	}
	split := func(r rune) bool { return strings.ContainsRune(" \t\n[<", r) }
	for where, text := range map[string]string{"doc.go": file.Doc.Text(), "the printed table": printed.String()} {
		have := strings.FieldsFunc(text, split)
		for _, w := range words {
			if !slices.Contains(have, w.name) {
				t.Errorf("%s lacks the word %q", where, w.name)
			}
		}
		for _, m := range modifiers {
			if !slices.Contains(have, m.name) {
				t.Errorf("%s lacks the modifier %q", where, m.name)
			}
		}
	}
}

// TestKindNames: every kind has a name, and no two share it.
func TestKindNames(t *testing.T) {
	seen := map[string]bool{}
	for k := None; k <= BadGzip; k++ {
		name := k.String()
		if name == "" || name == "invalid" || seen[name] {
			t.Errorf("kind %d is called %q", k, name)
		}
		seen[name] = true
	}
	if got := FaultKind(255).String(); got != "invalid" {
		t.Errorf("an unknown kind is called %q", got)
	}
}

// TestText: pieces make the text, texts are prefixes of one another, and the
// numbered pieces tell places apart.
func TestText(t *testing.T) {
	for range 200 {
		m, n := rand.IntN(300), rand.IntN(300)
		short, long := Text(min(m, n)), Text(max(m, n))
		if !strings.HasPrefix(long, short) || long != join(pieces(max(m, n))) {
			t.Fatalf("Text(%d) and Text(%d) do not belong together", m, n)
		}
	}
	if !strings.Contains(Text(20), "number 2. ") || strings.Contains(Text(19), "number 2. ") {
		t.Errorf("Text(20) = %q", Text(20))
	}
	if join(thoughts) != Thought {
		t.Errorf("the thoughts say %q", join(thoughts))
	}
}
