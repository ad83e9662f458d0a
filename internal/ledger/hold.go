package ledger

import (
	"context"
	"time"

	"turnout/internal/domain"
)

// UnstatedOutput is how long an answer is taken to become at most where the request does not say, in tokens.
const UnstatedOutput = 32_000

// Route is one way that the request may take.
type Route struct {
	Account *domain.Account
	Model   string // as it is sent there
}

// Ask is a request that wants to be paid.
type Ask struct {
	Request domain.RequestID
	At      time.Time
	Key     domain.KeyID
	User    domain.UserID // 0: none
	Team    domain.TeamID // 0: none
	Pool    domain.PoolID
	Model   string // as it is asked for
	Input   int64  // tokens of the prompt, estimated
	Output  int64  // the most tokens that the answer may have; 0: not stated
	Tags    string
	Policy  domain.Payment
	// Routes are all that the request may take, each pair of platform and model once or more. Not kept.
	Routes []Route
}

// Holding is what one request has reserved. Safe for concurrent use.
type Holding struct {
	book   *Book
	ask    Ask
	owners [4]*owner // that limit it or count it; the first n
	n      int
	payer  domain.Spender
	purse  *owner // the payer, if it is prepaid
	factor domain.Factor
	warn   []string

	// Guarded by book.mu.
	amount  domain.NanoUSD
	settled bool
	losses  []domain.AccountCost
}

// scopes are the owners that a request concerns.
func (a *Ask) scopes() [4]domain.Spender {
	return [4]domain.Spender{
		{Kind: domain.SpenderKey, ID: int64(a.Key)}, {Kind: domain.SpenderUser, ID: int64(a.User)}, {Kind: domain.SpenderTeam, ID: int64(a.Team)}, {Kind: domain.SpenderPool, ID: int64(a.Pool)},
	}
}

// Hold reserves what the request may cost at everybody whom it concerns, or at nobody. The error is a *domain.Error for the caller, or
// the store's.
func (b *Book) Hold(ctx context.Context, ask *Ask) (*Holding, error) {
	if b.broken.Load() && b.rescue() != nil {
		return nil, &domain.Error{Kind: domain.KindUnavailable, Op: doing, RetryAfter: time.Second,
			Message: "What requests cost cannot be written down at the moment, so none is let in. Whoever runs this Turnout has been told; try again later."}
	}
	h := &Holding{book: b, ask: *ask}
	h.ask.Routes = nil
	h.payer = domain.Spender{Kind: domain.SpenderKey, ID: int64(ask.Key)}
	limited := false
	b.mu.Lock()
	for i, s := range ask.scopes() {
		if s.ID == 0 {
			continue
		}
		if h.purse == nil && i < 3 {
			h.payer = s
		}
		o := b.owners[s]
		if o == nil {
			continue
		}
		h.factor = h.factor.Times(o.Spending.Factor)
		if o.Spending.Prepaid && h.purse == nil && i < 3 {
			h.purse = o
		}
		if h.purse == o || len(o.budgets) > 0 {
			h.owners[h.n] = o
			h.n++
			limited = true
		}
	}
	b.mu.Unlock()
	most, err := b.most(h, ask.Routes, ask.Input, ask.Output, limited)
	if err != nil {
		return nil, err
	}
	if !limited {
		return h, nil
	}
	if err := h.reserve(ctx, b.size(h, most), ask.At); err != nil {
		return nil, err
	}
	h.lookAtSoftLimits()
	return h, nil
}

// most is what the dearest route can cost. Models without a price are refused here where that is the policy.
func (b *Book) most(h *Holding, routes []Route, input, output int64, limited bool) (most domain.NanoUSD, err error) {
	if !limited && !h.ask.Policy.RefuseUnpriced {
		return 0, nil
	}
	if output <= 0 {
		output = UnstatedOutput
	}
	priced := len(routes) == 0
	for _, r := range routes {
		plan, guessed := b.prices.Plan(r.Account, r.Model, h.ask.At)
		if plan == nil || guessed && h.ask.Policy.RefuseUnpriced {
			// Whoever is limited is not let use for nothing what nobody knows the price of.
			b.events.Unpriced(r.Account, r.Model, true)
			continue
		}
		priced = true
		most = max(most, plan.Most(input, output, h.factor))
	}
	if !priced {
		return 0, domain.Errorf(domain.KindForbidden, doing, "The model %q has no price here, and models without a price are not let through. Ask whoever runs this Turnout to add one.", h.ask.Model)
	}
	return most, nil
}

// Priced reports whether the prices of a model at an account are known.
func (b *Book) Priced(a *domain.Account, model string, at time.Time) bool {
	plan, guessed := b.prices.Plan(a, model, at)
	return plan != nil && !guessed
}

// size is how much of the most a hold reserves.
func (b *Book) size(h *Holding, most domain.NanoUSD) domain.NanoUSD {
	switch h.ask.Policy.Hold {
	case domain.HoldP95:
		if usual, ok := b.usual.of(h.ask.Key, h.ask.Model); ok {
			return min(usual, most)
		}
	case domain.HoldCap:
		return min(h.ask.Policy.Cap, most)
	case domain.HoldMaximum:
	}
	return most
}

