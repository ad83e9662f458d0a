package gateway

import (
	"math"
	"sync"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// What the time limits are computed with, beside the pool's own domain.TimeLimits.
const (
	tokensPerSecond   = 10_000          // of uncached input, that the first byte may take a second longer for
	smallInput        = 20_000          // tokens
	smallOutput       = 4_096           // max tokens of a request that counts as small
	endPatience       = 1 * time.Second // for the end of the body after the terminal event
	errorBodyPatience = 10 * time.Second
)

// limits are the time limits of one attempt.
type limits struct {
	firstByte time.Duration // hard, until the answer's header
	content   time.Duration // hard, until the first content (a stream) or the whole answer
	soft      time.Duration // another account may be started beside
	total     time.Duration
}

// ask is what the limits of an attempt depend on.
type ask struct {
	stream    bool
	effort    dialect.Effort
	input     int64 // tokens, estimated
	cached    int64 // of them, warm at the account
	maxTokens int64 // 0: not stated
}

func askOf(r *dialect.Request, warm int64) ask {
	return ask{stream: r.Stream, effort: r.Effort, input: r.InputTokens(), cached: warm, maxTokens: r.MaxTokens}
}

// small reports whether an answer is to be expected soon. Where max tokens are not stated
// the model's own default holds, and a model that is not asked to reason rarely writes for long.
func (a ask) small() bool {
	return a.effort == dialect.EffortNone && a.input <= smallInput && (a.stream || a.maxTokens <= smallOutput)
}

// limits are the time limits of an attempt of this kind, after what was learnt.
func (a ask) limits(t *domain.TimeLimits, stats learnedStats) limits {
	if !a.stream {
		lim := limits{soft: t.SoftJSON, total: t.JSONTotal}
		if a.small() {
			lim.soft = t.SoftJSONSmall
		}
		lim.soft = stats.soft(lim.soft)
		if stats.speed > 0 && a.maxTokens > 0 {
			lim.total = max(lim.total, time.Duration(float64(a.maxTokens)/stats.speed*float64(time.Second)))
		}
		// A JSON answer's first byte is its last: only the total cuts it.
		lim.firstByte, lim.content = lim.total, lim.total
		return lim
	}
	uncached := max(a.input-a.cached, 0)
	lim := limits{
		firstByte: min(t.FirstByte+time.Duration(uncached/tokensPerSecond)*time.Second, max(t.FirstByteMost, t.FirstByte)),
		content:   t.FirstContent, total: t.StreamTotal,
	}
	switch {
	case a.effort == dialect.EffortHigh:
		lim.soft = t.SoftHigh
	case a.small():
		lim.soft = t.SoftSmall
	default:
		lim.soft = t.Soft
	}
	lim.soft = stats.soft(lim.soft)
	return lim
}

// stallLimit is how long a stream may be silent where it is now, once content has
// come. As long as that content is held back another account can take over, so then the stream's own
// pace counts; after the commit only the long values hold.
func stallLimit(t *domain.TimeLimits, open dialect.Open, committed, pings bool, g *gaps) time.Duration {
	switch open {
	case dialect.OpenText:
		if committed {
			return t.Text
		}
		return min(max(t.TextLeast, 20*g.p99()), t.Text)
	case dialect.OpenThinking, dialect.OpenTool:
		if pings {
			return t.Pings
		}
		return t.Thinking
	}
	return t.Between
}

// gaps is a coarse histogram of the times between a stream's reads, by powers of two
// of a millisecond.
type gaps struct {
	counts [20]uint16
	total  uint32
}

func (g *gaps) add(d time.Duration) {
	i := 0
	for ms := d.Milliseconds(); ms > 0 && i < len(g.counts)-1; ms >>= 1 {
		i++
	}
	if g.counts[i] < math.MaxUint16 {
		g.counts[i]++
		g.total++
	}
}

// p99 is an upper bound of the gap that 99 of 100 stay below.
func (g *gaps) p99() time.Duration {
	if g.total == 0 {
		return 0
	}
	left := g.total / 100
	for i := len(g.counts) - 1; i >= 0; i-- {
		if uint32(g.counts[i]) > left {
			return time.Duration(1<<i) * time.Millisecond
		}
		left -= uint32(g.counts[i])
	}
	return 0
}

// learnKey is what first-token times are learnt by.
type learnKey struct {
	platform string
	model    string
	effort   dialect.Effort
	size     uint8 // of the input, by powers of four of 1,000 tokens
	stream   bool
}

func learnKeyOf(platformName, model string, a ask) learnKey {
	k := learnKey{platform: platformName, model: model, effort: a.effort, stream: a.stream}
	for t := a.input; t > 1000 && k.size < 8; t >>= 2 {
		k.size++
	}
	return k
}

// learned keeps how long first tokens (of streams) and whole answers (of the others)
// really take. Safe for concurrent use; bounded.
type learned struct {
	mu sync.Mutex
	m  map[learnKey]*sample
}

const (
	maxLearned  = 4096
	minSamples  = 50  // below it the fixed floor holds
	maxSamples  = 512 // then every count is halved, so that old times fade
	buckets     = 96
	bucketRatio = 1.15
	bucketBase  = 10 * time.Millisecond
)

type sample struct {
	counts [buckets]uint16
	total  int
	speed  float64 // output tokens a second, exponentially weighted
}

func newLearned() *learned { return &learned{m: map[learnKey]*sample{}} }

// add learns one time. An attempt that was cut is added with the limit that cut it,
// so that cutting never teaches shorter limits.
func (l *learned) add(k learnKey, d time.Duration, outputTokens int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.m[k]
	if s == nil {
		if len(l.m) >= maxLearned {
			clear(l.m)
		}
		s = &sample{}
		l.m[k] = s
	}
	i := 0
	if d > bucketBase {
		i = min(int(math.Log(float64(d)/float64(bucketBase))/math.Log(bucketRatio))+1, buckets-1)
	}
	s.counts[i]++
	if s.total++; s.total > maxSamples {
		s.total = 0
		for j := range s.counts {
			s.counts[j] /= 2
			s.total += int(s.counts[j])
		}
	}
	if outputTokens > 0 && d > 0 {
		speed := float64(outputTokens) / d.Seconds()
		if s.speed == 0 {
			s.speed = speed
		}
		s.speed += (speed - s.speed) / 8
	}
}

// learnedStats is what is known of one kind of request. The zero value knows nothing.
type learnedStats struct {
	samples int
	p99     time.Duration // 0: too few samples
	speed   float64       // output tokens a second; 0: too few samples
}

func (l *learned) stats(k learnKey) learnedStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.m[k]
	if s == nil {
		return learnedStats{}
	}
	if s.total < minSamples {
		return learnedStats{samples: s.total}
	}
	st := learnedStats{samples: s.total, speed: s.speed}
	left := s.total / 100
	for i := buckets - 1; i >= 0; i-- {
		n := int(s.counts[i])
		if n > left {
			st.p99 = time.Duration(float64(bucketBase) * math.Pow(bucketRatio, float64(i)))
			break
		}
		left -= n
	}
	return st
}

// soft is the soft limit: the floor, or twice the learnt 99th percentile.
func (s learnedStats) soft(floor time.Duration) time.Duration { return max(floor, 2*s.p99) }
