package neutral_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
	"turnout/internal/dialect/neutral/neutraltest"
	"turnout/internal/domain"
)

func text(s string) neutral.Block { return neutral.Block{Kind: neutral.KindText, Text: s} }

func unquote(v []byte) string { s, _ := dialect.Unquote(v); return s }

// A replayed answer is told in order, and gathered again it is the same.
func TestReplay(t *testing.T) {
	o := neutraltest.Options{From: domain.DialectAnthropic, Reasoning: true, Redacted: true, Custom: true, Cache: true, Refusals: true, Citations: true}
	rapid.Check(t, func(t *rapid.T) {
		a := neutraltest.Answers(o).Draw(t, "answer")
		if rapid.Bool().Draw(t, "signed call") {
			a.Blocks = append(a.Blocks, neutral.Block{Kind: neutral.KindToolUse, ID: "a", Name: "x", Args: []byte("{}"), Signature: "c2ln", Origin: domain.DialectGeminiContent})
		}
		if rapid.Bool().Draw(t, "opaque") {
			a.Blocks = append(a.Blocks, neutral.Block{Kind: neutral.KindOpaque, Type: "x", Raw: []byte("{}"), Origin: domain.DialectAnthropic})
		}
		a.ID, a.Created, a.Tier = "id", 5, "flex"
		var order neutraltest.Order
		var g neutral.Gather
		neutraltest.Pieces(a, 2, func(ev *neutral.Event) {
			if err := order.Add(ev); err != nil {
				t.Fatal(err)
			}
			g.Add(neutraltest.Own(ev), unquote)
		})
		if err := order.End(); err != nil {
			t.Fatal(err)
		}
		if want, got := neutraltest.DumpAnswer(a), neutraltest.DumpAnswer(&g.Answer); want != got {
			t.Errorf("got:\n%s\nwant:\n%s", got, want)
		}
	})
}

// The check of the order finds each way to break it.
func TestOrder(t *testing.T) {
	start, end := &neutral.Event{Kind: neutral.Started}, &neutral.Event{Kind: neutral.Ended}
	open := func(i int, k neutral.Kind) *neutral.Event {
		return &neutral.Event{Kind: neutral.Opened, Index: i, Block: &neutral.Block{Kind: k, Origin: domain.DialectGeminiContent}}
	}
	add := &neutral.Event{Kind: neutral.Added, Text: []byte(`"x"`)}
	closed, finished := &neutral.Event{Kind: neutral.Closed}, &neutral.Event{Kind: neutral.Finished}
	sign := &neutral.Event{Kind: neutral.Signed, Signature: "s"}
	for name, events := range map[string][]*neutral.Event{
		"no start":               {open(0, neutral.KindText)},
		"two starts":             {start, start},
		"a gap":                  {start, open(1, neutral.KindText)},
		"a block inside another": {start, open(0, neutral.KindText), open(1, neutral.KindText)},
		"no block":               {start, {Kind: neutral.Opened}},
		"a full block":           {start, {Kind: neutral.Opened, Block: &neutral.Block{Text: "x"}}},
		"added to nothing":       {start, add},
		"added after":            {start, open(0, neutral.KindText), closed, add},
		"added without quotes":   {start, open(0, neutral.KindText), {Kind: neutral.Added, Text: []byte("x")}},
		"an image is signed":     {start, open(0, neutral.KindImage), sign},
		"a call is signed late":  {start, open(0, neutral.KindToolUse), add, sign},
		"signed by nobody":       {start, {Kind: neutral.Opened, Block: &neutral.Block{Kind: neutral.KindReasoning}}, sign},
		"cited by nothing":       {start, open(0, neutral.KindText), {Kind: neutral.Cited}},
		"finished inside":        {start, open(0, neutral.KindText), finished},
		"no finish":              {start, end},
		"a block afterwards":     {start, finished, open(0, neutral.KindText)},
		"two ends":               {start, finished, end, end},
		"no end":                 {start, finished},
	} {
		var o neutraltest.Order
		var err error
		for _, ev := range events {
			if err == nil {
				err = o.Add(ev)
			}
		}
		if err == nil {
			err = o.End()
		}
		if err == nil {
			t.Errorf("%s is not found", name)
		}
	}
}

func call(id string) neutral.Block {
	return neutral.Block{Kind: neutral.KindToolUse, ID: id, Name: "f" + id}
}

