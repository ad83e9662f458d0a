package cli

import (
	"fmt"
	"os"
	"text/tabwriter"

	"turnout/internal/app"
	"turnout/internal/domain"
)

type ledgerReconcileCommand struct {
	configFlags
	Files     []string `arg:"" name:"file" help:"What the provider says: pages of OpenAI's organization usage or costs or of Anthropic's usage or cost report in JSON, or a CSV (docs/usage.md). Several are taken together." type:"path"`
	Account   []string `help:"The accounts that the provider's figures are of; by default all." placeholder:"NAME"`
	Tolerance float64  `help:"How far apart two figures may be, in per cent of the larger." default:"1"`
	Tokens    int64    `name:"within-tokens" help:"Or so many tokens." default:"1000"`
	Cents     float64  `name:"within-cents" help:"Or so many US cents." default:"1"`
	All       bool     `help:"Show also what agrees."`
	JSON      bool     `help:"Print a JSON array."`
}

// Run compares.
func (c ledgerReconcileCommand) Run(s *session) error {
	if c.Tolerance < 0 || c.Tolerance > 100 || c.Tokens < 0 || c.Cents < 0 || c.Cents > 1e6 {
		return fmt.Errorf("want a tolerance from 0 to 100 per cent, and no negative amounts")
	}
	var invoice app.Invoice
	for _, file := range c.Files {
		data, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read what the provider says: %w", err)
		}
		if err := invoice.ReadInvoice(data); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	records, err := c.open(s)
	if err != nil {
		return err
	}
	defer func() { _ = records.Close() }()
	t := app.Tolerance{PartsPerMillion: int64(c.Tolerance * 10_000), Tokens: c.Tokens, Money: domain.NanoUSD(c.Cents * float64(domain.Dollar/100))}
	all, err := records.Reconcile(s.ctx, &invoice, c.Account, t)
	if err != nil {
		return err
	}
	shown, beyond := []app.Difference{}, 0
	for _, d := range all {
		if d.Beyond {
			beyond++
		}
		if d.Beyond || c.All {
			shown = append(shown, d)
		}
	}
	if c.JSON {
		err = printJSON(s.Stdout, shown)
	} else {
		err = reconcileTable(s, shown, len(all), beyond)
	}
	if err == nil && beyond > 0 {
		err = errFailed
	}
	return err
}

func reconcileTable(s *session, shown []app.Difference, all, beyond int) error {
	if len(shown) > 0 {
		t := tabwriter.NewWriter(s.Stdout, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(t, "DAY\tMODEL\tWHAT\tTURNOUT\tPROVIDER\tDIFFERENCE\t")
		for _, d := range shown {
			text := func(n int64) string { return fmt.Sprint(n) }
			what := d.What
			if what == "cost_nano_usd" {
				text, what = func(n int64) string { return cents(domain.NanoUSD(n)) }, "cost"
			}
			mark := ""
			if d.Beyond {
				mark = "beyond the tolerance"
			}
			model := d.Model
			if model == "" {
				model = "(all)"
			}
			_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", d.Day, model, what, text(d.Ours), text(d.Theirs), text(d.Ours-d.Theirs), mark)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(s.Stdout, "%d figures compared, %d beyond the tolerance\n", all, beyond)
	return err
}
