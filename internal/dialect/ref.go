package dialect

import (
	"bytes"
	"net/url"
	"strings"
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

// named are the members that name what lives at one account, at any depth: a string, a list of them, or, for some, an
// object with an id.
var named = map[string]Ref{
	"file_id":             {What: "the file", Code: "file_not_found"},
	"file_ids":            {What: "the file", Code: "file_not_found"},
	"input_file_id":       {What: "the file", Code: "file_not_found"},
	"vector_store_id":     {What: "the vector store", Code: "vector_store_not_found"},
	"vector_store_ids":    {What: "the vector store", Code: "vector_store_not_found"},
	"container":           {What: "the container", Code: "container_not_found"},
	"container_id":        {What: "the container", Code: "container_not_found"},
	"conversation":        {What: "the conversation", Code: "conversation_not_found"},
	"approval_request_id": {What: "the approval request", Code: "item_not_found"},
	"cachedContent":       {What: "the cached content"},
	"cached_content":      {What: "the cached content"},
	"fileUri":             {What: "the file"},
	"file_uri":            {What: "the file"},
}

// objects are those of them that may be objects: what stands in "id" is the name (Anthropic: container with skills;
// OpenAI: conversation).
var objects = map[string]bool{"container": true, "conversation": true}

// itemLists are the members whose elements are items, of which an account keeps what it has answered
// (Responses: input; conversations: items).
var itemLists = map[string]bool{"input": true, "items": true}

// words are the members whose objects are the caller's own words and name nothing at an account: what tools are
// called with, what they gave, and what they may be called with.
var words = map[string]bool{
	"input": true, "args": true, "response": true, "arguments": true, "parameters": true, "parametersJsonSchema": true, "input_schema": true,
	"schema": true, "json_schema": true, "properties": true, "metadata": true, "responseSchema": true, "responseJsonSchema": true,
}

// interesting are all names that matter, each by itself: so that reading names costs no memory.
var interesting = func() map[string]string {
	all := map[string]string{}
	for _, name := range []string{"id", "type", "role", "content", "encrypted_content", "input", "items"} {
		all[name] = name
	}
	for name := range named {
		all[name] = name
	}
	for name := range words {
		all[name] = name
	}
	return all
}()

// Refs finds what a body with these marks names that lives at one account, in members that are there at any depth and
// however their names are spelt; ok is false where there are more of them than MaxRefs, or the body is nested
// too deeply. It is one pass. The body need not be valid JSON: what stands after a mistake is refused by whoever reads
// it. Where a member stands twice each of its values counts, because parsers differ in which they believe.
func Refs(body []byte, m Marks) (refs []Ref, ok bool) {
	if !m.Has(MarkRef | MarkItem) {
		return nil, true
	}
	r := referrer{body: body, seen: map[string]bool{}}
	for i := 0; i < len(body) && !r.tooMany; {
		switch c := body[i]; c {
		case '{', '[':
			if len(r.open) == maxDepth {
				return r.refs, false
			}
			r.push(c == '{')
			i++
		case '}', ']':
			r.pop()
			i++
		case '"':
			end, err := skipString(body, i)
			if err != nil {
				i = len(body)
				break
			}
			i = r.text(i, end)
		case ',':
			if f := r.top(); f != nil && f.object {
				f.key = ""
			}
			i++
		default:
			i++
		}
	}
	for len(r.open) > 0 { // a body that breaks off
		r.pop()
	}
	return r.refs, !r.tooMany
}

// referrer is one pass.
type referrer struct {
	body    []byte
	open    []frame
	ids     []Span // of the members "id" of the objects that are open
	refs    []Ref
	seen    map[string]bool
	tooMany bool
}

// frame is an object or a list that is open.
type frame struct {
	object  bool
	key     string // of the member that is being read; of a list: of the member that it is the value of
	ids     int    // where its own begin
	element bool   // of a list of items
	names   string // of an object: the member that it is the value of, where its id is a name
	// What an item is.
	reference, reasoning, typed, role, said bool
}

func (r *referrer) top() *frame {
	if len(r.open) == 0 {
		return nil
	}
	return &r.open[len(r.open)-1]
}

func (r *referrer) push(object bool) {
	f := frame{object: object, ids: len(r.ids)}
	if t := r.top(); t != nil {
		switch {
		case t.object && !object:
			f.key = t.key
		case t.object && objects[t.key]:
			f.names = t.key
		case !t.object && object && itemLists[t.key]:
			f.element = true
		}
		if n := len(r.open); object && !t.object && t.key == "content" && n > 1 {
			r.open[n-2].said = true // the item that the list is the content of
		}
	}
	r.open = append(r.open, f)
}

func (r *referrer) pop() {
	f := r.top()
	if f == nil {
		return
	}
	bare := f.element && (f.reference || !f.typed && !f.role || f.reasoning && !f.said)
	for _, id := range r.ids[f.ids:] {
		switch {
		case f.names != "":
			r.add(f.names, named[f.names], id.Of(r.body))
		case f.reference || bare:
			r.add("input", Ref{What: "the item", Code: "item_not_found"}, id.Of(r.body))
		}
	}
	r.ids = r.ids[:f.ids]
	r.open = r.open[:len(r.open)-1]
	if t := r.top(); t != nil && t.object {
		t.key = ""
	}
}

// text takes a string in, a name or a value, and says where to go on.
func (r *referrer) text(start, end int) int {
	f := r.top()
	if f == nil {
		return end
	}
	raw := r.body[start:end]
	if !f.object {
		if n, is := named[f.key]; is {
			r.add(f.key, n, raw)
		}
		return end
	}
	if colon := skipSpace(r.body, end); f.key == "" && colon < len(r.body) && r.body[colon] == ':' {
		f.key = interesting[string(raw[1:len(raw)-1])]
		if bytes.IndexByte(raw, '\\') >= 0 {
			s, _ := Unquote(raw)
			f.key = interesting[s]
		}
		if f.key == "" {
			f.key = " " // a name, but none that is looked for
		}
		v := skipSpace(r.body, colon+1)
		if words[f.key] && v < len(r.body) && r.body[v] == '{' {
			f.key = ""
			if after, err := skipValue(r.body, v); err == nil {
				return after
			}
			return len(r.body)
		}
		return v
	}
	switch f.key {
	case "id":
		r.ids = append(r.ids, Span{start, end})
	case "type":
		f.typed = true
		if bytes.IndexByte(raw, '\\') >= 0 {
			s, _ := Unquote(raw)
			raw = []byte(`"` + s + `"`)
		}
		f.reference = f.reference || string(raw) == `"item_reference"`
		f.reasoning = f.reasoning || string(raw) == `"reasoning"`
	case "role":
		f.role = true
	case "encrypted_content", "content":
		f.said = f.said || len(raw) > len(`""`)
	default:
		if n, is := named[f.key]; is {
			r.add(f.key, n, raw)
		}
	}
	return end
}

// geminiHost is where uploads at Gemini's Files API have their addresses; other addresses are anybody's.
const geminiHost = "generativelanguage.googleapis.com"

func (r *referrer) add(name string, ref Ref, value []byte) {
	id, is := Unquote(value)
	if !is || id == "" {
		return
	}
	if name == "fileUri" || name == "file_uri" {
		if id = upload(id); id == "" {
			return
		}
	}
	if r.seen[id] {
		return
	}
	if len(r.refs) == MaxRefs {
		r.tooMany = true
		return
	}
	r.seen[id] = true
	ref.ID, ref.Param = id, name
	r.refs = append(r.refs, ref)
}

// upload is the name of an upload from its address; empty: it is none of Gemini's.
func upload(address string) string {
	path := address
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		if !strings.EqualFold(strings.TrimSuffix(u.Hostname(), "."), geminiHost) {
			return ""
		}
		path = u.Path
	} else if !strings.Contains(strings.ToLower(address), geminiHost) && !strings.HasPrefix(address, "files/") {
		return ""
	}
	if i := strings.Index(path, "files/"); i >= 0 {
		return path[i:]
	}
	return path
}
