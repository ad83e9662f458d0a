package neutraltest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

// writer writes indented lines.
type writer struct {
	strings.Builder
	depth int
}

func (w *writer) line(format string, args ...any) {
	w.WriteString(strings.Repeat("  ", w.depth))
	fmt.Fprintf(&w.Builder, format, args...)
	w.WriteByte('\n')
}

// DumpRequest writes a request down, one fact a line. What is not stated is left out.
func DumpRequest(r *neutral.Request) string {
	var w writer
	w.line("model %q stream=%v", r.Model, r.Stream)
	if len(r.System) > 0 {
		w.line("system")
		w.blocks(r.System)
	}
	for _, t := range r.Turns {
		head := [...]string{"user", "assistant", "system amid"}[t.Role]
		if t.Name != "" {
			head += fmt.Sprintf(" name=%q", t.Name)
		}
		w.line("%s", head)
		w.blocks(t.Blocks)
	}
	for i := range r.Tools {
		w.tool(&r.Tools[i])
	}
	if c := r.Choice; c.Mode != neutral.ChoiceUnset {
		w.line("tool choice %s %q must=%v", [...]string{"", "auto", "none", "any", "named", "allow"}[c.Mode], c.Names, c.Must)
	}
	if r.Parallel != nil {
		w.line("parallel %v", *r.Parallel)
	}
	if r.MaxTokens != 0 {
		w.line("max tokens %d", r.MaxTokens)
	}
	if g := r.Reasoning; g != (neutral.Reasoning{}) {
		w.line("reasoning %s effort=%q budget=%d show=%v adaptive=%v", [...]string{"unset", "off", "on"}[g.Mode], g.Effort, g.Budget, g.Show, g.Adaptive)
	}
	if f := r.Format; f.Mode != neutral.FormatText {
		w.line("format %s name=%q description=%q strict=%s %s", [...]string{"", "json", "schema", "enum"}[f.Mode], f.Name, f.Description, optional(f.Strict), Canonical(f.Schema))
	}
	if len(r.Stop) > 0 {
		w.line("stop %q", r.Stop)
	}
	w.settings(r)
	return w.String()
}

func (w *writer) settings(r *neutral.Request) {
	for _, s := range []struct {
		name  string
		value []byte
	}{
		{"temperature", r.Temperature}, {"top_p", r.TopP}, {"top_k", r.TopK}, {"seed", r.Seed},
		{"presence penalty", r.PresencePenalty}, {"frequency penalty", r.FrequencyPenalty}, {"metadata", r.Metadata},
	} {
		if len(s.value) > 0 {
			w.line("%s %s", s.name, Canonical(s.value))
		}
	}
	for _, s := range []struct{ name, value string }{
		{"user", r.User}, {"cache key", r.CacheKey}, {"tier", r.Tier}, {"verbosity", r.Verbosity},
	} {
		if s.value != "" {
			w.line("%s %q", s.name, s.value)
		}
	}
	if r.ShowUsage || r.Obfuscation {
		w.line("show usage %v obfuscation %v", r.ShowUsage, r.Obfuscation)
	}
	for _, a := range r.Asks {
		w.line("ask %q %s %s", a.Feature, a.Name, Canonical(a.Raw))
	}
	for _, m := range r.Extra {
		w.line("extra %s %s", m.Name, Canonical(m.Raw))
	}
}

func optional(b *bool) string {
	if b == nil {
		return "-"
	}
	return fmt.Sprint(*b)
}

func (w *writer) tool(t *neutral.Tool) {
	if t.Server() {
		w.line("tool of %s %q %s", t.Origin, t.Name, Canonical(t.Raw))
		return
	}
	kind := "tool"
	if t.Custom {
		kind = "custom tool"
	}
	w.line("%s %q %q strict=%s%s %s", kind, t.Name, t.Description, optional(t.Strict), cache(t.Cache), Canonical(t.Schema))
	w.depth++
	for _, m := range t.Extra {
		w.line("extra %s %s", m.Name, Canonical(m.Raw))
	}
	w.depth--
}

func cache(c neutral.Cache) string { return [...]string{"", " cache=5m", " cache=1h"}[c] }

func (w *writer) blocks(blocks []neutral.Block) {
	w.depth++
	for i := range blocks {
		w.block(&blocks[i])
	}
	w.depth--
}

