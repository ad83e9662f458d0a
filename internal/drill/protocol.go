package drill

import (
	"net/http"

	"turnout/internal/domain"
)

// protocol is what a drill knows of one dialect: how its callers ask and read, and what
// its providers say.
type protocol struct {
	title    string // in the scorecard
	platform string // of accounts that speak it, and alone, which is of accounts that speak nothing else
	alone    string // the same platform where empty
	base     string // what follows the provider's address in their base URL

	path    func(stream bool) string
	header  func(h http.Header, key, session string)
	members func(a *Ask, stream bool) object
	stream  func(a *Answer) streamReader
	whole   func(body []byte, a *Answer) (ended bool) // reads a JSON answer

	// What callers of it see while a stream is silent: ping events, or else comments.
	pings bool
	// Of its providers' streams: how many events come before the first content, whether there is an
	// event that ends a stream whose finish reason has been seen, whether text stands in blocks with
	// a beginning and an end, and whether thoughts are shown as they come.
	before   int
	terminal bool
	blocks   bool
	thinks   bool
	// What its providers say, in part, of a prompt that is too long, of one whose content is
	// refused, and of a key.
	tooLong, refused, badKey string
}

var protocols = map[domain.Dialect]*protocol{
	domain.DialectAnthropic: {
		title: "Messages", platform: "anthropic",
		path: func(bool) string { return "/v1/messages" }, header: messagesHeader, members: messagesMembers,
		stream: func(a *Answer) streamReader { return &messagesStream{a: a} }, whole: readMessage,
		pings: true, before: 3, terminal: true, blocks: true, thinks: true,
		tooLong: "prompt is too long", refused: "content filtering policy", badKey: "invalid x-api-key",
	},
	domain.DialectOpenAIChat: {
		title: "Completions", platform: "openai", alone: "openai-compatible", base: "/v1",
		path: func(bool) string { return "/v1/chat/completions" }, header: bearer, members: completionsMembers,
		stream: func(a *Answer) streamReader { return &completionsStream{a: a} }, whole: readCompletion,
		before: 1, terminal: true,
		tooLong: "maximum context length", refused: "usage policy", badKey: "Incorrect API key provided",
	},
}

// bearer is how the callers of most protocols show their key, and how other clients than
// Claude Code name their session.
func bearer(h http.Header, key, session string) {
	h.Set("Authorization", "Bearer "+key)
	if session != "" {
		h.Set("X-Session-Id", session)
	}
}
