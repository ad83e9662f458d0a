package sim

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Gemini's API, generateContent and what belongs to it. The paths name the model and what is asked of it; an answer as a
// stream comes as events (alt=sse) or as one JSON array.

type (
	geminiCall struct {
		ID   string          `json:"id,omitempty"`
		Name string          `json:"name"`
		Args json.RawMessage `json:"args"`
	}
	geminiPart struct {
		Text             *string     `json:"text,omitempty"`
		Thought          bool        `json:"thought,omitempty"`
		FunctionCall     *geminiCall `json:"functionCall,omitempty"`
		ThoughtSignature string      `json:"thoughtSignature,omitempty"`
	}
	geminiContent struct {
		Parts []geminiPart `json:"parts,omitempty"`
		Role  string       `json:"role"`
	}
	geminiCandidate struct {
		Content       geminiContent `json:"content"`
		FinishReason  string        `json:"finishReason,omitempty"`
		Index         int           `json:"index"`
		FinishMessage string        `json:"finishMessage,omitempty"`
	}
	geminiModality struct {
		Modality   string `json:"modality"`
		TokenCount int    `json:"tokenCount"`
	}
	geminiUsage struct {
		Prompt     int              `json:"promptTokenCount"`
		Candidates int              `json:"candidatesTokenCount,omitempty"`
		Total      int              `json:"totalTokenCount"`
		Cached     int              `json:"cachedContentTokenCount,omitempty"`
		Details    []geminiModality `json:"promptTokensDetails"`
		Thoughts   int              `json:"thoughtsTokenCount,omitempty"`
	}
	geminiFeedback struct {
		BlockReason string `json:"blockReason"`
	}
	geminiReply struct {
		Candidates   []geminiCandidate `json:"candidates,omitempty"`
		Feedback     *geminiFeedback   `json:"promptFeedback,omitempty"`
		Usage        *geminiUsage      `json:"usageMetadata,omitempty"`
		ModelVersion string            `json:"modelVersion"`
		ResponseID   string            `json:"responseId"`
	}
)

// signsCalls reports whether the model signs its calls and wants the signatures back: Gemini 3 does.
func signsCalls(model string) bool { return strings.Contains(model, "gemini-3") }

// signCall is the signature of a call, whichever way its arguments are written.
func signCall(name string, args json.RawMessage) string {
	var v any
	_ = json.Unmarshal(args, &v)
	sum := sha256.Sum256(append([]byte("sim call\x00"+name+"\x00"), encode(v)...))
	return "EpwC" + base64.StdEncoding.EncodeToString(sum[:])
}

// geminiUsage states the figures after so many pieces of thought and of anything else. They are cumulative, and every
// chunk has them.
func (a *answer) geminiUsage(thoughts, rest int) *geminiUsage {
	u := &geminiUsage{
		Prompt: a.ask.promptTokens, Candidates: rest, Cached: a.cache.read, Thoughts: thoughts,
		Details: []geminiModality{{"TEXT", a.ask.promptTokens}},
	}
	u.Total = u.Prompt + u.Candidates + u.Thoughts
	return u
}

func (a *answer) geminiFinish() string {
	switch {
	case a.noFinish:
		return ""
	case a.refusal:
		return "SAFETY"
	case a.full:
		return "MAX_TOKENS"
	}
	return "STOP"
}

func (a *answer) geminiReply() geminiReply {
	return geminiReply{ModelVersion: a.ask.model, ResponseID: a.id("gen")}
}

func saidPart(s string) geminiPart { return geminiPart{Text: &s} }

// geminiCalls are the parts of the answer's calls: the first is signed, and has an id, if the model does that.
func (a *answer) geminiCalls() []geminiPart {
	parts := make([]geminiPart, 0, len(a.calls))
	for i, c := range a.calls {
		p := geminiPart{FunctionCall: &geminiCall{Name: c.name, Args: json.RawMessage(c.args)}}
		if signsCalls(a.ask.model) {
			p.FunctionCall.ID = fmt.Sprintf("%s%02d", a.id("fc"), i)
			if i == 0 {
				p.ThoughtSignature = signCall(c.name, p.FunctionCall.Args)
			}
		}
		parts = append(parts, p)
	}
	return parts
}

