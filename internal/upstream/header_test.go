package upstream

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// claudeCode is what Claude Code 2.1.330 sends (captured), with what a proxy in front may add.
var claudeCode = map[string]string{
	"Accept": "application/json", "Content-Type": "application/json", "User-Agent": "claude-cli/2.1.330 (external, cli)",
	"Anthropic-Version": "2023-06-01", "Anthropic-Beta": "claude-code-20250219,interleaved-thinking-2025-05-14", "Anthropic-Dangerous-Direct-Browser-Access": "true",
	"X-App": "cli", "X-Claude-Code-Session-Id": "0f6e", "X-Claude-Code-Agent-Id": "a1", "X-Claude-Code-Parent-Agent-Id": "a0",
	"X-Stainless-Lang": "js", "X-Stainless-Retry-Count": "0", "X-Stainless-Timeout": "600",
}

func TestRequestHeader(t *testing.T) {
	in := http.Header{}
	for k, v := range claudeCode {
		in.Set(k, v)
	}
	// More that clients send and providers may read.
	for _, k := range []string{"Session-Id", "Session_id", "Thread-Id", "Conversation_id", "Originator", "X-Client-Request-Id", "X-Session-Affinity", "X-Session-Id", "Openai-Beta", "Idempotency-Key", "Accept-Language", "Traceparent"} {
		in.Set(k, "x")
	}
	want := slices.Sorted(maps.Keys(in))
	for _, k := range []string{
		// the caller's credentials
		"Authorization", "X-Api-Key", "X-Goog-Api-Key", "Api-Key", "Cookie", "Proxy-Authorization",
		// hop by hop
		"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect", "X-Hop", "X-Other-Hop",
		// who and where the caller is
		"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Client-Cert", "Forwarded", "Via", "X-Real-Ip", "True-Client-Ip", "Client-Ip", "X-Client-Ip", "X-Cluster-Client-Ip",
		"Fastly-Client-Ip", "X-Original-Forwarded-For", "X-Envoy-External-Address", "X-Appengine-User-Ip", "Cf-Connecting-Ip", "Cf-Ipcountry", "Cf-Ray",
		"X-Azure-Clientip", "X-Azure-Socketip", "X-Vercel-Forwarded-For", "Fly-Client-Ip", "X-Amz-Cf-Id", "X-Arr-Clientcert", "Remote-Addr", "X-Original-Remote-Addr", "X-Nf-Client-Connection-Ip",
		"X-Originating-Ip", "X-Proxyuser-Ip", "X-Source-Ip", "X-Peer-Addr", "Cdn-Src-Ip", "X-Forwarded-Port", "Fastly-Ff", "X-Remote-Ip", "X-Remote-Addr", "X-Client-Addr", "X-Peer-Ip",
		// written anew, or chosen by the account
		"Host", "Content-Length", "Content-Encoding", "Accept-Encoding", "Openai-Organization", "Openai-Project", "X-Turnout-Anything",
	} {
		in.Set(k, "secret")
	}
	in["Connection"] = []string{"keep-alive, X-Hop ,", "x-other-hop"}
	before := in.Clone()
	out := RequestHeader(in)
	if got := slices.Sorted(maps.Keys(out)); !slices.Equal(got, want) {
		t.Errorf("goes on:\n%q\nwant:\n%q", got, want)
	}
	for k := range out {
		if !slices.Equal(out[k], in[k]) {
			t.Errorf("%s became %q", k, out[k])
		}
	}
	if !maps.EqualFunc(in, before, slices.Equal) {
		t.Error("the caller's header was changed")
	}
}

// Connection may name what is the caller's to send; it may not name away what the gateway relies on, and odd lists
// do no harm.
func TestRequestHeaderConnection(t *testing.T) {
	for _, c := range []struct {
		connection []string
		gone       bool
	}{
		{nil, false}, {[]string{""}, false}, {[]string{"close"}, false}, {[]string{"x-a"}, true}, {[]string{"close", " X-A "}, true}, {[]string{"close,x-A,keep-alive"}, true}, {[]string{",,;x-a"}, false}, {[]string{"x-ab"}, false},
	} {
		_, ok := RequestHeader(http.Header{"Connection": c.connection, "X-A": {"1"}})["X-A"]
		if ok == c.gone {
			t.Errorf("Connection: %q, X-A goes on: %v", c.connection, ok)
		}
	}
}

