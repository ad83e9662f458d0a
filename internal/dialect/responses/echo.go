package responses

import (
	"bytes"
	"strings"

	"turnout/internal/dialect/neutral"
)

// defaults are what a response object says where the request did not (API reference). The SDKs'
// types want most of these members, whatever they say (openai-go v3.96.0, responses.Response).
var defaults = [len(echoed)]string{
	"null", "null", "null", "{}", "true", "null", `{"effort":null,"summary":null}`,
	"null", "1.0", `{"format":{"type":"text"}}`, `"auto"`, "[]", "0", "1.0", `"disabled"`, "null",
}

// echo writes the members of the response object that repeat the request, beginning with a comma. It
// is a copy: what the request points into is gone before the stream ends.
func echo(r *neutral.Request) []byte {
	n := 512
	if r != nil {
		for i := range r.Echo {
			n += len(r.Echo[i].Raw)
		}
	}
	b := make([]byte, 0, n)
	for i, name := range echoed {
		value := []byte(defaults[i])
		if r != nil && r.From == own {
			for k := range r.Echo {
				if r.Echo[k].Name == name {
					value = r.Echo[k].Raw
				}
			}
		}
		b = append(b, `,"`...)
		b = append(b, name...)
		b = append(b, `":`...)
		b = appendOneLine(b, value)
	}
	return append(b, `,"background":false,"previous_response_id":null,"store":false`...)
}

// appendOneLine appends a JSON value without the white space between its tokens: what was laid out
// in lines must not stand so in an event.
func appendOneLine(b, value []byte) []byte {
	inside := false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case inside && c == '\\' && i+1 < len(value):
			b = append(b, c)
			i++
		case c == '"':
			inside = !inside
		case !inside && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			continue
		}
		b = append(b, value[i])
	}
	return b
}

// oneLine is a value as it is, where it stands in one line.
func oneLine(value []byte) []byte {
	if bytes.IndexByte(value, '\n') < 0 && bytes.IndexByte(value, '\r') < 0 {
		return value
	}
	return appendOneLine(nil, value)
}

// The prefixes of the ids of a response and its items.
const (
	responsePrefix = "resp_"
	messagePrefix  = "msg_"
	thoughtPrefix  = "rs_"
	callPrefix     = "fc_"
	customPrefix   = "ctc_"
)

// responseID is an upstream's id of this dialect's form, or one that is made of the request's id.
func responseID(upstream, requestID string) string {
	if strings.HasPrefix(upstream, responsePrefix) {
		return upstream
	}
	return responsePrefix + bare(requestID)
}

// bare is Turnout's request id without its own prefix.
func bare(requestID string) string { return strings.TrimPrefix(requestID, "req_") }
