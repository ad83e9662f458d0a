package drill

import (
	"turnout/internal/domain"
)

// Mode is how a caller asks, and what the accounts speak.
type Mode struct {
	Dialect domain.Dialect
	Stream  bool
	// Accounts is the dialect of the accounts; none: the caller's own.
	Accounts domain.Dialect
}

// Dialects lists what callers and accounts speak, in the order of the scorecard's columns.
func Dialects() []domain.Dialect {
	return []domain.Dialect{domain.DialectAnthropic, domain.DialectOpenAIChat, domain.DialectOpenAIResp, domain.DialectGeminiContent}
}

// Modes lists the modes whose accounts speak the caller's dialect.
func Modes() (out []Mode) {
	for _, d := range Dialects() {
		out = append(out, Pair(d, d)...)
	}
	return out
}

// Translated lists the modes whose accounts speak a dialect that is not the caller's.
func Translated(accounts domain.Dialect) (out []Mode) {
	for _, d := range Dialects() {
		if d != accounts {
			out = append(out, Pair(d, accounts)...)
		}
	}
	return out
}

// Pair lists the modes of callers and accounts; none if there are no such accounts.
func Pair(callers, accounts domain.Dialect) []Mode {
	if NoPair(callers, accounts) != "" {
		return nil
	}
	if accounts == callers {
		accounts = domain.DialectNone
	}
	return []Mode{{callers, true, accounts}, {callers, false, accounts}}
}

// NoPair says why a pair of dialects does not come about; "" if it does.
func NoPair(callers, accounts domain.Dialect) string {
	if callers == domain.DialectOpenAIChat && accounts == domain.DialectOpenAIResp {
		return "who serves Responses serves Chat Completions too, so nothing is translated"
	}
	return ""
}

// Title is a dialect's name for people.
func Title(d domain.Dialect) string { return protocols[d].title }

// String is the mode's name in the scorecard.
func (m Mode) String() string {
	s := m.Dialect.String() + "/json"
	if m.Stream {
		s = m.Dialect.String() + "/stream"
	}
	if m.translated() {
		s += "@" + m.Accounts.String()
	}
	return s
}

// spoken is what the accounts speak.
func (m Mode) spoken() domain.Dialect {
	if m.Accounts == domain.DialectNone {
		return m.Dialect
	}
	return m.Accounts
}

// translated: the accounts speak another dialect than the caller.
func (m Mode) translated() bool { return m.spoken() != m.Dialect }

// caller is what callers speak, provider what the accounts do.
func (m Mode) caller() *protocol   { return protocols[m.Dialect] }
func (m Mode) provider() *protocol { return protocols[m.spoken()] }

// accounts is what an account speaks, which may be another dialect than the mode's, and of
// what platform it is.
func (m Mode) accounts(another domain.Dialect) (p *protocol, platform string) {
	d := m.spoken()
	if another != domain.DialectNone {
		d = another
	}
	p = protocols[d]
	if d != m.Dialect && p.alone != "" {
		return p, p.alone
	}
	return p, p.platform
}

// showsThoughts: thoughts come as they are thought, if any were asked for.
func (m Mode) showsThoughts() bool {
	p := m.provider()
	return p.thinks || p.thinksIfAsked && m.caller().asksFor
}

// compatible: the accounts are of no official provider.
func (m Mode) compatible() bool { return m.translated() && m.provider().alone != "" }

// only is a scenario's Modes for some of them, with the reason why the others have none.
func only(reason string, fits func(Mode) bool) func(Mode) string {
	return func(m Mode) string {
		if fits(m) {
			return ""
		}
		return reason
	}
}

func streaming(m Mode) bool { return m.Stream }
