package cli

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"time"

	"turnout/internal/domain"
	"turnout/internal/sched"
)

// trace is a request's decision trace, as package gateway writes it (record.go there
// explains the short names).
type trace struct {
	Version  int            `json:"v"`
	Object   string         `json:"object"`
	Refused  string         `json:"refused"`
	Limit    string         `json:"limit"` // that refused it: "key team: requests"
	Signal   string         `json:"s"`
	Bound    int64          `json:"b"`
	Moved    bool           `json:"x"`
	Former   bool           `json:"p"`
	Commit   string         `json:"cp"`
	Notes    []traceNote    `json:"n"`
	Attempts []traceAttempt `json:"a"`
}

type traceNote []any // at, action, reason, wait, soonest, rests, detail

type traceAttempt struct {
	Account   int64          `json:"a"`
	Model     string         `json:"m"`
	Rule      string         `json:"r"`
	Beside    bool           `json:"bs"`
	NextPool  bool           `json:"np"`
	Resumes   string         `json:"rj"`
	Dialect   string         `json:"tr"`
	Warnings  []string       `json:"wn"`
	InFlight  int            `json:"f"`
	RunnersUp [][]int64      `json:"u"`  // account, in flight, score in milliseconds
	Score     []int64        `json:"sc"` // term by term, in milliseconds
	Stay      int64          `json:"sy"` // score of the session's account where it was weighed
	Counts    map[string]int `json:"c"`
	Began     int64          `json:"t"`
	Header    int64          `json:"h"`
	Content   int64          `json:"o"`
	HeldBound string         `json:"hb"`
	Took      int64          `json:"d"`
	Result    string         `json:"e"`
	Status    int            `json:"st"`
	RequestID string         `json:"i"`
	Usage     []int64        `json:"g"`
	Class     string         `json:"k"`
	Row       string         `json:"w"`
	Type      string         `json:"y"`
	Reset     int64          `json:"rs"`
	Decision  []any          `json:"q"` // action, reason, wait, n, max, detail
	Rests     [][2]any       `json:"z"` // scope, for
}

func readTrace(raw []byte) (*trace, error) {
	var t trace
	if err := json.Unmarshal(raw, &t); err != nil {
		return nil, fmt.Errorf("read the decision trace: %w", err)
	}
	if t.Version != 1 {
		return nil, fmt.Errorf("the decision trace has format %d, which this version does not know; use the version that wrote it", t.Version)
	}
	return &t, nil
}

// rules says in words why an account was chosen.
var rules = map[string]string{
	"pinned": "asked again, as decided", "sticky": "the session is bound to it", "only": "the only one that could serve",
	"priority": "best priority", "load": "least loaded", "idle": "longest unused", "waited": "first to become free",
	"least_bad": "too many were resting, and it fared least badly",
	"score":     "lowest score", "left": "a better score than the session's own account by more than its cache is worth",
	"turn": "its turn", "lot": "by lot", "price": "lowest price", "reset": "its window resets first", "first": "first that is not full",
}

// reasons says in words what the failover core decided by.
var reasons = map[string]string{
	"same_account": "a momentary fault may be gone in a moment", "stated_reset": "the upstream said when to come back",
	"single_account": "there is only this account", "grace": "the conversation's cache is here, so it gets another chance",
	"stay_cheaper": "waiting here costs less than moving", "nowhere_else": "no other account can serve", "rest_over": "its rest is over",
	"still_resting": "it rests a little longer than was known", "switch": "another account may serve",
	"round": "nobody was left: wait and begin again", "still_running": "another attempt is under way",
	"slow": "it is slow", "hedge": "the pool hedges", "move_cheaper": "moving costs less than waiting", "no_stake": "there is no warm cache to lose",
	"stake_expires": "the cache would be cold by then", "cache_shared": "the other account shares the cache", "wait_too_long": "the wait would be too long",
	"cause_lasts": "waiting does not mend this", "committed": "content had gone to the caller", "final_class": "no other account would answer differently",
	"attempts_used": "all attempts were used", "total_used": "the time was used up", "waiting_used": "the wait would exceed what may be waited",
	"switches_used": "all switches were used", "not_switched": "the policy does not switch for this", "no_capacity": "the provider's other accounts fare no better",
	"retries_used": "the provider's retry budget was used up", "rounds_used": "it had begun again before", "no_account": "nobody was left",
	"fallback": "the asked model cannot be served", "brownout": "the provider fails most requests at the moment",
	"beside_used": "another had been started before", "no_alternative": "no other account was free", "wait_cheaper": "moving would cost more than waiting on",
}

// classes says in words what a failure was.
var classes = map[string]string{
	"transient": "a momentary fault", "capacity": "the provider is out of capacity", "rate_limited": "its rate limit is reached",
	"quota_exhausted": "its quota is used up", "credential": "its key is refused", "permission": "its key may not do this",
	"model_gone": "it does not serve the model", "context_too_long": "the prompt is too long", "content_refused": "the provider refuses the content",
	"caller_fault": "the request is wrong", "network_unsent": "no connection", "network_unknown": "the connection broke before an answer",
	"first_token_late": "no answer in time", "stream_cut": "the answer broke off", "stream_stalled": "the answer fell silent",
	"empty_answer": "an empty answer", "unknown": "a failure that nothing recognises",
}