// geminiJSON is the whole answer.
func (a *answer) geminiJSON() []byte {
	c := geminiCandidate{Content: geminiContent{Role: "model"}, FinishReason: a.geminiFinish()}
	if len(a.thoughts) > 0 && !a.ask.hideThinking {
		p := saidPart(join(a.thoughts))
		p.Thought = true
		c.Content.Parts = append(c.Content.Parts, p)
	}
	if len(a.text) > 0 {
		c.Content.Parts = append(c.Content.Parts, saidPart(join(a.text)))
	}
	c.Content.Parts = append(c.Content.Parts, a.geminiCalls()...)
	r := a.geminiReply()
	r.Candidates = []geminiCandidate{c}
	r.Usage = a.geminiUsage(a.thinkTokens(), a.outputTokens()-a.thinkTokens())
	return encode(r)
}

// geminiStream is the answer as chunks. started: a chunk without content comes first, which the API sends at times.
func (a *answer) geminiStream(started bool) []event {
	var events []event
	thoughts, rest := 0, 0
	add := func(e event, c *geminiCandidate) {
		r := a.geminiReply()
		if c != nil {
			c.Content.Role = "model"
			r.Candidates = []geminiCandidate{*c}
		}
		r.Usage = a.geminiUsage(thoughts, rest)
		e.data = encode(r)
		events = append(events, e)
	}
	begun := false
	content := func(pause time.Duration, p geminiPart) {
		e := event{kind: contentEvent, pause: pause}
		if begun {
			e.pause += a.b.Delay
		}
		begun = true
		add(e, &geminiCandidate{Content: geminiContent{Parts: []geminiPart{p}}})
	}
	if started {
		add(event{kind: openEvent}, nil)
	}
	think := a.b.Think
	if len(a.thoughts) > 0 {
		think /= time.Duration(len(a.thoughts))
	}
	for _, t := range a.thoughts {
		thoughts++
		if a.ask.hideThinking {
			events = append(events, event{pause: think})
			continue
		}
		p := saidPart(t)
		p.Thought = true
		content(think, p)
	}
	if len(a.thoughts) == 0 && think > 0 {
		events = append(events, event{pause: think})
	}
	thoughts = a.thinkTokens()
	for i, t := range a.text {
		if rest++; a.refusal && i == len(a.text)-1 {
			rest = a.outputTokens() - thoughts
		}
		content(0, saidPart(t))
	}
	for i, p := range a.geminiCalls() {
		rest += tokens(len(a.calls[i].name)) + tokens(len(a.calls[i].args))
		content(a.b.Compose, p) // a call comes whole, after the silence in which it is written
	}
	last := geminiCandidate{Content: geminiContent{Parts: []geminiPart{saidPart("")}}, FinishReason: a.geminiFinish()}
	if len(a.calls) > 0 {
		last.FinishMessage = "Model generated function call(s)."
	} else if signsCalls(a.ask.model) && len(a.thoughts) > 0 {
		last.Content.Parts[0].ThoughtSignature = signCall("", nil)
	}
	add(event{kind: finishEvent}, &last)
	return append(events, event{kind: sentinelEvent}) // the body's end is the end
}

// frame writes each event as the stream's way to be written wants it.
func (x *exchange) frame(events []event) []event {
	first := true
	for i := range events {
		e := &events[i]
		switch {
		case x.array && e.kind == sentinelEvent:
			e.data = []byte("\n]")
			if first {
				e.data = []byte("[\n]")
			}
		case e.data == nil:
		case x.array:
			e.data = slices.Concat(x.comma(first), e.data)
			first = false
		default:
			e.data = fmt.Appendf(nil, "data: %s\r\n\r\n", e.data)
		}
	}
	return events
}

