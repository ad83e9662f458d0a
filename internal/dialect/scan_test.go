package dialect

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// member is what a scan found.
type member struct{ key, value, whole string }

func scanned(t testing.TB, text string) ([]member, error) {
	t.Helper()
	b := []byte(text)
	var out []member
	err := Object(b, func(key []byte, value, whole Span) bool {
		if !value.Present() || value.Start < whole.Start || value.End != whole.End || whole.End > len(b) {
			t.Fatalf("%q: spans %v and %v do not fit", text, value, whole)
		}
		out = append(out, member{string(key), string(value.Of(b)), string(whole.Of(b))})
		return true
	})
	if string(b) != text {
		t.Fatalf("the text was changed: %q, was %q", b, text)
	}
	return out, err
}

func TestObject(t *testing.T) {
	for _, c := range []struct {
		text string
		want []member
	}{
		{text: `{}`},
		{text: " \t\r\n{ \n} \r"},
		{`{"a":1}`, []member{{"a", "1", `"a":1`}}},
		{` { "a" : -1.5e+3 , "b" : true } `, []member{{"a", "-1.5e+3", `"a" : -1.5e+3`}, {"b", "true", `"b" : true`}}},
		{`{"a":{"b":[1,{"c":"]}"}]},"a":null}`, []member{{"a", `{"b":[1,{"c":"]}"}]}`, `"a":{"b":[1,{"c":"]}"}]}`}, {"a", "null", `"a":null`}}},
		{`{"":""}`, []member{{"", `""`, `"":""`}}},
		{`{"q\"":"\\"}`, []member{{`q\"`, `"\\"`, `"q\"":"\\"`}}},
		{`{"a":"\\\"","b":"\\\\"}`, []member{{"a", `"\\\""`, `"a":"\\\""`}, {"b", `"\\\\"`, `"b":"\\\\"`}}},
		{`{"é":"ü{["}`, []member{{"é", `"ü{["`, `"é":"ü{["`}}},
	} {
		got, err := scanned(t, c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		if len(got) != len(c.want) {
			t.Errorf("%q: %d members, want %d: %q", c.text, len(got), len(c.want), got)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%q: member %d is %q, want %q", c.text, i, got[i], c.want[i])
			}
		}
	}
}

func TestObjectRefuses(t *testing.T) {
	for _, c := range []struct {
		text   string
		offset int
		what   string
	}{
		{"", 0, "empty"},
		{" \n", 2, "empty"},
		{`[]`, 0, "want an object"},
		{`null`, 0, "want an object"},
		{"\ufeff{}", 0, "want an object"},
		{`{`, 1, "name in quotes"},
		{`{a:1}`, 1, "name in quotes"},
		{`{"a"}`, 4, "want ':'"},
		{`{"a"`, 4, "want ':'"},
		{`{"a":}`, 5, "want a value"},
		{`{"a":`, 5, "want a value"},
		{`{"a":1`, 6, "does not end"},
		{`{"a":1,}`, 7, "name in quotes"},
		{`{"a":1,`, 7, "name in quotes"},
		{`{"a":1 "b":2}`, 7, "',' or '}'"},
		{`{"a":1]`, 6, "',' or '}'"},
		{`{"a":"x}`, 5, "the string does not end"},
		{`{"a":"x\"}`, 5, "the string does not end"},
		{`{"a":[1,2}}`, 9, "does not match"},
		{`{"a":{"b":1]}`, 11, "does not match"},
		{`{"a":[1,2`, 9, "not closed"},
		{`{"a":["x`, 6, "the string does not end"},
		{`{} {}`, 3, "text after"},
		{`{"a":1}x`, 7, "text after"},
	} {
		_, err := scanned(t, c.text)
		var s *SyntaxError
		if !errors.As(err, &s) {
			t.Errorf("%q: %v, want a syntax error", c.text, err)
			continue
		}
		if s.Offset != c.offset || !strings.Contains(s.What, c.what) {
			t.Errorf("%q: %v; want byte %d and %q", c.text, err, c.offset, c.what)
		}
		if !strings.Contains(err.Error(), s.What) {
			t.Errorf("%q: the text %q leaves out what is wrong", c.text, err)
		}
	}
}

