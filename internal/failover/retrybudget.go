package failover

// RetryShare bounds what Turnout adds to the load of a provider that browns out,
// however many requests fail at once: of what it was asked within the last window (two minutes) at most Percent
// may be retries, or Floor of them where that is more, so that little traffic is not left without any.
// The zero value allows none.
type RetryShare struct {
	Percent int // 0 to 100
	Floor   int
}

// The window in which requests are counted: so long that a floor of a few retries
// stays within the share where there is any traffic to speak of. Retries are counted for one slot longer,
// so that from one window to the next there are never more than the share. What is older has
// expired. Whether a provider browns out is told by the latest slots.
const (
	loadSlots   = 13
	lateSlots   = 3
	slotSeconds = 10
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

// sum adds up the latest slots; retries those of the whole window.
func (l *Load) sum(latest int64) (s loadSlot) {
	for i := range l.slots {
		s.retries += l.slots[i].retries
	}
	for age := range latest {
		slot := &l.slots[((l.at-age)%loadSlots+loadSlots)%loadSlots]
		s.requests += slot.requests
		s.failed += slot.failed
		s.held += slot.held
	}
	return s
}

// late is how often the provider was asked of late, retries included, how often it
// failed, and how many of these failures are still held against it.
func (l *Load) late() (asked, failed, held int64) {
	s := l.sum(lateSlots)
	asked = int64(s.requests)
	for age := range int64(lateSlots) {
		asked += int64(l.slots[((l.at-age)%loadSlots+loadSlots)%loadSlots].retries)
	}
	return asked, int64(s.failed), int64(s.held)
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
	s := l.sum(loadSlots - 1)
	return max(max(share.Floor, int(s.requests)*share.Percent/100)-int(s.retries), 0)
}

// BrownsOut reports whether the provider fails more than half of what it is asked.
func (l Load) BrownsOut(now int64) bool {
	l.turn(now)
	asked, failed, _ := l.late()
	return asked >= leastLoad/2 && 2*failed > asked
}

// leastLoad is how many attempts say something about a provider.
const leastLoad = 20

// Refuse decides whether a request is refused without asking a provider that browns out:
// the more of what it was asked it could not answer beyond half, the more likely (client-side throttling as
// in Google's book on site reliability, chapter 21, with K = 2). draw is uniform over all 64-bit values, of a request's own
// seed. It never refuses all: somebody has to find out that it is back.
func (l Load) Refuse(now int64, draw uint64) bool {
	l.turn(now)
	asked, _, held := l.late()
	answered := max(asked-held, 0)
	if asked < leastLoad || asked <= 2*answered {
		return false
	}
	return scale(uint64(asked+1), draw) < uint64(asked-2*answered)
}
