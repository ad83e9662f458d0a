package neutral_test

import (
	"strings"
	"testing"

	"turnout/internal/dialect/neutral"
)

// What an upstream puts where a text belongs is a string or it is not handed on as one.
func TestStreamsHandOnStringsOnly(t *testing.T) {
	for _, c := range []struct {
		from   int // of speakers
		stream string
	}{
		{0, `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":{"a":1}}}`},
		{0, `{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":["a"]}}`},
		{1, `{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","type":"custom","custom":{"name":"f","input":{"a":1}}}]}}]}`},
		{1, `{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":{"a":1}}}]}}]}`},
		{3, `{"candidates":[{"content":{"parts":[{"text":{"a":1}}]}}]}`},
		{3, `{"candidates":[{"content":{"parts":[{"text":"\x"}]}}]}`},
	} {
		d := speakers[c.from].NewDecoder()
		_ = d.Event([]byte("data: "+c.stream+"\n\n"), func(ev *neutral.Event) {
			if ev.Kind == neutral.Added && !strings.HasPrefix(string(ev.Text), `"`) {
				t.Errorf("%s becomes the text %s", c.stream, ev.Text)
			}
		})
		translateStream(t, speakers[c.from], []byte("data: "+c.stream+"\n\n"))
	}
}

// Images whose data would end the string that they stand in, and calls that were cut off, in the shapes in which
// they came to upstreams.
func TestNothingIsSmuggled(t *testing.T) {
	const end = `\"}}]}],\"smuggled\":1,\"model\":\"dearer\",\"contents\":[{\"parts\":[{\"inlineData\":{\"data\":\"`
	for _, c := range []struct {
		from    int
		body    string
		refused bool
	}{
		{0, `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA` + end + `"}}]}]}`, true},
		{1, `{"model":"m","messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"format":"wav","data":"AAAA` + end + `"}}]}]}`, true},
		{1, `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA` + end + `"}}]}]}`, true},
		{2, `{"model":"m","input":[{"role":"user","content":[{"type":"input_file","filename":"a","file_data":"AAAA` + end + `"}]}]}`, true},
		{2, `{"model":"m","input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,AAAA` + end + `"}]}]}`, true},
		{3, `{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA` + end + `"}}]}]}`, true},
		{1, `{"model":"m","messages":[{"role":"user","content":"a"},{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"path\": \"a"}}]},{"role":"tool","tool_call_id":"a","content":"r"}]}`, false},
		{1, `{"model":"m","messages":[{"role":"user","content":"a"},{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}}}]}],\"smuggled\":\"x\",\"contents\":[{\"parts\":[{\"functionCall\":{\"args\":{"}}]},{"role":"tool","tool_call_id":"a","content":"r"}]}`, false},
		{1, `{"model":"m","messages":[{"role":"user","content":"a"},{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"not json"}}]},{"role":"tool","tool_call_id":"a","content":"r"}]}`, false},
	} {
		if refused := translateRequest(t, speakers[c.from], []byte(c.body), true); refused != c.refused {
			t.Errorf("refused: %v: %s", refused, c.body)
		}
	}
}
