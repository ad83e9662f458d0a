package config

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// node is a value in the file with its place.
type node struct {
	r    *reader
	ast  ast.Node
	at   place
	key  place  // of the key that it stands under, if any
	name string // the last part of the path
}

// field is a key that a mapping may hold, and who reads its value.
type field struct {
	key  string
	read func(node)
}

// parseYAML gives the document's root. Its own words replace the library's,
// because those may quote the source.
func (r *reader) parseYAML(data []byte) (root node, ok bool) {
	at := place{source: r.file}
	if len(data) > maxFile {
		r.problem(at, "the file is larger than %d MiB, which is more than a configuration can be", maxFile>>20)
		return node{}, false
	}
	if line := tooDeep(data); line > 0 {
		at.line, at.column = line, 1
		r.problem(at, "this is nested deeper, or is a longer line, than a configuration can be")
		return node{}, false
	}
	file, err := safeParse(data)
	if err != nil {
		// The secrets in a broken file are not known, so nothing of it is shown.
		var yerr yaml.Error
		text := ""
		if asYAML(err, &yerr) {
			text = yerr.GetMessage()
			if tk := yerr.GetToken(); tk != nil && tk.Position != nil {
				at.line, at.column = tk.Position.Line, tk.Position.Column
			}
		}
		advice := syntaxAdvice(text)
		if tabIndented(data, at.line) {
			advice = "there is a tab in the indentation: indent with spaces"
		}
		r.problem(at, "this is not valid YAML: %s", advice)
		return node{}, false
	}
	var body ast.Node
	for _, d := range file.Docs {
		if d.Body == nil {
			continue
		}
		if body != nil {
			at.line, at.column = position(d.Body)
			r.problem(at, "a second document begins here: a configuration is one document, without --- between its parts")
			return node{}, false
		}
		body = d.Body
	}
	if body == nil {
		r.problem(at, "the file is empty: it needs at least accounts and keys (`turnout config example` prints one with every setting explained)")
		return node{}, false
	}
	return r.node(body, "", ""), true
}

// safeParse keeps a bug in the library from stopping the process.
func safeParse(data []byte) (f *ast.File, err error) {
	defer func() {
		if recover() != nil {
			f, err = nil, fmt.Errorf("the YAML library failed")
		}
	}()
	// Duplicate keys are reported by mapping, with their path.
	return parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
}

func asYAML(err error, to *yaml.Error) bool {
	return errors.As(err, to)
}

// tooDeep finds the line on which nesting goes beyond what the library's recursion
// should be trusted with, or 0.
func tooDeep(data []byte) int {
	const maxDepth, maxLine = 200, 64 << 10
	line, column, depth := 1, 0, 0
	dashes, leading := 0, true // "- - - " nests too
	for _, c := range data {
		column++
		if leading = leading && strings.IndexByte("-? \t", c) >= 0; leading && (c == '-' || c == '?') {
			dashes++
		}
		switch c {
		case '\n':
			line, column = line+1, 0
			dashes, leading = 0, true
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		}
		if depth > maxDepth || dashes > maxDepth || column > maxLine {
			return line
		}
	}
	return 0
}

// syntaxAdvice says what to do about the commonest of the library's findings.
func syntaxAdvice(text string) string {
	for _, a := range []struct{ has, advice string }{
		{"could not find end character of", "a quote or bracket is opened here and not closed"},
		{"end token", "a bracket is opened here and not closed"},
		{"must be specified", "a comma or a closing bracket is missing"},
		{"could not find '", "a bracket is closed here that was not opened"},
		{"mapping value is not allowed", "a \"key: value\" cannot stand here: check the indentation, and put values that contain \": \" in quotes"},
		{"non-map value", "a \"key: value\" is expected here: check the indentation and the colon with a space after it"},
		{"unexpected key name", "a \"key: value\" is expected here: check the indentation and the colon with a space after it"},
		{"is not allowed in this context", "this cannot stand here: check the indentation"},
	} {
		if strings.Contains(text, a.has) {
			return a.advice
		}
	}
	return "check indentation, colons, quotes and brackets here and just above"
}

// tabIndented reports whether a line (from 1) begins with space that holds a tab.
func tabIndented(data []byte, line int) bool {
	n := 0
	for text := range bytes.Lines(data) {
		if n++; n == line {
			indent := text[:len(text)-len(bytes.TrimLeft(text, " \t"))]
			return bytes.ContainsRune(indent, '\t')
		}
	}
	return false
}

func position(n ast.Node) (line, column int) {
	var tk *token.Token
	switch n := n.(type) {
	case nil:
		return 0, 0
	case *ast.MappingNode: // its own token is the colon
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return position(n.Values[0].Key)
		}
		tk = n.Start
	case *ast.MappingValueNode:
		return position(n.Key)
	default:
		tk = n.GetToken()
	}
	if tk == nil || tk.Position == nil {
		return 0, 0
	}
	return tk.Position.Line, tk.Position.Column
}

func (r *reader) node(n ast.Node, path, name string) node {
	line, column := position(n)
	return node{r: r, ast: n, at: place{r.file, line, column, path}, name: name}
}

// child is a value below n.
func (n node) child(a ast.Node, name string, key ast.Node) node {
	path := name
	if n.at.path != "" {
		path = n.at.path + "." + name
	}
	c := n.r.node(a, path, name)
	c.key = c.at
	c.key.line, c.key.column = position(key)
	if c.at.line == 0 || isNull(a) { // nothing was written: point at the key
		c.at = c.key
	}
	return c
}

