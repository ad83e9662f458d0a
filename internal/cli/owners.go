package cli

import (
	"fmt"

	"turnout/internal/admin"
)

type poolsCommand struct {
	List poolsListCommand `cmd:"" help:"List pools."`
	Edit poolsEditCommand `cmd:"" help:"Change a pool that was made by add."`
	Add  poolsAddCommand  `cmd:"" help:"Add a pool. What more it can say stands in the configuration file."`
}

type poolsListCommand struct{ listFlags }

// Run lists pools.
func (c poolsListCommand) Run(s *session) error {
	return list(s, c.listFlags, admin.Pools, "no pools", "NAME POLICY STRATEGY ACCOUNTS ELIGIBLE KEYS REQUIRES STATE", func(p admin.Pool) []string {
		return []string{p.Name, p.Profile, p.Strategy, fmt.Sprint(p.Accounts), fmt.Sprint(p.Eligible), fmt.Sprint(p.Keys), pairs(p.Require), p.State}
	})
}

type poolsAddCommand struct {
	configFlags
	Name string `arg:"" help:"The pool's name."`
	poolFlags
}

type poolsEditCommand struct {
	editFlags
	poolFlags
}

// Run edits a pool.
func (c poolsEditCommand) Run(s *session) error { return c.edit(s, admin.Pools, "pool", c.into) }

// poolFlags are what can be said of a pool here.
type poolFlags struct {
	Policy   string            `help:"balanced or classic." placeholder:"NAME"`
	Strategy string            `help:"How an account is chosen: score, least_loaded, round_robin, weighted, cheapest, soonest_reset or fill_first." placeholder:"NAME"`
	Require  map[string]string `help:"Labels that every account used for it must carry." placeholder:"LABEL=VALUE" mapsep:","`
	Rates    map[string]string `help:"Limits of all that goes through it, as keys have them." placeholder:"LIMIT=N" mapsep:","`
	Factor   string            `name:"price-factor" help:"On list prices." placeholder:"NUMBER"`
	Budgets  []string          `name:"budget" help:"A budget, such as period=month,hard_usd=100; may be given several times." placeholder:"BUDGET" sep:"none"`
}

// Run adds a pool.
func (c poolsAddCommand) Run(s *session) error {
	object := map[string]any{"name": c.Name}
	if err := c.into(object); err != nil {
		return err
	}
	return c.made(s, admin.Pools, "pool", object)
}

func (c poolFlags) into(object map[string]any) error {
	set(object, "policy", c.Policy)
	set(object, "strategy", c.Strategy)
	set(object, "require", c.Require)
	set(object, "rates", c.Rates)
	set(object, "price_factor", c.Factor)
	return setBudgets(object, c.Budgets)
}

// made makes an object of which there is nothing to tell.
func (f configFlags) made(s *session, kind, noun string, object map[string]any) error {
	var d admin.Done
	if err := f.create(s, kind, object, &d); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.Stdout, "%s %s: added\n", noun, d.Name)
	return err
}

type teamsCommand struct {
	List    teamsListCommand    `cmd:"" help:"List teams."`
	Create  teamsCreateCommand  `cmd:"" help:"Make a team."`
	Edit    teamsEditCommand    `cmd:"" help:"Change a team that was made by create."`
	Disable teamsDisableCommand `cmd:"" help:"Disable a team: none of its keys may be used, its users' neither."`
	Enable  teamsEnableCommand  `cmd:"" help:"Enable a team again."`
}

type usersCommand struct {
	List    usersListCommand    `cmd:"" help:"List users."`
	Create  usersCreateCommand  `cmd:"" help:"Make a user."`
	Edit    usersEditCommand    `cmd:"" help:"Change a user that was made by create."`
	Disable usersDisableCommand `cmd:"" help:"Disable a user: none of its keys may be used."`
	Enable  usersEnableCommand  `cmd:"" help:"Enable a user again."`
}

type (
	teamsListCommand    struct{ listFlags }
	usersListCommand    struct{ listFlags }
	teamsDisableCommand struct{ named }
	usersDisableCommand struct{ named }
	teamsEnableCommand  struct{ named }
	usersEnableCommand  struct{ named }
)

