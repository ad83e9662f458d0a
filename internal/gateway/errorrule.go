package gateway

import (
	"bytes"
	"net/http"
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/domain"
	"turnout/internal/failover"
)

// ruled applies the administrator's first rule that matches what a caller would be
// told of a failure. cause is the attempt that the failure is of; nil: nobody could be asked.
func (x *exchange) ruled(end ending, class failover.Class, cause *attempt) ending {
	for i := range x.pools[0].errors {
		rule := &x.pools[0].errors[i]
		if !rulesOn(rule, class, cause) {
			continue
		}
		if rule.Pass {
			if cause == nil || cause.body == nil {
				continue // there is nothing to pass on
			}
			x.g.deps.Observer.Event(EventErrorRule, "pass", 1)
			end.raw = cause
			switch {
			case !namesRefusal(rule, cause.status):
				end.replaced = http.StatusBadGateway
			case cause.codec != nil:
				cause.told(end.err)
			}
			end.err.Message = string(redact([]byte(cause.verdict.Message), cause.cand.Account)) // should the answer be open already
			return end
		}
		x.g.deps.Observer.Event(EventErrorRule, "replace", 1)
		end.raw = nil
		end.replaced = rule.NewStatus
		replace(end.err, rule)
		end.keepRetry = rule.RetryAfter > 0
		return end
	}
	return end
}

// namesRefusal reports whether a rule may hand on a status: that an upstream refuses an
// account (401, 403) would tell a caller that its own key is refused, so a rule has to mean it.
func namesRefusal(rule *domain.ErrorRule, status int) bool {
	if status != http.StatusUnauthorized && status != http.StatusForbidden {
		return true
	}
	return rule.Status == status || rule.Class == failover.Credential.String() || rule.Class == failover.Permission.String()
}

func rulesOn(rule *domain.ErrorRule, class failover.Class, cause *attempt) bool {
	if rule.Class != "" && rule.Class != class.String() {
		return false
	}
	if cause == nil {
		return rule.Status == 0 && rule.Platform == "" && rule.Code == "" && rule.Contains == ""
	}
	v := &cause.verdict
	return (rule.Status == 0 || rule.Status == cause.status) &&
		(rule.Platform == "" || rule.Platform == cause.plat.Name) &&
		(rule.Code == "" || rule.Code == v.Code || rule.Code == v.Type) &&
		(rule.Contains == "" || strings.Contains(strings.ToLower(v.Message), strings.ToLower(rule.Contains)))
}

// replace puts a rule's words in place of an error's.
func replace(e *domain.Error, rule *domain.ErrorRule) {
	if rule.NewStatus != 0 {
		e.Kind = kindOfStatus(rule.NewStatus)
	}
	if rule.Message != "" {
		e.Message = rule.Message
	}
	if rule.NewCode != "" {
		e.Code = rule.NewCode
	}
	if rule.RetryAfter > 0 {
		e.RetryAfter = rule.RetryAfter
	}
}

// kindOfStatus is the kind whose errors go with a status, so that a body says what
// its status does.
func kindOfStatus(status int) domain.Kind {
	switch status {
	case http.StatusUnauthorized:
		return domain.KindUnauthenticated
	case http.StatusForbidden:
		return domain.KindForbidden
	case http.StatusNotFound:
		return domain.KindNotFound
	case http.StatusRequestEntityTooLarge:
		return domain.KindTooLarge
	case http.StatusTooManyRequests:
		return domain.KindRateLimited
	case http.StatusServiceUnavailable, 529:
		return domain.KindOverloaded
	case http.StatusGatewayTimeout:
		return domain.KindUpstreamTimeout
	}
	if status < http.StatusInternalServerError {
		return domain.KindInvalid
	}
	return domain.KindUpstream
}

// keepBody keeps a failure's body where it may be passed on: it is a JSON object, and
// the failure is the caller's business, or a rule may say that it is.
func (at *attempt) keepBody(body []byte) {
	if !answersItself(at.verdict.Class) && len(at.x.pools[0].errors) == 0 && at.x.ownSeat == nil {
		return
	}
	if elements := elementsOf(body); len(elements) == 1 {
		body = elements[0] // Google's way with streams that are arrays
	}
	if dialect.Object(body, func([]byte, dialect.Span, dialect.Span) bool { return true }) == nil {
		at.body = append([]byte(nil), body...)
	}
}

// elementsOf are the elements of a JSON array; nil: it is none.
func elementsOf(body []byte) (elements [][]byte) {
	if b := bytes.TrimSpace(body); len(b) == 0 || b[0] != '[' {
		return nil
	}
	if dialect.Array(body, func(e dialect.Span) bool { elements = append(elements, e.Of(body)); return len(elements) < 2 }) != nil {
		return nil
	}
	return elements
}
