package price

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"time"

	"turnout/internal/domain"
)

// File is a catalogue as it is written down: catalogue.json in this package, and what `turnout prices import` reads. It has one line
// for each model, so that a difference between two can be read.
type File struct {
	// Source says where the prices come from, for people.
	Source    Source     `json:"source"`
	Providers []Provider `json:"providers"`
}

// Source is where a catalogue comes from.
type Source struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

// Provider is who asks for the prices. The order of the providers and of their models is part of the facts: of two that match, the first does.
type Provider struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	// URL is a pattern for the beginnings of the provider's base URLs.
	URL string `json:"url,omitempty"`
	// Match finds the provider by other names than its id.
	Match *Rule `json:"match,omitempty"`
	// Fallback are providers whose prices hold for models that are not listed.
	Fallback []string `json:"fallback,omitempty"`
	Models   []Model  `json:"models"`
}

// Model is one model's prices.
type Model struct {
	ID         string `json:"id"`
	Match      Rule   `json:"match"`
	Context    int64  `json:"context,omitempty"` // tokens of prompt and answer; 0: not known
	Deprecated bool   `json:"deprecated,omitempty"`
	// LeastSeconds: audio is charged for so many seconds at least.
	LeastSeconds int64 `json:"least_seconds,omitempty"`
	// Versions: of those that hold at a time, the last does; if none does, the first.
	Versions []Version `json:"versions"`
}

// Version is what a model costs from a day on, or at a time of day; without either, always.
type Version struct {
	From   string           `json:"from,omitempty"`  // YYYY-MM-DD, UTC
	Daily  *[2]string       `json:"daily,omitempty"` // from and until, HH:MM:SS, UTC; it may pass midnight
	Prices map[string]Price `json:"prices"`
}

// Price is a decimal number of US dollars, such as "0.075", with other prices for the whole request where it has more input tokens than
// a tier says. Per how many it is, is part of the name: input_mtok is for a million tokens.
type Price struct {
	Base  string
	Tiers []PriceTier // rising
}

// PriceTier is the price of a request with more input tokens than Above.
type PriceTier struct {
	Above int64  `json:"above"`
	Price string `json:"price"`
}

type tieredPrice struct {
	Base  string      `json:"base"`
	Tiers []PriceTier `json:"tiers"`
}

// MarshalJSON writes a plain price as a string.
func (p Price) MarshalJSON() ([]byte, error) {
	if len(p.Tiers) == 0 {
		return json.Marshal(p.Base)
	}
	return json.Marshal(tieredPrice(p))
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (p *Price) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		*p = Price{}
		return json.Unmarshal(b, &p.Base)
	}
	var t tieredPrice
	if err := strict(b, &t); err != nil {
		return err
	}
	if len(t.Tiers) == 0 {
		return errors.New("a price is a string, or an object with base and tiers")
	}
	*p = Price(t)
	return nil
}

// maxFile is the largest catalogue that is read. The one that is built in has about 300 kB.
const maxFile = 16 << 20

// ReadFile reads a catalogue as it is written down. It checks the form; Compile checks the rest.
func ReadFile(data []byte) (*File, error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("a catalogue of %d bytes: more than %d are not read", len(data), maxFile)
	}
	var f File
	if err := strict(data, &f); err != nil {
		return nil, fmt.Errorf("catalogue: %w", err)
	}
	return &f, nil
}

// strict decodes JSON in which nothing is unknown, with nothing behind it.
func strict(data []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something behind the end")
	}
	return nil
}

