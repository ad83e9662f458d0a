package failover

import (
	"time"

	"turnout/internal/domain"
)

// Failure is one failed attempt as a request remembers it.
type Failure struct {
	Attempt int // 1 for the request's first failure; 0: there was none
	Account domain.AccountID
	Class   Class
	Status  int
	Scope   Scope
	Reset   time.Duration // from when it failed; meaningful only if Stated
	Stated  bool
	Spent   time.Duration // as Outcome's, when it failed
}

// usefulness ranks classes by what the caller can do with the answer; higher is
// more useful. First what only the caller can mend, then what tells it when to
// come back, then what a retry may cure, last what is the operator's to mend: a
// refused credential of ours tells the caller nothing that it could act on.
var usefulness = [NumClasses]uint8{
	ContextTooLong: 60,
	ContentRefused: 59,
	CallerFault:    58,

	RateLimited: 50,
	Capacity:    49,

	Transient:      40,
	FirstTokenLate: 39,
	StreamStalled:  38,
	StreamCut:      37,
	NetworkUnknown: 36,
	NetworkUnsent:  35,
	EmptyAnswer:    34,
	Unknown:        33,

	QuotaExhausted: 20,
	ModelGone:      10,
	Permission:     2,
	Credential:     1,
}

// MoreUseful reports whether a says strictly more to the caller than b. Within a
// class a stated reset beats none, and a sooner one a later one. It is a strict
// weak order; no failure at all is the least useful.
func MoreUseful(a, b Failure) bool {
	if (a.Attempt == 0) != (b.Attempt == 0) {
		return b.Attempt == 0
	}
	if ra, rb := a.rank(), b.rank(); ra != rb {
		return ra > rb
	}
	if a.Stated != b.Stated {
		return a.Stated
	}
	return a.Stated && plus(a.Spent, max(a.Reset, 0)) < plus(b.Spent, max(b.Reset, 0))
}

func (f Failure) rank() uint8 {
	if int(f.Class) < NumClasses {
		return usefulness[f.Class]
	}
	return 0
}
