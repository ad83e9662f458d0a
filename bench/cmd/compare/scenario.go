package main

import (
	"cmp"
	"strings"
	"time"

	"turnout/bench/internal/load"
)

// scenario is one kind of load, and what Turnout may cost under it.
type scenario struct {
	name  string
	title string
	api   *load.API
	// upstream is which of the mock's listeners serves it: plain or secure.
	upstream upstream
	// caller is the secret of Turnout's key, where it is not the listener's: one whose accounts
	// speak another dialect, so that everything is translated.
	caller string
	shape  load.Shape
	chunks int // content chunks of the stream
	// conns is the number of connections. With slow set, each carries one stream;
	// otherwise they send for the run's length.
	conns int
	slow  bool
	ramp  time.Duration // over which they are opened; 0: ramp
	rate  float64       // requests a second; 0: as fast as answers come
	fresh bool          // begins in processes that have answered nothing but a warm-up

	ratio float64 // target: CPU time per request, × the floor's; 0: none
	kib   float64 // target: memory of an open stream, KiB; 0: none
}

type upstream int

const (
	plain  upstream = iota // HTTP/1.1
	secure                 // HTTP/2 over TLS
)

const (
	model     = "mock"
	slowModel = "mock-n20-d100" // 20 chunks, 100 ms apart
	openModel = "mock-n80-d100"
	kib       = 1024

	settle   = 400 * time.Millisecond // Turnout writes its records every 200 ms
	ramp     = 500 * time.Millisecond
	openRamp = 6 * time.Second
)

// The scenarios, in the order in which they run. The targets are for everything
// switched on: key check, stickiness, records, metrics.
var scenarios = []scenario{
	{name: "slow", title: "1,000 streams at once, 20 chunks 100 ms apart, 1 KB body", api: load.OpenAI, shape: load.Shape{Model: slowModel, Size: kib, Stream: true},
		chunks: 20, conns: 1000, slow: true, fresh: true, kib: 60},
	// A body is kept until content comes, here for 100 or 200 ms: with 2,000 streams opening
	// in a second the burst has its own cost, which "open" leaves out.
	{name: "slow-100k", title: "the same behind a 100 KB body", api: load.OpenAI, shape: load.Shape{Model: slowModel, Size: 100_000, Stream: true},
		chunks: 20, conns: 1000, slow: true, fresh: true},
	{name: "open-100k", title: "1,000 streams opened over 6 s, 80 chunks 100 ms apart, 100 KB body", api: load.OpenAI, shape: load.Shape{Model: openModel, Size: 100_000, Stream: true},
		chunks: 80, conns: 1000, slow: true, ramp: openRamp, fresh: true, kib: 60},
	{name: "open-100k-an", title: "the same, Anthropic", api: load.Anthropic, shape: load.Shape{Model: openModel, Size: 100_000, Stream: true},
		chunks: 80, conns: 1000, slow: true, ramp: openRamp, fresh: true, kib: 60},
	{name: "small-oa", title: "1 KB request, 1 KB answer, 64 at once, OpenAI", api: load.OpenAI, shape: load.Shape{Model: model, Size: kib}, conns: 64, fresh: true, ratio: 1.4},
	{name: "small-an", title: "the same, Anthropic", api: load.Anthropic, shape: load.Shape{Model: model, Size: kib}, conns: 64, ratio: 1.4},
	{name: "stream-oa", title: "stream of 100 chunks, 32 at once, OpenAI", api: load.OpenAI, shape: load.Shape{Model: model, Size: kib, Stream: true},
		chunks: 100, conns: 32, ratio: 1.25},
	{name: "stream-an", title: "the same, Anthropic", api: load.Anthropic, shape: load.Shape{Model: model, Size: kib, Stream: true},
		chunks: 100, conns: 32, ratio: 1.25},
	{name: "large-oa", title: "200 KB request, 16 at once, OpenAI", api: load.OpenAI, shape: load.Shape{Model: model, Size: 200_000}, conns: 16, ratio: 1.4},
	{name: "large-an", title: "the same, Anthropic", api: load.Anthropic, shape: load.Shape{Model: model, Size: 200_000}, conns: 16, ratio: 1.4},
	{name: "large-last", title: "200 KB with the model's name at its end", api: load.OpenAI, shape: load.Shape{Model: model, Size: 200_000, ModelLast: true}, conns: 16, ratio: 1.4},
	{name: "translated-oa", title: "1 KB, a Chat Completions caller and a Messages account", api: load.OpenAI, caller: toAnthropic,
		shape: load.Shape{Model: model, Size: kib}, conns: 64, ratio: 3},
	{name: "translated-an", title: "1 KB, a Messages caller and a Chat Completions account", api: load.Anthropic, caller: toOpenAI,
		shape: load.Shape{Model: model, Size: kib}, conns: 64, ratio: 3},
	{name: "translated-stream-oa", title: "stream of 100 chunks, a Chat Completions caller and a Messages account", api: load.OpenAI, caller: toAnthropic,
		shape: load.Shape{Model: model, Size: kib, Stream: true}, chunks: 100, conns: 32, ratio: 4},
	{name: "translated-stream-an", title: "stream of 100 chunks, a Messages caller and a Chat Completions account", api: load.Anthropic, caller: toOpenAI,
		shape: load.Shape{Model: model, Size: kib, Stream: true}, chunks: 100, conns: 32, ratio: 4},
	{name: "h2-small", title: "1 KB, upstream in HTTP/2 over TLS", api: load.OpenAI, upstream: secure, shape: load.Shape{Model: model, Size: kib}, conns: 64},
	{name: "h2-stream", title: "stream of 100 chunks, upstream in HTTP/2 over TLS", api: load.OpenAI, upstream: secure,
		shape: load.Shape{Model: model, Size: kib, Stream: true}, chunks: 100, conns: 32},
	{name: "rate", title: "1 KB at 100 requests a second: latency of a gateway that is not busy", api: load.OpenAI,
		shape: load.Shape{Model: model, Size: kib}, conns: 64, rate: 100},
}

// choose gives the scenarios whose names begin with one of the given words.
func choose(only string) []scenario {
	if only == "" {
		return scenarios
	}
	var chosen []scenario
	for _, s := range scenarios {
		for prefix := range strings.SplitSeq(only, ",") {
			if strings.HasPrefix(s.name, prefix) {
				chosen = append(chosen, s)
				break
			}
		}
	}
	return chosen
}

// config is the load of this scenario on one side.
func (s scenario) config(to *side, length time.Duration) load.Config {
	c := load.Config{
		URL: to.url[s.upstream] + s.api.Path, Headers: map[string]string{"Authorization": "Bearer " + cmp.Or(s.caller, callers[s.upstream])},
		Body: s.api.Body(s.shape), Stream: s.shape.Stream, Concurrency: s.conns, Timeout: 30 * time.Second,
		PID: to.pid[s.upstream], Settle: settle,
	}
	if s.api == load.Anthropic {
		c.Headers["Anthropic-Version"] = "2023-06-01"
	}
	if s.shape.Stream {
		c.Terminal, c.Events = s.api.Terminal, s.chunks+s.api.Frame
	} else {
		c.Expect = "the quick brown fox"
	}
	if s.slow {
		c.Count, c.Ramp = int64(s.conns), cmp.Or(s.ramp, ramp)
	} else {
		c.Duration, c.Rate = length, s.rate
	}
	return c
}
