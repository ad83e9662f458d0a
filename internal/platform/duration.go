package platform

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// A sentence is a provider's own way to say in a message when to ask again. Upstreams
// repeat callers' words in their messages, and "retry in 31 days" is easily said. So a
// duration counts only in a sentence of this list: behind a beginning that is the
// provider's, and with nothing after it but the provider's known words.
type sentence struct {
	begins  string   // the message's first words
	phrase  string   // the last words before the duration; "": begins ends with them
	follows []string // all that may come after the sentence, beside nothing; * at the end stands for anything

	capacity bool // the sentence is about the provider's capacity, not about a limit
}

// All lower case. Read in the corpus (testdata), where each provider's message is.
var sentences = [...]sentence{
	// OpenAI and, with more before and after, Groq. The model's name is before the phrase.
	{"rate limit reached for ", " please try again in ", []string{
		"visit https://platform.openai.com/account/rate-limits to learn more",
		"visit https://console.groq.com/docs/rate-limits for more information",
		"need more tokens? upgrade to dev tier today at https://console.groq.com/settings/billing",
	}, false},
	// Azure: "… have exceeded token rate limit of your current … pricing tier. Please retry after 37 seconds. …"
	{"requests to the ", " please retry after ", azureFollows, false},
	{"your requests to ", " please retry after ", azureFollows, false},
	// Azure API Management, and what others write in the same form.
	{"rate limit is exceeded. try again in ", "", nil, false},
	{"rate limit exceeded. try again in ", "", nil, false},
	{"rate limit exceeded. please try again in ", "", nil, false},
	{"too many requests. please try again in ", "", nil, false},
	// Gemini: a list of the exceeded quotas stands between.
	{"you exceeded your current quota, please check your plan and billing details.", "please retry in ", nil, false},
	// Moonshot.
	{"your account ", ", please try again after ", nil, false},
	// LiteLLM's cooldown. The model's name, which follows, is the caller's.
	{"no deployments available for selected model, try again in ", "", []string{"passed model=*"}, true},
	// Codex: "You've hit your usage limit. Upgrade to Pro or try again in 5 days 22 hours."
	{"you've hit your usage limit.", " try again in ", nil, false},
}

var azureFollows = []string{
	"please contact azure support service if you would like to further increase the default rate limit",
	"please go here: https://aka.ms/oai/quotaincrease if you would like to further increase the default rate limit",
	"to increase your default rate limit, visit: https://aka.ms/oai/quotaincrease",
}

// textReset is the duration of a provider's sentence (text: a whole message in lower
// case) about a limit or about capacity; 0 if it holds none.
func textReset(text string, capacity bool) time.Duration {
	text = strings.TrimSpace(text)
	for i := range sentences {
		s := &sentences[i]
		rest, ok := strings.CutPrefix(text, s.begins)
		if !ok || s.capacity != capacity {
			continue
		}
		if s.phrase != "" {
			// The last one: what callers can name, a model for instance, stands before it.
			at := strings.LastIndex(rest, s.phrase)
			if at < 0 {
				continue
			}
			rest = rest[at+len(s.phrase):]
		}
		d, rest := duration(rest)
		if rest = strings.Trim(rest, ". "); rest == "" || anyOf(s.follows, rest, headerIs) {
			return believed(d)
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
