package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"turnout/internal/app"
	"turnout/internal/domain"
)

type requestsCommand struct {
	List requestsListCommand `cmd:"" help:"List requests, the newest first."`
	Show requestsShowCommand `cmd:"" help:"Tell the story of one request, attempt by attempt."`
}

type requestsListCommand struct {
	configFlags
	Key     string        `help:"Only those of this key." placeholder:"NAME"`
	Account string        `help:"Only those that this account answered." placeholder:"NAME"`
	Model   string        `help:"Only those that asked for this model." placeholder:"NAME"`
	Outcome string        `help:"Only this outcome: ok, failed, cut, canceled or refused." placeholder:"OUTCOME"`
	Failed  bool          `help:"Only those that did not end well."`
	Since   time.Duration `help:"Only the last so long, e.g. 2h." placeholder:"DURATION"`
	Before  string        `help:"Only those before this request: the next page." placeholder:"ID"`
	Limit   int           `short:"n" help:"At most so many." default:"20"`
	JSON    bool          `help:"One JSON object a line."`
}

// Run lists requests.
func (c requestsListCommand) Run(s *session) error {
	records, err := c.open(s)
	if err != nil {
		return err
	}
	defer func() { _ = records.Close() }()
	f := app.RecordFilter{Key: c.Key, Account: c.Account, Model: c.Model, Outcome: c.Outcome, Failed: c.Failed, Limit: c.Limit}
	if c.Since > 0 {
		f.Since = time.Now().Add(-c.Since)
	}
	if c.Before != "" {
		if f.Before, err = domain.ParseRequestID(c.Before); err != nil {
			return err
		}
	}
	rows, err := records.List(s.ctx, f)
	if err != nil {
		return err
	}
	if c.JSON {
		enc := json.NewEncoder(s.Stdout)
		for i := range rows {
			if err := enc.Encode(summaryJSON(&rows[i])); err != nil {
				return err
			}
		}
		return nil
	}
	if len(rows) == 0 {
		_, err := fmt.Fprintln(s.Stdout, "no requests")
		return err
	}
	t := tabwriter.NewWriter(s.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "TIME\tREQUEST\tKEY\tMODEL\tACCOUNT\tOUTCOME\tSTATUS\tTRIES\tFIRST\tTOTAL\tIN\tOUT")
	for i := range rows {
		r := &rows[i]
		first := "-"
		if r.TTFT > 0 {
			first = short(r.TTFT)
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\t%d\t%d\n", r.ID.Time().Local().Format("01-02 15:04:05"), r.ID, dash(r.KeyName),
			dash(r.Model), dash(r.AccountName), outcomeText(r), r.Status, r.Attempts, first, short(r.Total), r.Usage.Prompt(), r.Usage.Output)
	}
	return t.Flush()
}

func (f configFlags) open(s *session) (*app.Records, error) {
	cfg, _, err := f.loadElsewhere(s)
	if err != nil {
		return nil, err
	}
	return app.OpenRecords(s.ctx, cfg.DataDir)
}

func outcomeText(r *app.Summary) string {
	if r.ClassName == "" {
		return r.Outcome.String()
	}
	return r.Outcome.String() + " (" + r.ClassName + ")"
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// short is a duration with about three digits.
func short(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(10 * time.Millisecond).String()
	}
	s := d.Round(time.Second).String()
	if rest, ok := strings.CutSuffix(s, "m0s"); ok {
		s = rest + "m" // 2m0s
		if strings.HasSuffix(rest, "h0") {
			s = strings.TrimSuffix(rest, "0") // 1h0m0s
		}
	}
	return s
}

// summaryJSON is a record for scripts: names that stay, times in milliseconds.
func summaryJSON(r *app.Summary) map[string]any {
	return map[string]any{
		"id": r.ID.String(), "time": r.ID.Time().UTC().Format(time.RFC3339Nano), "key": r.KeyName, "pool": r.PoolName, "account": r.AccountName,
		"model": r.Model, "dialect": r.Dialect.String(), "stream": r.Stream, "outcome": r.Outcome.String(), "class": r.ClassName,
		"status": r.Status, "attempts": r.Attempts, "first_ms": r.TTFT.Milliseconds(), "total_ms": r.Total.Milliseconds(), "wait_ms": r.Wait.Milliseconds(),
		"bytes_in": r.BytesIn, "bytes_out": r.BytesOut,
		"usage": map[string]int64{
			"input": r.Usage.Input, "cache_read": r.Usage.CacheRead, "cache_write_5m": r.Usage.CacheWrite5m, "cache_write_1h": r.Usage.CacheWrite1h,
			"output": r.Usage.Output, "reasoning": r.Usage.Reasoning,
		},
	}
}

type requestsShowCommand struct {
	configFlags
	ID   string `arg:"" help:"The request id, as in the header x-turnout-request-id."`
	JSON bool   `help:"The record and its trace as JSON."`
}

// Run tells a request's story.
func (c requestsShowCommand) Run(s *session) error {
	id, err := domain.ParseRequestID(c.ID)
	if err != nil {
		return err
	}
	records, err := c.open(s)
	if err != nil {
		return err
	}
	defer func() { _ = records.Close() }()
	r, err := records.Find(s.ctx, id)
	if err != nil {
		return err
	}
	if c.JSON {
		out := summaryJSON(&r)
		if r.Cost != nil {
			out["cost"] = costJSON(r.Cost)
		}
		if len(r.Trace) > 0 {
			out["trace"] = json.RawMessage(r.Trace)
		}
		enc := json.NewEncoder(s.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(out)
	}
	return story(s.Stdout, &r, records.Account)
}

// story writes a record for a person.
func story(w io.Writer, r *app.Summary, account func(domain.AccountID) string) error {
	var b strings.Builder
	stream := "JSON"
	if r.Stream {
		stream = "stream"
	}
	fmt.Fprintf(&b, "%s\n", r.ID)
	fmt.Fprintf(&b, "  %s · key %s · pool %s · %s · %s, %s\n", r.ID.Time().Local().Format("2006-01-02 15:04:05.000"), dash(r.KeyName), dash(r.PoolName), dash(r.Model), r.Dialect, stream)
	fmt.Fprintf(&b, "  %s, status %d, after %s", outcomeText(r), r.Status, short(r.Total))
	if r.TTFT > 0 {
		fmt.Fprintf(&b, " (first content after %s)", short(r.TTFT))
	}
	if r.Wait > 0 {
		fmt.Fprintf(&b, ", %s of it waiting", short(r.Wait))
	}
	fmt.Fprintf(&b, "\n  %d bytes in, %d bytes out\n", r.BytesIn, r.BytesOut)
	if r.Usage.Reported {
		fmt.Fprintf(&b, "  tokens: %s\n", usageText(r.Usage))
	}
	if r.Cost != nil {
		b.WriteString(costText(r.Cost))
	}
	switch {
	case len(r.Trace) == 0:
		b.WriteString("\n  The decision trace is gone: traces are kept for trace_retention only.\n")
	default:
		t, err := readTrace(r.Trace)
		if err != nil {
			return err
		}
		t.write(&b, account)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func usageText(u domain.Usage) string {
	var parts []string
	for _, p := range []struct {
		n    int64
		what string
	}{
		{u.Input, "input"}, {u.CacheRead, "read from cache"}, {u.CacheWrite5m, "written to cache (5 min)"}, {u.CacheWrite1h, "written to cache (1 h)"}, {u.Output, "output"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	if u.Reasoning > 0 {
		parts = append(parts, fmt.Sprintf("%d of the output were reasoning", u.Reasoning))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}
