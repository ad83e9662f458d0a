package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"turnout/internal/admin"
	"turnout/internal/app"
	"turnout/internal/gateway"
)

type explainCommand struct {
	Route  explainRouteCommand  `cmd:"" help:"Show where a request would go now, and why, with every account and its score."`
	Limits explainLimitsCommand `cmd:"" help:"Show how long an upstream may take, and where each limit comes from."`
}

type explainLimitsCommand struct {
	configFlags
	Pool      string `help:"Of this pool; by default the first." placeholder:"NAME"`
	Model     string `short:"m" help:"For requests that ask for this model; what was learnt is learnt by model." placeholder:"NAME"`
	WholeJSON bool   `name:"whole" help:"For a JSON answer; by default for a stream."`
	Effort    string `help:"Reasoning that the request asks for: none, some or high." enum:"none,some,high" default:"none"`
	Input     int64  `help:"Input tokens of the request." default:"2000" placeholder:"TOKENS"`
	Cached    int64  `help:"How many of them are in the account's prompt cache." placeholder:"TOKENS"`
	MaxTokens int64  `help:"Max tokens that the request states; 0: none." placeholder:"TOKENS"`
	JSON      bool   `help:"Print JSON; times are in nanoseconds."`
}

// Run asks the gateway that runs on the configuration's data directory; where none does, it explains the file.
func (c explainLimitsCommand) Run(s *session) error {
	cfg, _, err := c.loadElsewhere(s)
	if err != nil {
		return err
	}
	q := url.Values{
		"pool": {c.Pool}, "model": {c.Model}, "json": {strconv.FormatBool(c.WholeJSON)}, "effort": {c.Effort},
		"input": {strconv.FormatInt(c.Input, 10)}, "cached": {strconv.FormatInt(c.Cached, 10)}, "max_tokens": {strconv.FormatInt(c.MaxTokens, 10)},
	}
	var answer gateway.LimitsAnswer
	running := true
	if _, missing := app.FindRunning(cfg.DataDir); missing != nil {
		running = false
		answer, err = app.ExplainLimits(cfg, q)
	} else {
		var a admin.Answer
		if a, err = callAdmin(s.ctx, cfg.DataDir, http.MethodGet, admin.LimitsPath+"?"+q.Encode()); err == nil {
			if a.Error != "" {
				return errors.New(a.Error)
			}
			err = json.Unmarshal(a.Data, &answer)
		}
	}
	if err != nil {
		return err
	}
	if c.JSON {
		enc := json.NewEncoder(s.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(answer)
	}
	_, err = s.Stdout.Write([]byte(c.text(&answer, running)))
	return err
}

func (c *explainLimitsCommand) text(a *gateway.LimitsAnswer, running bool) string {
	var b strings.Builder
	from := "the running gateway"
	if !running {
		from = "the file; no gateway is running, so nothing is learnt yet"
	}
	fmt.Fprintf(&b, "Time limits of pool %s (from %s)\n\n", a.Pool, from)
	t := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintln(t, "LIMIT\tVALUE\tFROM\tWHAT IT LIMITS")
	for _, l := range a.Settings {
		origin := "default"
		if l.Value != l.Default {
			origin = "pool (default " + short(l.Default) + ")"
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", l.Name, short(l.Value), origin, l.Help)
	}
	_ = t.Flush() // into memory
	kind := "a stream"
	if c.WholeJSON {
		kind = "a JSON answer"
	}
	fmt.Fprintf(&b, "\nWhat holds for %s of %s with %d input tokens", kind, orAny(c.Model), c.Input)
	if c.Cached > 0 {
		fmt.Fprintf(&b, " (%d cached)", c.Cached)
	}
	if c.MaxTokens > 0 {
		fmt.Fprintf(&b, ", %d max tokens", c.MaxTokens)
	}
	fmt.Fprintf(&b, " and %s reasoning:\n", map[string]string{"none": "no", "some": "some", "high": "high"}[c.Effort])
	if len(a.Request) == 0 {
		fmt.Fprintf(&b, "\n  no account of the pool serves %s\n", orAny(c.Model))
	}
	for i := range a.Request {
		c.request(&b, &a.Request[i])
	}
	others := slices.DeleteFunc(slices.Clone(a.Pools), func(p string) bool { return p == a.Pool })
	if len(others) > 0 {
		fmt.Fprintf(&b, "\nOther pools: --pool %s\n", strings.Join(others, ", "))
	}
	return b.String()
}

func (c *explainLimitsCommand) request(b *strings.Builder, r *gateway.LimitsRequest) {
	fmt.Fprintf(b, "\n  %s", r.Platform)
	if r.Model != "" {
		fmt.Fprintf(b, ", as %s", r.Model)
	}
	b.WriteString("\n")
	line := func(what string, d time.Duration, note string) {
		if note != "" {
			note = "  (" + note + ")"
		}
		fmt.Fprintf(b, "    %-47s %s%s\n", what, short(d), note)
	}
	learnt := fmt.Sprintf("%d of %d samples needed to learn", r.Samples, gateway.MinSamples)
	switch {
	case c.Model == "":
		learnt = "what was learnt is learnt by model: name one with --model"
	case r.Samples >= gateway.MinSamples:
		learnt = fmt.Sprintf("learnt from %d samples: p99 %s, doubled; at least %s", r.Samples, short(r.P99), short(r.SoftFloor))
	}
	if c.WholeJSON {
		line("another account is started beside it after", r.Soft, learnt)
		speed := ""
		if r.Speed > 0 {
			speed = fmt.Sprintf("the model writes %.0f tokens a second", r.Speed)
		}
		line("given up after", r.Total, speed)
		return
	}
	line("given up without an answer header after", r.FirstByte, "")
	line("another account is started beside it after", r.Soft, learnt)
	line("given up without content after", r.Content, "")
	line("given up when text is silent for", r.Text, "")
	pings := "the platform sends no pings"
	if r.Pings {
		pings = "the platform pings while it thinks"
	}
	line("given up when thinking or tools are silent for", r.Thinking, pings)
	line("given up in all after", r.Total, "")
}

func orAny(model string) string {
	if model == "" {
		return "any model"
	}
	return model
}
