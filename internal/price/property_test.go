package price

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"turnout/internal/domain"
)

// aPlan draws any plan of the catalogue.
func aPlan(t *rapid.T) *Plan {
	_, m := aModel(t)
	return m.versions[rapid.IntRange(0, len(m.versions)-1).Draw(t, "version")].plan
}

func aModel(t *rapid.T) (*provider, *model) {
	c := Builtin()
	p := c.providers[rapid.IntRange(0, len(c.providers)-1).Draw(t, "provider")]
	return p, p.models[rapid.IntRange(0, len(p.models)-1).Draw(t, "model")]
}

var counts = rapid.OneOf(rapid.Int64Range(0, 100), rapid.Int64Range(0, 3_000_000), rapid.Int64Range(190_000, 280_000))

func aUsage(t *rapid.T) domain.Usage {
	part := func(name string, of int64) int64 {
		return rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, of)).Draw(t, name)
	}
	u := domain.Usage{
		Input: counts.Draw(t, "input"), CacheRead: counts.Draw(t, "read"), CacheWrite5m: counts.Draw(t, "5m"), CacheWrite1h: counts.Draw(t, "1h"),
		Output: counts.Draw(t, "output"), Searches: rapid.Int64Range(0, 20).Draw(t, "searches"),
		Tier: domain.Tier(rapid.IntRange(0, domain.Tiers-1).Draw(t, "tier")),
	}
	u.AudioInput = part("audio in", u.Input)
	u.ImageInput = part("image in", u.Input-u.AudioInput)
	u.AudioCacheRead = part("audio read", u.CacheRead)
	u.AudioOutput = part("audio out", u.Output)
	u.ImageOutput = part("image out", u.Output-u.AudioOutput)
	u.Reasoning = part("reasoning", u.Output-u.AudioOutput-u.ImageOutput)
	return u
}

var factors = rapid.Map(rapid.OneOf(rapid.Int64Range(-1, 3), rapid.Int64Range(1, 20_000_000)), func(n int64) domain.Factor { return domain.Factor(n) })

func must(t *rapid.T, p *Plan, u domain.Usage, f domain.Factor) domain.NanoUSD {
	n, err := p.Cost(u, f)
	if err != nil {
		t.Fatalf("%s: %v", p.Name(), err)
	}
	return n
}

// byHand prices a usage token by token kind in rational numbers, from the prices as they are written, another way than Cost does: every
// disjoint group of tokens is given the price of the most particular kind that it belongs to.
func byHand(p *Plan, u domain.Usage, f domain.Factor) *big.Rat {
	r := p.rates
	for _, tier := range tiersOf(Builtin().tiers, p.seller, p.model) {
		if tier.tier == u.Tier {
			r, _ = tier.apply(r)
			break
		}
	}
	sum := new(big.Rat)
	add := func(count int64, belongs ...kind) {
		best, at := rate{}, -1
		for _, k := range belongs {
			if v, ok := r[k]; ok && particular(k) > at {
				best, at = v, particular(k)
			}
		}
		if at < 0 {
			return
		}
		each := best.base
		for _, s := range best.steps {
			if u.Prompt() > s.above {
				each = s.price
			}
		}
		sum.Add(sum, new(big.Rat).Mul(each, new(big.Rat).SetInt64(count)))
	}
	add(u.Input-u.AudioInput-u.ImageInput, kInput)
	add(u.AudioInput, kInput, kAudioIn)
	add(u.ImageInput, kInput, kImageIn)
	add(u.CacheRead-u.AudioCacheRead, kInput, kCacheRead)
	add(u.AudioCacheRead, kInput, kCacheRead, kAudioIn, kAudioRead)
	add(u.CacheWrite5m, kInput, kCacheWrite, kCacheWrite5m)
	add(u.CacheWrite1h, kInput, kCacheWrite, kCacheWrite1h)
	add(u.Output-u.Reasoning-u.AudioOutput-u.ImageOutput, kOutput)
	add(u.Reasoning, kOutput, kReasoning)
	add(u.AudioOutput, kOutput, kAudioOut)
	add(u.ImageOutput, kOutput, kImageOut)
	add(u.Searches, kSearches)
	add(1, kRequests)
	return sum.Mul(sum, new(big.Rat).SetFrac(new(big.Int).SetUint64(f.Millionths()), big.NewInt(1_000_000)))
}

// halfEven rounds a number that is not negative.
func halfEven(r *big.Rat) *big.Int {
	q, rest := new(big.Int).QuoRem(r.Num(), r.Denom(), new(big.Int))
	if c := rest.Lsh(rest, 1).Cmp(r.Denom()); c > 0 || c == 0 && q.Bit(0) == 1 {
		q.Add(q, big.NewInt(1))
	}
	return q
}