var kinds = [...]string{"text", "refusal", "image", "document", "audio", "video", "reasoning", "call", "result", "opaque"}

func (w *writer) block(b *neutral.Block) {
	var s strings.Builder
	s.WriteString(kinds[b.Kind])
	put := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&s, " %s=%q", name, value)
		}
	}
	put("id", b.ID)
	put("name", b.Name)
	put("type", b.MediaType+b.Type)
	put("url", b.URL)
	put("data", string(b.Data))
	put("file", b.FileID)
	put("detail", b.Detail)
	put("title", b.Title)
	put("context", b.Context)
	put("text", b.Text)
	put("args", Canonical(b.Args))
	put("raw", Canonical(b.Raw))
	put("signature", b.Signature)
	if b.Origin != domain.DialectNone {
		put("of", b.Origin.String())
	}
	for _, f := range []struct {
		name string
		set  bool
	}{{"custom", b.Custom}, {"redacted", b.Redacted}, {"failed", b.Failed}, {"cite", b.Cite}} {
		if f.set {
			s.WriteString(" " + f.name)
		}
	}
	s.WriteString(cache(b.Cache))
	w.line("%s", s.String())
	w.depth++
	for i := range b.Citations {
		w.line("%s", cites(&b.Citations[i]))
	}
	w.depth--
	w.blocks(b.Content)
}

func cites(c *neutral.Citation) string {
	return fmt.Sprintf("cites url=%q title=%q words=%q at=%d-%d document=%d of=%s %s", c.URL, c.Title, c.Cited, c.Start, c.End, c.Document, c.Origin, Canonical(c.Raw))
}

// DumpAnswer writes an answer down.
func DumpAnswer(a *neutral.Answer) string {
	var w writer
	w.line("answer id=%q model=%q created=%d tier=%q", a.ID, a.Model, a.Created, a.Tier)
	w.blocks(a.Blocks)
	w.line("finish %s stopped=%q %s", a.Finish, a.Stopped, usage(a.Usage))
	return w.String()
}

func usage(u domain.Usage) string {
	if !u.Reported {
		return "usage -"
	}
	out := fmt.Sprintf("usage input=%d read=%d write5m=%d write1h=%d output=%d reasoning=%d", u.Input, u.CacheRead, u.CacheWrite5m, u.CacheWrite1h, u.Output, u.Reasoning)
	for _, more := range []struct {
		name string
		n    int64
	}{{"audio_in", u.AudioInput}, {"audio_read", u.AudioCacheRead}, {"audio_out", u.AudioOutput}, {"image_in", u.ImageInput}, {"image_out", u.ImageOutput}, {"searches", u.Searches}} {
		if more.n > 0 {
			out += fmt.Sprintf(" %s=%d", more.name, more.n)
		}
	}
	if u.Tier != domain.TierStandard {
		out += " served=" + u.Tier.String()
	}
	return out
}

// DumpEvent writes an event down in one line or more.
func DumpEvent(ev *neutral.Event) string {
	var w writer
	switch ev.Kind {
	case neutral.Started:
		w.line("started id=%q model=%q created=%d tier=%q %s", ev.ID, ev.Model, ev.Created, ev.Tier, usage(ev.Usage))
	case neutral.Opened:
		w.line("opened %d", ev.Index)
		w.blocks([]neutral.Block{*ev.Block})
	case neutral.Added:
		w.line("added %d %s", ev.Index, ev.Text)
	case neutral.Signed:
		w.line("signed %d %q", ev.Index, ev.Signature)
	case neutral.Cited:
		w.line("cited %d %s", ev.Index, cites(ev.Citation))
	case neutral.Closed:
		w.line("closed %d", ev.Index)
	case neutral.Measured:
		w.line("measured %s", usage(ev.Usage))
	case neutral.Finished:
		w.line("finished %s stopped=%q %s", ev.Finish, ev.Stopped, usage(ev.Usage))
	default:
		w.line("%s", name(ev.Kind))
	}
	return w.String()
}

// Canonical writes a JSON text so that texts of the same meaning are the same: members in
// order, no white space. What is no JSON is quoted.
func Canonical(raw []byte) string {
	if len(raw) == 0 {
		return ""
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil || d.More() {
		return fmt.Sprintf("%q", raw)
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return fmt.Sprintf("%q", raw)
	}
	return strings.TrimSuffix(out.String(), "\n")
}
