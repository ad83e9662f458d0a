package dialect

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"turnout/internal/domain"
)

func TestFacts(t *testing.T) {
	for _, c := range []struct {
		body, model, at string
		stream          bool
		others          string // the members that are not for Facts, in order
	}{
		{`{"model":"m"}`, "m", `"m"`, false, ""},
		{` { "stream" : true , "model" : "m" } `, "m", `"m"`, true, ""},
		{`{"model":"m","stream":false}`, "m", `"m"`, false, ""},
		{`{"model":"m","stream":null}`, "m", `"m"`, false, ""},
		{`{"mod\u0065l":"m","str\u0065am":true}`, "m", `"m"`, true, ""},
		{`{"a":1,"model":"m\u00e9","b":{"model":"inner","stream":true},"a":2}`, "mé", `"m\u00e9"`, false, "a b a"},
		{`{"model":"m","models":["x"],"streaming":1,"model_":2}`, "m", `"m"`, false, "models streaming model_"},
		{`{"model":"` + strings.Repeat("x", 256) + `"}`, strings.Repeat("x", 256), `"` + strings.Repeat("x", 256) + `"`, false, ""},
	} {
		var r Request
		var others []string
		body := []byte(c.body)
		if err := Facts(body, &r, func(key []byte, _ Span) { others = append(others, string(key)) }); err != nil {
			t.Errorf("%s: %v", c.body, err)
			continue
		}
		if r.Model != c.model || string(r.ModelAt.Of(body)) != c.at || r.Stream != c.stream || strings.Join(others, " ") != c.others {
			t.Errorf("%s: model %q at %s, stream %v, others %q", c.body, r.Model, r.ModelAt.Of(body), r.Stream, others)
		}
	}
}

func TestFactsRefuses(t *testing.T) {
	for _, c := range []struct{ body, param, says string }{
		{``, "", "not a JSON object"},
		{`[]`, "", "not a JSON object"},
		{`{"model":"m"`, "", "not a JSON object"},
		{`{"model":"m"} {}`, "", "not a JSON object"},
		{`{}`, "model", "missing"},
		{`{"stream":true}`, "model", "missing"},
		{`{"model":null}`, "model", "non-empty string"},
		{`{"model":""}`, "model", "non-empty string"},
		{`{"model":5}`, "model", "non-empty string"},
		{`{"model":["m"]}`, "model", "non-empty string"},
		{`{"model":"\x"}`, "model", "non-empty string"},
		{`{"model":"` + strings.Repeat("x", 257) + `"}`, "model", "longer than 256"},
		{`{"model":"m","stream":"true"}`, "stream", "true or false"},
		{`{"model":"m","stream":1}`, "stream", "true or false"},
		{`{"model":"m","stream":True}`, "stream", "true or false"},
		{`{"model":"m","model":"m"}`, "model", "more than once"},
		{`{"model":"m","mod\u0065l":"n"}`, "model", "more than once"},
		{`{"model":"m","stream":true,"stream":true}`, "stream", "more than once"},
		// What another server may take for a second model must not pass the key's allow list.
		{`{"model":"m","Model":"n"}`, "", "ambiguous"},
		{`{"model":"m","MODEL":"n"}`, "", "ambiguous"},
		{`{"model":"m","mOdEl":"n"}`, "", "ambiguous"},
		{`{"model":"m","Stream":true}`, "", "ambiguous"},
		{`{"model":"m","mod\u0045l":"n"}`, "", "ambiguous"},
		{`{"model":"m","\u004dodel":"n"}`, "", "ambiguous"},
		{`{"model":"m","\u017ftream":true}`, "", "ambiguous"},
		{"{\"model\":\"m\",\"\u017ftream\":true}", "", "ambiguous"},
	} {
		var r Request
		err := Facts([]byte(c.body), &r, func([]byte, Span) {})
		var e *domain.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v, want a domain error", c.body, err)
			continue
		}
		if e.Kind != domain.KindInvalid || e.Param != c.param || !strings.Contains(e.Message, c.says) {
			t.Errorf("%s: %v %q %q; want %q and %q", c.body, e.Kind, e.Param, e.Message, c.param, c.says)
		}
	}
}

func TestFirstUser(t *testing.T) {
	for messages, want := range map[string]string{
		`[{"role":"system","content":"s"},{"role":"user","content":"a"},{"role":"user","content":"b"}]`: `"a"`,
		`[{"content":[{"type":"text","text":"x"}],"role":"user"}]`:                                      `[{"type":"text","text":"x"}]`,
		`[{"role":"assistant","content":"a"}]`:                                                          "",
		`[]`:                                                                                            "", ``: "", `null`: "", `"x"`: "", `[1,null,{"role":"\u0075ser","content":"e"}]`: `"e"`,
	} {
		var b bytes.Buffer
		FirstUser([]byte(messages), &b)
		if b.String() != want {
			t.Errorf("%s: %s, want %s", messages, b.String(), want)
		}
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct {
		e    domain.Error
		id   string
		want string
	}{
		{domain.Error{Kind: domain.KindInvalid, Message: "bad"}, "req_1", "bad (gateway, request req_1)"},
		{domain.Error{Kind: domain.KindRateLimited, Message: "slow down", FromProvider: true}, "", "slow down (provider)"},
		{domain.Error{Kind: domain.KindUpstreamTimeout}, "", "upstream timeout (gateway)"},
		{domain.Error{Kind: domain.KindInternal, Err: errors.New("secret"), Op: "private"}, "", "an internal error happened; the operator's log has it under this request id (gateway)"},
		{domain.Error{Kind: domain.KindCanceled}, "", "the caller closed the request (gateway)"},
		{domain.Error{Kind: domain.KindDraining}, "", "the gateway is stopping; try again (gateway)"},
	} {
		if got := Text(&c.e, c.id); got != c.want {
			t.Errorf("%+v: %q, want %q", c.e, got, c.want)
		}
	}
}

// Every kind has a status of its own right: nothing a caller did is a 5xx, and nothing else is a 4xx
// but the limits and the caller's own leaving.
func TestStatusOf(t *testing.T) {
	want := map[domain.Kind]int{
		domain.KindInternal: 500, domain.KindInvalid: 400, domain.KindUnauthenticated: 401, domain.KindForbidden: 403, domain.KindNotFound: 404,
		domain.KindMethodNotAllowed: 405, domain.KindTooLarge: 413, domain.KindUnsupported: 415, domain.KindTimeout: 408, domain.KindRateLimited: 429,
		domain.KindUnavailable: 503, domain.KindUpstream: 502, domain.KindOverloaded: 503, domain.KindUpstreamTimeout: 504,
		domain.KindCanceled: StatusClientClosed, domain.KindDraining: 503, domain.KindBalance: 402, domain.KindBudget: 402,
	}
	for k := domain.KindInternal; k.String() != "unknown"; k++ {
		if _, ok := want[k]; !ok {
			t.Errorf("%v is in no row", k)
		}
		if got := StatusOf(k); got != want[k] {
			t.Errorf("%v: %d, want %d", k, got, want[k])
		}
	}
}

func TestEffortNames(t *testing.T) {
	for e, want := range map[Effort]string{EffortNone: "none", EffortSome: "some", EffortHigh: "high"} {
		if e.String() != want {
			t.Errorf("%d: %s", e, e)
		}
	}
}
