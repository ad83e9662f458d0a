package gateway

import (
	"net/http"
	"strings"
	"time"

	"turnout/internal/domain"
)

// keepAlive is how a silent stream shows one caller that it is alive.
type keepAlive struct {
	every   time.Duration // of silence; 0: never
	between []byte        // outside of any block
	inside  bool          // in a block an empty delta of its own, because the caller soon takes pings for silence
}

// aliveRow is what one client takes for a sign of life in one dialect.
type aliveRow struct {
	agent   string // how its User-Agent begins; empty: every other client
	dialect domain.Dialect
	inside  bool
	every   time.Duration // the interval that suits it best; 0: the pool's own
	between []byte        // outside of any block; nil: the dialect's own
	sign    [2]string     // what it is called, outside and inside of a block
	why     string
}

// responseAlive is the event that OpenAI itself sends in long silences, without a number (see package responses).
var responseAlive = []byte("event: keepalive\ndata: {\"type\":\"keepalive\"}\n\n")

// aliveRows is the table of clients, the first match holds. docs/failover.md repeats it
// for readers, and a test compares them. test/clients proves it with the real ones.
//
// Claude Code (2.1.330) gives a stream up after 300 s without a byte, and after 300 s without an
// event. For the second, its source has it, bytes without an event (pings) stand for one 30 times in
// a row, at most once in 10 s, wherever they come; any delta, an empty one too, begins the count anew.
// `make clients-long` bears it out: a silence inside a block lasts as long as it likes with empty deltas
// (800 s were tried), and 600 to 750 s with pings. Before the first event and between blocks there is
// nothing but pings: 600 to 680 s with one in 10 s, 765 s with one in 15 s, 1,230 s with one in 30 s. Then
// it asks again; inside a block of text, without a stream. Without an answer's header it gives up after 360 s.
var aliveRows = []aliveRow{
	{"claude-cli/", domain.DialectAnthropic, true, 30 * time.Second, nil, [2]string{"ping", "empty delta"}, "its watchdog counts 30 pings in a row for life and no more, so rarer ones last longer; and every delta"},
	{"", domain.DialectAnthropic, false, 0, nil, [2]string{"ping", "ping"}, "the SDKs skip pings wherever they come"},
	{"", domain.DialectOpenAIChat, false, 0, nil, [2]string{"comment", "comment"}, "the protocol has no ping; every reader skips a comment"},
	{"codex", domain.DialectOpenAIResp, true, 0, responseAlive, [2]string{"keepalive event", "keepalive event"}, "its watchdog takes only events for life, and it skips those that it does not know"},
	{"", domain.DialectOpenAIResp, false, 0, nil, [2]string{"comment", "comment"}, "the protocol has no ping; every reader skips a comment"},
	{"", domain.DialectGeminiContent, false, 0, nil, [2]string{"blank lines", "blank lines"}, "comments and empty chunks break one SDK or another; all skip blank lines"},
}

// usualKeepAlive is a pool's interval where it does not say so itself. One that asks for
// less has a reason, such as a proxy with little patience.
const usualKeepAlive = 15 * time.Second

// aliveFor finds how a caller's stream is kept alive. every is the pool's interval.
func aliveFor(h http.Header, d domain.Dialect, every time.Duration, between []byte) keepAlive {
	k := keepAlive{every: every, between: between}
	agent := first(h, "User-Agent")
	for i := range aliveRows {
		row := &aliveRows[i]
		if row.dialect != d || !strings.HasPrefix(agent, row.agent) {
			continue
		}
		k.inside = row.inside
		if row.between != nil {
			k.between = row.between
		}
		if row.every > 0 && every >= usualKeepAlive {
			k.every = row.every
		}
		break
	}
	return k
}
