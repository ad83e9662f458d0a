package drill

import (
	"fmt"
	"time"
)

// Healthy slowness.
const (
	overAMinute  = 70 * time.Second // past the soft limit of a stream that reasons, at which F may be started beside P
	betweenThink = 90 * time.Second
	longJSON     = 4 * time.Minute
	highSilence  = 3 * time.Minute
	composing    = time.Minute
	arguments    = 300_000 // bytes
	longStream   = 40 * time.Minute
	longEvery    = 5 * time.Second
	// signEvery is how long a caller may be left without any sign of life, in a stream.
	signEvery = 20 * time.Second
)

// thoughtPieces is how many pieces a simulated thinking block has.
const thoughtPieces = 8

func millis(d time.Duration) int64 { return d.Milliseconds() }

// uncut are healthy answers that only take their time.
func uncut() []*Scenario {
	alone := func(p string) func(Mode) []Account {
		return func(m Mode) []Account { return pf(p)(m)[:1] }
	}
	uncutText := func(n int) func(*Run, *Judgement) {
		return func(r *Run, j *Judgement) {
			if j.whole(r.only(), n, Fail) {
				j.attempts(r, primary, 1, 1)
				j.attempts(r, fallback, 0, 0)
			}
		}
	}
	longTokens := int(longStream/longEvery) + 1
	list := []*Scenario{
		{
			Name: "thinking-minute", Does: "thinks for 70 s before the first token, and so does F", Lasts: overAMinute,
			Ask: Ask{Effort: "medium", Hidden: true}, Judge: judgeThinker,
			Accounts: func(m Mode) []Account {
				list := pf(fmt.Sprintf("think%d", millis(overAMinute)))(m)
				list[1].Behaviour = list[0].Behaviour
				return list
			},
		},
		{
			Name: "thinking-gaps", Does: "90 s between the pieces of its thinking, with pings (Chat Completions: 90 s of reasoning)", Scale: 40,
			Modes: only("a body has no gaps", streaming), Ask: Ask{Effort: "medium", Patience: 20 * time.Minute}, Lasts: 12 * time.Minute,
			Accounts: func(m Mode) []Account {
				long := betweenThink
				if m.showsThoughts() {
					long *= thoughtPieces
				}
				return alone(fmt.Sprintf("think%d", millis(long)))(m)
			},
			Judge: uncutText(tokens),
		},
		{
			Name: "long-json", Does: "takes four minutes for a JSON answer", Scale: 20, Lasts: longJSON,
			Modes:    only("of JSON answers", func(m Mode) bool { return !m.Stream }),
			Accounts: alone(fmt.Sprintf("think%d", millis(longJSON))), Judge: uncutText(tokens),
		},
		{
			Name: "high-effort-silence", Does: "3 minutes of silence at high effort, the only account", Scale: 20, Lasts: highSilence,
			Ask: Ask{Effort: "high"}, Accounts: alone(fmt.Sprintf("headersthen%d", millis(highSilence))),
			Judge: func(r *Run, j *Judgement) {
				uncutText(tokens)(r, j)
				if a := r.only(); r.Mode.Stream && a.Kind == Whole {
					j.want(r.Pace.within(max(a.Header, a.Longest), signEvery), Partial, "the caller saw no sign of life for %s", short(r.Pace.told(max(a.Header, a.Longest))))
				}
			},
		},
		{
			Name: "large-arguments", Does: "a minute of composing, then 300 KB of tool arguments in one piece", Lasts: composing,
			Ask: Ask{Tools: []string{look}}, Accounts: alone(fmt.Sprintf("compose%d-frag%d-args%d", millis(composing), arguments, arguments)),
			Judge: func(r *Run, j *Judgement) {
				a := r.only()
				if !j.want(a.Kind == Whole, Fail, "no answer: %s", a) {
					return
				}
				j.want(len(a.Tools) == 1 && a.Tools[0].Name == look && len(a.Tools[0].Arguments) == arguments, Fail, "not the tool call with its arguments: %d calls", len(a.Tools))
				j.attempts(r, primary, 1, 1)
			},
		},
		{
			Name: "forty-minutes", Does: "a stream of 40 minutes", Scale: 40, Lasts: longStream,
			Modes: only("of streams", streaming), Ask: Ask{Patience: 50 * time.Minute},
			Accounts: alone(fmt.Sprintf("n%d-d%d", longTokens, millis(longEvery))), Judge: uncutText(longTokens),
		},
	}
	for _, s := range list {
		s.Group = Uncut
		s.Must = "the whole answer, of one attempt"
		if s.Name == "thinking-minute" {
			s.Must = "the whole answer of P, which is not cut; F may be started beside it"
		}
	}
	return list
}

// judgeThinker wants the answer of an account that was only slow.
func judgeThinker(r *Run, j *Judgement) {
	if !j.whole(r.only(), tokens, Fail) {
		return
	}
	j.attempts(r, primary, 1, 1)
	j.attempts(r, fallback, 0, 1)
	for _, at := range r.at(primary) {
		j.want(at.Outcome == answered, Fail, "the attempt at P was cut after %s: %s", short(r.Pace.told(at.Took)), at.Outcome)
	}
}
