package failover

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"turnout/internal/domain"

	"pgregory.net/rapid"
)

// span draws a duration up to most, with the ends and round values likely.
func span(t *rapid.T, most time.Duration, label string) time.Duration {
	return time.Duration(rapid.Int64Range(0, int64(most/ms)).Draw(t, label)) * ms
}

func anySet(t *rapid.T, label string) ClassSet {
	return ClassSet(rapid.Uint32().Draw(t, label)) & AllClasses
}

func anyRule(t *rapid.T, name string) Rule {
	flag := func(what string) bool { return rapid.Bool().Draw(t, name+" "+what) }
	return Rule{
		Max: rapid.IntRange(0, 4).Draw(t, name+" max"),
		On:  anySet(t, name+" on") | anySet(t, name+" also on"), Status: rapid.SampledFrom([]int{0, 0, 0, 503}).Draw(t, name+" status"),
		Flagged: rapid.IntRange(0, 3).Draw(t, name+" flagged") == 0,
		Backoff: Backoff{
			First: span(t, 3*s1, name+" first"), Step: span(t, 2*s1, name+" step"),
			Jitter: rapid.IntRange(0, 100).Draw(t, name+" jitter"),
		},
		Longest: span(t, 10*s1, name+" longest"), LongestStated: span(t, 30*s1, name+" longest stated"),
		IgnoreStated: flag("ignore stated"), NeedStated: rapid.IntRange(0, 4).Draw(t, name+" need stated") == 0,
		Total: span(t, 20*s1, name+" total"), SingleAccount: flag("single"),
	}
}

// anyPolicy is any policy that is bounded, and valid.
func anyPolicy(t *rapid.T) Policy {
	flag := func(what string) bool { return rapid.Bool().Draw(t, what) }
	p := Policy{
		Profile: ProfileBalanced,
		Final:   anySet(t, "final") & anySet(t, "final too"),
		Same:    anyRule(t, "same"), Single: anyRule(t, "single"), Grace: anyRule(t, "grace"),
		Switch: anyRule(t, "switch"), Round: anyRule(t, "round"),
		Besides:          rapid.IntRange(0, 1).Draw(t, "besides"),
		CapacitySwitches: rapid.IntRange(0, 3).Draw(t, "capacity switches"),
		Attempts:         rapid.IntRange(1, 10).Draw(t, "attempts"),
		PerAccount:       rapid.IntRange(1, 4).Draw(t, "per account"),
		Waiting:          span(t, 30*s1, "waiting"),
		Total:            s1 + span(t, 2*time.Minute, "total"),
		Pace:             span(t, 20*ms, "pace"),
		Stake: Stakes{
			On:          flag("weigh"),
			SecondPrice: domain.NanoUSD(rapid.Int64Range(0, 1e9).Draw(t, "second")),
			TokenPrice:  domain.NanoUSD(rapid.Int64Range(0, 1e5).Draw(t, "token")),
			ReadSpeed:   rapid.Int64Range(0, 1e5).Draw(t, "speed"),
		},
		Braked:            anySet(t, "braked"),
		ShareOrganization: flag("share"),
		BillOnFailure:     flag("bill"),
	}
	for c := range p.Rests {
		if r := rapid.IntRange(0, 3).Draw(t, "rest"); r > 0 {
			first := ms + span(t, time.Minute, "first")
			p.Rests[c] = Rest{
				Flagged: r == 3, UntilChanged: r == 2 && flag("until changed"), Scope: Scope(rapid.IntRange(0, 4).Draw(t, "rest scope")),
				From: rapid.IntRange(1, 4).Draw(t, "from"), First: first, Most: first + span(t, time.Hour, "most"),
				AsStated: flag("as stated"), IgnoreStated: flag("rest ignores stated"), Jitter: rapid.IntRange(0, 99).Draw(t, "rest jitter"),
			}
		}
	}
	if err := p.Validate(); err != nil {
		t.Fatalf("the generator made a policy that is not valid: %v", err)
	}
	if !p.Bounded() {
		t.Fatal("the generator made a policy without a bound")
	}
	return p
}

// A small world: account i belongs to the organisation orgs[i % 3], and to the
// provider p or q.
var orgs = []string{"", "acme", "zeta"}

