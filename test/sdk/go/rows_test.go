package sdk

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// bound is how long a row may take: it hangs otherwise.
const bound = 2 * time.Minute

// try tries one row; why is why it does not exist there.
type try func(ctx context.Context, t *testing.T, p *place) (why string)

var tries = map[string]try{
	"text":         text,
	"stream":       streamed,
	"tools":        func(ctx context.Context, t *testing.T, p *place) string { return roundTrip(ctx, t, p, "ask", "") },
	"tools-stream": func(ctx context.Context, t *testing.T, p *place) string { return roundTrip(ctx, t, p, "stream", "") },
	"tools-thinking": func(ctx context.Context, t *testing.T, p *place) string {
		return roundTrip(ctx, t, p, "ask", "think") + roundTrip(ctx, t, p, "stream", "think")
	},
	"structured":   structured,
	"usage":        usage,
	"usage-cached": usageCached,
	"reasoning":    reasoning,
	"models":       models,

	"bad-request":  badRequest,
	"context":      tooLong,
	"unauthorized": unauthorized,
	"not-found":    notFound,
	"model-gone":   modelGone,
	"limited":      limited,
	"internal":     down("internal", 500, 502, 503),
	"unavailable":  down("unavailable", 502, 503, 529),
	// A bad key of an account is the operator's matter: callers take a 401 for their own key.
	"account-key": down("account-key", 502, 503),
	"broken":      broken,

	"abort":    abort,
	"large":    large,
	"parallel": parallel,

	"failover-503":   failover("failover-503"),
	"failover-429":   failover("failover-429"),
	"failover-cut":   failover("failover-cut"),
	"failover-start": failover("failover-start"),
	"failover-key":   failover("failover-key"),
}

// alone are rows that fill the machine by themselves, and how many of them run side by side.
var alone = map[string]chan struct{}{"large": make(chan struct{}, 2), "parallel": make(chan struct{}, 1)}

// TestSDK tries every row with every SDK before every kind of account.
func TestSDK(t *testing.T) {
	if os.Getenv("TURNOUT_SDK_RIG") == "" {
		t.Skip("these tests need the rig, which `scripts/test sdk` starts: TURNOUT_SDK_RIG is not set")
	}
	r, err := theRig()
	if err != nil {
		t.Fatal(err)
	}
	if len(r.pieces) != 200 {
		t.Fatalf("the provider's text has %d pieces, want 200", len(r.pieces))
	}
	for _, s := range sdks {
		for _, kind := range slices.Sorted(maps.Keys(r.Accounts)) {
			for _, row := range r.Rows {
				p := &place{r, s, kind}
				if !chosen(s.name + " " + kind + " " + row) {
					continue
				}
				t.Run(s.name+"/"+kind+"/"+row, func(t *testing.T) {
					t.Parallel()
					if slot := alone[row]; slot != nil {
						slot <- struct{}{}
						defer func() { <-slot }()
					}
					tried(t, p, row)
				})
			}
		}
	}
}

// chosen reports whether a row's name holds every word that the rows are chosen by.
func chosen(name string) bool {
	for part := range strings.FieldsSeq(os.Getenv("TURNOUT_SDK_PARTS")) {
		if !strings.Contains(name, part) {
			return false
		}
	}
	return true
}

// tried tries a row and tells the rig what came of it.
func tried(t *testing.T, p *place, row string) {
	why := ""
	defer func() {
		switch {
		case t.Failed():
			p.note(t, row, "fail", "see the output of go test above")
		case why != "":
			p.note(t, row, "skip", why)
		default:
			p.note(t, row, "pass", "")
		}
	}()
	f := tries[row]
	if f == nil {
		t.Fatalf("nobody wrote the row %s", row)
	}
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	why = f(ctx, t, p)
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %#v, want %#v", what, got, want)
	}
}

// through asks as how says: "ask" or "stream".
func through(ctx context.Context, t *testing.T, c conn, how string, q ask) answer {
	t.Helper()
	a, err := try1(ctx, c, how, q)
	if err != nil {
		t.Fatalf("%s: %v", how, err)
	}
	return a
}

