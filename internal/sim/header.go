package sim

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// organizationID is what the provider calls an organisation in its headers.
func organizationID(to format, name string) string {
	if to.ofOpenAI() {
		return "org-" + name
	}
	sum := sha256.Sum256([]byte("organization " + name))
	s := hex.EncodeToString(sum[:16])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// setCommon sets the headers of every answer: among them what a gateway must not
// hand on (cookies, organisation, project).
func setCommon(h http.Header, to format, requestID, organization string) {
	if to == gemini {
		setGemini(h)
		return
	}
	h.Set("Server", "cloudflare")
	h.Set("cf-cache-status", "DYNAMIC")
	h.Set("cf-ray", requestID[len(requestID)-8:]+"-SIM")
	h.Set("strict-transport-security", "max-age=31536000; includeSubDomains; preload")
	h.Add("Set-Cookie", "__cf_bm=sim-"+requestID+"; path=/; HttpOnly; Secure; SameSite=None")
	if to == anthropic {
		h.Set("request-id", requestID)
		h.Set("anthropic-organization-id", organizationID(to, organization))
		return
	}
	h.Add("Set-Cookie", "_cfuvid=sim-"+requestID+"; path=/; HttpOnly; Secure; SameSite=None")
	h.Set("x-request-id", requestID)
	h.Set("openai-organization", organizationID(to, organization))
	h.Set("openai-project", "proj_sim")
	h.Set("openai-version", "2020-10-01")
	h.Set("openai-processing-ms", "12")
}

// setAnthropicLimits sets the API limit headers: full, or with no request left
// until reset.
func setAnthropicLimits(h http.Header, now time.Time, reset time.Duration, usedUp bool) {
	// The reset has whole seconds: rounded up, so that nobody comes too early.
	at := now.Add(reset + time.Second - 1).UTC().Truncate(time.Second).Format(time.RFC3339)
	for _, k := range []struct {
		name  string
		limit int
	}{{"requests", 4000}, {"tokens", 480_000}, {"input-tokens", 400_000}, {"output-tokens", 80_000}} {
		remaining := k.limit - 1
		if usedUp && k.name == "requests" {
			remaining = 0
		}
		h.Set("anthropic-ratelimit-"+k.name+"-limit", strconv.Itoa(k.limit))
		h.Set("anthropic-ratelimit-"+k.name+"-remaining", strconv.Itoa(remaining))
		h.Set("anthropic-ratelimit-"+k.name+"-reset", at)
	}
}

// setOpenAILimits is the same for OpenAI, whose resets are durations.
func setOpenAILimits(h http.Header, reset time.Duration, usedUp bool) {
	requests, requestReset := 499, 120*time.Millisecond
	if usedUp {
		requests, requestReset = 0, reset
	}
	h.Set("x-ratelimit-limit-requests", "500")
	h.Set("x-ratelimit-remaining-requests", strconv.Itoa(requests))
	h.Set("x-ratelimit-reset-requests", requestReset.String())
	h.Set("x-ratelimit-limit-tokens", "200000")
	h.Set("x-ratelimit-remaining-tokens", "199980")
	h.Set("x-ratelimit-reset-tokens", "6ms")
}

// unifiedState is a subscription's limits: a per cent of both windows that is
// used, or the claim that is used up.
type unifiedState struct {
	percent  int
	rejected string        // "", "five_hour" or "seven_day"
	window   time.Duration // until the rejected claim's reset
}

func setUnified(h http.Header, now time.Time, s unifiedState) {
	const prefix = "anthropic-ratelimit-unified-"
	overall, claim := "allowed", "five_hour"
	var overallReset string
	for _, w := range []struct {
		short, claim string
		left         time.Duration
	}{{"5h", "five_hour", 2 * time.Hour}, {"7d", "seven_day", 72 * time.Hour}} {
		status, used := "allowed", s.percent
		switch {
		case s.rejected == w.claim:
			status, used, w.left = "rejected", 100, s.window
		case s.rejected != "":
			used = 60
		case s.percent >= 80:
			status = "allowed_warning"
		}
		reset := strconv.FormatInt(now.Add(w.left+time.Second-1).Unix(), 10)
		h.Set(prefix+w.short+"-status", status)
		h.Set(prefix+w.short+"-utilization", fmt.Sprintf("%.2f", float64(used)/100))
		h.Set(prefix+w.short+"-reset", reset)
		if overallReset == "" || s.rejected == w.claim {
			overall, claim, overallReset = status, w.claim, reset
		}
	}
	h.Set(prefix+"status", overall)
	h.Set(prefix+"reset", overallReset)
	h.Set(prefix+"representative-claim", claim)
	h.Set(prefix+"fallback-percentage", "0.5")
	h.Set(prefix+"overage-status", "rejected")
	h.Set(prefix+"overage-disabled-reason", "org_level_disabled")
}