// Write writes a catalogue down, always in the same way.
func (f *File) Write() ([]byte, error) {
	var out bytes.Buffer
	put := func(indent string, v any, end string) error {
		var line bytes.Buffer
		e := json.NewEncoder(&line)
		e.SetEscapeHTML(false)
		err := e.Encode(v)
		out.WriteString(indent)
		out.Write(bytes.TrimRight(line.Bytes(), "\n"))
		out.WriteString(end)
		return err
	}
	comma := func(i, n int) string {
		if i == n-1 {
			return "\n"
		}
		return ",\n"
	}
	out.WriteString("{\"source\": ")
	if err := put("", f.Source, ",\n\"providers\": [\n"); err != nil {
		return nil, err
	}
	for i, p := range f.Providers {
		models := p.Models
		p.Models = []Model{}
		var head bytes.Buffer
		e := json.NewEncoder(&head)
		e.SetEscapeHTML(false)
		if err := e.Encode(p); err != nil {
			return nil, err
		}
		out.WriteString(strings.TrimSuffix(strings.TrimSpace(head.String()), "]}") + "\n")
		for j, m := range models {
			if err := put("  ", m, comma(j, len(models))); err != nil {
				return nil, err
			}
		}
		out.WriteString("]}" + comma(i, len(f.Providers)))
	}
	out.WriteString("]}\n")
	return out.Bytes(), nil
}

// dollars reads a decimal number of US dollars. There is no sign and no exponent.
func dollars(s string) (*big.Rat, error) {
	n, ok := new(big.Rat), false
	err := domain.CheckDollars(s)
	if err == nil {
		n, ok = n.SetString(s)
	}
	if !ok {
		return nil, fmt.Errorf("%q is no price: %w", s, err)
	}
	return n, nil
}

// one is the price of one of a kind, in nano-USD.
func (k kind) one(dollarsEach *big.Rat) fraction {
	return new(big.Rat).Mul(dollarsEach, big.NewRat(1_000_000_000, units[k].per))
}

// maxTiers is the most tiers that a price may have. The catalogue's has one or two.
const maxTiers = 16

func (p *Price) rate(k kind) (rate, error) {
	base, err := dollars(p.Base)
	if err != nil {
		return rate{}, err
	}
	r := rate{base: k.one(base)}
	if len(p.Tiers) > maxTiers {
		return rate{}, fmt.Errorf("%d tiers: more than %d", len(p.Tiers), maxTiers)
	}
	before := int64(-1)
	for _, t := range p.Tiers {
		n, err := dollars(t.Price)
		if err != nil {
			return rate{}, err
		}
		if t.Above <= before {
			return rate{}, errors.New("tiers begin at zero or more and rise")
		}
		before = t.Above
		r.steps = append(r.steps, step{t.Above, k.one(n)})
	}
	return r, nil
}

// readRates reads prices by name.
func readRates(prices map[string]Price) (rates, error) {
	out := rates{}
	for name, p := range prices {
		k, ok := byPrice[name]
		if !ok {
			return nil, fmt.Errorf("%q is the name of no price", name)
		}
		r, err := p.rate(k)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[k] = r
	}
	return out, nil
}

// holds is when a version does.
type holds struct {
	from        time.Time // zero: ever since
	daily       bool
	start, stop time.Duration // of the day
}

func (v *Version) holds() (h holds, err error) {
	if v.From != "" && v.Daily != nil {
		return h, errors.New("from and daily exclude each other")
	}
	if v.From != "" {
		if h.from, err = time.Parse(time.DateOnly, v.From); err != nil {
			return h, fmt.Errorf("from %q: want a day, such as 2026-08-17", v.From)
		}
	}
	if v.Daily != nil {
		h.daily = true
		for i, to := range []*time.Duration{&h.start, &h.stop} {
			t, err := time.Parse(time.TimeOnly, v.Daily[i])
			if err != nil {
				return h, fmt.Errorf("daily %q: want a time of day in UTC, such as 16:30:00", v.Daily[i])
			}
			*to = sinceMidnight(t)
		}
	}
	return h, nil
}

func (h *holds) at(t time.Time) bool {
	if !h.daily {
		return !t.Before(h.from)
	}
	day := sinceMidnight(t.UTC())
	if h.stop < h.start { // past midnight
		return day >= h.start || day < h.stop
	}
	return day >= h.start && day < h.stop
}

func sinceMidnight(t time.Time) time.Duration {
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second +
		time.Duration(t.Nanosecond())
}
