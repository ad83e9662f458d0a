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
	inside  bool          // in a block an empty delta of its own, because the caller takes a ping there for silence
}

// aliveRow is what one client takes for a sign of life in one dialect.
type aliveRow struct {
	agent   string // how its User-Agent begins; empty: every other client
	dialect domain.Dialect
	inside  bool
	most    time.Duration // at least one sign in so long; 0: the pool's own interval
	why     string
}

// aliveRows is the table of clients, the first match holds. docs/failover.md repeats it
// for readers, and a test compares them. test/clients proves it with the real ones.
var aliveRows = []aliveRow{
	{"claude-cli/", domain.DialectAnthropic, true, 30 * time.Second, "its watchdog counts pings between blocks, and inside one only the block's own deltas"},
	{"", domain.DialectAnthropic, false, 0, "the SDKs skip pings wherever they come"},
	{"", domain.DialectOpenAIChat, false, 0, "the protocol has no ping; every reader skips a comment"},
}

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
		if row.most > 0 && every > row.most {
			k.every = row.most
		}
		break
	}
	return k
}
