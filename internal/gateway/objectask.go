package gateway

import (
	"bytes"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// objectAsk is what a request about an object brings along.
type objectAsk struct {
	body *body
	kind string // its media type, in words that everybody reads alike; empty: there are no bytes
	// models are those that the body names.
	models []objectModel
}

// objectModel is one name of a model in a body.
type objectModel struct {
	name   string       // as callers know it
	prefix string       // what stands before it in the body: "models/"
	at     dialect.Span // its string, quotes included
}

// objectFacts reads a body: the models that it asks for, and what it names that lives at one account. It goes on under the media type as
// which it was read, because a reader of another one would see another body.
func (x *exchange) objectFacts(r *http.Request, c *ObjectCall, ask *objectAsk) error {
	const op = "read the request"
	body := ask.body.bytes()
	kind, params, err := mediaType(r.Header)
	if err != nil {
		return err
	}
	if c.ID == "" && strings.HasSuffix(c.Collection, "/files") {
		if kind != formType {
			return domain.Errorf(domain.KindInvalid, op, "an upload is a form; send it as %s", formType)
		}
		ask.kind = mime.FormatMediaType(formType, map[string]string{"boundary": params["boundary"]})
		return x.uploadFacts(body, params["boundary"])
	}
	if kind == formType {
		return domain.Errorf(domain.KindInvalid, op, "%s takes JSON and no form", c.Collection)
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	if ask.kind = "application/json"; isJSON(kind) && kind != "" {
		ask.kind = kind
	}
	if err := dialect.Object(body, func(_ []byte, _, _ dialect.Span) bool { return true }); err != nil {
		return &domain.Error{Kind: domain.KindInvalid, Op: op, Message: "the request body is not a JSON object: " + err.Error(), Err: err}
	}
	if err := x.objectModels(c, body, ask); err != nil {
		return err
	}
	var few bool
	if x.req.Refs, few = dialect.Refs(body, dialect.Mark(body)); !few {
		return domain.Errorf(domain.KindInvalid, op, "the request names more than %d files and the like", dialect.MaxRefs)
	}
	return nil
}

// uploadFacts looks into an upload that is to become a batch: its lines are requests, and may name what lives at an account. Every other
// upload is the caller's own words.
func (x *exchange) uploadFacts(body []byte, boundary string) error {
	var purpose string
	var files []dialect.Span
	err := formParts(body, boundary, func(p *formPart) error {
		switch {
		case p.is("purpose"):
			if purpose != "" || p.file || p.value.End-p.value.Start > maxField || p.name != "purpose" {
				return formError("purpose", `the field "purpose" stands more than once, or is no short text in lower case; send it once`)
			}
			purpose = string(p.value.Of(body)) + " " // what is empty stands there, too
		case p.file || p.is("file"):
			files = append(files, p.value)
		}
		return nil
	})
	if err != nil || !strings.EqualFold(strings.TrimSpace(purpose), "batch") {
		return err
	}
	for _, f := range files {
		if err := x.batchLines(f.Of(body)); err != nil {
			return err
		}
	}
	return nil
}

// maxBatchRefs bounds what the requests of one upload may name in all.
const maxBatchRefs = 10_000

// batchLines finds what the requests of a batch name, one JSON object in each line.
func (x *exchange) batchLines(text []byte) error {
	const op = "read the upload"
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	known := map[string]bool{}
	n := 0
	for line := range bytes.SplitSeq(text, []byte("\n")) {
		n++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		request, err := sole(line, "body")
		if err != nil {
			return domain.Errorf(domain.KindInvalid, op, "line %d of the batch: %s", n, err)
		}
		refs, few := dialect.Refs(request, dialect.Mark(request))
		for _, r := range append(refs, turnRefs(request)...) {
			if !known[r.ID] {
				known[r.ID] = true
				x.req.Refs = append(x.req.Refs, r)
			}
		}
		if !few || len(known) > maxBatchRefs {
			return domain.Errorf(domain.KindInvalid, op, "line %d: a request may name %d files and the like, and a batch %d", n, dialect.MaxRefs, maxBatchRefs)
		}
	}
	return nil
}

// turnRefs are the earlier turns that a request for an answer of the Responses protocol goes on from.
func turnRefs(request []byte) (refs []dialect.Ref) {
	_ = dialect.Object(request, func(key []byte, v, _ dialect.Span) bool {
		value := v.Of(request)
		var r dialect.Ref
		switch {
		case dialect.Name(key, "previous_response_id"):
			r = dialect.Ref{Param: "previous_response_id", What: "the response", Code: "previous_response_not_found"}
		case dialect.Name(key, "conversation"):
			r = dialect.Ref{Param: "conversation", What: "the conversation", Code: "conversation_not_found"}
			if value[0] == '{' {
				value = dialect.Member(value, "id")
			}
		default:
			return true
		}
		if id, ok := dialect.Unquote(value); ok && id != "" {
			r.ID = id
			refs = append(refs, r)
		}
		return true
	})
	return refs
}

// sole finds a member that may stand once and in its own spelling alone: of two, readers differ in which they take. nil: it is not there.
func sole(object []byte, name string) (value []byte, err error) {
	twice := false
	if e := dialect.Object(object, func(key []byte, v, _ dialect.Span) bool {
		plain, _ := dialect.Unquote(slices.Concat([]byte{'"'}, key, []byte{'"'}))
		if !strings.EqualFold(plain, name) {
			return true
		}
		twice = twice || value != nil || plain != name
		value = v.Of(object)
		return true
	}); e != nil {
		return nil, e
	}
	if twice {
		return nil, fmt.Errorf("the member %q stands more than once, or not in its own spelling; send it once", name)
	}
	return value, nil
}

// objectModels finds the models that a body asks for, and holds it to those that the key may use. A batch that names its
// requests in an upload cannot be looked into, so a key that may not use every model may send none.
func (x *exchange) objectModels(c *ObjectCall, body []byte, ask *objectAsk) error {
	const op = "route the request"
	invalid := func(param string, err error) error {
		return &domain.Error{Kind: domain.KindInvalid, Op: "read the request", Param: param, Message: err.Error()}
	}
	take := func(object []byte, param string) error {
		v, err := sole(object, "model")
		if err != nil {
			return invalid(param, err)
		}
		m := objectModel{name: "(none)"}
		if s, ok := dialect.Unquote(v); ok {
			m.name = strings.TrimPrefix(s, "models/")
			m.prefix = s[:len(s)-len(m.name)]
			m.at.Start = dialect.Offset(body, v)
			m.at.End = m.at.Start + len(v)
			ask.models = append(ask.models, m)
		}
		if !x.key.Allows(m.name) {
			return &domain.Error{Kind: domain.KindForbidden, Op: op, Param: param, Code: "model_not_allowed", Message: x.key.Refusal(clip(m.name))}
		}
		return nil
	}
	switch {
	case strings.HasSuffix(c.Collection, "/cachedContents"):
		if v, err := sole(body, "model"); c.ID != "" && err == nil && v == nil {
			return nil // a change of how long it lives
		}
		return take(body, "model")
	case c.ID != "" || !strings.HasSuffix(c.Collection, "batches"):
		return nil
	case c.Collection != "/v1/messages/batches":
		if x.key.Selective() {
			return &domain.Error{Kind: domain.KindForbidden, Op: op, Code: "model_not_allowed", Message: "this key may use some models only, and the models of this batch stand in an upload; use a key without a list of models"}
		}
		return nil
	}
	requests, err := sole(body, "requests")
	if err != nil {
		return invalid("requests", err)
	}
	var wrong error
	if err = dialect.Array(requests, func(e dialect.Span) bool {
		params, err := sole(e.Of(requests), "params")
		if err == nil && (len(params) == 0 || params[0] != '{') {
			err = fmt.Errorf(`a request of the batch has no object "params"`)
		}
		if err != nil {
			wrong = invalid("requests", err)
			return false
		}
		wrong = take(params, "requests")
		return wrong == nil
	}); err != nil {
		return invalid("requests", fmt.Errorf(`the member "requests" must be a list of requests`))
	}
	return wrong
}

// serves reports whether an account knows every model that the body asks for.
func (ask *objectAsk) serves(a *domain.Account) bool {
	return !slices.ContainsFunc(ask.models, func(m objectModel) bool {
		_, ok := a.Models.Resolve(m.name)
		return !ok
	})
}

// names are the edits that put the account's own names of the models into the body.
func (ask *objectAsk) names(a *domain.Account) (edits []dialect.Edit) {
	for _, m := range ask.models {
		if sent, ok := a.Models.Resolve(m.name); ok && sent != m.name {
			edits = append(edits, dialect.Edit{At: m.at, With: dialect.AppendString(nil, m.prefix+sent)})
		}
	}
	return edits
}