func try1(ctx context.Context, c conn, how string, q ask) (answer, error) {
	if how == "stream" {
		return c.stream(ctx, q, func(string) {})
	}
	return c.ask(ctx, q)
}

// whole checks an answer of n pieces.
func whole(t *testing.T, p *place, a answer, how string, n int) {
	t.Helper()
	equal(t, how+": text", a.text, p.text(n))
	equal(t, how+": end", a.end, "stop")
	if how == "stream" {
		equal(t, how+": the pieces", a.streamed, p.text(n))
	}
}

// same compares an answer with what the provider says directly to the same SDK.
func same(t *testing.T, got, want answer) {
	t.Helper()
	equal(t, "text", got.text, want.text)
	equal(t, "thoughts", got.thoughts, want.thoughts)
	equal(t, "end", got.end, want.end)
	equal(t, "calls", callsOf(t, got), callsOf(t, want))
}

// callsOf are the calls without their ids, each with its arguments as values.
func callsOf(t *testing.T, a answer) (out []string) {
	t.Helper()
	for _, k := range a.calls {
		var args any
		if err := json.Unmarshal([]byte(k.args), &args); err != nil {
			t.Fatalf("the arguments of %s are no JSON: %s", k.name, k.args)
		}
		out = append(out, fmt.Sprintf("%s %v", k.name, args))
	}
	return out
}

// costs checks that an answer states the usage which the provider states for what Turnout sent.
func costs(ctx context.Context, t *testing.T, p *place, sent string, a answer, count int) {
	t.Helper()
	all := p.seen(ctx, t, p.key("healthy", 0), sent, count, true)
	prompt, output := p.replayed(ctx, t, all[count-1])
	equal(t, "prompt and output tokens", []int64{a.prompt, a.output}, []int64{prompt, output})
}

func text(ctx context.Context, t *testing.T, p *place) string {
	q := ask{model: p.model("text", "n23"), system: system, prompt: say}
	got := through(ctx, t, p.gateway("healthy"), "ask", q)
	whole(t, p, got, "ask", 23)
	equal(t, "the model that answered", got.model, p.sent("text", "n23"))
	same(t, got, through(ctx, t, p.direct("text"), "ask", q))
	up := p.seen(ctx, t, p.key("healthy", 0), p.sent("text", "n23"), 1, true)[0]
	for _, marker := range []string{"marker-prompt-55d0", "marker-system-7f3a"} {
		equal(t, marker, strings.Count(up.Body, marker), 1)
	}
	equal(t, "asked for a stream", up.Stream, false)
	return ""
}

func streamed(ctx context.Context, t *testing.T, p *place) string {
	q := ask{model: p.model("stream", "n23"), system: system, prompt: say}
	n := 0
	got, err := p.gateway("healthy").stream(ctx, q, func(string) { n++ })
	if err != nil {
		t.Fatal(err)
	}
	whole(t, p, got, "stream", 23)
	if n < 2 {
		t.Errorf("the stream came in %d pieces", n)
	}
	same(t, got, through(ctx, t, p.direct("stream"), "stream", q))
	up := p.seen(ctx, t, p.key("healthy", 0), p.sent("stream", "n23"), 1, false)[0]
	equal(t, "asked for a stream", up.Stream, true)
	return ""
}

func roundTrip(ctx context.Context, t *testing.T, p *place, how, think string) string {
	row := "tools." + how + think
	turns := func(c conn) (first, last answer) {
		q := ask{model: p.model(row, "n17"), system: system, prompt: toolPrompt, tools: true, think: think != ""}
		first = through(ctx, t, c, how, q)
		q.former = &first
		return first, through(ctx, t, c, how, q)
	}
	first, last := turns(p.gateway("healthy"))
	wantFirst, wantLast := turns(p.direct(row))
	var want []call
	for _, one := range tools {
		want = append(want, call{"", one.name, one.args})
	}
	equal(t, "calls", callsOf(t, first), callsOf(t, answer{calls: want}))
	equal(t, "end", first.end, "tools")
	whole(t, p, last, how, 17)
	if think == "" { // thoughts have no place in some dialects
		same(t, first, wantFirst)
		same(t, last, wantLast)
	}
	up := p.seen(ctx, t, p.key("healthy", 0), p.sent(row, "n17"), 2, true)[1]
	for _, one := range tools {
		if !strings.Contains(up.Body, one.result) {
			t.Errorf("the result of %s did not arrive: %s", one.name, up.Body)
		}
	}
	return ""
}

