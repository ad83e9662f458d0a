package platform

import (
	"net/http"
	"strings"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/failover"
)

// Answer is a failed answer as it is classified: a status that is no success, or
// an error inside a success.
type Answer struct {
	Status int         // the HTTP status; 200 for an error inside a stream
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

	// Reset is how long until the stated reset. Meaningful only if Stated.
	Reset  time.Duration
	Stated bool

	// RetrySame: the upstream itself says that the same account may be asked again (classic's flag).
	RetrySame bool

	Type, Code string // the upstream's own, for people and metrics
	Message    string // the upstream's own text, at most maxMessage bytes; may name accounts: redact before showing it
}

// Row is one line of the table: if everything it names matches, it decides. An empty
// field matches anything.
type Row struct {
	ID     string
	Status []int    // any of these; nil: any
	Types  []string // error.type (or error.status), any of these
	Codes  []string // error.code, any of these
	Text   []string // lower-case fragments of the message, any of these
	Header string   // "name: value", lower case: the header is there with that value
	InBand bool     // only inside a success

	Class     failover.Class
	Scope     failover.Scope
	RetrySame bool
	Evidence  string // where the fact comes from
}

func (r *Row) matches(a *Answer, f *fields) bool {
	if r.InBand && a.Status >= 300 {
		return false
	}
	if r.Status != nil && !contains(r.Status, a.Status) {
		return false
	}
	if r.Types != nil && !contains(r.Types, f.typ) {
		return false
	}
	if r.Codes != nil && !contains(r.Codes, f.code) {
		return false
	}
	if r.Header != "" {
		name, value, _ := strings.Cut(r.Header, ": ")
		if !strings.EqualFold(a.Header.Get(name), value) {
			return false
		}
	}
	if r.Text != nil {
		for _, t := range r.Text {
			if strings.Contains(f.lower, t) {
				return true
			}
		}
		return false
	}
	return true
}

func contains[T comparable](list []T, v T) bool {
	for _, x := range list {
		if x == v {
			return true
		}
	}
	return false
}

// maxMessage bounds the text that is kept of an upstream's error.
const maxMessage = 500

// fields are what the rows look at.
type fields struct{ typ, code, message, lower string }

func readFields(body []byte) fields {
	var f fields
	e := dialect.Member(body, "error")
	switch {
	case len(e) > 0 && e[0] == '{':
		f.typ, _ = dialect.Unquote(dialect.Member(e, "type"))
		if f.typ == "" {
			f.typ, _ = dialect.Unquote(dialect.Member(e, "status"))
		}
		code := dialect.Member(e, "code")
		var ok bool
		if f.code, ok = dialect.Unquote(code); !ok && !dialect.IsNull(code) {
			f.code = string(code)
		}
		f.message, _ = dialect.Unquote(dialect.Member(e, "message"))
	case len(e) > 0 && e[0] == '"':
		f.message, _ = dialect.Unquote(e)
	default:
		for _, name := range []string{"message", "detail"} {
			if f.message, _ = dialect.Unquote(dialect.Member(body, name)); f.message != "" {
				break
			}
		}
		if f.message == "" {
			f.message = string(body[:min(len(body), maxMessage)])
		}
	}
	f.lower = strings.ToLower(f.message)
	if len(f.message) > maxMessage {
		f.message = strings.ToValidUTF8(f.message[:maxMessage], "")
	}
	return f
}

// Classify says what a failed answer means. It always has an answer.
func (p *Platform) Classify(a Answer) Verdict {
	f := readFields(a.Body)
	v := Verdict{Type: f.typ, Code: f.code, Message: f.message}
	row := &fallback
	for i := range p.Rows {
		if p.Rows[i].matches(&a, &f) {
			row = &p.Rows[i]
			break
		}
	}
	v.Class, v.Scope, v.Row, v.RetrySame = row.Class, row.Scope, row.ID, row.RetrySame
	v.Reset, v.Stated = statedReset(a, v.Class)
	return v
}

var fallback = Row{ID: "unrecognised", Class: failover.Unknown, Scope: failover.ScopeAccount}
