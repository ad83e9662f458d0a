package price

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Rule says which names mean a model or a provider. Exactly one field is set. Case counts only in Regex, and
// names come in small letters.
type Rule struct {
	Equals     string `json:"equals,omitempty"`
	StartsWith string `json:"starts_with,omitempty"`
	EndsWith   string `json:"ends_with,omitempty"`
	Contains   string `json:"contains,omitempty"`
	Regex      string `json:"regex,omitempty"`
	Not        *Rule  `json:"not,omitempty"`
	Or         []Rule `json:"or,omitempty"`
	And        []Rule `json:"and,omitempty"`
}

// What a rule may be at most. The catalogue's deepest is three, and its longest pattern about a hundred bytes.
const (
	maxRuleDepth = 8
	maxPattern   = 512
)

// matcher is a compiled rule.
type matcher func(name string) bool

func (r *Rule) compile(depth int) (matcher, error) {
	if depth > maxRuleDepth {
		return nil, errors.New("a rule in a rule in a rule: too deep")
	}
	var out matcher
	set := 0
	text := func(s string, m func(name, s string) bool) {
		if s != "" {
			set++
			s = strings.ToLower(s)
			out = func(name string) bool { return m(name, s) }
		}
	}
	text(r.Equals, func(name, s string) bool { return name == s })
	text(r.StartsWith, strings.HasPrefix)
	text(r.EndsWith, strings.HasSuffix)
	text(r.Contains, strings.Contains)
	if r.Regex != "" {
		set++
		re, err := pattern(r.Regex)
		if err != nil {
			return nil, err
		}
		out = re.MatchString
	}
	if r.Not != nil {
		set++
		m, err := r.Not.compile(depth + 1)
		if err != nil {
			return nil, err
		}
		out = func(name string) bool { return !m(name) }
	}
	for _, group := range []struct {
		of   []Rule
		ends bool // the group's answer as soon as one of it gives it
	}{{r.Or, true}, {r.And, false}} {
		if group.of == nil {
			continue
		}
		set++
		ms := make([]matcher, len(group.of))
		for i := range group.of {
			var err error
			if ms[i], err = group.of[i].compile(depth + 1); err != nil {
				return nil, err
			}
		}
		ends := group.ends
		out = func(name string) bool {
			for _, m := range ms {
				if m(name) == ends {
					return ends
				}
			}
			return !ends
		}
	}
	if set != 1 {
		return nil, errors.New("a rule wants exactly one of equals, starts_with, ends_with, contains, regex, not, or, and")
	}
	return out, nil
}

func pattern(expression string) (*regexp.Regexp, error) {
	if len(expression) > maxPattern {
		return nil, fmt.Errorf("a pattern of %d bytes: too long", len(expression))
	}
	re, err := regexp.Compile(expression)
	if err != nil {
		return nil, fmt.Errorf("a pattern: %w", err)
	}
	return re, nil
}

// names calls f with every name, or beginning of one, that the rule spells out.
func (r *Rule) names(f func(string)) {
	for _, s := range []string{r.Equals, r.StartsWith} {
		if s != "" {
			f(strings.ToLower(s))
		}
	}
	for i := range r.Or {
		r.Or[i].names(f)
	}
	for i := range r.And {
		r.And[i].names(f)
	}
}