func structured(ctx context.Context, t *testing.T, p *place) string {
	body, err := p.gateway("healthy").structured(ctx, ask{model: p.model("structured", ""), prompt: say})
	if err != nil {
		t.Fatal(err)
	}
	var got, want journey
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if err := json.Unmarshal([]byte(theJourney), &want); err != nil {
		t.Fatal(err)
	}
	equal(t, "the journey", got, want)
	return ""
}

func usage(ctx context.Context, t *testing.T, p *place) string {
	for _, how := range []string{"ask", "stream"} {
		row := "usage." + how
		got := through(ctx, t, p.gateway("healthy"), how, ask{model: p.model(row, "n31"), system: system, prompt: say})
		equal(t, how+": output tokens", got.output, int64(31))
		costs(ctx, t, p, p.sent(row, "n31"), got, 1)
	}
	return ""
}

func usageCached(ctx context.Context, t *testing.T, p *place) string {
	q := ask{model: p.model("cached", "n5"), prompt: say + strings.Repeat(p.text(200), 10), cache: true}
	c := p.gateway("healthy")
	first, second := through(ctx, t, c, "ask", q), through(ctx, t, c, "ask", q)
	equal(t, "cached the first time", first.cached, int64(0))
	equal(t, "the prompt with and without the cache", second.prompt, first.prompt)
	costs(ctx, t, p, p.sent("cached", "n5"), second, 2)
	// Anthropic's cache is asked for, which the other dialects cannot; the others' is automatic.
	if (p.accounts != "anthropic" || p.sdk.dialect == "anthropic") && second.cached < 1000 {
		t.Errorf("%d cached of %d", second.cached, second.prompt)
	}
	return ""
}

// thought is what the provider thinks.
const thought = "Which track is free? Let me look. There."

func reasoning(ctx context.Context, t *testing.T, p *place) string {
	for _, how := range []string{"ask", "stream"} {
		got := through(ctx, t, p.gateway("healthy"), how, ask{model: p.model("reasoning."+how, "n12"), prompt: say, think: true})
		whole(t, p, got, how, 12)
		equal(t, how+": output tokens, 8 of thinking and 12 of text", got.output, int64(20))
		// Anthropic does not say how many of the output's tokens are thoughts.
		if got.reasoning >= 0 && p.accounts != "anthropic" {
			equal(t, how+": reasoning tokens", got.reasoning, int64(8))
		}
		// Chat Completions has no place for thoughts.
		if p.sdk.dialect != "openai-chat" && p.accounts != "openai-compatible" {
			equal(t, how+": thoughts", got.thoughts, thought)
		}
	}
	return ""
}

func models(ctx context.Context, t *testing.T, p *place) string {
	got, err := p.gateway("healthy").models(ctx)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "models", got, []string{"claude-sonnet-4-5-1", "gemini-2.5-pro-1", "gpt-5-1"})
	return ""
}

// failing asks for an error of the SDK's own class.
func failing(ctx context.Context, t *testing.T, p *place, c conn, how, model string, statuses ...int) fault {
	t.Helper()
	a, err := try1(ctx, c, how, ask{model: model, prompt: say})
	if err == nil {
		t.Fatalf("%s: the call did not fail: %+v", how, a)
	}
	f, ok := p.sdk.fault(err)
	if !ok {
		t.Fatalf("%s: not an error of the API: %T %v", how, err, err)
	}
	if !slices.Contains(statuses, f.status) {
		t.Errorf("%s: status %d, want %v: %+v", how, f.status, statuses, f)
	}
	if strings.Contains(err.Error(), "sk-sim") || strings.Contains(err.Error(), "sk-bad") {
		t.Errorf("the account's key is told: %v", err)
	}
	return f
}