// No part is counted twice, none is forgotten, and it is rounded once.
func TestCostIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, u, f := aPlan(t), aUsage(t), factors.Draw(t, "factor")
		want := halfEven(byHand(p, u, f))
		if got := must(t, p, u, f); !want.IsInt64() || int64(got) != want.Int64() {
			t.Fatalf("%s %+v: %d, want %s", p.Name(), u, got, want)
		}
	})
}

// More of anything never costs less.
func TestCostIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, u, f := aPlan(t), aUsage(t), factors.Draw(t, "factor")
		more, n := u, counts.Draw(t, "more")
		switch kind := rapid.IntRange(0, 8).Draw(t, "kind"); kind {
		case 0:
			more.Input += n
		case 1:
			more.CacheRead += n
		case 2:
			more.CacheWrite5m += n
		case 3:
			more.CacheWrite1h += n
		case 4:
			more.Output += n
		case 5:
			more.Input, more.AudioInput = more.Input+n, more.AudioInput+n
		case 6:
			more.Output, more.Reasoning = more.Output+n, more.Reasoning+n
		case 7:
			more.Output, more.AudioOutput = more.Output+n, more.AudioOutput+n
		case 8:
			more.Searches += n % 100
		}
		if a, b := must(t, p, u, f), must(t, p, more, f); b < a {
			t.Fatalf("%s: %+v costs %d, %+v costs %d", p.Name(), u, a, more, b)
		}
	})
}

// Nothing costs more than the most that it can, searches apart.
func TestCostIsAtMostTheMost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, u, f := aPlan(t), aUsage(t), factors.Draw(t, "factor")
		u.Searches = 0
		got := must(t, p, u, f)
		if most := p.MostIn(u.Tier, u.Prompt(), u.Output, f); got > most {
			t.Fatalf("%s: %+v costs %d, at most %d in its tier", p.Name(), u, got, most)
		}
		if most := p.Most(u.Prompt()+counts.Draw(t, "slack"), u.Output, f); got > most {
			t.Fatalf("%s: %+v costs %d, at most %d", p.Name(), u, got, most)
		}
	})
}

// The dearest of a family is no cheaper than any of it.
func TestDearestIsDearest(t *testing.T) {
	c := Builtin()
	days := rapid.SampledFrom([]time.Time{noon, noon.AddDate(-1, 0, 0), noon.AddDate(1, 0, 0)})
	rapid.Check(t, func(t *rapid.T) {
		p, m := aModel(t)
		at := days.Draw(t, "day")
		name := strings.ToLower(m.id) + rapid.SampledFrom([]string{"", "-next", "x"}).Draw(t, "tail")
		d, ok := c.Dearest(p.ID, name, at)
		if !ok {
			return
		}
		u := aUsage(t)
		u.Tier = domain.TierStandard
		family, _ := p.family(name)
		for _, m := range family {
			plan := m.versions[m.at(at)].plan
			if a, b := must(t, plan, u, 0), must(t, d, u, 0); a > b {
				t.Fatalf("%s costs %d, and %s costs %d", plan.Name(), a, d.Name(), b)
			}
		}
	})
}

// A factor multiplies: twice the factor is twice the price, to what rounding moves.
func TestFactorIsLinear(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, u := aPlan(t), aUsage(t)
		n := rapid.Int64Range(2, 50).Draw(t, "times")
		f := domain.Factor(rapid.Int64Range(1, 3_000_000).Draw(t, "factor"))
		one, many := must(t, p, u, f), must(t, p, u, f*domain.Factor(n))
		if diff := many - one*domain.NanoUSD(n); diff > domain.NanoUSD(n/2+1) || diff < -domain.NanoUSD(n/2+1) {
			t.Fatalf("%s: %d times %d is %d", p.Name(), n, one, many)
		}
		if free := must(t, p, u, domain.Free); free != 0 {
			t.Fatalf("free costs %d", free)
		}
	})
}

