// Command generate makes the catalogue of package price from what the npm package @pydantic/genai-prices says: it reads
// the providers as JSON and writes internal/price/catalogue.json. It refuses what the guard refuses; -force overrides
// that. See make prices.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/big"
	"os"
	"strings"

	"turnout/internal/price"
)

func main() {
	file := flag.String("o", "internal/price/catalogue.json", "the catalogue to replace")
	force := flag.Bool("force", false, "write it in spite of the guard")
	flag.Parse()
	if err := run(os.Stdin, *file, *force, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, file string, force bool, out io.Writer) error {
	var from source
	d := json.NewDecoder(in)
	d.UseNumber()
	d.DisallowUnknownFields()
	if err := d.Decode(&from); err != nil {
		return fmt.Errorf("the package's data: %w", err)
	}
	f, err := from.convert()
	if err != nil {
		return err
	}
	if _, err := f.Compile(); err != nil {
		return err
	}
	data, err := f.Write()
	if err != nil {
		return err
	}
	before, err := os.ReadFile(file) //nolint:gosec // the developer names it
	if err != nil {
		return err
	}
	was, err := price.ReadFile(before)
	if err != nil {
		return err
	}
	changes, refused, err := price.Compare(was, f)
	if err != nil {
		return err
	}
	for _, c := range changes {
		_, _ = fmt.Fprintln(out, c)
	}
	if len(refused) > 0 && !force {
		return fmt.Errorf("the guard refuses this catalogue; FORCE=1 overrides it:\n  %s", strings.Join(refused, "\n  "))
	}
	if err := os.WriteFile(file, data, 0o644); err != nil { //nolint:gosec // a file of the tree
		return err
	}
	_, err = fmt.Fprintf(out, "%d changes; %s %s is in %s\n", len(changes), f.Source.Name, f.Source.Version, file)
	return err
}

// source is the package's data, as extract.mjs prints it.
type source struct {
	Name      string     `json:"name"`
	Version   string     `json:"version"`
	Providers []provider `json:"providers"`
}

type provider struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	URL      string   `json:"api_pattern"`
	Match    *rule    `json:"provider_match"`
	Fallback []string `json:"fallback_model_providers"`
	Models   []model  `json:"models"`
}

type model struct {
	ID         string      `json:"id"`
	Match      rule        `json:"match"`
	Context    json.Number `json:"context_window"`
	Deprecated bool        `json:"deprecated"`
	Prices     []version   `json:"prices"`
}

type rule struct {
	Equals     string `json:"equals"`
	StartsWith string `json:"starts_with"`
	EndsWith   string `json:"ends_with"`
	Contains   string `json:"contains"`
	Regex      string `json:"regex"`
	Or         []rule `json:"or"`
	And        []rule `json:"and"`
}

type version struct {
	Constraint *struct {
		Type  string `json:"type"`
		From  string `json:"start_date"`
		Start string `json:"start_time"`
		Stop  string `json:"end_time"`
	} `json:"constraint"`
	Prices map[string]json.RawMessage `json:"prices"`
}

// least are the models whose audio is charged for so many seconds at least: the package has this in its code, not in its
// data (README and calcPrice, version 0.1.8).
var least = map[string]int64{"groq/whisper-large-v3": 10, "groq/whisper-large-v3-turbo": 10}

func (s *source) convert() (*price.File, error) {
	f := &price.File{Source: price.Source{Name: s.Name, Version: s.Version}}
	for _, p := range s.Providers {
		to := price.Provider{ID: p.ID, Name: p.Name, URL: p.URL, Fallback: p.Fallback}
		if p.Match != nil {
			m, err := p.Match.convert()
			if err != nil {
				return nil, fmt.Errorf("provider %s: %w", p.ID, err)
			}
			to.Match = &m
		}
		for _, m := range p.Models {
			converted, err := m.convert()
			if err != nil {
				return nil, fmt.Errorf("%s/%s: %w", p.ID, m.ID, err)
			}
			converted.LeastSeconds = least[p.ID+"/"+m.ID]
			to.Models = append(to.Models, converted)
		}
		f.Providers = append(f.Providers, to)
	}
	return f, nil
}

