package cli

import (
	"encoding/csv"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"turnout/internal/app"
	"turnout/internal/domain"
)

type usageCommand struct {
	Show   usageShowCommand   `cmd:"" default:"withargs" help:"Add up what was used and what it cost (the default)."`
	Export usageExportCommand `cmd:"" help:"Write every request with what it used and cost, the oldest first."`
}

type usageShowCommand struct {
	configFlags
	By      string   `help:"What to add it up by, with commas between several: team, user, key, pool, account, model, tag, tag:NAME, hour, day, month." placeholder:"LIST"`
	Since   string   `help:"From then on: a day, a moment, or how long ago, such as 30d or 12h." default:"30d" placeholder:"WHEN"`
	Until   string   `help:"Until then; by default now." placeholder:"WHEN"`
	Team    string   `help:"Only this team's." placeholder:"NAME"`
	User    string   `help:"Only this user's." placeholder:"NAME"`
	Key     string   `help:"Only this key's." placeholder:"NAME"`
	Pool    string   `help:"Only this pool's." placeholder:"NAME"`
	Account string   `help:"Only what this account answered." placeholder:"NAME"`
	Model   string   `help:"Only this model's, by the name it was sent with." placeholder:"NAME"`
	Tag     []string `help:"Only with this tag; may be given several times." placeholder:"NAME=VALUE"`
	Limit   int      `short:"n" help:"At most so many rows; what they leave out is in the total. 0: all." default:"0"`
	JSON    bool     `help:"Print JSON; money is in nano-USD." xor:"form"`
	CSV     bool     `help:"Print CSV; money is in nano-USD." xor:"form"`
}

// Run adds usage up.
func (c usageShowCommand) Run(s *session) error {
	ask, err := app.ParseUsage(c.By, c.Since, c.Until, time.Now())
	if err != nil {
		return err
	}
	ask.Team, ask.User, ask.Key, ask.Pool, ask.Account, ask.Model, ask.Tags, ask.Limit = c.Team, c.User, c.Key, c.Pool, c.Account, c.Model, c.Tag, c.Limit
	records, err := c.open(s)
	if err != nil {
		return err
	}
	defer func() { _ = records.Close() }()
	report, err := records.Usage(s.ctx, ask)
	if err != nil {
		return err
	}
	switch {
	case c.JSON:
		return printJSON(s.Stdout, report)
	case c.CSV:
		return usageCSV(s.Stdout, report)
	}
	return usageTable(s.Stdout, report)
}

func usageCSV(w io.Writer, r *app.UsageReport) error {
	out := csv.NewWriter(w)
	head := append([]string{}, r.By...)
	sums := reflect.TypeFor[app.UsageSums]()
	for i := range sums.NumField() {
		head = append(head, sums.Field(i).Tag.Get("json"))
	}
	_ = out.Write(append(head, "flat", "fixed_nano_usd")) // Flush tells
	for i := range r.Rows {
		row := append([]string{}, r.Rows[i].By...)
		v := reflect.ValueOf(r.Rows[i].UsageSums)
		for j := range v.NumField() {
			row = append(row, strconv.FormatInt(v.Field(j).Int(), 10))
		}
		_ = out.Write(append(row, strconv.FormatBool(r.Rows[i].Flat), strconv.FormatInt(int64(r.Rows[i].Fixed), 10)))
	}
	out.Flush()
	return out.Error()
}

func usageTable(w io.Writer, r *app.UsageReport) error {
	if len(r.Rows) == 0 {
		_, err := fmt.Fprintln(w, "nothing was used")
		return err
	}
	flat := false
	for i := range r.Rows {
		flat = flat || r.Rows[i].Flat
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	head := append([]string{}, r.By...)
	head = append(head, "requests", "input", "cached", "written", "output", "charged", "written-off", "switched", "cost", "lost", "margin")
	if flat {
		head = append(head, "fixed")
	}
	_, _ = fmt.Fprintln(t, strings.ToUpper(strings.Join(head, "\t")))
	line := func(by []string, u *app.UsageSums, isFlat bool, fixed domain.NanoUSD) {
		cells := make([]string, 0, len(head))
		for _, v := range by {
			cells = append(cells, dash(v))
		}
		for _, n := range []int64{u.Requests, u.Input, u.CacheRead, u.CacheWrite, u.Output} {
			cells = append(cells, strconv.FormatInt(n, 10))
		}
		for _, m := range []domain.NanoUSD{u.Charged, u.WrittenOff, u.Switched, u.Cost, u.Lost, u.Margin} {
			cells = append(cells, cents(m))
		}
		if isFlat {
			cells[len(cells)-3] += " (shadow)"
			cells = append(cells, cents(fixed))
		}
		_, _ = fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	for i := range r.Rows {
		line(r.Rows[i].By, &r.Rows[i].UsageSums, r.Rows[i].Flat, r.Rows[i].Fixed)
	}
	if len(r.By) > 0 {
		total := make([]string, len(r.By))
		total[0] = "total"
		if r.More > 0 {
			total[0] = fmt.Sprintf("total (%d rows more)", r.More)
		}
		line(total, &r.Totals, false, 0)
	}
	return t.Flush()
}

// cents is an amount for a table: to a hundredth of a cent, half up; exact amounts are in --json.
func cents(n domain.NanoUSD) string {
	const unit = 100_000
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	n = (n + unit/2) / unit
	return fmt.Sprintf("%s$%d.%04d", sign, n/10_000, n%10_000)
}

type usageExportCommand struct {
	configFlags
	Since  string `help:"Requests that arrived from then on: a day, a moment, or how long ago." required:"" placeholder:"WHEN"`
	Until  string `help:"Until then; by default now." placeholder:"WHEN"`
	Format string `help:"csv or jsonl." enum:"csv,jsonl" default:"csv"`
}

// Run streams requests.
func (c usageExportCommand) Run(s *session) error {
	ask, err := app.ParseUsage("", c.Since, c.Until, time.Now())
	if err != nil {
		return err
	}
	records, err := c.open(s)
	if err != nil {
		return err
	}
	defer func() { _ = records.Close() }()
	return records.Export(s.ctx, s.Stdout, ask.Since, ask.Until, c.Format == "jsonl")
}
