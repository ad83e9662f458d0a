package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"turnout/internal/domain"
)

// books is a store in memory, as plain as can be: what the real one must do.
type books struct {
	mu      sync.Mutex
	purse   map[domain.Spender]domain.NanoUSD
	grant   map[domain.Spender]domain.NanoUSD
	settled map[domain.RequestID]domain.Settlement
	lost    map[domain.RequestID][]domain.AccountCost
	spent   map[domain.Spender]series
	applied domain.JournalPosition
	fail    bool
	takes   int
	taking  func() // called before something is taken
}

func newBooks() *books {
	return &books{
		purse: map[domain.Spender]domain.NanoUSD{}, grant: map[domain.Spender]domain.NanoUSD{}, settled: map[domain.RequestID]domain.Settlement{},
		lost: map[domain.RequestID][]domain.AccountCost{}, spent: map[domain.Spender]series{},
	}
}

var errDown = errors.New("it is down")

func (b *books) Apply(_ context.Context, all []domain.Settlement, upto domain.JournalPosition) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail {
		return errDown
	}
	for _, s := range all {
		if s.Late {
			b.lost[s.Request] = append(b.lost[s.Request], s.Losses...)
			continue
		}
		if _, again := b.settled[s.Request]; again {
			continue
		}
		b.settled[s.Request] = s
		b.lost[s.Request] = append(b.lost[s.Request], s.Losses...)
		if s.Flags&domain.FlagPrepaid != 0 {
			b.grant[s.Payer] -= s.Charged
		} else {
			b.purse[s.Payer] -= s.Charged
		}
		for _, o := range spenders(&s) {
			if s.Charged > 0 {
				spent := b.spent[o]
				spent.add(SlotOf(s.At), s.Charged)
				b.spent[o] = spent
			}
		}
	}
	b.applied = upto
	return nil
}

func spenders(s *domain.Settlement) (out []domain.Spender) {
	for kind, id := range map[domain.SpenderKind]int64{
		domain.SpenderKey: int64(s.Key), domain.SpenderUser: int64(s.User), domain.SpenderTeam: int64(s.Team), domain.SpenderPool: int64(s.Pool),
	} {
		if id != 0 {
			out = append(out, domain.Spender{Kind: kind, ID: id})
		}
	}
	return out
}

func (b *books) Applied(context.Context) (domain.JournalPosition, error) { return b.applied, nil }

func (b *books) Restore(context.Context, []domain.Settlement) error { return nil }

func (b *books) Durable(context.Context) error { return nil }

func (b *books) Take(_ context.Context, p domain.Spender, need, want, overdraft domain.NanoUSD, _ time.Time) (got, left domain.NanoUSD, err error) {
	if b.taking != nil {
		b.taking()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.takes++
	if b.fail {
		return 0, 0, errDown
	}
	if got = max(min(want, b.purse[p]+overdraft), 0); got < need {
		got = 0
	}
	b.purse[p] -= got
	b.grant[p] += got
	return got, b.purse[p], nil
}

func (b *books) Return(_ context.Context, _ time.Time, of ...domain.Spender) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for p, n := range b.grant {
		if len(of) == 0 || slices.Contains(of, p) {
			b.purse[p] += n
			b.grant[p] = 0
		}
	}
	return nil
}

func (b *books) Spent(_ context.Context, p domain.Spender, since int64) ([]domain.Spent, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := slices.Clone(b.spent[p])
	out.fold(since)
	return out, nil
}

// tape is a journal in memory.
type tape struct {
	mu      sync.Mutex
	records [][]byte
	fail    bool
}

func (t *tape) Append(r []byte) (domain.JournalPosition, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fail {
		return domain.JournalPosition{}, errDown
	}
	t.records = append(t.records, slices.Clone(r))
	return domain.JournalPosition{Offset: int64(len(t.records))}, nil
}

func (t *tape) Read(from domain.JournalPosition, f func([]byte, domain.JournalPosition) error) (domain.JournalPosition, error) {
	t.mu.Lock()
	records := t.records
	t.mu.Unlock()
	for i := int(from.Offset); i < len(records); i++ {
		next := domain.JournalPosition{Offset: int64(i + 1)}
		if err := f(records[i], next); err != nil {
			return from, err
		}
		from = next
	}
	return from, nil
}

func (t *tape) Drop(domain.JournalPosition) error { return nil }

// flatRate costs so much for each token of the prompt, half for one that was read from a cache, and five times for one of the answer.
type flatRate domain.NanoUSD

func (r flatRate) Cost(u domain.Usage, f domain.Factor) (domain.NanoUSD, error) {
	if u.Reasoning > u.Output {
		return 0, errors.New("more reasoning than output")
	}
	n := 2*(u.Input+u.CacheWrite5m+u.CacheWrite1h) + u.CacheRead + 10*u.Output
	return domain.NanoUSD(n) * domain.NanoUSD(r) / 2 * domain.NanoUSD(f.Millionths()) / 1_000_000, nil
}

func (r flatRate) Most(input, output int64, f domain.Factor) domain.NanoUSD {
	n, _ := r.Cost(domain.Usage{Input: input, Output: output}, f)
	return n
}

func (r flatRate) String() string { return fmt.Sprintf("%d a token", int64(r)) }

// priceList prices models by name; accounts do not matter.
type priceList map[string]struct {
	rate    flatRate
	guessed bool
}

func (l priceList) Plan(_ *domain.Account, model string, _ time.Time) (Plan, bool) {
	p, ok := l[model]
	if !ok {
		return nil, false
	}
	return p.rate, p.guessed
}

var testPrices = priceList{"cheap": {rate: 10}, "dear": {rate: 100}, "odd": {rate: 200, guessed: true}}
