package drill

import (
	"testing"

	"turnout/internal/failover"
)

// TestDefaultsAreTheProfiles: what a shortened pool names is what the profiles have.
func TestDefaultsAreTheProfiles(t *testing.T) {
	p := failover.Balanced()
	if p.Waiting != defaultWaiting || p.Total != defaultTotal || p.Round.LongestStated != defaultHold {
		t.Errorf("waiting %s, total %s, hold %s; the profile has %s, %s, %s", defaultWaiting, defaultTotal, defaultHold, p.Waiting, p.Total, p.Round.LongestStated)
	}
	n := 0
	for c, r := range p.Rests {
		if r.First <= 0 {
			continue
		}
		n++
		name := failover.Class(c).String()
		if got := defaultRests[name]; got != (rest{r.First, r.Most}) {
			t.Errorf("%s rests %s to %s, in the profile %s to %s", name, got.first, got.most, r.First, r.Most)
		}
		if r.Jitter != 0 && r.Jitter != jittered {
			t.Errorf("%s: %d %% of a rest are taken off at most, not %d %%", name, r.Jitter, jittered)
		}
	}
	if n != len(defaultRests) {
		t.Errorf("%d classes rest, and %d are listed", n, len(defaultRests))
	}
	same := p.Same.Backoff
	if same.First != sameMost || same.First*100/100-same.First*60/100 != sameLeast || same.Jitter != 60 {
		t.Errorf("the same account is asked again after %+v", same)
	}
	for c, r := range failover.Classic().Rests {
		if r.First > 0 && (r.First != classicRest || r.Most != classicRest) {
			t.Errorf("%s rests %s to %s in the other profile", failover.Class(c), r.First, r.Most)
		}
	}
}
