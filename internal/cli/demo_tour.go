package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"turnout/internal/app"
	"turnout/internal/domain"
	"turnout/internal/sim"
	"turnout/internal/store"
)

// expectation is how a request of the tour should end.
type expectation uint8

const (
	answered   expectation = iota // with the whole, right text
	brokenOff                     // content, then the protocol's error event: never a clean end
	turnedAway                    // 429 and when to come back
)

// step is one request of a scene.
type step struct {
	note   string // what it shows, in place of what was asked; empty: nothing special
	before string // words that acme-1 behaves by from here on; empty: as before
	q      question
	want   expectation
}

// scene shows one thing.
type scene struct {
	title string
	steps []step
}

func claude(model string, stream bool) question {
	return question{model: model, stream: stream, turns: []string{"Which track is free?"}}
}

// committed asks for a stream that is not shown before its commit point.
func committed(model, commit string) question {
	q := claude(model, true)
	q.commit = commit
	return q
}

func gpt(model string, stream bool) question {
	q := claude(model, stream)
	q.openai = true
	return q
}

// scenes are the tour, but for the slow request, which runs beside all of it.
func scenes() []scene {
	return []scene{
		{"One key, one address, two protocols", []step{
			{q: claude("claude-sim-1", false)},
			{q: gpt("gpt-sim-1", true)},
		}},
		{"An account at its limit rests until its reset", []step{
			{q: claude("claude-haiku-sim", false)},
			{note: "Once more, and globex-1 is not even asked", q: claude("claude-haiku-sim", true)},
		}},
		{"A momentary fault is tried again where it happened, and then elsewhere", []step{
			{note: "An error event inside a 200, before any content", q: gpt("gpt-nano-sim", true)},
			{note: "A 503, and then another", q: gpt("gpt-mini-sim", false)},
		}},
		{"A revoked key rests until somebody changes it", []step{
			{q: claude("claude-opus-sim", true)},
		}},
		{"A conversation stays where its prompt cache is warm", conversation()},
		{"A stream that breaks after content ends in a clear error, never as if it were whole", []step{
			{q: claude("claude-frail-sim", true), want: brokenOff},
			{note: "Once more, with x-turnout-commit: complete", q: committed("claude-frail-sim", "complete")},
		}},
		{"A model that is gone is served by its fallback", []step{
			{q: claude("claude-nomodel-sim", true)},
		}},
		{"Nobody is left: the caller learns when to come back", []step{
			{q: gpt("solo-sim", false), want: turnedAway},
		}},
	}
}

// conversation is what an agent such as Claude Code sends: a session id, and a prompt
// that grows behind a long, cached beginning.
func conversation() []step {
	q := claude("claude-sim-1", true)
	q.session = "5f1d7a52-6c1e-4b5e-9d0a-000000000001"
	q.context = "You dispatch trains. " + sim.Text(2000)
	turn := func(n int) question {
		t := q
		for i := range n {
			if i > 0 {
				t.turns = append(t.turns, sim.Text(sim.DefaultChunks), fmt.Sprintf("And train %d?", i+1))
			}
		}
		return t
	}
	return []step{
		{note: "Turn 1 writes the cache", q: turn(1)},
		{note: "Turn 2 reads it", q: turn(2)},
		{note: "Turn 3: acme-1 fails once", before: "fail503x1", q: turn(3)},
		{note: "Turn 4: acme-1 stays down; acme-2 shares its cache", before: "fail503", q: turn(4)},
		{note: "Turn 5: acme-1 is back; the conversation stays", before: "n20", q: turn(5)},
	}
}

// slow is the request that meets the account which never begins to answer.
var slow = step{q: claude("claude-slow-sim", true)}

const slowTitle = "A silent account gets company: the first content wins"

// tour sends the requests and tells what happened.
type tour struct {
	world   *demoWorld
	out     *demoPrinter
	records *app.Records
	base    string
	sum     tourSummary
}

// tourSummary is what the tour came to.
type tourSummary struct {
	requests, answered, clear, wrong int // wrong: did not end as it should have
	attempts, switches, retries      int
	added, most                      time.Duration // until the attempt that answered began: in all, and in one request
	first                            int           // answered by the first account that was asked
}

func (t *tour) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	type result struct {
		r   reply
		err error
	}
	silent := make(chan result, 1)
	go func() {
		r, err := slow.q.ask(ctx, t.base, t.world.key)
		silent <- result{r, err}
	}()
	taken := false
	defer func() {
		cancel()
		if !taken {
			<-silent // nothing goes on after the tour
		}
	}()
	list := scenes()
	for i := range list {
		t.out.heading(i+1, list[i].title)
		for k := range list[i].steps {
			s := &list[i].steps[k]
			if s.before != "" {
				t.world.set("acme-1", s.before)
			}
			r, err := s.q.ask(ctx, t.base, t.world.key)
			if err != nil {
				return err
			}
			if err := t.tell(ctx, s, &r); err != nil {
				return err
			}
		}
	}
	t.out.heading(len(list)+1, slowTitle)
	t.out.note("(Sent when the tour began: after 8 s of silence a second account is asked beside the first.)")
	res := <-silent
	taken = true
	if res.err != nil {
		return res.err
	}
	return t.tell(ctx, &slow, &res.r)
}

// tell prints one request's story from its record, and keeps count.
func (t *tour) tell(ctx context.Context, s *step, r *reply) error {
	rec, err := t.record(ctx, r.id)
	if err != nil {
		return err
	}
	tr, err := readTrace(rec.Trace)
	if err != nil {
		return err
	}
	cost := t.sum.add(tr, rec.Outcome == store.OutcomeOK)
	ok := s.judge(r)
	switch {
	case !ok:
		t.sum.wrong++
	case s.want == answered:
		t.sum.answered++
	default:
		t.sum.clear++
	}
	t.out.request(s, r, tr, t.records.Account, ok, cost)
	return nil
}

// add counts a request's attempts and gives what its failures cost in time: how late
// the attempt began that answered.
func (s *tourSummary) add(tr *trace, served bool) time.Duration {
	s.requests++
	s.attempts += len(tr.Attempts)
	var cost time.Duration
	for i := range tr.Attempts {
		a := &tr.Attempts[i]
		switch {
		case i == 0:
		case a.Account == tr.Attempts[i-1].Account:
			s.retries++
		default:
			s.switches++
		}
		if served && a.Result == "served" {
			cost = time.Duration(a.Began) * time.Millisecond
		}
	}
	if served && len(tr.Attempts) == 1 {
		s.first++
	}
	s.added += cost
	s.most = max(s.most, cost)
	return cost
}

// judge says whether the request ended as it should.
func (s *step) judge(r *reply) bool {
	switch s.want {
	case brokenOff:
		return r.status == 200 && r.text != "" && !r.whole && r.fault != ""
	case turnedAway:
		return r.status == 429 && r.after != "" && r.fault != ""
	}
	return r.status == 200 && r.whole && r.fault == "" && r.text == sim.Text(sim.DefaultChunks)
}

// How long a record may take to be written: they are written in batches beside the
// requests, so one appears a moment after its answer.
const (
	recordPause = 20 * time.Millisecond
	recordTries = 500
)

func (t *tour) record(ctx context.Context, id domain.RequestID) (app.Summary, error) {
	for range recordTries {
		rec, err := t.records.Find(ctx, id)
		if err == nil || domain.KindOf(err) != domain.KindNotFound {
			return rec, err
		}
		select {
		case <-ctx.Done():
			return rec, ctx.Err()
		case <-time.After(recordPause):
		}
	}
	return app.Summary{}, errors.New("the record of request " + id.String() + " was not written")
}
