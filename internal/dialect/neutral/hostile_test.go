package neutral_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/dialect/neutral/neutraltest"
	"turnout/internal/domain"
)

// smuggled is a member that stands inside of hostile strings only: as a member of something that Turnout
// wrote it has got out of its string.
const smuggled = "smuggled"

// hostile are JSON values that no provider expects anywhere.
var hostile = []string{
	`null`, `true`, `0`, `-1.5e99`, `123456789012345678901234567890`, `""`, `{}`, `[]`, `[null,1,"a",[],{}]`,
	`{"type":"text","text":{"a":1},"data":["b"]}`, `[{"type":"image"},{"type":"input_audio"},{"text":null}]`,
	`"AAAA\"}]}],\"smuggled\":1,\"model\":\"dearer\",\"previous_response_id\":\"x\",\"cachedContent\":\"y\",\"a\":[{\"b\":[{\"c\":\""`,
	`"AAAA\u0022}}]}],\u0022smuggled\u0022:1,\u0022a\u0022:[{\u0022b\u0022:[{\u0022c\u0022:{\u0022d\u0022:\u0022"`,
	`"data:image/png;base64,AAAA\"}}]}],\"smuggled\":1,\"a\":\""`, `"data:image/png\",\"smuggled\":\";base64,AAAA"`,
	`"{\"path\": \"a"`, `"{}}]}],\"smuggled\":1,\"contents\":[{\"parts\":[{\"text\":{"`, `"{}},\"smuggled\":{\"a\":{}"`, `"1,\"smuggled\":2"`, `"]}"`, `"\\"`, `"\\\""`,
	`"\ud800 \u0000 \n\n data: {} \r\n\r\n \u2028"`, `"QUJD\nREVG"`, `"not json"`, `"[1]"`, `"{\n\"a\":\n1}"`,
	`"` + strings.Repeat("long", 3000) + `"`,
	// Names that would end where they stand.
	`{"type":"OBJECT","x\":1},\"smuggled\":1,\"y\":{\"z":1}`, `{"a\"}}]}],\"smuggled\":1,\"b\":[{\"c\":[{\"d":{"type":"object"}}`,
	`{"type":"object","properties":{"a\":{}},\"smuggled\":1,\"b\":{\"c":{"type":"STRING"}}}`, `[{"x\",\"smuggled\":[{\"y":null}]`,
}

// known are the members at the top of a request's body, by dialect.
var known = map[domain.Dialect]string{
	domain.DialectAnthropic: "model max_tokens system messages tools tool_choice stream temperature top_p top_k stop_sequences thinking output_config metadata service_tier " +
		"context_management mcp_servers container cache_control speed inference_geo",
	domain.DialectOpenAIChat: "model messages tools tool_choice parallel_tool_calls stream stream_options max_tokens max_completion_tokens temperature top_p top_k stop seed " +
		"presence_penalty frequency_penalty logprobs top_logprobs logit_bias n response_format reasoning_effort metadata user service_tier verbosity store " +
		"prompt_cache_key prompt_cache_retention safety_identifier prediction modalities audio web_search_options thinking enable_thinking reasoning functions function_call",
	domain.DialectOpenAIResp: "model input instructions tools tool_choice parallel_tool_calls stream stream_options max_output_tokens temperature top_p text reasoning include " +
		"metadata user service_tier store prompt_cache_key prompt_cache_retention safety_identifier truncation top_logprobs background max_tool_calls context_management client_metadata",
	domain.DialectGeminiContent: "contents systemInstruction tools toolConfig generationConfig safetySettings labels serviceTier cachedContent store",
}

// seeds of one dialect, by its package.
type seeds struct {
	requests, answers, streams [][]byte
}

