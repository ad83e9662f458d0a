package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"
	"unicode/utf8"

	"turnout/internal/domain"
)

// The largest file that Read takes, in bytes.
const maxSize = 64 << 20

// Event is what happened in a step.
type Event string

// The events.
const (
	UpstreamError Event = "upstream_error"
	NoAccount     Event = "no_account"
)

// The results of a step.
const (
	Continue  = "continue"
	Exhausted = "exhausted"
	Canceled  = "canceled"
)

// Scenario is one request's life as the failover core sees it.
type Scenario struct {
	Name        string
	MaxSwitches int
	HasBound    bool             // a session was bound when the request began
	Bound       domain.AccountID // the bound account; meaningful only if BoundKnown
	BoundKnown  bool
	Graces      int           // the grace maximum; 0: the profile's own
	GraceDelay  time.Duration // 0: the profile's own
	Steps       []Step
}

// Step is one event and what must come of it.
type Step struct {
	Event     Event
	Account   domain.AccountID // this and the next four: of an UpstreamError
	Platform  string
	Status    int
	RetrySame bool
	CacheLost bool

	Leaves      bool          // the client leaves, LeavesAfter the step began
	LeavesAfter time.Duration // 0: it has already left

	Want Result
}

// Result is what a step led to.
type Result struct {
	Action       string        // Continue, Exhausted or Canceled
	Wait         time.Duration // how long the step waited, cut short where the client left
	Rested       []domain.AccountID
	Failed       []domain.AccountID // after the step, ascending
	Switches     int                // after the step
	CacheBilling bool               // after the step
}

// Read reads a file of scenarios. It is strict: members that are unknown, missing,
// doubled or of a wrong type are errors that name the scenario and the step, and so
// is a file without a scenario, which could not find any fault. Where the file is
// no JSON, or no list, the error names the line and the column (in characters).
func Read(r io.Reader) ([]Scenario, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read the scenarios: %w", err)
	}
	if len(data) > maxSize {
		return nil, fmt.Errorf("the file is larger than %d MiB; split it", maxSize>>20)
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, whereWrong(data, err)
	}
	if len(raw) == 0 {
		return nil, errors.New("the file holds no scenario, so it would check nothing")
	}
	scenarios := make([]Scenario, len(raw))
	for i := range raw {
		if err := scenarios[i].read(raw[i]); err != nil {
			name := scenarios[i].Name
			if name == "" {
				name = "without a name"
			}
			return nil, fmt.Errorf("scenario %d (%s): %w", i+1, name, err)
		}
	}
	return scenarios, nil
}

// whereWrong puts the line and the column before an error of the JSON library, which
// counts the bytes that it has read, with the offending one. A file that ends too soon
// is wrong at its last byte.
func whereWrong(data []byte, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	var offset int64
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind):
		// Only the whole can be of a wrong kind here: its parts are read later.
		offset, err = int64(len(data)-len(bytes.TrimLeft(data, " \t\r\n"))+1), fmt.Errorf("this is another kind of value (%s)", kind.Value)
	}
	before := data[:max(0, min(int(offset)-1, len(data)))]
	line := 1 + bytes.Count(before, []byte{'\n'})
	column := 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	return fmt.Errorf("line %d, column %d: the file must be one JSON array of scenarios: %w", line, column, err)
}

