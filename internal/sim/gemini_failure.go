package sim

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Types of an error's details.
const (
	typeBadRequest = "type.googleapis.com/google.rpc.BadRequest"
	typeErrorInfo  = "type.googleapis.com/google.rpc.ErrorInfo"
	typeQuota      = "type.googleapis.com/google.rpc.QuotaFailure"
	typeRetry      = "type.googleapis.com/google.rpc.RetryInfo"
	typeHelp       = "type.googleapis.com/google.rpc.Help"
)

const geminiService = "generativelanguage.googleapis.com"

// geminiBody is the failure as the API writes it.
func (f *failure) geminiBody() []byte {
	type detail struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Status  string `json:"status"`
		Details []any  `json:"details,omitempty"`
	}
	return encode(struct {
		Error detail `json:"error"`
	}{detail{f.status, f.message, f.kind, f.details}})
}

func errorInfo(reason string) any {
	return map[string]any{"@type": typeErrorInfo, "reason": reason, "domain": "googleapis.com", "metadata": map[string]string{"service": geminiService}}
}

// geminiStatus is the error of a bare status.
func geminiStatus(status int, who subject) *failure {
	f := &failure{status: status, kind: "INTERNAL", message: "An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting"}
	switch status {
	case 401:
		f.kind = "UNAUTHENTICATED"
		f.message = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
		f.details = []any{errorInfo("ACCESS_TOKEN_TYPE_UNSUPPORTED")}
	case 403:
		f.kind, f.message = "PERMISSION_DENIED", "The caller does not have permission"
	case 404:
		f.kind = "NOT_FOUND"
		f.message = "models/" + who.model + " is not found for API version v1beta, or is not supported for generateContent. Call ListModels to see the list of available models and their supported methods."
	case 429:
		f.kind, f.message = "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."
	case 503, 529: // the API has no 529
		f.status, f.kind, f.message = 503, "UNAVAILABLE", "The model is overloaded. Please try again later."
	case 504:
		f.kind, f.message = "DEADLINE_EXCEEDED", "Deadline expired before operation could complete."
	default:
		if status < 500 {
			f.kind, f.message = "INVALID_ARGUMENT", http.StatusText(status)
		}
	}
	return f
}

// geminiFault is the error answer of a fault, or nil if the fault is none. When to come back stands in the body.
func geminiFault(f Fault, who subject, promptTokens int) *failure {
	var out *failure
	switch f.Kind {
	case Status:
		out = geminiStatus(f.Status, who)
	case Quota:
		out = overQuota("GenerateRequestsPerDayPerProjectPerModel-FreeTier", who)
		if f.RetryAfter == 0 {
			f.RetryAfter = 38 * time.Second // which the API says of a quota of the day, too
		}
	case Credit:
		out = geminiStatus(429, who)
		out.message = "Your prepayment credits are depleted. Please go to AI Studio at https://ai.studio/projects to manage your project and billing."
	case Unified5h, Unified7d:
		f.Window = unifiedWindow(f)
		out = geminiStatus(429, who)
	case ContextLength:
		out = invalidGemini("The input token count (%d) exceeds the maximum number of tokens allowed (%d).", promptTokens+geminiWindow, geminiWindow)
	case NoModel:
		out = geminiStatus(404, who)
	default:
		return nil
	}
	wait := f.RetryAfter
	if wait == 0 {
		wait = f.Window
	}
	if wait > 0 {
		if out.status == 429 && out.details == nil && f.Kind == Status {
			out = overQuota("GenerateRequestsPerMinutePerProjectPerModel", who)
		}
		out.details = append(out.details, map[string]any{"@type": typeRetry, "retryDelay": delay(wait)})
	}
	return out
}

// delay writes a duration as proto JSON does.
func delay(d time.Duration) string {
	return strings.TrimSuffix(strconv.FormatFloat(d.Seconds(), 'f', -1, 64), ".") + "s"
}

// overQuota is a 429 that names the quota.
func overQuota(id string, who subject) *failure {
	f := geminiStatus(429, who)
	f.message = fmt.Sprintf("You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. \n* Quota exceeded for metric: %s/generate_content_free_tier_requests, limit: 250, model: %s", geminiService, who.model)
	f.details = []any{
		map[string]any{"@type": typeQuota, "violations": []any{map[string]any{
			"quotaMetric": geminiService + "/generate_content_free_tier_requests", "quotaId": id,
			"quotaDimensions": map[string]string{"location": "global", "model": who.model}, "quotaValue": "250",
		}}},
		map[string]any{"@type": typeHelp, "links": []any{map[string]string{"description": "Learn more about Gemini API quotas", "url": "https://ai.google.dev/gemini-api/docs/rate-limits"}}},
	}
	return f
}

// authenticateGemini refuses what the API would: a bad key is a 400 there.
func (x *exchange) authenticateGemini() *failure {
	bad := strings.HasPrefix(x.key, "sk-bad") && !strings.HasPrefix(x.key, "sk-badgzip") // which is a word
	switch {
	case x.key == "":
		f := statusFailure(gemini, 403, x.who())
		f.message = "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API."
		return f
	case bad && x.r.Header.Get("Authorization") != "" && x.r.Header.Get("x-goog-api-key") == "":
		return statusFailure(gemini, 401, x.who())
	case bad:
		f := invalidGemini("API key not valid. Please pass a valid API key.")
		f.details = []any{errorInfo("API_KEY_INVALID")}
		return f
	}
	return nil
}
