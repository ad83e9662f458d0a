package gateway

import (
	"strings"
	"testing"
	"testing/synctest"

	"turnout/internal/dialect/responses"
)

// An item of a conversation is one key's own as the conversation is, and lives where that lives. Deleting it leaves the
// conversation there.
func TestConversationItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, kept := ownedRig(t, account{name: "a"})
		r.on("a", status(200, `{"id":"conv_1","object":"conversation"}`))
		whole := ObjectCall{Dialect: responses.Dialect{}, Collection: "/v1/conversations"}
		if w := r.object("POST", testKey, whole, "{}"); w.Code != 200 || len(kept) != 1 {
			t.Fatalf("%d %s, %v", w.Code, w.Body, kept)
		}
		item := whole
		item.ID, item.Tail, item.Part = "conv_1", "/items", "msg_1"
		if w := r.object("GET", otherKey, item, ""); w.Code != 404 || len(r.attempts) != 1 {
			t.Errorf("another key: %d %s", w.Code, w.Body)
		}
		for _, method := range []string{"GET", "DELETE", "GET"} {
			if w := r.object(method, testKey, item, ""); w.Code != 200 {
				t.Errorf("%s: %d %s", method, w.Code, w.Body)
			}
			if last := r.attempts[len(r.attempts)-1]; !strings.HasSuffix(last.url, "/conversations/conv_1/items/msg_1") {
				t.Errorf("asked %s", last.url)
			}
		}
		if len(kept) != 1 {
			t.Errorf("the conversation is forgotten: %v", kept)
		}
	})
}

// A part of a path that may be more than one leads nowhere: behind it would be another key's object.
func TestPathsOfObjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, kept := ownedRig(t, account{name: "a"})
		r.on("a", status(200, `{}`))
		kept.has(1, "conv_1", 1)
		for part, want := range map[string]int{
			"msg_1": 200, "msg-1.2~A=:@": 200, "a..b": 200, "../../conv_other": 400, "..": 400, ".": 400, "a/b": 400, `..\..\conv_other`: 400, "%2e%2e": 400, "a?b": 400, "a#b": 400, "a;b": 400,
			"a\x00": 400, "a b": 400, "ä": 400, strings.Repeat("a", 600): 400,
		} {
			before := len(r.attempts)
			item := ObjectCall{Dialect: responses.Dialect{}, Collection: "/v1/conversations", ID: "conv_1", Tail: "/items", Part: part}
			if w := r.object("GET", testKey, item, ""); w.Code != want || len(r.attempts) > before != (want == 200) {
				t.Errorf("%q: %d %s", part, w.Code, w.Body)
			}
			if kept.has(1, part, 1); want != 200 {
				if w := r.object("GET", testKey, ObjectCall{Dialect: responses.Dialect{}, Collection: "/v1/conversations", ID: part}, ""); w.Code != want {
					t.Errorf("%q: %d %s", part, w.Code, w.Body)
				}
			}
		}
	})
}
