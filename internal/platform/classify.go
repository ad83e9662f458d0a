package platform

import (
	"net/http"
	"strings"
	"time"

	"turnout/internal/failover"
)

// Answer is a failed answer as it is classified: a status that is no success, or
// an error inside a success.
type Answer struct {
	Status int         // the HTTP status; 2xx for an error inside a success
	Header http.Header // of the answer; may be nil. Not modified
	Body   []byte      // the body, or the event's data; cut to MaxBody. Not kept
	Now    time.Time   // stated resets that are points in time are measured from here
}

// MaxBody is how much of a failed answer's body is read and looked at, in bytes.
const MaxBody = 64 << 10

// Verdict is what a failure means.
type Verdict struct {
	Class failover.Class
	Scope failover.Scope
	Row   string // the row that decided, for traces

	// Reset is how long until the stated reset, more than zero and at most 32 days.
	// Meaningful only if Stated.
	Reset  time.Duration
	Stated bool

	// RetrySame: the upstream itself says that the same account may be asked again
	// (classic's flag): the row's, unless the answer carries x-should-retry.
	RetrySame bool

	Type, Code string // the upstream's own, for people and metrics; at most maxName bytes each, valid UTF-8
	Message    string // the upstream's own text, at most maxMessage bytes, valid UTF-8; may name accounts: redact before showing it
}

// Row is one line of the table: if everything that it names matches, it decides. An
// empty field matches anything. Words are written in lower case and compared
// without regard to case.
//
// A caller can make an upstream repeat words of its request inside an error
// message. So a row that blames an account, or anybody else who serves other callers
// too, must not look for words in the middle of a message that a caller may have
// provoked: it goes by the message's beginning (Prefix, Whole) or by the names that
// are the upstream's own (Names, Types, Quota, Header).
type Row struct {
	ID    string
	Where Where

	// Status is any of these ranges. An error inside a success has the status that its
	// body states or implies.
	Status []Range
	Types  []string // error.type (or Google's error.status) is any of these
	Names  []string // any name that the upstream uses is any of these: type, status, code, or a detail's reason
	Whole  []string // the message is any of these
	Prefix []string // the message begins with any of these
	Text   []string // the message contains any of these
	Quota  []string // all of these are in the name of one violated quota (google.rpc.QuotaFailure)
	Header string   // "name: value": the header is there with that value; a * at the end stands for anything
	HTML   bool     // the body is a web page
	Empty  bool     // there is no body
	InBand bool     // only inside a success

	Class     failover.Class
	Scope     failover.Scope
	RetrySame bool
	Evidence  string // where the fact comes from

	headerName, headerValue string // of Header, by compile
}

// Range is a range of statuses, both ends included.
type Range struct{ From, To int }

// Where is a set of platforms.
type Where uint8

// The platforms that rows are told apart by.
const (
	AtAnthropic  Where = 1 << iota // api.anthropic.com
	AtOpenAI                       // api.openai.com
	AtCompatible                   // anything else that speaks one of the two protocols
	AtGemini                       // generativelanguage.googleapis.com
	Everywhere   = AtAnthropic | AtOpenAI | AtCompatible | AtGemini
)

// failing is an answer as the rows look at it.
type failing struct {
	fields
	status int // the answer's, or what an error inside a success states or implies
	inBand bool
	header http.Header
}

func (r *Row) matches(a *failing) bool {
	if r.InBand && !a.inBand || r.HTML && !a.html || r.Empty && !a.empty {
		return false
	}
	if r.Status != nil && !within(r.Status, a.status) {
		return false
	}
	if r.Types != nil && !contains(r.Types, a.lowerType) {
		return false
	}
	if r.Names != nil && !a.named(r.Names) {
		return false
	}
	if r.Whole != nil && !contains(r.Whole, a.lower) {
		return false
	}
	if r.Prefix != nil && !anyOf(r.Prefix, a.lower, strings.HasPrefix) {
		return false
	}
	if r.Text != nil && !anyOf(r.Text, a.lower, strings.Contains) {
		return false
	}
	if r.Quota != nil && !a.violates(r.Quota) {
		return false
	}
	return r.headerName == "" || headerIs(get(a.header, r.headerName), r.headerValue)
}

func within(ranges []Range, status int) bool {
	for _, r := range ranges {
		if status >= r.From && status <= r.To {
			return true
		}
	}
	return false
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func anyOf(list []string, s string, is func(s, x string) bool) bool {
	for _, x := range list {
		if is(s, x) {
			return true
		}
	}
	return false
}

// compile splits what is asked of a header, once.
func (r *Row) compile() {
	name, value, _ := strings.Cut(r.Header, ": ")
	r.headerName, r.headerValue = http.CanonicalHeaderKey(name), value
}

func headerIs(have, want string) bool {
	if have = strings.TrimSpace(have); have == "" {
		return false
	}
	if stem, open := strings.CutSuffix(want, "*"); open {
		return len(have) >= len(stem) && strings.EqualFold(have[:len(stem)], stem)
	}
	return strings.EqualFold(have, want)
}

// fallback is the verdict on what no row knows.
var fallback = Row{
	ID: "unrecognised", Class: failover.Unknown, Scope: failover.ScopeAccount,
	Evidence: "no row matches",
}

// Classify says what a failed answer means. It always has an answer, keeps nothing
// of a, and is safe for concurrent use.
func (p *Platform) Classify(a Answer) Verdict {
	if len(a.Body) > MaxBody {
		a.Body = a.Body[:MaxBody]
	}
	f := failing{fields: readFields(a.Body), status: a.Status, header: a.Header, inBand: a.Status >= 200 && a.Status <= 299}
	if f.inBand {
		f.status = f.impliedStatus(a.Status)
	}
	row := &fallback
	for i := range p.Rows {
		if p.Rows[i].matches(&f) {
			row = &p.Rows[i]
			break
		}
	}
	v := Verdict{
		Class: row.Class, Scope: row.Scope, Row: row.ID, RetrySame: row.RetrySame,
		Type: cut(f.typ, maxName), Code: cut(f.code, maxName), Message: cut(f.message, maxMessage),
	}
	switch get(a.Header, "X-Should-Retry") {
	// Both providers' SDKs obey it in both directions (client packages' sources, read
	// 2026-11). "true" comes with limits too, where another account is the better answer.
	case "false":
		v.RetrySame = false
	case "true":
		v.RetrySame = v.RetrySame || v.Class == failover.Transient || v.Class == failover.Unknown
	}
	v.Reset, v.Stated = statedReset(&a, &f.fields, v.Class, v.Scope)
	return v
}
