package gateway

import (
	"context"
	"strings"
	"time"

	"turnout/internal/domain"
	"turnout/internal/ledger"
	"turnout/internal/sched"
)

// Ledger holds what requests may cost. It must be safe for concurrent use.
type Ledger interface {
	// Hold sets aside what the request may cost, before the first byte goes
	// upstream. An error refuses the request; a *domain.Error says it to the caller.
	Hold(ctx context.Context, ask *ledger.Ask) (Holding, error)
	// Priced reports whether the prices of a model at an account are known.
	Priced(a *domain.Account, model string, at time.Time) bool
	// Limited reports whether any of them is prepaid or has a hard budget. It is asked of requests whose cost nobody can hold for.
	Limited(key domain.KeyID, user domain.UserID, team domain.TeamID, pool domain.PoolID) bool
}

// Holding is what one request has set aside; *ledger.Holding is the real one. It must be safe for concurrent use.
type Holding interface {
	// Again holds for further ways that the request may take. An error says that it may not take them.
	Again(ctx context.Context, routes []ledger.Route, now time.Time) error
	// Grow is told how many tokens of the answer have come, while there come more.
	Grow(ctx context.Context, a *domain.Account, model string, output int64, now time.Time)
	// Lost is told of every attempt that ended without being the answer, and of what one that went on with another's answer read besides
	// it, and says what that cost.
	Lost(a *domain.Account, model string, u domain.Usage, now time.Time) domain.NanoUSD
	// Settle ends the holding with what was used. It is called at least once for every holding; only the first call counts.
	Settle(f ledger.Final) (s domain.Settlement, first bool)
	// Warnings are what the caller should hear of its budgets.
	Warnings() []string
}

// budgetHeader tells a caller that a soft limit is passed.
const budgetHeader = "X-Turnout-Budget-Warning"

// NoLedger holds nothing.
type NoLedger struct{}

// Hold implements Ledger.
func (NoLedger) Hold(context.Context, *ledger.Ask) (Holding, error) {
	return (*ledger.Holding)(nil), nil // whose methods do nothing
}

// Priced implements Ledger.
func (NoLedger) Priced(*domain.Account, string, time.Time) bool { return true }

// Limited implements Ledger.
func (NoLedger) Limited(domain.KeyID, domain.UserID, domain.TeamID, domain.PoolID) bool { return false }

// growEvery is after how many tokens of a stream its holding is looked at.
const growEvery = 64

// hold sets aside what the request may cost.
//
//go:noinline
func (x *exchange) hold(ctx context.Context) (err error) {
	x.holding = (*ledger.Holding)(nil)
	if x.ownSeat != nil || x.onlyCounts() {
		return nil // it costs the caller's own account, or nothing
	}
	if x.req.Background {
		if err = x.unlimited("an answer in the background", `leave "background" out`); err != nil {
			return err
		}
	}
	x.promptGuess, _ = x.estimate()
	user, team := x.owners()
	ask := &ledger.Ask{
		Request: x.id, At: x.began, Key: x.key.ID, User: user, Team: team, Pool: x.pools[0].ID, Model: x.req.Model,
		Input: x.promptGuess, Output: x.mostOutput(), Tags: domain.TagText(x.tags), Policy: x.pools[0].payment, Routes: x.routes(x.views()),
	}
	h, err := x.g.deps.Ledger.Hold(ctx, ask)
	if err == nil {
		x.holding = h
	}
	return err
}

// unstatedPicture is how many tokens a picture may have, where the request does not say; the largest have some 6,300 (OpenAI, image generation guide).
const unstatedPicture = 8_000

// mostOutput is how many tokens all the answers may have that the request asks for at once; 0: one, that is as long as it may.
func (x *exchange) mostOutput() int64 {
	n := int64(x.req.Choices)
	switch {
	case n <= 1:
		return x.req.MaxTokens
	case strings.HasPrefix(x.path, "/v1/images/"):
		return max(n*unstatedPicture, ledger.UnstatedOutput)
	case x.req.MaxTokens == 0:
		return n * ledger.UnstatedOutput
	}
	return n * min(x.req.MaxTokens, plausibleNever)
}

// owners are the user and the team that the key belongs to; 0: none.
func (x *exchange) owners() (user domain.UserID, team domain.TeamID) {
	if u := x.key.Owner.User; u != nil {
		user = u.ID
	}
	if t := x.key.Owner.Team; t != nil {
		team = t.ID
	}
	return user, team
}

// unlimited refuses what ends long after its request, at a price that is not known then, to callers that are limited by money: nothing can
// be held for it yet, and so nothing would end it when the money does. Others get it, and it is not in their spending.
func (x *exchange) unlimited(what, instead string) error {
	user, team := x.owners()
	for _, name := range x.key.Pools {
		p := x.snap.pools[name]
		if p == nil || !p.Enabled || !x.g.deps.Ledger.Limited(x.key.ID, user, team, p.ID) {
			continue
		}
		return &domain.Error{
			Kind: domain.KindForbidden, Op: "hold what the request may cost", Code: "not_with_a_budget",
			Message: what + " cannot be paid from a balance or a hard budget: what it costs is not known until long after its request, and cannot be held for yet; " +
				instead + ", or use a key without such a limit",
		}
	}
	return nil
}

