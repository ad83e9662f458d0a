package platform

import (
	"bytes"
	"strconv"
	"strings"

	"turnout/internal/dialect"
)

// Bounds of what is kept or looked at.
const (
	maxMessage = 500     // bytes of an upstream's text in a verdict
	maxName    = 64      // bytes of an upstream's type or code in a verdict
	maxText    = 4 << 10 // bytes of a message in which rows look for words
	maxNames   = 12      // names of one error
	maxQuotas  = 8       // violated quotas of one error
	maxWrapped = 2       // errors inside the message of an error
)

// fields are what the rows look at. Names, lower and quotas are lower case.
type fields struct {
	typ, code, message string // as the upstream wrote them

	lowerType string // type, or Google's status
	lower     string // the message, at most maxText bytes, with straight apostrophes
	names     [maxNames]string
	numNames  int
	quotas    [maxQuotas]string
	// quotaValues are how much each of quotas allows.
	quotaValues [maxQuotas]string
	numQuotas   int
	number      int // an HTTP status that the body states, 0 if none

	html, empty bool
	cut         bool // lower is not the whole message

	retryDelay string // google.rpc.RetryInfo
	resetsAt   string // a point in time
	resetsIn   string // seconds
	tierCap    bool   // Anthropic's monthly cap of a usage tier
}

func (f *fields) name(s string) {
	if s == "" || f.numNames == maxNames {
		return
	}
	f.names[f.numNames] = strings.ToLower(s)
	f.numNames++
}

func (f *fields) named(list []string) bool {
	for i := 0; i < f.numNames; i++ {
		if contains(list, f.names[i]) {
			return true
		}
	}
	return false
}

// violates reports whether all words are in the name of one violated quota.
func (f *fields) violates(words []string) bool {
next:
	for i := 0; i < f.numQuotas; i++ {
		for _, w := range words {
			if !strings.Contains(f.quotas[i], w) {
				continue next
			}
		}
		return true
	}
	return false
}

// typeStatus is the status that goes with a type. An error inside a success has no
// status of its own, and its type says which one it would have had (Anthropic: errors
// page; OpenAI: error codes guide; Google: google.rpc.Code).
var typeStatus = map[string]int{
	"invalid_request_error": 400, "authentication_error": 401, "billing_error": 402, "permission_error": 403,
	"not_found_error": 404, "request_too_large": 413, "rate_limit_error": 429, "api_error": 500,
	"timeout_error": 504, "overloaded_error": 529,
	"server_error": 500, "service_unavailable_error": 503, "requests": 429, "tokens": 429,
	"invalid_argument": 400, "failed_precondition": 400, "unauthenticated": 401, "permission_denied": 403,
	"not_found": 404, "resource_exhausted": 429, "internal": 500, "unavailable": 503, "deadline_exceeded": 504,
}

// impliedStatus is the status of an error inside a success: the number in the body
// (OpenRouter, LiteLLM, Google), else what its type implies, else own.
func (f *fields) impliedStatus(own int) int {
	if f.number != 0 {
		return f.number
	}
	if s := typeStatus[f.lowerType]; s != 0 {
		return s
	}
	return own
}

// readFields reads any shape of error body that is known: Anthropic's and OpenAI's
// {"error":{…}}, Google's (also inside an array, and as JSON inside a message),
// {"error":"text"}, vLLM's and others' bare {"message":…,"code":…}, FastAPI's
// {"detail":…}, an event of a stream, a web page, plain text, nothing.
func readFields(body []byte) fields {
	var f fields
	b := bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
	if bytes.HasPrefix(b, []byte("data:")) || bytes.HasPrefix(b, []byte("event:")) {
		if _, data := dialect.Fields(b); data != nil {
			b = bytes.TrimSpace(data)
		}
	}
	if len(b) > 0 && b[0] == '[' {
		if e := firstOf(b); e != nil {
			b = e
		}
	}
	switch {
	case len(b) == 0:
		f.empty = true
	case b[0] == '{':
		f.readBody(b, 0)
	case b[0] == '"':
		f.setMessage(textOf(b), 0)
	case b[0] == '<':
		f.readPage(b)
	}
	f.lowerType = strings.ToLower(f.typ)
	f.lower = strings.ToLower(f.message[:min(len(f.message), maxText)])
	f.cut = len(f.message) > maxText
	if f.message == "" && !f.html {
		f.message = string(b[:min(len(b), maxMessage)])
		// Of JSON only what is known to be the message is searched: other members may be
		// anything, the caller's request included.
		if len(b) > 0 && b[0] != '{' && b[0] != '[' {
			f.lower = strings.ToLower(f.message)
			f.cut = len(b) > maxMessage
		}
	}
	if strings.Contains(f.lower, "’") {
		f.lower = strings.ReplaceAll(f.lower, "’", "'")
	}
	return f
}

