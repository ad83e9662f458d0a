package sim

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// exchange is one request and its answer.
type exchange struct {
	p       *Provider
	w       http.ResponseWriter
	rc      *http.ResponseController
	r       *http.Request
	body    []byte
	id      int
	format  format
	array   bool // Gemini: the stream is to be one JSON array
	b       Behaviour
	fault   Fault
	seen    *Seen   // shared with the journal: only through update
	said    *answer // Responses: what is being answered
	written int     // Responses: events, for their numbers

	key, organization, model string // as in seen
}

func (x *exchange) who() subject {
	return subject{key: x.key, organization: x.organization, model: x.model}
}

// generates reports whether the request is for an answer of a model, and so may
// use up a fault.
func (x *exchange) generates() bool {
	if x.format == gemini {
		at, ok := geminiPath(x.r.URL.Path)
		return ok && x.r.Method == http.MethodPost && geminiVerbs[at.verb] == generates
	}
	if x.r.Method != http.MethodPost {
		return false
	}
	switch x.r.URL.Path {
	case "/v1/messages", "/v1/chat/completions", "/v1/responses", "/v1/responses/compact":
		return true
	}
	return false
}

func (x *exchange) requestID() string {
	if x.format == anthropic {
		return fmt.Sprintf("req_01%s%08d", x.p.o.Name, x.id)
	}
	return fmt.Sprintf("req_%s%08d", x.p.o.Name, x.id)
}

// set records the outcome; the first one stays.
func (x *exchange) set(o Outcome) {
	x.p.journal.update(x.seen, func(s *Seen) {
		if s.Outcome == Open {
			s.Outcome = o
		}
	})
}

// end closes the record, also when the handler panics to break the connection.
func (x *exchange) end() {
	var last Seen
	x.p.journal.update(x.seen, func(s *Seen) {
		s.End = time.Now()
		if s.Outcome == Open {
			s.Outcome = Aborted
		}
		last = *s
	})
	if x.p.o.Done != nil {
		x.p.o.Done(last)
	}
}

// serve answers in the provider's order: the edge first (which may drop the
// connection), then the key, overload and limits, then what is wrong with the
// request itself.
func (x *exchange) serve() {
	if !x.connect() || !x.sleep(x.b.FirstByte) {
		return
	}
	setCommon(x.w.Header(), x.format, x.requestID(), x.organization)
	if x.b.GoAway {
		x.w.Header().Set("Connection", "close")
	}
	if f := x.authenticate(); f != nil {
		x.fail(f)
		return
	}
	if x.fault.Kind == Page {
		x.set(Failed)
		x.whole(x.fault.Status, "text/html", page(x.fault.Status))
		return
	}
	if f := faultFailure(x.format, x.fault, x.who(), tokens(len(x.body)), time.Now()); f != nil {
		x.fail(f)
		return
	}
	x.route()
}

// connect acts the faults that come before any answer. It reports whether to go
// on.
func (x *exchange) connect() bool {
	switch x.fault.Kind {
	case Reset:
		x.set(Failed)
		x.reset()
	case EOF:
		x.set(Failed)
		panic(http.ErrAbortHandler)
	case Hang:
		<-x.r.Context().Done()
		x.set(Aborted)
		panic(http.ErrAbortHandler)
	case Redirect:
		x.set(Failed)
		x.w.Header().Set("Location", "/redirected"+x.r.URL.RequestURI())
		x.status(http.StatusTemporaryRedirect)
	default:
		return true
	}
	return false
}

// reset breaks the connection with RST; on HTTP/2, where the connection belongs
// to others too, with RST_STREAM.
func (x *exchange) reset() {
	if conn, _, err := x.rc.Hijack(); err == nil {
		raw := conn
		if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
			raw = t.NetConn()
		}
		if t, ok := raw.(interface{ SetLinger(sec int) error }); ok {
			_ = t.SetLinger(0)
		}
		_ = raw.Close()
	}
	panic(http.ErrAbortHandler)
}

// authenticate refuses what no provider would accept.
func (x *exchange) authenticate() *failure {
	if x.format == gemini {
		return x.authenticateGemini()
	}
	key := x.key
	oauth := strings.HasPrefix(key, "sk-ant-oat")
	switch {
	case x.r.Method == http.MethodHead:
		return nil
	case key == "" && x.format == anthropic:
		f := statusFailure(x.format, 401, x.who())
		f.message = "x-api-key header is required"
		return f
	case key == "":
		return &failure{status: 401, kind: "invalid_request_error", message: "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."}
	case strings.HasPrefix(key, "sk-bad") && !strings.HasPrefix(key, "sk-badgzip"): // which is a word
		return statusFailure(x.format, 401, x.who())
	case oauth && x.r.Header.Get("x-api-key") != "":
		return statusFailure(x.format, 401, x.who())
	case oauth && x.format == anthropic && !strings.Contains(strings.Join(x.r.Header.Values("anthropic-beta"), ","), "oauth-2025-04-20"):
		f := statusFailure(x.format, 401, x.who())
		f.message = "OAuth authentication is currently not supported."
		return f
	}
	return nil
}

