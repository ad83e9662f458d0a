package simulate

import (
	"slices"
	"time"

	"turnout/internal/domain"
)

// join waits in the line, where that has a place.
func (r *runner) join(q *request, only domain.AccountID, patience time.Duration) {
	if len(r.line) >= r.set.QueuePlaces {
		r.unplaced(q, only)
		return
	}
	q.waiting, q.only, q.since, q.patience = true, only, r.now, r.now.Add(patience)
	r.line = append(r.line, q)
	r.at(q.patience, func() {
		if !q.waiting || r.now.Before(q.patience) {
			return
		}
		r.leave(q)
		r.unplaced(q, q.only)
	})
}

// unplaced goes on without the slot that a request waited for, or found no place to wait for.
func (r *runner) unplaced(q *request, only domain.AccountID) {
	if only != 0 { // serve this one elsewhere; the session stays bound
		q.sticky, q.stays = false, true
		r.try(q)
		return
	}
	r.fail(q)
}

// caller is whose a request is.
func (r *runner) caller(q *request) domain.KeyID { return r.s.Sessions[q.session].Caller }

func (r *runner) leave(q *request) {
	q.waiting = false
	q.waited += r.now.Sub(q.since)
	if r.line = slices.DeleteFunc(r.line, func(o *request) bool { return o == q }); len(r.line) == 0 {
		clear(r.turns)
	}
}

// freed lets whose turn it is of those in the line that can use an account have its slot.
func (r *runner) freed(id domain.AccountID) {
	c := r.view.Find(id)
	if c.Resting(r.now) {
		return
	}
	var first *request
	for _, q := range r.line {
		if q.only != 0 && q.only != id || q.state.Excludes(c.ID, c.Organization) {
			continue
		}
		if first == nil || r.turns[r.caller(q)] < r.turns[r.caller(first)] {
			first = q
		}
	}
	if first == nil || !c.Live.TryAcquire(c.LimitNow(), r.now) {
		return
	}
	r.turn++
	r.turns[r.caller(first)] = r.turn
	r.leave(first)
	r.attempt(first, c)
}
