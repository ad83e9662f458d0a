package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"turnout/internal/admin"
	"turnout/internal/gateway"
)

type accountsCommand struct {
	List   accountsListCommand   `cmd:"" help:"List accounts with their state."`
	Add    accountsAddCommand    `cmd:"" help:"Add an account. Its API key is read from standard input, or from a variable."`
	Edit   accountsEditCommand   `cmd:"" help:"Change an account that was made by add."`
	Test   accountsTestCommand   `cmd:"" help:"Make one small request to an account and say what came back."`
	Pause  accountsPauseCommand  `cmd:"" help:"Take an account out of use; requests in flight go on."`
	Drain  accountsDrainCommand  `cmd:"" help:"Give an account no new sessions; those that are bound to it go on."`
	Resume accountsResumeCommand `cmd:"" help:"Put an account back into use that was paused or is draining."`
	Rest   accountsRestCommand   `cmd:"" help:"Leave an account alone for a while, or end its rests."`
}

type accountsListCommand struct{ listFlags }

// Run lists accounts.
func (c accountsListCommand) Run(s *session) error {
	now := time.Now()
	return list(s, c.listFlags, admin.Accounts, "no accounts: add one with turnout accounts add NAME, or in the configuration file", "NAME PLATFORM POOLS PRIORITY IN-FLIGHT SESSIONS QUOTA LAST-USED STATE", func(a admin.Account) []string {
		inFlight := fmt.Sprint(a.InFlight)
		if a.MaxInFlight > 0 {
			inFlight += fmt.Sprintf("/%d", a.MaxInFlight)
		}
		var quotas []string
		for _, q := range a.Quotas {
			quotas = append(quotas, fmt.Sprintf("%s %.0f%%", q.Window, 100*q.Used))
		}
		return []string{a.Name, a.Platform, words(a.Pools, "-"), fmt.Sprint(a.Priority), inFlight, fmt.Sprint(a.Sessions), words(quotas, "-"), stamp(a.LastUsed, "never"), stateText(&a, now)}
	})
}

// stateText is an account's state with its reasons.
func stateText(a *admin.Account, now time.Time) string {
	var why []string
	for _, r := range a.Rests {
		text := r.Class
		if r.Until != nil {
			text += " for " + short(r.Until.Sub(now))
		} else {
			text += " until something is changed"
		}
		switch {
		case r.Model != "":
			text = r.Model + ": " + text
		case r.Scope == "organization":
			text = "its organisation: " + text
		}
		why = append(why, text)
	}
	if a.State == admin.StateDraining && a.Sessions == 0 && a.InFlight == 0 {
		why = append(why, "drained")
	}
	if len(why) == 0 {
		return a.State
	}
	return a.State + " (" + strings.Join(why, "; ") + ")"
}

type accountsAddCommand struct {
	configFlags
	Name     string `arg:"" help:"The account's name."`
	Platform string `help:"The platform." required:"" placeholder:"NAME"`
	KeyEnv   string `help:"The variable that holds its API key; by default the key is read from standard input." placeholder:"VARIABLE"`
	NoKey    bool   `help:"It has none (a local model)."`
	accountFlags
}

type accountsEditCommand struct {
	editFlags
	KeyEnv   string `help:"The variable that holds its new API key." placeholder:"VARIABLE" xor:"key"`
	KeyStdin bool   `help:"Read its new API key from standard input." xor:"key"`
	accountFlags
}

// Run edits an account.
func (c accountsEditCommand) Run(s *session) error {
	return c.edit(s, admin.Accounts, "account", func(object map[string]any) error {
		if c.KeyEnv != "" || c.KeyStdin {
			key, err := readAPIKey(s, c.KeyEnv)
			if err != nil {
				return err
			}
			object["api_key"] = key
		}
		c.into(object)
		return nil
	})
}

// accountFlags are what can be said of an account beside its credential.
type accountFlags struct {
	BaseURL      string            `help:"What the provider's own SDK takes as base URL, where it is not the platform's own." placeholder:"URL"`
	Organization string            `help:"Accounts of one organisation share limits and prompt cache." placeholder:"NAME"`
	Pools        []string          `help:"Its pools; by default the pool default." placeholder:"NAME"`
	Labels       map[string]string `help:"Its labels." placeholder:"LABEL=VALUE" mapsep:","`
	Priority     string            `help:"Lower is tried first." placeholder:"N"`
	Weight       string            `help:"Its share of the load." placeholder:"N"`
	MaxInFlight  string            `name:"max-concurrency" help:"Requests at a time." placeholder:"N"`
	Billing      string            `help:"tokens, or flat for an account with a fixed price." placeholder:"tokens|flat"`
	Monthly      string            `name:"monthly-price-usd" help:"With --billing flat: that price, which usage and statements share out." placeholder:"USD"`
	InputPrice   string            `name:"input-price-usd" help:"Of a million tokens of the prompt." placeholder:"USD"`
	Models       map[string]string `help:"Models, as they are asked for and as they are sent; by default all under their own names." placeholder:"ASKED=SENT" mapsep:","`
}