func result(id string) neutral.Block {
	return neutral.Block{Kind: neutral.KindToolResult, ID: id, Name: "f" + id, Content: []neutral.Block{text("r" + id)}}
}

// brief writes turns down in short: u, a, s, and each block's id or text.
func brief(turns []neutral.Turn) string {
	var out []string
	for _, t := range turns {
		s := string("uas"[t.Role])
		for _, b := range t.Blocks {
			switch b.Kind {
			case neutral.KindToolUse:
				s += " call:" + b.ID
			case neutral.KindToolResult:
				s += " result:" + b.ID
				if b.Failed {
					s += "!"
				}
			default:
				s += " " + fmt.Sprintf("%q", b.Text)
			}
		}
		out = append(out, s)
	}
	return strings.Join(out, " | ")
}

func TestPair(t *testing.T) {
	user := func(b ...neutral.Block) neutral.Turn { return neutral.Turn{Blocks: b, Name: "n"} }
	assistant := func(b ...neutral.Block) neutral.Turn { return neutral.Turn{Role: neutral.Assistant, Blocks: b} }
	system := neutral.Turn{Role: neutral.System, Blocks: []neutral.Block{text("s")}}
	for _, c := range []struct {
		turns []neutral.Turn
		want  string
		notes int
	}{
		{[]neutral.Turn{user(text("a")), assistant(text("b")), user(text("c"))}, `u "a" | a "b" | u "c"`, 0},
		{[]neutral.Turn{assistant(call("1"), call("2")), user(result("2"), result("1"), text("x"))}, `a call:1 call:2 | u result:2 result:1 "x"`, 0},
		{[]neutral.Turn{assistant(call("1")), user(text("x"), result("1"))}, `a call:1 | u result:1 "x"`, 0},
		{[]neutral.Turn{assistant(call("1"), call("2")), user(result("2"))}, `a call:1 call:2 | u result:2 result:1!`, 1},
		{[]neutral.Turn{assistant(call("1")), assistant(text("x"))}, `a call:1 | u result:1! | a "x"`, 1},
		{[]neutral.Turn{assistant(call("1"))}, `a call:1 | u result:1!`, 1},
		{[]neutral.Turn{user(result("9"))}, `u "Result of the tool f9:\nr9"`, 1},
		{[]neutral.Turn{assistant(call("1")), user(result("1")), assistant(text("x")), user(result("1"))}, `a call:1 | u result:1 | a "x" | u "Result of the tool f1:\nr1"`, 1},
		{[]neutral.Turn{assistant(call("1")), system, user(result("1"))}, `a call:1 | u result:1 | s "s"`, 0},
		{[]neutral.Turn{assistant(call("1")), system}, `a call:1 | u result:1! | s "s"`, 1},
		{[]neutral.Turn{system, user(text("a")), system}, `s "s" | u "a" | s "s"`, 0},
		{[]neutral.Turn{assistant(call("1")), user(result("1"), result("1"))}, `a call:1 | u result:1 "Result of the tool f1:\nr1"`, 1},
		{[]neutral.Turn{assistant(call("1"), call("1")), user(result("1"))}, `a call:1 call:1 | u result:1`, 0},
	} {
		before := brief(c.turns)
		n := neutral.NewNotes(domain.DialectAnthropic, &neutral.Table{})
		if got := brief(neutral.Pair(c.turns, n)); got != c.want || len(n.Warnings()) != c.notes {
			t.Errorf("%s becomes %s with %q,\nwant %s", before, got, n.Warnings(), c.want)
		}
		if after := brief(c.turns); after != before {
			t.Errorf("%s was changed to %s", before, after)
		}
	}
	if got := neutral.Pair([]neutral.Turn{user(text("a"))}, nil); got[0].Name != "n" {
		t.Error("the participant's name is lost")
	}
}

func TestMerge(t *testing.T) {
	shared := make([]neutral.Block, 1, 8)
	shared[0] = text("a")
	turns := []neutral.Turn{{Blocks: shared}, {Blocks: []neutral.Block{text("b")}}, {Role: neutral.Assistant, Blocks: []neutral.Block{text("c")}}, {Blocks: []neutral.Block{text("d")}}}
	if got := brief(neutral.Merge(turns)); got != `u "a" "b" | a "c" | u "d"` {
		t.Errorf("%s", got)
	}
	if full := shared[:2]; full[1].Text != "" {
		t.Error("the turns' own blocks were written to")
	}
}

