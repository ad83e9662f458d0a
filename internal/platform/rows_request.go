package platform

import "turnout/internal/failover"

// requestRows: the request itself cannot be served. All of them end the request in every
// policy, and none rests anybody, so that words anywhere in the message may decide.
var requestRows = []Row{
	{
		ID: "anthropic.too-long", Where: AtAnthropic | AtCompatible, Text: []string{"prompt is too long", "input length and `max_tokens` exceed context limit", "exceed context limit"},
		Class:    failover.ContextTooLong,
		Evidence: "400 invalid_request_error: \"prompt is too long: 208310 tokens > 200000 maximum\", \"input length and `max_tokens` exceed context limit: 178959 + 64000 > 200000…\" (docker/docker-agent#569). Clients parse both",
	},
	{
		ID: "anthropic.too-large", Where: AtAnthropic | AtCompatible, Types: []string{"request_too_large"},
		Class:    failover.ContextTooLong,
		Evidence: "errors page: 413 request_too_large, more than 32 MB, from Cloudflare before the API: the same at every account, and only less content helps",
	},
	{
		ID: "openai.too-long", Where: AtOpenAI | AtCompatible, Names: []string{"context_length_exceeded", "string_above_max_length", "exceed_context_size_error", "string_too_long", "model_context_window_exceeded"},
		Class:    failover.ContextTooLong,
		Evidence: "400 (error codes guide, OpenRouter, llama.cpp). Codex and others compact the conversation at context_length_exceeded",
	},
	{
		ID: "openai.tokens-per-minute", Where: AtOpenAI | AtCompatible, Status: only(413, 429), Prefix: []string{"request too large for"},
		Class:    failover.ContextTooLong,
		Evidence: "\"Request too large for gpt-4o in organization … on tokens per min (TPM): Limit 30000, Requested 36278. The input or output tokens must be reduced in order to run successfully\": a 429 that no waiting mends (Aider-AI/aider#1880); Groq sends the same as a 413. The limit itself is not used up: no rest",
	},
	{
		ID: "compatible.too-long", Where: AtCompatible | AtGemini,
		Text: []string{
			"maximum context length", "model's context length is only", "exceeds the available context size", "input token count", "input is too long for requested model",
			"context window", "context length exceeded", "maximum prompt length",
		},
		Status:   only(400, 413, 422, 500),
		Class:    failover.ContextTooLong,
		Evidence: "vLLM (\"maximum context length is 16384 tokens\", since 0.16 \"the model's context length is only 1024 tokens\"), llama.cpp, Gemini (\"The input token count exceeds the maximum\"), xAI, Bedrock",
	},
	{
		ID: "anthropic.filtered", Where: AtAnthropic | AtCompatible, Text: []string{"blocked by content filtering policy"},
		Class:    failover.ContentRefused,
		Evidence: "\"Output blocked by content filtering policy\", 400 or inside a stream: the content is refused, not the account",
	},
	{
		ID: "openai.filtered", Where: AtOpenAI | AtCompatible,
		Names:    []string{"content_policy_violation", "content_filter", "responsibleaipolicyviolation", "moderation_blocked", "cyber_policy", "cyber_policy_violation", "data_inspection_failed", "datainspectionfailed", "content_flagged", "image_content_policy_violation"},
		Class:    failover.ContentRefused,
		Evidence: "400: OpenAI, Azure (code content_filter, innererror ResponsibleAIPolicyViolation), Moonshot, Alibaba; Codex cyber_policy (sub2api); Responses, inside a stream: image_content_policy_violation (openai-python, types/responses/response_error.py)",
	},
	{
		ID: "openai.flagged", Where: AtOpenAI | AtCompatible, Names: []string{"invalid_prompt"}, Text: []string{"usage policy", "usage policies"},
		Class:    failover.ContentRefused,
		Evidence: "400 invalid_prompt \"your prompt was flagged as potentially violating our usage policy\" (openai/codex#38849). Without these words invalid_prompt is a malformed request",
	},
	{
		ID: "openai.malformed", Where: AtOpenAI | AtCompatible, Names: []string{"invalid_prompt"},
		Class:    failover.CallerFault,
		Evidence: "Responses, error.code of a failed response (openai-python, types/responses/response_error.py): inside a stream it comes without a type that would say so",
	},
	{
		ID: "openai.image", Where: AtOpenAI | AtCompatible,
		Names: []string{
			"invalid_image", "invalid_image_format", "invalid_base64_image", "invalid_image_url", "image_too_large", "image_too_small", "image_parse_error",
			"invalid_image_mode", "image_file_too_large", "unsupported_image_media_type", "empty_image_file", "image_file_not_found",
		},
		Class:    failover.CallerFault,
		Evidence: "Responses, error.code of a failed response (openai-python, types/responses/response_error.py): the image is at fault at every account, also where a stream says it inside a 200",
	},
	{
		ID: "openai.image-download", Where: AtOpenAI | AtCompatible, Names: []string{"failed_to_download_image"},
		Class:    failover.CallerFault,
		Evidence: "the same list: the caller's URL does not answer the provider. Its accounts all download from the same network, so another one fares no better, and only the caller can send another URL or the data",
	},
	{
		ID: "compatible.flagged", Where: AtCompatible, Status: only(400, 403), Text: []string{"your input was flagged", "content exists risk", "triggering azure openai's content management policy"},
		Class:    failover.ContentRefused,
		Evidence: "OpenRouter (403, \"requires moderation… Your input was flagged\"), DeepSeek (400 Content Exists Risk), Azure",
	},
	{
		ID: "anthropic.signature", Where: AtAnthropic | AtCompatible, Status: only(400), Text: []string{"`signature` in `thinking` block", "signature in thinking block"},
		Class:    failover.CallerFault,
		Evidence: "400 \"messages.1.content.0: Invalid `signature` in `thinking` block\": blocks were changed or come from another model; it does not depend on the account (anthropics/anthropic-sdk-python#1598)",
	},
	{
		ID: "anthropic.extra-inputs", Where: AtAnthropic | AtCompatible, Status: only(400), Text: []string{"extra inputs are not permitted"},
		Class:    failover.CallerFault,
		Evidence: "400 \"safeguards: Extra inputs are not permitted\": Claude Code sends the request again without the member (captured 2026-11), so it must see the text as it came",
	},
	{
		ID: "openai.bound", Where: AtOpenAI | AtCompatible, Names: []string{"invalid_encrypted_content", "previous_response_not_found"},
		Class:    failover.CallerFault,
		Evidence: "400: what was made by one organisation cannot be read by another; the client must send the conversation itself",
	},
	{
		ID: "gemini.bound", Where: AtCompatible | AtGemini, Status: only(400, 403, 404), Prefix: []string{"you do not have permission to access the file", "cachedcontent not found"},
		Class:    failover.CallerFault,
		Evidence: "403 PERMISSION_DENIED \"You do not have permission to access the File x or it may not exist.\" (googleapis/python-genai#1218): uploads and cached contents belong to one project; the account is not at fault",
	},
	{
		ID: "gemini.signature", Where: AtCompatible | AtGemini, Status: only(400), Text: []string{"thought signature", "thought_signature"},
		Class:    failover.CallerFault,
		Evidence: "400 INVALID_ARGUMENT \"Function call is missing a thought_signature in functionCall parts…\" (langgenius/dify#29187), \"Corrupted thought signature.\" (google-gemini/gemini-cli#13467): the history was changed or is another provider's",
	},
}

