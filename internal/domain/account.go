package domain

import (
	"strings"
	"time"
)

// Dialect is a wire protocol that a caller speaks or an account understands.
type Dialect uint8

// The dialects. The numbers are stored in request records: never renumber.
const (
	DialectNone          Dialect = 0
	DialectAnthropic     Dialect = 1 // Anthropic Messages
	DialectOpenAIChat    Dialect = 2 // OpenAI Chat Completions
	DialectOpenAIResp    Dialect = 3 // OpenAI Responses (number reserved)
	DialectGeminiContent Dialect = 4 // Gemini generateContent (number reserved)
)

// String is the dialect's name in logs, metrics and tables.
func (d Dialect) String() string {
	switch d {
	case DialectAnthropic:
		return "anthropic"
	case DialectOpenAIChat:
		return "openai-chat"
	case DialectOpenAIResp:
		return "openai-responses"
	case DialectGeminiContent:
		return "gemini"
	}
	return "none"
}

// Origin says who made an object. It never changes during the object's life.
type Origin uint8

// The origins. The numbers are stored.
const (
	OriginFile Origin = 1 // provisioned from the configuration file
	OriginAPI  Origin = 2 // made through the admin API
)

// String is the origin's name.
func (o Origin) String() string {
	switch o {
	case OriginFile:
		return "file"
	case OriginAPI:
		return "api"
	}
	return "unknown"
}

// Labels are an object's facts as its operator states them, such as region=eu.
// Keys and pools may require labels of accounts.
type Labels map[string]string

// Satisfy reports whether l carries every pair of want. An empty want is
// satisfied by anything.
func (l Labels) Satisfy(want Labels) bool {
	for k, v := range want {
		if have, ok := l[k]; !ok || have != v {
			return false
		}
	}
	return true
}

// Account is one set of credentials at one upstream. Name and ID are its
// immutable identity; everything else but Enabled and Paused is its *spec*, which
// the file or the API may edit. An Account in use is never modified: an edit
// makes a new one in a new snapshot.
type Account struct {
	ID           AccountID
	Name         string
	Origin       Origin
	Platform     string // a platform's name, e.g. "anthropic"
	BaseURL      string // empty: the platform's own
	APIKey       Secret
	Proxy        string // egress proxy URL; empty: none (the environment's is not used)
	Organization string // accounts of one organisation share limits and prompt cache; empty: alone
	Labels       Labels
	Pools        []string
	Priority     int // lower is tried first
	Weight       int // share of the load within a priority, ≥ 1
	MaxInFlight  int // concurrent requests; 0: no limit
	Models       ModelMap
	Limits       AccountLimits
	// TokenPrice is what a token of the prompt costs there; a token of the answer is taken to cost five times that. 0: nothing,
	// or not known.
	TokenPrice NanoUSD
	// Flat: it has a fixed price however much it is used. What its answers would cost by the list is noted beside it.
	Flat bool
	// Monthly is that price; 0: it is not said.
	Monthly NanoUSD
	// OwnPrices: some prices are this account's alone.
	OwnPrices bool

	Enabled  bool // spec and provisioning: false once it is gone from the file
	Paused   bool // state: an operator took it out of scheduling for now
	Draining bool // state: it serves the sessions that are bound to it, and no others
	// LastUsed is when it was last asked, as far as the store knows; zero: never.
	LastUsed time.Time
}

// Pool is a named set of accounts with a policy.
type Pool struct {
	ID      PoolID
	Name    string
	Origin  Origin
	Require Labels // every account used for this pool must carry these
	Enabled bool

	Spending Spending // of all that goes through it; a pool is never prepaid
}

// ModelMap maps the model that is asked for to the one that is sent upstream.
// A pattern holds at most one '*'; the same '*' on the right side stands for
// what it matched. An empty map serves every model under its own name.
type ModelMap map[string]string

// Resolve says what to send for the asked model. An exact entry beats any
// pattern, and the pattern with the longest part before its '*' beats the others
// (among equals, the longest part after it).
func (m ModelMap) Resolve(asked string) (sent string, ok bool) {
	if len(m) == 0 {
		return asked, true
	}
	if sent, ok := m[asked]; ok && !strings.Contains(asked, "*") {
		return sent, true
	}
	bestPrefix, bestSuffix := -1, -1
	for pattern, target := range m {
		prefix, suffix, wild := strings.Cut(pattern, "*")
		if !wild || len(asked) < len(prefix)+len(suffix) ||
			!strings.HasPrefix(asked, prefix) || !strings.HasSuffix(asked, suffix) {
			continue
		}
		if len(prefix) < bestPrefix || len(prefix) == bestPrefix && len(suffix) <= bestSuffix {
			continue
		}
		bestPrefix, bestSuffix = len(prefix), len(suffix)
		sent, ok = strings.Replace(target, "*", asked[len(prefix):len(asked)-len(suffix)], 1), true
	}
	return sent, ok
}

// Exact lists the names in the map that hold no '*', in no particular order.
func (m ModelMap) Exact() []string {
	var out []string
	for k := range m {
		if !strings.Contains(k, "*") {
			out = append(out, k)
		}
	}
	return out
}

// MatchModel reports whether a name matches a pattern with at most one '*'.
func MatchModel(pattern, name string) bool {
	prefix, suffix, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == name
	}
	return len(name) >= len(prefix)+len(suffix) &&
		strings.HasPrefix(name, prefix) && strings.HasSuffix(name, suffix)
}
