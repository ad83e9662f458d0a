package drill

import (
	"context"
	"slices"
	"sync"
	"time"

	"turnout/internal/config"
	"turnout/internal/domain"
)

// Options say what is drilled, and how.
type Options struct {
	// Start starts a gateway. It is called for every scenario in every mode, by several at a time.
	Start Start
	// Network is where everything meets; Sockets outside of tests.
	Network Network
	Clock   Clock
	// Pool is the pool whose policy is drilled; DefaultPool, or an operator's own.
	Pool config.Pool
	// Scenarios and Modes are what runs; nil: every one.
	Scenarios []*Scenario
	Modes     []Mode
	// AtOnce is how many run side by side; 0: atOnce.
	AtOnce int
	// Progress is told of each result as it comes, by one caller at a time; nil: nobody is.
	Progress func(done, all int, row *Row, r *Result)
}

// atOnce is how many scenarios run side by side where nothing else is said: they mostly wait.
const atOnce = 32

// heavyAtOnce is how many of the heavy ones.
const heavyAtOnce = 2

// DefaultPool is a pool with every setting at its default.
func DefaultPool() config.Pool {
	return config.Pool{
		Pool:   domain.Pool{Name: "default", Origin: domain.OriginFile, Enabled: true},
		Policy: config.Policy{Profile: "balanced"}, KeepAlive: defaultKeepAlive,
	}
}

// job is one scenario in one mode, and where its result belongs.
type job struct {
	scenario *Scenario
	mode     Mode
	row      *Row
	result   *Result
}

// Drill runs the scenarios and gives the scorecard. The error is the context's; what goes
// wrong with one scenario stands in its result.
func Drill(ctx context.Context, o Options) (*Scorecard, error) {
	if o.Scenarios == nil {
		o.Scenarios = Scenarios()
	}
	if o.Modes == nil {
		o.Modes = Modes()
	}
	if o.AtOnce <= 0 {
		o.AtOnce = atOnce
	}
	card := &Scorecard{Clock: o.Clock.String(), Modes: o.Modes}
	w := &world{start: o.Start, network: o.Network, clock: o.Clock, pool: o.Pool, starting: make(chan struct{}, startsAtOnce)}
	began := time.Now()
	var jobs []job
	for _, s := range o.Scenarios {
		row := newRow(s, o.Modes)
		card.Rows = append(card.Rows, row)
		for i, m := range o.Modes {
			if row.Results[i].NotApplicable == "" {
				jobs = append(jobs, job{s, m, row, row.Results[i]})
			}
		}
	}
	slices.SortStableFunc(jobs, func(a, b job) int { return int(b.lasts(o.Clock) - a.lasts(o.Clock)) })

	queue := make(chan job)
	var workers sync.WaitGroup
	var mu sync.Mutex
	heavy := make(chan struct{}, heavyAtOnce)
	done := 0
	for range min(o.AtOnce, len(jobs)) {
		workers.Go(func() {
			for j := range queue {
				if j.scenario.Heavy {
					heavy <- struct{}{}
				}
				w.judge(ctx, j)
				if j.scenario.Heavy {
					<-heavy
				}
				mu.Lock()
				done++
				if o.Progress != nil {
					o.Progress(done, len(jobs), j.row, j.result)
				}
				mu.Unlock()
			}
		})
	}
	for _, j := range jobs {
		if ctx.Err() != nil {
			break
		}
		queue <- j
	}
	close(queue)
	workers.Wait()
	card.Took = Milliseconds(time.Since(began))
	card.count()
	return card, ctx.Err()
}

func (j job) lasts(c Clock) time.Duration { return j.scenario.pace(c).of(j.scenario.Lasts) }

// judge runs a scenario in a mode and fills in its result.
func (w *world) judge(ctx context.Context, j job) {
	r, err := w.run(ctx, j.scenario, j.mode)
	var said Judgement
	switch {
	case err != nil:
		said.say(Fail, "the drill itself failed: %v", err)
	case len(r.Answers) == 0:
		said.say(Fail, "the drill itself failed: no request was sent")
	default:
		j.scenario.Judge(r, &said)
	}
	j.result.fill(r, &said)
}

// RunOne runs one scenario in one mode and judges it.
func RunOne(ctx context.Context, o Options, s *Scenario, m Mode) *Result {
	w := &world{start: o.Start, network: o.Network, clock: o.Clock, pool: o.Pool}
	row := newRow(s, []Mode{m})
	if row.Results[0].NotApplicable == "" {
		w.judge(ctx, job{s, m, row, row.Results[0]})
	}
	return row.Results[0]
}