// signals says in words what named a session.
var signals = map[string]string{
	"claude-code-session": "Claude Code's session header", "metadata.user_id": "metadata.user_id", "session-header": "a session header",
	"affinity-header": "an affinity header", "prompt_cache_key": "prompt_cache_key", "previous_response_id": "previous_response_id",
	"derived": "its opening words",
}

func accountName(id int64, name func(domain.AccountID) string) string {
	if id == 0 {
		return "the caller's own seat"
	}
	if n := name(domain.AccountID(id)); n != "" {
		return n
	}
	return fmt.Sprintf("account %d", id)
}

func inWords(table map[string]string, s string) string {
	if w, ok := table[s]; ok {
		return w
	}
	return strings.ReplaceAll(s, "_", " ")
}

func (t *trace) write(b *strings.Builder, name func(domain.AccountID) string) {
	account := func(id int64) string { return accountName(id, name) }
	if t.Object != "" {
		fmt.Fprintf(b, "\n  about what lives at one account: %s\n", t.Object)
		return
	}
	if t.Refused != "" {
		why := strings.ReplaceAll(t.Refused, "_", " ")
		if t.Limit != "" {
			why += " by a limit of callers, " + t.Limit
		}
		fmt.Fprintf(b, "\n  Turnout refused it before any attempt: %s.\n", why)
		return
	}
	switch {
	case t.Bound != 0:
		fmt.Fprintf(b, "  session known by %s, bound to %s", inWords(signals, t.Signal), account(t.Bound))
		if t.Moved {
			b.WriteString(", moved in this request")
		}
		b.WriteString("\n")
	case t.Signal != "none":
		fmt.Fprintf(b, "  session known by %s, not bound before\n", inWords(signals, t.Signal))
	}
	if t.Former {
		b.WriteString("  the caller's own retry: it went on where the last one ended\n")
	}
	if t.Commit != "" {
		fmt.Fprintf(b, "  held back until its commit point: %s\n", strings.Replace(t.Commit, "=", " ", 1))
	}
	notes := t.Notes
	for i := range t.Attempts {
		a := &t.Attempts[i]
		for len(notes) > 0 && number(notes[0], 0) < a.Began {
			notes[0].write(b, account)
			notes = notes[1:]
		}
		a.write(b, i+1, account)
	}
	for _, n := range notes {
		n.write(b, account)
	}
}

func (n traceNote) write(b *strings.Builder, account func(int64) string) {
	fmt.Fprintf(b, "\n  at %s  nothing tried: %s (%s)", ms(number(n, 0)), actionText(text(n, 1), "", 0), inWords(reasons, text(n, 2)))
	if w := number(n, 3); w > 0 {
		fmt.Fprintf(b, ", waiting %s", ms(w))
	}
	if w := number(n, 4); w > 0 {
		fmt.Fprintf(b, "; the first account returns in %s", ms(w))
	}
	if model := text(n, 6); model != "" && text(n, 1) == "fallback" {
		fmt.Fprintf(b, ": %s", model)
	}
	b.WriteString("\n")
	if len(n) > 5 {
		rests, _ := n[5].([]any)
		for _, r := range rests {
			if rest, ok := r.([]any); ok {
				fmt.Fprintf(b, "     %s was resting: %s, %s left\n", account(number(rest, 0)), strings.ReplaceAll(text(rest, 1), "_", " "), ms(number(rest, 2)))
			}
		}
	}
}

