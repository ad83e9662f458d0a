package drill

import "fmt"

// Verdict is how well the gateway did. A greater one is worse.
type Verdict uint8

// The verdicts.
const (
	Pass    Verdict = iota // as it must be
	Partial                // the caller got the right thing, and a side condition was missed
	Safe                   // no right answer where one was due, but a clean error, and nothing wrong shown
	Fail                   // a wrong or cut answer that looks whole, a hang, or a failure that the caller should not have seen
)

var verdictNames = [...]string{"pass", "partial", "safe", "fail"}

// String is the verdict's name in the scorecard.
func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return "invalid"
}

// MarshalText implements encoding.TextMarshaler.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// Judgement is a verdict with its reasons. The zero value passes; the worst verdict
// of all that was said stays.
type Judgement struct {
	Verdict Verdict
	Reasons []string
}

// say adds a reason for a verdict.
func (j *Judgement) say(v Verdict, format string, args ...any) {
	j.Verdict = max(j.Verdict, v)
	const most = 8 // five hundred requests fail for few reasons
	if v > Pass && len(j.Reasons) < most {
		j.Reasons = append(j.Reasons, fmt.Sprintf(format, args...))
	}
}

// want says what is wrong where a condition does not hold.
func (j *Judgement) want(ok bool, v Verdict, format string, args ...any) bool {
	if !ok {
		j.say(v, format, args...)
	}
	return ok
}
