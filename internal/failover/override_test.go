package failover

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"turnout/internal/domain"
)

func TestProfilesAreValid(t *testing.T) {
	for _, name := range []Profile{ProfileClassic, ProfileBalanced} {
		p, err := ByProfile(name)
		if err != nil || p.Profile != name {
			t.Fatalf("%s: %s, %v", name, p.Profile, err)
		}
		if err := p.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if p.Bounded() != (name == ProfileBalanced) {
			t.Errorf("%s: bounded is %v", name, p.Bounded())
		}
	}
	if p, err := ByProfile(""); err != nil || p != Balanced() {
		t.Errorf("the default is %s, %v", p.Profile, err)
	}
	if _, err := ByProfile("brave"); err == nil || err.Error() != "profile is brave; allowed: balanced or classic" {
		t.Errorf("error is %v", err)
	}
}

// Each override changes what its name says, and nothing else.
func TestWith(t *testing.T) {
	tests := []struct {
		name string
		o    Override
		edit func(*Policy)
	}{
		{"nothing", Override{}, func(*Policy) {}},
		{"profile: the policy has one", Override{Profile: ProfileClassic}, func(*Policy) {}},
		{"switches", Override{Switches: new(5)}, func(p *Policy) { p.Switch.Max = 5 }},
		{"attempts", Override{Attempts: new(9)}, func(p *Policy) { p.Attempts = 9 }},
		{"attempts_per_account", Override{AttemptsPerAccount: new(4)}, func(p *Policy) { p.PerAccount = 4 }},
		{"waiting", Override{Waiting: new(s1)}, func(p *Policy) { p.Waiting = s1 }},
		{"total", Override{Total: new(time.Minute)}, func(p *Policy) { p.Total = time.Minute }},
		{"same_account_retries", Override{SameRetries: new(0)}, func(p *Policy) { p.Same.Max = 0 }},
		{"same_account_backoff", Override{SameBackoff: new(100 * ms)}, func(p *Policy) { p.Same.Backoff.First = 100 * ms }},
		{"same_account_backoff, long", Override{SameBackoff: new(s1)}, func(p *Policy) { p.Same.Backoff.First, p.Same.Longest = s1, s1 }},
		{"grace_retries", Override{GraceRetries: new(2)}, func(p *Policy) { p.Grace.Max = 2 }},
		{"grace_delay", Override{GraceDelay: new(5 * s1)}, func(p *Policy) { p.Grace.Backoff.First, p.Grace.Longest = 5*s1, 5*s1 }},
		{"grace_longest", Override{GraceLongest: new(9 * s1)}, func(p *Policy) { p.Grace.Longest, p.Grace.LongestStated = 9*s1, 9*s1 }},
		{"rounds", Override{Rounds: new(2)}, func(p *Policy) { p.Round.Max = 2 }},
		{"second_price", Override{SecondPrice: new(domain.NanoUSD(7))}, func(p *Policy) { p.Stake.SecondPrice = 7 }},
		{"hold", Override{Hold: new(5 * s1)}, func(p *Policy) { p.Round.LongestStated = 5 * s1 }},
		{"hold, longer than waiting", Override{Hold: new(time.Minute)}, func(p *Policy) { p.Round.LongestStated, p.Waiting = time.Minute, time.Minute }},
		{"hold beats waiting", Override{Hold: new(time.Minute), Waiting: new(s1)}, func(p *Policy) { p.Round.LongestStated, p.Waiting = time.Minute, time.Minute }},
		{"hold, none", Override{Hold: new(time.Duration(0))}, func(p *Policy) { p.Round.LongestStated = 0 }},
		{"rests", Override{Rests: map[string]RestOverride{"transient": {From: new(1), First: new(s1), Most: new(9 * s1)}, "capacity": {Most: new(time.Hour)}}}, func(p *Policy) {
			p.Rests[Transient].From, p.Rests[Transient].First, p.Rests[Transient].Most = 1, s1, 9*s1
			p.Rests[Capacity].Most = time.Hour
		}},
		{"rests, longer than the longest", Override{Rests: map[string]RestOverride{"transient": {First: new(time.Hour)}}}, func(p *Policy) {
			p.Rests[Transient].First, p.Rests[Transient].Most = time.Hour, time.Hour
		}},
		{"rests of what rests nobody", Override{Rests: map[string]RestOverride{"first_token_late": {From: new(5), First: new(s1), Most: new(9 * s1)}}}, func(p *Policy) {
			p.Rests[FirstTokenLate] = Rest{From: 5, First: s1, Most: 9 * s1, Jitter: 20}
		}},
		{"rests of an unknown class", Override{Rests: map[string]RestOverride{"x": {First: new(s1)}}}, func(*Policy) {}},
		{"switch backoff", Override{SwitchBackoff: &Backoff{Step: 4 * s1}}, func(p *Policy) { p.Switch.Backoff.Step, p.Switch.Longest = 4*s1, 8*s1 }},
		{"hold", Override{Hold: new(50 * s1)}, func(p *Policy) { p.Round.LongestStated, p.Waiting = 50*s1, 50*s1 }},
		{"rests", Override{Rests: map[string]RestOverride{"transient": {From: new(1), First: new(s1)}}}, func(p *Policy) { p.Rests[Transient].From, p.Rests[Transient].First = 1, s1 }},
		{"single", Override{Single: &Rule{Max: 3}}, func(p *Policy) { p.Single.Max = 3 }},
	}
	for _, tt := range tests {
		want, from := Balanced(), Balanced()
		tt.edit(&want)
		if got := from.With(tt.o); got != want {
			t.Errorf("%s: got\n%+v\nwant\n%+v", tt.name, got, want)
		}
		if from != Balanced() {
			t.Errorf("%s: the policy itself was modified", tt.name)
		}
	}
	// Every field of Override was tried.
	if n := reflect.TypeFor[Override]().NumField(); n != 17 {
		t.Errorf("Override has %d fields; add a row for each", n)
	}
}

