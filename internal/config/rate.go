package config

import (
	"turnout/internal/domain"
)

// The bounds of callers' limits. A rate beyond them is as good as none.
const (
	maxRate        = 1_000_000_000
	maxConcurrency = 1_000_000
	maxRateModels  = 64
)

// rates reads the limits of callers.
func (n node) rates(target **domain.Rates) {
	before := len(n.r.problems)
	out := domain.Rates{}
	n.rateLimits(&out.RateLimits, field{"models", func(n node) { n.rateModels(&out.Models) }})
	if len(n.r.problems) == before {
		*target = &out
	}
}

func (n node) rateModels(target *map[string]domain.RateLimits) {
	out := map[string]domain.RateLimits{}
	ok := n.each(wordKey, func(model string, v node) {
		if err := pattern(model); err != nil {
			n.r.problem(v.key, "on the left: %v", err)
		}
		n.r.see(v.at)
		var l domain.RateLimits
		v.rateLimits(&l)
		out[model] = l
	})
	switch got := len(mustPairs(n.ast)); {
	case ok && got == 0:
		n.r.problem(n.at, "the mapping is empty: name at least one model, or take the key out")
	case got > maxRateModels:
		n.r.problem(n.at, "want at most %d models; this has %d", maxRateModels, got)
	}
	*target = out
}

func (n node) rateLimits(l *domain.RateLimits, more ...field) {
	before := len(n.r.problems)
	n.mapping(append([]field{
		{"requests_per_minute", scalar(&l.Requests, atLeastOne(maxRate))},
		{"request_burst", scalar(&l.RequestBurst, atLeastOne(maxRate))},
		{"tokens_per_minute", scalar(&l.Tokens, atLeastOne(maxRate))},
		{"token_burst", scalar(&l.TokenBurst, atLeastOne(maxRate))},
		{"concurrency", scalar(&l.Concurrency, atLeastOne(maxConcurrency))},
	}, more...)...)
	if len(n.r.problems) > before {
		return
	}
	if len(mustPairs(n.ast)) == 0 {
		n.r.problem(n.at, "the mapping is empty: name at least one limit, or take the key out")
	}
	for _, b := range []struct {
		burst, rate int64
		name, of    string
	}{{l.RequestBurst, l.Requests, "request_burst", "requests_per_minute"}, {l.TokenBurst, l.Tokens, "token_burst", "tokens_per_minute"}} {
		if b.burst > 0 && b.rate == 0 {
			n.r.problem(n.r.where(n.at.path+"."+b.name), "this has no effect without %s beside it: add that, or take this out", b.of)
		}
	}
}

// atLeastOne reads a whole number of at least one. There is no zero for "none": a limit that is not wanted is left out.
func atLeastOne(highest int) func(string) (int64, error) {
	parse := number(1, highest)
	return func(s string) (int64, error) {
		n, err := parse(s)
		return int64(n), err
	}
}
