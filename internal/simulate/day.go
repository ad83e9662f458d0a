package simulate

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"turnout/internal/domain"
	"turnout/internal/failover"
	"turnout/internal/sched"
)

// DayOptions are the size of a scripted day. The zero value is the day of docs/scheduling.md: 100 accounts and 2,000
// conversations with sub-agents.
type DayOptions struct {
	Seed     uint64
	Accounts int
	Sessions int
	Length   time.Duration
}

// Day scripts a day: accounts of two providers that differ in speed, price and limits, some of them in organisations,
// with outages, brownouts and used-up windows; and conversations of coding agents that begin through the day with two
// peaks.
func Day(o DayOptions) *Script {
	if o.Accounts == 0 {
		o.Accounts = 100
	}
	if o.Sessions == 0 {
		o.Sessions = 2000
	}
	if o.Length == 0 {
		o.Length = 24 * time.Hour
	}
	rng := rand.New(rand.NewPCG(o.Seed, 0x5eed))
	began := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	w := &dayWorld{began: began, state: map[domain.AccountID]*standing{}, organizations: map[string]*standing{}}
	s := &Script{Began: began, Model: "simulated-model", World: w}
	for i := range o.Accounts {
		s.Accounts = append(s.Accounts, w.account(rng, i, o.Length))
	}
	for _, platform := range platforms { // each provider browns out once
		start := began.Add(time.Duration(rng.Float64() * float64(o.Length)))
		w.brownouts = append(w.brownouts, brownout{platform, start, start.Add(20 * time.Minute)})
	}
	for i := range o.Sessions {
		conversation(rng, s, i, o.Length)
	}
	return s
}

var platforms = []string{"anthropic", "openai"}

// standing is an account, or an organisation, in the world: how good it is, and what it has used.
type standing struct {
	first   float64 // median seconds to the first token
	speed   float64 // tokens a second
	errors  float64 // share of attempts that fail by chance
	outages []span
	flaky   []span // when half of the attempts fail

	perMinute, inMinute   int64 // uncached tokens
	minute                time.Time
	perWindow, inWindow   int64 // of five hours
	window                time.Time
	windowLength, shifted time.Duration
}

type span struct{ from, until time.Time }

func (s span) holds(t time.Time) bool { return !t.Before(s.from) && t.Before(s.until) }

type brownout struct {
	platform string
	from     time.Time
	until    time.Time
}

type dayWorld struct {
	began         time.Time
	state         map[domain.AccountID]*standing
	organizations map[string]*standing
	brownouts     []brownout
}

func (w *dayWorld) account(rng *rand.Rand, i int, length time.Duration) *domain.Account {
	a := &domain.Account{
		ID: domain.AccountID(i + 1), Name: fmt.Sprintf("account-%03d", i+1), Platform: platforms[i%2], Weight: 1 + rng.IntN(3)/2, Enabled: true,
		MaxInFlight: 4 + 4*rng.IntN(3), TokenPrice: []domain.NanoUSD{3000, 3000, 2400, 1500}[rng.IntN(4)],
	}
	st := &standing{
		first: 0.5 * math.Exp(rng.NormFloat64()*0.4), speed: 40 + 60*rng.Float64(), errors: 0.004 * math.Exp(rng.NormFloat64()),
		perMinute: int64(150_000 + 50_000*rng.IntN(8)), perWindow: int64(6_000_000 + 2_000_000*rng.IntN(8)), windowLength: 5 * time.Hour,
	}
	st.shifted = time.Duration(rng.Int64N(int64(st.windowLength)))
	if i%10 == 3 {
		st.first *= 5 // some are slow all day
	}
	if i%3 == 0 {
		a.Organization = fmt.Sprintf("org-%02d", i/12)
	}
	at := func() time.Time { return w.began.Add(time.Duration(rng.Float64() * float64(length))) }
	if i%4 == 1 {
		from := at()
		st.outages = append(st.outages, span{from, from.Add(time.Duration(5+rng.IntN(55)) * time.Minute)})
	}
	if i%5 == 2 {
		from := at()
		st.flaky = append(st.flaky, span{from, from.Add(time.Duration(10+rng.IntN(80)) * time.Minute)})
	}
	w.state[a.ID] = st
	if a.Organization != "" && w.organizations[a.Organization] == nil {
		w.organizations[a.Organization] = &standing{perMinute: 1_200_000, perWindow: math.MaxInt64, windowLength: 5 * time.Hour}
	}
	return a
}

