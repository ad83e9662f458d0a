package failover

import (
	"errors"
	"strconv"
	"time"

	"turnout/internal/domain"
)

// The widest values that make sense. They keep a slip of the pen (500 for 5, hours
// for seconds) from becoming a storm or a hang.
const (
	mostUses    = 100
	mostRounds  = 10
	mostWait    = 10 * time.Minute
	mostTotal   = 24 * time.Hour
	mostRest    = 30 * 24 * time.Hour
	mostBackoff = 5 * time.Minute
	mostPrice   = domain.NanoUSD(10_000_000_000) // $10
	mostStreak  = 1000
	mostSpeed   = 10_000_000
)

// Validate says everything that is wrong with a policy, as SettingErrors joined.
// A value without a bound is an error in every profile but classic.
func (p Policy) Validate() error {
	v := checker{free: p.Profile == ProfileClassic}
	if p.Profile != ProfileClassic && p.Profile != ProfileBalanced {
		v.fail("profile", strconv.Quote(string(p.Profile)), string(ProfileBalanced+" or "+ProfileClassic))
	}
	v.count("attempts", p.Attempts, 1, mostUses)
	v.count("attempts_per_account", p.PerAccount, 1, mostUses)
	v.count("switches", p.Switch.Max, 0, mostUses)
	v.count("same_account_retries", p.Same.Max, 0, mostUses)
	v.count("grace_retries", p.Grace.Max, 0, mostUses)
	v.count("rounds", p.Round.Max, 0, mostRounds)
	v.count("single_account_retries", p.Single.Max, 0, mostUses)
	v.count("besides", p.Besides, 0, 1)
	v.count("capacity_switches", p.CapacitySwitches, 0, mostUses)
	v.span("waiting", p.Waiting, 0, mostWait)
	v.span("total", p.Total, time.Second, mostTotal)
	v.span("single_account_waiting", p.Single.Total, 0, mostWait)

	v.span("pace", p.Pace, 0, time.Second)

	v.rule("same_account", &p.Same)
	v.rule("grace", &p.Grace)
	v.rule("switch", &p.Switch)
	v.rule("round", &p.Round)
	v.rule("single_account", &p.Single)

	v.price("second_price", p.Stake.SecondPrice)
	v.price("token_price", p.Stake.TokenPrice)
	if p.Stake.ReadSpeed < 0 || p.Stake.ReadSpeed > mostSpeed {
		v.fail("read_speed", strconv.FormatInt(p.Stake.ReadSpeed, 10), "0 to "+strconv.Itoa(mostSpeed)+" tokens a second")
	}
	if p.PinFailed && !v.free {
		v.fail("pin_failed", "on", "off, except in the classic profile")
	}
	if p.Retries.Percent < 0 || p.Retries.Percent > 100 {
		v.fail("retry_percent", strconv.Itoa(p.Retries.Percent), "0 to 100")
	}
	if p.Retries.Floor < 0 || p.Retries.Floor > 1_000_000 {
		v.fail("retry_floor", strconv.Itoa(p.Retries.Floor), "0 to 1000000")
	}
	for c := range p.Rests {
		v.rest("rest_"+Class(c).String(), p.Rests[c])
	}
	return errors.Join(v.errs...)
}

// Bounded reports whether the policy bounds what one request may do. All policies
// do but classic's.
func (p Policy) Bounded() bool {
	return !p.PinFailed && p.Attempts != NoBound && p.PerAccount != NoBound && p.Waiting != NoBound && p.Total != NoBound &&
		p.Switch.Max != NoBound && p.Round.Max != NoBound
}

type checker struct {
	free bool // NoBound is allowed
	errs []error
}

func (v *checker) fail(setting, value, allowed string) {
	v.errs = append(v.errs, &SettingError{Setting: setting, Value: value, Allowed: allowed})
}

func (v *checker) count(setting string, n, low, high int) {
	if n == NoBound && v.free || n >= low && n <= high {
		return
	}
	value := strconv.Itoa(n)
	if n == NoBound {
		value = "without a bound"
	}
	v.fail(setting, value, strconv.Itoa(low)+" to "+strconv.Itoa(high))
}

func (v *checker) span(setting string, d, low, high time.Duration) {
	if d == NoBound && v.free || d >= low && d <= high {
		return
	}
	value := d.String()
	if d == NoBound {
		value = "without a bound"
	}
	v.fail(setting, value, low.String()+" to "+high.String())
}

// within is span for what is never without a bound.
func (v *checker) within(setting string, d, low, high time.Duration) {
	if d < low || d > high {
		v.fail(setting, d.String(), low.String()+" to "+high.String())
	}
}

func (v *checker) price(setting string, n domain.NanoUSD) {
	if n < 0 || n > mostPrice {
		v.fail(setting, strconv.FormatInt(int64(n), 10), "0 to "+strconv.FormatInt(int64(mostPrice), 10)+" nano-USD")
	}
}

func (v *checker) rule(name string, r *Rule) {
	v.within(name+"_backoff", r.Backoff.First, 0, mostBackoff)
	v.within(name+"_backoff_step", r.Backoff.Step, 0, mostBackoff)
	v.span(name+"_longest", r.Longest, 0, mostWait)
	v.span(name+"_longest_stated", r.LongestStated, 0, mostWait)
	if r.Backoff.Jitter < 0 || r.Backoff.Jitter > 100 {
		v.fail(name+"_jitter", strconv.Itoa(r.Backoff.Jitter), "0 to 100")
	}
}

func (v *checker) rest(name string, r Rest) {
	if r.First == 0 {
		return
	}
	v.within(name+"_first", r.First, 0, mostRest)
	v.within(name+"_most", r.Most, max(r.First, 0), mostRest)
	if r.Jitter < 0 || r.Jitter > 100 {
		v.fail(name+"_jitter", strconv.Itoa(r.Jitter), "0 to 100")
	}
	if r.From < 1 || r.From > mostStreak {
		v.fail(name+"_from", strconv.Itoa(r.From), "1 to "+strconv.Itoa(mostStreak))
	}
}
