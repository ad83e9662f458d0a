package main

import (
	"encoding/json"
	"math/big"
	"math/rand/v2"
	"strings"
	"time"

	"turnout/internal/price"
)

// cell is something countable that no other cell has any of.
type cell struct {
	usage  []string // the package's totals that it belongs to
	prices []string // the prices that cover it, from the most general to the most particular
	per    int64
	// fractions: it comes in parts, such as seconds.
	fractions bool
	// alone: only models with a price of it have it.
	alone bool
}

func tokens(usage ...string) *cell {
	c := &cell{usage: usage, per: 1_000_000}
	for _, u := range usage {
		c.prices = append(c.prices, strings.TrimSuffix(u, "_tokens")+"_mtok")
	}
	return c
}

func thousands(usage, price string) *cell {
	return &cell{usage: []string{usage}, prices: []string{price}, per: 1000, alone: true}
}

var cells = append([]*cell{
	tokens("input_tokens"), tokens("input_tokens", "cache_read_tokens"),
	tokens("input_tokens", "cache_write_tokens"), tokens("input_tokens", "cache_write_tokens", "cache_write_5m_tokens"),
	tokens("input_tokens", "cache_write_tokens", "cache_write_1h_tokens"),
	tokens("output_tokens"), tokens("output_tokens", "output_reasoning_tokens"), tokens("output_tokens", "output_citation_tokens"),
	thousands("web_searches", "web_searches_kcount"), thousands("storage_searches", "storage_searches_kcount"),
	thousands("input_text_messages", "input_text_messages_kcount"), thousands("input_document_pages", "input_document_kpages"),
	{usage: []string{"input_document_pages", "input_annotated_document_pages"}, prices: []string{"input_document_kpages", "input_annotated_document_kpages"}, per: 1000, alone: true},
	{usage: []string{"audio_seconds"}, prices: []string{"audio_hours"}, per: 3600, fractions: true, alone: true},
	{usage: []string{"audio_seconds", "input_audio_seconds"}, prices: []string{"audio_hours", "input_audio_hours"}, per: 3600, fractions: true, alone: true},
}, ofMedia()...)

func ofMedia() (out []*cell) {
	for _, m := range []string{"audio", "image", "video"} {
		out = append(out, tokens("input_tokens", "input_"+m+"_tokens"), tokens("output_tokens", "output_"+m+"_tokens"),
			tokens("input_tokens", "cache_read_tokens", "input_"+m+"_tokens", "cache_"+m+"_read_tokens"))
	}
	return out
}

// price is what covers the cell most particularly.
func (c *cell) price(prices map[string]price.Price) (p price.Price, ok bool) {
	for _, name := range c.prices {
		if q, has := prices[name]; has {
			p, ok = q, true
		}
	}
	return p, ok
}

// byHand is the cost in nano-USD.
func (q *question) byHand(prices map[string]price.Price) *big.Rat {
	input := new(big.Rat)
	for c, n := range q.cells {
		if c.usage[0] == "input_tokens" {
			input.Add(input, n)
		}
	}
	sum := new(big.Rat)
	add := func(p price.Price, n *big.Rat, per int64) {
		dollars := p.Base
		for _, t := range p.Tiers {
			if input.Cmp(new(big.Rat).SetInt64(t.Above)) > 0 {
				dollars = t.Price
			}
		}
		each, ok := new(big.Rat).SetString(dollars)
		if !ok {
			panic(dollars)
		}
		each.Mul(each, big.NewRat(1_000_000_000, per))
		sum.Add(sum, each.Mul(each, n))
	}
	for c, n := range q.cells {
		if p, ok := c.price(prices); ok {
			add(p, n, c.per)
		}
	}
	if p, ok := prices["requests_kcount"]; ok {
		add(p, big.NewRat(1, 1), 1000)
	}
	return sum
}

