package platform

import (
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"turnout/internal/failover"
)

// words are everything of a row that is compared with lower-case text.
func (r *Row) words() []string {
	var out []string
	for _, list := range [][]string{r.Types, r.Names, r.Whole, r.Prefix, r.Text, r.Quota, {r.Header}} {
		out = append(out, list...)
	}
	return out
}

func TestTable(t *testing.T) {
	id := regexp.MustCompile(`^[a-z]+\.[a-z0-9-]+$`)
	seen := map[string]bool{}
	for _, r := range table {
		if !id.MatchString(r.ID) || seen[r.ID] {
			t.Errorf("%s: want an id of its own, of the form group.name", r.ID)
		}
		seen[r.ID] = true
		if len(r.Evidence) < 20 {
			t.Errorf("%s: where does the fact come from?", r.ID)
		}
		if r.Where == 0 || r.Where&^Everywhere != 0 {
			t.Errorf("%s: at which platforms?", r.ID)
		}
		if r.Class == failover.Unknown {
			t.Errorf("%s: a row that knows nothing is no row", r.ID)
		}
		for _, w := range r.words() {
			if w != strings.ToLower(w) {
				t.Errorf("%s: %q is never found, it is compared in lower case", r.ID, w)
			}
		}
		for _, s := range r.Status {
			if s.From > s.To || s.From < 100 || s.To > 599 {
				t.Errorf("%s: status range %v", r.ID, s)
			}
		}
		if r.Header != "" && !strings.Contains(r.Header, ": ") {
			t.Errorf("%s: header %q has no value", r.ID, r.Header)
		}
		if r.Status == nil && !r.InBand && len(r.words()) == 1 && r.Header == "" {
			t.Errorf("%s matches everything", r.ID)
		}
		switch r.Class {
		case failover.CallerFault, failover.ContentRefused, failover.ContextTooLong:
			// The core rests nobody for these, and a scope would say that it should.
			if r.Scope != failover.ScopeNone {
				t.Errorf("%s: the caller's fault concerns no account", r.ID)
			}
		case failover.Credential:
			// A rest until the credential changes is lifted when the account is edited; one
			// of an organisation would never be.
			if r.Scope != failover.ScopeAccount {
				t.Errorf("%s: a credential is one account's", r.ID)
			}
		case failover.Capacity:
			if r.Scope != failover.ScopeProvider {
				t.Errorf("%s: capacity is the provider's", r.ID)
			}
		}
	}
}

// Where nothing says that an organisation shares anything, nothing concerns one; and
// rows that are about the original's organisations keep their place.
func TestCompatibleRowsConcernAccounts(t *testing.T) {
	for _, p := range all {
		organizations := 0
		for _, r := range p.Rows {
			if r.Scope == failover.ScopeOrganization {
				organizations++
			}
		}
		if compatible := strings.HasSuffix(p.Name, "-compatible"); compatible != (organizations == 0) {
			t.Errorf("%s: %d rows concern an organisation", p.Name, organizations)
		}
	}
	for _, r := range table {
		if r.Scope == failover.ScopeOrganization {
			return
		}
	}
	t.Error("no row of the table itself concerns an organisation: rowsAt has changed it")
}

// blames reports whether a verdict takes anything from other callers: a rest of more
// than this account for the very model that the caller named.
func blames(v Verdict) bool {
	switch v.Class {
	case failover.CallerFault, failover.ContentRefused, failover.ContextTooLong, failover.Transient:
		return false // no rest, or only after three in a row without a success between
	}
	return v.Scope != failover.ScopeNone && (v.Scope != failover.ScopeAccountModel || v.Class != failover.ModelGone)
}

