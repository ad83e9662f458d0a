package ledger

import (
	"math"
	"slices"
	"time"

	"turnout/internal/domain"
)

// SlotOf numbers the slot that a time is in, from 1970 on.
func SlotOf(t time.Time) int64 {
	return floorDiv(t.Unix(), int64(domain.SpendingSlot/time.Second))
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func slotTime(slot int64) time.Time { return time.Unix(slot*int64(domain.SpendingSlot/time.Second), 0) }

// series is what an owner has spent, by slots in rising order.
type series []domain.Spent

// add books an amount at a slot.
func (s *series) add(slot int64, amount domain.NanoUSD) {
	i, found := slices.BinarySearchFunc(*s, slot, func(e domain.Spent, slot int64) int {
		switch {
		case e.Slot < slot:
			return -1
		case e.Slot > slot:
			return 1
		}
		return 0
	})
	if found {
		(*s)[i].Amount = (*s)[i].Amount.Plus(amount)
		return
	}
	*s = slices.Insert(*s, i, domain.Spent{Slot: slot, Amount: amount})
}

// since adds up what was spent from a slot on.
func (s series) since(slot int64) (sum domain.NanoUSD) {
	for i := len(s) - 1; i >= 0 && s[i].Slot >= slot; i-- {
		sum = sum.Plus(s[i].Amount)
	}
	return sum
}

// fold adds what is older than a slot up into one entry.
func (s *series) fold(before int64) {
	n, sum := 0, domain.NanoUSD(0)
	for n < len(*s) && (*s)[n].Slot < before {
		sum = sum.Plus((*s)[n].Amount)
		n++
	}
	if n > 1 {
		*s = append(series{{Slot: domain.OlderSlot, Amount: sum}}, (*s)[n:]...)
	}
}

// budget is one of an owner's budgets, with what has been spent of it.
type budget struct {
	domain.Budget
	loc *time.Location

	from  int64     // the first slot that counts
	until time.Time // when a calendar's period ends; zero: never
	spent domain.NanoUSD

	warned bool // of its soft limit
}

func newBudget(b domain.Budget) *budget {
	loc, err := time.LoadLocation(b.Zone)
	if err != nil || b.Zone == "" {
		loc = time.UTC
	}
	return &budget{Budget: b, loc: loc, from: math.MaxInt64}
}

// roll brings what has been spent up to a time.
func (b *budget) roll(s series, now time.Time) {
	from := b.first(now)
	if from == b.from {
		return
	}
	b.from, b.spent = from, s.since(from)
	if b.Rolling || b.Period == domain.PeriodTotal {
		b.until = time.Time{}
	} else {
		_, b.until = Calendar(b.Period, now.In(b.loc))
	}
}

// first is the first slot that counts at a time.
func (b *budget) first(now time.Time) int64 {
	switch {
	case b.Period == domain.PeriodTotal:
		return domain.OlderSlot
	case b.Rolling:
		return SlotOf(now.Add(-b.Period.Length()))
	}
	start, _ := Calendar(b.Period, now.In(b.loc))
	return SlotOf(start)
}

// Calendar is the calendar's period that a time is in, in the time's own zone: from start, up to and without end. Five-hour
// periods begin at midnight; the fifth of them has four hours.
func Calendar(p domain.Period, t time.Time) (start, end time.Time) {
	y, m, d := t.Date()
	day := func(d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, t.Location()) }
	switch p {
	case domain.PeriodFiveHour:
		n := int(t.Sub(day(d)) / (5 * time.Hour))
		start = day(d).Add(time.Duration(n) * 5 * time.Hour)
		if end = start.Add(5 * time.Hour); end.After(day(d + 1)) {
			end = day(d + 1)
		}
		return start, end
	case domain.PeriodDay:
		return day(d), day(d + 1)
	case domain.PeriodWeek:
		monday := d - (int(t.Weekday())+6)%7
		return day(monday), day(monday + 7)
	case domain.PeriodMonth:
		return time.Date(y, m, 1, 0, 0, 0, 0, t.Location()), time.Date(y, m+1, 1, 0, 0, 0, 0, t.Location())
	case domain.PeriodTotal:
	}
	return time.Time{}, time.Time{}
}

// room is when so much more would fit in, if nothing else is spent until then and what is held is given back; zero: never, as things stand.
func (b *budget) room(s series, amount domain.NanoUSD, now time.Time) time.Time {
	switch {
	case amount > b.Hard:
		return time.Time{}
	case b.spent.Plus(amount) <= b.Hard:
		return now // only what requests in flight hold is in the way
	}
	if !b.Rolling {
		return b.until
	}
	spent := b.spent
	for _, e := range s {
		if e.Slot < b.from {
			continue
		}
		spent -= e.Amount
		if spent.Plus(amount) <= b.Hard {
			return slotTime(e.Slot + 1).Add(b.Period.Length())
		}
	}
	return now
}
