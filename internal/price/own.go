package price

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"turnout/internal/domain"
)

// override is an operator's own price, read.
type override struct {
	domain.OwnPrice
	rates rates
	name  string
}

// ownPlans are what an override makes of a model: one plan for each of its versions in the catalogue, or one.
type ownPlans struct {
	from  time.Time
	plans []*Plan
}

// sellerSplit parts a seller's words.
const sellerSplit = "|"

// Seller makes of a provider's id, a Turnout platform and an account's name what [Catalogue.Find] takes for the provider, so that an operator's
// own prices for that account or platform hold. Any of them may be empty; provider alone is the same as its id.
func Seller(provider, platform, account string) string {
	if platform == "" && account == "" {
		return provider
	}
	return provider + sellerSplit + platform + sellerSplit + account
}

type who struct{ platform, account string }

func splitSeller(s string) (provider string, w who) {
	provider, rest, _ := strings.Cut(s, sellerSplit)
	w.platform, w.account, _ = strings.Cut(rest, sellerSplit)
	return provider, w
}

// With is the catalogue with an operator's own prices over it. The receiver stays as it is.
func (c *Catalogue) With(own []domain.OwnPrice) (*Catalogue, error) {
	out := &Catalogue{source: c.source, providers: c.providers, byID: c.byID, tiers: c.tiers, found: map[asked]*answer{}, dear: map[askedDay]*Plan{}}
	for i, o := range own {
		prices := map[string]Price{}
		for k, v := range o.Prices {
			prices[k] = Price{Base: v}
		}
		r, err := readRates(prices)
		if err == nil {
			r.complete()
			_, err = r.compile()
		}
		if err != nil {
			return nil, fmt.Errorf("prices[%d]: %w", i, err)
		}
		o.Model = strings.ToLower(o.Model)
		name := "own/" + o.Model
		if !o.From.IsZero() {
			name += "@" + o.From.UTC().Format(time.DateOnly)
		}
		out.own = append(out.own, override{o, r, name})
	}
	return out, nil
}

// ownFor finds the operator's prices for a name, the one from the latest day first, and of the same day in their order.
func (c *Catalogue) ownFor(w who, p *provider, name string, m *model) []ownPlans {
	var out []ownPlans
	for i := range c.own {
		o := &c.own[i]
		if !domain.MatchModel(o.Model, name) ||
			o.Account != "" && (w.account == "" || !domain.MatchModel(o.Account, w.account)) ||
			o.Platform != "" && o.Platform != w.platform && (p == nil || o.Platform != p.ID) {
			continue
		}
		out = append(out, ownPlans{o.From, c.over(o, p, m)})
	}
	slices.SortStableFunc(out, func(a, b ownPlans) int { return b.from.Compare(a.from) })
	return out
}

// over makes the plans.
func (c *Catalogue) over(o *override, p *provider, m *model) []*Plan {
	versions := []version{{rates: rates{}}}
	var tiers []tierRule
	seller := ""
	if p != nil {
		seller = p.ID
	}
	if m != nil {
		versions = m.versions
		tiers = tiersOf(c.tiers, m.of.ID, m.id)
	} else if p != nil {
		tiers = tiersOf(c.tiers, p.ID, strings.TrimSuffix(o.Model, "*"))
	}
	plans := make([]*Plan, 0, len(versions))
	for _, v := range versions {
		r := rates{}
		for k, old := range v.rates {
			r[k] = old
		}
		for k, own := range o.rates {
			r[k] = own
		}
		r.complete()
		plan, err := newPlan(o.name, seller, o.Model, r, tiers)
		if err != nil { // both at once have too many digits, in some tier: the operator's alone have not
			plan, _ = newPlan(o.name, seller, o.Model, o.rates, nil)
		}
		plan.known = true
		if m != nil {
			plan.context, plan.least = m.context, m.least
		}
		plans = append(plans, plan)
	}
	return plans
}
