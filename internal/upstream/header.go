package upstream

import (
	"net/http"
	"slices"
	"strings"
)

// notForwarded are a caller's headers that end here: hop-by-hop ones (RFC 9110,
// section 7.6.1), its key, whatever tells its address or that of proxies before us, and what
// is set anew for the account. Canonical form.
var notForwarded = map[string]bool{
	"Connection": true, "Proxy-Connection": true, "Keep-Alive": true, "Te": true, "Trailer": true, "Transfer-Encoding": true,
	"Upgrade": true, "Proxy-Authenticate": true, "Proxy-Authorization": true, "Expect": true,
	"Authorization": true, "X-Api-Key": true, "X-Goog-Api-Key": true, "Api-Key": true, "Cookie": true,
	"Via": true, "X-Envoy-External-Address": true, "X-Peer-Addr": true,
	"Host": true, "Content-Length": true, "Content-Encoding": true, "Accept-Encoding": true,
	"Openai-Organization": true, "Openai-Project": true,
}

// notForwardedPrefixes end here whatever follows.
var notForwardedPrefixes = []string{"Cf-", "X-Turnout-", "Proxy-", "X-Arr-", "X-Vercel-", "X-Amz-Cf-", "X-Appengine-", "Fly-", "Fastly-"}

// notForwardedWords end here wherever they stand in a name: every proxy has a name of its
// own for the caller's address.
var notForwardedWords = []string{"Forwarded", "Client-Ip", "Clientip", "Client-Cert", "Real-Ip", "Remote-Addr", "Remote-Ip", "Connecting-Ip", "Connection-Ip", "User-Ip", "Socketip", "Originating-Ip", "Src-Ip", "Source-Ip", "Proxyuser-Ip", "Peer-Ip", "Origin-Ip", "Caller-Ip", "Visitor-Ip", "Customer-Ip", "Client-Addr", "Source-Addr", "Peer-Addr", "Client-Host", "Remote-Host"}

// RequestHeader copies what of a caller's header goes upstream: all that may matter
// to a provider, as it came. Values are shared with h.
func RequestHeader(h http.Header) http.Header {
	out := make(http.Header, len(h))
	named := connectionNames(h)
next:
	for k, v := range h {
		if slices.Contains(named, k) {
			continue
		}
		if ordinary[k] {
			out[k] = v
			continue
		}
		if notForwarded[k] {
			continue
		}
		for _, p := range notForwardedPrefixes {
			if strings.HasPrefix(k, p) {
				continue next
			}
		}
		for _, w := range notForwardedWords {
			if strings.Contains(k, w) {
				continue next
			}
		}
		out[k] = v
	}
	if _, ok := out["User-Agent"]; !ok {
		out["User-Agent"] = []string{userAgent}
	}
	return out
}

// ordinary are the names that most requests and answers carry and that pass in both
// directions. They need not be compared with every word above.
var ordinary = map[string]bool{
	"Accept": true, "Content-Type": true, "User-Agent": true, "Cache-Control": true, "Vary": true, "Request-Id": true, "X-Request-Id": true,
	"Anthropic-Version": true, "Anthropic-Beta": true, "X-App": true, "X-Claude-Code-Session-Id": true, "Openai-Processing-Ms": true, "Openai-Version": true,
	"X-Stainless-Lang": true, "X-Stainless-Package-Version": true, "X-Stainless-Os": true, "X-Stainless-Arch": true, "X-Stainless-Runtime": true,
	"X-Stainless-Runtime-Version": true, "X-Stainless-Retry-Count": true, "X-Stainless-Timeout": true, "X-Stainless-Helper-Method": true,
}

// connectionNames are the headers that Connection declares hop-by-hop, in canonical form.
func connectionNames(h http.Header) (named []string) {
	for _, v := range h["Connection"] {
		for name := range strings.SplitSeq(v, ",") {
			if name = strings.TrimSpace(name); name != "" {
				named = append(named, http.CanonicalHeaderKey(name))
			}
		}
	}
	return named
}

// userAgent is sent where the caller names no client of its own.
const userAgent = "turnout"

// notReturned are an upstream's headers that the caller does not get: hop-by-hop,
// cookies, what belongs to the account or to the connection, and what is written anew.
var notReturned = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Proxy-Connection": true, "Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
	"Proxy-Authenticate": true, "Set-Cookie": true, "Set-Cookie2": true, "Www-Authenticate": true,
	"Content-Length": true, "Content-Encoding": true, "Date": true, "Server": true, "Via": true, "Alt-Svc": true, "Strict-Transport-Security": true,
	"Retry-After": true, "Retry-After-Ms": true, "X-Should-Retry": true, "Location": true, "Nel": true, "Report-To": true,
	"Cf-Ray": true, "Cf-Cache-Status": true,
}

// notReturnedWords hide a header wherever they stand in its name: what belongs to the
// account (organisation, project, team and tenant ids, its rate limits, what a relay in
// between says of its own keys and spending) is not the caller's.
var notReturnedWords = []string{
	"Organization", "Organisation", "Project", "Ratelimit", "Rate-Limit", "Workspace", "Account", "Cookie", "Turnout", "Codex",
	"Litellm", "Tenant", "Team-Id", "User-Id", "Org-Id", "Customer-Id", "Subscription", "Api-Key", "Apikey", "Key-Id", "Key-Name", "Key-Alias", "Deployment", "Api-Base", "Billing", "Budget", "Balance", "Credit", "Quota", "Spend",
}

// OwnLimits adds the limits that an answer states of an account, for the account's own holder. What out says already stands.
func OwnLimits(h, out http.Header) {
	for k, v := range h {
		if _, said := out[k]; said {
			continue
		}
		if strings.Contains(k, "Ratelimit") || k == "Retry-After" || k == "Retry-After-Ms" || k == "X-Should-Retry" {
			out[k] = v
		}
	}
}

// AnswerHeader adds what of an upstream's header the caller gets to out.
func AnswerHeader(h, out http.Header) {
	named := connectionNames(h)
next:
	for k, v := range h {
		if slices.Contains(named, k) {
			continue
		}
		if ordinary[k] {
			out[k] = v
			continue
		}
		if notReturned[k] {
			continue
		}
		for _, w := range notReturnedWords {
			if strings.Contains(k, w) {
				continue next
			}
		}
		out[k] = v
	}
}
