package drill

import (
	"fmt"
	"strings"
	"testing"
	"time"

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
	chunkUse  = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\n"
	chunkDone = "data: [DONE]\n\n"
	chunkErr  = "data: {\"error\":{\"type\":\"server_error\",\"message\":\"no\"}}\n\n"

	partHi   = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hi\"}],\"role\":\"model\"},\"index\":0}],\"modelVersion\":\"m\",\"responseId\":\"r\"}\r\n\r\n"
	partStop = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}],\"role\":\"model\"},\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":3,\"candidatesTokenCount\":1,\"thoughtsTokenCount\":1,\"totalTokenCount\":5},\"modelVersion\":\"m\",\"responseId\":\"r\"}\r\n\r\n"
	partErr  = "data: {\"error\":{\"code\":503,\"message\":\"no\",\"status\":\"UNAVAILABLE\"}}\r\n\r\n"
)

// respond numbers events of Responses: each is its type and its members, without the braces.
func respond(events ...string) string {
	out := ""
	for i, e := range events {
		typ, members, _ := strings.Cut(e, " ")
		out += fmt.Sprintf("event: %s\ndata: {\"type\":%q,\"sequence_number\":%d,%s}\n\n", typ, typ, i, members)
	}
	return out
}

// The events of Responses.
const (
	respHead = `"response":{"id":"r","object":"response","model":"m","status":"in_progress","output":[]}`
	respItem = `{"id":"msg","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"hi"}]}`

	respCreated  = "response.created " + respHead
	respProgress = "response.in_progress " + respHead
	respAdded    = `response.output_item.added "output_index":0,"item":{"id":"msg","type":"message","status":"in_progress","role":"assistant","content":[]}`
	respPart     = `response.content_part.added "output_index":0,"item_id":"msg","content_index":0,"part":{"type":"output_text","text":""}`
	respDelta    = `response.output_text.delta "output_index":0,"item_id":"msg","content_index":0,"delta":"hi"`
	respText     = `response.output_text.done "output_index":0,"item_id":"msg","content_index":0,"text":"hi"`
	respPartDone = `response.content_part.done "output_index":0,"item_id":"msg","content_index":0,"part":{"type":"output_text","text":"hi"}`
	respDone     = `response.output_item.done "output_index":0,"item":` + respItem
	respEnd      = `response.completed "response":{"id":"r","object":"response","model":"m","status":"completed","output":[` + respItem + `],"usage":{"input_tokens":3,"output_tokens":2,"total_tokens":5}}`
	respError    = `error "code":"server_error","message":"no"`
	respFailed   = `response.failed "response":{"id":"r","object":"response","status":"failed","error":{"code":"server_error","message":"no"}}`
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

		{"responses: whole", respond(respCreated, respProgress, respAdded, respPart, respDelta, respText, respPartDone, respDone, respEnd), Whole},
		{"responses: just ends", respond(respCreated, respProgress, respAdded, respPart, respDelta), Cut},
		{"responses: no end", respond(respCreated, respProgress, respAdded, respPart, respDelta, respText, respPartDone, respDone), Cut},
		{"responses: end inside an item", respond(respCreated, respAdded, respPart, respDelta, respEnd), Garbled},
		{"responses: a gap in the numbers", strings.Replace(respond(respCreated, respAdded, respPart, respDelta, respText, respPartDone, respDone, respEnd), "number\":3", "number\":4", 1), Garbled},
		{"responses: another text at the end", strings.Replace(respond(respCreated, respAdded, respPart, respDelta, respText, respPartDone, respDone, respEnd), "\"text\":\"hi\"}]}]", "\"text\":\"ho\"}]}]", 1), Garbled},
		{"responses: another text of the item", strings.Replace(respond(respCreated, respAdded, respPart, respDelta, respText, respPartDone, respDone, respEnd), "delta\":\"hi", "delta\":\"ho", 1), Garbled},
		{"responses: an item that is not said whole", respond(respCreated, respAdded, respPart, respDelta, respDone, respEnd), Garbled},
		{"responses: a delta outside", respond(respCreated, respDelta), Garbled},
		{"responses: an item of the end is missing", respond(respCreated, strings.Replace(respEnd, "completed\",\"output", "completed\",\"x\":[],\"output", 1)), Garbled},
		{"responses: an error", respond(respCreated, respAdded, respPart, respDelta, respError), Refusal},
		{"responses: an error, and the response has failed", respond(respCreated, respAdded, respPart, respDelta, respError, respFailed), Refusal},
		{"responses: failed", respond(respCreated, respFailed), Refusal},
		{"responses: an error that was not counted", respond(respCreated, respAdded, respPart, respDelta) + respond(respError), Garbled},
		{"responses: an error, then more", respond(respCreated, respAdded, respPart, respError, respDelta), Garbled},
		{"responses: more after the end", respond(respCreated, respAdded, respPart, respDelta, respText, respPartDone, respDone, respEnd, respDelta), Garbled},

		{"gemini: whole", partHi + "\r\n\r\n" + partStop, Whole},
		{"gemini: just ends", partHi, Cut},
		{"gemini: more after the finish", partHi + partStop + partHi, Garbled},
		{"gemini: two answers in one", partHi + strings.Replace(partStop, "\"r\"", "\"s\"", 1), Garbled},
		{"gemini: a sum that is none", partHi + strings.Replace(partStop, ":5}", ":4}", 1), Garbled},
		{"gemini: a finish without usage", partHi + strings.Replace(partStop, "usageMetadata", "other", 1), Garbled},
		{"gemini: a part of another kind", strings.Replace(partHi, "\"text\"", "\"words\"", 1) + partStop, Garbled},
		{"gemini: an error", partHi + partErr, Refusal},
		{"gemini: an error, then more", partHi + partErr + partHi, Garbled},
	} {
		m := Mode{Stream: true}
		for d, p := range protocols {
			if name, _, _ := strings.Cut(c.name, ":"); name == strings.ToLower(p.title) {
				m.Dialect = d
			}
		}
		a := &Answer{Status: 200}
		r := &Run{Mode: m, began: time.Now()}
		a.settle(r.readStream(strings.NewReader(c.body), &Ask{}, a, nil))
		if a.Kind != c.want {
			t.Errorf("%s: read as %s %v %s, want %s", c.name, a.Kind, a.Disorder, a.Broken, c.want)
		}
		if a.Kind == Whole && (a.Text != "hi" || a.Usage == nil || a.Usage.Input != 3 || a.Usage.Output != 2) {
			t.Errorf("%s: text %q, usage %+v", c.name, a.Text, a.Usage)
		}
	}
}

// TestTextsAreCompared: a lost, doubled or foreign piece is a wrong answer, however well-formed.
func TestTextsAreCompared(t *testing.T) {
	whole := sim.Text(tokens)
	for _, text := range []string{"", sim.Text(tokens - 1), whole + "x", strings.Replace(whole, "train ", "", 1), sim.Text(40) + whole} {
		var j Judgement
		j.whole(&Answer{Kind: Whole, Text: text, Usage: &Usage{Input: 1, Output: tokens}}, tokens, Fail)
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
	if got, want := strings.Join(names, " "), "cut cut+complete cut+resume dns leave-before leave-in-line leave-in-wait leave-in-hold leave-beside leave-while-held leave-mid-stream"; got != want {
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