// reserve holds so much more, at all owners or at none.
func (h *Holding) reserve(ctx context.Context, more domain.NanoUSD, now time.Time) error {
	b := h.book
	for tries := 0; ; tries++ {
		b.mu.Lock()
		if h.settled { // meanwhile
			b.mu.Unlock()
			return nil
		}
		d := h.room(more, now)
		if d == nil {
			h.add(more)
			b.mu.Unlock()
			return nil
		}
		purse := h.purse
		// Others may take what was taken for this one; as long as the store has more, it is asked again.
		again := d.Budget == "" && tries < maxTakes && (purse.dry.IsZero() || tries == 0 && now.Sub(purse.dry) >= dryFor)
		b.mu.Unlock()
		if !again {
			b.events.Refused(d)
			return d.Error()
		}
		if err := b.take(ctx, purse, more, false, now); err != nil {
			return err
		}
	}
}

// add books a reservation that there is room for. book.mu is held.
func (h *Holding) add(more domain.NanoUSD) {
	h.amount = h.amount.Plus(more)
	for _, o := range h.owners[:h.n] {
		o.held = o.held.Plus(more)
	}
}

// lookAtSoftLimits notes which are passed.
func (h *Holding) lookAtSoftLimits() {
	b := h.book
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, o := range h.owners[:h.n] {
		for _, g := range o.budgets {
			w, first := g.warning(o)
			if w != "" {
				h.warn = append(h.warn, w)
			}
			if first {
				b.events.Soft(o.Owner, g.Budget, g.spent)
			}
		}
	}
}

// room is nil if so much more fits in everywhere; else why not. book.mu is held.
func (h *Holding) room(more domain.NanoUSD, now time.Time) *Denial {
	for _, o := range h.owners[:h.n] {
		for _, g := range o.budgets {
			g.roll(o.spent, now)
			if g.Hard == 0 || g.spent.Plus(o.held).Plus(more) <= g.Hard {
				continue
			}
			return &Denial{Owner: o.Owner, Budget: g.Label(), Limit: g.Hard, Spent: g.spent, Held: o.held, Needed: h.amount.Plus(more),
				Until: g.room(o.spent, more, now), Rolling: g.Rolling, At: now}
		}
	}
	if p := h.purse; p != nil && p.granted-p.held < more {
		return &Denial{Owner: p.Owner, Spent: p.granted.Plus(p.left), Held: p.held, Needed: h.amount.Plus(more), At: now}
	}
	return nil
}

// Bounds of what is taken from the store at a time. A larger grant costs fewer transactions, and other processes have less to hold against.
const (
	grantHolds = 64                // of the hold that did not fit
	grantMost  = 5 * domain.Dollar // and not more than that, if the hold is not larger itself
	dryFor     = time.Second       // how long an empty balance is not asked again
	maxTakes   = 100               // for one hold, where others are always faster
)

// take gets more of an owner's balance from the store, so that there is room for need; part: less than that is welcome too.
func (b *Book) take(ctx context.Context, o *owner, need domain.NanoUSD, part bool, now time.Time) error {
	o.taking.Lock()
	defer o.taking.Unlock()
	b.mu.Lock()
	short := need - (o.granted - o.held)
	overdraft := o.Spending.Overdraft
	b.mu.Unlock()
	if short <= 0 { // somebody else has taken enough meanwhile
		return nil
	}
	want := max(short, grantMost)
	if need < grantMost/grantHolds {
		want = max(short, need*grantHolds)
	}
	least := short
	if part {
		least = 1
	}
	got, left, err := b.store.Take(ctx, o.Spender, least, want, overdraft, now)
	if err != nil {
		b.events.Failed("take from a balance", err)
		return &domain.Error{Kind: domain.KindUnavailable, Op: doing, RetryAfter: time.Second, Err: err,
			Message: "The books cannot be reached at the moment, so the request is not let in. Try again later."}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	o.granted += got
	if b.owners[o.Spender] != o { // configured away meanwhile
		b.former[o.Spender] = o
	}
	o.left, o.dry = left, time.Time{}
	if got < want {
		o.dry = now
	}
	return nil
}

// Again holds for other routes too, such as those of a fallback model; what is held already counts.
func (h *Holding) Again(ctx context.Context, routes []Route, now time.Time) error {
	if h == nil {
		return nil
	}
	most, err := h.book.most(h, routes, h.ask.Input, h.ask.Output, h.n > 0)
	if err != nil || h.n == 0 {
		return err
	}
	return h.grow(ctx, h.book.size(h, most), now)
}

// Grow holds more while an answer grows past what is held: an account's plan, and how many tokens have come. It
// never fails: what cannot be held is settled as far as the limits go.
func (h *Holding) Grow(ctx context.Context, a *domain.Account, model string, output int64, now time.Time) {
	if h == nil || h.n == 0 {
		return
	}
	if plan, _ := h.book.prices.Plan(a, model, now); plan != nil {
		if so := plan.Most(h.ask.Input, output, h.factor); so > h.Amount() {
			_ = h.grow(ctx, so.Plus(so/2), now)
		}
	}
}

func (h *Holding) grow(ctx context.Context, to domain.NanoUSD, now time.Time) error {
	h.book.mu.Lock()
	more := to - h.amount
	settled := h.settled
	h.book.mu.Unlock()
	if more <= 0 || settled {
		return nil
	}
	return h.reserve(ctx, more, now)
}

// Amount is what is held.
func (h *Holding) Amount() domain.NanoUSD {
	h.book.mu.Lock()
	defer h.book.mu.Unlock()
	return h.amount
}

// Warnings say which soft limits are passed, in words for the caller.
func (h *Holding) Warnings() []string {
	if h == nil {
		return nil
	}
	return h.warn
}
