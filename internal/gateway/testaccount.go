package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
	"turnout/internal/failover"
	"turnout/internal/platform"
	"turnout/internal/upstream"
)

// AccountTest is what came of one small request to an account.
type AccountTest struct {
	Account string     `json:"account"`
	Model   string     `json:"model,omitempty"` // as it was sent
	OK      bool       `json:"ok"`
	Status  int        `json:"status,omitempty"` // HTTP; none: there was no answer
	Class   string     `json:"class,omitempty"`  // of the failure
	Meaning string     `json:"meaning"`          // in words
	Message string     `json:"message,omitempty"`
	Resets  *time.Time `json:"resets,omitempty"` // where the provider stated when
	Took    int64      `json:"took_ms"`
	Input   int64      `json:"input_tokens,omitempty"`
	Output  int64      `json:"output_tokens,omitempty"`
}

// meanings say what a class of failure asks of the operator.
var meanings = map[failover.Class]string{
	failover.Unknown:        "the answer is not one that is known; see the message",
	failover.Transient:      "a momentary fault of the provider; try again",
	failover.Capacity:       "the provider has no capacity for the model at the moment",
	failover.RateLimited:    "the account's rate limit or a window of its subscription is used up",
	failover.QuotaExhausted: "the account's credit or quota is used up: add credit, or wait for the reset",
	failover.Credential:     "the provider refuses the credential: check the API key",
	failover.Permission:     "the credential is good but may not do this: check what it may use at the provider",
	failover.ModelGone:      "the account does not serve this model: name another one, or change models in the configuration",
	failover.ContextTooLong: "the provider finds the test's few words too long, which is odd; see the message",
	failover.ContentRefused: "the provider refuses the test's words, which is odd; see the message",
	failover.CallerFault:    "the provider finds the request wrong: check platform and base_url, or name a model that answers in text",
	failover.NetworkUnsent:  "no connection: check base_url, proxy and network",
	failover.NetworkUnknown: "the connection broke before an answer came",
	failover.FirstTokenLate: "no answer came in time",
	failover.StreamCut:      "the answer broke off",
	failover.EmptyAnswer:    "the answer is empty",
}

const (
	testTime   = 60 * time.Second
	testTokens = 16
	maxTest    = 1 << 20
)

// TestAccount makes one small request to an account, whatever state it is in, and says what came back. Nothing is counted and nobody rests
// for it. model is as callers ask for it; empty: one that the account's models name, or that its provider lists.
func TestAccount(ctx context.Context, up Upstream, a *domain.Account, model string) (AccountTest, error) {
	const op = "test an account"
	p, ok := platform.Lookup(a.Platform)
	if !ok {
		return AccountTest{}, domain.Errorf(domain.KindInvalid, op, "the platform %s of the account %s is not known to this version", a.Platform, a.Name)
	}
	i := slices.IndexFunc(p.Offers, func(o platform.Offer) bool { _, ok := o.Dialect.(neutral.Codec); return ok })
	if i < 0 {
		return AccountTest{}, domain.Errorf(domain.KindInvalid, op, "nothing can be said to accounts of the platform %s by this version", a.Platform)
	}
	t := &accountTest{up: up, a: a, p: p, o: p.Offers[i], AccountTest: AccountTest{Account: a.Name}}
	ctx, cancel := context.WithTimeout(ctx, testTime)
	defer cancel()
	began := time.Now()
	if t.choose(ctx, model) {
		t.ask(ctx)
	}
	t.Took = time.Since(began).Milliseconds()
	return t.AccountTest, nil
}

type accountTest struct {
	AccountTest
	up Upstream
	a  *domain.Account
	p  *platform.Platform
	o  platform.Offer
}

// choose finds what to send; false: the provider could not say, and that is the result.
func (t *accountTest) choose(ctx context.Context, model string) bool {
	if model == "" {
		if exact := t.a.Models.Exact(); len(exact) > 0 {
			model = slices.Min(exact)
		}
	}
	if model != "" {
		sent, serves := t.a.Models.Resolve(model)
		if !serves {
			t.Class, t.Meaning = failover.ModelGone.String(), fmt.Sprintf("the account's models do not name %q: name another one with --model", model)
			return false
		}
		t.Model = sent
		return true
	}
	body, ok := t.send(ctx, http.MethodGet, t.o.ModelsPath, nil)
	if !ok {
		return false
	}
	models, err := t.o.Dialect.ModelList(body)
	i := slices.IndexFunc(models, func(m dialect.Model) bool { return len(askedNames(t.a.Models, m.ID)) > 0 })
	if err != nil || i < 0 {
		t.Meaning = "the provider lists no model that this account may be asked for: name one with --model"
		return false
	}
	t.Model = models[i].ID
	return true
}

