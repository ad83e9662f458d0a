package domain

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
