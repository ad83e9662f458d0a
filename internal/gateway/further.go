package gateway

import (
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
		kind, params, err := mediaType(r.Header)
		if err != nil {
			return dialect.Request{}, err
		}
		if kind == formType {
			return formFacts(body, params["boundary"])
		}
	}
	req, err := x.d.Request(body, x.at)
	if err == nil {
		if x.path != "" && x.path != "/v1/completions" { // no others know the member
			req.AskUsage, req.HideUsage = dialect.Edit{}, false
		}
		req.Marks = dialect.Mark(body)
		refs, few := dialect.Refs(body, req.Marks)
		if !few {
			return req, domain.Errorf(domain.KindInvalid, "read the request", "the request names more than %d files and the like", dialect.MaxRefs)
		}
		req.Refs = append(req.Refs, refs...)
	}
	return req, err
}

// isJSON reports whether a media type is JSON, or is not stated.
func isJSON(contentType string) bool {
	if contentType == "application/json" { // nearly always
		return true
	}
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
	owns, held := false, 0
	text := strings.HasPrefix(resp.Header.Get("Content-Type"), "text/")
	for {
		n, err := resp.Body.Read((*buf)[held:])
		if n > 0 {
			at.watch.Progress(upstream.LimitStall, x.pools[0].limits.Body)
			if !owns {
				if res, ok := at.commit(resp, resp.ContentLength); !ok {
					return res
				}
				owns = true
			}
			if text {
				at.text += int64(n)
			}
			all := (*buf)[:held+n]
			now := max(len(all)-copiedTail, 0)
			if now > 0 && x.ans.write(writeWhole|writeFlush, all[:now]) != nil {
				return resultLeft
			}
			held = copy(all, all[now:])
		}
		switch {
		case errors.Is(err, io.EOF) && !owns:
			return at.failClass(failover.EmptyAnswer, "answer.empty", "a success without a body")
		case errors.Is(err, io.EOF):
			x.charge(at, at.usage, true)
			if x.ans.write(writeWhole|writeFlush, (*buf)[:held]) != nil {
				return resultLeft
			}
			return resultServed
		case err != nil:
			if owns {
				_ = x.ans.write(writeWhole|writeFlush, (*buf)[:held])
			}
			return at.failFault(upstream.FaultOf(at.ctx, err))
		}
	}
}
