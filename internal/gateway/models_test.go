package gateway

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"turnout/internal/dialect"
	"turnout/internal/dialect/gemini"
	"turnout/internal/domain"
)

// With {"g-*": "gpt-*"} the list was empty, and with {"*": "or/*"} it held the upstream's own
// names, which nobody could ask for: they were sent as or/or/…. Every listed name is one that
// is served, under the name to ask for.
func TestModelsAreListedAsAskedFor(t *testing.T) {
	for name, c := range map[string]struct {
		models domain.ModelMap
		want   []string
	}{
		"no map":                       {nil, []string{"gpt-4o", "gpt-4o-mini", "or/gpt-5", "other"}},
		"another beginning":            {domain.ModelMap{"g-*": "gpt-*"}, []string{"g-4o", "g-4o-mini"}},
		"a prefix is added":            {domain.ModelMap{"*": "or/*"}, []string{"gpt-5"}},
		"as it is":                     {domain.ModelMap{"gpt-*": "gpt-*"}, []string{"gpt-4o", "gpt-4o-mini"}},
		"an end":                       {domain.ModelMap{"*-small": "*-mini"}, []string{"gpt-4o-small"}},
		"two ways to one":              {domain.ModelMap{"a-*": "gpt-*", "b-*": "gpt-*"}, []string{"a-4o", "a-4o-mini", "b-4o", "b-4o-mini"}},
		"an exact name takes one away": {domain.ModelMap{"g-*": "gpt-*", "g-4o": "other"}, []string{"g-4o", "g-4o-mini"}},
		"one for all":                  {domain.ModelMap{"gpt-*": "gpt-4o"}, []string{"gpt-4o"}},
		"one for others":               {domain.ModelMap{"claude-*": "gpt-4o"}, nil},
		"what they do not have":        {domain.ModelMap{"*": "none/*"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a", models: c.models}}, openAI)
				r.on("a", func(context.Context, *call) (*response, error) {
					return answer200("application/json", `{"object":"list","data":[{"id":"gpt-4o"},{"id":"gpt-4o-mini"},{"id":"or/gpt-5"},{"id":"other"}]}`), nil
				})
				req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/models", nil)
				req.Header.Set("Authorization", "Bearer "+testKey)
				w := httptest.NewRecorder()
				r.g.Models(r.d, "").ServeHTTP(w, req)
				var ids []string
				for _, m := range regexp.MustCompile(`"id":"([^"]*)"`).FindAllStringSubmatch(w.Body.String(), -1) {
					ids = append(ids, m[1])
				}
				if !slices.Equal(ids, c.want) {
					t.Errorf("listed %q, want %q", ids, c.want)
				}
				for _, id := range ids {
					if sent, ok := c.models.Resolve(id); !ok || !slices.Contains([]string{"gpt-4o", "gpt-4o-mini", "or/gpt-5", "other"}, sent) {
						t.Errorf("%s is listed and would be sent as %q", id, sent)
					}
				}
			})
		})
	}
}

// A key in the query went upstream whenever it was written otherwise than key or api_key.
func TestQueryWithoutKeys(t *testing.T) {
	for raw, want := range map[string]string{
		"":                            "",
		"beta=true":                   "beta=true",
		"key=s":                       "",
		"Key=s&beta=true":             "beta=true",
		"KEY=s":                       "",
		"api-key=s&a=1":               "a=1",
		"Api_Key=s":                   "",
		"apikey=s&apiKey=s":           "",
		"x-api-key=s;b=2":             "b=2",
		"X-Goog-Api-Key=s":            "",
		"a=1&access_token=s&b=%zz":    "a=1&b=%zz",
		"Access-Token=s":              "",
		"%6bey=s&a%70i%2Dkey=s&c=%20": "c=%20",
		"x%5Fapi%5Fkey=s":             "",
		"key":                         "",
		" key=s&+key=s":               "",
		"token=s&auth_token=s&c=3":    "c=3",
		"authorization=s":             "",
		"a=1;b=2&&c":                  "a=1;b=2&&c",
		"monkey=1&keys=2":             "monkey=1&keys=2",
		"max_tokens=5&page_token=t":   "max_tokens=5&page_token=t",
		"%zzkey=1":                    "%zzkey=1",
	} {
		if got := query(&http.Request{URL: &url.URL{RawQuery: raw}}); got != want {
			t.Errorf("%q goes upstream as %q, want %q", raw, got, want)
		}
	}
}

// A model is said to have the methods that its accounts serve: counting and embedding are not translated. Who asks all the same is told
// what is missing, and not that the model is.
func TestModelsOfOtherDialects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{
			{name: "c", platform: "anthropic", models: domain.ModelMap{"claude-x": "claude-x", "both": "both", "text-embedding-x": "text-embedding-x"}},
			{name: "g", platform: "gemini", models: domain.ModelMap{"gemini-x": "gemini-x", "both": "both"}},
		}, as(gemini.Dialect{}))
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1beta/models", nil)
		req.Header.Set("Authorization", "Bearer "+testKey)
		w := httptest.NewRecorder()
		r.g.Models(r.d, "").ServeHTTP(w, req)
		for model, counts := range map[string]bool{"claude-x": false, "both": true, "gemini-x": true, "text-embedding-x": false} {
			_, row, _ := strings.Cut(w.Body.String(), `"models/`+model+`"`)
			row, _, _ = strings.Cut(row, "}")
			if strings.Contains(row, "countTokens") != counts || !strings.Contains(row, "generateContent") || strings.Contains(row, "embedContent") {
				t.Errorf("%s: %s", model, row)
			}
		}
		at := dialect.Route{Model: "claude-x", Version: "v1beta", Verb: "countTokens"}
		c := r.ask(Call{Dialect: r.d, Path: at.Verb, At: at}, []byte(`{"contents":[]}`))
		if text := c.Body.String(); c.Code != 404 || !strings.Contains(text, "serves countTokens for the model") || strings.Contains(text, "do not speak") || strings.Contains(text, "GET /v1/models") {
			t.Errorf("%d %s", c.Code, text)
		}
	})
}
