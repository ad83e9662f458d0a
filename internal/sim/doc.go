// Package sim is the simulated providers: an http.Handler that answers as the
// Anthropic Messages, OpenAI Chat Completions, OpenAI Responses and Gemini APIs do, healthy or failing on
// demand, and a server that listens with it. It is behind `turnout sim`,
// `turnout demo`, the end-to-end tests and the fault drill.
//
// It must never be reachable from the request path of the gateway, and never
// calls anything outside this machine. Its keys open nothing.
//
// Start reading at exchange.go (one request, in the order in which a provider
// looks at it); fault.go says what can go wrong, play.go does it.
//
// # Words
//
// Behaviour is asked for by dash-separated words in the key, or else in the
// model's name, as in sk-sim-a-fail429x3-ra2. A part that is no word is ignored,
// because names hold anything. Provider.Set gives a key its behaviour without
// words. What the key says wins over what the model says, field by field; the
// key's faults come before the model's.
//
// A fault may end in x<times>: it is then used up after so many requests for an
// answer (with the key; for a fault in a model's name: with the model, whichever
// the key). Several faults are used up in their order: fail429x2-fail503x1 is two
// 429, one 503, then health. Faults without a number of times also answer
// count_tokens and the lists of models.
//
// All durations of this table except those in seconds, which are only stated,
// are divided by Options.Speed.
//
//	org-<name>        key only: the organisation, which shares a prompt cache
//
//	n<count>          text pieces, each one event and one token (20)
//	d<ms>             pause between content events
//	ttft<ms>          silence before the status line
//	headersthen<ms>   headers at once, then silence before the first event
//	think<ms>         healthy thinking before the text: pings and thinking deltas
//	                  (Anthropic), silence (OpenAI)
//	ping<ms>          distance of pings while thinking (15000)
//	trickle[<bytes>]  write the body in slices of so many bytes (3)
//	drip<ms>          pause between the slices of a trickle
//	compose<ms>       silence between a tool call and its arguments (pings: Anthropic)
//	frag<bytes>       tool arguments in pieces of so many bytes (12)
//	args<bytes>       tool arguments of at least so many bytes
//	gzip              compress the answer if the request accepts it
//	unified[<%>]      Anthropic: a subscription's limit headers, so much used (50)
//	refusal           200 with the model's own refusal
//	noprefill         400 for a prompt that ends in an assistant's turn
//	goaway            close the connection after the answer (HTTP/2: GOAWAY)
//	flap<ms>          faults on and off by turns, each for so long (503 if none is named)
//	down<ms>          faults end so long after the first request; a reset that they state
//	                  is that end
//	share<%>          faults act on so many of a hundred requests, evenly
//	after<count>      faults begin after so many requests for an answer
//
//	fail<status>      this status with the format's own error body
//	html<status>      this status with an HTML page
//	auth401 perm403 overloaded529
//	quota             OpenAI 429 insufficient_quota; Anthropic 400, usage limit reached
//	credit            Anthropic 400, credit balance is too low; OpenAI 429 billing_not_active
//	unified5h[<s>]    Anthropic 429, five-hour window used up, reset so far off (7200)
//	unified7d[<s>]    Anthropic 429, seven-day window used up (259200)
//	ctxlen            400, the prompt is too long
//	refused           400, the provider refuses the prompt
//	nomodel           404, no such model
//	reset             connection reset before any header
//	eof               connection closed in order, without an answer
//	hang              the request is read and never answered
//	redirect          307 to /redirected and the asked path
//	cut[<events>]     connection closed after so many content events (JSON: half way)
//	rst[<events>]     the same with a reset
//	stall[<events>]   silence after so many content events (JSON: half way)
//	jsonstall         a JSON body stops half way; streams are healthy
//	malformed[<events>]  then one content event that is not JSON
//	errevent[<events>]   then an error event in the 200, and the end
//	errstart          the same after the start events and before any content
//	empty             200 without a body or an event
//	nofinish          all content, then an orderly end without finish reason
//	nosentinel        finish reason, but no message_stop or [DONE]
//	openend           finish reason, then silence
//	garbage           an event that is not JSON between the content and the finish reason
//	badgzip           says gzip and is not
//
// Beside a fault:
//
//	ra<s> ram<ms> rad<s>  state retry-after, in whole seconds, milliseconds or as a date
//	window<s>         no retry-after, but limit headers with this reset
//	es<status>        the status whose error an errevent carries
//
// A key that begins with sk-bad is refused with 401 (OpenAI's text quotes its
// tail). A 429 without ra and window carries no limit headers at all.
//
// # Gemini
//
// Its requests are known by their paths (v1, v1beta, v1alpha; models/{model}:{verb}), or by
// x-goog-api-key or ?key= where a path is others' too. A stream is events with alt=sse, else one JSON
// array. What the words mean there, where the API has another way to say it:
//
//	quota             429 with a QuotaFailure of the day
//	credit            429, prepayment credits are depleted
//	unified5h …       429 with that RetryInfo
//	refused refusal   200 with promptFeedback; 200 with the finish reason SAFETY
//	overloaded529     503 UNAVAILABLE, also the error of an errevent
//	ra ram rad window RetryInfo in the body, with a QuotaFailure of the minute in a 429; no headers
//	nosentinel        a healthy stream (an array without its closing bracket): there is no sentinel
//	errstart          the event that comes before is a chunk without candidates
//	compose           silence before a call, which comes whole; frag says nothing
//
// A key that begins with sk-bad is refused with 400, as a bearer with 401. Models with gemini-3 in their name
// give their calls ids, sign the first one of an answer, and refuse it without its signature until the
// user speaks again; the dummies that Google documents are taken.
//
// # Responses
//
// OpenAI's other API answers at /v1/responses: POST, with compact and input_tokens beside it; GET (also
// stream=true) and DELETE of /v1/responses/{id}, its cancel and its input_items. Errors, keys and limits are those of
// Chat Completions. What the words mean there, where the API has another way to say it:
//
//	think compose     in long silences an event "keepalive", every ping<ms>; summaries of reasoning
//	                  if the request asks for them
//	errevent errstart two events, "error" and "response.failed" (JSON: a failed response)
//	nosentinel        a healthy stream: the finish and the end are one event
//	openend           silence behind that event
//
// Reasoning is asked for by an effort or a summary. Encrypted, it is good in its organisation alone; so are stored
// responses, their items, and what was compacted. A prompt asks for a tool in a namespace as
// "use tool NAMESPACE.NAME"; a custom tool gets the text of what stands behind "with" (of
// {"input": "…"}: that text), or a sample.
//
// # Answers
//
// The text is Text(n). An answer calls a tool if the last message is the user's,
// names an offered tool as "use tool NAME" (optionally " with {…}", its
// arguments), or if tool_choice forces one; after a tool's result it is text. If the request asks
// for an output by a JSON schema, the text is a sample that fits it.
// Usage is estimated from the body at four bytes a token and is consistent: what
// count_tokens says, the parts of the prompt add up to. Prompt caches belong to
// an organisation and a model and follow the provider's rules (cache.go).
//
// Not simulated: several choices (n), log probabilities, custom tools of Chat Completions, stop
// sequences, conversations, tools that a provider runs, OpenAI's embeddings. Real-time limits: a limit is only ever stated, not kept.
package sim
