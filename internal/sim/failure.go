package sim

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// format is a wire format of the simulated providers.
type format uint8

const (
	openai format = iota
	anthropic
	gemini
	responses // OpenAI's other API; errors and headers are the same
)

// ofOpenAI reports whether OpenAI speaks the format.
func (f format) ofOpenAI() bool { return f == openai || f == responses }

// failure is an error answer, before it takes a format's shape.
type failure struct {
	status  int
	kind    string // error.type; Gemini: error.status
	param   string // OpenAI only
	code    string // OpenAI only
	message string
	header  http.Header // in addition to the usual
	details []any       // Gemini only
}

// body is the failure as the format writes it.
func (f *failure) body(to format, requestID string) []byte {
	if to == gemini {
		return f.geminiBody()
	}
	if to == anthropic {
		type detail struct {
			Type    string `json:"type"`
			Message string `json:"message"`
		}
		return encode(struct {
			Type      string `json:"type"`
			Error     detail `json:"error"`
			RequestID string `json:"request_id"`
		}{"error", detail{f.kind, f.message}, requestID})
	}
	type detail struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    *string `json:"code"`
	}
	return encode(struct {
		Error detail `json:"error"`
	}{detail{f.message, f.kind, orNull(f.param), orNull(f.code)}})
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// subject is who asked for what, as error texts name it.
type subject struct{ key, organization, model string }

// statusFailure is the error of a bare status. The wording is that of the public
// documentation and of long-standing behaviour, not verified against the live
// providers.
func statusFailure(to format, status int, who subject) *failure {
	switch to {
	case anthropic:
		return anthropicStatus(status, who)
	case gemini:
		return geminiStatus(status, who)
	case openai, responses:
	}
	return openaiStatus(status, who)
}

func anthropicStatus(status int, who subject) *failure {
	f := &failure{status: status, kind: "api_error", message: "Internal server error"}
	switch status {
	case 401:
		f.kind, f.message = "authentication_error", "invalid x-api-key"
	case 402:
		f.kind, f.message = "billing_error", "There is an issue with your billing or payment information."
	case 403:
		f.kind, f.message = "permission_error", "Your API key does not have permission to use the specified resource."
	case 404:
		f.kind, f.message = "not_found_error", "model: "+who.model
	case 405:
		f.kind, f.message = "invalid_request_error", "Method Not Allowed"
	case 413:
		f.kind, f.message = "request_too_large", "Request exceeds the maximum size"
	case 429:
		f.kind = "rate_limit_error"
		f.message = "This request would exceed your organization's rate limit of 4,000 requests per minute (model: " + who.model + "). For details, refer to: https://docs.claude.com/en/api/rate-limits."
	case 503:
		f.message = "Service temporarily unavailable"
	case 504:
		f.kind, f.message = "timeout_error", "The request timed out while processing"
	case 529:
		f.kind, f.message = "overloaded_error", "Overloaded"
	default:
		if status < 500 {
			f.kind, f.message = "invalid_request_error", http.StatusText(status)
		}
	}
	return f
}

func openaiStatus(status int, who subject) *failure {
	f := &failure{status: status, kind: "server_error", message: "The server had an error while processing your request. Sorry about that!"}
	switch status {
	case 401:
		f.kind, f.code = "invalid_request_error", "invalid_api_key"
		f.message = "Incorrect API key provided: " + maskKey(who.key) + ". You can find your API key at https://platform.openai.com/account/api-keys."
	case 403:
		f.kind, f.code = "invalid_request_error", "model_not_found"
		f.message = "Project `proj_sim` does not have access to model `" + who.model + "`"
	case 404:
		f.kind, f.code = "invalid_request_error", "model_not_found"
		f.message = "The model `" + who.model + "` does not exist or you do not have access to it."
	case 405:
		f.kind, f.code, f.message = "invalid_request_error", "method_not_supported", "Not allowed to use this method on this path."
	case 429:
		f.kind, f.code = "requests", "rate_limit_exceeded"
		f.message = "Rate limit reached for " + who.model + " in organization " + organizationID(openai, who.organization) + " on requests per min (RPM): Limit 500, Used 500, Requested 1."
	case 503:
		f.message = "The server is currently overloaded with other requests. Sorry about that! You can retry your request."
	default:
		if status < 500 {
			f.kind, f.message = "invalid_request_error", http.StatusText(status)
		}
	}
	return f
}

// maskKey quotes a key as OpenAI's 401 does: its head and its last four
// characters, which is why the message must not be passed on.
func maskKey(key string) string {
	if len(key) <= 8 {
		return strings.Repeat("*", len(key))
	}
	head := min(8, len(key)-4)
	return key[:head] + strings.Repeat("*", max(1, len(key)-head-4)) + key[len(key)-4:]
}