// Nesting is followed to its bound and no deeper, however large the text.
func TestObjectDepth(t *testing.T) {
	nest := func(n int) string {
		return `{"a":` + strings.Repeat(`[{"b":`, n/2) + `0` + strings.Repeat(`}]`, n/2) + `}`
	}
	if _, err := scanned(t, nest(maxDepth)); err != nil {
		t.Errorf("%d levels: %v", maxDepth, err)
	}
	if _, err := scanned(t, nest(maxDepth+2)); err == nil || !strings.Contains(err.Error(), "too deeply") {
		t.Errorf("%d levels: %v", maxDepth+2, err)
	}
	if _, err := scanned(t, `{"a":`+strings.Repeat("[", 1<<20)); err == nil || !strings.Contains(err.Error(), "too deeply") {
		t.Errorf("a million brackets: %v", err)
	}
	// A bracket's kind is remembered at every level, past one word of bits too.
	for n := 1; n < maxDepth-1; n++ {
		text := `{"a":` + strings.Repeat(`{"b":`, n) + `[}` + strings.Repeat("}", n) + "}"
		if _, err := scanned(t, text); err == nil {
			t.Fatalf("a bracket that does not match at level %d is not seen", n+1)
		}
	}
}

func TestObjectEndsEarly(t *testing.T) {
	n := 0
	if err := Object([]byte(`{"a":1,"b":2} broken`), func([]byte, Span, Span) bool { n++; return false }); err != nil || n != 1 {
		t.Errorf("%d visits, %v", n, err)
	}
	n = 0
	if err := Array([]byte(`[1,2 broken`), func(Span) bool { n++; return n < 2 }); err != nil || n != 2 {
		t.Errorf("%d visits, %v", n, err)
	}
}

func TestArray(t *testing.T) {
	for text, want := range map[string]string{
		`[]`: "", " [ ] ": "", `[1]`: "1", ` [ 1 , "a,b" , [2,[3]] , {"x":"]"} , null ] `: `1|"a,b"|[2,[3]]|{"x":"]"}|null`,
	} {
		var got []string
		if err := Array([]byte(text), func(e Span) bool { got = append(got, string(e.Of([]byte(text)))); return true }); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if s := strings.Join(got, "|"); s != want {
			t.Errorf("%q: %s, want %s", text, s, want)
		}
	}
	for _, text := range []string{"", "  ", "{}", "1", "[", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1}", "[] x", `["a]`} {
		if err := Array([]byte(text), func(Span) bool { return true }); err == nil {
			t.Errorf("%q is taken for an array", text)
		}
	}
}

func TestName(t *testing.T) {
	for _, c := range []struct {
		key, name string
		want      bool
	}{
		{"model", "model", true},
		{"Model", "model", false},
		{"models", "model", false},
		{`mod\u0065l`, "model", true},
		{`\u006d\u006f\u0064\u0065\u006c`, "model", true},
		{`mod\u0045l`, "model", false},
		{`mod\u00`, "model", false},
		{`mode\l`, "model", false},
		{`a\/b`, "a/b", true},
		{"", "", true},
		{"", "model", false},
	} {
		key := []byte(c.key)
		if got := Name(key, c.name); got != c.want {
			t.Errorf("Name(%q, %q) = %v", c.key, c.name, got)
		}
		if string(key) != c.key {
			t.Errorf("the key was changed: %q", key)
		}
	}
}

// Name must not write behind the key, into the body that it is a part of.
func TestNameLeavesTheBodyAlone(t *testing.T) {
	body := []byte(`{"mod\u0065l":"x","n":1}`)
	before := string(body)
	_ = Object(body, func(key []byte, _, _ Span) bool { Name(key, "model"); return true })
	if string(body) != before {
		t.Errorf("the body became %q", body)
	}
}

func TestUnquote(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`""`, ""}, {`"a"`, "a"}, {`"a\nb\t\r\b\f\/\\\""`, "a\nb\t\r\b\f/\\\""}, {`"\u0041\u00e9\u20ac"`, "Aé€"},
		{`"\ud83d\ude00"`, "😀"}, {`"\uD83D\uDE00"`, "😀"}, {`"\ud83d"`, "\ufffd"}, {`"\ude00\ud83d"`, "\ufffd\ufffd"},
		{`"\ud83d\u0041"`, "\ufffdA"}, {`"\u0000"`, "\x00"}, {`"é😀"`, "é😀"}, {"\"\x7f\"", "\x7f"},
	} {
		if got, ok := Unquote([]byte(c.in)); !ok || got != c.want {
			t.Errorf("Unquote(%s) = %q, %v; want %q", c.in, got, ok, c.want)
		}
	}
	for _, in := range []string{
		"", `"`, `a`, `"a`, `a"`, `1`, `null`, `"a"b"`, `"\"`, `"\x"`, `"\u12"`, `"\u12g4"`, `"\u+123"`, `"\u_123"`, "\"a\nb\"", "\"\x00\"",
		"\"\xff\"", "\"\\n\xff\"", `"\\"\"`, "\"\\n\t\"",
	} {
		if got, ok := Unquote([]byte(in)); ok {
			t.Errorf("Unquote(%q) = %q", in, got)
		}
	}
}