func (c accountFlags) into(object map[string]any) {
	set(object, "base_url", c.BaseURL)
	set(object, "organization", c.Organization)
	set(object, "pools", c.Pools)
	set(object, "labels", c.Labels)
	set(object, "priority", c.Priority)
	set(object, "weight", c.Weight)
	set(object, "max_concurrency", c.MaxInFlight)
	set(object, "billing", c.Billing)
	set(object, "monthly_price_usd", c.Monthly)
	set(object, "input_price_usd", c.InputPrice)
	set(object, "models", c.Models)
}

// mostSecret bounds what is read from standard input.
const mostSecret = 64 << 10

// Run adds an account. Its API key never stands on the command line, where others could read it.
func (c accountsAddCommand) Run(s *session) error {
	object := map[string]any{"name": c.Name, "platform": c.Platform}
	if !c.NoKey {
		key, err := readAPIKey(s, c.KeyEnv)
		if err != nil {
			return err
		}
		object["api_key"] = key
	}
	c.into(object)
	var d admin.Done
	if err := c.create(s, admin.Accounts, object, &d); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.Stdout, "account %s: added; turnout accounts test %s tries it\n", d.Name, d.Name)
	return err
}

// readAPIKey reads an API key from a variable, or from standard input where none is named.
func readAPIKey(s *session, variable string) (string, error) {
	if variable != "" {
		key, _ := s.Getenv(variable)
		if key = strings.TrimSpace(key); key == "" {
			return "", fmt.Errorf("the variable %s is not set, or empty", variable)
		}
		return key, nil
	}
	if s.Stdin == nil {
		return "", errors.New("no API key: give it on standard input, or name a variable with --key-env")
	}
	b, err := io.ReadAll(io.LimitReader(s.Stdin, mostSecret))
	if err != nil {
		return "", fmt.Errorf("read the API key from standard input: %w", err)
	}
	key := strings.TrimSpace(string(b))
	if key == "" {
		return "", errors.New("standard input was empty: give the API key there, name a variable with --key-env, or say --no-key")
	}
	return key, nil
}

type accountsTestCommand struct {
	configFlags
	Name  string `arg:"" help:"The account's name."`
	Model string `short:"m" help:"The model to ask, as callers name it; by default one that the account serves." placeholder:"NAME"`
	JSON  bool   `help:"Print JSON."`
}

// Run tests an account. It fails if the account does.
func (c accountsTestCommand) Run(s *session) error {
	var t gateway.AccountTest
	if err := c.act(s, admin.Accounts, c.Name, "test", admin.AccountTest{Model: c.Model}, &t); err != nil {
		return err
	}
	if c.JSON {
		if err := printJSON(s.Stdout, &t); err != nil {
			return err
		}
	} else if _, err := io.WriteString(s.Stdout, testText(&t)); err != nil {
		return err
	}
	if !t.OK {
		return errFailed
	}
	return nil
}

func testText(t *gateway.AccountTest) string {
	var b strings.Builder
	fmt.Fprintf(&b, "account %s: ", t.Account)
	if t.OK {
		fmt.Fprintf(&b, "good. %s answered in %s (%d tokens in, %d out)\n", t.Model, short(time.Duration(t.Took)*time.Millisecond), t.Input, t.Output)
		return b.String()
	}
	fmt.Fprintf(&b, "%s\n", t.Meaning)
	if t.Model != "" {
		fmt.Fprintf(&b, "  model    %s\n", t.Model)
	}
	if t.Class != "" {
		fmt.Fprintf(&b, "  class    %s\n", t.Class)
	}
	if t.Status > 0 {
		fmt.Fprintf(&b, "  status   %d\n", t.Status)
	}
	if t.Message != "" {
		fmt.Fprintf(&b, "  message  %s\n", t.Message)
	}
	if t.Resets != nil {
		fmt.Fprintf(&b, "  resets   %s\n", stamp(t.Resets, ""))
	}
	return b.String()
}

type (
	accountsPauseCommand  struct{ named }
	accountsDrainCommand  struct{ named }
	accountsResumeCommand struct{ named }
)

// Run takes an account out of use.
func (c accountsPauseCommand) Run(s *session) error { return c.change(s, "pause", nil) }

// Run lets an account serve its own sessions only.
func (c accountsDrainCommand) Run(s *session) error { return c.change(s, "drain", nil) }

// Run puts an account back into use.
func (c accountsResumeCommand) Run(s *session) error { return c.change(s, "resume", nil) }

type accountsRestCommand struct {
	named
	For   string `help:"How long." placeholder:"DURATION" xor:"how" required:""`
	Clear bool   `help:"End its rests, its organisation's with them." xor:"how" required:""`
}

// Run lets an account rest, or ends its rests.
func (c accountsRestCommand) Run(s *session) error {
	return c.change(s, "rest", admin.AccountRest{For: c.For, Clear: c.Clear})
}

// change does something with an account and says how it stands then.
func (c named) change(s *session, action string, body any) error {
	var a admin.Account
	if err := c.act(s, admin.Accounts, c.Name, action, body, &a); err != nil {
		return err
	}
	text := stateText(&a, time.Now())
	if a.State == admin.StateDraining && a.Sessions+a.InFlight > 0 {
		text += fmt.Sprintf(": %d sessions are bound to it, %d requests are in flight", a.Sessions, a.InFlight)
	}
	_, err := fmt.Fprintf(s.Stdout, "account %s: %s\n", a.Name, text)
	return err
}
