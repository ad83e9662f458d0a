package dialect

import (
	"encoding/base64"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestMark(t *testing.T) {
	if base64.StdEncoding.EncodeToString([]byte(SealPrefix)) != SealBase64 {
		t.Fatal("SealBase64 is not SealPrefix in base64")
	}
	for body, want := range map[string]Marks{
		``:                                 0,
		`:`:                                0,
		`":`:                               0,
		`{"a":[{"file_id":"file-1"}]}`:     MarkRef,
		"{\"a\":[{\"file_id\" \n\t: []}]}": MarkRef,
		`{"a":[{"fil\u0065_id":1}]}`:       MarkRef | MarkItem | MarkTool | MarkSeal | MarkEncrypted,
		`{"\u0066\u0069\u006c\u0065\u005f\u0069\u0064":1}`:                MarkRef | MarkItem | MarkTool | MarkSeal | MarkEncrypted,
		`{"container":"cntr_1"}`:                                          MarkRef | MarkTool,
		`{"container":{"type":"auto"}}`:                                   MarkRef | MarkTool,
		`{"type":"item_reference"}`:                                       MarkRef,
		`{"type":"item\u005freference"}`:                                  MarkRef | MarkTool,
		`{"type":"input_text","text":"file_id item_reference container"}`: 0,
		`{"text":"{\"file_id\":\"f\",\"type\": \"item_reference\"}"}`:     0,
		`{"file_id_of_somebody_else_altogether_and_more":1}`:              0,
		`{"type":"code_interpreter"}`:                                     MarkTool,
		`{"type": "code_execution_20250522"}`:                             MarkTool,
		`{"type":"container_auto"}`:                                       MarkTool,
		`{"signature":"turnout1.2.x.y"}`:                                  MarkSeal,
		`{"thoughtSignature" : "dHVybm91dDEuMi54"}`:                       MarkSeal,
		`{"encrypted_content":"gAAA"}`:                                    MarkEncrypted,
		`{"file_id":"turnout1.x"}`:                                        MarkRef | MarkSeal,
		`{"container":"dHVybm91dDEu"}`:                                    MarkRef | MarkTool | MarkSeal,
		`{"signature":"\u0074urnout1.2.x"}`:                               MarkSeal | MarkEncrypted,
		`{"input":[{"id":"x"}]}`:                                          MarkItem,
		`{"input":{"id":"x"},"items":"x"}`:                                0,
		`{"conversation":"c"}`:                                            MarkRef,
		`{"encrypted_content":null}`:                                      0,
		`{"text":"see turnout1.2"}`:                                       0,
	} {
		if got := Mark([]byte(body)); got != want {
			t.Errorf("%s: %03b, want %03b", body, got, want)
		}
	}
}

// What Refs finds in a body, it finds with the body's own marks, wherever the member stands.
func TestMarkedRefs(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	words := []string{`{`, `}`, `[`, `]`, `,`, `:`, ` `, "\n", `"`, `\"`, `\\`, `"file_id"`, `"file_id":"turnout1.x"`, `"container":{"id":"k"`, `"input":[{"id":"m"},{"type":"reasoning","id":"rs"}]`, `"conversation":{"id":"","id":"w"}`, `"file_id":"f"`, `"container":"c"`,
		`"type":"item_reference"`, `"id":"i"`, `"fil\u0065_id":"g"`, `"text":"\"file_id\":\"x\""`, `"type" : "item\u005freference"`, `1`, `{"type":"item_reference","id":"i"}`, `{"id":"j","type" : "item\u005freference"}`, `"input":{`, `é`}
	for range 20_000 {
		var b strings.Builder
		for range rng.IntN(12) {
			b.WriteString(words[rng.IntN(len(words))])
		}
		body := []byte(b.String())
		all, _ := Refs(body, MarkRef|MarkItem)
		got, _ := Refs(body, Mark(body))
		if len(all) != len(got) {
			t.Fatalf("%s: %v with every mark, %v with %03b", body, all, got, Mark(body))
		}
	}
}

// However often it names the same, a body is looked through once.
func TestRefsAreOnePass(t *testing.T) {
	for _, body := range []string{
		`{"z":{"id":"a",` + strings.Repeat(`"type":"item_reference",`, 200_000) + `"x":1}}`,
		`{"z":[` + strings.Repeat(`{"file_id":"a"},`, 200_000) + `{}]}`,
		strings.Repeat(`{"id":"a","type":"item_reference","b":`, 500) + `1` + strings.Repeat(`}`, 500),
		`{"a":"` + strings.Repeat(`\"file_id\":`, 200_000) + `","file_id":"a"}`,
	} {
		// A pass that is quadratic in any of these would take minutes.
		if refs, ok := Refs([]byte(body), Mark([]byte(body))); !ok || len(refs) != 1 || refs[0].ID != "a" {
			t.Errorf("%.40s…: %v, %v", body, refs, ok)
		}
	}
	if _, ok := Refs([]byte(strings.Repeat(`{"a":`, 600)), MarkRef); ok {
		t.Error("what is nested too deeply is taken")
	}
}

func BenchmarkRefs(b *testing.B) {
	turn := `{"type":"message","role":"user","content":[{"type":"input_text","text":"` + strings.Repeat(`See {\"path\": \"a/b.go\"}: a line of text. `, 20) + `"}]},`
	body := []byte(`{"input":[` + strings.Repeat(turn, 200_000/len(turn)) + `{"id":"x"}]}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if refs, _ := Refs(body, MarkItem); len(refs) != 1 {
			b.Fatal(refs)
		}
	}
}

func BenchmarkMark(b *testing.B) {
	turn := `{"role":"user","content":[{"type":"text","text":"` + strings.Repeat(`See {\"path\": \"a/b.go\"}: a line of text. `, 20) + `"}]},`
	body := []byte(`{"messages":[` + strings.Repeat(turn, 200_000/len(turn)) + `{}]}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if Mark(body) != 0 {
			b.Fatal("marked")
		}
	}
}
