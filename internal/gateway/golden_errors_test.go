package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"turnout/internal/dialect"
	"turnout/internal/dialect/anthropic"
	"turnout/internal/dialect/gemini"
	"turnout/internal/dialect/neutral/neutraltest"
	"turnout/internal/dialect/openai"
	"turnout/internal/dialect/responses"
	"turnout/internal/domain"
)

// side is a dialect in the golden files of errors: as a caller speaks it, and a platform whose accounts
// translated requests reach in it, with failures from the platforms' corpus.
type side struct {
	dialect.Dialect
	platform string
	ask      string // with a %v for whether a stream is wanted; Gemini says that in its path
	failures []string
}

var sides = []side{
	{anthropic.Dialect{}, "anthropic", `{"model":"m","max_tokens":100,"stream":%v,"messages":[{"role":"user","content":"hi"}]}`, []string{
		"anthropic-400-invalid", "anthropic-400-prompt-too-long", "anthropic-400-credit", "anthropic-401-key", "anthropic-404-model",
		"anthropic-413-too-large", "anthropic-429-window-5h", "anthropic-429-buckets", "anthropic-500-server", "anthropic-529-overloaded",
	}},
	{openai.Dialect{}, "openai-compatible", `{"model":"m","stream":%v,"messages":[{"role":"user","content":"hi"}]}`, []string{
		"openai-400-invalid", "vllm-400-context", "deepseek-400-content", "deepseek-401-key", "deepseek-402-balance", "ollama-404-model",
		"groq-413-request-too-large", "openrouter-429-headers", "deepseek-503-busy",
	}},
	{responses.Dialect{}, "openai", `{"model":"m","store":false,"stream":%v,"input":"hi"}`, []string{
		"openai-400-invalid", "openai-400-context", "openai-400-policy", "openai-401-key", "openai-404-model",
		"openai-429-insufficient-quota", "openai-429-tokens", "openai-500-server", "openai-503-overloaded",
	}},
	{gemini.Dialect{}, "gemini", `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`, []string{
		"gemini-native-400-parts", "gemini-native-400-too-long", "gemini-native-400-key", "gemini-native-403-denied", "gemini-native-404-model",
		"gemini-native-429-minute", "gemini-native-429-day", "gemini-native-500-internal", "gemini-native-503-overloaded",
	}},
}

// told sends one request of the caller to an account of another dialect, and writes down the answer.
func told(t *testing.T, caller, upstream side, wantsStream bool, answer reply) string {
	var out bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a", platform: upstream.platform}}, as(caller.Dialect))
		r.on("a", answer)
		body := caller.ask
		if strings.Contains(body, "%v") {
			body = fmt.Sprintf(body, wantsStream)
		}
		req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		req.Header.Set("X-Api-Key", testKey)
		w := httptest.NewRecorder()
		func() {
			defer func() {
				if p := recover(); p != nil && p != any(http.ErrAbortHandler) {
					panic(p)
				}
			}()
			r.g.Serve(w, req, &Call{Dialect: r.d, At: dialect.Route{Model: "m", Stream: wantsStream, Version: "v1beta", Verb: "generateContent"}})
		}()
		fmt.Fprintf(&out, "HTTP %d\n", w.Code)
		for _, h := range []string{"Content-Type", "Retry-After", "Retry-After-Ms", "X-Should-Retry"} {
			if v := w.Header().Get(h); v != "" {
				fmt.Fprintf(&out, "%s: %s\n", h, v)
			}
		}
		id := r.last().ID.String()
		text := strings.NewReplacer(id, "<request>", strings.TrimPrefix(id, "req_"), "<request>").Replace(w.Body.String())
		if !wantsStream {
			var indented bytes.Buffer
			if err := json.Indent(&indented, []byte(text), "", " "); err != nil {
				t.Errorf("no JSON: %v", err)
			}
			text = indented.String()
		}
		fmt.Fprintf(&out, "\n%s\n", strings.TrimRight(text, "\r\n"))
	})
	return chance.ReplaceAllString(out.String(), "$1<drawn>")
}

// chance matches what differs from run to run: waits have a jitter.
var chance = regexp.MustCompile(`(Retry-After(?:-Ms)?: |returns in |"retryDelay": ")[0-9a-z.]+`)

// failure is an entry of the platforms' corpus as an account's answer.
func failure(t *testing.T, name string) reply {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("../platform/testdata/corpus", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Status int
		Header map[string]string
		Body   json.RawMessage
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	var header []string
	for k, v := range c.Header {
		header = append(header, k, v)
	}
	return status(c.Status, string(c.Body), header...)
}

// What callers of each dialect hear of the failures of each other one's providers, before an answer and in the
// middle of it.
func TestGoldenErrors(t *testing.T) {
	for _, caller := range sides {
		for _, up := range sides {
			if caller.ID() == up.ID() || caller.ID() == domain.DialectOpenAIChat && up.ID() == domain.DialectOpenAIResp {
				continue // the platforms that speak Responses speak Chat Completions, too, so that nothing is translated
			}
			pair := up.ID().String() + "_to_" + caller.ID().String()
			t.Run(pair, func(t *testing.T) {
				var out bytes.Buffer
				for _, name := range up.failures {
					fmt.Fprintf(&out, "=== %s\n%s\n", name, told(t, caller, up, false, failure(t, name)))
				}
				neutraltest.Golden(t, filepath.Join("errors", pair+".txt"), out.Bytes())

				broken, err := os.ReadFile(filepath.Join("testdata/errors", up.ID().String()+".broken.sse"))
				if err != nil {
					t.Fatal(err)
				}
				got := told(t, caller, up, true, stream(io.EOF, part{0, string(broken)}))
				neutraltest.Golden(t, filepath.Join("errors", pair+".broken.txt"), []byte(got))
			})
		}
	}
}
