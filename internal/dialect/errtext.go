package dialect

import (
	"strings"

	"turnout/internal/domain"
)

// Text is what a caller is told: the error's own message (or its kind's), whose
// fault or limit it was, and the request id to ask the operator about.
func Text(e *domain.Error, requestID string) string {
	msg := e.Message
	if msg == "" {
		switch e.Kind {
		case domain.KindInternal:
			msg = "an internal error happened; the operator's log has it under this request id"
		case domain.KindCanceled:
			msg = "the caller closed the request"
		case domain.KindDraining:
			msg = "the gateway is stopping; try again"
		default:
			msg = strings.ReplaceAll(e.Kind.String(), "_", " ")
		}
	}
	who := "gateway"
	if e.FromProvider {
		who = "provider"
	}
	var b strings.Builder
	b.Grow(len(msg) + len(requestID) + 24)
	b.WriteString(msg)
	b.WriteString(" (")
	b.WriteString(who)
	if requestID != "" {
		b.WriteString(", request ")
		b.WriteString(requestID)
	}
	b.WriteString(")")
	return b.String()
}
