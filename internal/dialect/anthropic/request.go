package anthropic

import (
	"bytes"
	"io"
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// Dialect is the Messages protocol.
type Dialect struct{}

var _ dialect.Dialect = Dialect{}

// ID implements dialect.Dialect.
func (Dialect) ID() domain.Dialect { return domain.DialectAnthropic }

// RequestIDHeader implements dialect.Dialect.
func (Dialect) RequestIDHeader() string { return "Request-Id" }

// Request implements dialect.Dialect.
func (Dialect) Request(body []byte, _ dialect.Route) (dialect.Request, error) {
	r := dialect.Request{Size: len(body)}
	var thinking, outputConfig, metadata dialect.Span
	err := dialect.Facts(body, &r, func(key []byte, v dialect.Span) {
		switch {
		case dialect.Name(key, "max_tokens"):
			r.MaxTokens = dialect.Int(v.Of(body))
		case dialect.Name(key, "system"):
			r.System = v
		case dialect.Name(key, "messages"):
			r.Messages = v
		case dialect.Name(key, "tools"):
			r.Tools = v
		case dialect.Name(key, "thinking"):
			thinking = v
		case dialect.Name(key, "output_config"):
			outputConfig = v
		case dialect.Name(key, "metadata"):
			metadata = v
		}
	})
	if err != nil {
		return r, err
	}
	if kind, ok := dialect.Unquote(dialect.Member(thinking.Of(body), "type")); ok && kind != "disabled" {
		r.Effort = dialect.EffortSome
		if dialect.Int(dialect.Member(thinking.Of(body), "budget_tokens")) >= 16_000 {
			r.Effort = dialect.EffortHigh
		}
	}
	switch effort, _ := dialect.Unquote(dialect.Member(outputConfig.Of(body), "effort")); effort {
	case "high", "xhigh", "max":
		r.Effort = dialect.EffortHigh
	}
	r.MetadataSession = metadataSession(dialect.Member(metadata.Of(body), "user_id"))
	return r, nil
}

// metadataSession finds the session in metadata.user_id. Claude Code sends a JSON
// text {"device_id","account_uuid","session_id"} there; older versions
// "user_<hash>_account__session_<uuid>" (captured from 2.1.330). Anything else is the caller's own
// idea of a user, which is as stable as a session.
func metadataSession(raw []byte) string {
	user, ok := dialect.Unquote(raw)
	if !ok {
		return ""
	}
	if strings.HasPrefix(user, "{") {
		if s, ok := dialect.Unquote(dialect.Member([]byte(user), "session_id")); ok && s != "" {
			return s
		}
	}
	if _, s, ok := strings.Cut(user, "_session_"); ok && s != "" {
		return s
	}
	return user
}

// billingBlock is how Claude Code's first system block begins. It differs between
// requests of one session (captured from 2.1.330), so it must not name the session.
var billingBlock = []byte("x-anthropic-billing-header")

// Opening implements dialect.Dialect.
func (Dialect) Opening(body []byte, r *dialect.Request, w io.Writer) {
	steadySystem(r.System.Of(body), w)
	_, _ = w.Write([]byte{0})
	dialect.FirstUser(r.Messages.Of(body), w)
}

// Prefix implements dialect.Dialect.
func (Dialect) Prefix(body []byte, r *dialect.Request, w io.Writer) {
	_, _ = w.Write(r.Tools.Of(body))
	_, _ = w.Write([]byte{0})
	steadySystem(r.System.Of(body), w)
}

// steadySystem writes the system prompt without what differs from request to request.
func steadySystem(system []byte, w io.Writer) {
	if len(system) > 0 && system[0] == '[' {
		_ = dialect.Array(system, func(e dialect.Span) bool {
			text := dialect.Member(e.Of(system), "text")
			if !bytes.HasPrefix(bytes.TrimPrefix(text, []byte{'"'}), billingBlock) {
				_, _ = w.Write(text)
			}
			return true
		})
	} else {
		_, _ = w.Write(system)
	}
}
