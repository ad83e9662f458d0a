package cli

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"text/tabwriter"
	"time"

	"turnout/internal/admin"
	"turnout/internal/store"
)

// monthCommands are those of the ledger that are about months.
type monthCommands struct {
	Close     ledgerCloseCommand     `cmd:"" help:"Freeze a month that is over. It never changes again."`
	Statement ledgerStatementCommand `cmd:"" help:"Print what a team used in a month."`
	Reconcile ledgerReconcileCommand `cmd:"" help:"Compare the books with a provider's usage export or invoice."`
}

type ledgerCloseCommand struct {
	configFlags
	Month string `arg:"" help:"The month, such as 2026-11; in UTC."`
	Team  string `help:"Only this team's." placeholder:"NAME" xor:"who" required:""`
	All   bool   `help:"Of all teams whose month is open, and of what belongs to no team." xor:"who" required:""`
	JSON  bool   `help:"Print a JSON array."`
}

// Run closes a month.
func (c ledgerCloseCommand) Run(s *session) error {
	o, err := c.openObjects(s)
	if err != nil {
		return err
	}
	var closed []admin.Closed
	if err := errors.Join(o.ask(s.ctx, http.MethodPost, admin.ClosePath(c.Month), admin.CloseMonth{Team: c.Team, All: c.All}, &closed), o.Close()); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.Stdout, closed)
	}
	t := tabwriter.NewWriter(s.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "TEAM\tMONTH\tREQUESTS\tCHARGED\tHASH")
	for _, m := range closed {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%.16s\n", dash(m.Team), m.Month, m.Requests, cents(m.Charged), m.Hash)
	}
	return t.Flush()
}

type ledgerStatementCommand struct {
	configFlags
	Team  string `arg:"" help:"The team; '-' is what belongs to no team."`
	Month string `arg:"" help:"The month, such as 2026-11; in UTC."`
	JSON  bool   `help:"Print JSON; money is in nano-USD." xor:"form"`
	CSV   bool   `help:"Print CSV, one line for each user, key, model and set of tags; money is in nano-USD." xor:"form"`
}

// Run prints a statement.
func (c ledgerStatementCommand) Run(s *session) error {
	records, err := c.open(s)
	if err != nil {
		return err
	}
	defer func() { _ = records.Close() }()
	team := c.Team
	if team == "-" {
		team = ""
	}
	st, err := records.Statement(s.ctx, team, c.Month)
	if err != nil {
		return err
	}
	switch {
	case c.JSON:
		return printJSON(s.Stdout, st)
	case c.CSV:
		return statementCSV(s.Stdout, st)
	}
	return statementTable(s.Stdout, st)
}

// statementCSV writes the lines, then the parts of fixed prices; the column kind tells them apart.
func statementCSV(w io.Writer, st *store.Statement) error {
	out := csv.NewWriter(w)
	head := []string{"kind", "team", "month", "state", "user", "key", "model", "tags"}
	sums := reflect.TypeFor[store.StatementSums]()
	for i := range sums.NumField() {
		head = append(head, sums.Field(i).Tag.Get("json"))
	}
	_ = out.Write(append(head, "account", "fixed_nano_usd", "shadow_nano_usd", "share_nano_usd")) // Flush tells
	state := statementState(st)
	write := func(kind string, of []string, sums store.StatementSums, flat []string) {
		row := append([]string{kind, st.Team, st.Month, state}, of...)
		v := reflect.ValueOf(sums)
		for j := range v.NumField() {
			row = append(row, strconv.FormatInt(v.Field(j).Int(), 10))
		}
		_ = out.Write(append(row, flat...))
	}
	for _, l := range st.Lines {
		write("usage", []string{l.User, l.Key, l.Model, l.Tags}, l.StatementSums, []string{"", "0", "0", "0"})
	}
	for _, f := range st.Flat {
		n := func(v int64) string { return strconv.FormatInt(v, 10) }
		write("flat", []string{"", "", "", ""}, store.StatementSums{}, []string{f.Account, n(int64(f.Fixed)), n(int64(f.Shadow)), n(int64(f.Share))})
	}
	out.Flush()
	return out.Error()
}

func statementState(st *store.Statement) string {
	if st.Provisional {
		return "provisional"
	}
	return "closed"
}

func statementTable(w io.Writer, st *store.Statement) error {
	team := st.Team
	if team == "" {
		team = "(no team)"
	}
	if st.Provisional {
		_, _ = fmt.Fprintf(w, "%s, %s: provisional, the month is not closed and may change\n", team, st.Month)
	} else {
		_, _ = fmt.Fprintf(w, "%s, %s: closed at %s, hash %s\n", team, st.Month, st.Closed.Format(time.RFC3339), st.Hash)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "USER\tKEY\tMODEL\tTAGS\tREQUESTS\tINPUT\tCACHED\tWRITTEN\tOUTPUT\tCHARGED\tCOST\tLOST")
	line := func(of [4]string, s *store.StatementSums) {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t%s\n", of[0], of[1], of[2], of[3], s.Requests, s.Input, s.CacheRead, s.CacheWrite, s.Output,
			cents(s.Charged), cents(s.Cost), cents(s.Lost))
	}
	for i := range st.Lines {
		l := &st.Lines[i]
		line([4]string{dash(l.User), dash(l.Key), dash(l.Model), dash(l.Tags)}, &l.StatementSums)
	}
	line([4]string{"total"}, &st.Totals)
	if err := t.Flush(); err != nil || len(st.Flat) == 0 {
		return err
	}
	_, _ = fmt.Fprintln(w, "\nAccounts with a fixed price; what was used there is a shadow at list prices:")
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "ACCOUNT\tPRICE\tSHADOW\tOF-ALL\tSHARE")
	for _, f := range st.Flat {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", f.Account, cents(f.Fixed), cents(f.Shadow), cents(f.All), cents(f.Share))
	}
	return t.Flush()
}
