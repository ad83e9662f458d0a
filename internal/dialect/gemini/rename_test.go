package gemini

import "testing"

func TestRename(t *testing.T) {
	for body, want := range map[string]string{
		`{"contents":[{"model":"x"}]}`:                                                                `{"contents":[{"model":"x"}]}`,
		`{"model":"models/a", "content":{"parts":[{"text":"model"}]}}`:                                `{"model":"models/new", "content":{"parts":[{"text":"model"}]}}`,
		`{"requests":[{"content":{},"model":"models/a"}, {"model":"models/a","taskType":"X"}],"x":1}`: `{"requests":[{"content":{},"model":"models/new"}, {"model":"models/new","taskType":"X"}],"x":1}`,
		`{"generate_content_request":{"model":"models/a","contents":[]}}`:                             `{"generate_content_request":{"model":"models/new","contents":[]}}`,
		`[1`: `[1`,
		``:   ``,
	} {
		kept := string(append([]byte{}, body...))
		in := []byte(body)
		if got := string(Rename(in, "new")); got != want || string(in) != kept {
			t.Errorf("%s became %s, want %s", body, got, want)
		}
	}
	if got := string(Rename([]byte(`{"model":""}`), "tunedModels/x")); got != `{"model":"tunedModels/x"}` {
		t.Error(got)
	}
}
