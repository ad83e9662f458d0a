package domain

// Usage is what one attempt consumed, in tokens, by kinds that do not overlap
// except where a field says so. The zero value means nothing was reported.
type Usage struct {
	Input        int64 // prompt tokens that were neither read from nor written to a cache
	CacheRead    int64 // prompt tokens read from a prompt cache
	CacheWrite5m int64 // prompt tokens written to a cache that lives five minutes (or an unnamed while)
	CacheWrite1h int64 // prompt tokens written to a cache that lives an hour
	Output       int64 // every generated token, reasoning included
	Reasoning    int64 // the part of Output that was reasoning, where the upstream says

	// Reported is true once the upstream has stated figures; an interrupted
	// stream may have stated only some of them.
	Reported bool
}

// Prompt is the whole prompt: uncached, read and written.
func (u Usage) Prompt() int64 { return u.Input + u.CacheRead + u.CacheWrite5m + u.CacheWrite1h }

// Warm is how many tokens of the prompt are in the upstream's cache afterwards.
func (u Usage) Warm() int64 { return u.CacheRead + u.CacheWrite5m + u.CacheWrite1h }

// Plus adds two usages, e.g. of the attempts of one request.
func (u Usage) Plus(v Usage) Usage {
	return Usage{
		Input: u.Input + v.Input, CacheRead: u.CacheRead + v.CacheRead,
		CacheWrite5m: u.CacheWrite5m + v.CacheWrite5m, CacheWrite1h: u.CacheWrite1h + v.CacheWrite1h,
		Output: u.Output + v.Output, Reasoning: u.Reasoning + v.Reasoning,
		Reported: u.Reported || v.Reported,
	}
}
