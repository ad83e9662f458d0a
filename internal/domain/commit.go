package domain

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// CommitPoint is the kind of moment at which a streamed answer is committed: from
// then on what has arrived goes to the caller, and the request is not tried again.
type CommitPoint uint8

// The commit points. The numbers are stored in traces: never renumber.
const (
	CommitContent    CommitPoint = iota // the first content of any kind (the default)
	CommitFirstEvent                    // the first event, whatever it is
	CommitTokens                        // so many tokens of content
	CommitSeconds                       // so long after the first content
	CommitComplete                      // the whole answer
)

// Commit says when a streamed answer is committed. The later, the more failures are
// carried over without the caller's notice, and the later the caller sees its first word. The zero value is
// CommitContent. It says nothing of JSON answers, which are always whole.
type Commit struct {
	Point  CommitPoint   `json:"point,omitempty"`
	Tokens int           `json:"tokens,omitempty"` // with CommitTokens; at least 1
	Time   time.Duration `json:"time,omitempty"`   // with CommitSeconds; more than 0
}

// The most that a Commit may ask for. What is held back costs memory, and a caller that
// wants to wait longer wants CommitComplete.
const (
	MaxCommitTokens = 100_000
	MaxCommitTime   = 10 * time.Minute
)

// String is the form that ParseCommit reads.
func (c Commit) String() string {
	switch c.Point {
	case CommitFirstEvent:
		return "first_event"
	case CommitTokens:
		return "tokens=" + strconv.Itoa(c.Tokens)
	case CommitSeconds:
		return "seconds=" + strconv.FormatFloat(c.Time.Seconds(), 'f', -1, 64)
	case CommitComplete:
		return "complete"
	}
	return "content"
}

// ParseCommit reads first_event, content, complete, tokens=N or seconds=T. The error
// says what is allowed.
func ParseCommit(s string) (Commit, error) {
	name, value, stated := strings.Cut(s, "=")
	switch {
	case !stated && name == "content":
		return Commit{}, nil
	case !stated && name == "first_event":
		return Commit{Point: CommitFirstEvent}, nil
	case !stated && name == "complete":
		return Commit{Point: CommitComplete}, nil
	case stated && name == "tokens":
		return CommitAfterTokens(value)
	case stated && name == "seconds":
		return CommitAfterSeconds(value)
	}
	return Commit{}, fmt.Errorf("%q is no commit point: want first_event, content, complete, tokens=N or seconds=T", s)
}

// CommitAfterTokens is the commit point after so many tokens, given as text.
func CommitAfterTokens(text string) (Commit, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > MaxCommitTokens {
		return Commit{}, fmt.Errorf("want a number of tokens from 1 to %d, not %q", MaxCommitTokens, text)
	}
	return Commit{Point: CommitTokens, Tokens: n}, nil
}

// CommitAfterSeconds is the commit point after so many seconds, given as text.
func CommitAfterSeconds(text string) (Commit, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n >= 0.001 && n <= MaxCommitTime.Seconds()) {
		return Commit{}, fmt.Errorf("want a number of seconds from 0.001 to %d, not %q", int(MaxCommitTime.Seconds()), text)
	}
	return Commit{Point: CommitSeconds, Time: time.Duration(math.Round(n * float64(time.Second)))}, nil
}