// readBody reads a whole error body. wrapped counts the errors that it is inside of.
// Like every reader here it collects members first and looks at them in an order of
// its own, so that the order of the members says nothing.
func (f *fields) readBody(b []byte, wrapped int) {
	var inner, list, response, detail, code, status, statusCode []byte
	var text, outer string
	_ = dialect.Object(b, func(key []byte, v, _ dialect.Span) bool {
		val := v.Of(b)
		switch memberName(key) {
		case "error":
			inner = val
		case "errors":
			list = val
		case "response":
			response = val
		case "message", "msg":
			text = textOf(val)
		case "detail":
			detail = val
		case "type":
			outer = textOf(val)
		case "code":
			code = val
		case "status":
			status = val
		case "statusCode":
			statusCode = val
		}
		return true
	})
	if len(inner) == 0 || inner[0] != '{' {
		// The Responses API's failed event, and lists of errors.
		if inner = dialect.Member(response, "error"); len(inner) == 0 || inner[0] != '{' {
			inner = firstOf(list)
		}
		if len(inner) == 0 || inner[0] != '{' {
			inner = nil
		}
	}
	if inner != nil {
		f.readError(inner, wrapped)
		return
	}
	// {"error":"text"}: beside a message it is a name.
	if short := textOf(dialect.Member(b, "error")); text == "" {
		text = short
	} else {
		f.name(short)
	}
	if outer != "error" {
		f.setType(outer)
	}
	plain, detailCode := readDetail(detail)
	for _, c := range [...][]byte{code, detailCode, status, statusCode} {
		f.readCode(c)
	}
	if text == "" {
		text = plain
	}
	f.setMessage(text, wrapped)
}

// readDetail reads FastAPI's detail: a text, an object with a code, or a list of what is
// wrong with the request.
func readDetail(v []byte) (text string, code []byte) {
	if len(v) > 0 && v[0] == '[' {
		v = firstOf(v)
	}
	if len(v) == 0 || v[0] != '{' {
		return textOf(v), nil
	}
	for _, name := range [...]string{"message", "msg", "error"} {
		if text = textOf(dialect.Member(v, name)); text != "" {
			break
		}
	}
	return text, dialect.Member(v, "code")
}

// readError reads the error object itself.
func (f *fields) readError(e []byte, wrapped int) {
	var message, typ string
	var code, status, details, inner, metadata, nested, at, in []byte
	_ = dialect.Object(e, func(key []byte, v, _ dialect.Span) bool {
		val := v.Of(e)
		switch memberName(key) {
		case "message":
			message = textOf(val)
		case "type":
			typ = textOf(val)
		case "status":
			status = val
		case "code":
			code = val
		case "details":
			details = val
		case "innererror": // Azure
			inner = val
		case "metadata": // OpenRouter
			metadata = val
		case "error":
			nested = val
		case "resets_at":
			at = val
		case "resets_in_seconds":
			in = val
		}
		return true
	})
	f.setType(typ)
	f.readCode(code)
	if s := textOf(status); s != "" {
		f.name(s)
		if f.typ == "" {
			f.typ = s
		}
	} else if f.number == 0 {
		f.readNumber(scalarText(status))
	}
	f.resetsAt, f.resetsIn = scalarText(at), scalarText(in)
	f.readDetails(details)
	f.name(textOf(dialect.Member(inner, "code")))
	raw := f.readMetadata(metadata)
	if message == "" && len(nested) > 0 && nested[0] == '{' && wrapped < maxWrapped {
		f.readError(nested, wrapped+1)
		return
	}
	if raw != "" {
		message += ": " + raw
	}
	f.setMessage(message, wrapped)
}

func (f *fields) setType(s string) {
	// LiteLLM writes Python's None.
	if s == "" || s == "None" {
		return
	}
	f.typ = s
	f.name(s)
}

// readCode takes a code that is a string or a number.
func (f *fields) readCode(val []byte) {
	s := scalarText(val)
	if s == "" || s == "None" {
		return
	}
	f.name(s)
	if f.code == "" {
		f.code = s
	}
	if f.number == 0 {
		f.readNumber(s)
	}
}

func (f *fields) readNumber(s string) {
	if len(s) != 3 {
		return
	}
	if n, err := strconv.Atoi(s); err == nil && n >= 400 && n <= 599 {
		f.number = n
	}
}

// memberName is a member's name without escapes.
func memberName(key []byte) string {
	if bytes.IndexByte(key, '\\') < 0 {
		return string(key)
	}
	s, _ := dialect.Unquote(append(append([]byte{'"'}, key...), '"'))
	return s
}

// firstOf is the first element of an array, nil if there is none.
func firstOf(array []byte) (first []byte) {
	_ = dialect.Array(array, func(e dialect.Span) bool {
		first = e.Of(array)
		return false
	})
	return first
}

// textOf is a string's content, "" for anything else.
func textOf(val []byte) string {
	if len(val) == 0 || val[0] != '"' {
		return ""
	}
	s, _ := dialect.Unquote(val)
	return s
}

// scalarText is a string's content or a number's digits; "" for anything else.
func scalarText(val []byte) string {
	if len(val) == 0 || dialect.IsNull(val) {
		return ""
	}
	if s, ok := dialect.Unquote(val); ok {
		return s
	}
	if c := val[0]; c == '-' || c >= '0' && c <= '9' {
		return string(val)
	}
	return ""
}

// cut shortens to n bytes of valid UTF-8.
func cut(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "")
}
