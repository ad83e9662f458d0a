package limit

// lows know, for each open reservation, the lowest level that the meter has had since. That much of a reservation can be given
// back and no more: had it never been made, the meter would have run empty earlier, and the time it stood empty is lost to everybody.
// Giving all of it back would create capacity out of nothing.
//
// The later a reservation, the higher is its low, so those that share one stand together. There is room for a few
// groups only; where they are more, the oldest share the lowest of their lows, which errs on the safe side.
type lows struct {
	seq    uint64 // of the latest reservation
	n      int
	groups [16]group
}

// group is the reservations after the group before it, up to seq.
type group struct {
	seq uint64
	low int64
}

// seen notes the meter's level.
func (l *lows) seen(level int64) {
	n := l.n
	for n > 0 && l.groups[n-1].low >= level {
		n--
	}
	if n < l.n {
		l.n = n
		l.push(level)
	}
}

// open begins a reservation that has raised the meter to level, and names it.
func (l *lows) open(level int64) uint64 {
	l.seq++
	l.push(level)
	return l.seq
}

func (l *lows) push(level int64) {
	if l.n == len(l.groups) {
		l.groups[1].low = l.groups[0].low
		copy(l.groups[:], l.groups[1:])
		l.n--
	}
	l.groups[l.n] = group{l.seq, level}
	l.n++
}

// giveBack gives back what it can of a reservation, at most weight, and says how much. From its beginning on the meter would
// have stood lower by that, so that others find less to give back.
func (l *lows) giveBack(seq uint64, weight int64) int64 {
	own := 0
	for own < l.n && l.groups[own].seq < seq {
		own++
	}
	if own == l.n {
		return 0
	}
	weight = min(weight, l.groups[own].low)
	for i := own; i < l.n; i++ {
		l.groups[i].low -= weight
	}
	for i := range own {
		l.groups[i].low = min(l.groups[i].low, l.groups[own].low)
	}
	return weight
}

// forget: what is open now can give nothing back any more.
func (l *lows) forget() {
	l.n = 1
	l.groups[0] = group{l.seq, 0}
}