// faultFailure is the error answer of a fault, or nil if the fault is none.
func faultFailure(to format, f Fault, who subject, promptTokens int, now time.Time) *failure {
	if to == gemini {
		return geminiFault(f, who, promptTokens)
	}
	var out *failure
	switch f.Kind {
	case Status:
		out = statusFailure(to, f.Status, who)
	case Quota:
		out = quotaFailure(to, now)
	case Credit:
		if to == anthropic {
			out = invalidAnthropic("Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.")
		} else {
			out = &failure{status: 429, kind: "billing_not_active", code: "billing_not_active", message: "Your account is not active, please check your billing details on our website."}
		}
	case Unified5h, Unified7d:
		if to == anthropic {
			return unifiedFailure(f, now)
		}
		if f.Window == 0 {
			f.Window = unifiedWindow(f)
		}
		out = statusFailure(to, 429, who)
	case ContextLength:
		switch to {
		case responses:
			out = invalidChat("input", "context_length_exceeded", "Your input exceeds the context window of this model. Please adjust your input and try again.")
		case anthropic:
			out = invalidAnthropic("prompt is too long: %d tokens > 200000 maximum", promptTokens+200_000)
		default:
			out = invalidChat("messages", "context_length_exceeded", "This model's maximum context length is 128000 tokens. However, your messages resulted in %d tokens. Please reduce the length of the messages.", promptTokens+128_000)
		}
	case Refused:
		if to == anthropic {
			out = invalidAnthropic("Output blocked by content filtering policy")
		} else {
			out = invalidChat("", "invalid_prompt", "Invalid prompt: your prompt was flagged as potentially violating our usage policy. Please try again with a different prompt: https://platform.openai.com/docs/guides/reasoning#advice-on-prompting")
		}
	case NoModel:
		out = statusFailure(to, 404, who)
	default:
		return nil
	}
	out.header = limitHeaders(to, f, now)
	return out
}

func quotaFailure(to format, now time.Time) *failure {
	if to == anthropic {
		return invalidAnthropic("You have reached your specified API usage limits. You will regain access on %s at 00:00 UTC.",
			now.UTC().AddDate(0, 1, 1-now.UTC().Day()).Format(time.DateOnly))
	}
	return &failure{
		status: 429, kind: "insufficient_quota", code: "insufficient_quota",
		message: "You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.",
	}
}

// limitHeaders state when to come back, as far as the fault says so.
func limitHeaders(to format, f Fault, now time.Time) http.Header {
	h := http.Header{}
	reset := f.Window
	if f.RetryAfter > 0 {
		if reset == 0 {
			reset = f.RetryAfter
		}
		h.Set("retry-after", strconv.Itoa(int(math.Ceil(f.RetryAfter.Seconds()))))
		if f.RetryDate {
			// A date has whole seconds: rounded up, so that nobody comes too early.
			h.Set("retry-after", now.Add(f.RetryAfter+time.Second-1).UTC().Truncate(time.Second).Format(http.TimeFormat))
		} else if to.ofOpenAI() {
			h.Set("retry-after-ms", strconv.FormatInt((f.RetryAfter+time.Millisecond-1).Milliseconds(), 10)) // rounded up, too
		}
	}
	if reset == 0 {
		return h
	}
	if to == anthropic {
		setAnthropicLimits(h, now, reset, true)
	} else {
		setOpenAILimits(h, reset, true)
	}
	return h
}

func unifiedWindow(f Fault) time.Duration {
	switch {
	case f.Window > 0:
		return f.Window
	case f.Kind == Unified7d:
		return 72 * time.Hour
	}
	return 2 * time.Hour
}

// unifiedFailure is a subscription's window that is used up.
func unifiedFailure(f Fault, now time.Time) *failure {
	window := unifiedWindow(f)
	h := http.Header{}
	claim := "five_hour"
	if f.Kind == Unified7d {
		claim = "seven_day"
	}
	setUnified(h, now, unifiedState{rejected: claim, window: window})
	h.Set("retry-after", strconv.Itoa(int(math.Ceil(window.Seconds()))))
	h.Set("x-should-retry", "false")
	return &failure{
		status: 429, kind: "rate_limit_error", header: h,
		message: "This request would exceed your account's rate limit. Please try again later.",
	}
}

// page is an edge's HTML answer.
func page(status int) []byte {
	text := http.StatusText(status)
	if text == "" {
		text = "Error"
	}
	return fmt.Appendf(nil, "<html>\r\n<head><title>%d %s</title></head>\r\n<body>\r\n<center><h1>%d %s</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n", status, text, status, text)
}
