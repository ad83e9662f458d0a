package platform

import (
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"turnout/internal/dialect"
)

func TestExpand(t *testing.T) {
	generate, _ := mustLookup(t, "gemini").Offer(4)
	for _, c := range []struct {
		path string
		at   dialect.Route
		want string
	}{
		{"/v1/messages", dialect.Route{Model: "m", Version: "v9"}, "/v1/messages"},
		{generate.Path, dialect.Route{Model: "gemini-2.5-pro"}, "/v1beta/models/gemini-2.5-pro:generateContent"},
		{generate.Path, dialect.Route{Model: "models/gemini-2.5-pro", Version: "v1"}, "/v1/models/gemini-2.5-pro:generateContent"},
		{generate.StreamPath, dialect.Route{Model: "gemini-2.5-pro", Version: "v1beta"}, "/v1beta/models/gemini-2.5-pro:streamGenerateContent"},
		{generate.Path, dialect.Route{Model: "tunedModels/mine-1"}, "/v1beta/tunedModels/mine-1:generateContent"},
		{generate.Path, dialect.Route{Model: "tunedModels/../x"}, "/v1beta/tunedModels/..%2Fx:generateContent"},
		{generate.Path, dialect.Route{Model: "a/b c?d#e%"}, "/v1beta/models/a%2Fb%20c%3Fd%23e%25:generateContent"},
		{generate.Path, dialect.Route{Model: "x:deleteEverything"}, "/v1beta/models/x%3AdeleteEverything:generateContent"},
		{generate.Path, dialect.Route{Model: "{version}"}, "/v1beta/models/%7Bversion%7D:generateContent"},
		{generate.Path, dialect.Route{Model: "m", Version: "../v1"}, "/v1beta/models/m:generateContent"},
		{generate.Path, dialect.Route{Model: "m", Version: "v1beta2"}, "/v1beta2/models/m:generateContent"},
		{generate.Path, dialect.Route{Model: "m", Version: "version"}, "/v1beta/models/m:generateContent"},
		{generate.Others["countTokens"], dialect.Route{Model: "m"}, "/v1beta/models/m:countTokens"},
		{generate.Others["embedContent"], dialect.Route{Model: "m"}, "/v1beta/models/m:embedContent"},
		{generate.Others["batchEmbedContents"], dialect.Route{Model: "m"}, "/v1beta/models/m:batchEmbedContents"},
	} {
		if got := Expand(c.path, c.at); got != c.want {
			t.Errorf("%s with %+v is %s, want %s", c.path, c.at, got, c.want)
		}
	}
}

// Whatever a model is called, its path has the same segments and the same verb, and an upstream reads the name that
// was meant.
func TestExpandKeepsItsShape(t *testing.T) {
	p := mustLookup(t, "gemini")
	generate, _ := p.Offer(4)
	rapid.Check(t, func(t *rapid.T) {
		at := dialect.Route{Model: rapid.StringN(1, 40, -1).Draw(t, "model"), Version: rapid.String().Draw(t, "version")}
		if strings.HasPrefix(at.Model, "models/") || strings.HasPrefix(at.Model, "tunedModels/") {
			t.Skip("named with its collection")
		}
		u, err := p.URL("", Expand(generate.Path, at))
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(u.EscapedPath(), "/")
		if len(parts) != 4 || parts[2] != "models" || !isVersion(parts[1]) || u.RawQuery != "" || u.Fragment != "" {
			t.Fatalf("%q became %s", at.Model, u)
		}
		name, verb, _ := strings.Cut(parts[3], ":")
		if got, err := url.PathUnescape(name); err != nil || got != at.Model || verb != "generateContent" {
			t.Fatalf("%q became %q (%v), asked to %s", at.Model, got, err, verb)
		}
	})
}