// comma is what stands before an element of an array.
func (x *exchange) comma(first bool) []byte {
	if first {
		return []byte("[")
	}
	return []byte("\n,\r\n")
}

// geminiErrorEvent is an error inside a stream.
func (x *exchange) geminiErrorEvent(body []byte) []byte {
	if x.array {
		return slices.Concat(x.comma(x.fault.After == 0 && !x.fault.Started), body, []byte("\n]"))
	}
	return fmt.Appendf(nil, "data: %s\r\n\r\n", body)
}

// routeGemini answers what is left after every fault that is an error answer.
func (x *exchange) routeGemini() {
	at, ok := geminiPath(x.r.URL.Path)
	switch {
	case !ok || !slices.Contains(geminiVersions, at.version) || at.verb != "" && geminiVerbs[at.verb] == 0:
		x.set(Failed)
		x.whole(http.StatusNotFound, "text/html; charset=UTF-8", page(http.StatusNotFound)) // as Google's front end does
		return
	case at.verb == "" && x.r.Method != http.MethodGet, at.verb != "" && x.r.Method != http.MethodPost:
		x.fail(statusFailure(gemini, http.StatusNotFound, x.who()))
		return
	case at.verb == "":
		x.listGemini(at.model)
		return
	}
	if geminiVerbs[at.verb] == embeds {
		x.embed(at)
		return
	}
	q, f := parseGemini(x.body, at)
	if f == nil && x.b.NoPrefill && q.prefill {
		f = invalidGemini("Please ensure that multiturn requests end with a user role or a function response.")
	}
	switch {
	case f != nil:
		x.fail(f)
	case at.verb == "countTokens":
		x.set(OK)
		x.whole(http.StatusOK, "application/json; charset=UTF-8", fmt.Appendf(nil,
			`{"totalTokens":%[1]d,"promptTokensDetails":[{"modality":"TEXT","tokenCount":%[1]d}]}`, q.promptTokens))
	default:
		q.stream = at.verb == "streamGenerateContent"
		x.answerGemini(q)
	}
}

func (x *exchange) answerGemini(q *ask) {
	now := time.Now()
	a := newAnswer(q, x.b, x.fault)
	a.name, a.seq, a.made = x.p.o.Name, x.id, now.Unix()
	a.cache.read = x.p.cache.automatic(x.organization, q.model, q.prompt, now)
	if x.fault.Kind == Refused { // the API refuses a prompt with an answer, and not with an error
		x.refuseGemini(a)
		return
	}
	if q.stream {
		x.playStream(x.frame(a.geminiStream(x.fault.Started)))
		return
	}
	x.playJSON(a.geminiJSON(), a.took())
}

func (x *exchange) refuseGemini(a *answer) {
	r := a.geminiReply()
	r.Feedback, r.Usage = &geminiFeedback{"PROHIBITED_CONTENT"}, a.geminiUsage(0, 0)
	if a.ask.stream {
		x.playStream(x.frame([]event{{kind: finishEvent, data: encode(r)}, {kind: sentinelEvent}}))
		return
	}
	x.playJSON(encode(r), 0)
}

// embed answers the embedding verbs with vectors that depend on the text alone.
func (x *exchange) embed(at geminiAt) {
	type vector struct {
		Values []float64 `json:"values"`
	}
	texts, f := parseEmbed(x.body, at)
	if f != nil {
		x.fail(f)
		return
	}
	vectors := make([]vector, len(texts))
	for i, s := range texts {
		h := fnv.New64a()
		_, _ = h.Write([]byte(s))
		for k := range 8 {
			vectors[i].Values = append(vectors[i].Values, math.Round(math.Sin(float64(h.Sum64()%1000)+float64(k))*1e6)/1e6)
		}
	}
	var reply any = struct {
		Embedding vector `json:"embedding"`
	}{vectors[0]}
	if at.verb == "batchEmbedContents" {
		reply = struct {
			Embeddings []vector `json:"embeddings"`
		}{vectors}
	}
	x.set(OK)
	x.whole(http.StatusOK, "application/json; charset=UTF-8", encode(reply))
}

