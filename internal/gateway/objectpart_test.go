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
		item.ID, item.Tail, item.Part = "conv_1", "/items", "msg_1/../x"
		if w := r.object("GET", otherKey, item, ""); w.Code != 404 || len(r.attempts) != 1 {
			t.Errorf("another key: %d %s", w.Code, w.Body)
		}
		for _, method := range []string{"GET", "DELETE", "GET"} {
			if w := r.object(method, testKey, item, ""); w.Code != 200 {
				t.Errorf("%s: %d %s", method, w.Code, w.Body)
			}
			if last := r.attempts[len(r.attempts)-1]; !strings.HasSuffix(last.url, "/conversations/conv_1/items/msg_1%2F..%2Fx") {
				t.Errorf("asked %s", last.url)
			}
		}
		if len(kept) != 1 {
			t.Errorf("the conversation is forgotten: %v", kept)
		}
	})
}
