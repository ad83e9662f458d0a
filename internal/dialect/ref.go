package dialect

import (
	"bytes"
	"slices"
)

// Ref is the name of something that lives at one account.
type Ref struct {
	ID    string // the provider's name of it
	Param string // the member that names it
	What  string // what it is, for people: "the response"
	Code  string // the provider's error code where it is unknown
}

// MaxRefs bounds how many a body may name.
const MaxRefs = 256

// named are the members that name what lives at one account, at any depth: a string, or a list of them.
var named = map[string]Ref{
	"file_id":          {What: "the file", Code: "file_not_found"},
	"file_ids":         {What: "the file", Code: "file_not_found"},
	"input_file_id":    {What: "the file", Code: "file_not_found"},
	"vector_store_id":  {What: "the vector store", Code: "vector_store_not_found"},
	"vector_store_ids": {What: "the vector store", Code: "vector_store_not_found"},
	"container":        {What: "the container", Code: "container_not_found"},
	"container_id":     {What: "the container", Code: "container_not_found"},
	"cachedContent":    {What: "the cached content"},
	"cached_content":   {What: "the cached content"},
	"fileUri":          {What: "the file"},
	"file_uri":         {What: "the file"},
}

// words are the members whose objects are the caller's own words and name nothing at an account: what tools are
// called with, what they gave, and what they may be called with.
var words = map[string]bool{
	"input": true, "args": true, "response": true, "arguments": true, "parameters": true, "parametersJsonSchema": true, "input_schema": true,
	"schema": true, "json_schema": true, "properties": true, "metadata": true, "responseSchema": true, "responseJsonSchema": true,
}

// geminiFiles stands in the addresses of uploads at Gemini's Files API; other addresses are anybody's.
const geminiFiles = "generativelanguage.googleapis.com/"

// Refs finds what a body with these marks names that lives at one account, in members that are there at any depth and
// however their names are spelt; ok is false where there are more of them than MaxRefs. The body
// need not be valid JSON: what stands after a mistake is refused by whoever reads it.
func Refs(body []byte, m Marks) (refs []Ref, ok bool) {
	if !m.Has(MarkRef) {
		return nil, true
	}
	ok = true
	add := func(name string, r Ref, value []byte) {
		id, is := Unquote(value)
		if !is || id == "" || slices.ContainsFunc(refs, func(o Ref) bool { return o.ID == id }) {
			return
		}
		if name == "fileUri" || name == "file_uri" {
			at := bytes.Index([]byte(id), []byte(geminiFiles))
			if at < 0 {
				return
			}
			id = id[at+len(geminiFiles):]
			if i := bytes.Index([]byte(id), []byte("files/")); i >= 0 {
				id = id[i:]
			}
		}
		if len(refs) == MaxRefs {
			ok = false
			return
		}
		r.ID, r.Param = id, name
		refs = append(refs, r)
	}
	for i := 0; i < len(body); {
		q := bytes.IndexByte(body[i:], '"')
		if q < 0 {
			break
		}
		start := i + q
		end, err := skipString(body, start)
		if err != nil {
			break
		}
		i = end
		colon := skipSpace(body, end)
		if colon >= len(body) || body[colon] != ':' {
			continue
		}
		key := body[start+1 : end-1]
		if bytes.IndexByte(key, '\\') >= 0 {
			s, _ := Unquote(body[start:end])
			key = []byte(s)
		}
		if of := skipSpace(body, colon+1); words[string(key)] && of < len(body) && body[of] == '{' {
			if i, err = skipValue(body, of); err != nil {
				break
			}
			continue
		}
		r, is := named[string(key)]
		reference := string(key) == "type"
		if !is && !reference {
			continue
		}
		at := skipSpace(body, colon+1)
		if at >= len(body) {
			break
		}
		switch {
		case reference && body[at] == '"':
			if e, err := skipString(body, at); err == nil {
				if s, _ := Unquote(body[at:e]); s == "item_reference" {
					if object := enclosing(body, start); object != nil {
						add("input", Ref{What: "the item", Code: "item_not_found"}, Member(object, "id"))
					}
				}
			}
		case is && body[at] == '"':
			if e, err := skipString(body, at); err == nil {
				add(string(key), r, body[at:e])
			}
		case is && body[at] == '[':
			if e, err := skipValue(body, at); err == nil {
				list := body[at:e]
				_ = Array(list, func(s Span) bool { add(string(key), r, s.Of(list)); return ok })
			}
		}
	}
	return refs, ok
}

// enclosing gives the object in which a member stands whose name begins at i; nil: it cannot be found. Its
// members before that one are strings and plain values, as in every reference.
func enclosing(body []byte, i int) []byte {
	open := bytes.LastIndexByte(body[:i], '{')
	if open < 0 {
		return nil
	}
	end, err := skipValue(body, open)
	if err != nil || end <= i {
		return nil
	}
	return body[open:end]
}
