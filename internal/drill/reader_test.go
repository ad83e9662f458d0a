package drill

import (
	"strings"
	"testing"
	"time"

	"turnout/internal/domain"
	"turnout/internal/sim"
)

const (
	msgStart = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"role\":\"assistant\",\"model\":\"m\",\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n"
	blkStart = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\"}}\n\n"
	blkDelta = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hi\"}}\n\n"
	blkStop  = "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
	msgDelta = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\n"
	msgStop  = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
	msgPing  = "event: ping\ndata: {\"type\":\"ping\"}\n\n"
	msgError = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"no\"}}\n\n"

	chunkHi   = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}]}\n\n"
	chunkStop = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
	chunkUse  = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n"
	chunkDone = "data: [DONE]\n\n"
	chunkErr  = "data: {\"error\":{\"type\":\"server_error\",\"message\":\"no\"}}\n\n"
)

// TestStrictReaders: what a stream is worth, read to the letter.
func TestStrictReaders(t *testing.T) {
	for _, c := range []struct {
		name string
		body string
		want Kind
	}{
		{"messages: whole", msgStart + blkStart + msgPing + blkDelta + blkStop + msgDelta + msgStop, Whole},
		{"messages: a ping first", msgPing + msgStart + blkStart + blkDelta + blkStop + msgDelta + msgStop, Whole},
		{"messages: just ends", msgStart + blkStart + blkDelta, Cut},
		{"messages: ends in an event", msgStart + blkStart + blkDelta + "event: content_bl", Cut},
		{"messages: finish and no end", msgStart + blkStart + blkDelta + blkStop + msgDelta, Cut},
		{"messages: end and no finish", msgStart + blkStart + blkDelta + blkStop + msgStop, Garbled},
		{"messages: end inside a block", msgStart + blkStart + blkDelta + msgDelta + msgStop, Garbled},
		{"messages: two answers in one", msgStart + blkStart + blkDelta + msgStart + blkStart + blkDelta + blkStop + msgDelta + msgStop, Garbled},
		{"messages: delta of another block", msgStart + blkStart + strings.Replace(blkDelta, "\"index\":0", "\"index\":1", 1) + blkStop + msgDelta + msgStop, Garbled},
		{"messages: not JSON", msgStart + blkStart + "data: {\"ty\n\n" + blkStop + msgDelta + msgStop, Garbled},
		{"messages: more after the end", msgStart + blkStart + blkDelta + blkStop + msgDelta + msgStop + blkStart, Garbled},
		{"messages: an error in the middle", msgStart + blkStart + blkDelta + msgError, Refusal},
		{"messages: an error and more", msgStart + blkStart + blkDelta + msgError + blkDelta, Garbled},
		{"messages: empty", "", Cut},

		{"completions: whole", ": sign of life\n\n" + chunkHi + chunkStop + chunkUse + chunkDone, Whole},
		{"completions: just ends", chunkHi, Cut},
		{"completions: finish and no end", chunkHi + chunkStop, Cut},
		{"completions: end and no finish", chunkHi + chunkDone, Garbled},
		{"completions: two answers in one", chunkHi + strings.Replace(chunkHi, "\"c\"", "\"d\"", 1) + chunkStop + chunkDone, Garbled},
		{"completions: content after the finish", chunkHi + chunkStop + chunkHi + chunkDone, Garbled},
		{"completions: an error", chunkHi + chunkErr, Refusal},
		{"completions: an error and its end", chunkHi + chunkErr + chunkDone, Refusal},
		{"completions: an error, then more", chunkHi + chunkErr + chunkHi, Garbled},
		{"completions: more after the end", chunkHi + chunkStop + chunkDone + chunkHi, Garbled},
	} {
		m := Mode{Dialect: domain.DialectAnthropic, Stream: true}
		if strings.HasPrefix(c.name, "completions") {
			m.Dialect = domain.DialectOpenAIChat
		}
		a := &Answer{Status: 200}
		r := &Run{Mode: m, began: time.Now()}
		a.settle(r.readStream(strings.NewReader(c.body), &Ask{}, a, nil))
		if a.Kind != c.want {
			t.Errorf("%s: read as %s %v %s, want %s", c.name, a.Kind, a.Disorder, a.Broken, c.want)
		}
		if a.Kind == Whole && (a.Text != "hi" || a.Usage == nil || *a.Usage != (Usage{3, 2})) {
			t.Errorf("%s: text %q, usage %+v", c.name, a.Text, a.Usage)
		}
	}
}

// TestTextsAreCompared: a lost, doubled or foreign piece is a wrong answer, however well-formed.
func TestTextsAreCompared(t *testing.T) {
	whole := sim.Text(tokens)
	for _, text := range []string{"", sim.Text(tokens - 1), whole + "x", strings.Replace(whole, "train ", "", 1), sim.Text(40) + whole} {
		var j Judgement
		j.whole(&Answer{Kind: Whole, Text: text, Usage: &Usage{1, tokens}}, tokens, Fail)
		if j.Verdict != Fail {
			t.Errorf("%d bytes of text: %s", len(text), j.Verdict)
		}
	}
	if !withoutOnePiece(strings.Replace(whole, "train ", "", 1)) || withoutOnePiece(whole) || withoutOnePiece(sim.Text(tokens-2)) {
		t.Error("a text without one piece is not told from others")
	}
}

// TestMost: the fullest window.
func TestMost(t *testing.T) {
	ms := func(n ...int) (out []time.Duration) {
		for _, i := range n {
			out = append(out, time.Duration(i)*time.Millisecond)
		}
		return out
	}
	for _, c := range []struct {
		at   []time.Duration
		want int
	}{{nil, 0}, {ms(5), 1}, {ms(0, 49), 2}, {ms(0, 50), 1}, {ms(0, 10, 60, 70, 80, 109), 4}} {
		if got := most(c.at, 50*time.Millisecond); got != c.want {
			t.Errorf("most(%v) = %d, want %d", c.at, got, c.want)
		}
	}
}

// TestChoose: names, numbers and beginnings; what means nothing is given back.
func TestChoose(t *testing.T) {
	all := Scenarios()
	chosen, unknown := Choose(all, []string{"8", "leave-*", "dns", "nothing"})
	var names []string
	for _, s := range chosen {
		names = append(names, s.Name)
	}
	if got, want := strings.Join(names, " "), "cut cut+complete dns leave-before leave-in-line leave-in-wait leave-in-hold leave-beside leave-while-held leave-mid-stream"; got != want {
		t.Errorf("chosen: %s, want %s", got, want)
	}
	if len(unknown) != 1 || unknown[0] != "nothing" {
		t.Errorf("unknown: %v", unknown)
	}
	seen := map[string]bool{}
	for _, s := range all {
		if seen[s.Name] || s.Name == "" || s.Does == "" || s.Must == "" || s.Group == "" {
			t.Errorf("scenario %q is there twice or lacks words", s.Name)
		}
		seen[s.Name] = true
	}
}
