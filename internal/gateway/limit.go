package gateway

import (
	"math"
	"sync"
	"time"

	"turnout/internal/dialect"
)

// The time limits to begin with. Reasoning models are silent for minutes and then
// succeed, and a dead upstream is silent too, so limits follow the request and learn
// (docs/failover.md).
const (
	firstByteBase     = 20 * time.Second
	firstByteMost     = 120 * time.Second
	tokensPerSecond   = 10_000 // of uncached input, that the first byte may take a second longer for
	softStreamSmall   = 8 * time.Second
	softStreamEffort  = 60 * time.Second
	softStreamHigh    = 120 * time.Second
	softWholeSmall    = 10 * time.Second
	softWholeOther    = 120 * time.Second
	hardFirstToken    = 600 * time.Second
	totalWhole        = 600 * time.Second
	totalStream       = 60 * time.Minute
	smallInput        = 20_000 // tokens
	smallOutput       = 4_096  // max tokens of a request that counts as small
	stallTextLeast    = 10 * time.Second
	stallText         = 30 * time.Second
	stallPings        = 90 * time.Second
	stallThinking     = 300 * time.Second
	stallUnknown      = 180 * time.Second
	stallBody         = 30 * time.Second
	finishPatience    = 5 * time.Second // for what may follow a finish reason: usage, the terminal event
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

func limitsFor(r *dialect.Request, warm int64, l *learned, k learnKey) limits {
	input := r.InputTokens()
	uncached := max(input-warm, 0)
	small := r.Effort == dialect.EffortNone && input <= smallInput
	stats := l.stats(k)
	if !r.Stream {
		lim := limits{soft: softWholeOther, total: totalWhole}
		if small && r.MaxTokens > 0 && r.MaxTokens <= smallOutput {
			lim.soft = softWholeSmall
		}
		lim.soft = stats.soft(lim.soft)
		if stats.speed > 0 && r.MaxTokens > 0 {
			lim.total = max(lim.total, time.Duration(float64(r.MaxTokens)/stats.speed*float64(time.Second)))
		}
		// A JSON answer's first byte is its last: only the total cuts it.
		lim.firstByte, lim.content = lim.total, lim.total
		return lim
	}
	lim := limits{
		firstByte: min(firstByteBase+time.Duration(uncached/tokensPerSecond)*time.Second, firstByteMost),
		content:   hardFirstToken, total: totalStream,
	}
	switch {
	case r.Effort == dialect.EffortHigh:
		lim.soft = softStreamHigh
	case small:
		lim.soft = softStreamSmall
	default:
		lim.soft = softStreamEffort
	}
	lim.soft = stats.soft(lim.soft)
	return lim
}

// stallLimit is how long a stream may be silent where it is now.
func stallLimit(open dialect.Open, committed, pings bool, g *gaps) time.Duration {
	switch open {
	case dialect.OpenText:
		if committed {
			return stallText // after the commit only the long values hold
		}
		return min(max(stallTextLeast, 20*g.p99()), stallText)
	case dialect.OpenThinking, dialect.OpenTool:
		if pings {
			return stallPings
		}
		return stallThinking
	}
	return stallUnknown
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

func learnKeyOf(platformName, model string, r *dialect.Request) learnKey {
	k := learnKey{platform: platformName, model: model, effort: r.Effort, stream: r.Stream}
	for t := r.InputTokens(); t > 1000 && k.size < 8; t >>= 2 {
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
	p99   time.Duration // 0: too few samples
	speed float64
}

func (l *learned) stats(k learnKey) learnedStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.m[k]
	if s == nil || s.total < minSamples {
		return learnedStats{}
	}
	st := learnedStats{speed: s.speed}
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
