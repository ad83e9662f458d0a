package platform

import "turnout/internal/failover"

// quotaRows: money or a long quota is used up.
var quotaRows = []Row{
	{
		ID: "anthropic.credit", Where: AtAnthropic | AtCompatible, Prefix: []string{"your credit balance is too low", "credit balance is too low", "credit balance too low"},
		Class: failover.QuotaExhausted, Scope: failover.ScopeOrganization,
		Evidence: "\"Your credit balance is too low to access the Anthropic API…\", a 400 invalid_request_error although the account is at fault (portkey.ai error library 10155, sub2api)",
	},
	{
		ID: "anthropic.spend-limit", Where: AtAnthropic | AtCompatible, Prefix: []string{"you have reached your specified api usage limits"},
		Class: failover.QuotaExhausted, Scope: failover.ScopeOrganization,
		Evidence: "rate limits page, spend limits: a 400 invalid_request_error that says when access is regained (anthropics/claude-code#38035); relays send it as a 500 (continuedev/continue#11305)",
	},
	{
		ID: "anthropic.workspace-limit", Where: AtAnthropic | AtCompatible, Prefix: []string{"you have reached your specified workspace api usage limits"},
		Class: failover.QuotaExhausted, Scope: failover.ScopeAccount,
		Evidence: "the same for one workspace (anthropics/claude-code#1047): keys of the organisation's other workspaces go on",
	},
	{
		ID: "anthropic.tier-cap", Where: AtAnthropic | AtCompatible, Names: []string{tierCap},
		Class: failover.QuotaExhausted, Scope: failover.ScopeOrganization,
		Evidence: "rate limits page: a 429 rate_limit_error without retry-after, error.details.error_code = enforced_spend_limit_reached; closed until the next month, 00:00 UTC",
	},
	{
		ID: "anthropic.long-context", Where: AtAnthropic | AtCompatible, Prefix: []string{"extra usage is required for", "usage credits are required for", "usage credits required for"},
		Class: failover.Permission, Scope: failover.ScopeNone,
		Evidence: "a 429 rate_limit_error, yet no limit is reached: this request needs the paid 1M context and the account has none (anthropics/claude-code#42616, #50784). Other requests are served: no rest",
	},
	{
		ID: "anthropic.extra-usage", Where: AtAnthropic | AtCompatible, Prefix: []string{"you're out of extra usage", "third-party apps now draw from your extra usage"},
		Class: failover.QuotaExhausted, Scope: failover.ScopeNone,
		Evidence: "a 400 at subscriptions, for requests that the plan does not cover (anthropics/claude-code#45048, earendil-works/pi#2943). Requests that it covers are served: no rest",
	},
	{
		ID: "anthropic.billing", Where: AtAnthropic | AtCompatible, Types: []string{"billing_error"},
		Class: failover.QuotaExhausted, Scope: failover.ScopeOrganization,
		Evidence: "errors page: 402 billing_error; in a stream the type alone",
	},
	{
		ID: "openai.project-limit", Where: AtOpenAI | AtCompatible, Names: []string{"project_spend_limit_exceeded"},
		Class: failover.QuotaExhausted, Scope: failover.ScopeAccount,
		Evidence: "error codes guide: type insufficient_quota, but one project's own limit; other projects go on",
	},
	{
		ID: "openai.quota", Where: AtOpenAI | AtCompatible,
		Names: []string{
			"insufficient_quota", "credit_balance_exhausted", "organization_spend_limit_exceeded", "organization_usage_limit_exceeded",
			"billing_hard_limit_reached", "billing_not_active",
		},
		Class: failover.QuotaExhausted, Scope: failover.ScopeOrganization,
		Evidence: "error codes guide: 429; \"retrying billing, spend or quota errors will not restore API access\". billing_hard_limit_reached is a 400",
	},
	{
		ID: "openai.not-active", Where: AtOpenAI | AtCompatible, Prefix: []string{"your account is not active, please check your billing details", "billing hard limit has been reached"},
		Class: failover.QuotaExhausted, Scope: failover.ScopeOrganization,
		Evidence: "the same by their texts, where a relay drops the code",
	},
	{
		ID: "openrouter.in-flight", Where: AtCompatible, Names: []string{"in_flight_budget_exhausted", "openrouter_in_flight_budget"},
		Class: failover.RateLimited, Scope: failover.ScopeAccount,
		Evidence: "OpenRouter, errors: a 402 that passes by itself, with Retry-After; the balance is positive",
	},
	{
		ID: "openrouter.request-cost", Where: AtCompatible, Names: []string{"weight_exceeds_budget"},
		Class: failover.QuotaExhausted, Scope: failover.ScopeNone,
		Evidence: "OpenRouter, errors: a 402 for this one request, which costs more than the whole budget; smaller ones are served: no rest",
	},
	{
		ID: "openrouter.affordable", Where: AtCompatible, Prefix: []string{"this request requires more credits, or fewer max_tokens"},
		Class: failover.QuotaExhausted, Scope: failover.ScopeNone,
		Evidence: "OpenRouter: \"…You requested up to 8192 tokens, but can only afford 1036\": smaller requests are served",
	},
	{
		ID: "litellm.caller-budget", Where: AtCompatible, Prefix: []string{"exceededbudget: end user", "budget has been exceeded! end user"},
		Class: failover.QuotaExhausted, Scope: failover.ScopeNone,
		Evidence: "LiteLLM, budgets: the limit of the one whom the request's user member names; others are served",
	},
	{
		ID: "compatible.budget", Where: AtCompatible,
		Names: []string{
			"budget_exceeded", "openrouter_credits", "openrouter_key_limit", "openrouter_guardrail_budget", "openrouter_workspace_budget",
			"payment_required", "insufficient_balance", "insufficient_user_quota", "pre_consume_token_quota_failed",
			"exceeded_current_quota_error", "arrearage",
		},
		Class: failover.QuotaExhausted, Scope: failover.ScopeAccount,
		Evidence: "LiteLLM (budget_exceeded, 400 or 429), OpenRouter (error.metadata.limit_source, 402 or 403), new-api and one-api (403), Moonshot (429), Alibaba (Arrearage, 400): each provider's error page",
	},
	{
		ID: "compatible.balance", Where: AtCompatible,
		Prefix: []string{
			"insufficient balance", "insufficient account balance", "insufficient credit", "your account balance is insufficient",
			"your account balance is too low", "budget has been exceeded", "exceededbudget", "key limit exceeded",
			"authentication error, budget has been exceeded", "authentication error, exceededbudget", "authentication error, exceededtokenbudget",
			"no deployments available - crossed budget", "余额不足", "用户额度不足",
		},
		Class: failover.QuotaExhausted, Scope: failover.ScopeAccount,
		Evidence: "DeepSeek (402 Insufficient Balance), LiteLLM (BerriAI/litellm#14144), OpenRouter, Zhipu, new-api: the same by their texts",
	},
	{
		ID: "gemini.day-model", Where: AtCompatible | AtGemini, Quota: []string{"perday", "permodel"},
		Class: failover.QuotaExhausted, Scope: failover.ScopeAccountModel,
		Evidence: "429 RESOURCE_EXHAUSTED, QuotaFailure GenerateRequestsPerDayPerProjectPerModel…: closed until midnight Pacific, for this model. Google's CLI stops at it whatever RetryInfo says",
	},
	{
		ID: "gemini.day", Where: AtCompatible | AtGemini, Quota: []string{"perday"},
		Class: failover.QuotaExhausted, Scope: failover.ScopeAccount,
		Evidence: "the same without a model in the quota's name",
	},
	{
		ID: "gemini.prepaid", Where: AtCompatible | AtGemini, Prefix: []string{"your prepayment credits are depleted"},
		Class: failover.QuotaExhausted, Scope: failover.ScopeOrganization,
		Evidence: "429 RESOURCE_EXHAUSTED \"Your prepayment credits are depleted. Please go to AI Studio…\": every key of the billing account stops at once (discuss.ai.google.dev/t/170539, /t/140828)",
	},
	{
		ID: "gemini.spend-cap", Where: AtCompatible | AtGemini,
		Prefix: []string{"your project has exceeded its monthly spending cap", "your billing account has exceeded its monthly spending cap"},
		Class:  failover.QuotaExhausted, Scope: failover.ScopeAccount,
		Evidence: "429 RESOURCE_EXHAUSTED, Gemini API, billing: a project's own cap, or the billing account's",
	},
}

