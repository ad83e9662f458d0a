package platform

import (
	"slices"

	"turnout/internal/failover"
)

// table is every row, in the order in which they are asked; the first that matches
// decides. The order is part of the facts:
//
//  1. Shapes come first (and one message that a caller can begin as it likes): a redirect, a web page and an empty body do not come from the
//     API at all, whatever status they carry.
//  2. What is wrong with the account comes before what is wrong with the request:
//     several providers report an empty balance or a bad key as a 400, and a 400
//     that is taken for the caller's fault is never carried over.
//  3. Quota comes before rate limits: an empty balance is a 429 at OpenAI and others,
//     and no minute of waiting mends it.
//  4. Capacity comes before rate limits: "overloaded" as a 429 is the provider's state. It
//     must not rest the account, and going round all accounts only adds load.
//  5. Within a group, particular rows come before general ones; bare statuses are last.
var table = slices.Concat(shapeRows, quotaRows, credentialRows, capacityRows, requestRows, modelRows, limitRows, statusRows)

// rowsAt is the table as one platform uses it. At a compatible endpoint nothing says
// that accounts of one organisation share anything there: what concerns the
// organisation at the original concerns the account here.
func rowsAt(at Where) []Row {
	var out []Row
	for _, r := range table {
		if r.Where&at == 0 {
			continue
		}
		if at == AtCompatible && r.Scope == failover.ScopeOrganization {
			r.Scope = failover.ScopeAccount
		}
		r.compile()
		out = append(out, r)
	}
	return out
}

// only is a set of statuses, span a range of them.
func only(statuses ...int) []Range {
	out := make([]Range, len(statuses))
	for i, s := range statuses {
		out[i] = Range{s, s}
	}
	return out
}

func span(from, to int) []Range { return []Range{{from, to}} }

// shapeRows are answers that do not come from the API itself.
var shapeRows = []Row{
	{
		ID: "openrouter.model", Where: Everywhere, Status: only(400), Text: []string{"is not a valid model id"},
		Class: failover.ModelGone, Scope: failover.ScopeNone,
		Evidence: "OpenRouter: 400 \"x is not a valid model ID\". The message begins with the caller's own words, so it must be recognised before any row that goes by a beginning",
	},
	{
		ID: "http.redirect", Where: Everywhere, Status: span(300, 399),
		Class: failover.Permission, Scope: failover.ScopeAccount,
		Evidence: "RFC 9110, 15.4: no API here redirects a POST. The base_url is wrong (http for https, a moved host) or a login stands before it; asking again does not help",
	},
	{
		ID: "http.empty-success", Where: Everywhere, Empty: true, InBand: true,
		Class: failover.EmptyAnswer, Scope: failover.ScopeAccount, RetrySame: true,
		Evidence: "an answer without a body; OpenAI's JS SDK returns undefined for it, without an error (package source, read 2026-11)",
	},
	{
		ID: "http.page-success", Where: Everywhere, HTML: true, InBand: true,
		Class: failover.Transient, Scope: failover.ScopeAccount,
		Evidence: "a web page where an answer should be: a proxy's or relay's front page, a captive portal",
	},
	{
		ID: "http.challenge", Where: Everywhere, Header: "cf-mitigated: challenge",
		Class: failover.Transient, Scope: failover.ScopeAccount,
		Evidence: "Cloudflare documentation, detect a challenge page: the header comes with every challenge. It is about the address or the request's content, not about the key",
	},
	{
		ID: "http.page-forbidden", Where: Everywhere, Status: only(403), HTML: true,
		Class: failover.Transient, Scope: failover.ScopeAccount,
		Evidence: "a firewall's page (Cloudflare 1020 and others): no API answers 403 in HTML. sub2api leaves the account alone too",
	},
	{
		ID: "http.page-limited", Where: Everywhere, Status: only(429), HTML: true,
		Class: failover.RateLimited, Scope: failover.ScopeAccount,
		Evidence: "Cloudflare error 1015: a limit of the proxy before the API, by address; the organisation has nothing to do with it",
	},
	{
		ID: "http.page-too-large", Where: AtCompatible, Status: only(413), HTML: true,
		Class: failover.Permission, Scope: failover.ScopeNone,
		Evidence: "nginx, client_max_body_size (1 MB by default): this endpoint's proxy is set too small, another endpoint may take the request",
	},
	{
		ID: "http.page-missing", Where: Everywhere, Status: only(404), HTML: true,
		Class: failover.Permission, Scope: failover.ScopeNone,
		Evidence: "a web server's own 404: the path does not exist there, which says nothing of the model. No rest: a path that only some callers use may be what is missing",
	},
	{
		ID: "http.endpoint-missing", Where: Everywhere, Status: only(404), Whole: []string{"not found", "404 page not found", "404 not found"},
		Class: failover.Permission, Scope: failover.ScopeNone,
		Evidence: "FastAPI's {\"detail\":\"Not Found\"} (vLLM, LiteLLM), Go's \"404 page not found\" (Ollama): the path is unknown, not the model",
	},
	{
		ID: "openai.unknown-url", Where: AtOpenAI | AtCompatible, Status: only(404), Names: []string{"unknown_url"},
		Class: failover.Permission, Scope: failover.ScopeNone,
		Evidence: "\"Unknown request URL: POST /v1/v1/chat/completions…\", code unknown_url (OpenAI, Groq): a wrong base_url",
	},
	{
		ID: "openai.invalid-url", Where: AtOpenAI | AtCompatible, Status: only(404), Prefix: []string{"invalid url (", "unknown request url"},
		Class: failover.Permission, Scope: failover.ScopeNone,
		Evidence: "\"Invalid URL (POST /v1/v1/chat/completions)\" (OpenAI): a wrong base_url",
	},
	{
		ID: "http.method", Where: Everywhere, Status: only(405, 501),
		Class: failover.Permission, Scope: failover.ScopeNone,
		Evidence: "RFC 9110, 15.5.6 and 15.6.2: the endpoint lacks this method or path; another endpoint may have it (sub2api fails over on 405 too)",
	},
}