func anyOutcome(t *rapid.T, account domain.AccountID) Outcome {
	alternative := domain.AccountID(rapid.IntRange(0, 5).Draw(t, "alternative"))
	return Outcome{
		Account: account, Organization: orgs[account%3], Provider: []string{"p", "q"}[account%2],
		Class: Class(rapid.IntRange(0, NumClasses-1).Draw(t, "class")), Status: rapid.SampledFrom([]int{0, 429, 500, 503}).Draw(t, "status"),
		Scope:     Scope(rapid.IntRange(0, 4).Draw(t, "scope")),
		RetrySame: rapid.Bool().Draw(t, "retry same"), CacheLost: rapid.Bool().Draw(t, "cache lost"),
		Stated: rapid.Bool().Draw(t, "stated"), Reset: time.Duration(rapid.Int64Range(-int64(s1), int64(40*s1)).Draw(t, "reset")),
		Opened: rapid.Bool().Draw(t, "opened"), Committed: rapid.IntRange(0, 9).Draw(t, "committed") == 0,
		Resume: rapid.Bool().Draw(t, "resume"),
		Ahead:  rapid.SampledFrom([]int{0, 0, 1, 50, 5000}).Draw(t, "ahead"), Fallback: rapid.Bool().Draw(t, "fallback"),
		Soonest: span(t, 30*s1, "soonest"), Probe: rapid.IntRange(0, 4).Draw(t, "probe") == 0,
		NoRetries: rapid.IntRange(0, 9).Draw(t, "no retries") == 0, AlternativeWell: rapid.Bool().Draw(t, "alternative well"),
		Spent: span(t, time.Minute, "spent"), Streak: rapid.IntRange(1, 9).Draw(t, "streak"),
		Stake: Stake{
			Tokens:  rapid.Int64Range(0, 200_000).Draw(t, "tokens"),
			Expires: span(t, 5*time.Minute, "expires"),
		},
		Alternative: alternative, AlternativeOrganization: orgs[alternative%3],
		AlternativeProvider: []string{"p", "q"}[alternative%2],
		PriceOfMoving:       domain.NanoUSD(rapid.Int64Range(0, 1e9).Draw(t, "price of moving")),
	}
}

func clone(s State) State {
	s.Accounts, s.Organizations = slices.Clone(s.Accounts), slices.Clone(s.Organizations)
	return s
}

// life is one request (and its client's own retries) under a random policy, with
// every decision held against what must be true of all of them.
type life struct {
	t      *rapid.T
	p      Policy
	s      State
	former []State // every state there has been, and
	copies []State // what it was
	begun  int
	on     map[domain.AccountID]int
	waited time.Duration
	dead   bool // committed or final: nothing may follow
}

// decide runs one function of the core twice, and once without jitter.
func (l *life) decide(what string, f func(Policy, State) (State, Decision)) Decision {
	before := clone(l.s)
	l.former, l.copies = append(l.former, l.s), append(l.copies, before)
	s, d := f(l.p, l.s)
	s2, d2 := f(l.p, l.s)
	fail := func(why string) {
		l.t.Fatalf("%s: %s\nstate    %+v\ndecision %+v\nnext     %+v\npolicy   %+v", what, why, before, d, s, l.p)
	}
	if !reflect.DeepEqual(s, s2) || !reflect.DeepEqual(d, d2) {
		fail("a replay decides differently")
	}
	for i := range l.former {
		if !reflect.DeepEqual(l.former[i], l.copies[i]) {
			fail("a former state was modified")
		}
	}
	if _, plain := f(steady(l.p), l.s); plain.Action != d.Action || plain.Reason != d.Reason || d.Wait > plain.Wait {
		fail(fmt.Sprintf("jitter does more than shorten: %+v", plain))
	}
	switch {
	case d.Reason == "":
		fail("no reason")
	case d.Wait < 0:
		fail("a negative wait")
	case d.Action == GiveUp && d.Wait != 0:
		fail("a wait before giving up")
	case d.Action == GiveUp && len(d.After) != 0:
		fail("effects of a wait that there is not")
	case (d.Action == RetrySame) != (d.Account != 0):
		fail("pinned, or not, against the action")
	case d.Action == RetrySame && s.Excludes(d.Account, orgOf(l.p, d.Account)):
		fail("an account is excluded and pinned at once")
	case d.Max > 0 && d.N > d.Max:
		fail("more uses than the maximum")
	case s.CacheBilling != before.CacheBilling && before.CacheBilling:
		fail("the billing flag was reset")
	}
	for _, e := range d.Before {
		switch {
		case e.Kind != EffectRest:
			fail("something else than a rest before the wait")
		case e.Scope == ScopeNone:
			fail("a rest of nobody")
		case e.For <= 0 && !e.UntilChanged:
			fail("a rest without a time")
		}
	}
	// The wait for a slow attempt is not one of the request's own.
	if d.Action != Await {
		l.waited += d.Wait
	}
	if s.Waited != l.waited {
		fail(fmt.Sprintf("the state counts %v of waiting, there were %v", s.Waited, l.waited))
	}
	if l.waited > l.p.Waiting {
		fail("the waits exceed their budget")
	}
	l.s = s
	return d
}

func orgOf(p Policy, id domain.AccountID) string {
	if !p.ShareOrganization {
		return ""
	}
	return orgs[id%3]
}