// long says whether some price is that of a tier.
func (q *question) long(prices map[string]price.Price) bool {
	input := new(big.Rat)
	for c, n := range q.cells {
		if c.usage[0] == "input_tokens" {
			input.Add(input, n)
		}
	}
	for _, p := range prices {
		if len(p.Tiers) > 0 && input.Cmp(new(big.Rat).SetInt64(p.Tiers[0].Above)) > 0 {
			return true
		}
	}
	return false
}

// pricesAt finds the prices of the model that the package found, as they are written. A model that the provider does not list
// is one of those that it falls back to.
func pricesAt(r reply, at time.Time) (map[string]price.Price, bool) {
	f := price.BuiltinFile()
	ids := []string{r.Provider}
	for _, p := range f.Providers {
		if p.ID == r.Provider {
			ids = append(ids, p.Fallback...)
		}
	}
	for _, id := range ids {
		for _, p := range f.Providers {
			if p.ID != id {
				continue
			}
			for _, m := range p.Models {
				if m.ID == r.Model {
					return inForce(m.Versions, at), true
				}
			}
		}
	}
	return nil, false
}

func inForce(versions []price.Version, at time.Time) map[string]price.Price {
	out := versions[0].Prices
	for _, v := range versions {
		clock := at.UTC().Format("15:04:05.000000000")
		switch {
		case v.Daily != nil && v.Daily[0] <= v.Daily[1]:
			if clock >= v.Daily[0] && clock < v.Daily[1] {
				out = v.Prices
			}
		case v.Daily != nil:
			if clock >= v.Daily[0] || clock < v.Daily[1] {
				out = v.Prices
			}
		case at.UTC().Format(time.DateOnly) >= v.From:
			out = v.Prices
		}
	}
	return out
}

type draw struct {
	*rand.Rand
	file *price.File
}

// question draws one. Every provider's turn comes, so that those with few models are proven as well.
func (d *draw) question(i int) *question {
	p := d.file.Providers[i%len(d.file.Providers)]
	if d.IntN(2) == 0 { // most models are with a few providers
		p = d.file.Providers[d.IntN(len(d.file.Providers))]
		for range 3 {
			if other := d.file.Providers[d.IntN(len(d.file.Providers))]; len(other.Models) > len(p.Models) {
				p = other
			}
		}
	}
	m := p.Models[d.IntN(len(p.Models))]
	for range 8 { // those with tiers or with a history are few, and worth more
		if other := p.Models[d.IntN(len(p.Models))]; !interesting(&m) && interesting(&other) && d.IntN(2) == 0 {
			m = other
		}
	}
	q := &question{Provider: p.ID, Model: d.name(&p, &m), At: d.time(&m), Usage: map[string]json.Number{}, cells: map[*cell]*big.Rat{}}
	d.usage(q, &m)
	return q
}

func interesting(m *price.Model) bool {
	for _, p := range m.Versions[0].Prices {
		if len(p.Tiers) > 0 {
			return true
		}
	}
	return len(m.Versions) > 1
}

// name is one that the model may be asked by, now and then one that it may not.
func (d *draw) name(p *price.Provider, m *price.Model) string {
	names := []string{m.ID}
	var spell func(r *price.Rule)
	spell = func(r *price.Rule) {
		if r.Equals != "" {
			names = append(names, r.Equals)
		}
		if r.StartsWith != "" {
			names = append(names, r.StartsWith, r.StartsWith+"-latest")
		}
		if r.EndsWith != "" {
			names = append(names, "x-"+r.EndsWith)
		}
		if r.Contains != "" {
			names = append(names, "us."+r.Contains+"-v1")
		}
		for i := range r.Or {
			spell(&r.Or[i])
		}
		for i := range r.And {
			spell(&r.And[i])
		}
	}
	spell(&m.Match)
	name := names[d.IntN(len(names))]
	switch d.IntN(20) {
	case 0:
		name = strings.ToUpper(name)
	case 1:
		name = " " + name + "\t"
	case 2:
		name += "-20260714"
	case 3:
		name += "-2026-07-14"
	case 4: // one of another provider
		other := d.file.Providers[d.IntN(len(d.file.Providers))]
		name = other.Models[d.IntN(len(other.Models))].ID
	case 5:
		name = strings.ReplaceAll(name, "-20", "-2") + "-20251301"
	case 6:
		if p.Match == nil {
			name = "nothing-like-" + name[:1+d.IntN(len(name))]
		}
	}
	return name
}