// route answers what is left after every fault that is an error answer.
func (x *exchange) route() {
	switch x.format {
	case gemini:
		x.routeGemini()
		return
	case responses:
		x.routeResponses()
		return
	case openai, anthropic:
	}
	path, method := x.r.URL.Path, x.r.Method
	want := http.MethodPost
	switch {
	case path == "/v1/models" || strings.HasPrefix(path, "/v1/models/"):
		want = http.MethodGet
	case path == "/v1/messages", path == "/v1/messages/count_tokens", path == "/v1/chat/completions":
	default:
		x.fail(x.noSuchPath())
		return
	}
	if method != want {
		x.w.Header().Set("Allow", want)
		x.fail(statusFailure(x.format, http.StatusMethodNotAllowed, x.who()))
		return
	}
	if want == http.MethodGet {
		x.listModels(strings.TrimPrefix(strings.TrimPrefix(path, "/v1/models"), "/"))
		return
	}
	counting := strings.HasSuffix(path, "/count_tokens")
	var q *ask
	var f *failure
	if x.format == anthropic {
		q, f = parseAnthropic(x.r.Header, x.body, counting)
	} else {
		q, f = parseChat(x.body)
	}
	if f == nil && x.b.NoPrefill && q.prefill {
		f = x.prefillFailure()
	}
	switch {
	case f != nil:
		x.fail(f)
	case counting:
		x.set(OK)
		x.whole(http.StatusOK, "application/json", fmt.Appendf(nil, `{"input_tokens":%d}`, q.promptTokens))
	default:
		x.answer(q)
	}
}

func (x *exchange) noSuchPath() *failure {
	f := statusFailure(x.format, 404, x.who())
	f.message, f.code = "Not Found", ""
	if x.format.ofOpenAI() {
		f.message = fmt.Sprintf("Invalid URL (%s %s)", x.r.Method, x.r.URL.Path)
	}
	return f
}

func (x *exchange) prefillFailure() *failure {
	const text = "This model does not support assistant message prefill. The conversation must end with a user message."
	if x.format == anthropic {
		return invalidAnthropic(text)
	}
	if x.format == responses {
		return invalidChat("input", "", text)
	}
	return invalidChat("messages", "", text)
}

// answer generates a healthy answer and plays it, with the fault that spoils it.
func (x *exchange) answer(q *ask) {
	now := time.Now()
	a := newAnswer(q, x.b, x.fault)
	a.name, a.seq, a.made = x.p.o.Name, x.id, now.Unix()
	h := x.w.Header()
	if x.format == anthropic {
		a.cache = x.p.cache.explicit(x.organization, q.model, q.blocks, now)
		if x.b.Unified > 0 {
			setUnified(h, now, unifiedState{percent: x.b.Unified})
		} else {
			setAnthropicLimits(h, now, 0, false)
		}
	} else {
		a.cache.read = x.p.cache.automatic(x.organization, q.model, q.prompt, now)
		setOpenAILimits(h, 0, false)
	}
	switch {
	case q.stream && x.format == anthropic:
		x.playStream(a.anthropicStream())
	case q.stream:
		x.playStream(a.chatStream())
	case x.format == anthropic:
		x.playJSON(a.anthropicJSON(), a.took())
	default:
		x.playJSON(a.chatJSON(), a.took())
	}
}

// fail writes an error answer.
func (x *exchange) fail(f *failure) {
	h := x.w.Header()
	if x.r.ContentLength > maxBody {
		h.Set("Connection", "close")
	}
	for name, values := range f.header {
		h[http.CanonicalHeaderKey(name)] = values
	}
	x.set(Failed)
	body := f.body(x.format, x.requestID())
	if x.array {
		body = fmt.Appendf(nil, "[%s\n]", body)
	}
	x.whole(f.status, "application/json", body)
}

// status writes the status line and headers.
func (x *exchange) status(code int) {
	x.p.journal.update(x.seen, func(s *Seen) { s.Status = code })
	x.w.WriteHeader(code)
}

// whole writes an answer of known length in one piece.
func (x *exchange) whole(code int, contentType string, body []byte) {
	x.w.Header().Set("Content-Type", contentType)
	x.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	x.status(code)
	_, _ = x.w.Write(body)
}

// sleep waits for a simulated duration. It reports false, having recorded why,
// if the client left first.
func (x *exchange) sleep(d time.Duration) bool {
	if d = time.Duration(float64(d) / x.p.o.Speed); d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-x.r.Context().Done():
		x.set(Aborted)
		return false
	}
}
