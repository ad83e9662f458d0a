package price

import (
	"fmt"

	"turnout/internal/domain"
)

// Plan is what a model costs at one time, ready to be asked. Immutable.
type Plan struct {
	name    string
	seller  string // the provider's id
	model   string // the catalogue's id
	known   bool   // some price is known, or it is known that there is none to pay
	context int64
	least   int64 // seconds of audio, at least
	rates   rates
	// sheets are the prices by tier; a tier without prices of its own has the standard sheet.
	sheets [domain.Tiers]*sheet
}

// newPlan compiles prices for each tier.
func newPlan(name, provider, model string, r rates, tiers []tierRule) (*Plan, error) {
	p := &Plan{name: name, seller: provider, model: model, known: len(r) > 0 || free(model), rates: r}
	standard, err := r.compile()
	if err != nil {
		return nil, err
	}
	for i := range p.sheets {
		p.sheets[i] = standard
	}
	for _, t := range tiers {
		if p.sheets[t.tier] != standard { // the first rule that matches holds
			continue
		}
		own, err := t.apply(r)
		if err != nil {
			return nil, fmt.Errorf("tier %s: %w", t.tier, err)
		}
		if p.sheets[t.tier], err = own.compile(); err != nil {
			return nil, fmt.Errorf("tier %s: %w", t.tier, err)
		}
	}
	return p, nil
}

// Name identifies the plan in records: provider/model, and @ since when where the prices have changed or will.
func (p *Plan) Name() string { return p.name }

// String is Name.
func (p *Plan) String() string { return p.name }

// Provider is the id of the provider whose prices these are; empty: an operator's own, of a provider that the catalogue does not know.
func (p *Plan) Provider() string { return p.seller }

// Model is the catalogue's id of the model; of an operator's own prices, what they were given for.
func (p *Plan) Model() string { return p.model }

// Known is false where the catalogue lists the model and none of its prices.
func (p *Plan) Known() bool { return p.known }

// Context is how many tokens prompt and answer may have together; 0: not known.
func (p *Plan) Context() int64 { return p.context }

// Has says whether the tier has prices of its own. A usage in a tier that has none costs the standard prices, and
// whoever books it marks that as an estimate.
func (p *Plan) Has(t domain.Tier) bool {
	return t == domain.TierStandard || int(t) < len(p.sheets) && p.sheets[t] != p.sheets[domain.TierStandard]
}

// Cost is what a usage costs, times a factor, rounded once. An error says that the usage cannot be: a part that is larger than its whole, or less than nothing.
func (p *Plan) Cost(u domain.Usage, f domain.Factor) (domain.NanoUSD, error) {
	var a Amounts
	if err := a.of(&u); err != nil {
		return 0, err
	}
	return p.cost(&a, f)
}

// CostOf is Cost for a usage in the names of the kinds.
func (p *Plan) CostOf(a *Amounts, f domain.Factor) (domain.NanoUSD, error) {
	b := *a
	if err := b.settle(p); err != nil {
		return 0, err
	}
	return p.cost(&b, f)
}

func (p *Plan) cost(a *Amounts, f domain.Factor) (domain.NanoUSD, error) {
	s := p.sheet(a.Tier)
	var leaves [kinds]int64 // by the line's place: what no more particular line has counted
	var total sum
	input := a.n[kInput]
	if a.digits > 0 {
		input = a.wholeInput()
	}
	for i := range s.lines {
		l := &s.lines[i]
		n := a.n[l.kind]
		for _, j := range l.inner {
			n -= leaves[j]
		}
		if n < 0 {
			return 0, fmt.Errorf("impossible usage: %s are %s, and what is counted as parts of them is more", units[l.kind].usage, a.text(l.kind))
		}
		leaves[i] = n
		total.add(n, l.at(input))
	}
	return total.rounded(f, s.scale, a.digits), nil
}

func (p *Plan) sheet(t domain.Tier) *sheet {
	if int(t) >= len(p.sheets) {
		t = domain.TierStandard
	}
	return p.sheets[t]
}

// Most is the most that so many prompt and answer tokens can cost by this plan in any tier: every token at the dearest kind (cache
// writes, audio, reasoning), at the dearest long-context prices that so much input can reach, with the fee per request.
// Searches that the provider may do are not in it: nobody knows how many.
func (p *Plan) Most(input, output int64, f domain.Factor) domain.NanoUSD {
	most := p.MostIn(domain.TierStandard, input, output, f)
	for t := range p.sheets {
		if p.Has(domain.Tier(t)) { //nolint:gosec // a handful
			most = max(most, p.MostIn(domain.Tier(t), input, output, f)) //nolint:gosec // the same
		}
	}
	return most
}

// MostIn is Most for a request that can only be served in one tier.
func (p *Plan) MostIn(t domain.Tier, input, output int64, f domain.Factor) domain.NanoUSD {
	s := p.sheet(t)
	var total sum
	for _, part := range []struct {
		count int64
		marks []mark
	}{{input, s.dearestIn}, {output, s.dearestOut}} {
		price := uint64(0)
		for _, m := range part.marks {
			if input > m.above {
				price = m.price
			}
		}
		total.add(part.count, price)
	}
	total.add(1, s.requests)
	return total.rounded(f, s.scale, 0)
}