// time is around what changes the model's prices, or any in three years.
func (d *draw) time(m *price.Model) time.Time {
	at := time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(d.Int64N(int64(3 * 365 * 24 * time.Hour)))).Truncate(time.Millisecond)
	v := m.Versions[d.IntN(len(m.Versions))]
	switch {
	case v.From != "":
		day, err := time.Parse(time.DateOnly, v.From)
		if err == nil && d.IntN(2) == 0 {
			at = day.Add(time.Duration(d.IntN(3)-1) * time.Millisecond)
		}
	case v.Daily != nil && d.IntN(2) == 0:
		clock, err := time.Parse(time.TimeOnly, v.Daily[d.IntN(2)])
		if err == nil {
			at = time.Date(2026, 9, 1+d.IntN(60), clock.Hour(), clock.Minute(), clock.Second(), 0, time.UTC).Add(time.Duration(d.IntN(3)-1) * time.Millisecond)
		}
	}
	return at
}

// usage draws counts for some of the cells.
func (d *draw) usage(q *question, m *price.Model) {
	priced := map[string]bool{}
	for _, v := range m.Versions {
		for name := range v.Prices {
			priced[name] = true
		}
	}
	totals := map[string]*big.Rat{}
	least := m.LeastSeconds > 0
	for _, c := range cells {
		has := false
		for _, name := range c.prices {
			has = has || priced[name]
		}
		if c.alone && (!has || c.fractions && (least || q.cells[cells[13]] != nil)) || d.IntN(3) == 0 {
			continue
		}
		// What has a price of its own is what matters most.
		if !priced[c.prices[len(c.prices)-1]] && d.IntN(3) != 0 {
			continue
		}
		n := new(big.Rat).SetInt64(d.count())
		if c.fractions {
			n = big.NewRat(d.Int64N(20_000_000), 1000)
		}
		q.cells[c] = n
		for _, u := range c.usage {
			if totals[u] == nil {
				totals[u] = new(big.Rat)
			}
			totals[u].Add(totals[u], n)
		}
	}
	// Recordings that are charged for some seconds at least: only as one, since that is how long it was.
	if least && d.IntN(4) > 0 {
		c := cells[14]
		n := big.NewRat(d.Int64N(30_000), 1000)
		for _, u := range c.usage {
			totals[u] = n
		}
		q.cells[c] = n
		if lowest := new(big.Rat).SetInt64(m.LeastSeconds); n.Sign() > 0 && n.Cmp(lowest) < 0 {
			q.cells[c] = lowest
		}
	}
	for u, n := range totals {
		if n.Sign() > 0 || d.IntN(2) == 0 {
			q.Usage[u] = json.Number(strings.TrimSuffix(strings.TrimRight(n.FloatString(3), "0"), "."))
		}
	}
	// A total that the plan may ask for is stated, be it nothing.
	for _, c := range cells {
		for _, u := range c.usage {
			if _, stated := q.Usage[u]; !stated && totals[u] == nil && !c.fractions && d.IntN(2) == 0 {
				q.Usage[u] = "0"
			}
		}
	}
	for _, u := range []string{"input_tokens", "output_tokens"} {
		if _, stated := q.Usage[u]; !stated {
			q.Usage[u] = "0"
		}
	}
	// Whole and part overlap in what is both: to leave that out would be to say that nobody knows.
	for _, media := range []string{"audio", "image", "video"} {
		if u := "cache_" + media + "_read_tokens"; q.Usage[u] == "" {
			q.Usage[u] = "0"
		}
	}
}

func (d *draw) count() int64 {
	switch d.IntN(5) {
	case 0:
		return d.Int64N(50)
	case 1:
		return 127_990 + d.Int64N(20)
	case 2:
		return 199_990 + d.Int64N(20)
	case 3:
		return d.Int64N(1_000_000)
	}
	return d.Int64N(20_000)
}