// inline are requests with what the files have little of: media of every kind, and calls.
var inline = map[string][]string{
	"anthropic": {`{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}},
		{"type":"document","title":"t","context":"c","source":{"type":"base64","media_type":"application/pdf","data":"AAAA"}},{"type":"image","source":{"type":"url","url":"https://a/b.png"}}]},
		{"role":"assistant","content":[{"type":"thinking","thinking":"a","signature":"b"},{"type":"redacted_thinking","data":"x"},{"type":"tool_use","id":"a","name":"f","input":{"a":1}}]},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","is_error":true,"content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]}]}]}`},
	"openai": {`{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"low"}},{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}},
		{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,AAAA"}},{"type":"file","file":{"file_data":"AAAA"}},{"type":"video_url","video_url":{"url":"https://a/b.mp4"}}]},
		{"role":"assistant","content":null,"reasoning_content":"r","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"s"}}},{"id":"b","type":"custom","custom":{"name":"g","input":"x"}}]},
		{"role":"tool","tool_call_id":"a","content":"r"},{"role":"tool","tool_call_id":"b","content":[{"type":"text","text":"r"}]}],
		"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}},{"type":"custom","custom":{"name":"g","format":{"type":"grammar","grammar":{"syntax":"lark","definition":"x"}}}}]}`},
	"responses": {`{"model":"m","input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,AAAA","detail":"low"},{"type":"input_file","filename":"a.pdf","file_data":"AAAA"},
		{"type":"input_file","filename":"a.txt","file_data":"data:text/plain;base64,AAAA"},{"type":"input_audio","input_audio":{"data":"AAAA","format":"mp3"}}]},{"type":"reasoning","summary":[{"type":"summary_text","text":"s"}],"encrypted_content":"e"},
		{"type":"function_call","call_id":"a","name":"f","arguments":"{}"},{"type":"custom_tool_call","call_id":"b","name":"g","input":"x"},
		{"type":"function_call_output","call_id":"a","output":[{"type":"input_image","image_url":"data:image/png;base64,AAAA"}]},{"type":"custom_tool_call_output","call_id":"b","output":"r"}],
		"tools":[{"type":"function","name":"f","parameters":{"type":"object"},"strict":true},{"type":"custom","name":"g","format":{"type":"grammar","syntax":"lark","definition":"x"}},{"type":"web_search","filters":{"allowed_domains":["a"]},"user_location":{"type":"approximate","city":"c"}}]}`},
	"gemini": {`{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA","displayName":"n"}},{"inlineData":{"mimeType":"application/pdf","data":"AAAA"}},{"inlineData":{"mimeType":"audio/wav","data":"AAAA"}},{"fileData":{"mimeType":"image/png","fileUri":"https://a/b.png"}}]},
		{"role":"model","parts":[{"text":"t","thought":true,"thoughtSignature":"s"},{"functionCall":{"id":"a","name":"f","args":{"a":1}},"thoughtSignature":"s"}]},
		{"role":"user","parts":[{"functionResponse":{"id":"a","name":"f","response":{"output":"r"},"parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}}]}],
		"tools":[{"functionDeclarations":[{"name":"f","description":"d","parameters":{"type":"OBJECT","properties":{"a":{"type":"STRING","nullable":true}},"required":["a"]}},{"name":"g","parametersJsonSchema":{"type":"OBJECT"}}]}],
		"generationConfig":{"responseMimeType":"application/json","responseSchema":{"type":"OBJECT","properties":{"a":{"type":"INTEGER"}}}}}`},
}

var packages = map[domain.Dialect]string{
	domain.DialectAnthropic: "anthropic", domain.DialectOpenAIChat: "openai", domain.DialectOpenAIResp: "responses", domain.DialectGeminiContent: "gemini",
}

func seedsOf(t testing.TB, d domain.Dialect) (s seeds) {
	t.Helper()
	name := packages[d]
	files := func(pattern string) (out [][]byte) {
		paths, err := filepath.Glob("../" + name + "/testdata/" + pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, b)
		}
		return out
	}
	for _, r := range inline[name] {
		s.requests = append(s.requests, []byte(r))
	}
	s.requests = append(s.requests, files("request_*.json")...)
	s.answers = append(files("answer_*.json"), files("*.answer.json")...)
	s.streams = files("stream_*.sse")
	if len(s.requests) < 2 || len(s.answers) == 0 || len(s.streams) == 0 {
		t.Fatalf("%s: seeds are missing", name)
	}
	return s
}