func TestEffective(t *testing.T) {
	platform := Override{
		Switches: new(50), Attempts: new(50), AttemptsPerAccount: new(50), Waiting: new(time.Minute),
		Total: new(time.Hour), SameRetries: new(50), GraceRetries: new(50), Rounds: new(9),
		GraceDelay: new(4 * s1), SameBackoff: new(100 * ms), SwitchBackoff: &Backoff{Step: s1}, SecondPrice: new(domain.NanoUSD(5)),
	}
	got, err := Effective(platform, Override{Switches: new(6), GraceDelay: new(s1)})
	if err != nil {
		t.Fatal(err)
	}
	want := Balanced() // maxima and budgets from the pool alone
	want.Switch.Max = 6
	want.Same.Backoff.First = 100 * ms                                 // the platform's
	want.Grace.Backoff.First, want.Grace.Longest = s1, 4*s1            // the pool beats the platform
	want.Switch.Backoff, want.Switch.Longest = Backoff{Step: s1}, 5*s1 // the platform's delay reaches as far as the pool's switches
	want.Stake.SecondPrice = 5
	if got != want {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
	platform.Profile = ProfileClassic // not for this pool
	if got, err = Effective(platform, Override{}); err != nil || got != Balanced() {
		t.Errorf("an override for classic reaches balanced: %v\n%+v", err, got)
	}
	if got, err = Effective(platform, Override{Profile: ProfileClassic}); err != nil || got.Switch.Backoff.Step != s1 || got.Switch.Max != Classic().Switch.Max {
		t.Errorf("an override for classic does not reach it: %v\n%+v", err, got)
	}
	if _, err := Effective(Override{}, Override{Profile: "x"}); err == nil {
		t.Error("an unknown profile passes")
	}
	if _, err := Effective(Override{}, Override{Attempts: new(NoBound)}); err == nil {
		t.Error("attempts without a bound pass")
	}
	if p, err := Effective(Override{}, Override{Profile: ProfileClassic, Waiting: new(s1)}); err != nil || p.Profile != ProfileClassic || p.Waiting != s1 {
		t.Errorf("classic with a budget: %s, %v", p.Profile, err)
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		edit func(*Policy)
		want string
	}{
		{func(p *Policy) { p.Profile = "" }, `profile is ""; allowed: balanced or classic`},
		{func(p *Policy) { p.Attempts = 0 }, "attempts is 0; allowed: 1 to 100"},
		{func(p *Policy) { p.Attempts = NoBound }, "attempts is without a bound; allowed: 1 to 100"},
		{func(p *Policy) { p.PerAccount = 101 }, "attempts_per_account is 101; allowed: 1 to 100"},
		{func(p *Policy) { p.Switch.Max = 500 }, "switches is 500; allowed: 0 to 100"},
		{func(p *Policy) { p.Same.Max = -2 }, "same_account_retries is -2; allowed: 0 to 100"},
		{func(p *Policy) { p.Grace.Max = 101 }, "grace_retries is 101; allowed: 0 to 100"},
		{func(p *Policy) { p.Round.Max = 11 }, "rounds is 11; allowed: 0 to 10"},
		{func(p *Policy) { p.Besides = 2 }, "besides is 2; allowed: 0 to 1"},
		{func(p *Policy) { p.CapacitySwitches = NoBound }, "capacity_switches is without a bound; allowed: 0 to 100"},
		{func(p *Policy) { p.Waiting = time.Hour }, "waiting is 1h0m0s; allowed: 0s to 10m0s"},
		{func(p *Policy) { p.Waiting = NoBound }, "waiting is without a bound; allowed: 0s to 10m0s"},
		{func(p *Policy) { p.Total = 0 }, "total is 0s; allowed: 1s to 24h0m0s"},
		{func(p *Policy) { p.Single.Max, p.Single.Total = 1, time.Hour }, "single_account_waiting is 1h0m0s; allowed: 0s to 10m0s"},
		{func(p *Policy) { p.Same.Backoff.First = -1 }, "same_account_backoff is -1ns; allowed: 0s to 5m0s"},
		{func(p *Policy) { p.Switch.Backoff.Step = time.Hour }, "switch_backoff_step is 1h0m0s; allowed: 0s to 5m0s"},
		{func(p *Policy) { p.Grace.Longest = NoBound }, "grace_longest is without a bound; allowed: 0s to 10m0s"},
		{func(p *Policy) { p.Round.LongestStated = time.Hour }, "round_longest_stated is 1h0m0s; allowed: 0s to 10m0s"},
		{func(p *Policy) { p.Grace.Backoff.Jitter = 101 }, "grace_jitter is 101; allowed: 0 to 100"},
		{func(p *Policy) { p.Stake.SecondPrice = -1 }, "second_price is -1; allowed: 0 to 10000000000 nano-USD"},
		{func(p *Policy) { p.Stake.TokenPrice = -1 }, "token_price is -1; allowed: 0 to 10000000000 nano-USD"},
		{func(p *Policy) { p.Stake.ReadSpeed = -1 }, "read_speed is -1; allowed: 0 to 10000000 tokens a second"},
		{func(p *Policy) { p.PinFailed = true }, "pin_failed is on; allowed: off, except in the classic profile"},
		{func(p *Policy) { p.Retries.Percent = 101 }, "retry_percent is 101; allowed: 0 to 100"},
		{func(p *Policy) { p.Retries.Floor = -1 }, "retry_floor is -1; allowed: 0 to 1000000"},
		{func(p *Policy) { p.Rests[Transient].From = 0 }, "rest_transient_from is 0; allowed: 1 to 1000"},
		{func(p *Policy) { p.Rests[Transient].Most = s1 }, "rest_transient_most is 1s; allowed: 5s to 720h0m0s"},
		{func(p *Policy) { p.Rests[Transient].First = -1 }, "rest_transient_first is -1ns; allowed: 0s to 720h0m0s"},
	}
	for _, tt := range tests {
		p := Balanced()
		tt.edit(&p)
		err := p.Validate()
		var setting *SettingError
		if err == nil || err.Error() != tt.want || !errors.As(err, &setting) || !strings.HasPrefix(tt.want, setting.Setting+" ") {
			t.Errorf("got  %v\nwant %s", err, tt.want)
		}
	}
	// All of what is wrong is said at once.
	p := Balanced()
	p.Attempts, p.Switch.Max = 0, 500
	if err := p.Validate(); err == nil || strings.Count(err.Error(), "allowed") != 2 {
		t.Errorf("got %v", err)
	}
	// Backoffs are never without a bound, not even in classic.
	p = Classic()
	p.Grace.Backoff.First = NoBound
	if err := p.Validate(); err == nil {
		t.Error("a backoff of NoBound passes")
	}
}
