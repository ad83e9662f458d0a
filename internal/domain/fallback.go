package domain

import "strings"

// FallbackAny is the cause that stands for every one that is not named beside it.
const FallbackAny = "any"

// Fallbacks say which other models may serve a request when the accounts that serve the
// asked one cannot: by asked model (a pattern with at most one '*'), then by cause (a class
// of failure by its name, or FallbackAny), in the order in which they are tried.
type Fallbacks map[string]map[string][]string

// For lists the models for an asked one and a cause; an entry for the cause itself stands in
// place of FallbackAny's. An exact name beats any pattern, and the pattern with the longest part before its '*' the others.
func (f Fallbacks) For(asked, cause string) []string {
	byCause := f.of(asked)
	if models, ok := byCause[cause]; ok {
		return models
	}
	return byCause[FallbackAny]
}

func (f Fallbacks) of(asked string) map[string][]string {
	if len(f) == 0 {
		return nil
	}
	if exact, ok := f[asked]; ok && !strings.Contains(asked, "*") {
		return exact
	}
	var best map[string][]string
	longest, tail := -1, -1
	for pattern, byCause := range f {
		prefix, suffix, wild := strings.Cut(pattern, "*")
		if !wild || !MatchModel(pattern, asked) || len(prefix) < longest || len(prefix) == longest && len(suffix) <= tail {
			continue
		}
		best, longest, tail = byCause, len(prefix), len(suffix)
	}
	return best
}