func TestInt(t *testing.T) {
	for in, want := range map[string]int64{
		"": 0, "0": 0, "7": 7, "1234567890": 1234567890, "-1": 0, "1.0": 0, "1e3": 0, "null": 0, `"5"`: 0, "true": 0,
		"99999999999999999999999999": 0, "9223372036854775808": 0, "100000000000000000": 100000000000000000,
	} {
		if got := Int([]byte(in)); got != want {
			t.Errorf("Int(%s) = %d, want %d", in, got, want)
		}
	}
}

func TestMember(t *testing.T) {
	const text = `{"a":1,"\u0062":"two","a":3,"n":null}`
	for name, want := range map[string]string{"a": "1", "b": `"two"`, "n": "null", "c": ""} {
		if got := string(Member([]byte(text), name)); got != want {
			t.Errorf("Member(%s) = %s, want %s", name, got, want)
		}
	}
	if got := string(Member([]byte(`{"a":1,"b":2,broken`), "b")); got != "2" {
		t.Errorf("a broken object gives %q for what stood before the break", got)
	}
	for _, text := range []string{"", "null", "[1]", `"a"`, `{"x":`} {
		if got := Member([]byte(text), "a"); got != nil {
			t.Errorf("Member of %q is %q", text, got)
		}
	}
}

// AppendString says the same as encoding/json, for any bytes.
func TestAppendString(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "s")
		checkAppendString(t, s)
	})
	checkAppendString(t, "<a href=\"x\">&\u2028\u2029\x00\x1f\x7f\xff\xc3")
}

func checkAppendString(t interface{ Fatalf(string, ...any) }, s string) {
	enc, _ := json.Marshal(s)
	var want, got string
	if err := json.Unmarshal(enc, &want); err != nil {
		t.Fatalf("%v", err)
	}
	out := AppendString([]byte("x"), s)
	if out[0] != 'x' {
		t.Fatalf("what stood before is gone: %q", out)
	}
	if err := json.Unmarshal(out[1:], &got); err != nil || got != want {
		t.Fatalf("AppendString(%q) = %s, which reads %q (%v), want %q", s, out[1:], got, err, want)
	}
	if back, ok := Unquote(out[1:]); !ok || back != want {
		t.Fatalf("Unquote(AppendString(%q)) = %q, %v", s, back, ok)
	}
	if bytes.ContainsAny(out[1:], "\n\r") {
		t.Fatalf("AppendString(%q) holds a line end, which would break an event", s)
	}
}

// depth is how deep a valid JSON text is nested.
func depth(b []byte) int {
	most, now, in := 0, 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case in && c == '\\':
			i++
		case c == '"':
			in = !in
		case in:
		case c == '{' || c == '[':
			now++
			most = max(most, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return most
}

// reference lists an object's members as encoding/json reads them.
func reference(b []byte) (keys []string, values []json.RawMessage) {
	dec := json.NewDecoder(bytes.NewReader(b))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return nil, nil
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, nil
		}
		var v json.RawMessage
		if dec.Decode(&v) != nil {
			return nil, nil
		}
		keys, values = append(keys, key.(string)), append(values, v)
	}
	return keys, values
}

