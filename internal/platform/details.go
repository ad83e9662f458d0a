package platform

import (
	"strings"

	"turnout/internal/dialect"
)

// readMetadata reads what OpenRouter says beside an error, and gives the provider's own
// text.
func (f *fields) readMetadata(m []byte) (raw string) {
	if len(m) == 0 || m[0] != '{' {
		return ""
	}
	for _, name := range [...]string{"error_type", "limit_source", "reason"} {
		f.name(textOf(dialect.Member(m, name)))
	}
	if at := scalarText(dialect.Member(m, "resets_at")); at != "" {
		f.resetsAt = at
	} else if h := dialect.Member(m, "headers"); scalarText(dialect.Member(h, "X-RateLimit-Remaining")) == "0" {
		f.resetsAt = scalarText(dialect.Member(h, "X-RateLimit-Reset"))
	}
	return textOf(dialect.Member(m, "raw"))
}

// readDetails reads google.rpc details, or Anthropic's details object.
func (f *fields) readDetails(d []byte) {
	if len(d) > 0 && d[0] == '{' {
		code := textOf(dialect.Member(d, "error_code"))
		f.name(code)
		f.tierCap = f.tierCap || code == tierCap
		return
	}
	_ = dialect.Array(d, func(e dialect.Span) bool {
		one := e.Of(d)
		if one[0] != '{' {
			return true
		}
		_ = dialect.Object(one, func(key []byte, v, _ dialect.Span) bool {
			val := v.Of(one)
			switch memberName(key) {
			case "reason":
				f.name(textOf(val))
			case "retryDelay":
				f.retryDelay = textOf(val)
			case "violations":
				f.readViolations(val)
			}
			return true
		})
		return true
	})
}

// tierCap is Anthropic's name for the monthly cap of a usage tier.
const tierCap = "enforced_spend_limit_reached"

func (f *fields) readViolations(list []byte) {
	_ = dialect.Array(list, func(e dialect.Span) bool {
		if id := textOf(dialect.Member(e.Of(list), "quotaId")); id != "" && f.numQuotas < maxQuotas {
			f.quotas[f.numQuotas], f.quotaValues[f.numQuotas] = strings.ToLower(id), scalarText(dialect.Member(e.Of(list), "quotaValue"))
			f.numQuotas++
		}
		return f.numQuotas < maxQuotas
	})
}
