package simulate

import (
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"turnout/internal/domain"
	"turnout/internal/failover"
)

var update = flag.Bool("update", false, "write docs/scheduling.md's table anew")

// strict is a world that holds the loop to its rules: no account is asked beyond its limit.
type strict struct {
	World
	fatalf func(format string, args ...any)
	busy   map[domain.AccountID][]time.Time // ends of what is under way
	asked  int
}

func (w *strict) Answer(a Ask) Reply {
	w.asked++
	under := w.busy[a.Account.ID][:0]
	for _, end := range w.busy[a.Account.ID] {
		if end.After(a.At) {
			under = append(under, end)
		}
	}
	if limit := a.Account.MaxInFlight; limit > 0 && len(under) >= limit {
		w.fatalf("%s: %s has %d requests at once, its limit is %d", a.At, a.Account.Name, len(under)+1, limit)
	}
	if a.Cached > a.Input {
		w.fatalf("%d of %d tokens are cached", a.Cached, a.Input)
	}
	r := w.World.Answer(a)
	w.busy[a.Account.ID] = append(under, a.At.Add(r.Took))
	return r
}

// Whatever the day, the strategy and the size: every request ends, slots come back, limits hold, and the same script gives
// the same day.
func TestRunKeepsTheRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := DayOptions{
			Seed: rapid.Uint64().Draw(t, "seed"), Accounts: rapid.IntRange(1, 12).Draw(t, "accounts"),
			Sessions: rapid.IntRange(0, 40).Draw(t, "sessions"), Length: time.Duration(rapid.IntRange(1, 300).Draw(t, "minutes")) * time.Minute,
		}
		set := DefaultSettings()
		set.Tuning.Strategy = domain.Strategy(rapid.IntRange(0, domain.NumStrategies-1).Draw(t, "strategy"))
		s := Day(o)
		turns := 0
		for _, session := range s.Sessions {
			turns += len(session.Turns)
		}
		w := &strict{World: s.World, fatalf: t.Fatalf, busy: map[domain.AccountID][]time.Time{}}
		s.World = w
		r := Run(s, set)
		if r.Requests != turns || r.Leaked != 0 || r.Attempts != w.asked {
			t.Fatalf("%d of %d turns, %d slots leaked, %d of %d attempts", r.Requests, turns, r.Leaked, r.Attempts, w.asked)
		}
		if r.Failed+r.Attempts-r.Failures != r.Requests {
			t.Fatalf("%d requests: %d failed, %d were answered", r.Requests, r.Failed, r.Attempts-r.Failures)
		}
		if again := Run(Day(o), set); again != r {
			t.Fatalf("the same day again:\n%+v\n%+v", r, again)
		}
	})
}

// A day that is recorded and played again is the same day.
func TestRecordedDay(t *testing.T) {
	day := Day(DayOptions{Seed: 3, Accounts: 6, Sessions: 60, Length: 2 * time.Hour})
	rec := &recording{World: day.World}
	day.World = rec
	first := Run(day, DefaultSettings())
	again := Run(Recorded(day.Model, day.Accounts, rec.records), DefaultSettings())
	if again.Requests != first.Requests || again.Leaked != 0 {
		t.Fatalf("%+v\n%+v", first, again)
	}
	// It is not exactly the same: an account that fails by chance fails for all who ask it in those minutes.
	if first.Failures == 0 || again.Failures < first.Failures/2 || again.Failures > 4*first.Failures || math.Abs(again.CacheShare()-first.CacheShare()) > 0.03 || math.Abs(again.USD()-first.USD()) > 0.1*first.USD() {
		t.Errorf("the recorded day is another one:\n%+v\n%+v", first, again)
	}
}

// recording keeps what a world answered.
type recording struct {
	World
	records []Record
}

func (w *recording) Answer(a Ask) Reply {
	r := w.World.Answer(a)
	attempt := Attempt{a.Account.ID, a.At, r}
	for i := len(w.records) - 1; i >= 0; i-- {
		if last := &w.records[i]; last.Session == a.Session {
			if last.Input == a.Input { // another attempt of the same request
				last.Attempts = append(last.Attempts, attempt)
				return r
			}
			break
		}
	}
	w.records = append(w.records, Record{At: a.At, Session: a.Session, Input: a.Input, Output: a.Output, Attempts: []Attempt{attempt}})
	return r
}

