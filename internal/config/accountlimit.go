package config

import (
	"fmt"
	"strconv"
	"time"

	"turnout/internal/domain"
)

// maxAccountLimit is more than anybody's day of tokens.
const maxAccountLimit = 1_000_000_000_000

// accountLimits reads what the operator allows of an account.
func (n node) accountLimits(target *domain.AccountLimits) {
	n.mapping(
		field{"requests_per_minute", scalar(&target.RequestsPerMinute, count)},
		field{"tokens_per_minute", scalar(&target.TokensPerMinute, count)},
		field{"requests_per_day", scalar(&target.RequestsPerDay, count)},
		field{"tokens_per_day", scalar(&target.TokensPerDay, count)},
		field{"sessions", scalar(&target.Sessions, count)},
		field{"expires", func(n node) {
			scalar(&target.Expires, expiry)(n)
			target.Expires = target.Expires.UTC()
			if !target.Expires.IsZero() && !target.Expires.After(time.Now()) {
				n.r.warn(n.at, "this day is over: the account is not used any more")
			}
		}},
	)
	if isMapping(n.ast) && len(mustPairs(n.ast)) == 0 {
		n.r.problem(n.at, "the mapping is empty: name a limit, or take the key out")
	}
	l := target
	for _, both := range [...]struct {
		what        string
		minute, day int64
	}{{"requests", l.RequestsPerMinute, l.RequestsPerDay}, {"tokens", l.TokensPerMinute, l.TokensPerDay}} {
		if both.day > 0 && both.minute > both.day {
			n.r.warn(n.at, "%s_per_minute is more than %s_per_day, which is reached first", both.what, both.what)
		}
	}
}

// count reads how many of something are allowed; 0: any number.
func count(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > maxAccountLimit {
		return 0, fmt.Errorf("want a whole number from 1 to %d, or 0 for no limit; got %s", int64(maxAccountLimit), show(s))
	}
	return n, nil
}