// listGemini answers GET models, or with a name GET models/{name}.
func (x *exchange) listGemini(name string) {
	type model struct {
		Name             string   `json:"name"`
		Version          string   `json:"version"`
		DisplayName      string   `json:"displayName"`
		InputTokenLimit  int      `json:"inputTokenLimit"`
		OutputTokenLimit int      `json:"outputTokenLimit"`
		Methods          []string `json:"supportedGenerationMethods"`
	}
	all := []model{}
	for _, m := range x.p.o.Models {
		all = append(all, model{"models/" + m, "001", m, geminiWindow, 65536, []string{"generateContent", "countTokens"}})
	}
	var reply any = struct {
		Models []model `json:"models"`
	}{all}
	if name != "" {
		i := slices.IndexFunc(all, func(m model) bool { return m.Name == "models/"+name })
		if i < 0 {
			who := x.who()
			who.model = name
			x.fail(statusFailure(gemini, http.StatusNotFound, who))
			return
		}
		reply = all[i]
	}
	x.set(OK)
	x.whole(http.StatusOK, "application/json; charset=UTF-8", encode(reply))
}

// geminiAt is what a path says.
type geminiAt struct{ version, model, verb string }

var geminiVersions = []string{"v1", "v1beta", "v1alpha"}

// What a verb does.
const (
	generates = iota + 1
	counts
	embeds
)

var geminiVerbs = map[string]int{
	"generateContent": generates, "streamGenerateContent": generates, "countTokens": counts, "embedContent": embeds, "batchEmbedContents": embeds,
}

// geminiPath reads /{version}/models/{model}:{verb}, the list's path, or the same with tunedModels.
func geminiPath(path string) (at geminiAt, ok bool) {
	version, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	collection, name, _ := strings.Cut(rest, "/")
	if collection != "models" && collection != "tunedModels" {
		return at, false
	}
	at.version = version
	at.model, at.verb, _ = strings.Cut(name, ":")
	return at, true
}

// isGemini tells the API's requests from those for paths that others have too.
func isGemini(r *http.Request) bool {
	at, ok := geminiPath(r.URL.Path)
	return strings.HasPrefix(r.URL.Path, "/v1beta/") || strings.HasPrefix(r.URL.Path, "/v1alpha/") || ok && at.verb != "" ||
		ok && (r.Header.Get("x-goog-api-key") != "" || r.URL.Query().Get("key") != "")
}

// geminiKey is the key in the header or the query, or an OAuth token.
func geminiKey(r *http.Request) string {
	if key := r.Header.Get("x-goog-api-key"); key != "" {
		return key
	}
	if key := r.URL.Query().Get("key"); key != "" {
		return key
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "bearer") {
		return strings.TrimSpace(token)
	}
	return ""
}

// setGemini sets the headers of every answer.
func setGemini(h http.Header) {
	h.Set("Server", "scaffolding on HTTPServer2")
	h.Set("Vary", "Origin, X-Origin, Referer")
	h.Set("X-Xss-Protection", "0")
	h.Set("X-Frame-Options", "SAMEORIGIN")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Server-Timing", "gfet4t7; dur=12")
	h.Set("Alt-Svc", `h3=":443"; ma=2592000,h3-29=":443"; ma=2592000`)
}

// geminiPrompt is the prompt as the cache sees it; the closing bracket is not part of what the next turn of the
// conversation has in common with this one.
func geminiPrompt(members map[string]json.RawMessage) []byte {
	return bytes.TrimRight(slices.Concat(members["tools"], members["systemInstruction"], members["contents"]), " \t\r\n]")
}
