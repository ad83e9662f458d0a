package platform

import "turnout/internal/failover"

// capacityRows: the provider, or its model, is full. Every account there fares the same;
// none of them is at fault.
var capacityRows = []Row{
	{
		ID: "anthropic.overloaded", Where: AtAnthropic | AtCompatible, Types: []string{"overloaded_error"},
		Class: failover.Capacity, Scope: failover.ScopeProvider,
		Evidence: "errors page: 529 overloaded_error \"across all users\"; streaming page: the same inside a 200",
	},
	{
		ID: "openai.slow-down", Where: AtOpenAI | AtCompatible, Status: only(429), Names: []string{"slow_down"},
		Class: failover.RateLimited, Scope: failover.ScopeOrganization,
		Evidence: "error codes guide: 429 rate_limit_error slow_down is this organisation's request rate that rose too fast",
	},
	{
		ID: "openai.overloaded", Where: AtOpenAI | AtCompatible, Names: []string{"server_is_overloaded", "service_unavailable_error", "slow_down", "server_overloaded"},
		Class: failover.Capacity, Scope: failover.ScopeProvider,
		Evidence: "error codes guide: 503 service_unavailable_error server_is_overloaded, 503 slow down; Codex: the same as a 400 and inside a stream (sub2api)",
	},
	{
		ID: "openai.at-capacity", Where: AtOpenAI | AtCompatible,
		Prefix: []string{
			"selected model is at capacity", "the engine is currently overloaded", "that model is currently overloaded", "the model is currently overloaded",
			"the server is currently overloaded", "the server is overloaded",
		},
		Class: failover.Capacity, Scope: failover.ScopeProvider,
		Evidence: "\"Selected model is at capacity. Please try a different model.\", 400 or 503 (openai/codex#46956, #43375); \"The engine is currently overloaded, please try again later\" (error codes guide)",
	},
	{
		ID: "google.capacity", Where: AtCompatible | AtGemini, Names: []string{"model_capacity_exhausted"},
		Class: failover.Capacity, Scope: failover.ScopeProvider,
		Evidence: "ErrorInfo of cloudcode-pa.googleapis.com, 429 RESOURCE_EXHAUSTED or 503 UNAVAILABLE, with the quota far from used (google-gemini/gemini-cli#23520, #26633)",
	},
	{
		ID: "google.unavailable", Where: AtCompatible | AtGemini, Types: []string{"unavailable"},
		Class: failover.Capacity, Scope: failover.ScopeProvider,
		Evidence: "Gemini API, troubleshooting: 503 UNAVAILABLE, \"the service may be temporarily overloaded or down\"",
	},
	{
		ID: "compatible.overloaded", Where: AtCompatible, Names: []string{"engine_overloaded_error", "overloaded", "provider_overloaded", "model_overloaded"},
		Class: failover.Capacity, Scope: failover.ScopeProvider,
		Evidence: "Moonshot (429 engine_overloaded_error), Hugging Face TGI (429 overloaded), OpenRouter (error_type): capacity under a rate limit's status",
	},
	{
		ID: "compatible.at-capacity", Where: AtCompatible | AtGemini,
		Prefix: []string{
			"no capacity available for model", "the model is overloaded", "model is overloaded", "this model is currently experiencing high demand",
			"system is experiencing high demand", "the system is experiencing high demand", "server busy", "server overloaded", "service is too busy",
			"no deployments available for selected model", "there are no healthy deployments for this model",
		},
		Class: failover.Capacity, Scope: failover.ScopeProvider,
		Evidence: "Gemini, Azure (429 system is experiencing high demand), Ollama (503 server busy), DeepSeek (503 service is too busy), LiteLLM (429, all its deployments cool down)",
	},
	{
		ID: "openrouter.upstream", Where: AtCompatible, Status: only(429), Prefix: []string{"provider returned error"}, Text: []string{"rate-limited upstream"},
		Class: failover.Capacity, Scope: failover.ScopeProvider,
		Evidence: "OpenRouter: error.metadata.raw \"… is temporarily rate-limited upstream\": a pool that all of its users share",
	},
}