func ownerRow(o admin.Owner) []string {
	models := words(o.Models, "all")
	if len(o.Deny) > 0 {
		models += " but " + words(o.Deny, "")
	}
	return []string{o.Name, models, pairs(o.Require), budgetText(&o.Spending), fmt.Sprint(o.Keys), o.State}
}

// budgetText is what an object may spend, in a few words.
func budgetText(s *admin.Spending) string {
	var out []string
	if s.Prepaid {
		out = append(out, "prepaid")
	}
	for _, b := range s.Budgets {
		text := b.Period
		if b.Rolling {
			text = "rolling " + text
		}
		if b.HardUSD != "" {
			text += " $" + b.HardUSD
		} else {
			text += " (warns at $" + b.SoftUSD + ")"
		}
		out = append(out, text)
	}
	return words(out, "-")
}

// Run lists teams.
func (c teamsListCommand) Run(s *session) error {
	return list(s, c.listFlags, admin.Teams, "no teams", "NAME MODELS REQUIRES BUDGETS KEYS STATE", ownerRow)
}

// Run lists users.
func (c usersListCommand) Run(s *session) error {
	return list(s, c.listFlags, admin.Users, "no users", "NAME TEAM MODELS REQUIRES BUDGETS KEYS STATE", func(o admin.Owner) []string {
		row := ownerRow(o)
		return append([]string{row[0], dash(o.Team)}, row[1:]...)
	})
}

// teamFlags are what can be said of a team.
type teamFlags struct {
	ownerFlags
	Factor string `name:"price-factor" help:"On list prices." placeholder:"NUMBER"`
}

func (c teamFlags) into(object map[string]any) error {
	set(object, "price_factor", c.Factor)
	return c.ownerFlags.into(object)
}

// userFlags are what can be said of a user.
type userFlags struct {
	Team string `help:"Its team." placeholder:"NAME"`
	ownerFlags
}

func (c userFlags) into(object map[string]any) error {
	set(object, "team", c.Team)
	return c.ownerFlags.into(object)
}

type teamsEditCommand struct {
	editFlags
	teamFlags
}

// Run edits a team.
func (c teamsEditCommand) Run(s *session) error { return c.edit(s, admin.Teams, "team", c.into) }

type usersEditCommand struct {
	editFlags
	userFlags
}

// Run edits a user.
func (c usersEditCommand) Run(s *session) error { return c.edit(s, admin.Users, "user", c.into) }

type teamsCreateCommand struct {
	configFlags
	Name string `arg:"" help:"The team's name."`
	teamFlags
}

// Run makes a team.
func (c teamsCreateCommand) Run(s *session) error {
	object := map[string]any{"name": c.Name}
	if err := c.into(object); err != nil {
		return err
	}
	return c.made(s, admin.Teams, "team", object)
}

type usersCreateCommand struct {
	configFlags
	Name string `arg:"" help:"The user's name."`
	userFlags
}

// Run makes a user.
func (c usersCreateCommand) Run(s *session) error {
	object := map[string]any{"name": c.Name}
	if err := c.into(object); err != nil {
		return err
	}
	return c.made(s, admin.Users, "user", object)
}

const (
	disabledNow = "disabled: requests with its keys are refused from now on"
	enabledNow  = "enabled: its keys may be used again"
)

// Run disables a team.
func (c teamsDisableCommand) Run(s *session) error {
	return c.do(s, admin.Teams, "team", "disable", disabledNow)
}

// Run enables a team.
func (c teamsEnableCommand) Run(s *session) error {
	return c.do(s, admin.Teams, "team", "enable", enabledNow)
}

// Run disables a user.
func (c usersDisableCommand) Run(s *session) error {
	return c.do(s, admin.Users, "user", "disable", disabledNow)
}

// Run enables a user.
func (c usersEnableCommand) Run(s *session) error {
	return c.do(s, admin.Users, "user", "enable", enabledNow)
}
