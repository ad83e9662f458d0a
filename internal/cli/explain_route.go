package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"turnout/internal/admin"
	"turnout/internal/app"
	"turnout/internal/gateway"
	"turnout/internal/sched"
)

type explainRouteCommand struct {
	configFlags
	Model   string `short:"m" help:"The model that the request asks for." required:"" placeholder:"NAME"`
	Key     string `short:"k" help:"The caller's key, by its name; by default the only one." placeholder:"NAME"`
	Dialect string `help:"What the caller speaks: anthropic, openai-chat, openai-responses or gemini." enum:"anthropic,openai-chat,openai-responses,gemini" default:"anthropic"`
	Session string `help:"Of this session, named as its client names it, in a header or in the body; by default a new one." placeholder:"ID"`
	Input   int64  `help:"Input tokens of the request." default:"2000" placeholder:"TOKENS"`
	JSON    bool   `help:"Print JSON; times are in seconds."`
}

// Run asks the running gateway: what counts is what it knows now.
func (c explainRouteCommand) Run(s *session) error {
	cfg, _, err := c.loadElsewhere(s)
	if err != nil {
		return err
	}
	if _, missing := app.FindRunning(cfg.DataDir); missing != nil {
		return fmt.Errorf("no gateway runs on %s: where a request goes is decided by what the running one knows; start it with turnout serve", cfg.DataDir)
	}
	q := url.Values{"model": {c.Model}, "key": {c.Key}, "dialect": {c.Dialect}, "session": {c.Session}, "input": {strconv.FormatInt(c.Input, 10)}}
	a, err := callAdmin(s.ctx, cfg.DataDir, http.MethodGet, admin.RoutePath+"?"+q.Encode())
	if err != nil {
		return err
	}
	if a.Error != "" {
		return errors.New(a.Error)
	}
	var answer gateway.RouteAnswer
	if err = json.Unmarshal(a.Data, &answer); err != nil {
		return err
	}
	if c.JSON {
		enc := json.NewEncoder(s.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(answer)
	}
	_, err = s.Stdout.Write([]byte(routeText(&answer, time.Now())))
	return err
}

func routeText(a *gateway.RouteAnswer, now time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "A request of key %s for %s (%s) ", a.Key, a.Model, a.Dialect)
	switch {
	case a.Refused != "":
		fmt.Fprintf(&b, "would be refused now: %s.\n", a.Refused)
		if a.Account != "" {
			fmt.Fprintf(&b, "Otherwise it would go to %s: %s.\n", a.Account, inWords(rules, a.Rule))
		}
	case a.Account == "" && a.Wait == nil:
		b.WriteString("would find nobody free now.\n")
	case a.Account == "":
		b.WriteString("would find nobody free now.\n" + waitText(a.Wait, false))
	default:
		fmt.Fprintf(&b, "would go to %s: %s.\n", a.Account, inWords(rules, a.Rule))
		if a.Wait != nil {
			b.WriteString(waitText(a.Wait, true))
		}
	}
	if s := a.Bound; s != nil {
		fmt.Fprintf(&b, "Its session is bound to %s (%s)", s.Account, strings.ReplaceAll(s.Verdict, "_", " "))
		if s.Placed {
			b.WriteString(", placed there by an operator")
		}
		if s.WarmTokens > 0 {
			fmt.Fprintf(&b, ", where %d tokens are warm for another %s", s.WarmTokens, s.WarmUntil.Sub(now).Round(time.Second))
		}
		if s.Stay != 0 {
			fmt.Fprintf(&b, "; its score is %.2f s", s.Stay)
		}
		b.WriteString(".\n")
	}
	for i, w := range a.Shared {
		if i == 0 {
			b.WriteString("What the key's last conversation began with, tools and system prompt, is warm at ")
		} else {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s (%d tokens, for another %s)", w.Account, w.Tokens, w.Until.Sub(now).Round(time.Second))
		if i == len(a.Shared)-1 {
			b.WriteString(".\n")
		}
	}
	for _, p := range a.Pools {
		fmt.Fprintf(&b, "\nPool %s, by %s\n\n", p.Pool, strings.ReplaceAll(p.Strategy, "_", " "))
		t := tabwriter.NewWriter(&b, 2, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(t, "  ACCOUNT\tPRIORITY\tIN FLIGHT\tVERDICT\tSCORE\tMADE OF")
		for i := range p.Candidates {
			c := &p.Candidates[i]
			mark, flight := " ", strconv.Itoa(c.InFlight)
			if c.Chosen {
				mark = "*"
			}
			if c.Limit > 0 {
				flight += "/" + strconv.Itoa(c.Limit)
			}
			score := ""
			if len(c.Terms) > 0 {
				score = fmt.Sprintf("%.2f s", c.Score)
			}
			_, _ = fmt.Fprintf(t, "%s %s\t%d\t%s\t%s\t%s\t%s\n", mark, c.Account, c.Priority, flight, verdictText(c, now), score, termsText(c))
		}
		_ = t.Flush() // into memory
	}
	return b.String()
}

// waitText says what a request would wait for first.
func waitText(w *gateway.RouteWait, goes bool) string {
	most := time.Duration(w.Most * float64(time.Second)).Round(time.Millisecond)
	switch {
	case w.Account != "" && w.Why == sched.Full.String():
		return fmt.Sprintf("Before that it would wait up to %s for %s, its session's own, which is full.\n", most, w.Account)
	case w.Account != "":
		return fmt.Sprintf("Before that it would wait up to %s for %s, its session's own: %s.\n", most, w.Account, inWords(reasons, w.Why))
	}
	it := "It"
	if goes {
		it = "Before that it"
	}
	text := it + fmt.Sprintf(" would wait up to %s for a slot, behind %d others", most, w.Ahead)
	if w.Expect > 0 {
		text += fmt.Sprintf(", and have one in %s on the average", time.Duration(w.Expect*float64(time.Second)).Round(100*time.Millisecond))
	}
	return text + ".\n"
}

func verdictText(c *gateway.RouteCandidate, now time.Time) string {
	text := strings.ReplaceAll(c.Verdict, "_", " ")
	if c.Cause != "" {
		text += ": " + inWords(classes, c.Cause)
	}
	if c.Until != nil {
		text += ", for " + c.Until.Sub(now).Round(time.Second).String()
	}
	if c.Translated {
		text += ", translated"
	}
	if c.Model != "" {
		text += ", as " + c.Model
	}
	return text
}

// termsText names the terms in the formula's own order.
func termsText(c *gateway.RouteCandidate) string {
	var parts []string
	for i := range sched.Term(sched.NumTerms) {
		if v, ok := c.Terms[i.String()]; ok {
			parts = append(parts, fmt.Sprintf("%s %.2f", strings.ReplaceAll(i.String(), "_", " "), v))
		}
	}
	return strings.Join(parts, ", ")
}