// A caller decides what stands in its request, and upstreams repeat it. No words of
// the table, wherever a caller gets them into an error that it can provoke, may
// close an account for everybody.
func TestCallersCannotBlameAccounts(t *testing.T) {
	echoes := []struct {
		status int
		body   string
	}{
		{400, `{"type":"error","error":{"type":"invalid_request_error","message":"tools.0.name: '%s' does not match the pattern"}}`},
		{400, `{"error":{"message":"Invalid value: '%s'. Supported values are: 'system' and 'user'.","type":"invalid_request_error","param":"messages[0].role","code":"invalid_value"}}`},
		{400, `{"error":{"message":"%s is not a valid model ID","code":400}}`},
		{400, `{"error":{"message":"litellm.BadRequestError: LLM Provider NOT provided. You passed model=%s","type":"None","code":"400"}}`},
		{400, `{"error":{"message":"Invalid model name passed in model=%s. Call /v1/models","type":"None","code":"400"}}`},
		{404, `{"error":{"message":"The model %[2]s%[1]s%[2]s does not exist or you do not have access to it.","type":"invalid_request_error","code":"model_not_found"}}`},
		{404, `{"error":"model '%s' not found, try pulling it first"}`},
		{404, `{"type":"error","error":{"type":"not_found_error","message":"model: %s"}}`},
		{422, `{"detail":[{"type":"literal_error","msg":"Input should be 'a'","input":"%s"}]}`},
		{422, `{"detail":[{"type":"x","msg":"Value error, %s","loc":["body"]}]}`},
		{200, `{"error":{"message":"bad value %s","type":"BadRequestError","code":400}}`},
	}
	var payloads []string
	for _, r := range table {
		payloads = append(payloads, r.words()...)
	}
	for _, w := range append([]string(nil), payloads...) {
		if w != "" {
			payloads = append(payloads,
				`{\"error\":{\"code\":\"`+w+`\",\"message\":\"`+w+`\"}}`,
				`litellm.X: Exception - `+w,
				`XException - `+w)
		}
	}
	for _, e := range echoes {
		for _, w := range payloads {
			body := fmt.Sprintf(strings.ReplaceAll(e.body, "%s", "%[1]s"), w, "`")
			for _, p := range all {
				if v := p.Classify(Answer{Status: e.status, Body: []byte(body), Now: now}); blames(v) {
					t.Errorf("%s: a caller can bring about %s of the %s by row %s with %d %s", p.Name, v.Class, v.Scope, v.Row, e.status, body)
				}
			}
		}
	}
}

// The table is shared: classifying must not change it, nor the answer.
func TestClassifyChangesNothing(t *testing.T) {
	before := fmt.Sprintf("%+v", table)
	for _, c := range corpus(t) {
		a := c.answer()
		header, body := a.Header.Clone(), string(a.Body)
		mustLookup(t, c.Platform).Classify(a)
		if !reflect.DeepEqual(header, a.Header) || body != string(a.Body) {
			t.Errorf("%s: the answer was changed", c.Name)
		}
	}
	if before != fmt.Sprintf("%+v", table) {
		t.Error("the table was changed")
	}
}

func TestClassifyNeedsNothing(t *testing.T) {
	for _, p := range all {
		for _, status := range []int{0, 100, 200, 302, 400, 429, 500, 599, 999, -1} {
			v := p.Classify(Answer{Status: status})
			if v.Row == "" || v.Stated {
				t.Errorf("%s, %d: %+v", p.Name, status, v)
			}
		}
	}
}

func TestShouldRetry(t *testing.T) {
	tests := []struct {
		status int
		header string
		want   bool
	}{
		{500, "", true},
		{500, "false", false},
		{500, "true", true},
		{418, "true", true}, // unrecognised
		{418, "", false},
		{429, "true", false},
		{401, "true", false},
		{400, "true", false},
	}
	for _, tt := range tests {
		h := http.Header{}
		if tt.header != "" {
			h.Set("x-should-retry", tt.header)
		}
		v := mustLookup(t, "openai").Classify(Answer{Status: tt.status, Header: h, Now: now})
		if v.RetrySame != tt.want {
			t.Errorf("%d, x-should-retry %q: RetrySame %v, want %v (%s)", tt.status, tt.header, v.RetrySame, tt.want, v.Row)
		}
	}
}

func TestVerdictIsBounded(t *testing.T) {
	long := strings.Repeat("é", 4000)
	v := mustLookup(t, "openai").Classify(Answer{Status: 500, Body: []byte(`{"error":{"message":"a` + long + `","type":"b` + long + `","code":"c` + long + `"}}`)})
	if len(v.Message) > maxMessage || len(v.Message) < maxMessage-4 || len(v.Type) > maxName || len(v.Code) > maxName || v.Type == "" || v.Code == "" {
		t.Errorf("message %d, type %d, code %d bytes", len(v.Message), len(v.Type), len(v.Code))
	}
	page := "<html><head><title>\n  502   Bad\tGateway </title></head><body>" + long + "</body></html>"
	if v := mustLookup(t, "openai").Classify(Answer{Status: 502, Body: []byte(page)}); v.Message != "502 Bad Gateway" {
		t.Errorf("a page's message is %q, want its title", v.Message)
	}
}
