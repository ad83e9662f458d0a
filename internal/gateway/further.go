package gateway

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/domain"
	"turnout/internal/failover"
	"turnout/internal/upstream"
)

// facts reads a request. Further paths may take forms (uploads of audio and images), whose
// model is a field.
func (x *exchange) facts(r *http.Request, body []byte) (dialect.Request, error) {
	if x.path != "" {
		if kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && kind == "multipart/form-data" {
			return formFacts(body, params["boundary"])
		}
	}
	req, err := x.d.Request(body, x.at)
	if err == nil {
		req.Marks = dialect.Mark(body)
		refs, few := dialect.Refs(body, req.Marks)
		if !few {
			return req, domain.Errorf(domain.KindInvalid, "read the request", "the request names more than %d files and the like", dialect.MaxRefs)
		}
		req.Refs = append(req.Refs, refs...)
	}
	return req, err
}

// maxField is the longest form field that is looked at, in bytes.
const maxField = 1 << 10

// formFacts reads model and stream of a form (RFC 7578). Files are skipped, not read. A field
// that stands twice is refused, because two readers might each believe another one.
func formFacts(body []byte, boundary string) (dialect.Request, error) {
	const op = "read the request"
	r := dialect.Request{Size: len(body), Form: true}
	invalid := func(message string) (dialect.Request, error) {
		return r, &domain.Error{Kind: domain.KindInvalid, Op: op, Param: "model", Message: message}
	}
	if boundary == "" {
		return invalid("the form has no boundary in its content type")
	}
	delim := append([]byte("--"), boundary...)
	at := bytes.Index(body, delim)
	if at < 0 {
		return invalid("the form is not divided by its boundary")
	}
	stream := ""
	for {
		at += len(delim)
		if bytes.HasPrefix(body[at:], []byte("--")) {
			break
		}
		head := bytes.Index(body[at:], []byte("\r\n\r\n"))
		next := bytes.Index(body[at:], append([]byte("\r\n"), delim...))
		if head < 0 || next < head+4 {
			return invalid("the form is cut off in the middle")
		}
		value := dialect.Span{Start: at + head + 4, End: at + next}
		name, file := fieldName(body[at : at+head])
		switch {
		case file || value.End-value.Start > maxField:
		case strings.EqualFold(name, "model"):
			if name != "model" || r.ModelAt.Present() {
				return invalid(`the field "model" stands more than once, or not in lower case; send it once`)
			}
			r.ModelAt = value
		case strings.EqualFold(name, "stream"):
			if name != "stream" || stream != "" {
				return invalid(`the field "stream" stands more than once, or not in lower case; send it once`)
			}
			stream = string(value.Of(body))
		}
		at += next + 2
	}
	r.Model, r.Stream = string(r.ModelAt.Of(body)), stream == "true"
	if r.Model == "" || len(r.Model) > 256 {
		return invalid(`the field "model" is missing, or longer than 256 bytes; name the model to use`)
	}
	return r, nil
}

// fieldName reads a part's header: its field, and whether it is a file.
func fieldName(head []byte) (name string, file bool) {
	for line := range strings.SplitSeq(string(head), "\r\n") {
		key, value, _ := strings.Cut(line, ":")
		if !strings.EqualFold(strings.TrimSpace(key), "Content-Disposition") {
			continue
		}
		if _, params, err := mime.ParseMediaType(strings.TrimSpace(value)); err == nil {
			_, file = params["filename"]
			return params["name"], file
		}
	}
	return "", false
}

// isJSON reports whether a media type is JSON, or is not stated.
func isJSON(contentType string) bool {
	kind, _, _ := mime.ParseMediaType(contentType)
	return kind == "" || kind == "application/json" || strings.HasSuffix(kind, "+json")
}

// copied passes an answer on that is neither JSON nor events (speech, subtitles), as it
// arrives. It is committed with its first bytes: what is broken before them can still fail over.
func (at *attempt) copied(resp *http.Response) result {
	x := at.x
	at.watch.Progress(upstream.LimitStall, x.pools[0].limits.Body)
	buf := burstPool.Get().(*[]byte)
	defer burstPool.Put(buf)
	owns := false
	for {
		n, err := resp.Body.Read(*buf)
		if n > 0 {
			at.watch.Progress(upstream.LimitStall, x.pools[0].limits.Body)
			if !owns {
				if res, ok := at.commit(resp, resp.ContentLength); !ok {
					return res
				}
				owns = true
			}
			if x.ans.write(writeWhole|writeFlush, (*buf)[:n]) != nil {
				return resultLeft
			}
		}
		switch {
		case errors.Is(err, io.EOF) && !owns:
			return at.failClass(failover.EmptyAnswer, "answer.empty", "a success without a body")
		case errors.Is(err, io.EOF):
			return resultServed
		case err != nil:
			return at.failFault(upstream.FaultOf(at.ctx, err))
		}
	}
}
