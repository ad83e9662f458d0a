package failover

import "time"

// finalClasses are answered at once in every profile: the caller must change its
// request (or a model fallback, which is not this package's, may serve it).
const finalClasses = ClassSet(1<<CallerFault | 1<<ContentRefused | 1<<ContextTooLong)

// brakedClasses are the faults of a provider under load. Limits and credentials
// are an account's, and asking another account does not hammer anybody.
const brakedClasses = ClassSet(1<<Unknown | 1<<Transient | 1<<Capacity | 1<<NetworkUnsent | 1<<NetworkUnknown |
	1<<FirstTokenLate | 1<<StreamCut | 1<<StreamStalled | 1<<EmptyAnswer)

// Classic reproduces, step by step, the behaviour that the conformance vectors
// define: blind to classes and stated resets, without budgets, and without an end
// after a 503. What package platform must add for single platforms are the switch
// delay and the single-account rule (Override.SwitchBackoff, Override.Single).
func Classic() Policy {
	p := Policy{
		Profile: ProfileClassic,
		Final:   finalClasses, // classic answers these before its loop sees them
		Same: Rule{
			Max: 3, On: AllClasses, Flagged: true, IgnoreStated: true,
			Backoff: Backoff{First: 500 * time.Millisecond}, Longest: NoBound,
		},
		Grace: Rule{
			Max: 1, On: AllClasses, IgnoreStated: true,
			Backoff: Backoff{First: 1500 * time.Millisecond}, Longest: NoBound,
		},
		Switch: Rule{Max: 3, On: AllClasses, IgnoreStated: true, Longest: NoBound},
		Round: Rule{
			Max: NoBound, On: AllClasses, Status: 503, IgnoreStated: true, SingleAccount: true,
			Backoff: Backoff{First: 2 * time.Second}, Longest: NoBound,
		},
		CapacitySwitches: NoBound,
		Attempts:         NoBound,
		PerAccount:       NoBound,
		Waiting:          NoBound,
		Total:            NoBound,
		BillOnFailure:    true,
		PinFailed:        true,
	}
	for c := range p.Rests {
		if !p.Final.Has(Class(c)) {
			p.Rests[c] = Rest{
				Flagged: true, Scope: ScopeAccount, From: 1, IgnoreStated: true,
				First: time.Minute, Most: time.Minute,
			}
		}
	}
	return p
}

// Balanced is the default. The values are those to begin with; each is to be
// measured again once there is traffic.
func Balanced() Policy {
	// A fault that a moment may mend, at the same place.
	momentary := Classes(Unknown, Transient, NetworkUnsent, NetworkUnknown, StreamCut, EmptyAnswer)
	p := Policy{
		Profile: ProfileBalanced,
		Final:   finalClasses,
		Same: Rule{
			Max: 1, On: momentary,
			Backoff: Backoff{First: 500 * time.Millisecond, Jitter: 60}, // 200–500 ms
			Longest: 500 * time.Millisecond, LongestStated: 3 * time.Second,
		},
		// Not for FirstTokenLate: the account has been waited for already.
		Grace: Rule{
			Max: 1, On: momentary | Classes(Capacity, RateLimited, StreamStalled),
			Backoff: Backoff{First: 1500 * time.Millisecond, Jitter: 50},
			Longest: 3 * time.Second, LongestStated: 20 * time.Second,
		},
		Switch: Rule{Max: 3, On: AllClasses &^ finalClasses, IgnoreStated: true, Longest: 3 * time.Second},
		Round: Rule{
			Max: 1, On: Classes(Capacity),
			Backoff: Backoff{First: 2 * time.Second, Jitter: 25},
			Longest: 3 * time.Second, LongestStated: 20 * time.Second,
		},
		Besides:          1,
		CapacitySwitches: 1,
		Attempts:         5,
		PerAccount:       2,
		Waiting:          20 * time.Second,
		Pace:             8 * time.Millisecond,
		Total:            10 * time.Minute, // the longest that a single attempt may take (JSON answers, first token)
		Stake: Stakes{
			On:          true,
			SecondPrice: 10_000_000, // $0.01, i.e. $36 for an hour of somebody's waiting
			// Claude Sonnet's list price as the middle of what is used: cache write
			// $3.75, cache read $0.30 for a million tokens.
			TokenPrice: 3_450,
			ReadSpeed:  10_000, // the same as in the time limit of a stream's first byte
		},
		Braked:            brakedClasses,
		Retries:           RetryShare{Percent: 20, Floor: 10},
		ShareOrganization: true,
	}
	// Most is what an account that has recovered waits at most before it is asked again.
	third := Rest{From: 3, First: 5 * time.Second, Most: 25 * time.Second, Jitter: 20}
	// FirstTokenLate is among them for an upstream that does not even answer with a header:
	// slowness alone opens no circuit.
	for _, c := range []Class{Unknown, Transient, NetworkUnsent, NetworkUnknown, FirstTokenLate, StreamCut, StreamStalled, EmptyAnswer} {
		p.Rests[c] = third
	}
	p.Rests[RateLimited] = Rest{From: 1, First: 10 * time.Second, Most: 5 * time.Minute, AsStated: true, Jitter: 20}
	// Not at the first: a provider that refuses one request in a hundred would stand
	// still for most of the time.
	p.Rests[Capacity] = Rest{From: 3, First: 2 * time.Second, Most: 25 * time.Second, Scope: ScopeProvider, Jitter: 20}
	// Where no reset is stated somebody may pay at any time, and a try costs little.
	p.Rests[QuotaExhausted] = Rest{From: 1, First: 5 * time.Minute, Most: time.Hour, AsStated: true}
	p.Rests[Credential] = Rest{UntilChanged: true}
	p.Rests[Permission] = Rest{From: 1, First: time.Minute, Most: 30 * time.Minute}
	p.Rests[ModelGone] = Rest{From: 1, First: 10 * time.Minute, Most: time.Hour}
	return p
}
