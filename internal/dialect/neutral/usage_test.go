package neutral_test

import (
	"testing"

	"pgregory.net/rapid"

	"turnout/internal/domain"
)

// Whatever two dialects are between an upstream and a caller: the figures that the caller gets add up to what was consumed, whole by
// whole, and no part is counted in addition.
func TestUsageArrives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := rapid.SampledFrom(speakers).Draw(t, "from"), rapid.SampledFrom(speakers).Draw(t, "to")
		a := said(t, from)
		n := rapid.Int64Range(0, 100_000)
		part := func(name string, of int64) int64 { return rapid.Int64Range(0, of).Draw(t, name) }
		u := domain.Usage{
			Input: n.Draw(t, "input"), CacheRead: n.Draw(t, "read"), CacheWrite5m: n.Draw(t, "5m"), CacheWrite1h: n.Draw(t, "1h"),
			Output: 1 + n.Draw(t, "output"), Reported: true,
		}
		u.AudioInput, u.AudioCacheRead = part("audio in", u.Input), part("audio read", u.CacheRead)
		u.ImageInput = part("image in", u.Input-u.AudioInput)
		u.Reasoning = part("reasoning", u.Output)
		u.AudioOutput = part("audio out", u.Output-u.Reasoning)
		u.ImageOutput = part("image out", u.Output-u.Reasoning-u.AudioOutput)
		a.Usage = u
		whole, streamed := heard(t, a, from, to)
		for how, got := range map[string]domain.Usage{"whole": whole.Usage, "streamed": streamed.Usage} {
			if got.Prompt() != u.Prompt() || got.Output != u.Output || got.Reasoning != u.Reasoning || got.CacheRead != u.CacheRead {
				t.Fatalf("%s: %+v, want %+v", how, got, u)
			}
			if got.AudioInput+got.ImageInput > got.Input || got.AudioCacheRead > got.CacheRead || got.AudioOutput+got.ImageOutput > got.Output {
				t.Fatalf("%s: parts are more than their whole: %+v", how, got)
			}
			told := got.AudioInput + got.AudioCacheRead
			if told > u.AudioInput+u.AudioCacheRead || got.AudioOutput > u.AudioOutput || got.ImageInput > u.ImageInput || got.ImageOutput > u.ImageOutput {
				t.Fatalf("%s: more than there was: %+v, of %+v", how, got, u)
			}
			// Both of these carry audio.
			carries := func(d domain.Dialect) bool { return d == domain.DialectOpenAIChat || d == domain.DialectGeminiContent }
			if carries(from.ID()) && carries(to.ID()) && (got.AudioOutput != u.AudioOutput || told < min(u.AudioInput+u.AudioCacheRead, u.Input)) {
				t.Fatalf("%s: audio is lost: %+v, of %+v", how, got, u)
			}
		}
	})
}
