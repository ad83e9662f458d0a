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

	// alive counts what callers of it are shown while a stream is silent, and says what that is.
	alive func(a *Answer) (n int, what string)
	// Of its providers' streams: how many events come before the first content, whether there is an
	// event that ends a stream whose finish reason has been seen, whether text stands in blocks with
	// a beginning and an end, whether a lost piece of text may be skipped, and whether thoughts are
	// shown as they come, always or to callers whose dialect asks for them.
	before                         int
	terminal, blocks, skips        bool
	thinks, thinksIfAsked, asksFor bool
	// What its providers say, in part, of a prompt that is too long, of one whose content is refused
	// (empty: they answer, and declined is the finish reason) and of a key.
	tooLong, refused, badKey string
	// declined is the finish reason of an answer that was not given.
	declined string
}

var protocols = map[domain.Dialect]*protocol{
	domain.DialectAnthropic: {
		title: "Messages", platform: "anthropic",
		path: func(bool) string { return "/v1/messages" }, header: messagesHeader, members: messagesMembers,
		stream: func(a *Answer) streamReader { return &messagesStream{a: a} }, whole: readMessage,
		alive: func(a *Answer) (int, string) { return a.Pings, "pings" }, before: 3, terminal: true, blocks: true, thinks: true, asksFor: true,
		tooLong: "prompt is too long", refused: "content filtering policy", badKey: "invalid x-api-key", declined: "refusal",
	},
	domain.DialectOpenAIChat: {
		title: "Completions", platform: "openai", alone: "openai-compatible", base: "/v1",
		path: func(bool) string { return "/v1/chat/completions" }, header: bearer, members: completionsMembers,
		stream: func(a *Answer) streamReader { return &completionsStream{a: a} }, whole: readCompletion,
		alive: comments, before: 1, terminal: true, skips: true,
		tooLong: "maximum context length", refused: "usage policy", badKey: "Incorrect API key provided", declined: "content_filter",
	},
	domain.DialectOpenAIResp: {
		title: "Responses", platform: "openai", base: "/v1",
		path: func(bool) string { return "/v1/responses" }, header: responsesHeader, members: responsesMembers,
		stream: func(a *Answer) streamReader { return &responsesStream{a: a} }, whole: readResponse,
		alive: comments, before: 4, blocks: true, thinksIfAsked: true, asksFor: true,
		tooLong: "context window", refused: "usage policy", badKey: "Incorrect API key provided", declined: "content_filter",
	},
	domain.DialectGeminiContent: {
		title: "Gemini", platform: "gemini",
		path: geminiPath, header: geminiHeader, members: geminiMembers,
		stream: func(a *Answer) streamReader { return &geminiStream{a: a} }, whole: readGemini,
		alive: func(a *Answer) (int, string) { return a.Blanks, "blank lines" }, thinksIfAsked: true, asksFor: true,
		tooLong: "exceeds the maximum number of tokens allowed", badKey: "invalid authentication credentials", declined: "SAFETY",
	},
}

func comments(a *Answer) (int, string) { return a.Comments, "comments" }

// bearer is how the callers of most protocols show their key, and how other clients than
// Claude Code name their session.
func bearer(h http.Header, key, session string) {
	h.Set("Authorization", "Bearer "+key)
	if session != "" {
		h.Set("X-Session-Id", session)
	}
}
