package domain

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseCommit(t *testing.T) {
	for text, want := range map[string]Commit{
		"content":       {},
		"first_event":   {Point: CommitFirstEvent},
		"complete":      {Point: CommitComplete},
		"tokens=1":      {Point: CommitTokens, Tokens: 1},
		"tokens=100000": {Point: CommitTokens, Tokens: MaxCommitTokens},
		"seconds=0.001": {Point: CommitSeconds, Time: time.Millisecond},
		"seconds=2.3":   {Point: CommitSeconds, Time: 2300 * time.Millisecond}, // 2.3 s in a float is a little less
		"seconds=600":   {Point: CommitSeconds, Time: MaxCommitTime},
	} {
		got, err := ParseCommit(text)
		if err != nil || got != want {
			t.Errorf("%s = %+v, %v; want %+v", text, got, err, want)
		}
		if got.String() != text {
			t.Errorf("%s became %s", text, got)
		}
	}
	for text, says := range map[string]string{
		"": "want first_event", "Content": "want first_event", "content=1": "want first_event", "complete=": "want first_event", "token=1": "want first_event",
		"tokens": "want first_event", "tokens=": "from 1 to 100000", "tokens=0": "from 1 to 100000", "tokens=-1": "from 1 to 100000", "tokens=100001": "from 1 to 100000",
		"tokens=1.5": "from 1 to 100000", "tokens=99999999999999999999": "from 1 to 100000",
		"seconds": "want first_event", "seconds=": "from 0.001 to 600", "seconds=0": "from 0.001 to 600", "seconds=0.0009": "from 0.001 to 600",
		"seconds=600.1": "from 0.001 to 600", "seconds=-1": "from 0.001 to 600", "seconds=NaN": "from 0.001 to 600", "seconds=Inf": "from 0.001 to 600", "seconds=2s": "from 0.001 to 600",
	} {
		if got, err := ParseCommit(text); err == nil || !strings.Contains(err.Error(), says) || got != (Commit{}) {
			t.Errorf("%q = %+v, %v; want %q", text, got, err, says)
		}
	}
}

// Whatever a commit point is, its text and its stored form mean the same.
func TestCommitRoundTrip(t *testing.T) {
	commits := rapid.OneOf(
		rapid.SampledFrom([]Commit{{}, {Point: CommitFirstEvent}, {Point: CommitComplete}}),
		rapid.Map(rapid.IntRange(1, MaxCommitTokens), func(n int) Commit { return Commit{Point: CommitTokens, Tokens: n} }),
		rapid.Map(rapid.Int64Range(int64(time.Millisecond), int64(MaxCommitTime)), func(n int64) Commit { return Commit{Point: CommitSeconds, Time: time.Duration(n)} }),
	)
	rapid.Check(t, func(t *rapid.T) {
		c := commits.Draw(t, "commit")
		if got, err := ParseCommit(c.String()); err != nil || got != c {
			t.Fatalf("%+v became %s, %+v, %v", c, c, got, err)
		}
		b, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var got Commit
		if err := json.Unmarshal(b, &got); err != nil || got != c {
			t.Fatalf("%+v became %s, %+v, %v", c, b, got, err)
		}
	})
}

// No text makes a commit point that is out of bounds, or one whose text is refused.
func TestCommitBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom([]string{"tokens=", "seconds=", ""}).Draw(t, "kind") + rapid.OneOf(rapid.String(), rapid.StringMatching(`[0-9.e+-]{1,8}`)).Draw(t, "value")
		c, err := ParseCommit(text)
		if err != nil {
			return
		}
		if c.Tokens < 0 || c.Tokens > MaxCommitTokens || c.Time < 0 || c.Time > MaxCommitTime || (c.Point == CommitTokens) != (c.Tokens > 0) || (c.Point == CommitSeconds) != (c.Time > 0) {
			t.Fatalf("%q = %+v", text, c)
		}
		if back, err := ParseCommit(c.String()); err != nil || back != c {
			t.Fatalf("%q = %+v became %s, %+v, %v", text, c, c, back, err)
		}
	})
}