// begin counts an attempt on an account.
func (l *life) begin(id domain.AccountID) {
	l.begun++
	l.on[id]++
	switch {
	case l.dead:
		l.t.Fatalf("an attempt after a committed answer or a final class\n%+v\n%+v", l.s, l.p)
	case l.begun > l.p.Attempts:
		l.t.Fatalf("%d attempts, at most %d\n%+v\n%+v", l.begun, l.p.Attempts, l.s, l.p)
	case l.on[id] > l.p.PerAccount:
		l.t.Fatalf("%d attempts on account %d, at most %d\n%+v\n%+v", l.on[id], id, l.p.PerAccount, l.s, l.p)
	}
}

// choose is a scheduler: any account that is not excluded.
func (l *life) choose() domain.AccountID {
	var free []domain.AccountID
	for id := domain.AccountID(1); id <= 5; id++ {
		if !l.s.Excludes(id, orgOf(l.p, id)) && rapid.IntRange(0, 5).Draw(l.t, "eligible") > 0 {
			free = append(free, id)
		}
	}
	if len(free) == 0 {
		return 0
	}
	return rapid.SampledFrom(free).Draw(l.t, "chosen")
}

// fail is a failed attempt and what the core makes of it.
func (l *life) fail(id domain.AccountID, running int) Decision {
	o := anyOutcome(l.t, id)
	o.Running = running
	tries, resumed := l.s.Tries(id), l.s.Resumed
	d := l.decide("AfterFailure", func(p Policy, s State) (State, Decision) { return AfterFailure(p, s, o) })
	if l.s.Last.Account != id || l.s.Tries(id) != tries+1 || MoreUseful(l.s.Last, l.s.Best) {
		l.t.Fatalf("the failure is not entered: %+v", l.s)
	}
	if o.Committed && (!o.Resume || resumed) || l.p.Final.Has(o.Class) {
		if d.Action != GiveUp {
			l.t.Fatalf("committed %v, class %s: %+v", o.Committed, o.Class, d)
		}
		l.dead = true
	} else if running > 0 && d.Action != Await {
		l.t.Fatalf("another attempt is under way: %+v", d)
	}
	if o.Scope == ScopeNone && len(d.Before) > 0 {
		l.t.Fatalf("a failure that concerns nobody rests somebody: %+v", d)
	}
	return d
}

// abandon ends an attempt without a failure.
func (l *life) abandon(id domain.AccountID) {
	before := clone(l.s)
	s := AfterAbandoned(l.p, l.s, id)
	if !reflect.DeepEqual(l.s, before) {
		l.t.Fatal("AfterAbandoned modified its state")
	}
	l.s = s
}

// attempts is the loop for one request of the client; it ends when the core gives
// up, the client leaves, or an attempt succeeds.
func (l *life) attempts() {
	pinned := domain.AccountID(0)
	for steps := 0; ; steps++ {
		if steps > 4*(l.p.Attempts+l.p.Round.Max+1) {
			l.t.Fatalf("no end after %d steps\n%+v\n%+v", steps, l.s, l.p)
		}
		id := pinned
		if id == 0 {
			id = l.choose()
		}
		var d Decision
		if id == 0 {
			soonest, known := time.Duration(rapid.Int64Range(0, int64(40*s1)).Draw(l.t, "soonest")), rapid.Bool().Draw(l.t, "known")
			ahead := rapid.IntRange(0, 1000).Draw(l.t, "ahead")
			d = l.decide("AfterNoCandidate", func(p Policy, s State) (State, Decision) { return AfterNoCandidate(p, s, soonest, known, ahead) })
			if d.Action != Round && d.Action != GiveUp {
				l.t.Fatalf("nobody to choose: %+v", d)
			}
		} else {
			l.begin(id)
			if rapid.IntRange(0, 2).Draw(l.t, "slow") == 0 {
				o := anyOutcome(l.t, id)
				beside := l.decide("AtSoftLimit", func(p Policy, s State) (State, Decision) { return AtSoftLimit(p, s, o) })
				switch beside.Action {
				case Beside:
					usable := o.Alternative != 0 && o.Alternative != id && !l.s.Excludes(o.Alternative, orgOf(l.p, o.Alternative))
					if !usable && !o.Fallback {
						l.t.Fatalf("started beside %d: %d\n%+v", id, o.Alternative, l.s)
					}
					// Whether the alternative has attempts left only the scheduler's exclusion
					// says; a first attempt there always has.
					if usable && l.on[o.Alternative] == 0 {
						l.begin(o.Alternative)
						if lost := l.fail(o.Alternative, 1); lost.Action == GiveUp {
							l.abandon(id)
							return
						}
					}
				case Await:
				default:
					l.t.Fatalf("at the soft limit: %+v", beside)
				}
			}
			if rapid.IntRange(0, 19).Draw(l.t, "the client leaves an attempt") == 0 {
				l.abandon(id)
				return
			}
			d = l.fail(id, 0)
		}
		switch d.Action {
		case GiveUp:
			return
		case Await, Beside:
			l.t.Fatalf("nothing is under way: %+v", d)
		}
		if d.Wait > 0 && rapid.IntRange(0, 9).Draw(l.t, "the client leaves") == 0 {
			return // the wait was not completed
		}
		for d.Wait > 0 && rapid.IntRange(0, 2).Draw(l.t, "it rests longer") == 0 {
			o := anyOutcome(l.t, max(d.Account, 1))
			counted := clone(l.s)
			on := l.decide("AfterWait", func(p Policy, s State) (State, Decision) { return AfterWait(p, s, o, d) })
			if on.Action != d.Action || on.Account != d.Account || len(on.Before)+len(on.After) > 0 || on.Wait > 0 && (on.Wait < o.Reset || !o.Stated) {
				l.t.Fatalf("waits on: %+v after %+v", on, d)
			}
			counted.Waited += on.Wait
			if !reflect.DeepEqual(l.s, counted) {
				l.t.Fatalf("waiting on counts for more than the wait: %+v", l.s)
			}
			if on.Wait == 0 {
				break
			}
		}
		before := clone(l.s)
		done := d.Completed(l.s)
		if !reflect.DeepEqual(l.s, before) {
			l.t.Fatal("Completed modified its state")
		}
		l.s = done
		if pinned = d.Account; d.Action == Round && l.s.Rounds > l.p.Round.Max {
			l.t.Fatalf("%d rounds, at most %d", l.s.Rounds, l.p.Round.Max)
		}
	}
}

