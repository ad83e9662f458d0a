package sched

import (
	"fmt"
	"math"
	"testing"
	"time"

	"turnout/internal/domain"
)

func TestCandidateQuota(t *testing.T) {
	week := func(name, family string, used float64) domain.QuotaReading {
		return domain.QuotaReading{
			Window: name, Family: family, Scope: domain.QuotaOfAccount, Used: used, Remaining: -1,
			Reset: at.Add(84 * time.Hour), Length: 168 * time.Hour,
		}
	}
	opus, sonnet := models(domain.ModelMap{"m": "claude-opus-5"}), models(domain.ModelMap{"m": "claude-sonnet-5"})
	type want struct {
		pace, headroom         float64
		paced, known, draining bool
	}
	tests := []struct {
		name     string
		account  plan
		readings []domain.QuotaReading
		want     want
	}{
		{"nothing is known", account(1), nil, want{}},
		{"the tightest of each", account(1), []domain.QuotaReading{fiveHours(.5, at.Add(time.Hour)), week("7d", "", .7), tokens(100, at)},
			want{pace: .2, paced: true, headroom: .1, known: true}},
		{"a bucket has no pace", account(1), []domain.QuotaReading{tokens(100, at)}, want{headroom: .1, known: true}},
		{"a family's window holds for it", account(1, opus), []domain.QuotaReading{week("7d", "", .5), week("7d_opus", "opus", 1)},
			want{pace: .5, paced: true, headroom: 0, known: true, draining: true}},
		{"and for nobody else", account(1, sonnet), []domain.QuotaReading{week("7d", "", .5), week("7d_opus", "opus", 1)},
			want{pace: 0, paced: true, headroom: .5, known: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, _ := pool([]plan{tt.account})
			c := &v.Candidates[0]
			c.Observe(tt.readings, at)
			pace, paced := c.Pace(at)
			headroom, known := c.Headroom(at)
			if !near(pace, tt.want.pace) || paced != tt.want.paced || !near(headroom, tt.want.headroom) || known != tt.want.known || c.Draining(at) != tt.want.draining {
				t.Errorf("pace %v (%v), headroom %v (%v), draining %v; want %+v", pace, paced, headroom, known, c.Draining(at), tt.want)
			}
		})
	}
}

// An organisation shares its models' windows, and nobody shares a subscription's; another model has
// windows of its own. They outlive the View.
func TestQuotaDomains(t *testing.T) {
	v, cells := pool([]plan{account(1, organization("acme")), account(2, organization("acme")), account(3)})
	v.Candidates[0].Observe([]domain.QuotaReading{tokens(400, at)}, at)
	v.Candidates[1].Observe([]domain.QuotaReading{fiveHours(.9, at.Add(time.Hour))}, at)
	a := *v.Candidates[0].Account
	other := Build(8, &domain.Pool{ID: 1}, "another", domain.DialectAnthropic, nil, []*domain.Account{&a}, func(*domain.Account) Speech { return Native }, cells, Tuning{})
	again := Build(9, &domain.Pool{ID: 1}, "m", domain.DialectAnthropic, nil, []*domain.Account{&a}, func(*domain.Account) Speech { return Native }, cells, Tuning{})
	for _, tt := range []struct {
		name string
		c    *Candidate
		want float64 // headroom; negative: unknown
	}{
		{"the one that was told", &v.Candidates[0], .4}, {"one of its organisation, with a subscription", &v.Candidates[1], .1}, {"a stranger", &v.Candidates[2], -1},
		{"another model", &other.Candidates[0], -1}, {"after a reload", &again.Candidates[0], .4},
	} {
		got, known := tt.c.Headroom(at)
		if known != (tt.want >= 0) || known && !near(got, tt.want) {
			t.Errorf("%s: headroom %v (%v), want %v", tt.name, got, known, tt.want)
		}
	}
}

func TestQuotaCounts(t *testing.T) {
	v, _ := pool([]plan{account(1)})
	c := &v.Candidates[0]
	day := func(window string, unit domain.QuotaUnit) domain.QuotaReading {
		r := perDay(1000, at.Add(time.Hour))
		r.Window, r.Unit = window, unit
		return r
	}
	c.Observe([]domain.QuotaReading{day("r", domain.QuotaRequests), day("t", domain.QuotaTokens), day("i", domain.QuotaInputTokens), day("o", domain.QuotaOutputTokens)}, at)
	now := at.Add(2 * time.Hour)
	c.Count(1, domain.Usage{Input: 10, CacheRead: 20, CacheWrite5m: 30, Output: 40, Reported: true}, now, now)
	want := map[string]float64{"r": .001, "t": .1, "i": .06, "o": .04}
	for _, w := range c.quotas[quotaModel].Windows() {
		if s, _ := w.Standing(now); !near(s.Used, want[s.Window]) {
			t.Errorf("%s: used %v, want %v", s.Window, s.Used, want[s.Window])
		}
	}
}

