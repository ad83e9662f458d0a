package simulate

import (
	"slices"
	"sort"
	"time"

	"turnout/internal/domain"
)

// Record is one request that a gateway has served.
type Record struct {
	At       time.Time
	Session  domain.SessionID // zero: none
	Caller   domain.KeyID
	Input    int64 // tokens of the whole prompt
	Output   int64
	Attempts []Attempt
}

// Attempt is one of its attempts, as it went.
type Attempt struct {
	Account domain.AccountID
	At      time.Time
	Reply   Reply
}

// near is how far from a moment an attempt at the same account still says how one would have gone there.
const near = 5 * time.Minute

// Recorded scripts what was recorded: the same requests at the same times, and a world in which an account answers as
// it did then. Where it was not asked within five minutes, nobody knows what it would have done: it is taken to have been
// well, and as quick as it usually was.
//
// A turn's prompt is what was recorded, also where the simulation could not answer the turn before. A request that failed was recorded
// without its tokens: it is taken to have had the prompt of its session's last one, of the next one where it was the first, or a usual one.
func Recorded(model string, accounts []*domain.Account, records []Record) *Script {
	records = slices.Clone(records)
	slices.SortStableFunc(records, func(a, b Record) int { return a.At.Compare(b.At) })
	w := &pastWorld{attempts: map[domain.AccountID][]Attempt{}, usual: map[domain.AccountID]Reply{}}
	s := &Script{Accounts: accounts, Model: model, World: w}
	place := map[domain.SessionID]int{}
	var prompts []int64
	for i := range records {
		r := &records[i]
		if i == 0 {
			s.Began = r.At
		}
		for _, a := range r.Attempts {
			w.attempts[a.Account] = append(w.attempts[a.Account], a)
		}
		at, known := place[r.Session]
		if !known || r.Session.IsZero() {
			at = len(s.Sessions)
			place[r.Session] = at
			s.Sessions = append(s.Sessions, Session{ID: r.Session, Caller: r.Caller, Start: r.At})
		}
		s.Sessions[at].Turns = append(s.Sessions[at].Turns, Turn{At: r.At, Prompt: r.Input, Output: r.Output})
		if r.Input > 0 {
			prompts = append(prompts, r.Input)
		}
	}
	usual := int64(0)
	if len(prompts) > 0 {
		slices.Sort(prompts)
		usual = prompts[len(prompts)/2]
	}
	for i := range s.Sessions {
		complete(s.Sessions[i].Turns, usual)
	}
	w.learn()
	return s
}

// complete puts prompts where none were recorded.
func complete(turns []Turn, usual int64) {
	for i := range turns {
		if turns[i].Prompt > 0 {
			usual = turns[i].Prompt
			break
		}
	}
	for i := range turns {
		if turns[i].Prompt == 0 {
			turns[i].Prompt = usual
		}
		usual = turns[i].Prompt
	}
}

// pastWorld answers as accounts did.
type pastWorld struct {
	attempts map[domain.AccountID][]Attempt // by time
	usual    map[domain.AccountID]Reply
	any      Reply
}

// learn finds how quick each account usually was.
func (w *pastWorld) learn() {
	var all []Attempt
	for id, list := range w.attempts {
		slices.SortStableFunc(list, func(a, b Attempt) int { return a.At.Compare(b.At) })
		w.usual[id] = median(list, Reply{})
		all = append(all, list...)
	}
	w.any = median(all, Reply{OK: true, First: time.Second, Took: 5 * time.Second})
}

// median is a middling success; other where there is none.
func median(list []Attempt, other Reply) Reply {
	var first, took []time.Duration
	for _, a := range list {
		if a.Reply.OK {
			first, took = append(first, a.Reply.First), append(took, a.Reply.Took)
		}
	}
	if len(first) == 0 {
		return other
	}
	slices.Sort(first)
	slices.Sort(took)
	return Reply{OK: true, First: quantile(first, 0.5), Took: max(quantile(took, 0.5), quantile(first, 0.5))}
}

// Answer implements World.
func (w *pastWorld) Answer(a Ask) Reply {
	list := w.attempts[a.Account.ID]
	i := sort.Search(len(list), func(i int) bool { return list[i].At.After(a.At) })
	var r Reply
	switch {
	case i > 0 && a.At.Sub(list[i-1].At) <= near:
		r = list[i-1].Reply
		if r.Reset > 0 {
			if r.Reset -= a.At.Sub(list[i-1].At); r.Reset <= 0 {
				r = Reply{} // it was over by then
			}
		}
	case i < len(list) && list[i].At.Sub(a.At) <= near && list[i].Reply.OK:
		r = list[i].Reply
	}
	if r == (Reply{}) {
		r = w.usual[a.Account.ID]
	}
	if r == (Reply{}) {
		r = w.any
	}
	r.Output = a.Output
	return r
}
