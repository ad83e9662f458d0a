package drill

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Milliseconds is a duration that JSON shows in whole milliseconds.
type Milliseconds time.Duration

// MarshalJSON implements json.Marshaler.
func (m Milliseconds) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Duration(m).Milliseconds())
}

// Scorecard is the outcome of a drill. The names of its JSON stay.
type Scorecard struct {
	Clock  string       `json:"clock"`
	Took   Milliseconds `json:"took_ms"`
	Modes  []Mode       `json:"modes"`
	Counts Counts       `json:"counts"`
	Rows   []*Row       `json:"rows"`
}

// Counts are of results: one scenario in one mode each.
type Counts struct {
	Pass          int `json:"pass"`
	Partial       int `json:"partial"`
	Safe          int `json:"safe"`
	Fail          int `json:"fail"`
	NotApplicable int `json:"not_applicable"`
}

// MarshalText implements encoding.TextMarshaler.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// Row is one scenario of a scorecard.
type Row struct {
	Group   Group     `json:"group"`
	Number  int       `json:"number,omitempty"`
	Name    string    `json:"name"`
	Does    string    `json:"does"`
	Must    string    `json:"must"`
	Results []*Result `json:"results"` // in the order of the scorecard's modes
}

// Result is one scenario in one mode. Durations are by the clock, and Scale is what the
// story's were divided by.
type Result struct {
	Mode          Mode          `json:"mode"`
	NotApplicable string        `json:"not_applicable,omitempty"` // why it did not run
	Verdict       Verdict       `json:"verdict"`
	Reasons       []string      `json:"reasons,omitempty"` // of a verdict that is no pass
	Scale         float64       `json:"scale"`
	Took          Milliseconds  `json:"took_ms"`
	Requests      int           `json:"requests"`
	Upstream      int           `json:"upstream_attempts"`
	Answers       []AnswerSeen  `json:"answers,omitempty"`  // of very many the first
	Attempts      []AttemptSeen `json:"attempts,omitempty"` // the same
	Records       []RecordSeen  `json:"records,omitempty"`  // the same
}

// AnswerSeen is what a caller got.
type AnswerSeen struct {
	Request  int          `json:"request"`
	At       Milliseconds `json:"at_ms"` // since the run began
	Kind     Kind         `json:"kind"`
	Status   int          `json:"status"`
	Header   Milliseconds `json:"header_ms"`
	First    Milliseconds `json:"first_content_ms"`
	Took     Milliseconds `json:"took_ms"`
	Longest  Milliseconds `json:"longest_silence_ms"`
	Text     int          `json:"text_bytes"`
	Model    string       `json:"model,omitempty"`
	Error    string       `json:"error,omitempty"`
	InBand   bool         `json:"in_band,omitempty"` // the error was an event of a stream
	Retry    string       `json:"retry_after,omitempty"`
	Should   string       `json:"x_should_retry,omitempty"`
	Disorder []string     `json:"disorder,omitempty"`
	Broken   string       `json:"broken,omitempty"`
	ID       string       `json:"request_id,omitempty"`
}

// AttemptSeen is what the provider saw of one attempt.
type AttemptSeen struct {
	Account string       `json:"account"`
	Request int          `json:"request,omitempty"`
	At      Milliseconds `json:"at_ms"` // since its request was sent; where that is not known, since the run began
	Took    Milliseconds `json:"took_ms"`
	Status  int          `json:"status"`
	Fault   string       `json:"fault"`
	Outcome string       `json:"outcome"`
}

// RecordSeen is what the gateway wrote down about a request.
type RecordSeen struct {
	ID       string          `json:"request_id"`
	Outcome  string          `json:"outcome"`
	Class    string          `json:"class,omitempty"`
	Status   int             `json:"status"`
	Account  string          `json:"account,omitempty"`
	Attempts int             `json:"attempts"`
	Trace    json.RawMessage `json:"trace,omitempty"`
}

// The most that a result lists: five hundred requests say no more than fifty.
const (
	mostListed = 50
	mostTraces = 10
)

