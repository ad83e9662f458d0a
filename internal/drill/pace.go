package drill

import (
	"context"
	"maps"
	"time"

	"turnout/internal/config"
	"turnout/internal/domain"
)

// Clock is which clocks a drill runs with.
type Clock uint8

// The clocks.
const (
	Shortened Clock = iota // every duration that may be is divided by the scenario's scale
	Real                   // as it is, on real sockets
	Virtual                // as it is, inside a bubble of testing/synctest: no allowance for slow machines
)

var clockNames = [...]string{"shortened", "real", "virtual"}

// String is the clock's name in the scorecard.
func (c Clock) String() string { return clockNames[c] }

// shortened is by how much most scenarios are shortened.
const shortened = 10

// allowance is what a busy machine may add to what a scenario measures on real
// sockets.
const allowance = 400 * time.Millisecond

// Pace turns the durations of a scenario's story into those of its clock.
type Pace struct {
	Scale float64
	Slack time.Duration
}

// pace is the scenario's own with a clock.
func (s *Scenario) pace(c Clock) Pace {
	switch {
	case c == Virtual:
		return Pace{Scale: 1}
	case c == Real || s.RealTime:
		return Pace{Scale: 1, Slack: allowance}
	case s.Scale > 0:
		return Pace{Scale: s.Scale, Slack: allowance}
	}
	return Pace{Scale: shortened, Slack: allowance}
}

// of is a duration of the story by the clock.
func (p Pace) of(d time.Duration) time.Duration {
	return time.Duration(float64(d) / p.Scale)
}

// told is a duration of the clock in the story.
func (p Pace) told(d time.Duration) time.Duration {
	return time.Duration(float64(d) * p.Scale)
}

// within reports whether something that took so long by the clock kept to a limit of
// the story.
func (p Pace) within(took, limit time.Duration) bool { return took <= p.of(limit)+p.Slack }

// wait lets a duration of the story pass. It reports false if the context ended first.
func (p Pace) wait(ctx context.Context, d time.Duration) bool { return lapse(ctx, p.of(d)) }

// lapse lets a duration of the clock pass. It reports false if the context ended first.
func lapse(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// profileClassic is the other profile than the default.
const profileClassic = "classic"

// The balanced profile's own durations, which a shortened pool has to name, and how the
// classes of failures rest by it. A drill shares no code with what it judges, and package
// config does not know them either, so they stand here again; a test compares them with the
// profiles' own.
const (
	defaultWaiting   = 20 * time.Second
	defaultTotal     = 10 * time.Minute
	defaultHold      = 20 * time.Second
	defaultQueueWait = 10 * time.Second
	defaultKeepAlive = 15 * time.Second
	classicRest      = time.Minute
)

// rest is a class's first rest and its longest one.
type rest struct{ first, most time.Duration }

var momentaryRest = rest{5 * time.Second, 25 * time.Second}

// defaultRests are those whose length is a guess. A refused credential rests until it changes.
var defaultRests = map[string]rest{
	"unknown": momentaryRest, "transient": momentaryRest, "network_unsent": momentaryRest, "network_unknown": momentaryRest,
	"first_token_late": momentaryRest, "stream_cut": momentaryRest, "stream_stalled": momentaryRest, "empty_answer": momentaryRest,
	"capacity": {2 * time.Second, 25 * time.Second}, "rate_limited": {10 * time.Second, 5 * time.Minute},
	"quota_exhausted": {5 * time.Minute, time.Hour}, "permission": {time.Minute, 30 * time.Minute}, "model_gone": {10 * time.Minute, time.Hour},
}

// restOf is how a class of failure rests by a policy.
func restOf(p *config.Policy, class string) rest {
	d := defaultRests[class]
	if p.Profile == profileClassic {
		d = rest{classicRest, classicRest}
	}
	given := p.Rests[class]
	if given.First != nil {
		d.first = *given.First
	}
	if given.Most != nil {
		d.most = *given.Most
	}
	return d
}

// usualScale is how much most rows are shortened; leastLimit is the shortest time
// limit of those that are shortened more.
const (
	usualScale = 10
	leastLimit = 2 * time.Second
)

// pool is a pool's settings with every duration divided by the pace's scale.
func (p Pace) pool(pool config.Pool) config.Pool {
	if p.Scale == 1 {
		return pool
	}
	pool.KeepAlive = p.of(pool.KeepAlive)
	pool.Commit.Time = p.of(pool.Commit.Time)
	pool.Limits = pool.Limits.Or(domain.DefaultTimeLimits())
	for _, l := range pool.Limits.Each() {
		*l.Value = p.of(*l.Value)
		if p.Scale > usualScale {
			// Rows that are shortened so much last long and must not be cut: a pause of this
			// machine is no silence of theirs.
			*l.Value = max(*l.Value, leastLimit)
		}
	}
	pol := pool.Policy
	shorter := func(d *time.Duration, otherwise time.Duration) *time.Duration {
		if d != nil {
			otherwise = *d
		}
		out := p.of(otherwise)
		return &out
	}
	if pol.Profile != profileClassic {
		pol.Waiting = shorter(pol.Waiting, defaultWaiting)
		pol.Total = shorter(pol.Total, defaultTotal)
		pol.Hold = shorter(pol.Hold, defaultHold)
	}
	if pol.GraceWait != nil {
		pol.GraceWait = shorter(pol.GraceWait, 0)
	}
	rests := map[string]config.Rest{}
	maps.Copy(rests, pol.Rests)
	for class := range defaultRests {
		d, r := restOf(&pol, class), pol.Rests[class]
		r.First, r.Most = shorter(&d.first, 0), shorter(&d.most, 0)
		rests[class] = r
	}
	pol.Rests = rests
	pool.Policy = pol
	return pool
}