// by picks what is right in the SDK's dialect.
func (p *place) by(anthropic, openai, gemini string) string {
	switch p.sdk.dialect {
	case "anthropic":
		return anthropic
	case "gemini":
		return gemini
	}
	return openai
}

// named is the error's name in the dialect: OpenAI's is its code, where it has one.
func (p *place) named(f fault) string {
	if p.by("", "openai", "") != "" && f.code != "" {
		return f.code
	}
	return f.kind
}

func badRequest(ctx context.Context, t *testing.T, p *place) string {
	f := failing(ctx, t, p, p.gateway("bad-request"), "ask", p.model("bad-request", ""), 400)
	equal(t, "kind", f.kind, p.by("invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT"))
	if n := len(p.seen(ctx, t, p.key("bad-request", 0), "", 1, false)); n != 1 {
		t.Errorf("what is the caller's fault was tried %d times", n)
	}
	return ""
}

func tooLong(ctx context.Context, t *testing.T, p *place) string {
	f := failing(ctx, t, p, p.gateway("context"), "ask", p.model("context", ""), 400)
	equal(t, "kind", p.named(f), p.by("invalid_request_error", "context_length_exceeded", "INVALID_ARGUMENT"))
	// The protocol of Anthropic has no code for it: clients look for these words.
	if want := p.by("prompt is too long", "", ""); !strings.Contains(strings.ToLower(f.message), want) {
		t.Errorf("%q does not say %q", f.message, want)
	}
	return ""
}

func unauthorized(ctx context.Context, t *testing.T, p *place) string {
	f := failing(ctx, t, p, p.sdk.connect(p.Gateway, "tk-sdk-nobody-0123456789"), "ask", p.model("unauthorized", ""), 401)
	equal(t, "kind", p.named(f), p.by("authentication_error", "invalid_api_key", "UNAUTHENTICATED"))
	return ""
}

func notFound(ctx context.Context, t *testing.T, p *place) string {
	f := failing(ctx, t, p, p.gateway("healthy"), "ask", "absent-1", 404)
	equal(t, "kind", p.named(f), p.by("not_found_error", "model_not_found", "NOT_FOUND"))
	return ""
}

func modelGone(ctx context.Context, t *testing.T, p *place) string {
	f := failing(ctx, t, p, p.gateway("model-gone"), "ask", p.model("model-gone", ""), 404)
	equal(t, "kind", p.named(f), p.by("not_found_error", "model_not_found", "NOT_FOUND"))
	return ""
}

func limited(ctx context.Context, t *testing.T, p *place) string {
	for _, how := range []string{"ask", "stream"} {
		f := failing(ctx, t, p, p.gateway("limited"), how, p.model("limited", ""), 429)
		if p.sdk.dialect != "openai-chat" && p.sdk.dialect != "openai-responses" {
			equal(t, how+": kind", f.kind, p.by("rate_limit_error", "", "RESOURCE_EXHAUSTED"))
		}
		if s, err := strconv.Atoi(f.retryAfter); err != nil || s < 200 || s > 301 {
			t.Errorf("%s: retry after %q, want what the provider said: 300 s", how, f.retryAfter)
		}
		if p.sdk.dialect != "gemini" {
			equal(t, how+": should retry (no SDK is to sleep that long)", f.shouldRetry, "false")
		}
	}
	if n := len(p.seen(ctx, t, p.key("limited", 0), "", 1, false)); n != 1 {
		t.Errorf("a limit that was told was tried %d times", n)
	}
	return ""
}

// down checks what is told of a provider that answers nobody.
func down(pool string, statuses ...int) try {
	return func(ctx context.Context, t *testing.T, p *place) string {
		f := failing(ctx, t, p, p.gateway(pool), "ask", p.model(pool, ""), statuses...)
		if p.sdk.dialect != "gemini" && f.shouldRetry != "false" && f.retryAfter == "" {
			t.Errorf("the SDK's own retries are not steered: %+v", f)
		}
		return ""
	}
}

