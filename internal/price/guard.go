package price

import (
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
)

// Change is one difference between two catalogues.
type Change struct {
	Provider string `json:"provider"`
	Model    string `json:"model,omitempty"` // empty: the provider itself
	Kind     string `json:"kind,omitempty"`  // the price's name; empty: the model itself
	Was      string `json:"was,omitempty"`   // US dollars; empty: it was not there
	Is       string `json:"is,omitempty"`    // empty: it is there no more
	// Jump: the price has become more than three times as much, or less than a third.
	Jump bool `json:"jump,omitempty"`
}

// String is the change in a line.
func (c Change) String() string {
	name := c.Provider
	if c.Model != "" {
		name += "/" + c.Model
	}
	if c.Kind != "" {
		name += " " + c.Kind
	}
	word := func(s string) string {
		if s == "" {
			return "-"
		}
		return s
	}
	out := name + ": " + word(c.Was) + " → " + word(c.Is)
	if c.Jump {
		out += " (jump)"
	}
	return out
}

// What the guard lets pass: a catalogue that keeps so many of each provider's models, in hundredths, and prices that change by
// at most this factor.
const (
	keptPercent = 95
	jumpFactor  = 3
)

// Compare lists how one catalogue differs from another, and what the guard refuses: a provider that loses more than a twentieth of its models, and
// prices that jump. Compared are the prices that hold last, as written and in the highest tier.
func Compare(was, is *File) (changes []Change, refused []string, err error) {
	before, err := readAll(was)
	if err != nil {
		return nil, nil, fmt.Errorf("the former catalogue: %w", err)
	}
	after, err := readAll(is)
	if err != nil {
		return nil, nil, fmt.Errorf("the new catalogue: %w", err)
	}
	for _, p := range sorted(before, after) {
		old, isOld := before[p]
		now, isNow := after[p]
		switch {
		case !isOld:
			changes = append(changes, Change{Provider: p, Is: fmt.Sprintf("%d models", len(now))})
			continue
		case !isNow:
			changes = append(changes, Change{Provider: p, Was: fmt.Sprintf("%d models", len(old))})
			refused = append(refused, fmt.Sprintf("provider %s is gone, with its %d models", p, len(old)))
			continue
		}
		kept := 0
		for _, m := range sorted(old, now) {
			was, isOld := old[m]
			is, isNow := now[m]
			if isOld && isNow {
				kept++
			}
			changes = append(changes, compareModel(p, m, was, is, isOld, isNow)...)
		}
		if kept*100 < len(old)*keptPercent {
			refused = append(refused, fmt.Sprintf("provider %s keeps %d of %d models, fewer than %d %%", p, kept, len(old), keptPercent))
		}
	}
	for _, c := range changes {
		if c.Jump {
			refused = append(refused, "a price jumps by more than a factor of "+fmt.Sprint(jumpFactor)+": "+c.String())
		}
	}
	return changes, refused, nil
}

func sorted[V any](a, b map[string]V) []string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

func compareModel(p, m string, was, is rates, isOld, isNow bool) (out []Change) {
	switch {
	case !isOld:
		return []Change{{Provider: p, Model: m, Is: is.text()}}
	case !isNow:
		return []Change{{Provider: p, Model: m, Was: was.text()}}
	}
	for k := range kinds {
		old, had := was[k]
		now, has := is[k]
		if !had && !has || had && has && old.text(k) == now.text(k) {
			continue
		}
		c := Change{Provider: p, Model: m, Kind: units[k].price}
		if had {
			c.Was = old.text(k)
		}
		if has {
			c.Is = now.text(k)
		}
		// A price that comes or goes: what held and holds in its place is the whole's.
		a, _ := was.of(k)
		b, _ := is.of(k)
		c.Jump = jumps(a, b)
		out = append(out, c)
	}
	return out
}

func jumps(a, b rate) bool {
	far := func(x, y fraction) bool {
		three := big.NewRat(jumpFactor, 1)
		return new(big.Rat).Mul(x, three).Cmp(y) < 0 || new(big.Rat).Mul(y, three).Cmp(x) < 0
	}
	zero := rate{base: new(big.Rat)}
	if a.base == nil {
		a = zero
	}
	if b.base == nil {
		b = zero
	}
	return far(a.base, b.base) || far(a.most(), b.most())
}

// readAll reads the prices that hold last, by provider and model.
func readAll(f *File) (map[string]map[string]rates, error) {
	out := map[string]map[string]rates{}
	for _, p := range f.Providers {
		models := map[string]rates{}
		for _, m := range p.Models {
			last := -1
			for i := range m.Versions {
				if m.Versions[i].Daily == nil || last < 0 {
					last = i
				}
			}
			if last < 0 {
				return nil, fmt.Errorf("%s/%s has no prices", p.ID, m.ID)
			}
			r, err := readRates(m.Versions[last].Prices)
			if err != nil {
				return nil, fmt.Errorf("%s/%s: %w", p.ID, m.ID, err)
			}
			models[m.ID] = r
		}
		out[p.ID] = models
	}
	return out, nil
}

// text is a rate in dollars, by what the price is for.
func (r rate) text(k kind) string {
	in := func(f fraction) string {
		return decimal(new(big.Rat).Mul(f, big.NewRat(units[k].per, 1_000_000_000)))
	}
	out := in(r.base)
	for _, s := range r.steps {
		out += fmt.Sprintf(", above %d: %s", s.above, in(s.price))
	}
	return out
}

// decimal writes a number that has an end in decimals, without zeros at it.
func decimal(r *big.Rat) string {
	s := r.FloatString(18)
	s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	return cmp.Or(s, "0")
}

func (r rates) text() string {
	var out []string
	for k := range kinds {
		if v, ok := r[k]; ok {
			out = append(out, units[k].price+" "+v.text(k))
		}
	}
	return cmp.Or(strings.Join(out, ", "), "no price")
}
