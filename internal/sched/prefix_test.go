package sched

import (
	"slices"
	"sync"
	"testing"
	"time"

	"turnout/internal/domain"
)

// A prefix is known where an answer spoke of its cache, for as long as that lives, and to its caller alone.
func TestPrefixes(t *testing.T) {
	id := PrefixID{Caller: 1, Kind: 2, Hash: 3}
	use := func(domain uint64, edit ...func(*PrefixUse)) PrefixUse {
		u := PrefixUse{Domain: domain, Account: 9, Tokens: 8000, Warm: 20_000, Life: 5 * time.Minute}
		for _, e := range edit {
			e(&u)
		}
		return u
	}
	hoped := func(read int64) func(*PrefixUse) {
		return func(u *PrefixUse) { u.Hoped, u.Read = true, read }
	}
	uncached := func(u *PrefixUse) { u.Warm = 0 }
	other := func(u *PrefixUse) { u.Tokens = 900 }
	small := func(u *PrefixUse) { u.Warm = 3000 }
	long := func(u *PrefixUse) { u.Life = time.Hour }
	for _, c := range []struct {
		name  string
		uses  []PrefixUse
		asks  PrefixID
		after time.Duration
		want  []int64 // tokens, domain by domain
	}{
		{"it was cached", []PrefixUse{use(1)}, id, time.Minute, []int64{8000}},
		{"no more than is warm", []PrefixUse{use(1, small)}, id, 0, []int64{3000}},
		{"by two organisations", []PrefixUse{use(1), use(2)}, id, 0, []int64{8000, 8000}},
		{"twice by one", []PrefixUse{use(1), use(1)}, id, 0, []int64{8000}},
		{"it has expired", []PrefixUse{use(1)}, id, 5 * time.Minute, nil},
		{"an hour's cache", []PrefixUse{use(1, long), use(1)}, id, 50 * time.Minute, []int64{8000}},
		{"nothing was cached", []PrefixUse{use(1, uncached)}, id, 0, nil},
		{"too short for a cache", []PrefixUse{use(1, other)}, id, 0, nil},
		{"another caller's", []PrefixUse{use(1)}, PrefixID{Caller: 2, Kind: 2, Hash: 3}, 0, nil},
		{"of another model", []PrefixUse{use(1)}, PrefixID{Caller: 1, Kind: 3, Hash: 3}, 0, nil},
		{"another one", []PrefixUse{use(1)}, PrefixID{Caller: 1, Kind: 2, Hash: 4}, 0, nil},
		{"none", []PrefixUse{use(1)}, PrefixID{Caller: 1}, 0, nil},
		{"others read less of it", []PrefixUse{use(1), use(1, hoped(5000)), use(2)}, id, 0, []int64{5000, 5000}},
		{"it was not there, and was written anew", []PrefixUse{use(1), use(1, hoped(0))}, id, 0, []int64{8000}},
		{"it was not there", []PrefixUse{use(1), use(2), use(1, hoped(0), uncached)}, id, 0, []int64{8000}},
		{"it is never there", []PrefixUse{use(1), use(1, hoped(0)), use(2), use(2, hoped(0))}, id, 0, nil},
		{"it was not there once in a while", []PrefixUse{use(1), use(1, hoped(0)), use(1, hoped(8000)), use(1, hoped(0))}, id, 0, []int64{8000}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := NewPrefixes()
			for _, u := range c.uses {
				p.Learn(id, u, at)
			}
			var got []int64
			for _, w := range p.Look(nil, c.asks, at.Add(c.after)) {
				got = append(got, w.Tokens)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

// One that was doubted is asked about again after an hour.
func TestPrefixIsDoubtedForAWhile(t *testing.T) {
	p, id := NewPrefixes(), PrefixID{Caller: 1, Hash: 3}
	missed := PrefixUse{Domain: 1, Tokens: 8000, Warm: 8000, Life: time.Hour, Hoped: true}
	p.Learn(id, missed, at)
	p.Learn(id, missed, at)
	if p.Look(nil, id, at) != nil || p.Latest(nil, 1, 0, at) != nil {
		t.Error("it is believed")
	}
	later := at.Add(prefixDoubt)
	p.Learn(id, PrefixUse{Domain: 1, Tokens: 8000, Warm: 8000, Life: time.Minute}, later)
	if len(p.Look(nil, id, later)) != 1 {
		t.Error("it is not asked about again")
	}
}

// However many prefixes there are, of however many callers, the memory is bounded, and no caller drives out what another has warm.
func TestPrefixesAreBounded(t *testing.T) {
	p := NewPrefixes()
	first := PrefixID{Caller: 1, Hash: 1}
	use := PrefixUse{Domain: 1, Tokens: 8000, Warm: 8000, Life: time.Minute}
	p.Learn(first, use, at)
	for i := range 1000 {
		p.Learn(PrefixID{Caller: 2, Hash: uint64(i + 1)}, use, at.Add(time.Duration(i)*time.Millisecond))
		u := use
		u.Domain = uint64(i + 1)
		p.Learn(first, u, at.Add(time.Duration(i)*time.Millisecond))
	}
	for i := range 1000 { // all in one shard
		p.Learn(PrefixID{Caller: domain.KeyID(1 + (i+1)*prefixShards), Hash: 1}, use, at)
	}
	if n := len(p.shard(2).callers[2]); n != mostPrefixes {
		t.Errorf("a caller has %d prefixes, want %d", n, mostPrefixes)
	}
	if n := len(p.Look(nil, first, at.Add(time.Second))); n != mostWarm {
		t.Errorf("a prefix is warm in %d domains, want %d", n, mostWarm)
	}
	if n := len(p.shard(1).callers); n != mostCallers {
		t.Errorf("a shard has %d callers, want %d", n, mostCallers)
	}
	p.Learn(PrefixID{Caller: 1 + 5000*prefixShards, Hash: 1}, use, at.Add(time.Hour)) // what is cold makes room
	if n := len(p.shard(1).callers); n != 1 {
		t.Errorf("%d callers are kept that have nothing warm", n-1)
	}
	if got := p.Look(nil, PrefixID{Caller: 2, Hash: 1000}, at.Add(time.Second)); len(got) != 1 {
		t.Errorf("the latest of a caller is gone: %v", got)
	}
}

func TestPrefixesTogether(t *testing.T) {
	p := NewPrefixes()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 200 {
				id := PrefixID{Caller: domain.KeyID(i % 3), Hash: uint64(j%40 + 1)}
				p.Learn(id, PrefixUse{Domain: uint64(j), Tokens: 8000, Warm: 8000, Life: time.Minute, Hoped: j%5 == 0, Read: int64(j % 2)}, at)
				p.Look(nil, id, at)
				p.Latest(nil, id.Caller, 0, at)
			}
		})
	}
	wg.Wait()
}

// A request whose beginning is warm somewhere goes there, in a pool of any size, unless something is wrong with the account.
func TestSharedPrefixIsGoneTo(t *testing.T) {
	for _, n := range []int{3, 1000} {
		plans := make([]plan, n)
		for i := range plans {
			plans[i] = account(domain.AccountID(i+1), limit(8))
		}
		v := scored(plans, nil)
		warm := func(id domain.AccountID, until time.Duration) Warm {
			return Warm{Domain: v.Find(id).Domain, Account: id, Tokens: 20_000, Until: at.Add(until)}
		}
		there := func(shared ...Warm) (n int) {
			for seed := range uint64(100) {
				d := Choose(v, Request{Now: at, Seed: mix(seed, 1), InputTokens: 25_000, Shared: shared})
				if d.Candidate.ID == 2 {
					n++
				}
				if d.Candidate.ID == 2 && shared[0].Domain == v.Find(2).Domain {
					if want := float32(-SharedWorth * (2 + 6.9)); d.Score[TermShared] != want {
						t.Fatalf("the term is %v, want %v", d.Score[TermShared], want)
					}
				} else if d.Score[TermShared] != 0 {
					t.Fatalf("%+v", d)
				}
			}
			return n
		}
		if got := there(warm(2, time.Minute)); got != 100 {
			t.Errorf("of %d accounts the warm one is asked %d times of 100", n, got)
		}
		if got := there(Warm{Domain: v.Find(2).Domain + 1, Account: 2, Tokens: 20_000, Until: at.Add(time.Minute)}); got > 60 {
			t.Errorf("of another domain: %d times", got)
		}
		for range 8 {
			v.Find(2).Live.TryAcquire(0, at)
		}
		if got := there(warm(2, time.Minute)); got != 0 {
			t.Errorf("the full one is asked %d times", got)
		}
	}
}
