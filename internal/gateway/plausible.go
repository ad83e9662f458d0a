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
	may := func(n int64) bool { return n >= 0 && n <= limit }
	sane := may(u.Input) && may(u.CacheRead) && may(u.CacheWrite5m) && may(u.CacheWrite1h) && may(u.Output) && may(u.Prompt()+u.Output)
	for _, n := range [...]int64{u.Reasoning, u.AudioInput, u.AudioCacheRead, u.AudioOutput, u.ImageInput, u.ImageOutput, u.Searches} {
		sane = sane && may(n) // parts of those, and searches
	}
	if !sane {
		at.doubt(u, limit)
		return domain.Usage{}
	}
	return u
}

// doubt tells operators, once for an attempt.
//
//go:noinline
func (at *attempt) doubt(u domain.Usage, limit int64) {
	if at.doubted {
		return
	}
	at.doubted = true
	x := at.x
	x.g.deps.Observer.Event(EventUsage, at.plat.Name, 1)
	x.g.deps.Log.LogAttrs(context.Background(), slog.LevelWarn, "a usage that cannot be was not believed", slog.String("request", x.id.String()),
		slog.Int64("account", int64(at.cand.ID)), slog.Int64("prompt", u.Prompt()), slog.Int64("output", u.Output), slog.Int64("at_most", limit))
}