// Several values stay several, and nobody's name is put in a caller's mouth that has one.
func TestRequestHeaderValues(t *testing.T) {
	out := RequestHeader(http.Header{"Anthropic-Beta": {"a", "b"}})
	if !slices.Equal(out["Anthropic-Beta"], []string{"a", "b"}) {
		t.Errorf("%q", out["Anthropic-Beta"])
	}
	if got := out.Get("User-Agent"); got != userAgent {
		t.Errorf("without a name of the caller's own: %q", got)
	}
	if got := RequestHeader(http.Header{"User-Agent": {""}})["User-Agent"]; !slices.Equal(got, []string{""}) {
		t.Errorf("a caller that sends an empty name: %q", got) // net/http then sends none
	}
}

func TestAnswerHeader(t *testing.T) {
	in, want := http.Header{}, []string{"X-Own"}
	for _, k := range []string{"Content-Type", "Request-Id", "X-Request-Id", "Openai-Processing-Ms", "Openai-Version", "Cache-Control", "Anthropic-Model-Version", "X-Robots-Tag", "Vary"} {
		in.Set(k, "x")
		want = append(want, k)
	}
	for _, k := range []string{
		// the account's
		"Anthropic-Organization-Id", "Openai-Organization", "Openai-Project", "Anthropic-Ratelimit-Requests-Remaining", "Anthropic-Ratelimit-Unified-5h-Utilization", "Anthropic-Ratelimit-Unified-Status",
		"X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Requests", "X-Codex-Primary-Used-Percent", "Anthropic-Workspace-Id", "Set-Cookie", "Www-Authenticate", "X-Account-Id",
		// a relay's own words about its keys, teams and spending
		"X-Litellm-Key-Spend", "X-Litellm-Model-Api-Base", "X-Litellm-Response-Cost", "Llm_provider-X-Litellm-Model-Id", "X-Tenant-Id", "X-Team-Id", "X-User-Id", "X-Org-Id", "X-Api-Key-Id", "X-Key-Name", "X-Credits-Remaining", "Azureml-Model-Deployment",
		// the connection's
		"Connection", "Keep-Alive", "Transfer-Encoding", "Trailer", "Upgrade", "Alt-Svc", "Strict-Transport-Security", "Server", "Via", "Date", "Cf-Ray", "Cf-Cache-Status",
		// written anew, or the loop's to decide
		"Content-Length", "Content-Encoding", "Retry-After", "Retry-After-Ms", "X-Should-Retry", "Location", "X-Turnout-Request-Id",
	} {
		in.Set(k, "private")
	}
	out := http.Header{"X-Own": {"kept"}}
	AnswerHeader(in, out)
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(out)); !slices.Equal(got, want) {
		t.Errorf("goes on:\n%q\nwant:\n%q", got, want)
	}
	if out.Get("X-Own") != "kept" || out.Get("Request-Id") != "x" {
		t.Errorf("%v", out)
	}
}

// What an answer's Connection names belongs to the connection to the upstream, and went on to
// the caller all the same (RFC 9110, section 7.6.1).
func TestAnswerHeaderConnection(t *testing.T) {
	out := http.Header{}
	AnswerHeader(http.Header{"Connection": {"keep-alive, X-Hop ,", "x-other-hop"}, "X-Hop": {"1"}, "X-Other-Hop": {"1"}, "X-Stays": {"1"}}, out)
	if got := slices.Sorted(maps.Keys(out)); !slices.Equal(got, []string{"X-Stays"}) {
		t.Errorf("goes on: %q", got)
	}
}

// The short cut for ordinary names decides as the words would.
func TestOrdinaryNamesPass(t *testing.T) {
	for name := range ordinary {
		bad := http.CanonicalHeaderKey(name) != name || notForwarded[name] || notReturned[name]
		for _, p := range notForwardedPrefixes {
			bad = bad || strings.HasPrefix(name, p)
		}
		for _, w := range slices.Concat(notForwardedWords, notReturnedWords) {
			bad = bad || strings.Contains(name, w)
		}
		if bad {
			t.Errorf("%s is kept back by another rule", name)
		}
	}
}