func newRow(s *Scenario, modes []Mode) *Row {
	row := &Row{Group: s.Group, Number: s.Number, Name: s.Name, Does: s.Does, Must: s.Must}
	for _, m := range modes {
		r := &Result{Mode: m}
		if s.Modes != nil {
			r.NotApplicable = s.Modes(m)
		}
		row.Results = append(row.Results, r)
	}
	return row
}

// fill takes over what happened.
func (r *Result) fill(run *Run, j *Judgement) {
	r.Verdict, r.Reasons = j.Verdict, j.Reasons
	r.Scale, r.Took = run.Pace.Scale, Milliseconds(run.Took)
	r.Requests, r.Upstream = len(run.Answers), len(run.Attempts)
	sent := map[int]time.Duration{}
	for i, a := range run.Answers {
		sent[a.Request] = a.At
		if i < mostListed {
			r.Answers = append(r.Answers, a.seen())
		}
	}
	for i := range run.Attempts[:min(len(run.Attempts), mostListed)] {
		a := &run.Attempts[i]
		r.Attempts = append(r.Attempts, AttemptSeen{
			a.Account, a.Request, Milliseconds(a.At - sent[a.Request]), Milliseconds(a.Took), a.Status, a.Fault, a.Outcome,
		})
	}
	for i, rec := range run.Records {
		if i == mostListed {
			break
		}
		seen := RecordSeen{ID: rec.RequestID, Outcome: rec.Outcome, Class: rec.Class, Status: rec.Status, Account: rec.Account, Attempts: rec.Attempts}
		if i < mostTraces {
			seen.Trace = rec.Trace
		}
		r.Records = append(r.Records, seen)
	}
}

func (a *Answer) seen() AnswerSeen {
	return AnswerSeen{
		Request: a.Request, At: Milliseconds(a.At), Kind: a.Kind, Status: a.Status, Header: Milliseconds(a.Header), First: Milliseconds(a.First),
		Took: Milliseconds(a.Took), Longest: Milliseconds(a.Longest), Text: len(a.Text), Model: a.Model, Error: a.Error, InBand: a.InBand, Retry: a.RetryAfter,
		Should: a.ShouldRetry, Disorder: a.Disorder, Broken: a.Broken, ID: a.RequestID,
	}
}

// count sums up the results.
func (c *Scorecard) count() {
	c.Counts = Counts{}
	for _, row := range c.Rows {
		for _, r := range row.Results {
			switch {
			case r.NotApplicable != "":
				c.Counts.NotApplicable++
			case r.Verdict == Pass:
				c.Counts.Pass++
			case r.Verdict == Partial:
				c.Counts.Partial++
			case r.Verdict == Safe:
				c.Counts.Safe++
			default:
				c.Counts.Fail++
			}
		}
	}
}

// Passed reports whether every scenario passed in every mode.
func (c *Scorecard) Passed() bool {
	return c.Counts.Partial+c.Counts.Safe+c.Counts.Fail == 0 && c.Counts.Pass > 0
}

// Timeline lists what the provider saw, for people: "p 0s 503; p 0.31s 503; f 0.33s ok".
func (r *Result) Timeline(most int) string {
	var parts []string
	for i, a := range r.Attempts {
		if i == most {
			break
		}
		part := fmt.Sprintf("%s at %s", a.Account, short(time.Duration(a.At)))
		if a.Fault != "none" && a.Fault != "status" {
			part += " " + a.Fault
		} else if a.Status >= 400 {
			part += fmt.Sprintf(" %d", a.Status)
		}
		if a.Outcome == "ok" || a.Outcome == "aborted" {
			part += " " + a.Outcome
		}
		if r.Requests > 1 && a.Request > 0 {
			part = fmt.Sprintf("#%d %s", a.Request, part)
		}
		parts = append(parts, part)
	}
	if more := r.Upstream - len(parts); more > 0 {
		parts = append(parts, fmt.Sprintf("%d more", more))
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, " · ")
}