// places are the values in a JSON text. Of those whose place differs in nothing but indexes and a caller's
// own names the first two are enough.
func places(b []byte) (out []dialect.Span) {
	seen := map[string]int{}
	var walk func(s dialect.Span, path string, depth int)
	walk = func(s dialect.Span, path string, depth int) {
		if seen[path] >= 2 || depth > 9 {
			return
		}
		seen[path]++
		out = append(out, s)
		v := s.Of(b)
		inner := func(in dialect.Span) dialect.Span {
			return dialect.Span{Start: s.Start + in.Start, End: s.Start + in.End}
		}
		switch v[0] {
		case '{':
			_ = dialect.Object(v, func(key []byte, in, _ dialect.Span) bool {
				name := string(key)
				if strings.HasSuffix(path, ".properties") {
					name = "*"
				}
				walk(inner(in), path+"."+name, depth+1)
				return true
			})
		case '[':
			_ = dialect.Array(v, func(in dialect.Span) bool {
				kind := ""
				if e := in.Of(v); e[0] == '{' {
					kind = string(dialect.Member(e, "type"))
					_ = dialect.Object(e, func(key []byte, _, _ dialect.Span) bool { kind += string(key); return !strings.HasPrefix(kind, `"`) })
				}
				walk(inner(in), path+"["+kind+"]", depth+1)
				return true
			})
		}
	}
	trimmed := bytes.TrimSpace(b)
	start := bytes.Index(b, trimmed)
	walk(dialect.Span{Start: start, End: start + len(trimmed)}, "", 0)
	return out
}

func with(b []byte, at dialect.Span, value string) []byte {
	return slices.Concat(b[:at.Start], []byte(value), b[at.End:])
}

// escaped reports whether the hostile member has got out of its string, at any depth.
func escaped(b []byte) bool {
	found := false
	var walk func(v []byte)
	walk = func(v []byte) {
		if len(v) == 0 || found {
			return
		}
		switch v[0] {
		case '{':
			_ = dialect.Object(v, func(key []byte, in, _ dialect.Span) bool {
				found = found || string(key) == smuggled
				walk(in.Of(v))
				return true
			})
		case '[':
			_ = dialect.Array(v, func(in dialect.Span) bool { walk(in.Of(v)); return true })
		}
	}
	walk(bytes.TrimSpace(b))
	return found
}

// whole checks what an encoder wrote: one JSON value out of which nothing got.
func whole(t testing.TB, what string, out, in []byte) {
	t.Helper()
	switch {
	case !json.Valid(out):
		t.Fatalf("%s: no JSON:\n%.2000s\nof\n%.2000s", what, out, in)
	case bytes.Contains(in, []byte(smuggled)) && escaped(out):
		t.Fatalf("%s: a string's inside is a member:\n%.2000s\nof\n%.2000s", what, out, in)
	}
}

// translateRequest takes a request to all dialects, unless it is refused. strict: its own members at the top are all known.
func translateRequest(t testing.TB, from speaker, body []byte, strict bool) (refused bool) {
	t.Helper()
	r, err := from.DecodeRequest(body, dialect.Route{Model: "m"})
	if err != nil {
		var told *domain.Error
		if !errors.As(err, &told) || told.Kind != domain.KindInvalid || told.Message == "" {
			t.Fatalf("%s: %v is no refusal for the caller:\n%.2000s", from.ID(), err, body)
		}
		return true
	}
	for _, to := range speakers {
		r.Model = to.model
		fit, _ := neutral.FitNames(r, to.ID())
		n := neutral.NewNotes(to.ID(), to.Table())
		out := to.EncodeRequest(fit, n)
		what := from.ID().String() + " to " + to.ID().String()
		whole(t, what, out, body)
		if !strict || to.ID() == from.ID() || n.Err() != nil {
			continue // members that only its own dialect knows stay there; what is refused is not sent
		}
		seen := map[string]bool{}
		_ = dialect.Object(out, func(key []byte, _, _ dialect.Span) bool {
			own := dialect.Member(body, string(key)) != nil // OpenAI's two APIs share what is new
			if seen[string(key)] || !own && !slices.Contains(strings.Fields(known[to.ID()]), string(key)) {
				t.Fatalf("%s: the member %q at the top, twice or not known:\n%.2000s\nof\n%.2000s", what, key, out, body)
			}
			seen[string(key)] = true
			return true
		})
	}
	return false
}

func translateAnswer(t testing.TB, from speaker, body []byte) {
	t.Helper()
	a, err := from.DecodeAnswer(body)
	if err != nil {
		return
	}
	for _, to := range speakers {
		whole(t, from.ID().String()+"'s answer to "+to.ID().String(), to.EncodeAnswer(a, exchange("m")), body)
	}
}

