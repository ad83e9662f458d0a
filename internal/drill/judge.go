package drill

import (
	"slices"
	"strings"
	"time"

	"turnout/internal/sim"
)

// The checks that verdicts are made of. Each says what is wrong, in words that make
// sense without the scenario beside them.

// whole wants a whole answer with the right text. otherwise is what a clean error is.
func (j *Judgement) whole(a *Answer, n int, otherwise Verdict) bool {
	switch a.Kind {
	case Whole:
		if !j.want(a.Text == sim.Text(n), Fail, "request %d: a wrong text: %s", a.Request, difference(a.Text, sim.Text(n))) {
			return false
		}
		if !j.want(a.Usage != nil && a.Usage.Output >= n && a.Usage.Input > 0, Partial, "request %d: the usage is missing or wrong: %+v", a.Request, a.Usage) {
			return true
		}
		return true
	case Refusal:
		if a.Text != "" && !strings.HasPrefix(sim.Text(n), a.Text) {
			j.say(Fail, "request %d: a wrong text before the error: %s", a.Request, difference(a.Text, sim.Text(n)))
			return false
		}
		j.say(otherwise, "no answer: %s", a)
		return false
	}
	j.say(Fail, "no answer: %s", a)
	return false
}

// difference says where a text leaves the right one.
func difference(got, want string) string {
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	if i == len(got) {
		return "it ends early"
	}
	return "it differs after " + clip(got[:i])
}

func clip(s string) string {
	const most = 40
	if len(s) > most {
		return "…" + s[len(s)-most:]
	}
	return s
}

// Outcomes of attempts, as package sim names them.
const (
	answered = "ok"
	aborted  = "aborted"
)

// only is the answer of a run with one request.
func (r *Run) only() *Answer { return r.Answers[0] }

// at lists an account's attempts.
func (r *Run) at(account string) []Attempt {
	var out []Attempt
	for _, a := range r.Attempts {
		if a.Account == account {
			out = append(out, a)
		}
	}
	return out
}

// of lists the attempts of one request.
func (r *Run) of(request int) []Attempt {
	var out []Attempt
	for _, a := range r.Attempts {
		if a.Request == request {
			out = append(out, a)
		}
	}
	return out
}

// most is the largest number of moments that lie within a window. The moments are in order.
func most(at []time.Duration, window time.Duration) int {
	best, from := 0, 0
	for i := range at {
		for at[i]-at[from] >= window {
			from++
		}
		best = max(best, i-from+1)
	}
	return best
}

func moments(attempts []Attempt) []time.Duration {
	out := make([]time.Duration, len(attempts))
	for i, a := range attempts {
		out[i] = a.At
	}
	slices.Sort(out)
	return out
}

// attempts wants so many at an account.
func (j *Judgement) attempts(r *Run, account string, least, most int) {
	n := len(r.at(account))
	j.want(n >= least && n <= most, Partial, "%d attempts at %s, where %s should be made", n, account, numbers(least, most))
}

func numbers(least, most int) string {
	words := [...]string{"none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"}
	word := func(n int) string {
		if n < len(words) {
			return words[n]
		}
		return "more than ten"
	}
	if least == most {
		return "exactly " + word(least)
	}
	if least == 0 {
		return "at most " + word(most)
	}
	return word(least) + " to " + word(most)
}

// within wants an answer's end in so much time of the story.
func (j *Judgement) within(r *Run, a *Answer, limit time.Duration, v Verdict) {
	j.want(r.Pace.within(a.Took, limit), v, "request %d took %s; the limit is %s", a.Request, short(r.Pace.told(a.Took)), short(limit))
}

// record finds what the gateway wrote down about an answer; nil: nothing.
func (r *Run) record(a *Answer) *Record {
	for i := range r.Records {
		if r.Records[i].RequestID == a.RequestID {
			return &r.Records[i]
		}
	}
	return nil
}

// short is a duration for people.
func short(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