func TestWhatHoldsForEveryBoundedPolicy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyPolicy(t)
		if rapid.IntRange(0, 3).Draw(t, "the default") == 0 {
			p = Balanced()
		}
		known := rapid.Bool().Draw(t, "bound known")
		session := Session{HasBound: known || rapid.Bool().Draw(t, "bound"), BoundKnown: known}
		if known {
			session.Bound = domain.AccountID(rapid.IntRange(1, 5).Draw(t, "bound account"))
		}
		l := &life{t: t, p: p, s: NewState(session, rapid.Uint64().Draw(t, "seed")), on: map[domain.AccountID]int{}}
		l.s.Reserved = rapid.SampledFrom([]int{0, 0, 1, 3}).Draw(t, "reserved")
		if rapid.Bool().Draw(t, "JSON") {
			l.s.HoldUntil = s1 + span(t, time.Minute, "hold until")
		}
		// The client tries again and again; nothing is renewed.
		for range rapid.IntRange(1, 4).Draw(t, "clients' tries") {
			if ok, why := MayBegin(p, l.s); !ok {
				if why == "" || l.s.Attempts < p.Attempts {
					t.Fatalf("may not begin after %d of %d: %q", l.s.Attempts, p.Attempts, why)
				}
				return
			}
			l.dead = false
			if known && rapid.Bool().Draw(t, "bound is resting") {
				o := anyOutcome(t, session.Bound)
				d := l.decide("StayOrMove", func(p Policy, s State) (State, Decision) { return StayOrMove(p, s, o) })
				if d.Action != RetrySame && d.Action != Switch || len(d.Before)+len(d.After) > 0 {
					t.Fatalf("before an attempt: %+v", d)
				}
			}
			l.attempts()
		}
	})
}

// The ranking of failures is a strict weak order, so that "the most useful" does
// not depend on the order in which they came (but among equals).
func TestMoreUsefulIsAnOrder(t *testing.T) {
	anyFailure := func(t *rapid.T, name string) Failure {
		return Failure{
			Attempt: rapid.IntRange(0, 2).Draw(t, name), Class: Class(rapid.IntRange(0, NumClasses).Draw(t, name+" class")),
			Stated: rapid.Bool().Draw(t, name+" stated"), Reset: span(t, 3*ms, name+" reset"), Spent: span(t, 3*ms, name+" spent"),
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := anyFailure(t, "a"), anyFailure(t, "b"), anyFailure(t, "c")
		if MoreUseful(a, a) || MoreUseful(a, b) && MoreUseful(b, a) {
			t.Fatal("not strict")
		}
		if MoreUseful(a, b) && MoreUseful(b, c) && !MoreUseful(a, c) {
			t.Fatal("not transitive")
		}
		if !MoreUseful(a, b) && !MoreUseful(b, a) && MoreUseful(a, c) != MoreUseful(b, c) {
			t.Fatal("equals are not interchangeable")
		}
	})
}
