package domain

import (
	"fmt"
	"maps"
	"slices"
)

// TeamID and UserID are the store's row ids. Zero means "none".
type (
	// TeamID is a team's.
	TeamID int64
	// UserID is a user's.
	UserID int64
)

// Team is a set of users and keys with common rules and a common purse. Name and ID are its immutable identity.
type Team struct {
	ID       TeamID
	Name     string
	Origin   Origin
	Models   []string // patterns of models that its keys may ask for; empty: all
	Deny     []string // patterns of models that they may not, whatever Models says
	Require  Labels   // every account used for its keys must carry these
	Rates    *Rates   // limits of all its callers together; nil: none
	Spending Spending
	Tags     map[string]string // on every record of its keys, beside the key's own
	Enabled  bool
}

// User is a person or a service that keys belong to.
type User struct {
	ID       UserID
	Name     string
	Origin   Origin
	Team     string // of a team; empty: none
	Models   []string
	Deny     []string
	Require  Labels
	Rates    *Rates
	Spending Spending
	Tags     map[string]string
	Enabled  bool
}

// Link gives copies of the keys with their owners and the labels that key, user and team require together. An owner that is not there is
// left out, and Key.Barred says so. Labels that contradict each other become one that no account has, and are named in conflicts:
// the key can use nothing.
func Link(keys []Key, users []User, teams []Team) (linked []Key, conflicts []string) {
	userOf, teamOf := make(map[string]*User, len(users)), make(map[string]*Team, len(teams))
	for i := range teams {
		teamOf[teams[i].Name] = &teams[i]
	}
	for i := range users {
		userOf[users[i].Name] = &users[i]
	}
	linked = make([]Key, len(keys))
	for i, k := range keys {
		team := k.Team
		if k.User != "" {
			if k.Owner.User = userOf[k.User]; k.Owner.User != nil {
				team = k.Owner.User.Team
			}
		}
		k.Owner.Team = teamOf[team]
		if k.Owned() {
			k.Owner.tags = k.allTags()
			var conflict string
			if k.Require, conflict = k.required(); conflict != "" {
				conflicts = append(conflicts, conflict)
			}
		}
		linked[i] = k
	}
	return linked, conflicts
}

// required is what key, user and team require of accounts together, and what of that contradicts itself.
func (k *Key) required() (out Labels, conflict string) {
	type source struct {
		who    string
		labels Labels
	}
	sources := []source{{"key " + k.Name, k.Require}}
	if u := k.Owner.User; u != nil {
		sources = append(sources, source{"its user " + u.Name, u.Require})
	}
	if t := k.Owner.Team; t != nil {
		sources = append(sources, source{"its team " + t.Name, t.Require})
	}
	first := map[string]source{}
	for _, s := range sources {
		for _, name := range slices.Sorted(maps.Keys(s.labels)) {
			value := s.labels[name]
			if out == nil {
				out = Labels{}
			}
			switch have, ok := out[name]; {
			case !ok:
				out[name], first[name] = value, s
			case have != value:
				out[name] = have + " and " + value // no account has that
				conflict = fmt.Sprintf("%s requires %s=%s and %s requires %s=%s: no account can have both", first[name].who, name, have, s.who, name, value)
			}
		}
	}
	return out, conflict
}
