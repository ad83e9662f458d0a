package platform

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"turnout/internal/domain"
)

func TestURL(t *testing.T) {
	tests := []struct {
		platform, base, path, want string // want "": refused
	}{
		{"anthropic", "", "/v1/messages", "https://api.anthropic.com/v1/messages"},
		{"anthropic", "", "/v1/models?limit=1000", "https://api.anthropic.com/v1/models?limit=1000"},
		{"anthropic", "http://127.0.0.1:9100", "/v1/messages", "http://127.0.0.1:9100/v1/messages"},
		{"anthropic", "http://127.0.0.1:9100/", "/v1/messages", "http://127.0.0.1:9100/v1/messages"},
		{"anthropic", "https://relay.example/anthropic//", "/v1/messages", "https://relay.example/anthropic/v1/messages"},
		{"openai", "", "/chat/completions", "https://api.openai.com/v1/chat/completions"},
		{"openai-compatible", "http://localhost:11434/v1", "/chat/completions", "http://localhost:11434/v1/chat/completions"},
		{"openai-compatible", "http://localhost:11434/v1/", "/models", "http://localhost:11434/v1/models"},
		{"openai-compatible", "http://[::1]:8000/v1", "/models", "http://[::1]:8000/v1/models"},
		{"openai-compatible", "https://h.example/a%2Fb/v1", "/models", "https://h.example/a%2Fb/v1/models"},
		{"openai-compatible", "", "/models", ""},
		{"openai-compatible", "localhost:8000", "/models", ""},
		{"openai-compatible", "ftp://h.example", "/models", ""},
		{"openai-compatible", "https://", "/models", ""},
		{"openai-compatible", "https://h.example/v1?api-version=1", "/models", ""},
		{"openai-compatible", "https://h.example/v1?", "/models", ""},
		{"openai-compatible", "https://h.example/v1#x", "/models", ""},
		{"openai-compatible", "http://h.example:port", "/models", ""},
	}
	for _, tt := range tests {
		u, err := mustLookup(t, tt.platform).URL(tt.base, tt.path)
		if tt.want == "" {
			if err == nil {
				t.Errorf("%s %q: want it refused, got %s", tt.platform, tt.base, u)
			} else if !strings.Contains(err.Error(), "base_url") {
				t.Errorf("%s %q: %q does not say what to change", tt.platform, tt.base, err)
			}
			continue
		}
		if err != nil || u.String() != tt.want {
			t.Errorf("%s %q + %q: %v, %v; want %s", tt.platform, tt.base, tt.path, u, err, tt.want)
		}
	}
}