// item is an element of a list.
func (n node) item(a ast.Node, label string) node {
	c := n.r.node(a, n.at.path+"["+label+"]", label)
	if c.at.line == 0 {
		c.at.line, c.at.column = n.at.line, n.at.column
	}
	return c
}

func isNull(a ast.Node) bool {
	_, null := a.(*ast.NullNode)
	return a == nil || null
}

// supported reports the YAML that is valid and refused.
func (n node) supported(a ast.Node) bool {
	switch a.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		n.r.problem(n.at, "anchors (&), aliases (*) and merge keys (<<) are not supported: write the value out (a value that begins with & or * needs quotes)")
	case *ast.TagNode:
		n.r.problem(n.at, "tags (!) are not supported: write the value without one (a value that begins with ! needs quotes)")
	default:
		return true
	}
	return false
}

// pairs are the entries of a mapping; ok is false if it is none.
func (n node) pairs() (values []*ast.MappingValueNode, ok bool) {
	switch a := n.ast.(type) {
	case *ast.MappingNode:
		return a.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{a}, true
	}
	if n.supported(n.ast) {
		n.r.problem(n.at, "want a mapping, that is lines of \"key: value\" (or {key: value, …})")
	}
	return nil, false
}

// each calls f for each entry of a mapping, once for each key. label says how a key
// is shown in paths.
func (n node) each(label func(string) string, f func(key string, value node)) bool {
	values, ok := n.pairs()
	seen := make(map[string]int, len(values))
	for _, v := range values {
		key, isText := scalarText(v.Key)
		if !isText {
			k := n
			k.at.line, k.at.column = position(v.Key)
			if k.supported(v.Key) {
				n.r.problem(k.at, "this key is not a word")
			}
			continue
		}
		value := n.child(v.Value, label(key), v.Key)
		if line, twice := seen[key]; twice {
			n.r.problem(value.key, "the key stands here a second time (first on line %d): keep one of them", line)
			continue
		}
		seen[key], _ = position(v.Key)
		f(key, value)
	}
	return ok
}

// mapping reads a mapping with known keys. What is not known is a problem.
func (n node) mapping(fields ...field) {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	n.each(pathKey, func(key string, v node) {
		i := slices.Index(keys, key)
		if i < 0 {
			sorted := slices.Sorted(slices.Values(keys))
			n.r.problem(v.key, "unknown key%s Allowed here: %s", orDot(suggestion(key, sorted)), strings.Join(sorted, ", "))
			return
		}
		n.r.see(v.at)
		if isNull(v.ast) {
			n.r.problem(v.at, "there is no value: write one or take the key out")
			return
		}
		fields[i].read(v)
	})
}

func orDot(s string) string {
	if s == "" {
		return "."
	}
	return s
}

func isMapping(a ast.Node) bool {
	switch a.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return true
	}
	return false
}

func isList(a ast.Node) bool { _, ok := a.(*ast.SequenceNode); return ok }

func mustPairs(a ast.Node) []*ast.MappingValueNode {
	switch a := a.(type) {
	case *ast.MappingNode:
		return a.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{a}
	}
	return nil
}

// pathKey is a key as it is shown in paths: a secret may have slipped into the
// place of a key, so only what looks like a key is shown.
func pathKey(key string) string {
	if len(key) == 0 || len(key) > 30 {
		return "(not shown)"
	}
	for _, c := range []byte(key) {
		if c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return "(not shown)"
		}
	}
	return key
}

// wordKey is pathKey for mappings whose keys are the user's own words.
func wordKey(key string) string {
	switch s := show(key); {
	case s == "this value":
		return "(not shown)"
	case key == "" || strings.ContainsAny(key, " .:/"):
		return s
	}
	return key
}

// list calls f for each element. An empty list is a problem.
func (n node) list(what string, f func(i int, item node)) {
	seq, ok := n.ast.(*ast.SequenceNode)
	if !ok {
		if n.supported(n.ast) {
			n.r.problem(n.at, "want a list of %s, that is lines that begin with \"- \" (or [one, two])", what)
		}
		return
	}
	if len(seq.Values) == 0 {
		n.r.problem(n.at, "the list is empty: name at least one of %s, or take the key out", what)
		return
	}
	for i, v := range seq.Values {
		f(i, n.item(v, fmt.Sprintf("#%d", i+1)))
	}
}

// text gives a scalar as it was written (without quotes): 007, true and 1.50 are
// texts too, so that a name or a label means what it looks like.
func (n node) text() (string, bool) {
	s, ok := scalarText(n.ast)
	if !ok && n.supported(n.ast) {
		if isNull(n.ast) {
			n.r.problem(n.at, "there is no value")
		} else {
			n.r.problem(n.at, "want a single value, not a list or a mapping")
		}
	}
	return s, ok
}

func scalarText(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// see remembers where a key stands, for checks across keys.
func (r *reader) see(at place) {
	if r.at == nil {
		r.at = map[string]place{}
	}
	r.at[at.path] = at
}

func (r *reader) seen(path string) bool { _, ok := r.at[path]; return ok }

// where is the place of a key, or the file if it is not in there.
func (r *reader) where(path string) place {
	if at, ok := r.at[path]; ok {
		return at
	}
	return place{source: r.file, path: path}
}