// credentialRows: the key, the token, or whoever they belong to is refused.
//
// The scope of a credential is always one account, also where an organisation is
// disabled: such a rest ends when the account's credential is edited, and nothing would
// end an organisation's.
var credentialRows = []Row{
	{
		ID: "anthropic.claude-code-only", Where: AtAnthropic | AtCompatible, Prefix: []string{"this credential is only authorized for use with claude code"},
		Class: failover.Permission, Scope: failover.ScopeNone,
		Evidence: "a 400 that depends on who asks: the same token serves the client that it was made for. No rest",
	},
	{
		ID: "anthropic.oauth-not-allowed", Where: AtAnthropic | AtCompatible, Prefix: []string{"oauth authentication is currently not allowed for this organization", "oauth authentication is currently not supported"},
		Class: failover.Permission, Scope: failover.ScopeAccount,
		Evidence: "401 or 403: a lapsed subscription or an administrator's switch (anthropics/claude-code#6752, #65714); the token becomes good again without being changed",
	},
	{
		ID: "anthropic.disabled", Where: AtAnthropic | AtCompatible, Prefix: []string{"this organization has been disabled", "your organization has been disabled", "identity verification is required"},
		Class: failover.Credential, Scope: failover.ScopeAccount,
		Evidence: "a 400 invalid_request_error although the account is at fault (anthropics/claude-code#72457, #19028; sub2api)",
	},
	{
		ID: "anthropic.oauth", Where: AtAnthropic | AtCompatible, Prefix: []string{"oauth token has been revoked", "oauth token has expired", "oauth token does not meet scope", "oauth session expired", "oauth access token"},
		Class: failover.Credential, Scope: failover.ScopeAccount,
		Evidence: "expired is a 401 authentication_error, revoked a 403 permission_error (vybestack/llxprt-code#1123, anthropics/claude-code#9635, #13724)",
	},
	{
		ID: "litellm.model-denied", Where: AtCompatible, Names: []string{"key_model_access_denied", "team_model_access_denied", "user_model_access_denied"},
		Class: failover.ModelGone, Scope: failover.ScopeAccountModel,
		Evidence: "LiteLLM, virtual keys: 401 (newer: 403), but only for this model",
	},
	{
		ID: "openai.address", Where: AtOpenAI | AtCompatible, Status: only(401, 403), Names: []string{"ip_not_authorized"},
		Class: failover.Permission, Scope: failover.ScopeAccount,
		Evidence: "error codes guide: 401 IP not authorized; the key is good, from another address",
	},
	{
		ID: "openai.region", Where: AtOpenAI | AtCompatible, Names: []string{"unsupported_country_region_territory"},
		Class: failover.Permission, Scope: failover.ScopeAccount,
		Evidence: "error codes guide: 403 Country, region, or territory not supported; it is about the address that this account goes out by",
	},
	{
		ID: "openai.plan", Where: AtOpenAI | AtCompatible, Names: []string{"usage_not_included"},
		Class: failover.Permission, Scope: failover.ScopeAccount,
		Evidence: "Codex: the ChatGPT plan has no Codex (client source, read 2026-11)",
	},
	{
		ID: "openai.key", Where: AtOpenAI | AtCompatible,
		Names: []string{
			"invalid_api_key", "account_deactivated", "deactivated_workspace", "token_invalidated", "token_revoked", "token_expired",
			"invalid_organization", "mismatched_organization", "access_terminated",
		},
		Class: failover.Credential, Scope: failover.ScopeAccount,
		Evidence: "error codes guide, 401; token_invalidated and token_revoked at ChatGPT accounts (router-for-me/CLIProxyAPI#3654), deactivated_workspace as a 402 detail (Wei-Shaw/sub2api#1302)",
	},
	{
		ID: "google.key", Where: AtCompatible | AtGemini,
		Names: []string{
			"api_key_invalid", "api_key_service_blocked", "api_key_http_referrer_blocked", "api_key_ip_address_blocked", "consumer_suspended", "consumer_invalid",
			"api_key_expired", "access_token_expired", "access_token_type_unsupported", "credentials_missing",
		},
		Class: failover.Credential, Scope: failover.ScopeAccount,
		Evidence: "google.api.ErrorReason: a bad key is a **400** INVALID_ARGUMENT (can1357/oh-my-pi#449)",
	},
	{
		ID: "google.project", Where: AtCompatible | AtGemini, Names: []string{"service_disabled", "billing_disabled"},
		Class: failover.Permission, Scope: failover.ScopeAccount,
		Evidence: "google.api.ErrorReason, 403 PERMISSION_DENIED: the API is not switched on in the key's project, or billing is not; the key becomes good without being changed",
	},
	{
		ID: "gemini.banned", Where: AtCompatible | AtGemini, Prefix: []string{"your api key was reported as leaked", "your project has been denied access"},
		Class: failover.Credential, Scope: failover.ScopeAccount,
		Evidence: "403 PERMISSION_DENIED without a reason (continuedev/continue#11541, googleapis/python-genai#1764; poenl/gemini-api#8): a bare 403 would rest one model after the other",
	},
	{
		ID: "gemini.no-key", Where: AtCompatible | AtGemini, Prefix: []string{"method doesn't allow unregistered callers"},
		Class: failover.Credential, Scope: failover.ScopeAccount,
		Evidence: "403 PERMISSION_DENIED \"Method doesn't allow unregistered callers (callers without established identity)…\": no key arrived",
	},
	{
		ID: "gemini.region", Where: AtCompatible | AtGemini, Prefix: []string{"user location is not supported for the api use", "gemini api free tier is not available in your country"},
		Class: failover.Permission, Scope: failover.ScopeAccount,
		Evidence: "400 FAILED_PRECONDITION (google-gemini/gemini-cli#24641, PublicAffairs/openai-gemini#4): it is about the address that this account goes out by, not about the request",
	},
	{
		ID: "compatible.key", Where: AtCompatible, Names: []string{"invalidapikey", "invalid_authentication_error", "access_terminated_error", "token_not_found_in_db", "expired_key"},
		Class: failover.Credential, Scope: failover.ScopeAccount,
		Evidence: "Alibaba, Moonshot, LiteLLM: each provider's error page",
	},
	{
		ID: "compatible.key-text", Where: AtCompatible | AtGemini,
		Prefix: []string{
			"api key not valid", "api key expired", "api key not found", "invalid api key", "incorrect api key provided",
		},
		Class: failover.Credential, Scope: failover.ScopeAccount,
		Evidence: "Gemini's OpenAI endpoint and xAI send a bad key as a 400; the same by their texts",
	},
	{
		ID: "anthropic.key", Where: AtAnthropic | AtCompatible, Types: []string{"authentication_error"},
		Class: failover.Credential, Scope: failover.ScopeAccount,
		Evidence: "errors page: 401 authentication_error, \"invalid x-api-key\"; in a stream the type alone. DeepSeek uses the type with the code invalid_request_error",
	},
}
