package failover

// Class is what an upstream's failure means. It is decided once, by the rows of
// package platform, and everything after speaks of the class alone.
type Class uint8

// The classes. The numbers are stored in traces: append, never renumber.
const (
	Unknown        Class = iota // nothing recognised it; treated with caution, like Transient
	Transient                   // a momentary fault of the upstream (500, 502, 504, in-band server_error)
	Capacity                    // the provider (or its model) is out of capacity: other accounts fare no better
	RateLimited                 // requests or tokens per minute, or a subscription window, are used up until a reset
	QuotaExhausted              // credit or a long quota is used up: minutes of waiting do not help
	Credential                  // the key or token is refused
	Permission                  // the credential is good but may not do this
	ModelGone                   // this account does not serve the model
	ContextTooLong              // the prompt does not fit the model
	ContentRefused              // the provider refuses the content
	CallerFault                 // the request is wrong in itself
	NetworkUnsent               // the connection failed before anything of the request was sent
	NetworkUnknown              // the connection failed and the upstream may have seen the request
	FirstTokenLate              // no answer, or no content, within the limit
	StreamCut                   // the answer ended in the middle
	StreamStalled               // the answer fell silent in the middle
	EmptyAnswer                 // a success without content and without a finish reason

	NumClasses = int(EmptyAnswer) + 1
)

// ByOperator is the class of a rest that an operator has ordered. It is no failure.
const ByOperator Class = 100

var classNames = [NumClasses]string{
	"unknown", "transient", "capacity", "rate_limited", "quota_exhausted", "credential", "permission", "model_gone",
	"context_too_long", "content_refused", "caller_fault", "network_unsent", "network_unknown", "first_token_late",
	"stream_cut", "stream_stalled", "empty_answer",
}

// String is the class's name in traces, metrics and tables.
func (c Class) String() string {
	if int(c) < NumClasses {
		return classNames[c]
	}
	if c == ByOperator {
		return "operator"
	}
	return "invalid"
}

// ClassSet is a set of classes. The zero value is empty.
type ClassSet uint32

// AllClasses holds every class.
const AllClasses ClassSet = 1<<NumClasses - 1

// Classes makes a set.
func Classes(cs ...Class) ClassSet {
	var s ClassSet
	for _, c := range cs {
		s |= 1 << c
	}
	return s
}

// Has reports whether c is in the set.
func (s ClassSet) Has(c Class) bool { return s&(1<<c) != 0 }

// Without is the set less the given classes.
func (s ClassSet) Without(cs ...Class) ClassSet { return s &^ Classes(cs...) }

// Scope is whom a limit, a fault or a rest concerns.
type Scope uint8

// The scopes. The numbers are stored in traces and rests: append, never renumber.
const (
	ScopeNone         Scope = iota // nobody beyond this one attempt
	ScopeAccount                   // one account
	ScopeAccountModel              // one account, for one model
	ScopeOrganization              // every account of one organisation at one platform (an account without one is alone)
	ScopeProvider                  // one model at one platform, for every account
)

var scopeNames = [...]string{"none", "account", "account_model", "organization", "provider"}

// String is the scope's name.
func (s Scope) String() string {
	if int(s) < len(scopeNames) {
		return scopeNames[s]
	}
	return "invalid"
}