func TestCustom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "input")
		args := neutral.WrapInput(s)
		if !neutral.IsObject(args) || neutral.UnwrapInput(args) != s {
			t.Errorf("%q becomes %s, and back %q", s, args, neutral.UnwrapInput(args))
		}
	})
	for args, want := range map[string]string{`{"patch":"x"}`: `{"patch":"x"}`, `plain`: `plain`, ``: ``, `{"input":5}`: `{"input":5}`} {
		if got := neutral.UnwrapInput([]byte(args)); got != want {
			t.Errorf("%s: %s, want %s", args, got, want)
		}
	}
	if !json.Valid([]byte(neutral.CustomSchema)) {
		t.Error("the schema is no JSON")
	}
	r := &neutral.Request{Tools: []neutral.Tool{{Name: "read"}}}
	if neutral.CustomTools(r) != nil {
		t.Error("a function is taken for a custom tool")
	}
	enc := &recorder{}
	if neutral.CustomEncoder(enc, nil) != neutral.Encoder(enc) {
		t.Error("an encoder is wrapped for nothing")
	}
	r.Tools = append(r.Tools, neutral.Tool{Name: "patch", Custom: true})
	wrapped := neutral.CustomEncoder(enc, neutral.CustomTools(r))
	neutraltest.Pieces(&neutral.Answer{Blocks: []neutral.Block{
		{Kind: neutral.KindToolUse, ID: "a", Name: "patch", Args: neutral.WrapInput("x\n")},
		{Kind: neutral.KindToolUse, ID: "b", Name: "read", Args: []byte(`{"input":1}`)},
		{Kind: neutral.KindToolUse, ID: "c", Name: "patch"},
		text("patch"),
	}}, 4, func(ev *neutral.Event) { wrapped.Append(nil, ev) })
	var order neutraltest.Order
	var g neutral.Gather
	for _, ev := range enc.events {
		if err := order.Add(ev); err != nil {
			t.Error(err)
		}
		g.Add(ev, unquote)
	}
	want := `answer id="" model="" created=0 tier=""
  call id="a" name="patch" text="x\n" custom
  call id="b" name="read" args="{\"input\":1}"
  call id="c" name="patch" custom
  text text="patch"
finish none stopped="" usage -
`
	if got := neutraltest.DumpAnswer(&g.Answer); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

type recorder struct{ events []*neutral.Event }

func (r *recorder) Append(b []byte, ev *neutral.Event) []byte {
	r.events = append(r.events, neutraltest.Own(ev))
	return b
}

func (r *recorder) KeepAlive() []byte { return nil }

func TestSeal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		origin := domain.Dialect(rapid.IntRange(1, 4).Draw(t, "origin"))
		id, sig := rapid.String().Draw(t, "id"), rapid.StringMatching(`[A-Za-z0-9+/=.]+`).Draw(t, "signature")
		sealed := neutral.Seal(origin, id, sig)
		gotOrigin, gotID, gotSig, ok := neutral.Unseal(sealed)
		if gotOrigin != origin || gotID != id || gotSig != sig || !ok {
			t.Errorf("%v %q %q %v of %q", gotOrigin, gotID, gotSig, ok, sealed)
		}
		if words, ok := neutral.SealedText(sealed); ok {
			t.Errorf("%q holds the words %q", sealed, words)
		}
		words := rapid.String().Draw(t, "words")
		sealed = neutral.SealText(origin, id, sig, words)
		gotOrigin, gotID, gotSig, ok = neutral.Unseal(sealed)
		if gotOrigin != origin || gotID != id || gotSig != sig || !ok {
			t.Errorf("%v %q %q %v of %q", gotOrigin, gotID, gotSig, ok, sealed)
		}
		if got, ok := neutral.SealedText(sealed); got != words || !ok {
			t.Errorf("words %q, %v of %q", got, ok, sealed)
		}
		// A client of any dialect gives back what it was shown, and its maker alone reads it.
		b := neutral.Block{Kind: neutral.KindReasoning, Origin: origin, ID: id, Signature: sig}
		for d := domain.Dialect(1); d <= 4; d++ {
			back := neutral.Block{Kind: neutral.KindReasoning, Origin: d, ID: "item", Signature: neutral.Shown(d, &b)}
			for target := domain.Dialect(1); target <= 4; target++ {
				_, got, ok := neutral.SignatureFor(target, &back)
				if ok != (target == origin) || ok && got != sig {
					t.Errorf("shown by %v to %v, for %v: %q, %v", origin, d, target, got, ok)
				}
			}
		}
	})
	for _, s := range []string{"", "EqQB", "turnout1.", "turnout1.x..s", "turnout1.1.!.s", "turnout1.1.s", "turnout1.999..s", "turnout1.x.~YQ.s"} {
		if _, _, _, ok := neutral.Unseal(s); ok {
			t.Errorf("%q is taken for a sealed signature", s)
		}
		if words, ok := neutral.SealedText(s); ok {
			t.Errorf("%q holds the words %q", s, words)
		}
	}
}