// ask makes the request.
func (t *accountTest) ask(ctx context.Context) {
	codec := t.o.Dialect.(neutral.Codec)
	r := &neutral.Request{
		Model: t.Model, MaxTokens: testTokens,
		Turns: []neutral.Turn{{Role: neutral.User, Blocks: []neutral.Block{{Kind: neutral.KindText, Text: "Say hello."}}}},
	}
	out := codec.EncodeRequest(r, neutral.NewNotes(codec.ID(), codec.Table()))
	body, ok := t.send(ctx, http.MethodPost, platform.Expand(t.o.Path, dialect.Route{Model: t.Model}), out)
	if !ok {
		return
	}
	answer := t.o.Dialect.Whole(body)
	switch {
	case answer.Error:
		t.failed(platform.Answer{Status: t.Status, Body: body, Now: time.Now()})
	case !answer.Valid:
		t.Class, t.Meaning = failover.Unknown.String(), "the answer is not one of this protocol: check platform and base_url"
	default:
		t.OK, t.Meaning = true, "it answers"
		t.Input, t.Output = answer.Usage.Prompt(), answer.Usage.Output
	}
}

// send asks and reads; false: it failed, and that is the result.
func (t *accountTest) send(ctx context.Context, method, path string, out []byte) ([]byte, bool) {
	u, err := t.p.URL(t.a.BaseURL, path)
	if err != nil {
		t.fault(failover.NetworkUnsent, err)
		return nil, false
	}
	header := upstream.RequestHeader(http.Header{})
	for k, v := range t.o.Header {
		header[k] = v
	}
	call := &upstream.Call{Account: t.a, Platform: t.p, URL: u, Method: method, Header: header}
	if out != nil {
		header["Content-Type"], header["Accept"] = []string{"application/json"}, []string{"application/json"}
		call.Length = int64(len(out))
		call.Body = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(string(out))), nil }
	}
	resp, err := t.up.Send(ctx, call)
	if err != nil {
		class := failover.NetworkUnknown
		var f *upstream.Fault
		switch {
		case ctx.Err() != nil:
			class = failover.FirstTokenLate
		case errors.As(err, &f) && f.Kind == upstream.FaultUnsent:
			class = failover.NetworkUnsent
		}
		t.fault(class, err)
		return nil, false
	}
	defer func() { _ = resp.Body.Close() }()
	t.Status = resp.StatusCode
	limit := int64(maxTest)
	if resp.StatusCode > 299 {
		limit = platform.MaxBody
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit))
	if err != nil {
		t.fault(failover.StreamCut, err)
		return nil, false
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		t.failed(platform.Answer{Status: resp.StatusCode, Header: resp.Header, Body: body, Now: time.Now()})
		return nil, false
	}
	return body, true
}

// failed says what an answer means.
func (t *accountTest) failed(a platform.Answer) {
	v := t.p.Classify(a)
	t.Class, t.Message = v.Class.String(), t.hide(v.Message)
	t.Meaning = cmp.Or(meanings[v.Class], meanings[failover.Unknown])
	if v.Stated {
		at := a.Now.Add(v.Reset)
		t.Resets = &at
	}
}

func (t *accountTest) fault(class failover.Class, err error) {
	t.Class, t.Meaning, t.Message = class.String(), meanings[class], t.hide(err.Error())
}

// hide takes the account's secrets out of what others say.
func (t *accountTest) hide(text string) string {
	if key := t.a.APIKey.Reveal(); len(key) >= 4 {
		text = strings.ReplaceAll(text, key, "[secret]")
	}
	if t.a.Proxy != "" {
		text = strings.ReplaceAll(text, t.a.Proxy, "[proxy]")
	}
	return text
}
