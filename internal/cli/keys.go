package cli

import (
	"fmt"
	"time"

	"turnout/internal/admin"
)

type keysCommand struct {
	Create keysCreateCommand `cmd:"" help:"Make a key. Its secret is printed, this once."`
	Edit   keysEditCommand   `cmd:"" help:"Change what a key may do that was made by create."`
	List   keysListCommand   `cmd:"" help:"List keys."`
	Rotate keysRotateCommand `cmd:"" help:"Give a key a new secret, which is printed, this once; the old one works beside it for a while."`
	Revoke keysRevokeCommand `cmd:"" help:"Take a key away: the next request with it is refused."`
	Enable keysEnableCommand `cmd:"" help:"Give a revoked key back."`
}

// keyFlags are what a key may do.
type keyFlags struct {
	Owner     string   `help:"Whose it is." placeholder:"user:NAME|team:NAME"`
	Pools     []string `help:"Pools, in the order in which they are used; by default the pool default." placeholder:"NAME"`
	Networks  []string `help:"Networks that its requests may come from; by default any." placeholder:"CIDR"`
	Expires   string   `help:"The last day (UTC), or a moment." placeholder:"DATE"`
	TagHeader []string `help:"Tags that its callers may set by the header x-turnout-tags." placeholder:"TAG"`
	Factor    string   `name:"price-factor" help:"On list prices." placeholder:"NUMBER"`
	ownerFlags
}

func (c keyFlags) into(object map[string]any) error {
	set(object, "owner", c.Owner)
	set(object, "pools", c.Pools)
	set(object, "networks", c.Networks)
	set(object, "expires", c.Expires)
	set(object, "tag_header", c.TagHeader)
	set(object, "price_factor", c.Factor)
	return c.ownerFlags.into(object)
}

type keysCreateCommand struct {
	configFlags
	Name string `arg:"" help:"The key's name."`
	keyFlags
	JSON bool `help:"Print JSON."`
}

type keysEditCommand struct {
	editFlags
	keyFlags
}

// Run edits a key.
func (c keysEditCommand) Run(s *session) error { return c.edit(s, admin.Keys, "key", c.keyFlags.into) }

// Run makes a key.
func (c keysCreateCommand) Run(s *session) error {
	object := map[string]any{"name": c.Name}
	if err := c.into(object); err != nil {
		return err
	}
	var k admin.NewKey
	if err := c.create(s, admin.Keys, object, &k); err != nil {
		return err
	}
	return told(s, &k, c.JSON, "It is shown this once: Turnout keeps nothing of it but its SHA-256.")
}

// told prints a new secret: alone on standard output, so that it can be piped.
func told(s *session, k *admin.NewKey, asJSON bool, note string) error {
	if asJSON {
		return printJSON(s.Stdout, k)
	}
	if _, err := fmt.Fprintln(s.Stdout, k.Secret); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.Stderr, "This is the secret of the key %s. %s\n", k.Name, note)
	return err
}

type keysListCommand struct{ listFlags }

// Run lists keys.
func (c keysListCommand) Run(s *session) error {
	now := time.Now()
	return list(s, c.listFlags, admin.Keys, "no keys: make one with turnout keys create NAME", "NAME OWNER POOLS MODELS EXPIRES LAST-USED STATE", func(k admin.Key) []string {
		models := words(k.Models, "all")
		if len(k.Deny) > 0 {
			models += " but " + words(k.Deny, "")
		}
		state := k.State
		if k.FormerUntil != nil {
			state += fmt.Sprintf(" (its former secret works for %s)", short(k.FormerUntil.Sub(now)))
		}
		return []string{k.Name, dash(k.Owner), words(k.Pools, "-"), models, stamp(k.Expires, "never"), stamp(k.LastUsed, "never"), state}
	})
}

type keysRotateCommand struct {
	configFlags
	Name    string `arg:"" help:"The key's name."`
	Overlap string `help:"How long the old secret works beside the new one; 0s: no longer." default:"24h" placeholder:"DURATION"`
	JSON    bool   `help:"Print JSON."`
}

// Run gives a key a new secret.
func (c keysRotateCommand) Run(s *session) error {
	var k admin.NewKey
	if err := c.act(s, admin.Keys, c.Name, "rotate", admin.KeyRotation{Overlap: c.Overlap}, &k); err != nil {
		return err
	}
	note := "It is shown this once. The old one works no more."
	if k.FormerUntil != nil {
		note = "It is shown this once. The old one works until " + stamp(k.FormerUntil, "") + "."
	}
	return told(s, &k, c.JSON, note)
}

type keysRevokeCommand struct{ named }

// Run takes a key away.
func (c keysRevokeCommand) Run(s *session) error {
	return c.do(s, admin.Keys, "key", "revoke", "revoked: requests with it are refused from now on")
}

type keysEnableCommand struct{ named }

// Run gives a key back.
func (c keysEnableCommand) Run(s *session) error {
	return c.do(s, admin.Keys, "key", "enable", "may be used again")
}

// named is a command that does one thing with one object.
type named struct {
	configFlags
	Name string `arg:"" help:"Its name."`
}

func (c named) do(s *session, kind, noun, action, done string) error {
	var d admin.Done
	if err := c.act(s, kind, c.Name, action, nil, &d); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.Stdout, "%s %s: %s\n", noun, d.Name, done)
	return err
}