// The score wants a window to last until its reset, and not longer; and at its wall nothing new.
func TestQuotaTerm(t *testing.T) {
	// Three of five hours have passed.
	at60 := func(used float64) domain.QuotaReading { return fiveHours(used, at.Add(2*time.Hour)) }
	for _, tt := range []struct {
		name    string
		reading domain.QuotaReading
		bound   domain.AccountID
		want    float64
	}{
		{"ahead of its time", at60(.8), 0, .2 * PaceSeconds}, {"behind", at60(.1), 0, -.5 * UnusedSeconds}, {"a bucket", tokens(400, at), 0, 0},
		{"near its wall", at60(.97), 0, .37*PaceSeconds + DrainSeconds}, {"near its wall, for whom it is bound", at60(.97), 1, .37 * PaceSeconds},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := scored([]plan{account(1)}, nil)
			v.Candidates[0].Observe([]domain.QuotaReading{tt.reading}, at)
			d := Choose(v, Request{Now: at, Bound: tt.bound})
			if got := float64(d.Score[TermQuota]); math.Abs(got-tt.want) > 1e-4 {
				t.Errorf("the term is %v, want %v", got, tt.want)
			}
		})
	}
}

// A session stays at an account that drains, and a new one goes elsewhere although that is worse otherwise.
func TestDrainingIsForNewSessions(t *testing.T) {
	v := scored([]plan{account(1), account(2, limit(4), busy(3))}, nil)
	v.Find(1).Observe([]domain.QuotaReading{fiveHours(.97, at.Add(3*time.Hour))}, at)
	for seed := range uint64(50) {
		if d := Choose(v, Request{Now: at, Seed: seed}); idOf(d) != 2 {
			t.Fatalf("a new session went to %d, %v", idOf(d), d.Score)
		}
	}
	d := Choose(v, Request{Now: at, Bound: 1, WarmTokens: 50_000, WarmUntil: at.Add(time.Minute)})
	if idOf(d) != 1 || d.Rule != RuleSticky {
		t.Errorf("the bound session went to %d by %v", idOf(d), d.Rule)
	}
}

// By soonest reset the window is used that would be lost first, as long as it has room; accounts of which nothing is known come last.
func TestSoonestReset(t *testing.T) {
	v, _ := poolBy(domain.SoonestReset, []plan{account(1), account(2), account(3), account(4)})
	v.Find(2).Observe([]domain.QuotaReading{fiveHours(.2, at.Add(2*time.Hour))}, at)
	v.Find(3).Observe([]domain.QuotaReading{fiveHours(.2, at.Add(time.Hour))}, at)
	v.Find(4).Observe([]domain.QuotaReading{fiveHours(1, at.Add(time.Minute))}, at)
	var order []domain.AccountID
	r := Request{Now: at}
	for range 2 {
		d := Choose(v, r)
		order = append(order, idOf(d))
		r.Exclude = append(r.Exclude, idOf(d))
	}
	if fmt.Sprint(order) != "[3 2]" {
		t.Errorf("the order is %v", order)
	}
}

// An upstream that invents windows fills no memory, and pushes nothing true out.
func TestQuotaIsBounded(t *testing.T) {
	var q Quota
	for i := range 100 {
		r := fiveHours(.5, at.Add(time.Hour))
		r.Window = fmt.Sprint("w", i)
		q.Observe(&r, at)
	}
	if n := len(q.Windows()); n != maxWindows || q.Windows()[0].name != "w0" {
		t.Fatalf("%d windows are kept, the first is %s", n, q.Windows()[0].name)
	}
	r := fiveHours(.5, at.Add(6*time.Hour))
	r.Window = "later"
	q.Observe(&r, at.Add(2*time.Hour))
	if len(q.Windows()) != 1 || q.Windows()[0].name != "later" {
		t.Errorf("windows that are over leave no room: %d", len(q.Windows()))
	}
}

func BenchmarkCandidate(b *testing.B) {
	for _, n := range []int{0, 3} {
		v, _ := pool([]plan{account(1, models(domain.ModelMap{"m": "claude-sonnet-5"}))})
		c := &v.Candidates[0]
		if n > 0 {
			week := fiveHours(.7, at.Add(84*time.Hour))
			week.Window, week.Length = "7d", 168*time.Hour
			opus := week
			opus.Window, opus.Family = "7d_opus", "opus"
			c.Observe([]domain.QuotaReading{fiveHours(.5, at.Add(time.Hour)), week, opus}, at)
		}
		for name, f := range map[string]func(){"pace": func() { c.Pace(at) }, "headroom": func() { c.Headroom(at) }, "draining": func() { c.Draining(at) }} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				for b.Loop() {
					f()
				}
			})
		}
	}
}
