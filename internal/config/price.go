package config

import (
	"errors"
	"time"

	"turnout/internal/domain"
)

// maxPrices is how many prices of its own a configuration may have.
const maxPrices = 1000

// priceFields are the keys of a price, and what the catalogue calls the same.
var priceFields = []struct{ key, name string }{
	{"input", "input_mtok"}, {"output", "output_mtok"}, {"reasoning", "output_reasoning_mtok"},
	{"cache_read", "cache_read_mtok"}, {"cache_write", "cache_write_mtok"}, {"cache_write_1h", "cache_write_1h_mtok"},
	{"audio_input", "input_audio_mtok"}, {"audio_cache_read", "cache_audio_read_mtok"}, {"audio_output", "output_audio_mtok"},
	{"image_input", "input_image_mtok"}, {"image_output", "output_image_mtok"},
	{"searches", "web_searches_kcount"}, {"requests", "requests_kcount"},
}

// prices reads the operator's own prices.
func (r *reader) prices(n node) {
	n.list("prices", func(i int, item node) {
		var p domain.OwnPrice
		p.Prices = map[string]string{}
		before := len(r.problems)
		fields := []field{
			{"platform", scalar(&p.Platform, checked(checkName))},
			{"account", scalar(&p.Account, checked(pattern))},
			{"model", scalar(&p.Model, checked(pattern))},
			{"valid_from", scalar(&p.From, since)},
		}
		for _, f := range priceFields {
			fields = append(fields, field{f.key, func(n node) {
				var v string
				if scalar(&v, checked(domain.CheckDollars))(n); v != "" {
					p.Prices[f.name] = v
				}
			}})
		}
		item.mapping(fields...)
		if _, ok := item.pairsQuietly(); !ok || len(r.problems) > before {
			return
		}
		switch {
		case p.Model == "":
			r.problem(item.at, "the price has no model: add model, the upstream's name of it or a pattern with one *")
		case p.Prices["input_mtok"] == "" || p.Prices["output_mtok"] == "":
			r.problem(item.at, "want at least input and output, in US dollars for a million tokens")
		case i >= maxPrices:
			r.problem(item.at, "want at most %d prices", maxPrices)
		}
		r.c.Prices = append(r.c.Prices, p)
	})
}

// since reads the day or the moment from which on something holds. A day begins at midnight UTC.
func since(s string) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil && plausible(t) {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errors.New("want a day, such as 2027-01-31 (from its midnight, UTC), or a moment, such as 2027-01-31T18:00:00Z")
}
