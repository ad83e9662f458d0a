package gateway

import (
	"context"
	"hash/maphash"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"turnout/internal/domain"
	"turnout/internal/limit"
	"turnout/internal/sched"
	"turnout/internal/upstream"
)

// Upstream makes one attempt on the wire; *upstream.Client is the real one.
type Upstream interface {
	// Send returns as soon as the answer's header is there. An error is an *upstream.Fault.
	Send(ctx context.Context, call *upstream.Call) (*http.Response, error)
	// Keep closes idle connections of accounts that are not in keep.
	Keep(keep []*domain.Account)
}

// Bindings keeps sessions on their accounts. Implementations answer from memory:
// both methods stand on the request's path.
type Bindings interface {
	Lookup(s domain.SessionID) (domain.Binding, bool)
	// Bind replaces the binding of b.Session if its account is still expected (0: unbound).
	Bind(b domain.Binding, expected domain.AccountID) bool
}

// Recorder takes the record of every finished request. It must not block for long, and owns
// the record afterwards.
type Recorder interface {
	Record(r *Record)
}

// Observer counts. Its labels are bounded: no key, account or model name.
type Observer interface {
	// Attempt is one finished attempt: class and action are empty for a success.
	Attempt(platform, class, action string, took time.Duration)
	// Request is one finished request.
	Request(dialect, outcome string, status int, stream bool, took, firstToken time.Duration, u domain.Usage)
	// Event is n uses of a mechanism beside attempts and rests; detail is from a
	// bounded set for each event.
	Event(event, detail string, n int)
	// Rest is one rest that began.
	Rest(platform, scope, class string)
}

// The events that an Observer is told of, with their details.
const (
	EventFallback    = "fallback"     // another model was gone on with; the class of failure
	EventBeside      = "beside"       // an attempt passed its soft limit; the core's reason
	EventHold        = "hold"         // a stream's hold ended at a bound before its commit point; which one
	EventKeepAlive   = "keep_alive"   // signs of life that were sent; the dialect
	EventClientRetry = "client_retry" // a client's own retry was recognised; what became of it
	EventLimit       = "limit"        // a time limit gave an attempt up; which one
	EventLeastBad    = "least_bad"    // too much of a pool rested, and the least bad was used; the class of its rest
	EventThrottled   = "throttled"    // a request was refused because its provider browns out; the platform
	EventWait        = "wait"         // a request was held; the core's reason
	EventCallerLimit = "caller_limit" // a caller's own limit refused a request; whose and which
	EventUsage       = "usage"        // an answer stated a usage that cannot be, and it was not believed; the platform
	EventResume      = "resume"       // an answer broke after its commit and was to be gone on with; what came of it
	EventErrorRule   = "error_rule"   // an administrator's rule decided what the caller is told; pass or replace
)

// Deps are what a Gateway is built from. All but Log are required.
type Deps struct {
	Upstream Upstream
	Bindings Bindings
	Objects  Objects
	Recorder Recorder
	Ledger   Ledger
	Observer Observer
	Cells    *sched.Cells
	Bodies   *Budget
	Log      *slog.Logger
	// Rested is told of every rest that begins or grows, to be kept for a restart.
	Rested func(sched.RestKey, *sched.Rest)
}

// Gateway serves requests. Safe for concurrent use.
type Gateway struct {
	deps     Deps
	snapshot atomic.Pointer[Snapshot]
	queue    *queue
	learned  *learned
	loads    *loads
	crowd    *crowd
	former   *formerStates
	plain    plainAccounts
	ownSeats ownSeats
	writers  writers
	models   *modelLists
	limits   *limit.Book // of callers
	prefixes *sched.Prefixes
	seed     maphash.Seed // of prefixes
	since    time.Time    // what their time is counted from

	inFlight atomic.Int64
	draining atomic.Bool
	idle     chan struct{} // holds one: the last request in flight has ended
}

// New makes a gateway that refuses everything until it has a snapshot.
func New(d Deps) *Gateway {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Rested == nil {
		d.Rested = func(sched.RestKey, *sched.Rest) {}
	}
	return &Gateway{
		deps: d, idle: make(chan struct{}, 1), queue: newQueue(), learned: newLearned(), loads: newLoads(), crowd: newCrowd(), former: newFormerStates(), models: newModelLists(),
		limits: limit.NewBook(), since: time.Now(), prefixes: sched.NewPrefixes(), seed: maphash.MakeSeed(),
	}
}

// Bodies is the memory that requests may hold.
func (g *Gateway) Bodies() *Budget { return g.deps.Bodies }

// Swap puts a configuration in place. Requests in flight keep theirs.
func (g *Gateway) Swap(s *Snapshot) {
	s.priced = g.deps.Ledger.Priced
	g.snapshot.Store(s)
	g.models.forget()
	g.plain.forget()
	g.former.forget() // what failed may have been repaired by the new one
	for _, a := range s.Accounts {
		if a.Limits.Counted() {
			g.deps.Cells.Meter(a.ID).Limit(a.Limits, s.Settings.SessionTTL)
		}
	}
	g.deps.Upstream.Keep(s.Accounts)
}

// Snapshot is the configuration in force, or nil.
func (g *Gateway) Snapshot() *Snapshot { return g.snapshot.Load() }

// InFlight is how many requests are being served.
func (g *Gateway) InFlight() int { return int(g.inFlight.Load()) }

// Queued is how many requests wait for a slot.
func (g *Gateway) Queued() int { return g.queue.length() }

// Held is how many requests wait for an account to return.
func (g *Gateway) Held() int { return g.crowd.waiting() }

// RetryBudgetsEmpty is how many providers, pool by pool, may not be asked again
// because of faults of their own.
func (g *Gateway) RetryBudgetsEmpty() int { return g.loads.empty(time.Now()) }

// Drain refuses new requests from now on.
func (g *Gateway) Drain() { g.draining.Store(true) }

// Draining reports whether new requests are refused.
func (g *Gateway) Draining() bool { return g.draining.Load() }

// Wait returns when no request is in flight any more, or when ctx ends.
func (g *Gateway) Wait(ctx context.Context) error {
	for g.inFlight.Load() > 0 {
		select {
		case <-g.idle:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (g *Gateway) begin() { g.inFlight.Add(1) }

func (g *Gateway) end() {
	if g.inFlight.Add(-1) == 0 {
		select {
		case g.idle <- struct{}{}:
		default:
		}
	}
}
