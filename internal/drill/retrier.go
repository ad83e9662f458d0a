package drill

import (
	"context"
	"strconv"
	"time"

	"turnout/internal/domain"
)

// turnAttempts is how many upstream requests a user's turn may cost, whatever the client
// does by itself.
const turnAttempts = 8

// codexAgent is how Codex names itself.
const codexAgent = "codex_exec/0.169.0 (Debian 13.0.0; x86_64) unknown"

// claudeSession is a session as Claude Code names it.
const claudeSession = "11111111-2222-4333-8444-555555555555"

// The clients' own retries, as captured from Claude Code 2.1.330, Codex 0.169.0 and Gemini CLI 0.61.0.
var (
	claudeCodeWaits = []time.Duration{
		500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second,
		32 * time.Second, 32 * time.Second, 32 * time.Second, 32 * time.Second,
	}
	// Within each of Codex's tries of a stream, 5xx are asked again quickly.
	codexQuick  = []time.Duration{200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, 1600 * time.Millisecond}
	geminiWaits = []time.Duration{
		5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second, 30 * time.Second, 30 * time.Second, 30 * time.Second, 30 * time.Second, 30 * time.Second,
	}
	codexStreams = []time.Duration{200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, 1600 * time.Millisecond, 4 * time.Second}
)

// retriers are the rows of clients that ask again by themselves.
func retriers() []*Scenario {
	nobody := func(words1 string) func(Mode) []Account {
		return func(m Mode) []Account {
			list := pf(words1)(m)
			list[1].Behaviour = words(words1)
			return list
		}
	}
	judge := func(r *Run, j *Judgement) {
		for _, a := range r.Answers {
			j.want(a.Kind == Refusal, Fail, "no clean error: %s", a)
		}
		j.want(len(r.Attempts) <= turnAttempts, Partial, "%d upstream requests in one turn, of %d by the client; at most %d should be made", len(r.Attempts), len(r.Answers), turnAttempts)
	}
	claude := Scenario{
		Does: "and F too, always 503; the caller is Claude Code, which asks eleven times", Must: "at most 8 upstream requests in the turn",
		Modes: only("Claude Code streams Messages", func(m Mode) bool { return m.Dialect == domain.DialectAnthropic && m.Stream }),
		Ask:   Ask{Same: true, Session: claudeSession}, Play: claudeCode, Judge: judge, Lasts: 6 * time.Minute,
	}
	codex := Scenario{
		Does: "and F too, always 503; the caller is Codex, which asks thirty times", Must: "at most 8 upstream requests in the turn",
		Modes: only("Codex streams Responses", func(m Mode) bool { return m.Dialect == domain.DialectOpenAIResp && m.Stream }),
		Ask:   Ask{Same: true, Session: claudeSession, Header: map[string]string{"User-Agent": codexAgent}}, Play: codexTurn, Judge: judge, Lasts: 6 * time.Minute,
	}
	gemini := Scenario{
		Name: "gemini-cli-503", Does: "and F too, always 503; the caller is Gemini CLI, which asks ten times", Must: "at most 8 upstream requests in the turn",
		Modes: only("Gemini CLI streams Gemini", func(m Mode) bool { return m.Dialect == domain.DialectGeminiContent && m.Stream }),
		Ask:   Ask{Same: true}, Play: geminiTurn, Judge: judge, Lasts: 4 * time.Minute, Accounts: nobody("fail503"),
	}
	var out []*Scenario
	for _, f := range []struct{ name, words, status string }{
		{"503", "fail503", "503"}, {"529", "overloaded529", "529"}, {"cut", "cut40", "streams that break"},
	} {
		s := claude
		s.Name, s.Accounts = "claude-code-"+f.name, nobody(f.words)
		s.Does = "and F too, always " + f.status + "; the caller is Claude Code, which asks eleven times"
		out = append(out, &s, asModels(&s, domain.FallbackAny))
	}
	for _, f := range []struct{ name, words, status string }{
		{"503", "fail503", "503"}, {"reset", "reset", "reset connections"}, {"cut", "cut40", "streams that break"},
	} {
		s := codex
		s.Name, s.Accounts = "codex-"+f.name, nobody(f.words)
		s.Does = "and F too, always " + f.status + "; the caller is Codex, which asks thirty times"
		out = append(out, &s, asModels(&s, domain.FallbackAny))
	}
	return append(out, &gemini)
}

// stated is what an answer's Retry-After asks for. Gateways state whole seconds of the
// clock, so it is not shortened.
func (a *Answer) stated() time.Duration {
	n, err := strconv.Atoi(a.RetryAfter)
	if err != nil || n < 0 {
		return 0
	}
	return time.Duration(n) * time.Second
}

// retryable are the statuses that both clients ask again for; a broken stream is one as well.
func (a *Answer) retryable() bool {
	return a.Kind != Whole && (a.Status == 429 || a.Status >= 500 || a.Status == 200 || a.Status == 0)
}

// longestStated is how long a client of a shortened story waits because it was told to.
// A minute's wait would not be short; to come back too early only makes it harder for the gateway.
const longestStated = 4 * time.Second

// pause waits as a client does: its own backoff of the story, or what was stated if that
// is longer.
func (r *Run) pause(ctx context.Context, own, stated time.Duration) bool {
	if r.Pace.Scale > 1 {
		stated = min(stated, longestStated)
	}
	t := time.NewTimer(max(r.Pace.of(own), stated))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func claudeCode(ctx context.Context, r *Run) {
	for try := 0; ; try++ {
		a := r.Send(ctx, &r.Scenario.Ask)
		if !a.retryable() || try == len(claudeCodeWaits) || !r.pause(ctx, claudeCodeWaits[try], a.stated()) {
			return
		}
	}
}

// geminiTurn knows no Retry-After.
func geminiTurn(ctx context.Context, r *Run) {
	for try := 0; ; try++ {
		a := r.Send(ctx, &r.Scenario.Ask)
		if !a.retryable() || try == len(geminiWaits) || !r.pause(ctx, geminiWaits[try], 0) {
			return
		}
	}
}

func codexTurn(ctx context.Context, r *Run) {
	for stream := 0; ; stream++ {
		var a *Answer
		for quick := 0; ; quick++ {
			a = r.Send(ctx, &r.Scenario.Ask)
			if a.Status < 500 && a.Status != 0 || quick == len(codexQuick) || !r.pause(ctx, codexQuick[quick], 0) {
				break
			}
		}
		if !a.retryable() || stream == len(codexStreams) || !r.pause(ctx, codexStreams[stream], a.stated()) {
			return
		}
	}
}