func broken(ctx context.Context, t *testing.T, p *place) string {
	last := ""
	a, err := p.gateway("broken").stream(ctx, ask{model: p.model("broken", ""), prompt: say}, func(soFar string) { last = soFar })
	if err == nil {
		t.Fatalf("a broken stream was taken for a whole one: %+v", a)
	}
	if !strings.HasPrefix(p.text(5), last) {
		t.Errorf("%q is no part of the answer", last)
	}
	return ""
}

func abort(ctx context.Context, t *testing.T, p *place) string {
	// In the middle of a stream.
	leaving, leave := context.WithCancel(ctx)
	defer leave()
	last := ""
	_, err := p.gateway("healthy").stream(leaving, ask{model: p.model("abort", "n200-d50"), prompt: say}, func(soFar string) {
		last = soFar
		leave()
	})
	if err == nil || last == "" || last == p.text(200) {
		t.Errorf("the caller did not leave in the middle: error %v, text %q", err, last)
	}
	up := p.seen(ctx, t, p.key("healthy", 0), p.sent("abort", "n200-d50"), 1, false)[0]
	equal(t, "the provider's view of the stream", up.Outcome, "aborted")

	// While it waits for an answer in one piece.
	sent := p.sent("abort.ask", "ttft9000")
	waiting, leave := context.WithCancel(ctx)
	defer leave()
	came := make(chan error, 1)
	go func() {
		came <- p.arrived(ctx, p.key("healthy", 0), sent)
		leave()
	}()
	if a, err := p.gateway("healthy").ask(waiting, ask{model: p.model("abort.ask", "ttft9000"), prompt: say}); err == nil {
		t.Errorf("the caller did not leave: %+v", a)
	}
	if err := <-came; err != nil {
		t.Fatal(err)
	}
	up = p.seen(ctx, t, p.key("healthy", 0), sent, 1, false)[0]
	equal(t, "the provider's view of the answer in one piece", up.Outcome, "aborted")
	return ""
}

func large(ctx context.Context, t *testing.T, p *place) string {
	const line = "A train of five thousand kilobytes is a long train indeed. "
	prompt := strings.Repeat(line, 5<<20/len(line)+1) + "marker-end-e7c1"
	got := through(ctx, t, p.gateway("healthy"), "ask", ask{model: p.model("large", "n3"), prompt: prompt})
	whole(t, p, got, "ask", 3)
	up := p.seen(ctx, t, p.key("healthy", 0), p.sent("large", "n3"), 1, true)[0]
	if !strings.Contains(up.Body, prompt) {
		t.Errorf("the text did not arrive whole: %d bytes", len(up.Body))
	}
	promptTokens, output := p.replayed(ctx, t, up)
	equal(t, "prompt and output tokens", []int64{got.prompt, got.output}, []int64{promptTokens, output})
	return ""
}

func parallel(ctx context.Context, t *testing.T, p *place) string {
	c := p.gateway("healthy")
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			how := []string{"ask", "stream"}[i%2]
			a, err := try1(ctx, c, how, ask{model: p.model("parallel", "n"+strconv.Itoa(i+1)), prompt: say})
			if err != nil {
				t.Errorf("call %d: %v", i, err)
				return
			}
			whole(t, p, a, how, i+1)
		})
	}
	wg.Wait()
	return ""
}

// failover: the first account fails, the second serves. A JSON answer and a stream have pools of their own, because
// the first account rests afterwards.
func failover(row string) try {
	return func(ctx context.Context, t *testing.T, p *place) string {
		for how, pool := range map[string]string{"ask": row, "stream": row + "-stream"} {
			a := through(ctx, t, p.gateway(pool), how, ask{model: p.model(pool, "n21"), prompt: say})
			whole(t, p, a, how, 21)
			if first := p.seen(ctx, t, p.key(pool, 0), "", 1, false)[0]; first.Outcome == "ok" {
				t.Errorf("%s: the first account did not fail", how)
			}
			second := p.seen(ctx, t, p.key(pool, 1), "", 1, false)
			if len(second) != 1 || second[0].Outcome != "ok" {
				t.Errorf("%s: the second account was asked: %+v", how, second)
			}
		}
		return ""
	}
}