// limitRows: requests or tokens per time, or a window of a subscription, are used up.
var limitRows = []Row{
	{
		ID: "anthropic.window-model", Where: AtAnthropic | AtCompatible, Status: only(429), Header: "anthropic-ratelimit-unified-representative-claim: seven_day_*",
		Class: failover.RateLimited, Scope: failover.ScopeAccountModel,
		Evidence: "seven_day_opus, seven_day_sonnet: a window of one family of models; the account serves the others (CLIProxyAPI#4674)",
	},
	{
		ID: "anthropic.window", Where: AtAnthropic | AtCompatible, Status: only(429), Header: "anthropic-ratelimit-unified-status: rejected",
		Class: failover.RateLimited, Scope: failover.ScopeAccount,
		Evidence: "subscriptions' windows of 5 hours and 7 days belong to one seat (anthropics/claude-code#12829, griffinwork40/agent-afk#490); closed until the latest reset of the rejected ones, a family of models' own apart",
	},
	{
		ID: "anthropic.subscription", Where: AtAnthropic | AtCompatible, Status: only(429), Header: "anthropic-ratelimit-unified-status: *",
		Class: failover.RateLimited, Scope: failover.ScopeAccount,
		Evidence: "a subscription's short throttle: its windows are open",
	},
	{
		ID: "anthropic.rate", Where: AtAnthropic | AtCompatible, Types: []string{"rate_limit_error"},
		Class: failover.RateLimited, Scope: failover.ScopeOrganization,
		Evidence: "errors page: 429 rate_limit_error; rate limits page: limits are the organisation's; in a stream the type alone",
	},
	{
		ID: "openai.window", Where: AtOpenAI | AtCompatible, Names: []string{"usage_limit_reached"},
		Class: failover.RateLimited, Scope: failover.ScopeAccount,
		Evidence: "ChatGPT plans: resets_at, resets_in_seconds and x-codex-* headers (earendil-works/pi#4172)",
	},
	{
		ID: "gemini.minute-model", Where: AtCompatible | AtGemini, Quota: []string{"permodel"},
		Class: failover.RateLimited, Scope: failover.ScopeAccountModel,
		Evidence: "429 RESOURCE_EXHAUSTED, QuotaFailure …PerMinutePerProjectPerModel…, RetryInfo.retryDelay in the body, no Retry-After",
	},
	{
		ID: "openai.rate", Where: AtOpenAI | AtCompatible, Names: []string{"rate_limit_exceeded", "requests", "tokens", "too_many_requests"},
		Class: failover.RateLimited, Scope: failover.ScopeOrganization,
		Evidence: "error codes and rate limits guides: 429, code rate_limit_exceeded, type requests or tokens; limits are the organisation's and the project's. Azure and others say too_many_requests, inside a stream too",
	},
}

