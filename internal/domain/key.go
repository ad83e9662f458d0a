package domain

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// OverrideCommit is the one thing that a caller may be allowed to choose itself, by
// the header x-turnout-commit.
const OverrideCommit = "commit"

// Key is what a caller authenticates with. Turnout knows only its SHA-256. ID, Name and Origin are its identity,
// what follows its spec; then comes state, which the file does not touch; then what Link makes of its owners.
type Key struct {
	ID        KeyID
	Name      string
	Origin    Origin
	Hash      [32]byte
	User      string         // whose it is; empty: nobody's. At most one of User and Team is set:
	Team      string         // a user's key is also the user's team's
	Pools     []string       // in the order in which they are used
	Models    []string       // patterns of models that may be asked for; empty: all
	Deny      []string       // patterns of models that may not, whatever Models says
	Require   Labels         // every account used for this key must carry these; after Link, its owners' as well
	Networks  []netip.Prefix // that requests may come from; empty: any
	Expires   time.Time      // zero: never
	Tags      map[string]string
	TagHeader []string // names of tags that its callers may set by the header x-turnout-tags
	Spending  Spending
	Rates     *Rates   // its callers' limits; nil: none
	Commit    *Commit  // in place of the pool's; nil: the pool's
	Decision  bool     // its callers are told what was decided: x-turnout-decision
	Overrides []string // what its callers may choose by header: OverrideCommit
	Enabled   bool     // provisioning: false once it is gone from the file

	Revoked bool // an operator took it away
	// Former is the hash of the secret before the last rotation, which works until FormerUntil; zero: there is none.
	Former      [32]byte
	FormerUntil time.Time
	// LastUsed is when its last recorded request came, as far as the store knows; zero: never.
	LastUsed time.Time

	Owner OwnerChain // made by Link
}

// OwnerChain are a key's owners, from the inside: the user, and the team. What there is none of is nil. Shared, and never modified.
type OwnerChain struct {
	User *User
	Team *Team
	tags map[string]string // of the key with its owners'
}

// Owned reports whether the key belongs to somebody.
func (k *Key) Owned() bool { return k.User != "" || k.Team != "" }

// OwnerName is whose the key is, in the configuration's words: "user:ada", "team:research", or nothing.
func (k *Key) OwnerName() string {
	switch {
	case k.User != "":
		return "user:" + k.User
	case k.Team != "":
		return "team:" + k.Team
	}
	return ""
}

// Barred says why nobody may use the key now, whoever asks for what; empty: it may be used. now is for its expiry.
func (k *Key) Barred(now time.Time) string {
	switch u, t := k.Owner.User, k.Owner.Team; {
	case k.Revoked:
		return "has been revoked"
	case !k.Enabled:
		return "has been disabled"
	case k.User != "" && (u == nil || !u.Enabled):
		return fmt.Sprintf("belongs to the user %q, who has been disabled", k.User)
	case k.Team != "" && t == nil:
		return fmt.Sprintf("belongs to the team %q, which is gone", k.Team)
	case u != nil && u.Team != "" && t == nil:
		return fmt.Sprintf("belongs to the team %q, which is gone", u.Team)
	case t != nil && !t.Enabled:
		return fmt.Sprintf("belongs to the team %q, which has been disabled", t.Name)
	case !k.Expires.IsZero() && !now.Before(k.Expires):
		return "expired on " + k.Expires.UTC().Format("2006-01-02 15:04 MST")
	}
	return ""
}

// choice is what one of key, user and team says of models.
type choice struct {
	who          string
	models, deny []string
}

func (k *Key) choices() [3]choice {
	c := [3]choice{{"this key", k.Models, k.Deny}}
	if u := k.Owner.User; u != nil {
		c[1] = choice{fmt.Sprintf("the user %q of this key", u.Name), u.Models, u.Deny}
	}
	if t := k.Owner.Team; t != nil {
		c[2] = choice{fmt.Sprintf("the team %q of this key", t.Name), t.Models, t.Deny}
	}
	return c
}

func matches(patterns []string, model string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return MatchModel(p, model) })
}

func permits(models, deny []string, model string) bool {
	return (len(models) == 0 || matches(models, model)) && !matches(deny, model)
}

// Allows reports whether the key may ask for the model: it, its user and its team all have to allow it.
func (k *Key) Allows(model string) bool {
	if !permits(k.Models, k.Deny, model) {
		return false
	}
	if u := k.Owner.User; u != nil && !permits(u.Models, u.Deny, model) {
		return false
	}
	t := k.Owner.Team
	return t == nil || permits(t.Models, t.Deny, model)
}

// Refusal says towards callers why the key may not ask for the model; empty: it may.
func (k *Key) Refusal(model string) string {
	for _, c := range k.choices() {
		switch {
		case matches(c.deny, model):
			return fmt.Sprintf("%s may not use the model %q, which is denied to it", c.who, model)
		case len(c.models) > 0 && !matches(c.models, model):
			return fmt.Sprintf("%s may not use the model %q; it may use: %s", c.who, model, strings.Join(c.models, ", "))
		}
	}
	return ""
}

// Selective reports whether there are models that the key may not ask for.
func (k *Key) Selective() bool {
	for _, c := range k.choices() {
		if len(c.models)+len(c.deny) > 0 {
			return true
		}
	}
	return false
}

// Admits reports whether requests may come from the address.
func (k *Key) Admits(from netip.Addr) bool {
	if len(k.Networks) == 0 {
		return true
	}
	from = from.Unmap().WithZone("")
	return slices.ContainsFunc(k.Networks, func(p netip.Prefix) bool { return p.Contains(from) })
}

// AllTags are the tags of the key's requests: the team's, over them the user's, over them its own. The map is shared: do not change it.
func (k *Key) AllTags() map[string]string {
	if k.Owner.tags != nil {
		return k.Owner.tags
	}
	return k.Tags
}

// TagText is tags as one text that is equal for equal tags: cost_centre=r-17,project=apollo.
func TagText(tags map[string]string) string {
	var b strings.Builder
	for i, name := range slices.Sorted(maps.Keys(tags)) {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(name + "=" + tags[name])
	}
	return b.String()
}

func (k *Key) allTags() map[string]string {
	out := map[string]string{}
	if t := k.Owner.Team; t != nil {
		for name, v := range t.Tags {
			out[name] = v
		}
	}
	if u := k.Owner.User; u != nil {
		for name, v := range u.Tags {
			out[name] = v
		}
	}
	for name, v := range k.Tags {
		out[name] = v
	}
	return out
}
