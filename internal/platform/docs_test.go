package platform

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"turnout/internal/failover"
)

var update = flag.Bool("update", false, "write docs/failures.md anew")

const docsFile = "../../docs/failures.md"

// docs/failures.md says what the table says.
func TestDocs(t *testing.T) {
	want := document()
	if *update {
		if err := os.MkdirAll("../../docs", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(docsFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	if strings.ReplaceAll(string(got), "\r\n", "\n") != want {
		t.Error("docs/failures.md differs from the table; write it anew with: go test ./internal/platform -run TestDocs -update")
	}
}

func document() string {
	var b strings.Builder
	b.WriteString(`# What an upstream's failure means

Printed from the table in internal/platform; do not edit. Write it anew with

    go test ./internal/platform -run TestDocs -update

A failed answer is compared with the rows in this order, and the first row that matches decides. Everything that a row
names must match. "Begins" and "is" are about the error's message, "contains" about any part of it, "named" about any name
that the upstream itself uses (type, status, code, or a detail's reason); none of them regards case. An error
inside a success has the status that its body states or implies.

The scope says whom the failure concerns; nobody means that nobody is rested for it. At the compatible platforms
"organization" is the account, because nothing says that accounts share anything there.

Where a row goes by the caller's part of a request, it rests nobody: callers can make an upstream repeat their words in an
error, and must not be able to close an account for others that way.

Stated resets (limits and quotas: the later of both columns; other momentary failures: the first column; never shortened, and
refused if not above zero or over 32 days):

| when to ask again, the first that is there | until when a window or budget is closed, the latest |
|---|---|
| retry-after-ms | anthropic-ratelimit-unified-*-reset of rejected windows (5h: at most 6 hours; 7d: at most 8 days; 7d_opus and its like only where the scope is the model), else anthropic-ratelimit-unified-reset |
| retry-after (seconds or a date) | x-codex-primary-… and x-codex-secondary-reset-after-seconds (or -reset-at) where used-percent is 100 or more |
| google.rpc.RetryInfo retryDelay | error.resets_at, error.resets_in_seconds, error.metadata.resets_at, error.metadata.headers |
| a limit or lack of capacity: "try again in 1m30.5s" and the like in the message | a violated quota of the day: midnight Pacific; enforced_spend_limit_reached: the next month, 00:00 UTC; "You have reached your specified API usage limits. You will regain access on …" as the whole message |

A duration in a message counts only in a sentence that is known of a provider (the list is in duration.go): the message begins
with the provider's words and ends with them, so that a caller's words, repeated, say nothing. It is cut at 10 minutes, or at 7
days where the upstream names a usage_limit_reached; a longer limit without a header or a member of its own is asked again.

Where neither says anything, a rate limit lasts until the latest reset of the empty buckets
(anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-reset, x-ratelimit-reset-{requests,tokens}, x-ratelimit-reset). These
say when a bucket is full again, which is later than when it lets the next request through.

| row | at | matches | class | scope | evidence |
|---|---|---|---|---|---|
`)
	for _, r := range append(table[:len(table):len(table)], fallback) {
		scope := r.Scope.String()
		if r.Scope == failover.ScopeNone {
			scope = "nobody"
		}
		where := r.Where.String()
		if r.ID == fallback.ID {
			where = Everywhere.String()
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", r.ID, where, cell(r.describe()), strings.ReplaceAll(r.Class.String(), "_", " "), strings.ReplaceAll(scope, "_", " × "), cell(r.Evidence))
	}
	return b.String()
}

func cell(s string) string {
	return strings.NewReplacer("|", "\\|", "*", "\\*", "<", "&lt;").Replace(s)
}

// describe says what a row matches.
func (r *Row) describe() string {
	var parts []string
	if r.Status != nil {
		var s []string
		for _, x := range r.Status {
			if x.From == x.To {
				s = append(s, fmt.Sprint(x.From))
			} else {
				s = append(s, fmt.Sprintf("%d–%d", x.From, x.To))
			}
		}
		parts = append(parts, strings.Join(s, ", "))
	}
	for _, x := range []struct {
		is    bool
		words string
	}{{r.InBand, "inside a success"}, {r.HTML, "a web page"}, {r.Empty, "no body"}} {
		if x.is {
			parts = append(parts, x.words)
		}
	}
	for _, x := range []struct {
		words string
		list  []string
		join  string
	}{
		{"type ", r.Types, " or "}, {"named ", r.Names, " or "}, {"is ", r.Whole, " or "}, {"begins ", r.Prefix, " or "},
		{"contains ", r.Text, " or "}, {"violated quota with ", r.Quota, " and "},
	} {
		if x.list != nil {
			parts = append(parts, x.words+"“"+strings.Join(x.list, "”"+x.join+"“")+"”")
		}
	}
	if r.Header != "" {
		parts = append(parts, "header “"+r.Header+"”")
	}
	if parts == nil {
		return "anything else"
	}
	return strings.Join(parts, "; ")
}

// String names the platforms for people.
func (w Where) String() string {
	if w == Everywhere {
		return "everywhere"
	}
	var s []string
	for _, x := range []struct {
		bit  Where
		name string
	}{{AtAnthropic, "anthropic"}, {AtOpenAI, "openai"}, {AtCompatible, "compatible"}, {AtGemini, "gemini"}} {
		if w&x.bit != 0 {
			s = append(s, x.name)
		}
	}
	return strings.Join(s, ", ")
}
