package gateway

import (
	"context"
	"log/slog"

	"turnout/internal/domain"
)

// What a request may have used at the most, in tokens: as many as common context windows hold, or many times what it was taken to
// need, and never more than any model's context.
const (
	plausibleAlways = 2 << 20
	plausibleTimes  = 64
	plausibleNever  = 16 << 20
)

// plausible is the usage that an upstream has stated, or none where it cannot be: one absurd figure would keep a caller, and the account,
// at their limits for days. What is not believed counts as if it had not been stated.
func (at *attempt) plausible(u domain.Usage) domain.Usage {
	x := at.x
	limit := int64(plausibleAlways)
	if asked := x.req.InputTokens() + min(max(x.req.MaxTokens, 0), plausibleNever); asked > limit/plausibleTimes {
		limit = min(asked*plausibleTimes, plausibleNever)
	}
	sum, sane := int64(0), true
	for _, n := range [...]int64{u.Input, u.CacheRead, u.CacheWrite5m, u.CacheWrite1h, u.Output} {
		sane = sane && n >= 0 && n <= limit
		sum += min(max(n, 0), limit)
	}
	if sane && sum <= limit {
		return u
	}
	x.g.deps.Observer.Event(EventUsage, at.plat.Name, 1)
	x.g.deps.Log.LogAttrs(context.Background(), slog.LevelWarn, "a usage that cannot be was not believed", slog.String("request", x.id.String()),
		slog.Int64("account", int64(at.cand.ID)), slog.Int64("prompt", u.Prompt()), slog.Int64("output", u.Output), slog.Int64("at_most", limit))
	return domain.Usage{}
}
