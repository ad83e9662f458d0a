package dialect

import (
	"encoding/json"
	"testing"
)

func TestBegin(t *testing.T) {
	for body, want := range map[string]string{
		`{"messages":[{"role":"user","content":"hi"}],"model":"m"}`:          `{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"a \"b\"\n","prefix":true}],"model":"m"}`,
		`{"model":"m", "messages" : [ {"content":[],"role":"tool"} ] }`:      `{"model":"m", "messages" : [ {"content":[],"role":"tool"} ,{"role":"assistant","content":"a \"b\"\n","prefix":true}] }`,
		`{"messages":[{"role":"user"},{"role":"assistant","content":"ho"}]}`: "",
		`{"messages":[{"role":"user"},{"role":"system","content":"ho"}]}`:    "",
		`{"messages":[]}`:     "",
		`{"messages":"hi"}`:   "",
		`{"messages":["hi"]}`: "",
		`{"model":"m"}`:       "",
		`{"messages":[{"role":"user"}],"messages":[{}]}`: "",
		`[`: "",
	} {
		got, ok := Begin([]byte(body), "a \"b\"\n", `"prefix":true`)
		if ok != (want != "") || string(got) != want || ok && !json.Valid(got) {
			t.Errorf("%s:\n%s, %v, want\n%s", body, got, ok, want)
		}
	}
	if got, ok := Begin([]byte(`{"messages":[{"role":"user"}]}`), "a", ""); !ok || string(got) != `{"messages":[{"role":"user"},{"role":"assistant","content":"a"}]}` {
		t.Errorf("%s, %v", got, ok)
	}
}