// The steps between efforts and budgets agree with one another.
func TestEfforts(t *testing.T) {
	for _, e := range []string{"minimal", "low", "medium", "high"} {
		if got := neutral.EffortFor(neutral.BudgetFor(e)); got != e {
			t.Errorf("%s stands for %d tokens, which stand for %s", e, neutral.BudgetFor(e), got)
		}
	}
	if neutral.BudgetFor("") != 0 || neutral.BudgetFor("novel") != 0 || neutral.EffortFor(1<<40) != "high" || neutral.EffortFor(1) != "minimal" {
		t.Error("the ends of the scale are wrong")
	}
}

func TestDataURL(t *testing.T) {
	for url, want := range map[string]string{
		"data:image/png;base64,iVBO":                "image/png iVBO",
		"data:;base64,AA==":                         " AA==",
		"data:text/plain;charset=utf-8;base64,QQ==": "text/plain QQ==",
		"data:image/png,iVBO":                       "",
		"data:image/png;base64":                     "",
		"data:image/png;base64,iV BO":               "",
		"data:image/png;base64,\"":                  "",
		"https://example.com":                       "",
	} {
		got := ""
		if mediaType, data, ok := neutral.DataURL(url); ok {
			got = mediaType + " " + string(data)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}

func TestBase64(t *testing.T) {
	for in, want := range map[string]string{
		`"iVBO"`: "iVBO", `"\/9j\/"`: "/9j/", `"iV\r\nBO"`: "iVBO", `"_-="`: "_-=", `""`: "",
		`"a b"`: "-", `"a\"b"`: "-", `5`: "-", ``: "-", `"`: "-", `"é"`: "-",
	} {
		got := "-"
		if data, ok := neutral.Base64([]byte(in)); ok {
			got = string(data)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

func TestDocuments(t *testing.T) {
	for _, c := range []struct {
		b    neutral.Block
		want string
		ok   bool
	}{
		{neutral.Block{MediaType: "text/plain", Data: neutral.TextDocument("é \"x\"")}, "é \"x\"", true},
		{neutral.Block{MediaType: "application/json", Data: []byte("e30")}, "{}", true},
		{neutral.Block{MediaType: "text/csv", Data: []byte(base64.StdEncoding.EncodeToString([]byte("a\xff")))}, "a\uFFFD", true},
		{neutral.Block{MediaType: "text/plain", Data: []byte("*")}, "", false},
		{neutral.Block{MediaType: "application/pdf", Data: []byte("JVBE")}, "", false},
		{neutral.Block{MediaType: "text/plain", URL: "https://e"}, "", false},
	} {
		if got, ok := neutral.PlainText(&c.b); got != c.want || ok != c.ok {
			t.Errorf("%+v: %q %v", c.b, got, ok)
		}
	}
	for data, want := range map[string]string{"iVBORw0K": "image/png", "/9j/4AAQ": "image/jpeg", "R0lGODlh": "image/gif", "UklGRhoA": "image/webp", "AAAA": "", "": ""} {
		if got := neutral.SniffImage([]byte(data)); got != want {
			t.Errorf("%s is %q, want %q", data, got, want)
		}
	}
}

func TestWords(t *testing.T) {
	image := neutral.Block{Kind: neutral.KindImage, URL: "u"}
	for want, blocks := range map[string][]neutral.Block{
		"":    {image},
		"a":   {text(""), text("a"), image},
		"a+b": {text("a"), image, text(""), {Kind: neutral.KindRefusal, Text: "b"}},
	} {
		if got := neutral.Words(blocks, "+"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestKey(t *testing.T) {
	for in, want := range map[string]string{"model": "model", `m\u006fdel`: "model", `a\"b`: `a"b`, `bad\q`: `bad\q`} {
		if got := string(neutral.Key([]byte(in))); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// What the writer writes is the JSON that the standard library writes of the same.
func TestJSON(t *testing.T) {
	j := neutral.JSON{B: []byte("data: ")}
	j.Open().Member("a", "x\n\"é").Key("b").List().Int(1).Int(-2).Bool(true).Null().String("s").Open().Close().List().End().End()
	j.MemberRaw("c", []byte(`{"d":1}`)).MemberRaw("left out", nil).MemberInt("e", 5).Key("f").Raw(nil).Key("g").Text([]byte("AA==")).Key("h").Quoted([]byte(`"q"`)).MemberRaw("\"\n", []byte("1")).Close()
	const want = `data: {"a":"x\n\"é","b":[1,-2,true,null,"s",{},[]],"c":{"d":1},"e":5,"f":null,"g":"AA==","h":"q","\"\n":1}`
	if string(j.B) != want || !json.Valid(j.B[6:]) {
		t.Errorf("%s\nwant %s", j.B, want)
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "text")
		var got string
		if err := json.Unmarshal(neutral.Quote(s), &got); err != nil || got != s {
			t.Errorf("%q becomes %q, %v", s, got, err)
		}
	})
	var k neutral.Kept
	k.Add([]byte(`"a\n"`))
	k.Add([]byte(`""`))
	k.Add([]byte(`"b"`))
	if string(k.Quoted()) != `"a\nb"` || k.Len() != 4 {
		t.Errorf("%s, %d bytes", k.Quoted(), k.Len())
	}
	k.Add(nil)
	if k.Reset(); string(k.Quoted()) != `""` {
		t.Errorf("%s after it was forgotten", k.Quoted())
	}
}

func TestNotes(t *testing.T) {
	table := &neutral.Table{
		neutral.FeatureSeed:  {How: neutral.Dropped, Why: "there is none"},
		neutral.FeatureStop:  {How: neutral.Adapted, Why: "in another way"},
		neutral.FeatureAudio: {How: neutral.Refused, Why: "nobody hears"},
		neutral.FeatureVideo: {How: neutral.Refused, Why: "nobody sees"},
	}
	n := neutral.NewNotes(domain.DialectAnthropic, table)
	got := []bool{n.Use(neutral.FeatureTopP, "top_p"), n.Use(neutral.FeatureSeed, "seed"), n.Use(neutral.FeatureSeed, "seed"), n.Use(neutral.FeatureStop, "stop\n\x00é")}
	if !slices.Equal(got, []bool{true, false, false, true}) || n.Err() != nil {
		t.Errorf("goes: %v, error %v", got, n.Err())
	}
	n.Adapt("a", "so")
	n.Drop("b", "not so")
	if w := n.Warnings(); !reflect.DeepEqual(w, []string{"dropped seed: there is none", "adapted stop???: in another way", "adapted a: so", "dropped b: not so"}) {
		t.Errorf("%q", w)
	}
	if n.Use(neutral.FeatureAudio, "input_audio") || n.Use(neutral.FeatureVideo, "video") {
		t.Error("what is refused goes")
	}
	var e *domain.Error
	if !errors.As(n.Err(), &e) || e.Kind != domain.KindInvalid || e.Param != "input_audio" || !strings.Contains(e.Message, "nobody hears") || !strings.Contains(e.Message, "anthropic") {
		t.Errorf("%v", n.Err())
	}
	for i := range 2000 {
		n.Drop(fmt.Sprint(i/2), "")
	}
	if w := n.Warnings(); len(w) != 1000 || w[len(w)-1] != "dropped 995" {
		t.Errorf("%d warnings, the last is %s", len(w), w[len(w)-1])
	}
}

// Every feature and every way has a name, and no two share one.
func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for f := range neutral.NumFeatures {
		if f.String() == "" || seen[f.String()] {
			t.Errorf("feature %d is called %q", f, f)
		}
		seen[f.String()] = true
	}
	for h := neutral.Carried; h <= neutral.Refused; h++ {
		if h.String() == "" {
			t.Errorf("%d has no name", h)
		}
	}
	for f := neutral.FinishNone; f <= neutral.FinishPause; f++ {
		if f.String() == "" {
			t.Errorf("finish %d has no name", f)
		}
	}
}
