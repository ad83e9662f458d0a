package ledger

import (
	"context"
	"fmt"
	"time"

	"turnout/internal/domain"
)

// Final is how a request ended.
type Final struct {
	At          time.Time
	Account     *domain.Account // whose answer the caller got; nil: nobody's
	Model       string          // as it was sent
	Usage       domain.Usage
	Estimated   bool // the upstream has stated nothing, or not all
	Interrupted bool
	// LostCache is how many tokens were warm at the account that the session was bound to, where another one answered; 0: none, or
	// none did.
	LostCache int64
	// Pool is whose account answered; 0: the pool that was asked.
	Pool domain.PoolID
}

// Lost books what an attempt has cost that came to nothing, at the operator's cost, and says how much.
func (h *Holding) Lost(a *domain.Account, model string, u domain.Usage, now time.Time) domain.NanoUSD {
	if h == nil || a == nil || a.ID <= 0 {
		return 0
	}
	b := h.book
	plan, _ := b.prices.Plan(a, model, now)
	cost, _, _ := priced(plan, u, 0)
	if cost == 0 {
		return 0
	}
	loss := domain.AccountCost{Account: a.ID, Amount: cost, Flat: a.Flat}
	b.mu.Lock()
	late := h.settled
	if !late {
		h.losses = append(h.losses, loss)
	}
	b.mu.Unlock()
	if late {
		b.gate.RLock()
		defer b.gate.RUnlock()
		s := h.settlement(now)
		s.Late, s.Losses = true, []domain.AccountCost{loss}
		b.write(&s)
	}
	return cost
}

// priced is what a usage costs. Figures that contradict themselves are cut down to what can be.
func priced(plan Plan, u domain.Usage, f domain.Factor) (cost domain.NanoUSD, used domain.Usage, sound bool) {
	sound = sane(&u)
	if plan == nil {
		return 0, u, sound
	}
	cost, err := plan.Cost(u, f)
	if err != nil {
		cost, sound = plan.Most(u.Prompt(), u.Output, f), false
	}
	return max(cost, 0), u, sound
}

// sane cuts parts down to their whole, and reports whether there was nothing to cut.
func sane(u *domain.Usage) bool {
	ok := true
	for _, n := range usageFields(u) {
		if *n < 0 {
			*n, ok = 0, false
		}
		if *n > mostTokens {
			*n, ok = mostTokens, false
		}
	}
	for _, p := range [...]struct {
		part  *int64
		whole int64
	}{
		{&u.Reasoning, u.Output}, {&u.AudioOutput, u.Output}, {&u.ImageOutput, u.Output - u.AudioOutput},
		{&u.AudioInput, u.Input}, {&u.ImageInput, u.Input - u.AudioInput}, {&u.AudioCacheRead, u.CacheRead},
	} {
		if *p.part > p.whole {
			*p.part, ok = max(p.whole, 0), false
		}
	}
	return ok
}

// mostTokens is more than any model reads or writes in one request; a figure above it is a mistake, and not charged.
const mostTokens = 100_000_000

// Settle ends the holding with what was used, and writes it down. The second call does nothing, and says so. What it returns has
// been booked in memory, and is in the journal unless that is out of order: then it is written as soon as that is mended.
func (h *Holding) Settle(f Final) (s domain.Settlement, first bool) {
	if h == nil {
		return s, false
	}
	b := h.book
	if h.ended() {
		return s, false
	}
	s = h.settlement(f.At)
	if f.Pool != 0 {
		s.Pool = f.Pool
	}
	var full domain.NanoUSD
	if f.Account != nil && f.Account.ID > 0 {
		full = h.price(&s, &f)
	}
	if h.short(full) { // before the gate: a slow store keeps nobody else waiting
		ctx, cancel := context.WithTimeout(context.Background(), settleTake)
		_ = b.take(ctx, h.purse, full-h.Amount(), true, f.At) // what it does not get is written off
		cancel()
	}
	b.gate.RLock()
	defer b.gate.RUnlock()
	b.mu.Lock()
	if h.settled {
		b.mu.Unlock()
		return domain.Settlement{}, false
	}
	h.settled = true
	s.Charged = h.charge(full, s.Pool, f.At)
	s.Losses = h.losses
	b.mu.Unlock()
	if s.WrittenOff = full - s.Charged; s.WrittenOff > 0 {
		s.Flags |= domain.FlagCapped
	}
	if full > 0 {
		b.usual.add(h.ask.Key, h.ask.Model, full)
	}
	if !s.Empty() {
		b.write(&s)
	}
	return s, true
}

func (h *Holding) ended() bool {
	h.book.mu.Lock()
	defer h.book.mu.Unlock()
	return h.settled
}

// settleTake is how long a settlement waits for the store, where more was used than was held.
const settleTake = 5 * time.Second

