package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// rig is what test/sdk/rig tells.
type rig struct {
	Gateway  string
	Sim      string
	Journal  string
	Accounts map[string]string // kinds of accounts, and how their models' names begin
	Asked    map[string]string // how the names begin that are asked for, by dialect
	Rows     []string
	Pools    map[string][]string

	pieces []string // of every text
}

// theRig reads it once.
var theRig = sync.OnceValues(func() (*rig, error) {
	b, err := os.ReadFile(os.Getenv("TURNOUT_SDK_RIG"))
	if err != nil {
		return nil, err
	}
	r := &rig{}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, err
	}
	r.pieces, err = r.read()
	return r, err
})

// read gives the pieces of every text, as the provider streams them: the first n of them are what an
// answer of n pieces says.
func (r *rig) read() (out []string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	body, err := r.post(ctx, "/v1/chat/completions", http.Header{"Authorization": {"Bearer sk-sim-pieces-n200"}},
		[]byte(`{"model":"sim","stream":true,"messages":[{"role":"user","content":"say it"}]}`))
	for line := range strings.Lines(string(body)) {
		data, ok := strings.CutPrefix(line, "data: {")
		if !ok {
			continue
		}
		var chunk struct {
			Choices []struct{ Delta struct{ Content string } }
		}
		if err := json.Unmarshal([]byte("{"+data), &chunk); err != nil {
			return nil, err
		}
		for _, c := range chunk.Choices {
			if c.Delta.Content != "" {
				out = append(out, c.Delta.Content)
			}
		}
	}
	return out, err
}

func (r *rig) text(n int) string { return strings.Join(r.pieces[:n], "") }

// post asks the provider directly.
func (r *rig) post(ctx context.Context, path string, h http.Header, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.Sim+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = h
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("the provider refused what Turnout had sent: %s", b)
	}
	return b, err
}

// place is one SDK before one kind of account.
type place struct {
	*rig
	sdk      *sdk
	accounts string
}

func (p *place) rest(row, words string) string {
	name := strings.ReplaceAll(p.sdk.name+"."+p.accounts+"."+row, "-", "_")
	if words != "" {
		name += "-" + words
	}
	return name
}

// model is what the SDK asks for, sent what an account of the place is sent. Each row has a model of
// its own: so it finds its requests again, and no row shares what Turnout knows of a model. The words behave.
func (p *place) model(row, words string) string {
	return p.Asked[p.sdk.dialect] + p.rest(row, words)
}
func (p *place) sent(row, words string) string {
	return p.rig.Accounts[p.accounts] + p.rest(row, words)
}

// key is the n-th account's of a pool, at the provider.
func (p *place) key(pool string, n int) string {
	name := fmt.Sprintf("%s.%s.%s.%d", p.sdk.name, p.accounts, pool, n)
	return strings.Replace(p.Pools[pool][n], "%s", strings.ReplaceAll(name, "-", "_"), 1)
}

// gateway connects through Turnout, with the key of a pool.
func (p *place) gateway(pool string) conn {
	return p.sdk.connect(p.Gateway, fmt.Sprintf("tk-sdk-%s.%s.%s", p.sdk.name, p.accounts, pool))
}

// direct connects to the provider itself.
func (p *place) direct(row string) conn {
	return p.sdk.connect(p.Sim, "sk-sim-direct."+strings.ReplaceAll(p.sdk.name+"."+row, "-", "_"))
}

// seen is a request as the provider saw it.
type seen struct {
	Path, Model, Outcome, Body string
	Stream                     bool
	Status, Events             int
	Header                     http.Header
}

// seen gives what the provider saw of a key, once so many requests have ended. Without a model: all.
func (p *place) seen(ctx context.Context, t *testing.T, key, model string, count int, body bool) []seen {
	t.Helper()
	q := url.Values{"key": {key}, "count": {fmt.Sprint(count)}}
	if model != "" {
		q.Set("model", model)
	}
	if body {
		q.Set("body", "1")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Journal+"/requests?"+q.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("the journal did not tell of %d requests of %s: %v", count, key, err)
	}
	defer func() { _ = resp.Body.Close() }()
	var out []seen
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

// arrived waits until a request has reached the provider.
func (p *place) arrived(ctx context.Context, key, model string) error {
	q := url.Values{"key": {key}, "model": {model}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Journal+"/arrived?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

var replays atomic.Int64

// replayed sends what Turnout sent to the provider once more, directly and with a fresh key, and gives
// the usage that the provider states: the prompt with all that was cached, the output with all that was thought.
func (p *place) replayed(ctx context.Context, t *testing.T, s seen) (prompt, output int64) {
	t.Helper()
	path, _, _ := strings.Cut(s.Path, "?")
	path = strings.Replace(path, ":streamGenerateContent", ":generateContent", 1)
	var body map[string]json.RawMessage
	if err := json.Unmarshal([]byte(s.Body), &body); err != nil {
		t.Fatalf("what Turnout sent: %v", err)
	}
	delete(body, "stream")
	delete(body, "stream_options")
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	key := fmt.Sprintf("sk-sim-replay.go.%d", replays.Add(1))
	h := http.Header{}
	switch {
	case s.Header.Get("Authorization") != "":
		h.Set("Authorization", "Bearer "+key)
	case s.Header.Get("X-Api-Key") != "":
		h.Set("X-Api-Key", key)
	default:
		h.Set("X-Goog-Api-Key", key)
	}
	for _, name := range []string{"Anthropic-Version", "Anthropic-Beta"} {
		if v := s.Header.Values(name); len(v) > 0 {
			h[name] = v
		}
	}
	answer, err := p.post(ctx, path, h, b)
	if err != nil {
		t.Fatal(err)
	}
	var u struct {
		Usage struct {
			Input    int64 `json:"input_tokens"`
			Output   int64 `json:"output_tokens"`
			Read     int64 `json:"cache_read_input_tokens"`
			Written  int64 `json:"cache_creation_input_tokens"`
			Prompt   int64 `json:"prompt_tokens"`
			Complete int64 `json:"completion_tokens"`
		} `json:"usage"`
		Metadata struct {
			Prompt     int64 `json:"promptTokenCount"`
			Candidates int64 `json:"candidatesTokenCount"`
			Thoughts   int64 `json:"thoughtsTokenCount"`
		} `json:"usageMetadata"`
	}
	if err := json.Unmarshal(answer, &u); err != nil {
		t.Fatal(err)
	}
	// No API uses the members of another one.
	return u.Usage.Input + u.Usage.Read + u.Usage.Written + u.Usage.Prompt + u.Metadata.Prompt,
		u.Usage.Output + u.Usage.Complete + u.Metadata.Candidates + u.Metadata.Thoughts
}

var noting sync.Mutex

// note tells the rig of a row's result.
func (p *place) note(t *testing.T, row, result, detail string) {
	noting.Lock()
	defer noting.Unlock()
	line, err := json.Marshal(map[string]string{"client": p.sdk.name, "accounts": p.accounts, "row": row, "result": result, "detail": detail})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(os.Getenv("TURNOUT_SDK_RESULTS"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
}