func (m *model) convert() (price.Model, error) {
	to := price.Model{ID: m.ID, Deprecated: m.Deprecated}
	var err error
	if to.Match, err = m.Match.convert(); err != nil {
		return to, err
	}
	if m.Context != "" {
		if to.Context, err = m.Context.Int64(); err != nil {
			return to, err
		}
	}
	for _, v := range m.Prices {
		version, err := v.convert()
		if err != nil {
			return to, err
		}
		to.Versions = append(to.Versions, version)
	}
	return to, nil
}

func (v *version) convert() (price.Version, error) {
	to := price.Version{Prices: map[string]price.Price{}}
	if c := v.Constraint; c != nil {
		switch c.Type {
		case "start_date":
			to.From = c.From
		case "time_of_date":
			start, utc := strings.CutSuffix(c.Start, "Z")
			stop, too := strings.CutSuffix(c.Stop, "Z")
			if !utc || !too {
				return to, fmt.Errorf("times %s and %s: only UTC is known here", c.Start, c.Stop)
			}
			to.Daily = &[2]string{start, stop}
		default:
			return to, fmt.Errorf("a constraint of type %q", c.Type)
		}
	}
	for name, raw := range v.Prices {
		p, err := convertPrice(raw)
		if err != nil {
			return to, fmt.Errorf("%s: %w", name, err)
		}
		to.Prices[name] = p
	}
	return to, nil
}

func convertPrice(raw json.RawMessage) (price.Price, error) {
	if raw[0] != '{' {
		base, err := decimal(json.Number(raw))
		return price.Price{Base: base}, err
	}
	var tiered struct {
		Base  json.Number `json:"base"`
		Tiers []struct {
			Start int64       `json:"start"`
			Price json.Number `json:"price"`
		} `json:"tiers"`
	}
	if err := json.Unmarshal(raw, &tiered); err != nil {
		return price.Price{}, err
	}
	base, err := decimal(tiered.Base)
	to := price.Price{Base: base}
	for _, t := range tiered.Tiers {
		p, e := decimal(t.Price)
		if e != nil {
			err = e
		}
		to.Tiers = append(to.Tiers, price.PriceTier{Above: t.Start, Price: p})
	}
	return to, err
}

// decimal writes a number as JavaScript prints it without its exponent, every digit kept.
func decimal(n json.Number) (string, error) {
	r, ok := new(big.Rat).SetString(n.String())
	if !ok || r.Sign() < 0 {
		return "", fmt.Errorf("%q is no price", n)
	}
	s := r.FloatString(24)
	s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	if back, _ := new(big.Rat).SetString(s); back == nil || back.Cmp(r) != 0 {
		return "", fmt.Errorf("%s has too many digits", n)
	}
	return s, nil
}

func (r *rule) convert() (price.Rule, error) {
	to := price.Rule{Equals: r.Equals, StartsWith: r.StartsWith, EndsWith: r.EndsWith, Contains: r.Contains}
	for _, group := range []struct {
		from []rule
		to   *[]price.Rule
	}{{r.Or, &to.Or}, {r.And, &to.And}} {
		for _, m := range group.from {
			converted, err := m.convert()
			if err != nil {
				return to, err
			}
			*group.to = append(*group.to, converted)
		}
	}
	if r.Regex == "" {
		return to, nil
	}
	never, rest, err := lookahead(r.Regex)
	if err != nil {
		return to, err
	}
	if never == "" {
		to.Regex = rest
		return to, nil
	}
	not := price.Rule{Not: &price.Rule{Regex: never}}
	if rest == "^" {
		return not, nil
	}
	return price.Rule{And: []price.Rule{not, {Regex: rest}}}, nil
}

// lookahead takes "^(?!never)rest" apart, which Go's patterns cannot say: into ^(?:never) and ^rest. Other patterns stay as they are; what Go cannot
// read of them is an error when the catalogue is compiled.
func lookahead(pattern string) (never, rest string, err error) {
	const begin = "^(?!"
	if !strings.HasPrefix(pattern, begin) {
		return "", pattern, nil
	}
	depth, class := 1, false
	for i := len(begin); i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\':
			i++
		case class:
			class = c != ']'
		case c == '[':
			class = true
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 {
				return "^(?:" + pattern[len(begin):i] + ")", "^" + pattern[i+1:], nil
			}
		}
	}
	return "", "", fmt.Errorf("the pattern %q has no end", pattern)
}
