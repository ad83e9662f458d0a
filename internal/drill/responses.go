package drill

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
)

// responsesStream reads a stream of OpenAI Responses: numbered events, the response's beginning, items
// one after the other, each with its pieces and then whole, and the response's end, which has all
// items and the usage.
//
// An error is an event of its own, a failed response, or both in this order, as the API has it.
type responsesStream struct {
	a       *Answer
	number  int    // of the next event
	id      string // of the response
	item    *responsesItem
	index   int               // of the next item
	pieces  map[string]string // of the open item: what its deltas add up to, by the kind of piece and its number
	said    map[string]bool   // which of them were said whole
	items   []json.RawMessage // that were said whole
	stopped bool              // a terminal event was seen
	failed  bool
}

type responsesEvent struct {
	Type     string          `json:"type"`
	Number   *int            `json:"sequence_number"`
	Response json.RawMessage `json:"response"`
	Index    *int            `json:"output_index"`
	Item     json.RawMessage `json:"item"`
	ItemID   string          `json:"item_id"`
	Content  int             `json:"content_index"`
	Summary  int             `json:"summary_index"`
	Delta    *string         `json:"delta"`
	Text     *string         `json:"text"`
	Refusal  *string         `json:"refusal"`
	Args     *string         `json:"arguments"`
	Part     *responsesPart  `json:"part"`
	Code     *string         `json:"code"`
	Message  string          `json:"message"`
}

type responsesReply struct {
	ID     string            `json:"id"`
	Object string            `json:"object"`
	Status string            `json:"status"`
	Model  string            `json:"model"`
	Output []json.RawMessage `json:"output"`
	Usage  *struct {
		Input  int `json:"input_tokens"`
		Output int `json:"output_tokens"`
		Total  int `json:"total_tokens"`
		In     struct {
			Cached int `json:"cached_tokens"`
		} `json:"input_tokens_details"`
		Out struct {
			Thought int `json:"reasoning_tokens"`
		} `json:"output_tokens_details"`
	} `json:"usage"`
	Error      *wireError `json:"error"`
	Incomplete *struct {
		Reason string `json:"reason"`
	} `json:"incomplete_details"`
}

type responsesPart struct {
	Type    string `json:"type"`
	Text    string `json:"text"`
	Refusal string `json:"refusal"`
}

type responsesItem struct {
	ID      string          `json:"id"`
	Type    string          `json:"type"`
	Status  string          `json:"status"`
	Role    string          `json:"role"`
	Content []responsesPart `json:"content"`
	Summary []responsesPart `json:"summary"`
	CallID  string          `json:"call_id"`
	Name    string          `json:"name"`
	Args    string          `json:"arguments"`
}

// pieceOf says what kind of piece a delta adds to, and in which type of item that stands.
var pieceOf = map[string]struct{ kind, item string }{
	"response.output_text":             {"text", "message"},
	"response.refusal":                 {"refusal", "message"},
	"response.reasoning_summary_text":  {"summary", "reasoning"},
	"response.reasoning_text":          {"reasoning", "reasoning"},
	"response.function_call_arguments": {"arguments", "function_call"},
}

func (s *responsesStream) event(e sseEvent) (content bool) {
	var v responsesEvent
	if err := json.Unmarshal([]byte(e.data), &v); err != nil {
		s.a.wrong("an event that is not JSON")
		return false
	}
	if v.Type == "keepalive" && e.name == v.Type { // only the API's have numbers
		s.a.Pings++
		if v.Number != nil {
			s.count(&v, e.name)
		}
		return false
	}
	s.count(&v, e.name)
	switch v.Type {
	case "error":
		s.failed = true
		if v.Message == "" {
			s.a.wrong("an error event without an error")
			return false
		}
		code := ""
		if v.Code != nil {
			code = *v.Code
		}
		s.a.Error, s.a.InBand = code+": "+v.Message, true
		return false
	case "response.created", "response.in_progress", "response.queued", "response.completed", "response.incomplete", "response.failed":
		s.response(&v)
		return false
	}
	if s.id == "" {
		s.a.wrong("%s before response.created", v.Type)
		return false
	}
	return s.inside(&v)
}

// count checks an event's name, place and number.
func (s *responsesStream) count(v *responsesEvent, name string) {
	switch {
	case name != v.Type:
		s.a.wrong("an event named %q of the type %q", name, v.Type)
	case s.stopped, s.failed && v.Type != "response.failed":
		s.a.wrong("%s after the end", v.Type)
	case v.Number == nil || *v.Number != s.number:
		s.a.wrong("%s has another number than %d", v.Type, s.number)
	}
	s.number++
}

