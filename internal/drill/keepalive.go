package drill

import (
	"fmt"
	"time"

	"turnout/internal/config"
	"turnout/internal/domain"
)

// The silence in the middle of a text, and how often a caller has to be shown that
// its stream is alive.
const (
	midSilence  = 70 * time.Second
	aliveEvery  = defaultKeepAlive
	aliveClaude = 30 * time.Second // Claude Code counts thirty pings in a row for life, so rarer ones last longer
	aliveLate   = time.Second
)

// claudeAgent is how Claude Code names itself.
const claudeAgent = "claude-cli/2.1.330 (external, sdk-cli)"

// keepAlives are the rows of what each client takes for a sign of life.
func keepAlives() []*Scenario {
	silent := Scenario{
		Does: "70 s of silence inside an open text block, after its first token", Lasts: midSilence,
		Accounts: func(m Mode) []Account { return pf(fmt.Sprintf("n2-d%d", millis(midSilence)))(m)[:1] },
		Pool: func(p *config.Pool) {
			p.KeepAlive, p.Commit = defaultKeepAlive, domain.Commit{}
			p.Limits.Text = 5 * time.Minute // or the silence would be a stall
		},
	}
	others := silent
	others.Name, others.Modes = "keep-alive", only("of streams", streaming)
	others.Ask = Ask{Header: map[string]string{"User-Agent": "curl/8.5.0"}}
	others.Must = "pings every 15 s (Completions: comments; Gemini: blank lines) and nothing else; the exact text"
	others.Judge = func(r *Run, j *Judgement) {
		a := r.only()
		alive(r, j, aliveEvery)
		signs, name := r.Mode.caller().alive(a)
		others := a.Pings + a.Comments + a.Blanks + a.Fillers - signs
		j.want(signs >= int(midSilence/aliveEvery), Partial, "%d %s in %s of silence", signs, name, midSilence)
		j.want(others == 0, Partial, "%d other signs of life than %s", others, name)
	}
	claude := silent
	claude.Name, claude.Modes = "keep-alive-claude-code", only("Claude Code streams Messages", func(m Mode) bool { return m.Dialect == domain.DialectAnthropic && m.Stream })
	claude.Ask = Ask{Header: map[string]string{"User-Agent": claudeAgent}, Session: claudeSession}
	claude.Does += "; the caller is Claude Code"
	claude.Must = "an empty delta of the open block every 30 s, because pings alone are no life to it; the exact text"
	claude.Judge = func(r *Run, j *Judgement) {
		a, due := r.only(), int(midSilence/aliveClaude)
		alive(r, j, aliveClaude)
		j.want(a.Fillers >= due, Partial, "%d empty deltas in %s of silence, and %d pings", a.Fillers, midSilence, a.Pings)
		if r.Pace.Scale == 1 { // a pool that asks for less than 15 s, as a shortened one does, gets it
			j.want(a.Fillers <= due, Partial, "%d empty deltas in %s of silence, where one in 30 s is due", a.Fillers, midSilence)
		}
	}
	codex := silent
	codex.Name, codex.Modes = "keep-alive-codex", only("Codex streams Responses", func(m Mode) bool { return m.Dialect == domain.DialectOpenAIResp && m.Stream })
	codex.Ask = Ask{Header: map[string]string{"User-Agent": codexAgent}, Session: claudeSession}
	codex.Does += "; the caller is Codex"
	codex.Must = "the API's own keepalive events every 15 s, because comments are no life to it; the exact text"
	codex.Judge = func(r *Run, j *Judgement) {
		a := r.only()
		alive(r, j, aliveEvery)
		j.want(a.Pings >= int(midSilence/aliveEvery), Partial, "%d keepalive events in %s of silence", a.Pings, midSilence)
	}
	return []*Scenario{&others, &claude, &codex}
}

// alive wants the exact text of one attempt, and no silence longer than that.
func alive(r *Run, j *Judgement, every time.Duration) {
	a := r.only()
	if !j.whole(a, 2, Fail) {
		return
	}
	j.attempts(r, primary, 1, 1)
	j.want(r.Pace.within(a.Longest, every+aliveLate), Partial, "the caller saw no sign of life for %s", short(r.Pace.told(a.Longest)))
}
