package failover

// RetryShare bounds what Turnout adds to the load of a provider that browns out,
// however many requests fail at once: of what it was asked within the last window at most Percent
// may be retries, or Floor of them where that is more, so that little traffic is not left without any.
// The zero value allows none.
type RetryShare struct {
	Percent int // 0 to 100
	Floor   int
}

// The window in which requests are counted, and what was answered. Retries are counted
// for one slot longer, so that from one window to the next there are never more than the share. What is older has expired.
const (
	loadSlots   = 7
	slotSeconds = 5
)

// Load is what one provider was asked of late, and what became of it, as a value: the loop keeps
// one for each pool and provider behind its own lock. It counts, and reads no
// clock: now is a time in seconds, from any beginning. The zero value is an idle provider.
type Load struct {
	slots [loadSlots]loadSlot
	at    int64 // the slot of the latest count
}

type loadSlot struct {
	requests int32 // first attempts
	retries  int32 // attempts that a fault of the provider's caused there
	failed   int32 // attempts that ended in a fault of the provider's
	held     int32 // those of them that are still held against it
}

// turn drops what has expired.
func (l *Load) turn(now int64) *loadSlot {
	slot := now / slotSeconds
	if steps := slot - l.at; steps > 0 { // a clock that stands or goes back counts into the latest slot
		for i := range min(steps, loadSlots) {
			l.slots[((slot-i)%loadSlots+loadSlots)%loadSlots] = loadSlot{}
		}
		l.at = slot
	}
	return &l.slots[l.at%loadSlots]
}

func (l *Load) sum() (s loadSlot) {
	oldest := (l.at + 1) % loadSlots
	for i := range l.slots {
		s.retries += l.slots[i].retries
		if int64(i) != oldest {
			s.requests += l.slots[i].requests
			s.failed += l.slots[i].failed
			s.held += l.slots[i].held
		}
	}
	return s
}

// Began is the load after an attempt began. What is a retry: every attempt that a
// failure of one of Policy.Braked's classes, at this provider, caused at this provider.
func (l Load) Began(now int64, retry bool) Load {
	if s := l.turn(now); retry {
		s.retries++
	} else {
		s.requests++
	}
	return l
}

// Failed is the load after an attempt ended in a fault of the provider's.
func (l Load) Failed(now int64) Load {
	s := l.turn(now)
	s.failed++
	s.held++
	return l
}

// Answered is the load after an attempt succeeded. It halves what is held against
// the provider, so that one that has recovered is not refused for long.
func (l Load) Answered(now int64) Load {
	l.turn(now)
	for i := range l.slots {
		l.slots[i].held /= 2
	}
	return l
}

// MayRetry reports whether the provider may be asked again because of a fault of
// its own. If not, Outcome.NoRetries is true.
func (l Load) MayRetry(now int64, share RetryShare) bool {
	return l.Retries(now, share) > 0
}

// Retries is how many retries are left now.
func (l Load) Retries(now int64, share RetryShare) int {
	l.turn(now)
	s := l.sum()
	return max(max(share.Floor, int(s.requests)*share.Percent/100)-int(s.retries), 0)
}

// BrownsOut reports whether the provider fails more than half of what it is asked.
func (l Load) BrownsOut(now int64) bool {
	l.turn(now)
	s := l.sum()
	asked := s.requests + s.retries
	return asked >= leastLoad/2 && 2*s.failed > asked
}

// leastLoad is how many attempts say something about a provider.
const leastLoad = 20

// Refuse decides whether a request is refused without asking a provider that browns out:
// the more of what it was asked it could not answer beyond half, the more likely (client-side throttling as
// in Google's book on site reliability, chapter 21, with K = 2). draw is uniform over all 64-bit values, of a request's own
// seed. It never refuses all: somebody has to find out that it is back.
func (l Load) Refuse(now int64, draw uint64) bool {
	l.turn(now)
	s := l.sum()
	asked := int64(s.requests) + int64(s.retries)
	answered := max(asked-int64(s.held), 0)
	if asked < leastLoad || asked <= 2*answered {
		return false
	}
	return scale(uint64(asked+1), draw) < uint64(asked-2*answered)
}