// short reports whether a prepaid owner's grant does not cover what was used.
func (h *Holding) short(full domain.NanoUSD) bool {
	if h.purse == nil {
		return false
	}
	h.book.mu.Lock()
	defer h.book.mu.Unlock()
	return !h.settled && full > h.amount && h.purse.granted-h.purse.held < full-h.amount
}

func (h *Holding) settlement(now time.Time) domain.Settlement {
	s := domain.Settlement{
		Request: h.ask.Request, At: now, Key: h.ask.Key, User: h.ask.User, Team: h.ask.Team, Pool: h.ask.Pool, Payer: h.payer, Tags: h.ask.Tags,
	}
	if h.purse != nil {
		s.Payer = h.purse.Spender
		s.Flags |= domain.FlagPrepaid
	}
	return s
}

// price fills in what the answer cost, and gives what of it is to be charged.
func (h *Holding) price(s *domain.Settlement, f *Final) (full domain.NanoUSD) {
	plan, guessed := h.book.prices.Plan(f.Account, f.Model, f.At)
	s.Account, s.Model = f.Account.ID, f.Model
	if plan == nil || guessed {
		s.Flags |= domain.FlagUnpriced | domain.FlagEstimated
		h.book.events.Unpriced(f.Account, f.Model, false)
	}
	if plan != nil {
		s.Plan = plan.String()
	}
	var sound bool
	full, s.Usage, sound = priced(plan, f.Usage, h.factor)
	s.Cost, _, _ = priced(plan, s.Usage, 0)
	if !sound {
		s.Flags |= domain.FlagUnusable | domain.FlagEstimated
	}
	if t, ok := plan.(tiered); f.Estimated || ok && !t.Has(s.Usage.Tier) {
		s.Flags |= domain.FlagEstimated
	}
	if f.Interrupted {
		s.Flags |= domain.FlagInterrupted
	}
	if f.Account.Flat {
		s.Flags |= domain.FlagFlat
	}
	if f.LostCache > 0 && h.ask.Policy.CacheBilling && plan != nil {
		if less, _, _ := priced(plan, asRead(s.Usage, f.LostCache), h.factor); less < full {
			s.Switch, full = full-less, less
			s.Flags |= domain.FlagCache
		}
	}
	return full
}

// asRead is the usage if so many more tokens of the prompt had been read from the cache.
func asRead(u domain.Usage, tokens int64) domain.Usage {
	for _, from := range []*int64{&u.CacheWrite1h, &u.CacheWrite5m, &u.Input} {
		n := min(tokens, *from)
		*from -= n
		u.CacheRead += n
		tokens -= n
	}
	return u
}

// charge gives back what is held and charges what was used, as far as the limits go. book.mu is held.
func (h *Holding) charge(full domain.NanoUSD, pool domain.PoolID, now time.Time) domain.NanoUSD {
	for _, o := range h.owners[:h.n] {
		o.held -= h.amount
	}
	held := min(h.amount, full)
	h.amount = 0
	charged := full
	for _, o := range h.owners[:h.n] {
		if o.Spender.Kind == domain.SpenderPool && o.Spender.ID != int64(pool) {
			continue // another pool has served it
		}
		for _, g := range o.budgets {
			g.roll(o.spent, now)
			if g.Hard > 0 {
				// The stated overdraft is for what a hold has not foreseen; a hold never counts on it.
				charged = min(charged, max(g.Hard.Plus(o.Spending.Overdraft)-g.spent-o.held, held))
			}
		}
	}
	if p := h.purse; p != nil {
		charged = max(min(charged, max(p.granted-p.held, held)), 0)
		p.granted -= charged
	}
	if charged = max(charged, 0); charged == 0 {
		return 0
	}
	// Counted by the owners as they are now, whoever they were when it was held.
	slot := SlotOf(now)
	ask := h.ask
	ask.Pool = pool
	for _, s := range ask.scopes() {
		o := h.book.owners[s]
		if o == nil || len(o.budgets) == 0 {
			continue
		}
		for _, g := range o.budgets {
			g.roll(o.spent, now)
		}
		o.spent.add(slot, charged)
		for _, g := range o.budgets {
			if slot >= g.from {
				g.spent = g.spent.Plus(charged)
			}
		}
	}
	return charged
}

// warning is what a passed soft limit says; first: it is the first time in its period.
func (b *budget) warning(o *owner) (text string, first bool) {
	if b.Soft == 0 || b.spent < b.Soft {
		b.warned = false
		return "", false
	}
	first, b.warned = !b.warned, true
	limit := b.Hard
	if limit == 0 {
		limit = b.Soft
	}
	if o.Spender.Kind == domain.SpenderPool {
		return "a budget of all who use this pool is nearly used up", first
	}
	text = fmt.Sprintf("budget %q of %s %q: %s of %s spent", b.Label(), o.Spender.Kind, o.Name, b.spent, limit)
	if !b.until.IsZero() {
		text += ", begins anew at " + b.until.UTC().Format("2006-01-02 15:04 MST")
	}
	return text, first
}
