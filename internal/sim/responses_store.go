package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxStored bounds the stored responses; beyond it the oldest are forgotten.
const maxStored = 1_000

// storedResponse is what the provider keeps of a response.
type storedResponse struct {
	organization string
	reply        responsesReply
	answer       *answer
	items        []json.RawMessage // of the input
	prompt       []byte            // what a next response goes on from
	open         map[string]string // calls that wait for their output
	ready        time.Time         // of one in the background: when it is whole
	cancelled    bool
}

// responseStore keeps responses. Its zero value is ready for use.
type responseStore struct {
	mu    sync.Mutex
	byID  map[string]*storedResponse
	order []string
	items map[string]string // ids of output items, with their organisation
}

func (s *responseStore) put(id string, r *storedResponse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil || len(s.items) > 100*maxStored {
		s.byID, s.items, s.order = map[string]*storedResponse{}, map[string]string{}, nil
	}
	if len(s.order) >= maxStored {
		delete(s.byID, s.order[0])
		s.order = s.order[1:]
	}
	s.byID[id] = r
	s.order = append(s.order, id)
	for _, item := range r.reply.Output {
		var named struct{ ID string }
		if json.Unmarshal(encode(item), &named) == nil {
			s.items[named.ID] = r.organization
		}
	}
}

// find gives a response of an organisation; those of others are not there.
func (s *responseStore) find(id, organization string) *storedResponse {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.byID[id]; r != nil && r.organization == organization {
		return r
	}
	return nil
}

// holds reports whether an output item is stored for the organisation.
func (s *responseStore) holds(item, organization string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	org, ok := s.items[item]
	return ok && org == organization
}

func (s *responseStore) remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, id)
}

// cancel marks a response in the background, unless it is whole.
func (s *responseStore) cancel(r *storedResponse, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.cancelled = r.cancelled || now.Before(r.ready)
}

func (s *responseStore) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byID, s.items, s.order = nil, nil, nil
}

// now is the response as it is at a moment.
func (s *responseStore) now(r *storedResponse, at time.Time) responsesReply {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := r.reply
	switch {
	case r.cancelled:
		out.Status, out.Output, out.Usage, out.CompletedAt = "cancelled", []any{}, nil, nil
	case at.Before(r.ready):
		out.Status, out.Output, out.Usage, out.CompletedAt = "in_progress", []any{}, nil, nil
	}
	return out
}

// routeResponses answers what is left after every fault that is an error answer.
func (x *exchange) routeResponses() {
	rest := strings.TrimPrefix(strings.TrimPrefix(x.r.URL.Path, "/v1/responses"), "/")
	id, tail, _ := strings.Cut(rest, "/")
	want := http.MethodPost
	var serve func()
	switch {
	case rest == "":
		serve = x.respond
	case rest == "compact":
		serve = x.compact
	case rest == "input_tokens":
		serve = x.countResponses
	case tail == "" && x.r.Method == http.MethodDelete:
		want, serve = http.MethodDelete, func() { x.deleteResponse(id) }
	case tail == "":
		want, serve = http.MethodGet, func() { x.getResponse(id) }
	case tail == "cancel":
		serve = func() { x.cancelResponse(id) }
	case tail == "input_items":
		want, serve = http.MethodGet, func() { x.inputItems(id) }
	default:
		x.fail(x.noSuchPath())
		return
	}
	if x.r.Method != want {
		x.w.Header().Set("Allow", want)
		x.fail(statusFailure(x.format, http.StatusMethodNotAllowed, x.who()))
		return
	}
	serve()
}

// respond makes a response.
func (x *exchange) respond() {
	q, f := parseResponses(x.p, x.organization, x.body)
	if f == nil && x.b.NoPrefill && q.prefill {
		f = x.prefillFailure()
	}
	if f != nil {
		x.fail(f)
		return
	}
	now := time.Now()
	a := newAnswer(q, x.b, x.fault)
	a.name, a.seq, a.made, a.organization = x.p.o.Name, x.id, now.Unix(), x.organization
	a.cache.read = x.p.cache.automatic(x.organization, q.model, q.prompt, now)
	setOpenAILimits(x.w.Header(), 0, false)
	x.said = a
	r := a.responsesDone()
	if q.responses.store {
		x.p.stored.put(r.ID, x.keep(a, r, now))
	}
	switch {
	case q.stream:
		x.playStream(a.responsesStream())
	case q.responses.background:
		queued := a.responsesReply()
		queued.Status = "queued"
		x.playJSON(encode(queued), 0)
	default:
		x.playJSON(encode(r), a.took())
	}
}

