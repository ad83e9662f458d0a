package failover

import (
	"slices"
	"time"

	"turnout/internal/domain"
)

// Session is what is known of the session's binding when the request begins.
type Session struct {
	HasBound   bool             // a session is bound
	Bound      domain.AccountID // the account that it is bound to; meaningful only if BoundKnown
	BoundKnown bool             // false although HasBound: the binding exists, its account is unknown
}

// State is what one request has behind it. It is a value: the core never modifies
// one that it was given, nor what its slices point to, so a former state stays
// true when it is kept in a trace. Only the core makes new ones; everybody else
// reads. It encodes as JSON and may be stored: a client's own retry of the same
// body goes on with the former state, so that failed accounts stay excluded and
// no budget is renewed (see MayBegin).
type State struct {
	Session Session
	Seed    uint64 // jitter is drawn from it
	Draws   uint32 // how many numbers were drawn from Seed

	Attempts         int           // attempts that have failed or were abandoned
	Switches         int           // switches made
	CapacitySwitches int           // those of them that a lack of capacity caused, with nothing said of another provider
	Graces           int           // waits for the bound account
	Rounds           int           // times that the failed accounts were to be forgotten
	Besides          int           // accounts started beside a slow one
	Fallbacks        int           // models gone on with after the asked one
	Resumed          bool          // an answer that broke after its commit was gone on with
	SingleRetries    int           // uses of the platform's own rule in single-account mode
	SingleWaited     time.Duration // what they waited
	Waited           time.Duration // all waits asked for, whether or not they were completed

	Single       bool // single-account mode
	CacheBilling bool // the caller's cache was lost through no fault of the caller; never reset

	// Reserved is how many of the attempts are kept for models that are still to be
	// fallen back to, so that the asked one cannot use them all up.
	Reserved int
	// HoldUntil, if positive, is how long after the request's arrival a wait for an
	// account to return must be over: a caller whose answer cannot show a sign of life gives up by itself.
	HoldUntil time.Duration

	Accounts      []AccountState // ascending by ID
	Organizations []string       // excluded whole, because what failed is the organisation's; ascending
	Last          Failure        // the latest failure
	Best          Failure        // the failure that helps the caller most; the one to answer
}

// AccountState is what a request has behind it at one account.
type AccountState struct {
	ID      domain.AccountID
	Tries   int  // attempts that have failed there or were abandoned
	Retries int  // uses of the same-account rule
	Failed  bool // excluded from this request
	Spent   bool // has had all the attempts that one account may have: stays excluded even after a round
}

// NewState begins a request. The seed may be anything that differs between
// requests, such as bits of the request's id.
func NewState(session Session, seed uint64) State {
	return State{Session: session, Seed: seed}
}

// Failed lists the accounts that the scheduler must leave out, ascending. The
// caller owns the slice; it is nil if there are none.
func (s State) Failed() []domain.AccountID {
	var ids []domain.AccountID
	for i := range s.Accounts {
		if s.Accounts[i].Failed {
			ids = append(ids, s.Accounts[i].ID)
		}
	}
	return ids
}

// IsFailed reports whether the account is excluded by itself (its organisation may
// be excluded too: see IsFailedOrganization).
func (s State) IsFailed(id domain.AccountID) bool {
	i, ok := s.find(id)
	return ok && s.Accounts[i].Failed
}

// IsSpent reports whether the account has had all the attempts that this request
// may make there, so that not even a round brings it back. The loop leaves such
// accounts out when it looks for the soonest end of a rest.
func (s State) IsSpent(id domain.AccountID) bool {
	i, ok := s.find(id)
	return ok && s.Accounts[i].Spent
}

// IsFailedOrganization reports whether all accounts of the organisation are
// excluded. An account without an organisation is alone, so never for "".
func (s State) IsFailedOrganization(name string) bool {
	if name == "" || len(s.Organizations) == 0 {
		return false
	}
	_, ok := slices.BinarySearch(s.Organizations, name)
	return ok
}

// Excludes reports whether the scheduler must leave the account out, for its own
// sake or for its organisation's.
func (s State) Excludes(id domain.AccountID, organization string) bool {
	return s.IsFailed(id) || s.IsFailedOrganization(organization)
}

// Tries is how many attempts have failed at the account or were abandoned.
func (s State) Tries(id domain.AccountID) int {
	if i, ok := s.find(id); ok {
		return s.Accounts[i].Tries
	}
	return 0
}

// MayBegin reports whether a request may make an attempt at all; a new one always
// may. One that goes on with the state of the client's former try may not once the
// attempts are used up: its answer is State.Best. A state in which nothing failed
// (State.Best.Attempt 0) is not worth keeping: there would be nothing to answer.
func MayBegin(p Policy, s State) (bool, Reason) {
	if s.Attempts > 0 && !under(s.Attempts, p.Attempts) {
		return false, ReasonAttemptsUsed
	}
	return true, ReasonMayBegin
}

func (s *State) find(id domain.AccountID) (int, bool) {
	for i := range s.Accounts { // a handful at most
		if s.Accounts[i].ID >= id {
			return i, s.Accounts[i].ID == id
		}
	}
	return len(s.Accounts), false
}

// own replaces the accounts by a copy that holds id, and gives its place. After
// it, and only then, the copy may be written to.
func (s *State) own(id domain.AccountID) *AccountState {
	i, ok := s.find(id)
	n := len(s.Accounts)
	if !ok {
		n++
	}
	next := make([]AccountState, n)
	copy(next, s.Accounts[:i])
	if ok {
		copy(next[i:], s.Accounts[i:])
	} else {
		copy(next[i+1:], s.Accounts[i:])
		next[i].ID = id
	}
	s.Accounts = next
	return &next[i]
}

// excludeOrganization adds a name, copying.
func (s *State) excludeOrganization(name string) {
	i, ok := slices.BinarySearch(s.Organizations, name)
	if name == "" || ok {
		return
	}
	next := make([]string, len(s.Organizations)+1)
	copy(next, s.Organizations[:i])
	next[i] = name
	copy(next[i+1:], s.Organizations[i:])
	s.Organizations = next
}

// forget empties the failed sets but for accounts that are spent, copying.
func (s *State) forget() {
	next := slices.Clone(s.Accounts)
	for i := range next {
		next[i].Failed = next[i].Spent
	}
	s.Accounts, s.Organizations = next, nil
}

// Completed is the state after the decision's wait was completed: what After lists
// has happened to it. A wait that the client's leaving interrupted is not
// completed, and the state that came with the decision stands.
func (d Decision) Completed(s State) State {
	for i := range d.After {
		switch d.After[i].Kind { //exhaustive:enforce
		case EffectForget:
			s.forget()
		case EffectSingleAccount:
			s.Single = true
		case EffectRest: // concerns others than this request
		}
	}
	return s
}
