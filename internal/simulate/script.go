package simulate

import (
	"time"

	"turnout/internal/domain"
	"turnout/internal/failover"
	"turnout/internal/sched"
)

// Script is what callers do: conversations whose turns follow each other.
type Script struct {
	Began    time.Time
	Accounts []*domain.Account
	Model    string
	Sessions []Session
	World    World
}

// Session is a conversation, or a sub-agent of one.
type Session struct {
	ID     domain.SessionID // zero: every turn stands alone
	Caller domain.KeyID
	Start  time.Time
	Parent int // index + 1 of the session that begins it; 0: nobody does
	After  int // of a sub-agent: how many turns its parent has had when it begins
	Turns  []Turn
	// Prefix is what the session begins with as others of its caller do, and Shared how many tokens that are.
	Prefix sched.PrefixID
	Shared int64
}

// Turn is one request.
type Turn struct {
	Think  time.Duration // since the answer before it
	At     time.Time     // at this moment, whatever became of those before; zero: Think decides
	Input  int64         // tokens that this turn adds to the prompt
	Prompt int64         // of the whole prompt, whatever came of the turns before; 0: Input alone decides
	Output int64         // tokens of the answer
}

// Ask is one attempt as the world sees it.
type Ask struct {
	At      time.Time
	Session domain.SessionID // zero: none
	Account *domain.Account
	Input   int64 // tokens of the whole prompt
	Cached  int64 // of them in the prompt's cache there
	Output  int64
	Draw    uint64 // chance, the same for the same attempt
}

// Reply is how an attempt ends.
type Reply struct {
	OK     bool
	Class  failover.Class // of a failure
	Scope  failover.Scope
	Reset  time.Duration // stated by the upstream; 0: none
	First  time.Duration // until the first token, or until the failure
	Took   time.Duration // in all
	Output int64
	Heard  *domain.QuotaReading // what it says of a window of the account; nil: nothing
}

// World answers attempts. It may keep state: attempts come in the order of their time.
type World interface {
	Answer(a Ask) Reply
}