// keep is what is stored of an answer.
func (x *exchange) keep(a *answer, r responsesReply, now time.Time) *storedResponse {
	s := &storedResponse{organization: x.organization, reply: r, answer: a, prompt: a.ask.prompt, open: map[string]string{}}
	for i, raw := range a.ask.responses.items {
		var item map[string]json.RawMessage
		if json.Unmarshal(raw, &item) != nil {
			continue
		}
		if item["id"] == nil {
			item["id"] = encode(fmt.Sprintf("%s%02d", a.id("msg_in"), i))
		}
		s.items = append(s.items, encode(item))
	}
	s.prompt = append(s.prompt[:len(s.prompt):len(s.prompt)], encode(r.Output)...)
	for i, c := range a.calls {
		typ := "function_call"
		if a.ask.responses.tools[c.name].custom {
			typ = "custom_tool_call"
		}
		s.open[a.toolCallID(i)] = typ
	}
	if a.ask.responses.background {
		s.ready = now.Add(time.Duration(float64(a.took()) / x.p.o.Speed))
	}
	return s
}

func (x *exchange) stored(id string) *storedResponse {
	s := x.p.stored.find(id, x.organization)
	if s == nil {
		x.fail(notFound("Response with id '%s' not found.", id))
	}
	return s
}

// getResponse gives a stored response, with stream=true as the events that it was made in.
func (x *exchange) getResponse(id string) {
	s := x.stored(id)
	if s == nil {
		return
	}
	query := x.r.URL.Query()
	if query.Get("stream") != "true" {
		x.set(OK)
		x.whole(http.StatusOK, "application/json", encode(x.p.stored.now(s, time.Now())))
		return
	}
	events := s.answer.responsesStream()
	if after, err := strconv.Atoi(query.Get("starting_after")); err == nil {
		seq := 0
		for len(events) > 0 && seq <= after {
			if events[0].data != nil {
				seq++
			}
			events = events[1:]
		}
	}
	x.playStream(events)
}

func (x *exchange) deleteResponse(id string) {
	if x.stored(id) == nil {
		return
	}
	x.p.stored.remove(id)
	x.set(OK)
	x.whole(http.StatusOK, "application/json", fmt.Appendf(nil, `{"id":%s,"object":"response","deleted":true}`, encode(id)))
}

func (x *exchange) cancelResponse(id string) {
	s := x.stored(id)
	if s == nil {
		return
	}
	if !s.reply.Background {
		x.fail(invalidChat("", "", "Cannot cancel a synchronous response."))
		return
	}
	now := time.Now()
	x.p.stored.cancel(s, now)
	x.set(OK)
	x.whole(http.StatusOK, "application/json", encode(x.p.stored.now(s, now)))
}

func (x *exchange) inputItems(id string) {
	s := x.stored(id)
	if s == nil {
		return
	}
	list := struct {
		Object  string            `json:"object"`
		Data    []json.RawMessage `json:"data"`
		FirstID *string           `json:"first_id"`
		LastID  *string           `json:"last_id"`
		HasMore bool              `json:"has_more"`
	}{Object: "list", Data: []json.RawMessage{}}
	for i := len(s.items) - 1; i >= 0; i-- { // newest first
		list.Data = append(list.Data, s.items[i])
		var named struct{ ID string }
		if json.Unmarshal(s.items[i], &named) != nil {
			continue
		}
		if list.FirstID == nil {
			list.FirstID = &named.ID
		}
		list.LastID = &named.ID
	}
	x.set(OK)
	x.whole(http.StatusOK, "application/json", encode(list))
}

func (x *exchange) countResponses() {
	q, f := parseResponses(x.p, x.organization, x.body)
	if f != nil {
		x.fail(f)
		return
	}
	x.set(OK)
	x.whole(http.StatusOK, "application/json", fmt.Appendf(nil, `{"object":"response.input_tokens","input_tokens":%d}`, q.promptTokens))
}

// compact makes one item of a conversation: the user's messages stay, the rest becomes what only
// the provider can read.
func (x *exchange) compact() {
	q, f := parseResponses(x.p, x.organization, x.body)
	if f != nil {
		x.fail(f)
		return
	}
	now := time.Now()
	a := &answer{ask: q, b: x.b, name: x.p.o.Name, seq: x.id, made: now.Unix(), organization: x.organization, text: pieces(1)}
	a.cache.read = x.p.cache.automatic(x.organization, q.model, q.prompt, now)
	setOpenAILimits(x.w.Header(), 0, false)
	output := []any{}
	for _, raw := range q.responses.items {
		var it responsesItem
		if json.Unmarshal(raw, &it) == nil && it.Role == "user" {
			output = append(output, raw)
		}
	}
	id := a.itemID("cmp_", 0)
	output = append(output, map[string]string{"id": id, "type": "compaction", "encrypted_content": sealThought(x.organization, id)})
	x.playJSON(encode(struct {
		ID        string          `json:"id"`
		Object    string          `json:"object"`
		CreatedAt int64           `json:"created_at"`
		Output    []any           `json:"output"`
		Usage     *responsesUsage `json:"usage"`
	}{a.id("resp_"), "response.compaction", a.made, output, a.responsesUsage()}), a.took())
}
