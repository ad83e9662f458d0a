package openai

import "testing"

func TestUnsealed(t *testing.T) {
	for in, want := range map[string]string{
		`{"model":"m","messages":[{"role":"assistant","reasoning_content":"a","content":"b"},{"role":"user","content":"c","reasoning":"d"}]}`:     `{"model":"m","messages":[{"role":"assistant","content":"b"},{"role":"user","content":"c","reasoning":"d"}]}`,
		`{"reasoning":{"effort":"low"},"messages":[{"content":"b","reasoning":"a","reasoning_details":[{"type":"x"}],"role":"assistant"}]}`:       `{"reasoning":{"effort":"low"},"messages":[{"content":"b","role":"assistant"}]}`,
		`{"messages":[{"role":"assistant","content":"reasoning_content","tool_calls":[{"function":{"arguments":"{\"reasoning_content\":1}"}}]}]}`: "",
		`{"messages":"x"}`: "",
		`[`:                "",
	} {
		out, changed := Dialect{}.Unsealed([]byte(in), func(string) bool { return true })
		if changed != (want != "") || changed && string(out) != want {
			t.Errorf("%s becomes %s", in, out)
		}
	}
}

func TestUnreadable(t *testing.T) {
	for body, want := range map[string]bool{
		`{"detail":[{"type":"extra_forbidden","loc":["body","messages",1,"assistant","reasoning_content"],"msg":"Extra inputs are not permitted"}]}`:                                               true,
		`{"error":{"message":"Error from provider: Extra inputs are not permitted, field: 'messages[8].reasoning', value: 'Now'"}}`:                                                                true,
		`{"error":{"message":"'messages.1' : for 'role:assistant' the following must be satisfied[('messages.1' : property 'reasoning_content' is unsupported)]","type":"invalid_request_error"}}`: true,
		"{\"error\":{\"message\":\"Missing `reasoning_content` field in the assistant message at message index 2\"}}":                                                                              false,
		`{"error":{"message":"reasoning_effort is not supported with this model; messages are"}}`:                                                                                                  false,
		`{"error":{"message":"messages: Extra inputs are not permitted"}}`:                                                                                                                         false,
	} {
		if got := (Dialect{}).Unreadable([]byte(body)); got != want {
			t.Errorf("%s: %t", body, got)
		}
	}
}
