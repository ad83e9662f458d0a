package price

import (
	_ "embed" // the tiers
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"

	"turnout/internal/domain"
)

// tierFile is tiers.json: what classes of service cost. The package that the catalogue is made from has no such prices, so these are
// kept by hand, each with where it was read and when.
type tierFile struct {
	Rules []struct {
		Provider string   `json:"provider"`
		Models   []string `json:"models"` // the catalogue's ids, with at most one '*'
		Tier     string   `json:"tier"`
		// Factor multiplies the prices of tokens. Fees per request and per search stay as they are.
		Factor string `json:"factor,omitempty"`
		// Prices stand in place of the standard ones; kinds that are not named keep theirs.
		Prices   map[string]Price `json:"prices,omitempty"`
		Evidence string           `json:"evidence"`
		Read     string           `json:"read"` // YYYY-MM-DD or YYYY-MM
	} `json:"rules"`
}

type tierRule struct {
	provider string
	models   []string
	tier     domain.Tier
	factor   fraction // nil: prices
	prices   rates
}

//go:embed tiers.json
var tierData []byte

var serviceTiers = sync.OnceValue(func() []tierRule {
	rules, err := readTiers(tierData)
	if err != nil {
		panic(fmt.Sprintf("price: tiers.json: %v", err)) // a test reads it
	}
	return rules
})

func readTiers(data []byte) ([]tierRule, error) {
	var f tierFile
	if err := strict(data, &f); err != nil {
		return nil, err
	}
	var out []tierRule
	for i, r := range f.Rules {
		t := tierRule{provider: r.Provider, models: r.Models}
		var ok bool
		var err error
		if t.tier, ok = domain.ParseTier(r.Tier); !ok || t.tier == domain.TierStandard {
			err = fmt.Errorf("tier %q", r.Tier)
		}
		switch {
		case r.Evidence == "" || r.Read == "":
			err = errors.New("no evidence")
		case r.Provider == "" || len(r.Models) == 0:
			err = errors.New("no provider, or no models")
		case (r.Factor == "") == (len(r.Prices) == 0):
			err = errors.New("want either factor or prices")
		case r.Factor != "" && err == nil:
			t.factor, err = dollars(r.Factor)
		case err == nil:
			t.prices, err = readRates(r.Prices)
		}
		if err != nil {
			return nil, fmt.Errorf("rule %d: %w", i, err)
		}
		out = append(out, t)
	}
	return out, nil
}

// tiersOf are the rules for a model, in their order.
func tiersOf(rules []tierRule, provider, model string) (out []tierRule) {
	for _, r := range rules {
		if r.provider != provider {
			continue
		}
		for _, m := range r.models {
			if domain.MatchModel(m, strings.ToLower(model)) {
				out = append(out, r)
				break
			}
		}
	}
	return out
}

// apply gives the tier's prices.
func (t *tierRule) apply(standard rates) (rates, error) {
	out := maps.Clone(standard)
	for k, r := range out {
		if t.factor != nil && units[k].dims.family == "tokens" {
			out[k] = r.times(t.factor)
		}
	}
	for k, r := range t.prices {
		if _, has := standard[k]; !has {
			return nil, fmt.Errorf("%s has no standard price", units[k].price)
		}
		out[k] = r
	}
	return out, nil
}

// free says that a model's name itself says that there is nothing to pay.
func free(model string) bool { return strings.HasSuffix(model, ":free") }