func (s *Scenario) read(raw json.RawMessage) error {
	m, err := open(raw)
	if err != nil {
		return err
	}
	var steps []json.RawMessage
	required(m, "name", &s.Name)
	s.MaxSwitches = m.count("max_switches", true)
	required(m, "has_bound_session", &s.HasBound)
	s.BoundKnown = optional(m, "sticky_account", &s.Bound)
	s.Graces = m.count("sticky_grace_retries", false)
	s.GraceDelay = m.millis("sticky_grace_delay_ms", false)
	required(m, "steps", &steps)
	if err := m.close(); err != nil {
		return err
	}
	if len(steps) == 0 {
		return errors.New("it has no step, so it would check nothing")
	}
	s.Steps = make([]Step, len(steps))
	for i := range steps {
		if err := s.Steps[i].read(steps[i]); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return nil
}

func (s *Step) read(raw json.RawMessage) error {
	m, err := open(raw)
	if err != nil {
		return err
	}
	var want json.RawMessage
	required(m, "event", &s.Event)
	switch s.Event {
	case UpstreamError:
		required(m, "account", &s.Account)
		required(m, "platform", &s.Platform)
		required(m, "status", &s.Status)
		optional(m, "retryable_on_same_account", &s.RetrySame)
		optional(m, "force_cache_billing", &s.CacheLost)
	case NoAccount:
	default:
		return fmt.Errorf("event is %q; allowed: %q or %q", s.Event, UpstreamError, NoAccount)
	}
	_, s.Leaves = m.values["cancel_after_ms"]
	s.LeavesAfter = m.millis("cancel_after_ms", false)
	required(m, "want", &want)
	if err := m.close(); err != nil {
		return err
	}
	if err := s.Want.read(want); err != nil {
		return fmt.Errorf("want: %w", err)
	}
	return nil
}

func (r *Result) read(raw json.RawMessage) error {
	m, err := open(raw)
	if err != nil {
		return err
	}
	required(m, "action", &r.Action)
	r.Wait = m.millis("wait_ms", true)
	required(m, "temp_unschedule", &r.Rested)
	required(m, "failed_accounts", &r.Failed)
	r.Switches = m.count("switch_count", true)
	required(m, "force_cache_billing", &r.CacheBilling)
	if err := m.close(); err != nil {
		return err
	}
	if r.Action != Continue && r.Action != Exhausted && r.Action != Canceled {
		return fmt.Errorf("action is %q; allowed: %q, %q or %q", r.Action, Continue, Exhausted, Canceled)
	}
	if !slices.IsSorted(r.Failed) {
		return errors.New("failed_accounts must be ascending")
	}
	slices.Sort(r.Rested) // their order says nothing
	return nil
}

// members are those of one JSON object, each read at most once. The first error
// stays; close reports it, or what nobody read.
type members struct {
	values map[string]json.RawMessage
	order  []string
	err    error
}

// open splits an object. The standard decoder would take a doubled member, and one
// whose name differs in case.
func open(raw json.RawMessage) (*members, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("it must be a JSON object")
	}
	m := &members{values: map[string]json.RawMessage{}}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, _ := t.(string) // a member's name is always a string
		if _, ok := m.values[name]; ok {
			return nil, fmt.Errorf("%q appears twice", name)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
		m.values[name] = value
		m.order = append(m.order, name)
	}
	return m, nil
}

func (m *members) fail(name string, err error) {
	if m.err == nil {
		m.err = fmt.Errorf("%q: %w", name, err)
	}
}

func (m *members) close() error {
	if m.err != nil {
		return m.err
	}
	for _, name := range m.order {
		if _, left := m.values[name]; left {
			return fmt.Errorf("%q is not known here", name)
		}
	}
	return nil
}

// optional reads a member if it is there; null is not a value.
func optional[T any](m *members, name string, to *T) bool {
	raw, ok := m.values[name]
	if !ok {
		return false
	}
	delete(m.values, name)
	if string(raw) == "null" {
		m.fail(name, errors.New("it must not be null"))
	} else if err := json.Unmarshal(raw, to); err != nil {
		m.fail(name, err)
	}
	return true
}

func required[T any](m *members, name string, to *T) {
	if !optional(m, name, to) {
		m.fail(name, errors.New("it is missing"))
	}
}

func (m *members) count(name string, need bool) int {
	n := 0
	if !optional(m, name, &n) && need {
		m.fail(name, errors.New("it is missing"))
	}
	if n < 0 {
		m.fail(name, errors.New("it must not be negative"))
	}
	return n
}

func (m *members) millis(name string, need bool) time.Duration {
	var n int64
	if !optional(m, name, &n) && need {
		m.fail(name, errors.New("it is missing"))
	}
	if n < 0 || n > math.MaxInt64/int64(time.Millisecond) {
		m.fail(name, errors.New("it must be between 0 and what a duration can hold"))
		return 0
	}
	return time.Duration(n) * time.Millisecond
}
