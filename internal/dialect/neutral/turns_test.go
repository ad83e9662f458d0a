package neutral_test

import (
	"fmt"
	"strings"
	"testing"

	"turnout/internal/dialect/neutral"
	"turnout/internal/dialect/neutral/neutraltest"
)

// chatCall is a delta of a call in a stream of Chat Completions. With a name it begins the call.
func chatCall(index int, name, arguments string) string {
	id := ""
	if name != "" {
		id = fmt.Sprintf(`"id":"call_%s","type":"function",`, name)
		name = fmt.Sprintf(`"name":%q,`, name)
	}
	return fmt.Sprintf("data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":%d,%s\"function\":{%s\"arguments\":%q}}]}}]}\n\n",
		index, id, name, arguments)
}

const chatEnd = "data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n"

func item(index int, typ, more string) string {
	return fmt.Sprintf("data: {\"type\":\"response.%s\",\"output_index\":%d,%s}\n\n", typ, index, more)
}

// callItem is the begin or the end of a call in a stream of Responses.
func callItem(index int, what, name, arguments string) string {
	return item(index, "output_item."+what, fmt.Sprintf(`"item":{"type":"function_call","call_id":"call_%s","name":%q,"arguments":%q}`, name, name, arguments))
}

func argsDelta(index int, arguments string) string {
	return item(index, "function_call_arguments.delta", fmt.Sprintf(`"delta":%q`, arguments))
}

// Calls whose deltas come in turns reach callers of every dialect one after the other, each whole.
func TestCallsInTurns(t *testing.T) {
	streams := map[string]struct {
		from   party
		stream string
	}{
		"chat": {parties[1], chatCall(0, "one", "") + chatCall(1, "two", "") + chatCall(0, "", `{"a":`) + chatCall(1, "", `{"b":"}`) +
			chatCall(2, "three", "") + chatCall(1, "", `\"{"}`) + chatCall(0, "", `[1]}`) + chatCall(2, "", `{"c":{}}`) + chatEnd},
		"chat, the later call first": {parties[1], chatCall(0, "one", "") + chatCall(1, "two", `{"b":"}\"{"}`) + chatCall(2, "three", `{"c":{}`) +
			chatCall(0, "", `{"a":[1]}`) + chatCall(2, "", `}`) + chatEnd},
		"responses": {parties[2], callItem(0, "added", "one", "") + callItem(1, "added", "two", "") + argsDelta(1, `{"b":"}`) + argsDelta(0, `{"a":[1]`) +
			callItem(2, "added", "three", "") + argsDelta(0, `}`) + callItem(0, "done", "one", `{"a":[1]}`) + argsDelta(1, `\"{"}`) +
			argsDelta(2, `{"c":{}}`) + callItem(2, "done", "three", `{"c":{}}`) + callItem(1, "done", "two", `{"b":"}\"{"}`) +
			"data: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\"}}\n\n"},
		"responses, never done": {parties[2], callItem(0, "added", "one", "") + callItem(1, "added", "two", "") + callItem(2, "added", "three", "") +
			argsDelta(2, `{"c":{}}`) + argsDelta(1, `{"b":"}\"{"}`) + argsDelta(0, `{"a":[1]}`) +
			"data: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\"}}\n\n"},
	}
	want := []struct{ name, args string }{{"one", `{"a":[1]}`}, {"two", `{"b":"}\"{"}`}, {"three", `{"c":{}}`}}
	for name, c := range streams {
		for _, to := range parties {
			if to.ID() == c.from.ID() {
				continue
			}
			t.Run(name+" to "+to.ID().String(), func(t *testing.T) {
				_, a, err := neutraltest.Decode(to.NewDecoder(), to.follows(t, c.from, []byte(c.stream)))
				if err != nil {
					t.Fatal(err)
				}
				var calls []neutral.Block
				for _, b := range a.Blocks {
					if b.Kind == neutral.KindToolUse {
						calls = append(calls, b)
					}
				}
				if len(calls) != len(want) {
					t.Fatalf("the caller sees %d calls", len(calls))
				}
				for i, w := range want {
					if calls[i].Name != w.name || neutraltest.Canonical(calls[i].Args) != neutraltest.Canonical([]byte(w.args)) {
						t.Errorf("call %d is %s %s", i, calls[i].Name, calls[i].Args)
					}
				}
			})
		}
	}
}

// Calls that come one after the other wait for nothing: each piece of arguments goes on as it comes.
func TestCallsInOrderWaitForNothing(t *testing.T) {
	for _, c := range []struct {
		from   party
		events []string
	}{
		{parties[1], []string{chatCall(0, "one", `{"a":1}`), chatCall(1, "two", ""), chatCall(1, "", `{"b":`), chatCall(1, "", `"c"`)}},
		{parties[2], []string{callItem(0, "added", "one", ""), argsDelta(0, `{"a":1}`), callItem(0, "done", "one", `{"a":1}`), callItem(1, "added", "two", ""), argsDelta(1, `{"b":`), argsDelta(1, `"c"`)}},
	} {
		d := c.from.NewDecoder()
		var seen strings.Builder
		for _, ev := range c.events {
			if err := d.Event([]byte(ev), func(ev *neutral.Event) { seen.WriteString(neutraltest.DumpEvent(ev)) }); err != nil {
				t.Fatal(err)
			}
		}
		if !strings.Contains(seen.String(), `added 1 "\"c\""`) {
			t.Errorf("%s: the second call waits:\n%s", c.from.ID(), seen.String())
		}
	}
}
