package platform

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// now is the moment at which every case of the corpus happens: a Friday at noon UTC.
var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// corpusCase is one file of testdata/corpus: a failed answer as it comes over the wire,
// and what it means. A body that is a JSON string stands for its content (pages,
// plain text, broken JSON), anything else for itself, byte for byte.
type corpusCase struct {
	Name     string            `json:"-"`
	Platform string            `json:"platform"`
	Status   int               `json:"status"` // 200: an error inside a success
	Header   map[string]string `json:"header"`
	Body     json.RawMessage   `json:"body"`
	Want     struct {
		Row       string `json:"row"`
		Class     string `json:"class"`
		Scope     string `json:"scope"`
		Type      string `json:"type"`
		Code      string `json:"code"`
		Reset     string `json:"reset"` // empty: none stated
		RetrySame bool   `json:"retry_same"`
	} `json:"want"`
}

func (c *corpusCase) answer() Answer {
	a := Answer{Status: c.Status, Header: http.Header{}, Body: c.Body, Now: now}
	var text string
	if json.Unmarshal(c.Body, &text) == nil {
		a.Body = []byte(text)
	}
	for k, v := range c.Header {
		a.Header.Set(k, v)
	}
	return a
}

func corpus(t testing.TB) []corpusCase {
	t.Helper()
	files, err := filepath.Glob("testdata/corpus/*.json")
	if err != nil {
		t.Fatal(err)
	}
	out := make([]corpusCase, len(files))
	for i, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		d := json.NewDecoder(bytes.NewReader(b))
		d.DisallowUnknownFields()
		if err := d.Decode(&out[i]); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out[i].Name = strings.TrimSuffix(filepath.Base(name), ".json")
	}
	return out
}

func mustLookup(t testing.TB, name string) *Platform {
	t.Helper()
	p, ok := Lookup(name)
	if !ok {
		t.Fatalf("no platform %q", name)
	}
	return p
}

func TestCorpus(t *testing.T) {
	cases := corpus(t)
	if len(cases) < 200 {
		t.Fatalf("the corpus has %d cases; was it moved?", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			v := mustLookup(t, c.Platform).Classify(c.answer())
			type verdict struct {
				row, class, scope, typ, code, reset string
				same                                bool
			}
			got := verdict{v.Row, v.Class.String(), v.Scope.String(), v.Type, v.Code, "", v.RetrySame}
			if v.Stated {
				got.reset = v.Reset.String()
			}
			w := c.Want
			want := verdict{w.Row, w.Class, w.Scope, w.Type, w.Code, w.Reset, w.RetrySame}
			if got != want {
				t.Errorf("got  %+v\nwant %+v\nmessage %q", got, want, v.Message)
			}
		})
	}
}

// Every row is hit by a case made for it, and at every platform that has the row
// there is an answer that reaches it: no row hides behind another one.
func TestEveryRowIsReached(t *testing.T) {
	made := map[string]bool{}
	reached := map[[2]string]bool{}
	for _, c := range corpus(t) {
		made[c.Want.Row] = true
		for _, p := range all {
			reached[[2]string{p.Name, p.Classify(c.answer()).Row}] = true
		}
	}
	for _, r := range table {
		if !made[r.ID] {
			t.Errorf("no case of the corpus wants row %s", r.ID)
		}
	}
	for _, p := range all {
		for _, r := range p.Rows {
			if !reached[[2]string{p.Name, r.ID}] {
				t.Errorf("no case of the corpus reaches row %s at %s", r.ID, p.Name)
			}
		}
	}
	if !made[fallback.ID] {
		t.Error("no case of the corpus is unrecognised")
	}
}