func FuzzObject(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"a":1}`, ` {"a" : [1,2,{"b":"\"]}"}] , "c":null, "a":-0.1e+9}`, `{"a":"\\"}`, `{"a":"\\\""}`, `{"\ud83d\ude00":"x"}`,
		`{"a":tru}`, `{"a":[}`, `{"a":1}}`, `{"a":[[[[[[1]]]]]]}`, "{\"a\":\"\xff\"}", `[{}]`, `"x"`, "\ufeff{}",
		`{"model":"claude-opus-5-5","messages":[{"role":"user","content":"hi"}],"stream":true}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		type hit struct{ key, value, whole Span }
		var hits []hit
		err := Object(b, func(key []byte, v, m Span) bool {
			k := Span{Offset(b, key), Offset(b, key) + len(key)}
			if len(key) == 0 {
				k = Span{m.Start + 1, m.Start + 1}
			}
			hits = append(hits, hit{k, v, m})
			return true
		})
		last := 0
		for _, h := range hits {
			if h.whole.Start < last || h.key.Start != h.whole.Start+1 || h.value.Start <= h.key.End || h.value.End != h.whole.End ||
				h.value.Start >= h.value.End || h.whole.End > len(b) || b[h.whole.Start] != '"' {
				t.Fatalf("%q: spans out of order: %+v", b, h)
			}
			last = h.whole.End
		}
		var s *SyntaxError
		if err != nil && (!errors.As(err, &s) || s.Offset < 0 || s.Offset > len(b)) {
			t.Fatalf("%q: %#v", b, err)
		}
		if !json.Valid(b) {
			return // how much of that is refused is up to the provider's own parser
		}
		if isObject := bytes.TrimLeft(b, " \t\r\n")[0] == '{'; !isObject {
			if err == nil {
				t.Fatalf("%q is taken for an object", b)
			}
			return
		}
		if depth(b) > maxDepth {
			return
		}
		if err != nil {
			t.Fatalf("%q: %v; encoding/json takes it", b, err)
		}
		keys, values := reference(b)
		if len(keys) != len(hits) {
			t.Fatalf("%q: %d members, want %d", b, len(hits), len(keys))
		}
		for i, h := range hits {
			if !bytes.Equal(h.value.Of(b), values[i]) {
				t.Fatalf("%q: value %d is %q, want %q", b, i, h.value.Of(b), values[i])
			}
			if !utf8.Valid(b) {
				continue // encoding/json mends such names
			}
			if key, ok := Unquote(b[h.whole.Start : h.key.End+1]); !ok || key != keys[i] {
				t.Fatalf("%q: name %d is %q, want %q", b, i, key, keys[i])
			}
			if !Name(b[h.key.Start:h.key.End], keys[i]) {
				t.Fatalf("%q: name %d is not known as %q", b, i, keys[i])
			}
		}
		// The same holds one level down, for arrays.
		for _, v := range values {
			var want []json.RawMessage
			if v[0] != '[' || json.Unmarshal(v, &want) != nil {
				continue
			}
			n := 0
			if err := Array(v, func(e Span) bool {
				if n < len(want) && !bytes.Equal(e.Of(v), want[n]) {
					t.Fatalf("%q: element %d is %q, want %q", v, n, e.Of(v), want[n])
				}
				n++
				return true
			}); err != nil || n != len(want) {
				t.Fatalf("%q: %d elements, want %d (%v)", v, n, len(want), err)
			}
		}
	})
}

func FuzzUnquote(f *testing.F) {
	for _, s := range []string{`""`, `"a"`, `"\u0041"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\ude00\ud83d\ude00"`, `"\ud83d\ud83d\ude00"`, `"a\"b\\"`, "\"\xff\"", `"\u00"`, `"\"`, "\"\t\""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok := Unquote(b)
		var want string
		err := json.Unmarshal(b, &want)
		trimmed := len(b) > 0 && b[0] == '"' && b[len(b)-1] == '"'
		switch {
		case ok && err != nil:
			t.Fatalf("Unquote(%q) = %q; encoding/json refuses it: %v", b, got, err)
		case ok && got != want:
			t.Fatalf("Unquote(%q) = %q, want %q", b, got, want)
		case !ok && err == nil && trimmed && utf8.Valid(b):
			t.Fatalf("Unquote(%q) refuses what encoding/json reads as %q", b, want)
		}
	})
}

func BenchmarkObject(b *testing.B) {
	body := []byte(`{"model":"claude-opus-5-5","max_tokens":32000,"stream":true,"messages":[` +
		strings.Repeat(`{"role":"user","content":[{"type":"text","text":"`+strings.Repeat("The quick brown fox. ", 40)+`"}]},`, 99) +
		`{"role":"user","content":"go on"}]}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if err := Object(body, func([]byte, Span, Span) bool { return true }); err != nil {
			b.Fatal(err)
		}
	}
}
