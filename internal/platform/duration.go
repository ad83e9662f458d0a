package platform

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// again are the phrases that precede a duration in messages: OpenAI and Groq "Please
// try again in 1m30.5s", Codex "try again in 5 days 22 hours", Gemini "Please retry in
// 11.66s", Azure "Please retry after 37 seconds".
var again = [...]string{"try again in ", "retry in ", "retry after ", "try again after "}

// textReset finds a duration in a message (lower case); 0 if there is none.
func textReset(text string) time.Duration {
	for _, phrase := range again {
		for rest := text; ; {
			i := strings.Index(rest, phrase)
			if i < 0 {
				break
			}
			rest = rest[i+len(phrase):]
			if d, _ := duration(rest); believed(d) > 0 {
				return d
			}
		}
	}
	return 0
}

var units = map[string]time.Duration{
	"ms": time.Millisecond, "millisecond": time.Millisecond, "milliseconds": time.Millisecond,
	"s": time.Second, "sec": time.Second, "secs": time.Second, "second": time.Second, "seconds": time.Second,
	"m": time.Minute, "min": time.Minute, "mins": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"h": time.Hour, "hr": time.Hour, "hrs": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour,
}

// duration reads numbers with units from the start of s (lower case), as many as
// there are: "6ms", "1m30.5s", "9m38.016s", "5 days 22 hours 11 minutes", "1 hour and 2
// minutes". It gives their sum, and what follows; 0 if s does not begin with one.
func duration(s string) (sum time.Duration, rest string) {
	rest = s
	for first := true; ; first = false {
		t := rest
		if !first {
			t = strings.TrimPrefix(strings.TrimLeft(t, " ,"), "and ")
		}
		n := 0
		for n < len(t) && (t[n] == '.' || t[n] >= '0' && t[n] <= '9') {
			n++
		}
		if n == 0 {
			return sum, rest
		}
		value, err := strconv.ParseFloat(t[:n], 64)
		if err != nil {
			return sum, rest
		}
		t = strings.TrimLeft(t[n:], " ")
		n = 0
		for n < len(t) && t[n] >= 'a' && t[n] <= 'z' {
			n++
		}
		unit, ok := units[t[:n]]
		if !ok {
			return sum, rest
		}
		// What overflows is absurd in any case; refuse all of it.
		total := math.Round(float64(sum) + value*float64(unit))
		if total >= math.MaxInt64 {
			return 0, rest
		}
		sum = time.Duration(total)
		rest = t[n:]
	}
}
