package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"turnout/internal/domain"
)

// The bounds of a pool's rules on errors.
const (
	maxErrorRules = 100
	maxErrorText  = 1000 // characters of a message, and of what one may contain
)

// errorRules reads what callers are told of failures, in the order in which it is asked.
func (n node) errorRules(target *[]domain.ErrorRule) {
	var out []domain.ErrorRule
	var whole place // of the first rule that matches everything
	n.list("rules", func(_ int, item node) {
		rule := item.errorRule()
		switch {
		case whole.line > 0:
			n.r.warn(item.at, "this rule never holds, because the one on line %d matches everything: put that one last", whole.line)
		case rule.Class == "" && rule.Status == 0 && rule.Platform == "" && rule.Code == "" && rule.Contains == "":
			whole = item.at
		}
		out = append(out, rule)
	})
	if len(out) > maxErrorRules {
		n.r.problem(n.at, "want at most %d rules; this has %d", maxErrorRules, len(out))
	}
	*target = out
}

func (n node) errorRule() (rule domain.ErrorRule) {
	n.mapping(
		field{"when", func(n node) {
			n.mapping(
				field{"class", scalar(&rule.Class, className)},
				field{"status", scalar(&rule.Status, number(200, 599))},
				field{"platform", scalar(&rule.Platform, n.r.platformName)},
				field{"code", scalar(&rule.Code, upstreamCode)},
				field{"contains", scalar(&rule.Contains, message)},
			)
		}},
		field{"pass", scalar(&rule.Pass, func(s string) (bool, error) {
			if s != "true" {
				return false, fmt.Errorf("want true, or replace in place of pass; got %s", show(s))
			}
			return true, nil
		})},
		field{"replace", func(n node) { n.replacement(&rule) }},
	)
	if !isMapping(n.ast) {
		return rule
	}
	if !n.r.seen(n.at.path + ".when") {
		n.r.problem(n.at, "the rule does not say when it holds: add when ({} stands for every failure)")
	}
	pass, replace := n.r.seen(n.at.path+".pass"), n.r.seen(n.at.path+".replace")
	switch {
	case pass && replace:
		n.r.problem(n.at, "the rule both passes the error and replaces it: keep one of pass and replace")
	case !pass && !replace:
		n.r.problem(n.at, "the rule does not say what to do: add pass: true (the upstream's own error) or replace")
	}
	return rule
}

func (n node) replacement(rule *domain.ErrorRule) {
	n.mapping(
		field{"status", scalar(&rule.NewStatus, number(400, 599))},
		field{"message", scalar(&rule.Message, message)},
		field{"code", scalar(&rule.NewCode, checked(checkName))},
		field{"retry_after", scalar(&rule.RetryAfter, duration(time.Second, day, false))},
	)
	if isMapping(n.ast) && len(mustPairs(n.ast)) == 0 {
		n.r.problem(n.at, "this replaces nothing: name at least one of status, message, code and retry_after")
	}
}

func className(s string) (string, error) {
	if !slices.Contains(classes, s) {
		return "", fmt.Errorf("want a class of failure, one of %s; got %s%s", strings.Join(classes, ", "), show(s), suggestion(s, classes))
	}
	return s, nil
}

// upstreamCode is a code or type as upstreams write them, such as rate_limit_error
// or InvalidParameter.Size.
func upstreamCode(s string) (string, error) {
	bad := len(s) == 0 || len(s) > 100
	for i := 0; i < len(s) && !bad; i++ {
		bad = s[i] <= ' ' || s[i] > '~'
	}
	if bad {
		return "", errors.New("want the upstream's error code or type, such as insufficient_quota: 1 to 100 characters of ASCII without spaces")
	}
	return s, nil
}

func message(s string) (string, error) {
	if n := utf8.RuneCountInString(s); n == 0 || n > maxErrorText || !utf8.ValidString(s) {
		return "", fmt.Errorf("want 1 to %d characters; this has %d", maxErrorText, n)
	}
	return s, nil
}
