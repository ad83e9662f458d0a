package responses

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

// readTools reads a list of tools. namespace is the group that it stands in.
func (q *asking) readTools(at string, list []byte, namespace string) {
	i := 0
	_ = dialect.Array(list, func(e dialect.Span) bool {
		q.tool(fmt.Sprintf("%s[%d]", at, i), e.Of(list), namespace)
		i++
		return q.err == nil
	})
}

func (q *asking) tool(at string, raw []byte, namespace string) {
	if raw[0] != '{' {
		q.refuse(at, "%s must be an object", at)
		return
	}
	t := neutral.Tool{Name: text(dialect.Member(raw, "name")), Description: text(dialect.Member(raw, "description"))}
	switch typ := text(dialect.Member(raw, "type")); typ {
	case "function":
		t.Schema, t.Strict = present(dialect.Member(raw, "parameters")), boolean(dialect.Member(raw, "strict"))
	case "custom":
		t.Custom, t.Schema = true, present(dialect.Member(raw, "format"))
	case "namespace":
		q.group(at, raw, t.Name, t.Description)
		return
	case "":
		q.refuse(at+".type", "%s.type is missing", at)
		return
	default: // the provider's own, and local_shell and apply_patch, of which only OpenAI's models know
		q.r.Tools = append(q.r.Tools, neutral.Tool{Name: typ, Raw: raw, Origin: own})
		return
	}
	if t.Name == "" {
		q.refuse(at+".name", "%s.name is missing", at)
		return
	}
	if namespace != "" {
		t.Namespace, t.Inner, t.Name = namespace, t.Name, flat(namespace, t.Name)
	}
	_ = dialect.Object(raw, func(key []byte, v, _ dialect.Span) bool {
		switch name := neutral.Key(key); string(name) {
		case "type", "name", "description", "parameters", "strict", "format":
		default:
			if val := v.Of(raw); !dialect.IsNull(val) {
				t.Extra = append(t.Extra, neutral.Member{Name: string(name), Raw: val})
			}
		}
		return true
	})
	q.r.Tools = append(q.r.Tools, t)
}

// group is a namespace: tools under a common name. Elsewhere each stands for itself, and
// what is said about all of them stands before what is said of the first.
func (q *asking) group(at string, raw []byte, name, description string) {
	first := len(q.r.Tools)
	q.readTools(at+".tools", dialect.Member(raw, "tools"), name)
	if description != "" && first < len(q.r.Tools) {
		t := &q.r.Tools[first]
		t.Description = "All tools " + name + nameSeparator + "*: " + description + "\n\n" + t.Description
	}
}

// What a tool's name may be in every dialect: Anthropic and OpenAI take 64 letters, digits,
// underscores and hyphens, Gemini these and more.
const (
	maxName       = 64
	nameSeparator = "__"
)

// flat is the name outside of its dialect of a tool in a namespace. It is the same in every request,
// because earlier calls of the conversation carry it, too.
func flat(namespace, name string) string {
	s := namespace + nameSeparator + name
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, s)
	if clean == s && len(s) <= maxName {
		return s
	}
	return clean[:min(len(clean), maxName-9)] + "_" + digest(s, 4)
}

// digest names a text by so many bytes.
func digest(s string, n int) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:n])
}

// names finds how the caller of a request calls its tools.
type names struct {
	inner map[string]inner
}

type inner struct{ namespace, name string }

func namesOf(tools []neutral.Tool) names {
	var n names
	for i := range tools {
		if t := &tools[i]; t.Namespace != "" {
			if n.inner == nil {
				n.inner = map[string]inner{}
			}
			n.inner[t.Name] = inner{t.Namespace, t.Inner}
		}
	}
	for i := range tools {
		if t := &tools[i]; t.Namespace == "" {
			delete(n.inner, t.Name) // the tool that bears the name itself comes first
		}
	}
	return n
}

// write writes the name of a called tool as the caller knows it.
func (n *names) write(j *neutral.JSON, name string) {
	if in, ok := n.inner[name]; ok {
		j.Member("name", in.name).Member("namespace", in.namespace)
		return
	}
	j.Member("name", name)
}

// readChoice reads tool_choice.
func (q *asking) readChoice(v []byte) {
	c := &q.r.Choice
	if len(v) == 0 {
		return
	}
	switch text(v) {
	case "auto":
		c.Mode = neutral.ChoiceAuto
	case "none":
		c.Mode = neutral.ChoiceNone
	case "required":
		c.Mode = neutral.ChoiceAny
	}
	if v[0] != '{' {
		return
	}
	switch typ := text(dialect.Member(v, "type")); typ {
	case "function", "custom":
		c.Mode, c.Names = neutral.ChoiceNamed, []string{chosen(v)}
	case "allowed_tools":
		c.Mode, c.Must = neutral.ChoiceAllow, text(dialect.Member(v, "mode")) == "required"
		list := dialect.Member(v, "tools")
		_ = dialect.Array(list, func(e dialect.Span) bool {
			c.Names = append(c.Names, chosen(e.Of(list)))
			return true
		})
	default: // a tool that the provider runs
		q.ask(neutral.FeatureServerTool, "tool_choice", v)
	}
}

// chosen names the tool of a choice; one that the provider runs is named by its type.
func chosen(v []byte) string {
	name := text(dialect.Member(v, "name"))
	if ns := text(dialect.Member(v, "namespace")); ns != "" {
		return flat(ns, name)
	}
	if name == "" {
		return text(dialect.Member(v, "type"))
	}
	return name
}
