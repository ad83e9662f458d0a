package platform

import (
	"bytes"
	"strings"
)

// setMessage takes the message, and looks through the wrappings that proxies put
// around the upstream's own error: LiteLLM's "litellm.X: YException - …", and JSON
// inside the message (Google's SDK, LiteLLM with a Python b'…' around it).
func (f *fields) setMessage(s string, wrapped int) {
	s, proxied := unwrapLiteLLM(s)
	f.message = s
	t := strings.TrimLeft(s, " \n\t")
	if strings.HasPrefix(t, "b'") || strings.HasPrefix(t, `b"`) {
		t = t[2:]
	}
	if wrapped >= maxWrapped || len(t) < 2 || t[0] != '{' {
		return
	}
	// A message that begins with JSON and goes on in words may have been begun by the
	// caller ("{…} is not a valid model ID"), except behind LiteLLM's own beginning.
	if !proxied && !strings.HasSuffix(strings.TrimRight(t, " \n\t'\""), "}") {
		return
	}
	// Text after the object (a closing quote, LiteLLM's remarks) does not matter: the
	// members before it have been read. The inner error is the truer one; what it
	// lacks, the outer one supplies.
	outer := *f
	f.typ, f.code, f.message, f.number = "", "", "", 0
	f.readBody([]byte(t), wrapped+1)
	if f.message == "" {
		f.message = s
	}
	if f.code == "" {
		f.code = outer.code
	}
	if f.number == 0 {
		f.number = outer.number
	}
	if f.typ == "" {
		f.typ = outer.typ
	}
	if f.resetsAt == "" {
		f.resetsAt = outer.resetsAt
	}
	if f.resetsIn == "" {
		f.resetsIn = outer.resetsIn
	}
}

// unwrapLiteLLM takes "litellm.RateLimitError: RateLimitError: OpenAIException - " away.
// Between these words there is nothing that a caller has written.
func unwrapLiteLLM(s string) (rest string, ok bool) {
	const mark = "Exception - "
	if !strings.HasPrefix(s, "litellm.") {
		return s, false
	}
	i := strings.Index(s, mark)
	if i < 0 {
		return s, false
	}
	for _, word := range strings.Split(s[:i], ": ") {
		if strings.ContainsAny(word, " \n\t") {
			return s, false
		}
	}
	return s[i+len(mark):], true
}

// readPage takes a web page's title for the message.
func (f *fields) readPage(b []byte) {
	head := bytes.ToLower(b[:min(len(b), 2<<10)])
	if !bytes.HasPrefix(head, []byte("<!doctype html")) && !bytes.Contains(head, []byte("<html")) && !bytes.Contains(head, []byte("<head")) {
		return
	}
	f.html = true
	if i := bytes.Index(head, []byte("<title")); i >= 0 {
		rest := b[i:min(len(b), len(head))]
		if j := bytes.IndexByte(rest, '>'); j >= 0 {
			rest = rest[j+1:]
			if k := bytes.IndexByte(rest, '<'); k >= 0 {
				f.message = strings.Join(strings.Fields(string(rest[:k])), " ")
			}
		}
	}
}