// modelRows: this account does not serve the model, for good.
var modelRows = []Row{
	{
		ID: "anthropic.model", Where: AtAnthropic | AtCompatible, Types: []string{"not_found_error"}, Prefix: []string{"model:", "model "},
		Class: failover.ModelGone, Scope: failover.ScopeAccountModel,
		Evidence: "404 not_found_error \"model: claude-x\"; a not_found_error about a file does not begin so",
	},
	{
		ID: "openai.unverified-way", Where: AtOpenAI | AtCompatible, Prefix: []string{"your organization must be verified to stream", "your organization must be verified to generate reasoning"},
		Class: failover.Permission, Scope: failover.ScopeNone,
		Evidence: "400: the model is served, but not in this way (danny-avila/LibreChat#6926, continuedev/continue#9067). No rest",
	},
	{
		ID: "openai.unverified", Where: AtOpenAI | AtCompatible, Prefix: []string{"your organization must be verified to use the model"},
		Class: failover.Permission, Scope: failover.ScopeAccountModel,
		Evidence: "404 or 403, code model_not_found (openai/openai-go#565): the operator has to verify the organisation",
	},
	{
		ID: "openai.model", Where: AtOpenAI | AtCompatible, Names: []string{"model_not_found", "deploymentnotfound", "model_decommissioned", "model_not_available", "invalid_model", "resource_not_found_error"},
		Class: failover.ModelGone, Scope: failover.ScopeAccountModel,
		Evidence: "404 model_not_found, also 403 \"Project … does not have access to model\" (cursor/cursor#2953); Azure DeploymentNotFound, Groq model_decommissioned, Moonshot",
	},
	{
		ID: "openai.plan-model", Where: AtOpenAI | AtCompatible, Status: only(400, 403, 404), Prefix: []string{"the '"}, Text: []string{"model is not supported when using codex"},
		Class: failover.ModelGone, Scope: failover.ScopeAccountModel,
		Evidence: "Codex: 400 \"The 'x' model is not supported when using Codex with a ChatGPT account.\" (sub2api)",
	},
	{
		ID: "compatible.model", Where: AtCompatible | AtGemini, Status: only(404), Prefix: []string{"the model ", "model ", "model:", "models/", "publisher model", "this model models/"},
		Text:  []string{"does not exist", "not found", "is no longer available"},
		Class: failover.ModelGone, Scope: failover.ScopeAccountModel,
		Evidence: "vLLM (\"The model `x` does not exist.\"), Ollama (\"model 'x' not found, try pulling it first\"), Gemini (\"models/x is not found for API version\", \"This model models/x is no longer available to new users\": ecwilsonaz/mediasage#26)",
	},
	{
		ID: "deepseek.model", Where: AtCompatible, Status: only(400), Whole: []string{"model not exist"},
		Class: failover.ModelGone, Scope: failover.ScopeAccountModel,
		Evidence: "DeepSeek: a 400 invalid_request_error, \"Model Not Exist\"",
	},
	{
		ID: "compatible.model-name", Where: AtCompatible, Status: only(400, 404), Prefix: []string{"invalid model name passed in model=", "no endpoints found", "no allowed providers are available"},
		Class: failover.ModelGone, Scope: failover.ScopeAccountModel,
		Evidence: "LiteLLM (400), OpenRouter (404)",
	},
}