func translateStream(t testing.TB, from speaker, stream []byte) {
	t.Helper()
	events, err := neutraltest.Split(stream)
	if err != nil {
		return
	}
	for _, to := range speakers {
		d, e := from.NewDecoder(), to.NewEncoder(exchange("m"))
		var out []byte
		take := func(ev *neutral.Event) { out = e.Append(out, ev) }
		for _, raw := range events {
			if err = d.Event(raw, take); err != nil {
				break
			}
		}
		if err == nil {
			d.Close(take)
		}
		what := from.ID().String() + "'s stream to " + to.ID().String()
		written, err := neutraltest.Split(out)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		for _, ev := range written {
			if _, data := dialect.Fields(ev); len(data) > 0 && string(data) != "[DONE]" {
				whole(t, what, data, stream)
			}
		}
	}
}

// Whatever stands in the place of any value of a request: it is refused, or every dialect's body is one JSON
// object with the members that Turnout gives it. Strings never get out of their quotes.
func TestHostileRequests(t *testing.T) {
	for _, from := range speakers {
		t.Run(from.ID().String(), func(t *testing.T) {
			t.Parallel()
			for _, body := range seedsOf(t, from.ID()).requests {
				translateRequest(t, from, body, false)
				for i, at := range places(body) {
					for k, value := range hostile {
						n := share
						if len(body) > 4<<10 {
							n *= 8 // large ones are many and alike
						}
						if (i+k)%n != 0 {
							continue
						}
						translateRequest(t, from, with(body, at, value), strings.HasPrefix(value, `"`))
					}
				}
			}
		})
	}
}

// The same of upstreams' answers, on the way to a caller.
func TestHostileAnswers(t *testing.T) {
	for _, from := range speakers {
		t.Run(from.ID().String(), func(t *testing.T) {
			t.Parallel()
			for _, body := range seedsOf(t, from.ID()).answers {
				for i, at := range places(body) {
					for k, value := range hostile {
						if (i+k)%share != 0 {
							continue
						}
						translateAnswer(t, from, with(body, at, value))
					}
				}
			}
		})
	}
}

// The same of upstreams' streams.
func TestHostileStreams(t *testing.T) {
	for _, from := range speakers {
		t.Run(from.ID().String(), func(t *testing.T) {
			t.Parallel()
			for _, stream := range seedsOf(t, from.ID()).streams {
				events, err := neutraltest.Split(stream)
				if err != nil {
					t.Fatal(err)
				}
				seen := map[string]int{}
				for i, raw := range events {
					name, data := dialect.Fields(raw)
					if len(data) == 0 || data[0] != '{' {
						continue
					}
					kind := string(name) + string(dialect.Member(data, "type"))
					if seen[kind]++; seen[kind] > 2 {
						continue
					}
					before, after := bytes.Join(events[:i], nil), bytes.Join(events[i+1:], nil)
					for _, at := range places(data) {
						for k, value := range hostile {
							if (i+k)%4 != 0 {
								continue // places of a kind share them
							}
							head := "data: "
							if len(name) > 0 {
								head = "event: " + string(name) + "\ndata: "
							}
							translateStream(t, from, slices.Concat(before, []byte(head), with(data, at, value), []byte("\n\n"), after))
						}
					}
				}
			}
		})
	}
}

func fuzz(f *testing.F, pick func(seeds) [][]byte, try func(t testing.TB, from speaker, b []byte)) {
	for i, s := range speakers {
		for _, b := range pick(seedsOf(f, s.ID())) {
			f.Add(uint8(i), b)
		}
	}
	f.Fuzz(func(t *testing.T, from uint8, b []byte) { try(t, speakers[int(from)%len(speakers)], b) })
}

func FuzzTranslateRequest(f *testing.F) {
	fuzz(f, func(s seeds) [][]byte { return s.requests }, func(t testing.TB, from speaker, b []byte) {
		if neutral.IsObject(bytes.TrimSpace(b)) { // as the gateway checks
			translateRequest(t, from, b, false)
		}
	})
}

func FuzzTranslateAnswer(f *testing.F) {
	fuzz(f, func(s seeds) [][]byte { return s.answers }, translateAnswer)
}

func FuzzTranslateStream(f *testing.F) {
	fuzz(f, func(s seeds) [][]byte { return s.streams }, translateStream)
}
