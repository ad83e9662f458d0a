package cli

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"turnout/internal/config"
	"turnout/internal/domain"
)

// colourful: a person looks at w, on a terminal that understands bold type
// (NO_COLOR as on no-color.org).
func colourful(w io.Writer, env config.Env) bool {
	f, ok := w.(*os.File)
	if !ok || runtime.GOOS == "windows" {
		return false
	}
	if v, _ := env("NO_COLOR"); v != "" {
		return false
	}
	if v, _ := env("TERM"); v == "" || v == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (p *demoPrinter) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

// strong is text that the eye should find first.
func (p *demoPrinter) strong(s string) string {
	if !p.bold {
		return s
	}
	return "\x1b[1m" + s + "\x1b[0m"
}

func (p *demoPrinter) intro(w *demoWorld, addr string) {
	p.printf("%s\n\n", p.strong("Turnout demo: one gateway, ten upstream accounts, most of them failing. Nothing leaves this machine."))
	p.printf("  gateway   http://%s\n  key       %s\n\n%s", addr, w.key, w.table())
}

func (p *demoPrinter) heading(n int, title string) {
	p.printf("\n%s\n", p.strong(fmt.Sprintf("%d. %s", n, title)))
}

func (p *demoPrinter) note(s string) { p.printf("   %s\n", s) }

// request tells one request: what the caller got, and how.
func (p *demoPrinter) request(s *step, r *reply, tr *trace, account func(domain.AccountID) string, ok bool, cost time.Duration) {
	what := s.note
	if what == "" {
		what = "Messages, "
		if s.q.openai {
			what = "Chat Completions, "
		}
		form := "JSON, "
		if s.q.stream {
			form = "stream, "
		}
		what += form + s.q.model
	}
	got := fmt.Sprintf("%d after %s", r.status, short(r.took))
	if cost > 0 {
		got += fmt.Sprintf(", %s lost to failures", short(cost))
	}
	switch {
	case !ok:
		got = p.strong(fmt.Sprintf("NOT AS IT SHOULD BE: status %d, whole: %t, %d bytes of text", r.status, r.whole, len(r.text)))
	case s.want == brokenOff:
		got = "an error event"
	case s.want == turnedAway:
		got = fmt.Sprintf("%d, retry-after %s s", r.status, r.after)
	}
	var b strings.Builder
	tr.brief(&b, account)
	p.printf("   %s → %s\n%s", what, got, b.String())
	if r.fault != "" {
		said, _, _ := strings.Cut(r.fault, " (provider, request") // the id is in requests list
		p.printf("%s", wrapped("the caller reads: ", said))
	}
}

// wrapped breaks a text into lines that fit an ordinary terminal.
func wrapped(before, s string) string {
	const width, indent = 98, "              "
	var b strings.Builder
	line := indent + before
	for word := range strings.FieldsSeq(s) {
		if len(line)+len(word) > width {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line = indent + "  "
		}
		line += word + " "
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
	return b.String()
}

func (p *demoPrinter) summary(s *tourSummary) {
	p.printf("\n%s\n", p.strong("What it came to"))
	row := func(n any, what string, args ...any) { p.printf("  %8v  %s\n", n, fmt.Sprintf(what, args...)) }
	row(s.requests, "requests")
	row(s.answered, "whole, right answers; %d of them by the first account that was asked", s.first)
	row(s.clear, "clear errors, where nothing better could be said")
	if s.wrong > 0 {
		row(s.wrong, "%s", p.strong("did NOT end as they should have"))
	}
	row(s.attempts, "upstream attempts: %d tries again at the same account, %d switches to another", s.retries, s.switches)
	row(short(s.added), "lost to failures in all, %s for the silent account", short(s.most))
}

func (p *demoPrinter) hints(w *demoWorld, base string) {
	p.printf("\n%s\n", p.strong("Try it yourself: any claude-* or gpt-* model name is served"))
	p.printf(`
  curl, Anthropic Messages
    curl -N %[1]s/v1/messages -H 'x-api-key: %[2]s' \
      -H 'anthropic-version: 2023-06-01' -d '{"stream":true,
      "model":"claude-sim-1","max_tokens":99,"messages":[{"role":"user","content":"Hi"}]}'

  curl, OpenAI Chat Completions
    curl -N %[1]s/v1/chat/completions \
      -H 'authorization: Bearer %[2]s' -d '{"stream":true,
      "model":"gpt-sim-1","messages":[{"role":"user","content":"Hi"}]}'

  Claude Code
    ANTHROPIC_BASE_URL=%[1]s ANTHROPIC_AUTH_TOKEN=%[2]s \
      claude --model claude-sim-1

  Codex
    TURNOUT_KEY=%[2]s codex -m gpt-sim-1 -c model_provider=turnout \
      -c 'model_providers.turnout.name="Turnout"' \
      -c 'model_providers.turnout.base_url="%[1]s/v1"' \
      -c 'model_providers.turnout.env_key="TURNOUT_KEY"'

  Gemini CLI
    GOOGLE_GEMINI_BASE_URL=%[1]s GEMINI_API_KEY=%[2]s \
      gemini -m gpt-sim-1

  Python
    anthropic.Anthropic(base_url="%[1]s", api_key="%[2]s")
    openai.OpenAI(base_url="%[1]s/v1", api_key="%[2]s")

  JavaScript
    new Anthropic({ baseURL: "%[1]s", apiKey: "%[2]s" })
    new OpenAI({ baseURL: "%[1]s/v1", apiKey: "%[2]s" })

  Go
    anthropic.NewClient(option.WithBaseURL("%[1]s"),
      option.WithAPIKey("%[2]s"))
    openai.NewClient(option.WithBaseURL("%[1]s/v1"),
      option.WithAPIKey("%[2]s"))

  What became of your requests (and, with show ID, why)
    %[3]s requests list -c %[4]s
`, base, w.key, demoProgram(), w.configFile())
	p.printf("\n%s\n", p.strong("Serving at "+base+". Ctrl-C stops it and removes everything."))
}

func (p *demoPrinter) bye() { p.printf("\nStopped; nothing is left behind.\n") }

// demoProgram is how the reader can call this program again.
func demoProgram() string {
	exe, err := os.Executable()
	if err != nil || strings.Contains(exe, "go-build") {
		return "go run ./cmd/turnout"
	}
	return os.Args[0]
}

// brief tells a request's attempts in a line each.
func (t *trace) brief(b *strings.Builder, name func(domain.AccountID) string) {
	for i := range t.Attempts {
		a := &t.Attempts[i]
		fmt.Fprintf(b, "     %7s  %-10s %s\n", ms(a.Began), accountName(a.Account, name), a.brief(i+1 < len(t.Attempts)))
	}
	for _, n := range t.Notes {
		if action := text(n, 1); action == "round" || action == "give_up" {
			fmt.Fprintf(b, "     %7s  nobody is left → %s\n", ms(number(n, 0)), actionText(action, "", number(n, 3)))
		}
	}
}

// brief: followed says that another attempt came after it.
func (a *traceAttempt) brief(followed bool) string {
	var b strings.Builder
	if a.Beside {
		b.WriteString("beside it: ")
	}
	switch a.Result {
	case "served":
		b.WriteString("answers")
		if len(a.Usage) == 6 && a.Usage[1] > 0 {
			fmt.Fprintf(&b, ", %d tokens from its cache", a.Usage[1])
		} else if len(a.Usage) == 6 && a.Usage[2]+a.Usage[3] > 0 {
			fmt.Fprintf(&b, ", %d tokens into its cache", a.Usage[2]+a.Usage[3])
		}
		if a.Rule == "sticky" {
			b.WriteString(" (the session's account)")
		}
		if n := a.Counts["resting"]; n > 0 {
			fmt.Fprintf(&b, " (%d resting)", n)
		}
		return b.String()
	case "lost":
		return "says nothing; the other one was faster"
	case "left":
		return "cancelled, the caller left"
	case "differs":
		return "says something else than the caller has got"
	case "broken":
		return "breaks in the middle: " + inWords(classes, a.Class)
	}
	if a.Status > 0 && a.Status != 200 {
		fmt.Fprintf(&b, "%d, ", a.Status)
	}
	b.WriteString(inWords(classes, a.Class))
	for _, r := range a.Rests {
		if d := number(r[:], 1); d < 0 {
			b.WriteString(", rests until its key changes")
		} else {
			fmt.Fprintf(&b, ", rests for %s", ms(d))
		}
	}
	switch action := text(a.Decision, 0); {
	case action == "retry_same":
		fmt.Fprintf(&b, " → again after %s", ms(number(a.Decision, 2)))
		if r := text(a.Decision, 1); r != "same_account" {
			fmt.Fprintf(&b, " (%s)", inWords(reasons, r))
		}
	case action == "switch" && followed:
		b.WriteString(" → another account")
	}
	return b.String()
}