// statusRows are what a bare status says.
var statusRows = []Row{
	{
		ID: "openai.vector-store", Where: AtOpenAI | AtCompatible, Names: []string{"vector_store_timeout"},
		Class: failover.Transient, Scope: failover.ScopeNone, RetrySame: true,
		Evidence: "Responses, error.code of a failed response (openai-python, types/responses/response_error.py): a search of one caller's files took too long. The account serves everybody else: no rest",
	},
	{
		ID: "openai.processing", Where: AtOpenAI | AtCompatible, Prefix: []string{"an error occurred while processing your request", "the server had an error while processing your request"},
		Class: failover.Transient, Scope: failover.ScopeAccount, RetrySame: true,
		Evidence: "\"…You can retry your request\", also as a 400 (sub2api); 500 server_error (error codes guide)",
	},
	{
		ID: "http.request", Where: Everywhere, Status: only(400, 406, 411, 412, 413, 414, 415, 416, 417, 422, 428, 431),
		Class:    failover.CallerFault,
		Evidence: "RFC 9110, 15.5: the request is wrong in itself; both providers' 400 and 422. The body is passed on as it came, because clients read it",
	},
	{
		ID: "http.payment", Where: Everywhere, Status: only(402),
		Class: failover.QuotaExhausted, Scope: failover.ScopeOrganization,
		Evidence: "RFC 9110, 15.5.3; Anthropic billing_error, DeepSeek, Mistral, OpenRouter: payment",
	},
	{
		ID: "http.unauthorized", Where: Everywhere, Status: only(401),
		Class: failover.Credential, Scope: failover.ScopeAccount,
		Evidence: "RFC 9110, 15.5.2; both providers' error pages; ChatGPT's bare {\"detail\":\"Unauthorized\"} (openai/codex#25246)",
	},
	{
		ID: "http.proxy", Where: Everywhere, Status: only(407),
		Class: failover.Permission, Scope: failover.ScopeAccount,
		Evidence: "RFC 9110, 15.5.8: the egress proxy of this account refuses",
	},
	{
		ID: "http.forbidden", Where: Everywhere, Status: only(403),
		Class: failover.Permission, Scope: failover.ScopeAccountModel,
		Evidence: "errors page: permission_error, the key may not use this; error codes guide: 403",
	},
	{
		ID: "http.legal", Where: Everywhere, Status: only(451),
		Class: failover.Permission, Scope: failover.ScopeAccount,
		Evidence: "RFC 7725: refused for legal reasons, by where the account goes out",
	},
	{
		ID: "http.missing", Where: Everywhere, Status: only(404, 410),
		Class: failover.ModelGone, Scope: failover.ScopeNone,
		Evidence: "a 404 that does not name the model may be about a file or a container of the request: other accounts are asked, and nobody is rested",
	},
	{
		ID: "http.momentary", Where: Everywhere, Status: only(408, 409, 421, 423, 424, 425, 499),
		Class: failover.Transient, Scope: failover.ScopeAccount, RetrySame: true,
		Evidence: "RFC 9110, 15.5.9, 15.5.10 and 15.5.20; errors page: 409 conflict_error may be retried; both SDKs retry 408 and 409; 499 is a relay whose own connection was closed",
	},
	{
		ID: "http.wrong-request", Where: Everywhere, Status: span(400, 499), Types: []string{"invalid_request_error"},
		Class:    failover.CallerFault,
		Evidence: "errors page: invalid_request_error \"may also be used for other 4XX status codes\"",
	},
	{
		ID: "http.too-many", Where: Everywhere, Status: only(429),
		Class: failover.RateLimited, Scope: failover.ScopeOrganization,
		Evidence: "RFC 6585, 4; both providers' rate limit pages; Azure, Groq, Moonshot, Google RESOURCE_EXHAUSTED without a QuotaFailure",
	},
	{
		ID: "http.529", Where: Everywhere, Status: only(529),
		Class: failover.Capacity, Scope: failover.ScopeProvider,
		Evidence: "errors page; at a compatible endpoint that endpoint's own capacity",
	},
	{
		ID: "http.cloudflare", Where: Everywhere, Status: []Range{{520, 527}, {530, 530}},
		Class: failover.Transient, Scope: failover.ScopeAccount, RetrySame: true,
		Evidence: "Cloudflare documentation, 5xx errors: the proxy does not reach or understand the origin",
	},
	{
		ID: "http.server", Where: Everywhere, Status: span(500, 599),
		Class: failover.Transient, Scope: failover.ScopeAccount, RetrySame: true,
		Evidence: "RFC 9110, 15.6; errors page: 500 api_error, 504 timeout_error; error codes guide: 500, 503; nginx's 502 and 504 pages",
	},
	{
		ID: "http.in-band", Where: Everywhere, InBand: true,
		Class: failover.Transient, Scope: failover.ScopeAccount,
		Evidence: "an error inside a success that says neither what nor whose it is",
	},
}
