package sim

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// Outcome is how a request ended, as the provider saw it.
type Outcome uint8

// The outcomes.
const (
	Open    Outcome = iota // not ended yet
	OK                     // a whole, healthy answer was written
	Failed                 // an error answer, or none on purpose
	Broken                 // a 200 whose answer was spoilt on purpose
	Aborted                // the client left first
)

// String is the outcome's name.
func (o Outcome) String() string {
	return [...]string{"open", "ok", "failed", "broken", "aborted"}[o]
}

// Seen is what the provider saw of one request. A copy: it may be kept, but
// Header and Body are shared with other copies and must not be changed.
type Seen struct {
	Seq          int // 1, 2, … in order of arrival, since the start or Reset
	Key          string
	Organization string
	Method       string
	Path         string // with the query, as it came
	Proto        string // "HTTP/1.1" or "HTTP/2.0"
	Remote       string // the client's address
	Model        string
	Stream       bool
	Header       http.Header
	Body         []byte // exactly as it came; nil once Options.KeepBytes pushed it out
	Start        time.Time
	End          time.Time // zero while Open
	Fault        Fault     // what was done to it
	Status       int       // the status written; 0: none
	Events       int       // content events written
	Outcome      Outcome
}

// journal is a bounded ring of what was seen.
type journal struct {
	mu      sync.Mutex
	keep    int
	max     int // body bytes
	entries []*Seen
	bytes   int
	bodies  int // entries before this index hold no body any more
	seq     int
	era     int // grows with every reset
	counts  map[string]int
	changed chan struct{} // closed and replaced at every change
}

func newJournal(keep, maxBytes int) *journal {
	return &journal{keep: keep, max: maxBytes, counts: map[string]int{}, changed: make(chan struct{})}
}

func (j *journal) add(s *Seen) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seq++
	s.Seq = j.seq
	if _, known := j.counts[s.Key]; known || len(j.counts) < maxSubjects {
		j.counts[s.Key]++
	}
	if len(j.entries) >= j.keep {
		// Dropping a quarter at once keeps the cost of moving the rest small.
		n := j.keep/4 + 1
		for _, e := range j.entries[:n] {
			j.bytes -= len(e.Body)
		}
		j.entries = append(j.entries[:0:0], j.entries[n:]...)
		j.bodies = max(0, j.bodies-n)
	}
	j.entries = append(j.entries, s)
	j.bytes += len(s.Body)
	for j.bytes > j.max && j.bodies < len(j.entries) {
		e := j.entries[j.bodies]
		j.bytes -= len(e.Body)
		e.Body = nil
		j.bodies++
	}
	j.signal()
}

// update changes a record under the lock.
func (j *journal) update(s *Seen, change func(*Seen)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	change(s)
	j.signal()
}

func (j *journal) signal() {
	close(j.changed)
	j.changed = make(chan struct{})
}

// snapshot copies the records after a number of an era, oldest first; all, if the
// era is over. It gives the era that it is and the channel that is closed at the
// next change.
func (j *journal) snapshot(era, after int) (out []Seen, now int, changed <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if era != j.era {
		after = 0
	}
	skip := 0
	if len(j.entries) > 0 {
		skip = min(max(after-j.entries[0].Seq+1, 0), len(j.entries))
	}
	out = make([]Seen, len(j.entries)-skip)
	for i, e := range j.entries[skip:] {
		out[i] = *e
	}
	return out, j.era, j.changed
}

func (j *journal) count(key string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.counts[key]
}

func (j *journal) reset() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.era++
	j.entries, j.bytes, j.bodies, j.seq, j.counts = nil, 0, 0, 0, map[string]int{}
	j.signal()
}

// Requests lists what was seen, oldest first, requests in progress included; of
// very many only the last Options.Keep.
func (p *Provider) Requests() []Seen {
	out, _, _ := p.journal.snapshot(0, 0)
	return out
}

// Count is how many requests came with the key since the start or Reset.
func (p *Provider) Count(key string) int { return p.journal.count(key) }

// Wait blocks until a request for which match is true has been seen, and returns
// it as it is then. It looks at requests that ended before the call, too. It ends
// early only with the context's error.
func (p *Provider) Wait(ctx context.Context, match func(Seen) bool) (Seen, error) {
	era, after := 0, 0
	for {
		all, now, changed := p.journal.snapshot(era, after)
		if now != era {
			era, after = now, 0
		}
		ended := true // every record so far: it will not change any more
		for _, s := range all {
			if match(s) {
				return s, nil
			}
			if ended = ended && !s.End.IsZero(); ended {
				after = s.Seq
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Seen{}, ctx.Err()
		}
	}
}
