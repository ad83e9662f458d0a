package domain

// Usage is what one attempt consumed, in tokens, by kinds that do not overlap
// except where a field says that it is a part of another. The zero value means nothing was reported.
//
// Whole and part: the prompt is Input + CacheRead + CacheWrite5m + CacheWrite1h, each token in exactly one of them;
// AudioInput and ImageInput are parts of Input, AudioCacheRead is a part of CacheRead. Output is every generated token;
// Reasoning, AudioOutput and ImageOutput are parts of it (a token of reasoning in audio would be in two of these).
type Usage struct {
	Input        int64 // prompt tokens that were neither read from nor written to a cache
	CacheRead    int64 // prompt tokens read from a prompt cache
	CacheWrite5m int64 // prompt tokens written to a cache that lives five minutes (or an unnamed while)
	CacheWrite1h int64 // prompt tokens written to a cache that lives an hour
	Output       int64 // every generated token, reasoning included
	Reasoning    int64 // the part of Output that was reasoning, where the upstream says

	AudioInput     int64 // the part of Input that was audio, where the upstream says
	AudioCacheRead int64 // the part of CacheRead that was audio, where the upstream says
	AudioOutput    int64 // the part of Output that was audio, where the upstream says
	ImageInput     int64 // the part of Input that was images, where the upstream says
	ImageOutput    int64 // the part of Output that was images, where the upstream says

	Searches int64 // web searches that the provider did for the request; no tokens
	Tier     Tier  // how the upstream says that it served the request

	// Reported is true once the upstream has stated figures; an interrupted
	// stream may have stated only some of them.
	Reported bool
	// Estimated is true where figures are Turnout's own estimate and not the upstream's.
	Estimated bool
}

// Tier is the class of service that a provider served a request in, as far as it has a price of its own. The numbers are
// stored: never renumber.
type Tier uint8

// The tiers.
const (
	TierStandard Tier = 0 // or nothing was said
	TierBatch    Tier = 1 // answered some time within a day
	TierFlex     Tier = 2 // answered later, or not at all
	TierPriority Tier = 3 // answered before others
	TierFast     Tier = 4 // written faster than by itself (Anthropic's fast mode)
)

// Tiers is how many tiers there are.
const Tiers = 5

var tierNames = [Tiers]string{"standard", "batch", "flex", "priority", "fast"}

// String is the tier's name in the configuration and in records.
func (t Tier) String() string {
	if int(t) < len(tierNames) {
		return tierNames[t]
	}
	return "unknown"
}

// ParseTier reads what String wrote.
func ParseTier(s string) (Tier, bool) {
	for i, n := range tierNames {
		if n == s {
			return Tier(i), true
		}
	}
	return 0, false
}

// Prompt is the whole prompt: uncached, read and written.
func (u Usage) Prompt() int64 { return u.Input + u.CacheRead + u.CacheWrite5m + u.CacheWrite1h }

// Warm is how many tokens of the prompt are in the upstream's cache afterwards.
func (u Usage) Warm() int64 { return u.CacheRead + u.CacheWrite5m + u.CacheWrite1h }

// Plus adds two usages, e.g. of the attempts of one request. The sum has the tier that both have, or else the one of the
// two that is not the standard one, or else u's.
func (u Usage) Plus(v Usage) Usage {
	tier := u.Tier
	if tier == TierStandard {
		tier = v.Tier
	}
	return Usage{
		Input: u.Input + v.Input, CacheRead: u.CacheRead + v.CacheRead,
		CacheWrite5m: u.CacheWrite5m + v.CacheWrite5m, CacheWrite1h: u.CacheWrite1h + v.CacheWrite1h,
		Output: u.Output + v.Output, Reasoning: u.Reasoning + v.Reasoning,
		AudioInput: u.AudioInput + v.AudioInput, AudioCacheRead: u.AudioCacheRead + v.AudioCacheRead, AudioOutput: u.AudioOutput + v.AudioOutput,
		ImageInput: u.ImageInput + v.ImageInput, ImageOutput: u.ImageOutput + v.ImageOutput,
		Searches: u.Searches + v.Searches, Tier: tier,
		Reported: u.Reported || v.Reported, Estimated: u.Estimated || v.Estimated,
	}
}
