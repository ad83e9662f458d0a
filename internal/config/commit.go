package config

import (
	"fmt"
	"strings"

	"turnout/internal/domain"
)

// commit reads a commit point: one of three words, or a mapping that says after how
// many tokens or seconds.
func (n node) commit(target *domain.Commit) {
	if !isMapping(n.ast) {
		scalar(target, commitWord)(n)
		return
	}
	// domain's own errors quote the text, which may be a secret in the wrong place.
	var tokens, seconds domain.Commit
	n.mapping(
		field{"tokens", scalar(&tokens, func(s string) (domain.Commit, error) {
			c, err := domain.CommitAfterTokens(s)
			if err != nil {
				err = fmt.Errorf("want a whole number of tokens from 1 to %d; got %s", domain.MaxCommitTokens, show(s))
			}
			return c, err
		})},
		field{"seconds", scalar(&seconds, func(s string) (domain.Commit, error) {
			c, err := domain.CommitAfterSeconds(s)
			if err != nil {
				err = fmt.Errorf("want a number of seconds without a unit, such as 2 or 0.5, from 0.001 to %.0f; got %s", domain.MaxCommitTime.Seconds(), show(s))
			}
			return c, err
		})},
	)
	byTokens, bySeconds := n.r.seen(n.at.path+".tokens"), n.r.seen(n.at.path+".seconds")
	switch {
	case byTokens && bySeconds:
		n.r.problem(n.at, "these are two commit points, by tokens and by seconds: keep one of them")
	case byTokens:
		*target = tokens
	case bySeconds:
		*target = seconds
	case len(mustPairs(n.ast)) == 0:
		n.r.problem(n.at, "the mapping is empty: want {tokens: N} or {seconds: T}")
	}
}

func commitWord(s string) (domain.Commit, error) {
	c, err := domain.ParseCommit(s)
	if err != nil || strings.Contains(s, "=") {
		return c, fmt.Errorf("want first_event, content or complete, or a mapping, {tokens: 20} or {seconds: 2}; got %s%s", show(s), suggestion(s, []string{"first_event", "content", "complete"}))
	}
	return c, nil
}