// maxRoutes is how many different ways a holding looks at.
const maxRoutes = 256

// routes are the different ways through views, as far as their prices may differ.
func (x *exchange) routes(views []*sched.View) (all []ledger.Route) {
	for _, v := range views {
		if known, ok := x.snap.routes.Load(v); ok {
			all = append(all, known.([]ledger.Route)...)
			continue
		}
		type way struct{ platform, url, prices, model string }
		seen := map[way]bool{}
		var mine []ledger.Route
		for i := range v.Candidates {
			c := &v.Candidates[i]
			w := way{c.Account.Platform, c.Account.BaseURL, "", c.Sent}
			if c.Account.OwnPrices {
				w.prices = c.Account.Name
			}
			if !seen[w] && len(mine) < maxRoutes {
				seen[w] = true
				mine = append(mine, ledger.Route{Account: c.Account, Model: c.Sent})
			}
		}
		x.snap.routes.Store(v, mine)
		all = append(all, mine...)
	}
	return all
}

// affords reports whether a fallback may be gone on with: it is held for, too.
func (x *exchange) affords(t *target) bool {
	return x.holding.Again(x.ctx, x.routes(t.views), time.Now()) == nil
}

// lost tells the ledger of an attempt that is not the answer.
func (x *exchange) lost(at *attempt) domain.NanoUSD {
	return x.holding.Lost(at.cand.Account, at.cand.Sent, at.usage, time.Now())
}

// charge ends the holding with an attempt's answer; nil: there is none. whole: the answer has come to its end. The caller gets the end of
// an answer only after that.
//
//go:noinline
func (x *exchange) charge(at *attempt, u domain.Usage, whole bool) {
	f := ledger.Final{At: time.Now(), Usage: u, Interrupted: !whole}
	if at == nil {
		f.Interrupted = false
		x.holding.Settle(f)
		return
	}
	f.Account, f.Model, f.Pool = at.cand.Account, at.cand.Sent, x.servedBy(at)
	if !u.Reported || !whole || u.Output == 0 {
		f.Usage, f.Estimated = x.guess(at, u)
	}
	if x.lostCache(at) {
		f.LostCache = max(x.warmAtStart-u.CacheRead, 0)
	}
	x.holding.Settle(f)
}

// servedBy is the pool whose account an attempt has asked.
func (x *exchange) servedBy(at *attempt) (p domain.PoolID) {
	for _, v := range at.target.views {
		switch c := v.Find(at.cand.ID); {
		case c == at.cand:
			return v.Pool
		case c != nil && p == 0:
			p = v.Pool // the account was found in views that have been made anew since
		}
	}
	if p == 0 {
		p = x.pools[0].ID
	}
	return p
}

// lostCache reports whether the answer had to do without what was warm for its session, through no fault of the caller: it came from
// another cache than that of the session's account, which serves the same model, and the session has left that account. A session that
// stays, because the request asks for another model, names what lives elsewhere, or is one of more than its account takes at a time, has lost nothing.
func (x *exchange) lostCache(at *attempt) bool {
	if x.boundAtStart == 0 || x.boundAtStart == at.cand.ID || x.stays || x.only != 0 || at.target.fallback {
		return false
	}
	bound := x.snap.account(x.boundAtStart)
	if bound == nil || sched.OrganizationOf(bound) == at.cand.Organization {
		return false
	}
	_, serves := bound.Models.Resolve(x.req.Model)
	return serves
}

// guess is what an answer has used whose upstream has not said so, or not to its end.
func (x *exchange) guess(at *attempt, u domain.Usage) (domain.Usage, bool) {
	was := u
	if u.Prompt() == 0 {
		u.Input = x.promptGuess
	}
	if x.writes() {
		u.Output = max(u.Output, at.tokens())
	}
	return u, u != was
}

// textToken is how many bytes of text a token has, about.
const textToken = 4

// writes reports whether the answer is text that a model writes; of sounds, images and vectors no tokens are known.
func (x *exchange) writes() bool {
	switch x.path {
	case "", "/v1/completions", "/v1/responses/compact", "/v1/audio/transcriptions", "/v1/audio/translations":
		return true
	}
	return false
}

// prose counts what of an answer is text: long runs without a break are data that is written as text.
type prose struct{ n, run int64 }

// longestWord is more than any word has, in bytes; what is longer is data.
const longestWord = 512

func (p *prose) add(b []byte) {
	for _, c := range b {
		if c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/' || c == '=' || c == '-' || c == '_' {
			p.run++
			continue
		}
		if p.run <= longestWord {
			p.n += p.run
		}
		p.run = 0
		p.n++
	}
}
