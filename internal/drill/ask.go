package drill

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The models and the key of every run.
const (
	// askedModel is what callers ask for; largerModel is F's, where P and F are two models.
	askedModel  = "drill-model"
	largerModel = "drill-larger"
	callerKey   = "tk-drill-0123456789abcdef"
	// commitKey may choose its commit point by header.
	commitKey = "tk-drill-commit-0123456789"
)

// maxTokens is what a request asks for that says nothing else: a small one.
const maxTokens = 1024

// Ask is one request, as a client would send it. The zero value is a small one without
// reasoning.
type Ask struct {
	Effort  string            // "", medium or high
	Hidden  bool              // the thoughts are not to be shown
	Tools   []string          // offered; the answer calls all of them
	Max     int               // max tokens; 0: maxTokens
	Session string            // as Claude Code names sessions; empty: none
	Context string            // a long beginning, to be cached
	Header  map[string]string // further headers
	Key     string            // empty: callerKey
	Same    bool              // the body is the same in every request, as in a client's own retries

	Words  string    // what the user says; empty: something of no matter, or tools' results alone
	Image  string    // a picture before the words, base64; empty: none
	Schema bool      // the answer has to fit a schema
	Before *Exchange // what was said before

	// Patience is how long, in the story, the caller waits for the end; 0: patience.
	Patience time.Duration
	// LeaveAfter is when the caller leaves, in the story, and LeaveAt after how many
	// content events; 0: never.
	LeaveAfter time.Duration
	LeaveAt    int
}

// Exchange is an answer with the request that it is to, and what the tools said that it called: a
// conversation goes on after it.
type Exchange struct {
	Answer  *Answer
	Results []string // one for each tool call of the answer
}

// look is the tool that the answer calls in a scenario that needs one.
const look = "look"

// imageType is the type of every picture.
const imageType = "image/png"

// object is a piece of a request's body.
type object = map[string]any

// toolSchema is what every tool takes, answerSchema what an answer has to fit.
func toolSchema() object {
	return object{"type": "object", "properties": object{"where": object{"type": "string"}}, "required": []string{"where"}}
}

func answerSchema() object {
	return object{
		"type": "object", "properties": object{"track": object{"type": "string"}}, "required": []string{"track"}, "additionalProperties": false,
	}
}

// toolDescription says what a tool is for.
func toolDescription(name string) string { return "Has a " + name + "." }

// mark is what tells the attempts of one request from those of others: it stands in
// what the user says last.
func mark(n int) string { return fmt.Sprintf("(request %d)", n) }

// marked is the n-th request of a run, with the words that are said in it.
func (a *Ask) marked(n int) *Ask {
	out := *a
	results := a.Before != nil && len(a.Before.Results) > 0
	if out.Words == "" && !results {
		out.Words = "Say the text."
		if len(a.Tools) > 0 {
			out.Words = "use tool " + strings.Join(a.Tools, ", use tool ")
		}
	}
	switch {
	case a.Same:
	case out.Words != "":
		out.Words += " " + mark(n)
	default:
		before := *a.Before
		before.Results = slices.Clone(before.Results)
		before.Results[len(before.Results)-1] += " " + mark(n)
		out.Before = &before
	}
	return &out
}

// most is how many tokens the answer may have; one with thoughts needs room for them.
func (a *Ask) most() int {
	switch {
	case a.Max > 0:
		return a.Max
	case a.Effort != "":
		return 4 * maxTokens
	}
	return maxTokens
}

// request builds the HTTP request.
func (a *Ask) request(m Mode, base string) (*http.Request, error) {
	p := m.caller()
	body, err := json.Marshal(p.members(a, m.Stream))
	if err != nil {
		return nil, fmt.Errorf("encode a request of the drill: %w", err)
	}
	req, err := http.NewRequest(http.MethodPost, base+p.path(m.Stream), strings.NewReader(string(body)))
	if err != nil {
		return nil, fmt.Errorf("make a request of the drill: %w", err)
	}
	key := a.Key
	if key == "" {
		key = callerKey
	}
	req.Header.Set("Content-Type", "application/json")
	p.header(req.Header, key, a.Session)
	for k, v := range a.Header {
		req.Header.Set(k, v)
	}
	return req, nil
}