// What is too much for an amount is the largest amount, and never less.
func TestCostSaturates(t *testing.T) {
	p := find(t, "openai", "gpt-5", noon)
	huge := int64(enormous)
	for _, f := range []domain.Factor{0, 1_000_000, 1 << 62} {
		if n, err := p.Cost(domain.Usage{Input: huge, CacheRead: huge, CacheWrite5m: huge, CacheWrite1h: huge, Output: huge}, f); n != domain.MaxNanoUSD || err != nil {
			t.Errorf("%d %v", n, err)
		}
		if n := p.Most(1<<62, 1<<62, f); n != domain.MaxNanoUSD {
			t.Errorf("at most %d", n)
		}
	}
	if n, _ := p.Cost(domain.Usage{Input: huge}, domain.Free); n != 0 {
		t.Errorf("free costs %d", n)
	}
	s := sum{^uint64(0), ^uint64(0)}
	s.add(1, 1)
	if s.rounded(0, 1, 0) != domain.MaxNanoUSD {
		t.Error("a sum wraps")
	}
}

// Rounding by 128 bits and a factor is what big numbers say.
func TestRounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := sum{rapid.Uint64Range(0, 1<<40).Draw(t, "hi"), rapid.Uint64().Draw(t, "lo")}
		scale, digits := rapid.Uint64Range(1, 1<<62).Draw(t, "scale"), rapid.IntRange(0, maxDigits).Draw(t, "digits")
		f := factors.Draw(t, "factor")
		n := new(big.Int).Lsh(new(big.Int).SetUint64(s.hi), 64)
		n.Add(n, new(big.Int).SetUint64(s.lo)).Mul(n, new(big.Int).SetUint64(f.Millionths()))
		d := new(big.Int).Mul(new(big.Int).SetUint64(scale), new(big.Int).SetUint64(pow10(digits)*1_000_000))
		want := halfEven(new(big.Rat).SetFrac(n, d))
		if !want.IsInt64() {
			want.SetInt64(int64(domain.MaxNanoUSD))
		}
		if got := s.rounded(f, scale, digits); int64(got) != want.Int64() {
			t.Fatalf("%d, want %s", got, want)
		}
	})
	// Ties, exactly.
	for _, c := range []struct {
		lo   uint64
		want domain.NanoUSD
	}{{1, 0}, {3, 2}, {5, 2}, {7, 4}} {
		if got := (sum{0, c.lo}).rounded(0, 2, 0); got != c.want {
			t.Errorf("%d halves are %d, want %d", c.lo, got, c.want)
		}
	}
}

// FuzzLoad: no bytes harm the reader of catalogues, and what it reads can be written and read again.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(`{"source":{"name":"x"},"providers":[{"id":"p","url":"https://x","match":{"or":[{"contains":"p"}]},"models":[{"id":"m","match":{"and":[{"starts_with":"m"},{"not":{"regex":"^m1"}}]},"context":5,"versions":[{"prices":{"input_mtok":"1","output_mtok":{"base":"1","tiers":[{"above":5,"price":"2"}]}}},{"from":"2026-01-01","prices":{}},{"daily":["01:00:00","02:00:00"],"prices":{"requests_kcount":"5"}}]}]}]}`))
	f.Add([]byte(`{"source":{"name":"x"},"providers":[]}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Load(data)
		if err != nil {
			return
		}
		file, err := ReadFile(data)
		if err != nil {
			t.Fatal(err)
		}
		written, err := file.Write()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ReadFile(written)
		if err != nil {
			t.Fatalf("%v: %s", err, written)
		}
		if twice, err := again.Write(); err != nil || string(twice) != string(written) {
			t.Fatalf("%s\n%s", written, twice)
		}
		if changes, refused, err := Compare(file, again); err != nil || len(changes)+len(refused) > 0 {
			t.Fatal(changes, refused, err)
		}
		for _, p := range c.providers {
			for _, m := range p.models {
				if plan, ok := c.Find(p.ID, m.id, noon); ok {
					_, _ = plan.Cost(domain.Usage{Input: 5, CacheRead: 3, Output: 9}, 0)
					plan.Most(5, 5, 0)
				}
				c.Dearest(p.ID, m.id+"-x", noon)
			}
		}
	})
}

// FuzzReadAmounts: no bytes harm the reader of usages, and none makes an amount out of nothing.
func FuzzReadAmounts(f *testing.F) {
	f.Add([]byte(`{"input_tokens":1000,"cache_read_tokens":200,"cache_write_tokens":300,"cache_write_1h_tokens":100,"output_tokens":1}`))
	f.Add([]byte(`{"audio_seconds":0.25}`))
	f.Add([]byte(`{"input_tokens":1.0}`))
	p, _ := Builtin().Find("google", "gemini-2.5-pro", noon)
	q, _ := Builtin().Find("groq", "whisper-large-v3", noon)
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := ReadAmounts(data)
		if err != nil {
			return
		}
		for _, p := range []*Plan{p, q} {
			if n, err := p.CostOf(a, 0); err == nil && n < 0 {
				t.Fatal(n)
			}
		}
	})
}