// Answer implements World.
func (w *dayWorld) Answer(a Ask) Reply {
	st := w.state[a.Account.ID]
	rng := rand.New(rand.NewPCG(a.Draw, 7))
	fail := func(c failover.Class, s failover.Scope, reset, took time.Duration) Reply {
		return Reply{Class: c, Scope: s, Reset: reset, First: took, Took: took}
	}
	quick := time.Duration(100+rng.IntN(300)) * time.Millisecond
	for _, o := range st.outages {
		if o.holds(a.At) {
			if a.Account.ID%2 == 0 {
				return fail(failover.FirstTokenLate, failover.ScopeAccount, 0, 20*time.Second) // it accepts and is silent
			}
			return fail(failover.Transient, failover.ScopeAccount, 0, quick)
		}
	}
	share := st.errors
	for _, f := range st.flaky {
		if f.holds(a.At) {
			share = 0.5
		}
	}
	for _, b := range w.brownouts {
		if b.platform == a.Account.Platform && !a.At.Before(b.from) && a.At.Before(b.until) {
			share = max(share, 0.3)
		}
	}
	if rng.Float64() < share {
		return fail(failover.Transient, failover.ScopeAccount, 0, quick)
	}
	fresh := a.Input - a.Cached + a.Output
	if org := w.organizations[a.Account.Organization]; org != nil {
		if reset, ok := org.spend(a.At, fresh); !ok {
			return fail(failover.RateLimited, failover.ScopeOrganization, reset, quick)
		}
	}
	if reset, ok := st.spend(a.At, fresh); !ok {
		rep := fail(failover.RateLimited, failover.ScopeAccount, reset, quick)
		rep.Heard = st.heard()
		return rep
	}
	first := st.first*math.Exp(rng.NormFloat64()*0.3) + float64(a.Input-a.Cached)/10_000
	took := first + float64(a.Output)/st.speed
	return Reply{OK: true, First: secs(first), Took: secs(took), Output: a.Output, Heard: st.heard()}
}

// heard is what an answer says of the window, as those of subscriptions do.
func (st *standing) heard() *domain.QuotaReading {
	return &domain.QuotaReading{
		Window: "5h", Scope: domain.QuotaOfAccount, Used: float64(st.inWindow) / float64(st.perWindow), Remaining: -1,
		Reset: st.window.Add(st.windowLength), Length: st.windowLength,
	}
}

func secs(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// spend takes tokens out of the minute's and the window's; false: one is used up, until reset.
func (st *standing) spend(now time.Time, tokens int64) (reset time.Duration, ok bool) {
	if minute := now.Truncate(time.Minute); !minute.Equal(st.minute) {
		st.minute, st.inMinute = minute, 0
	}
	window := now.Add(st.shifted).Truncate(st.windowLength).Add(-st.shifted)
	if !window.Equal(st.window) {
		st.window, st.inWindow = window, 0
	}
	switch {
	case st.inWindow+tokens > st.perWindow:
		return st.window.Add(st.windowLength).Sub(now), false
	case st.inMinute+tokens > st.perMinute:
		return st.minute.Add(time.Minute).Sub(now), false
	}
	st.inMinute += tokens
	st.inWindow += tokens
	return 0, true
}

// callers is how many there are: all conversations of one begin with the same tools and the same system prompt, and all of its
// sub-agents with theirs.
const callers = 50

// begins is what a caller's conversations, or its sub-agents, begin with.
func begins(i int, agent bool) (p sched.PrefixID, tokens int64) {
	p = sched.PrefixID{Caller: domain.KeyID(i%callers + 1), Hash: 1}
	tokens = 8_000 + 250*int64(i%callers)
	if agent {
		p.Hash, tokens = 2, tokens/2
	}
	return p, tokens
}

// conversation scripts an agent's conversation and those of its sub-agents.
func conversation(rng *rand.Rand, s *Script, i int, length time.Duration) {
	// Two peaks: late morning and mid afternoon.
	peak := 0.45
	if rng.IntN(2) == 0 {
		peak = 0.65
	}
	where := math.Mod(1+peak+rng.NormFloat64()*0.12, 1)
	main := Session{ID: sessionID(i, 0), Start: s.Began.Add(time.Duration(where * float64(length)))}
	turns := 4 + int(rng.ExpFloat64()*14)
	main.Turns = talkOf(rng, min(turns, 80), int64(15_000+rng.IntN(25_000)))
	main.Prefix, main.Shared = begins(i, false)
	s.Sessions = append(s.Sessions, main)
	parent := len(s.Sessions)
	if rng.IntN(3) > 0 {
		return
	}
	after := 1 + rng.IntN(len(main.Turns))
	for agent := range 1 + rng.IntN(4) {
		sub := Session{ID: sessionID(i, agent+1), Parent: parent, After: after, Turns: talkOf(rng, 3+rng.IntN(6), int64(8_000+rng.IntN(8_000)))}
		sub.Prefix, sub.Shared = begins(i, true)
		s.Sessions = append(s.Sessions, sub)
	}
}

// talkOf scripts turns: mostly tool results that come back in seconds, now and then a person who thinks.
func talkOf(rng *rand.Rand, n int, opening int64) []Turn {
	turns := make([]Turn, n)
	for i := range turns {
		t := &turns[i]
		t.Think, t.Input, t.Output = secs(1+rng.ExpFloat64()*5), int64(300+rng.ExpFloat64()*2500), int64(40+rng.ExpFloat64()*350)
		if rng.IntN(8) == 0 {
			t.Think = secs(30 + rng.ExpFloat64()*240)
		}
	}
	turns[0].Think, turns[0].Input = 0, opening
	return turns
}

func sessionID(i, agent int) (id domain.SessionID) {
	binary.BigEndian.PutUint64(id[:], uint64(i)+1)
	binary.BigEndian.PutUint64(id[8:], uint64(agent))
	return id
}