func (a *traceAttempt) write(b *strings.Builder, n int, account func(int64) string) {
	beside := ""
	if a.Beside {
		beside = ", beside the slow one"
	}
	switch a.Resumes {
	case "continue":
		beside += ", to go on with the broken answer"
	case "repeat":
		beside += ", to repeat the broken answer and go on"
	}
	if a.NextPool {
		beside += ", in the key's next pool"
	}
	fmt.Fprintf(b, "\n  %d. at %s  %s (%s%s)", n, ms(a.Began), account(a.Account), inWords(rules, a.Rule), beside)
	if a.Model != "" {
		fmt.Fprintf(b, " as %s", a.Model)
	}
	if a.Dialect != "" {
		fmt.Fprintf(b, ", translated into %s", a.Dialect)
	}
	b.WriteString("\n")
	for _, w := range a.Warnings {
		fmt.Fprintf(b, "     %s\n", w)
	}
	if terms := a.terms(); terms != "" {
		fmt.Fprintf(b, "     %s\n", terms)
	}
	if others := a.others(account); others != "" {
		fmt.Fprintf(b, "     not chosen: %s\n", others)
	}
	b.WriteString("     ")
	switch a.Result {
	case "served":
		fmt.Fprintf(b, "answered %d in %s", a.Status, ms(a.Took))
	case "lost":
		fmt.Fprintf(b, "given up after %s: the other attempt was faster", ms(a.Took))
	case "differs":
		fmt.Fprintf(b, "given up after %s: its answer does not begin with what the caller has got", ms(a.Took))
	case "left":
		fmt.Fprintf(b, "cancelled after %s: the caller left", ms(a.Took))
	case "broken":
		fmt.Fprintf(b, "broke after %s, in the middle of the answer", ms(a.Took))
	default:
		fmt.Fprintf(b, "failed after %s", ms(a.Took))
	}
	if a.Class != "" {
		fmt.Fprintf(b, ": %s", inWords(classes, a.Class))
		var how []string
		if a.Status > 0 {
			how = append(how, fmt.Sprintf("status %d", a.Status))
		}
		if a.Type != "" {
			how = append(how, a.Type)
		}
		how = append(how, "by "+a.Row)
		fmt.Fprintf(b, " (%s)", strings.Join(how, ", "))
		if a.Reset > 0 {
			fmt.Fprintf(b, ", reset stated in %s", ms(a.Reset))
		}
	} else if a.Content > 0 {
		fmt.Fprintf(b, ", first content after %s", ms(a.Content))
	}
	if a.HeldBound != "" {
		fmt.Fprintf(b, "; shown before its commit point, because the hold reached its bound of %s", a.HeldBound)
	}
	b.WriteString("\n")
	if len(a.Usage) == 6 {
		u := domain.Usage{Input: a.Usage[0], CacheRead: a.Usage[1], CacheWrite5m: a.Usage[2], CacheWrite1h: a.Usage[3], Output: a.Usage[4], Reasoning: a.Usage[5]}
		fmt.Fprintf(b, "     tokens: %s\n", usageText(u))
	}
	if a.RequestID != "" {
		fmt.Fprintf(b, "     the provider's request id: %s\n", a.RequestID)
	}
	if len(a.Decision) >= 6 {
		fmt.Fprintf(b, "     then: %s (%s)", actionText(text(a.Decision, 0), account(a.Account), number(a.Decision, 2)), inWords(reasons, text(a.Decision, 1)))
		if most := number(a.Decision, 4); most > 0 {
			fmt.Fprintf(b, ", %d of %d", number(a.Decision, 3), most)
		}
		if d := text(a.Decision, 5); d != "" {
			fmt.Fprintf(b, "; %s", d)
		}
		b.WriteString("\n")
	}
	for _, r := range a.Rests {
		scope := strings.ReplaceAll(text(r[:], 0), "_", " × ")
		if d := number(r[:], 1); d < 0 {
			fmt.Fprintf(b, "     the %s rests until its credential changes\n", scope)
		} else {
			fmt.Fprintf(b, "     the %s rests for %s\n", scope, ms(d))
		}
	}
}

// terms says what a score is made of: the terms that are not nothing.
func (a *traceAttempt) terms() string {
	var parts []string
	sum := int64(0)
	for i, t := range a.Score {
		sum += t
		if t != 0 && i < sched.NumTerms {
			parts = append(parts, strings.ReplaceAll(sched.Term(i).String(), "_", " ")+" "+seconds(t))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	text := "score " + seconds(sum) + ": " + strings.Join(parts, ", ")
	if a.Stay != 0 {
		text += "; the session's own account has " + seconds(a.Stay)
	}
	return text
}

// seconds writes milliseconds as seconds.
func seconds(ms int64) string { return fmt.Sprintf("%.2f s", float64(ms)/1000) }

// others says who else could have been asked, and why the rest could not.
func (a *traceAttempt) others(account func(int64) string) string {
	var parts []string
	for _, u := range a.RunnersUp {
		if len(u) < 2 {
			continue
		}
		text := fmt.Sprintf("%s (%d in flight", account(u[0]), u[1])
		if len(u) > 2 {
			text += ", score " + seconds(u[2])
		}
		parts = append(parts, text+")")
	}
	var why []string
	for verdict, n := range a.Counts {
		why = append(why, fmt.Sprintf("%d %s", n, strings.ReplaceAll(verdict, "_", " ")))
	}
	sort.Strings(why)
	return strings.Join(append(parts, why...), ", ")
}

func actionText(action, account string, wait int64) string {
	pause := ""
	if wait > 0 {
		pause = " after " + ms(wait)
	}
	switch action {
	case "retry_same":
		return "ask " + account + " again" + pause
	case "switch":
		return "switch to another account" + pause
	case "round":
		return "begin again" + pause
	case "beside":
		return "start another beside it"
	case "await":
		return "go on waiting"
	case "fallback":
		return "go on with another model"
	}
	return "give up"
}

func ms(n int64) string { return short(time.Duration(n) * time.Millisecond) }

func number(list []any, i int) int64 {
	if i < len(list) {
		if f, ok := list[i].(float64); ok {
			return int64(f)
		}
	}
	return 0
}

func text(list []any, i int) string {
	if i < len(list) {
		if s, ok := list[i].(string); ok {
			return s
		}
	}
	return ""
}