// response takes the events that are about the whole response.
func (s *responsesStream) response(v *responsesEvent) {
	var r responsesReply
	if json.Unmarshal(v.Response, &r) != nil || r.Object != "response" || r.ID == "" {
		s.a.wrong("%s without a response", v.Type)
		return
	}
	if v.Type == "response.failed" {
		s.fail(&r)
		return
	}
	switch {
	case v.Type == "response.created" && s.id == "":
		s.id = r.ID
	case v.Type == "response.created":
		s.a.wrong("a second response.created")
	case r.ID != s.id:
		s.a.wrong("events of two responses")
	}
	if s.a.Model = r.Model; r.Model == "" {
		s.a.wrong("%s without a model", v.Type)
	}
	if v.Type == "response.created" || v.Type == "response.in_progress" || v.Type == "response.queued" {
		if r.Status != "in_progress" && r.Status != "queued" || len(r.Output) > 0 || s.index > 0 {
			s.a.wrong("%s of a response that is %s", v.Type, r.Status)
		}
		return
	}
	s.stopped = true
	if s.item != nil {
		s.a.wrong("%s inside an item", v.Type)
	}
	if "response."+r.Status != v.Type {
		s.a.wrong("%s of a response that is %s", v.Type, r.Status)
	}
	if len(r.Output) != len(s.items) {
		s.a.wrong("%d items at the end, and %d before", len(r.Output), len(s.items))
		return
	}
	for i := range s.items {
		if !sameJSON(r.Output[i], s.items[i]) {
			s.a.wrong("item %d is another one at the end", i)
		}
	}
	r.end(s.a)
}

func (s *responsesStream) fail(r *responsesReply) {
	s.stopped, s.failed = true, true
	if r.Status != "failed" || r.Error == nil || r.Error.Message == "" || r.Error.Code == "" {
		s.a.wrong("response.failed without an error")
		return
	}
	s.a.Error, s.a.InBand = r.Error.Code+": "+r.Error.Message, true
}

// end takes what an ended response says of itself.
func (r *responsesReply) end(a *Answer) {
	a.Finish = r.Status
	switch {
	case r.Status == "incomplete" && (r.Incomplete == nil || r.Incomplete.Reason == ""):
		a.wrong("incomplete without a reason")
	case r.Status == "incomplete":
		a.Finish = r.Incomplete.Reason
	}
	if r.Usage == nil {
		a.wrong("the end without the usage")
		return
	}
	if r.Usage.Total != r.Usage.Input+r.Usage.Output {
		a.wrong("a total of %d tokens that is not the sum of %d and %d", r.Usage.Total, r.Usage.Input, r.Usage.Output)
	}
	a.Usage = &Usage{r.Usage.Input, r.Usage.Output, r.Usage.In.Cached, r.Usage.Out.Thought}
}

// inside takes the events that are about an item.
func (s *responsesStream) inside(v *responsesEvent) (content bool) {
	if v.Index == nil || *v.Index != s.index {
		s.a.wrong("%s of another item than %d", v.Type, s.index)
		return false
	}
	if v.Type == "response.output_item.added" {
		s.begin(v)
		return false
	}
	if s.item == nil {
		s.a.wrong("%s outside of an item", v.Type)
		return false
	}
	if v.Type == "response.output_item.done" {
		s.whole(v)
		return false
	}
	if v.ItemID != s.item.ID {
		s.a.wrong("%s of the item %q inside the item %q", v.Type, v.ItemID, s.item.ID)
		return false
	}
	switch v.Type {
	case "response.content_part.added", "response.reasoning_summary_part.added":
		if v.Part == nil || v.Part.Text+v.Part.Refusal != "" {
			s.a.wrong("%s without an empty part", v.Type)
		}
		return false
	case "response.content_part.done", "response.reasoning_summary_part.done":
		kinds := map[string]string{"output_text": "text", "refusal": "refusal", "summary_text": "summary", "reasoning_text": "reasoning"}
		if v.Part == nil || v.Part.Text+v.Part.Refusal != s.pieces[piece(kinds[v.Part.Type], v)] {
			s.a.wrong("%s with another text than its deltas", v.Type)
		}
		return false
	}
	return s.delta(v)
}

func (s *responsesStream) begin(v *responsesEvent) {
	item := &responsesItem{}
	if json.Unmarshal(v.Item, item) != nil || item.ID == "" {
		s.a.wrong("an item without an id")
	}
	if s.item != nil {
		s.a.wrong("an item began inside another")
	}
	if item.Args != "" || len(item.Content)+len(item.Summary) > 0 {
		s.a.wrong("an item that is full when it begins")
	}
	s.item, s.pieces, s.said = item, map[string]string{}, map[string]bool{}
}

// piece names one piece of the open item.
func piece(kind string, v *responsesEvent) string {
	n := v.Content
	if kind == "summary" {
		n = v.Summary
	}
	return kind + string(rune('0'+n))
}