func TestSign(t *testing.T) {
	tests := []struct {
		name, platform, key string
		have, want          http.Header
	}{
		{"anthropic key", "anthropic", "sk-ant-api03-x", http.Header{}, http.Header{"X-Api-Key": {"sk-ant-api03-x"}}},
		{"anthropic token", "anthropic", "sk-ant-oat01-x", http.Header{}, http.Header{"Authorization": {"Bearer sk-ant-oat01-x"}, "Anthropic-Beta": {"oauth-2025-04-20"}}},
		{
			"the token's flag is appended", "anthropic", "sk-ant-oat01-x", http.Header{"Anthropic-Beta": {"claude-code-20250219,effort-2025-11-24"}},
			http.Header{"Authorization": {"Bearer sk-ant-oat01-x"}, "Anthropic-Beta": {"claude-code-20250219,effort-2025-11-24,oauth-2025-04-20"}},
		},
		{
			"a list in several headers", "anthropic", "sk-ant-oat01-x", http.Header{"Anthropic-Beta": {"a", "b"}},
			http.Header{"Authorization": {"Bearer sk-ant-oat01-x"}, "Anthropic-Beta": {"a,b,oauth-2025-04-20"}},
		},
		{
			"once is enough", "anthropic", "sk-ant-oat01-x", http.Header{"Anthropic-Beta": {"a, oauth-2025-04-20 ,b"}},
			http.Header{"Authorization": {"Bearer sk-ant-oat01-x"}, "Anthropic-Beta": {"a, oauth-2025-04-20 ,b"}},
		},
		{
			"another flag that begins alike", "anthropic", "sk-ant-oat01-x", http.Header{"Anthropic-Beta": {"oauth-2025-04-20-next"}},
			http.Header{"Authorization": {"Bearer sk-ant-oat01-x"}, "Anthropic-Beta": {"oauth-2025-04-20-next,oauth-2025-04-20"}},
		},
		{"an empty list", "anthropic", "sk-ant-oat01-x", http.Header{"Anthropic-Beta": {" "}}, http.Header{"Authorization": {"Bearer sk-ant-oat01-x"}, "Anthropic-Beta": {"oauth-2025-04-20"}}},
		{"a key leaves the list alone", "anthropic", "sk-ant-api03-x", http.Header{"Anthropic-Beta": {"a"}}, http.Header{"X-Api-Key": {"sk-ant-api03-x"}, "Anthropic-Beta": {"a"}}},
		{"gemini", "gemini", "AIza-x", http.Header{"X-Goog-Api-Key": {"the caller's"}}, http.Header{"X-Goog-Api-Key": {"AIza-x"}}},
		{"gemini without a key", "gemini", "", http.Header{"Accept": {"a"}}, http.Header{"Accept": {"a"}}},
		{"openai", "openai", "sk-proj-x", http.Header{}, http.Header{"Authorization": {"Bearer sk-proj-x"}}},
		{"compatible with a key", "openai-compatible", "x", http.Header{}, http.Header{"Authorization": {"Bearer x"}}},
		{"compatible without a key", "openai-compatible", "", http.Header{"Accept": {"a"}}, http.Header{"Accept": {"a"}}},
		{"anthropic-compatible without a key", "anthropic-compatible", "", http.Header{"Anthropic-Beta": {"a"}}, http.Header{"Anthropic-Beta": {"a"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// The slices of h are shared with whoever else serves the same request, with room
			// behind them that an append would write into.
			shared := http.Header{}
			for k, v := range tt.have {
				shared[k] = append(make([]string, 0, 8), v...)
			}
			h := http.Header{}
			for k, v := range shared {
				h[k] = v
			}
			mustLookup(t, tt.platform).Sign(h, domain.NewSecret(tt.key))
			if !reflect.DeepEqual(h, tt.want) {
				t.Errorf("got  %v\nwant %v", h, tt.want)
			}
			for k, v := range shared {
				if !slices.Equal(v, tt.have[k]) || v[:8][len(v)] != "" {
					t.Errorf("the shared slice of %s was changed: %q", k, v[:8])
				}
			}
		})
	}
}

func TestPlatforms(t *testing.T) {
	if got := Names(); !slices.Equal(got, []string{"anthropic", "openai", "gemini", "anthropic-compatible", "openai-compatible"}) {
		t.Errorf("Names() = %q", got)
	}
	if _, ok := Lookup("nobody"); ok {
		t.Error("found a platform that does not exist")
	}
	for _, p := range all {
		if compatible := strings.HasSuffix(p.Name, "-compatible"); compatible != (p.BaseURL == "") {
			t.Errorf("%s: base URL %q", p.Name, p.BaseURL)
		}
		for _, o := range p.Offers {
			if got, ok := p.Offer(o.Dialect.ID()); !ok || got.Path != o.Path {
				t.Errorf("%s: offer %v, %v", p.Name, got, ok)
			}
			if !strings.HasPrefix(o.Path, "/") || !strings.HasPrefix(o.ModelsPath, "/") {
				t.Errorf("%s: paths %q and %q must begin with a slash", p.Name, o.Path, o.ModelsPath)
			}
		}
		if _, ok := p.Offer(domain.Dialect(255)); ok {
			t.Errorf("%s: offers a dialect that does not exist", p.Name)
		}
	}
}
