package platform

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"turnout/internal/dialect/anthropic"
	"turnout/internal/dialect/gemini"
	"turnout/internal/dialect/neutral"
	"turnout/internal/dialect/openai"
	"turnout/internal/dialect/responses"
)

const translationFile = "../../docs/protocols/translation.md"

// docs/protocols/translation.md says what the codecs' tables say.
func TestTranslationDocs(t *testing.T) {
	want := translations()
	if *update {
		if err := os.MkdirAll("../../docs/protocols", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(translationFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(translationFile)
	if err != nil {
		t.Fatal(err)
	}
	if strings.ReplaceAll(string(got), "\r\n", "\n") != want {
		t.Error("docs/protocols/translation.md differs from the tables; write it anew with: go test ./internal/platform -run TestTranslationDocs -update")
	}
}

// Every rule that does not carry says why, in words that fit into a header, and no table is empty.
func TestTranslationTables(t *testing.T) {
	for _, c := range codecs {
		others := 0
		for f, rule := range c.Table() {
			name := neutral.Feature(f).String()
			if name == "" {
				t.Errorf("feature %d has no name", f)
			}
			if rule.How != neutral.Carried {
				others++
				if rule.Why == "" {
					t.Errorf("%s: %s is %s, and nothing says why", c.ID(), name, rule.How)
				}
			}
			if strings.IndexFunc(rule.Why, func(r rune) bool { return r < 0x20 || r > 0x7e }) >= 0 {
				t.Errorf("%s: %s: %q does not fit into a header", c.ID(), name, rule.Why)
			}
		}
		if others < 5 {
			t.Errorf("%s carries nearly everything", c.ID())
		}
	}
}

var codecs = []neutral.Codec{anthropic.Dialect{}, openai.Dialect{}, responses.Dialect{}, gemini.Dialect{}}

func translations() string {
	var b strings.Builder
	b.WriteString(`# What a translation carries

Printed from the codecs' tables; do not edit. Write it anew with

    go test ./internal/platform -run TestTranslationDocs -update

Where a caller and an account speak the same dialect nothing is translated: the bytes pass as they came. Where they do not, the request
goes through one neutral form into the account's dialect, and this is what becomes of each feature there:

- **carried**: it means the same there;
- **adapted**: it is said in another way, and the answer's header x-turnout-warning says so;
- **dropped**: it is left out, and x-turnout-warning says so;
- **refused**: without it the answer would be another one, so the request goes to an account that knows it, and where there is none the
  caller gets a 400 that says why.

What depends on the model as well (the oldest models know fewer of these) is told in the warning of the request itself.

What it costs: between an upstream's first event with content and the caller's, translation adds 3 to 8 µs, all that stands before it in the stream
included, whichever the two dialects are. Before the first byte goes upstream a request is read and written anew: 0.05 to 0.07 ms for
one of 5 KB, 2 to 3 ms for an agent's of 250 KB. (go test ./internal/dialect/neutral -run NONE -bench 'FirstContent|Translate/', on two shared cores.)

`)
	b.WriteString("| feature | Messages | Chat Completions | Responses | Gemini |\n|---|---|---|---|---|\n")
	for f := range neutral.NumFeatures {
		fmt.Fprintf(&b, "| %s |", f)
		for _, c := range codecs {
			rule := c.Table()[f]
			cell := rule.How.String()
			if rule.Why != "" {
				cell += ": " + strings.ReplaceAll(rule.Why, "|", `\|`)
			}
			fmt.Fprintf(&b, " %s |", cell)
		}
		b.WriteString("\n")
	}
	return b.String()
}