func (s *responsesStream) delta(v *responsesEvent) (content bool) {
	stem, isDelta := bytes.CutSuffix([]byte(v.Type), []byte(".delta"))
	if !isDelta {
		stem = bytes.TrimSuffix([]byte(v.Type), []byte(".done"))
	}
	of, known := pieceOf[string(stem)]
	if !known || of.item != s.item.Type {
		s.a.wrong("%s in an item of the type %s", v.Type, s.item.Type)
		return false
	}
	name := piece(of.kind, v)
	if !isDelta {
		whole := v.Text
		switch of.kind {
		case "arguments":
			whole = v.Args
		case "refusal":
			whole = v.Refusal
		}
		if whole == nil || *whole != s.pieces[name] {
			s.a.wrong("%s with another text than its deltas", v.Type)
		}
		s.said[name] = true
		return false
	}
	if v.Delta == nil || s.said[name] {
		s.a.wrong("%s without a delta, or after its end", v.Type)
		return false
	}
	s.pieces[name] += *v.Delta
	switch of.kind {
	case "text":
		s.a.Text += *v.Delta
	case "refusal":
		s.a.Declined += *v.Delta
	case "summary", "reasoning":
		s.a.Thinking += *v.Delta
	}
	if *v.Delta == "" {
		s.a.Fillers++
	}
	return *v.Delta != ""
}

// whole takes an item's end, where all of it is said once more.
func (s *responsesStream) whole(v *responsesEvent) {
	item := &responsesItem{}
	if json.Unmarshal(v.Item, item) != nil || item.ID != s.item.ID || item.Type != s.item.Type {
		s.a.wrong("the end of another item")
		return
	}
	said := map[string]string{}
	for i, p := range item.Content {
		kind := map[string]string{"output_text": "text", "refusal": "refusal", "reasoning_text": "reasoning"}[p.Type]
		said[piece(kind, &responsesEvent{Content: i})] = p.Text + p.Refusal
	}
	for i, p := range item.Summary {
		said[piece("summary", &responsesEvent{Summary: i})] = p.Text
	}
	if item.Type == "function_call" {
		said[piece("arguments", &responsesEvent{})] = item.Args
	}
	for name, text := range said {
		if s.pieces[name] != text {
			s.a.wrong("an item with another text than its deltas")
		}
	}
	for name := range s.pieces {
		if _, there := said[name]; !there || !s.said[name] {
			s.a.wrong("a piece of an item that was not said whole")
		}
	}
	item.into(s.a)
	s.a.Turn = append(s.a.Turn, v.Item)
	s.items = append(s.items, v.Item)
	s.item = nil
	s.index++
}

// into checks a whole item and takes its call.
func (i *responsesItem) into(a *Answer) {
	if i.Status != "completed" && i.Status != "incomplete" && !(i.Type == "reasoning" && i.Status == "") {
		a.wrong("an item that ended and is %q", i.Status)
	}
	switch i.Type {
	case "message":
		if i.Role != "assistant" {
			a.wrong("a message of the role %q", i.Role)
		}
	case "function_call":
		if i.CallID == "" || i.Name == "" || !json.Valid([]byte(i.Args)) {
			a.wrong("a tool call without an id, a name or arguments")
		}
		a.Tools = append(a.Tools, ToolCall{i.CallID, i.Name, i.Args})
	case "reasoning":
	default:
		a.wrong("an item of the type %q", i.Type)
	}
}

func (s *responsesStream) end() bool { return s.stopped && !s.failed }

// sameJSON: two texts say the same.
func sameJSON(a, b json.RawMessage) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// readResponse reads a JSON answer of Responses.
func readResponse(body []byte, a *Answer) (ended bool) {
	if a.Status != http.StatusOK {
		var v struct {
			Error *wireError `json:"error"`
		}
		if json.Unmarshal(body, &v) != nil || v.Error == nil || v.Error.Message == "" || v.Error.Type == "" {
			a.wrong("an error body without an error")
			return false
		}
		a.Error = v.Error.text()
		return false
	}
	var r responsesReply
	if err := json.Unmarshal(body, &r); err != nil {
		a.wrong("a body that is not JSON")
		return false
	}
	if r.Object != "response" || r.ID == "" || r.Error != nil || r.Status != "completed" && r.Status != "incomplete" {
		a.wrong("a 200 that is no response, or one that is %s", r.Status)
		return false
	}
	a.Model = r.Model
	for _, raw := range r.Output {
		var item responsesItem
		if json.Unmarshal(raw, &item) != nil || item.ID == "" {
			a.wrong("an item without an id")
			continue
		}
		for _, p := range item.Content {
			if p.Type == "output_text" {
				a.Text += p.Text
			}
			a.Declined += p.Refusal
		}
		for _, p := range item.Summary {
			a.Thinking += p.Text
		}
		item.into(a)
		a.Turn = append(a.Turn, raw)
	}
	r.end(a)
	return true
}
