package cli

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"turnout/internal/admin"
	"turnout/internal/app"
	"turnout/internal/domain"
)

type ledgerCommand struct {
	Balances ledgerBalancesCommand `cmd:"" help:"List what keys, users and teams have or owe, and how far their budgets are spent."`
	Credit   ledgerCreditCommand   `cmd:"" help:"Put money into the balance of a key, user or team, or take it back."`
	Verify   ledgerVerifyCommand   `cmd:"" help:"Add the books up anew, from every settlement and transfer, and say what does not fit."`
	monthCommands
}

type ledgerBalancesCommand struct{ listFlags }

// Run lists balances.
func (c ledgerBalancesCommand) Run(s *session) error {
	return list(s, c.listFlags, admin.Balances, "nobody has a balance or a budget", "OWNER BALANCE HELD PAYS BUDGETS", func(b admin.Balance) []string {
		pays := "afterwards"
		if b.Prepaid {
			pays = "before"
		}
		var budgets []string
		for _, g := range b.Budgets {
			limit := g.Hard
			if limit == 0 {
				limit = g.Soft
			}
			budgets = append(budgets, fmt.Sprintf("%s %s of %s", g.Name, rounded(g.Spent), rounded(limit)))
		}
		return []string{b.Owner, rounded(b.Balance), rounded(b.Held), pays, dash(strings.Join(budgets, ", "))}
	})
}

// rounded is an amount as people read it: cents from a dollar on, and all there is below.
func rounded(n domain.NanoUSD) string {
	if n > -domain.Dollar && n < domain.Dollar {
		return n.String()
	}
	const cent = domain.Dollar / 100
	return (n / cent * cent).String()
}

type ledgerCreditCommand struct {
	configFlags
	Owner   string        `arg:"" help:"Whose balance: key:NAME, user:NAME or team:NAME."`
	Amount  string        `arg:"" help:"US dollars; negative: they are taken back (write -- before it)." placeholder:"USD"`
	Ref     string        `help:"What this is for, such as an invoice; the same one is booked only once." placeholder:"TEXT"`
	Note    string        `help:"A note, kept with it." placeholder:"TEXT"`
	Expires time.Duration `help:"What is not used within so long is taken back, e.g. 720h." placeholder:"DURATION"`
	JSON    bool          `help:"Print JSON."`
}

// Run credits.
func (c ledgerCreditCommand) Run(s *session) error {
	kind, name, ok := strings.Cut(c.Owner, ":")
	plural := map[string]string{"key": admin.Keys, "user": admin.Users, "team": admin.Teams}[kind]
	if !ok || plural == "" || name == "" {
		return fmt.Errorf("whose balance? want key:NAME, user:NAME or team:NAME, not %q", c.Owner)
	}
	if _, err := admin.ParseUSD(c.Amount); err != nil {
		return err
	}
	ask := admin.CreditAsk{AmountUSD: c.Amount, Ref: c.Ref, Note: c.Note}
	if c.Expires > 0 {
		ask.Expires = time.Now().Add(c.Expires)
	}
	var b admin.Balance
	if err := c.act(s, plural, name, admin.CreditAction, ask, &b); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.Stdout, b)
	}
	_, err := fmt.Fprintf(s.Stdout, "%s: the balance is %s\n", b.Owner, b.Balance)
	if !b.Prepaid && err == nil {
		_, err = fmt.Fprintln(s.Stdout, "It is not prepaid: it is not stopped when this is used up. prepaid: true in the configuration makes it so.")
	}
	return err
}

type ledgerVerifyCommand struct {
	configFlags
	JSON bool `help:"Print JSON."`
}

// Run checks the books. It may run beside a gateway.
func (c ledgerVerifyCommand) Run(s *session) error {
	records, err := c.open(s)
	if err != nil {
		return err
	}
	defer func() { _ = records.Close() }()
	books, err := records.CheckBooks(s.ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		if err := printJSON(s.Stdout, books); err != nil {
			return err
		}
	} else if err := printBooks(s, books); err != nil {
		return err
	}
	if len(books.Wrong) > 0 {
		return errFailed
	}
	return nil
}

func printBooks(s *session, b *app.Books) error {
	t := tabwriter.NewWriter(s.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(t, "DEBITS\tCREDITS\tBALANCE\t ACCOUNT\t")
	var debits, credits domain.NanoUSD
	for _, a := range b.Accounts {
		debits, credits = debits+a.Debits, credits+a.Credits
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t %s\t\n", a.Debits, a.Credits, a.Credits-a.Debits, a.Name)
	}
	_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t total\t\n", debits, credits, credits-debits)
	if err := t.Flush(); err != nil {
		return err
	}
	for _, w := range b.Wrong {
		if _, err := fmt.Fprintln(s.Stdout, "WRONG:", w); err != nil {
			return err
		}
	}
	if len(b.Wrong) > 0 {
		_, err := fmt.Fprintf(s.Stdout, "%d things do not fit, in %d settlements and %d transfers.\n", len(b.Wrong), b.Settlements, b.Transfers)
		return err
	}
	_, err := fmt.Fprintf(s.Stdout, "The books balance: %d settlements, %d transfers.\n", b.Settlements, b.Transfers)
	return err
}