// The table of docs/scheduling.md is what the scripted day gives.
func TestDay(t *testing.T) {
	var results []Result
	byName := map[string]Result{}
	for _, name := range domain.Strategies() {
		set := DefaultSettings()
		set.Name = name
		set.Tuning.Strategy, _ = domain.ParseStrategy(name)
		r := Run(Day(DayOptions{Seed: 1}), set)
		results = append(results, r)
		byName[name] = r
	}
	score := byName["score"]
	for name, r := range byName {
		if score.FirstP95 > r.FirstP95 || score.USD() > 1.02*r.USD() || score.Failed > r.Failed {
			t.Errorf("score is worse than %s:\n%+v\n%+v", name, score, r)
		}
	}
	const path, begin, end = "../../docs/scheduling.md", "<!-- day -->\n", "<!-- end -->\n"
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(raw), begin)
	old, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", path)
	}
	want := Table(results, true)
	if *update {
		if err := os.WriteFile(path, []byte(head+begin+want+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old != want {
		t.Errorf("%s shows another day; go test ./internal/simulate -run TestDay -update\n%s", path, want)
	}
}

func TestTable(t *testing.T) {
	plain := Table([]Result{{Name: "x", Requests: 10, Failed: 1, Input: 100, Cached: 50, Cost: 1.5e9, FirstP50: time.Second}}, false)
	for _, want := range []string{"X", "10", "50.0 %", "$1.50", "1.00 s"} {
		if !strings.Contains(plain, want) {
			t.Errorf("no %q in\n%s", want, plain)
		}
	}
	chart := Chart([]Result{{Name: "a<b", FirstP95: time.Second}, {Name: "c", FirstP95: 2 * time.Second}})
	if !strings.HasPrefix(chart, "<svg") || strings.Contains(chart, "a<b") || !strings.Contains(chart, "a&lt;b") || strings.Contains(chart, fmt.Sprint("Na", "N")) {
		t.Errorf("%s", chart)
	}
}

// A request without an answer is the slowest there is, and its wait counts.
func TestFailedRequestsCount(t *testing.T) {
	dead := func() *Script {
		s := Day(DayOptions{Seed: 5, Accounts: 2, Sessions: 3, Length: time.Hour})
		s.World = worldFunc(func(a Ask) Reply {
			if a.Session == s.Sessions[0].ID {
				return Reply{Class: failover.ContextTooLong, Scope: failover.ScopeNone, Took: time.Second}
			}
			return Reply{OK: true, First: time.Second, Took: time.Second, Output: a.Output}
		})
		return s
	}
	r := Run(dead(), DefaultSettings())
	if r.Failed == 0 || r.FirstP99 != longestRequest || r.Requests == r.Failed {
		t.Errorf("%+v", r)
	}
}

type worldFunc func(Ask) Reply

func (f worldFunc) Answer(a Ask) Reply { return f(a) }

// Of a recorded day every prompt is what it was, also after turns that failed, then or now.
func TestRecordedPrompts(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	one, two := domain.SessionID{1}, domain.SessionID{2}
	records := []Record{
		{At: at, Session: one, Input: 1000, Output: 100},
		{At: at.Add(time.Minute), Session: one}, // it failed then
		{At: at.Add(2 * time.Minute), Session: one, Input: 1500, Output: 100},
		{At: at.Add(3 * time.Minute), Session: one, Input: 400, Output: 100}, // summed up
		{At: at, Session: two},
		{At: at.Add(time.Minute), Session: two, Input: 7000, Output: 10},
		{At: at.Add(5 * time.Minute)}, // of no session
	}
	accounts := []*domain.Account{{ID: 1, Name: "a", Platform: "anthropic", Weight: 1, Enabled: true}}
	for name, fails := range map[string]bool{"all are served": false, "the third fails now": true} {
		s := Recorded("m", accounts, records)
		got := map[domain.SessionID][]int64{}
		s.World = worldFunc(func(a Ask) Reply {
			got[a.Session] = append(got[a.Session], a.Input)
			if fails && a.Input == 1500 {
				return Reply{Class: failover.ContextTooLong, Took: time.Second}
			}
			return Reply{OK: true, First: time.Second, Took: time.Second, Output: a.Output}
		})
		Run(s, DefaultSettings())
		for id, want := range map[domain.SessionID][]int64{one: {1000, 1000, 1500, 400}, two: {7000, 7000}, {}: {1500}} {
			if !slices.Equal(got[id], want) {
				t.Errorf("%s: the prompts of %v are %d, want %d", name, id, got[id], want)
			}
		}
	}
}

// A provider that fails everything is asked again no oftener than its retry budget allows, and another policy's budget holds as well.
func TestRetryBudgetHolds(t *testing.T) {
	attempts := map[int]int{}
	for _, percent := range []int{0, 20, 100} {
		s := Day(DayOptions{Seed: 7, Accounts: 12, Sessions: 150, Length: 10 * time.Minute})
		for _, a := range s.Accounts {
			a.Platform, a.Organization = "anthropic", ""
		}
		s.World = worldFunc(func(Ask) Reply {
			return Reply{Class: failover.Capacity, Scope: failover.ScopeProvider, First: time.Second, Took: time.Second}
		})
		set := DefaultSettings()
		set.Policy.Retries = failover.RetryShare{Percent: percent}
		set.Policy.Rests = [failover.NumClasses]failover.Rest{} // nothing else spares it
		r := Run(s, set)
		if r.Failed != r.Requests {
			t.Fatalf("%+v", r)
		}
		// Without a budget only those go on that found everybody else full, so that nobody knew yet whom they would ask.
		if percent == 0 && r.Attempts > r.Requests*101/100 || percent == 20 && r.Attempts > r.Requests*13/10 {
			t.Errorf("with a budget of %d %% %d requests made %d attempts", percent, r.Requests, r.Attempts)
		}
		attempts[percent] = r.Attempts
		if percent < 100 && r.Braked == 0 {
			t.Errorf("with %d %% nothing was braked", percent)
		}
	}
	if attempts[0] >= attempts[20] || attempts[20] >= attempts[100] {
		t.Errorf("attempts by budget: %v", attempts)
	}
}
