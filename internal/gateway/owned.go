package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// Objects remembers what lives at one account and belongs to one key. Implementations are
// safe for concurrent use.
type Objects interface {
	// SaveObject remembers where an object lives.
	SaveObject(ctx context.Context, o domain.Object) error
	// Object finds it; a *domain.Error of kind NotFound where it is unknown or expired.
	Object(ctx context.Context, id domain.ObjectID, now time.Time) (domain.Object, error)
	// DeleteObject forgets it.
	DeleteObject(ctx context.Context, id domain.ObjectID) error
}

// NoObjects remembers nothing: every object is unknown.
type NoObjects struct{}

// SaveObject implements Objects.
func (NoObjects) SaveObject(context.Context, domain.Object) error { return nil }

// Object implements Objects.
func (NoObjects) Object(context.Context, domain.ObjectID, time.Time) (domain.Object, error) {
	return domain.Object{}, domain.Errorf(domain.KindNotFound, "find an object", "there is no such object")
}

// DeleteObject implements Objects.
func (NoObjects) DeleteObject(context.Context, domain.ObjectID) error { return nil }

// How long an object is remembered after it was made or used. OpenAI keeps responses for 30 days
// (conversation state guide, read 2026-11); files and batches live until they are deleted.
const (
	responseLife = 31 * 24 * time.Hour
	objectLife   = 400 * 24 * time.Hour
)

// owner finds the account at which something of the caller's lives. What belongs to another
// key is as unknown as what never was.
func (x *exchange) owner(ctx context.Context, name string) (domain.AccountID, error) {
	o, err := x.g.deps.Objects.Object(ctx, domain.NewObjectID(x.key.ID, name), time.Now())
	return o.Account, err
}

// own remembers that an object of the caller's lives at an account.
func (x *exchange) own(ctx context.Context, account domain.AccountID, name string, life time.Duration) {
	if name == "" {
		return
	}
	o := domain.Object{ID: domain.NewObjectID(x.key.ID, name), Account: account, Expires: time.Now().Add(life)}
	if err := x.g.deps.Objects.SaveObject(ctx, o); err != nil {
		x.g.deps.Log.LogAttrs(ctx, slog.LevelError, "an object's account could not be remembered; its id will not be found",
			slog.String("request", x.id.String()), slog.String("error", err.Error()))
	}
}

// Keeps reports whether what a caller names lives at an account that is in use for it. Of what lives at the caller's own seat only the
// provider knows.
func (g *Gateway) Keeps(r *http.Request, name string) bool {
	x := &exchange{g: g, began: time.Now()}
	if x.admit(r) != nil {
		return false
	}
	if own := x.brought(r); !own.none() {
		return true
	}
	id, err := x.owner(r.Context(), name)
	if err != nil {
		return false
	}
	a := x.snap.account(id)
	return a != nil && a.Enabled && !a.Paused
}

// makes reports whether an answer to the request may make something that stays at the account.
func (x *exchange) makes() bool { return x.req.Stored || x.req.Marks.Has(dialect.MarkTool) }

// made remembers what an answer has made at the account: its id, where it is stored, and what else later
// requests may name. It is called before the caller can know of it.
func (at *attempt) made(data []byte) {
	x := at.x
	if at.codec != nil || x.ownSeat != nil || x.path != "" {
		return
	}
	ctx := context.WithoutCancel(x.ctx)
	if x.req.Stored && at.answerID != "" && at.answerID != at.owned {
		x.own(ctx, at.cand.ID, at.answerID, responseLife)
		at.owned = at.answerID
	}
	if m, ok := x.d.(dialect.Maker); ok && len(data) > 0 {
		for _, id := range m.Made(data) {
			x.own(ctx, at.cand.ID, id, responseLife)
		}
	}
}

// kept says what to do where a turn of a conversation is named that nobody keeps: what was translated from another
// provider's protocol. The AI SDK names earlier turns by default (@ai-sdk/openai 4.0.118).
func kept(code string) string {
	switch code {
	case "item_not_found", "previous_response_not_found", "conversation_not_found":
		return "; what came from a provider other than OpenAI is kept by nobody: send the conversation whole, as SDKs do with store: false"
	}
	return ""
}

// pinned finds the one account that a request is bound to, because it names what lives
// there; 0: none in particular.
func (x *exchange) pinned(ctx context.Context) (domain.AccountID, error) {
	const op = "find what the request names"
	var at domain.AccountID
	for _, ref := range x.req.Refs {
		id, err := x.owner(ctx, ref.ID)
		switch {
		case domain.KindOf(err) == domain.KindNotFound:
			return 0, &domain.Error{
				Kind: domain.KindNotFound, Op: op, Param: ref.Param, Code: ref.Code,
				Message: ref.What + " " + clip(ref.ID) + " is not known to this key: it was made with another key or outside of Turnout, was deleted, or has expired" + kept(ref.Code),
			}
		case err != nil:
			return 0, err
		case at != 0 && at != id:
			return 0, &domain.Error{
				Kind: domain.KindInvalid, Op: op, Param: ref.Param, Code: "different_accounts",
				Message: "what the request names lives at different accounts, and no account can read another one's; make " + clip(ref.ID) + " anew beside the others",
			}
		}
		at = id
	}
	if at == 0 {
		return 0, nil
	}
	a := x.snap.account(at)
	if a == nil || !a.Enabled || a.Paused || !slices.ContainsFunc(a.Pools, func(p string) bool { return slices.Contains(x.key.Pools, p) }) {
		return 0, &domain.Error{
			Kind: domain.KindUnavailable, Op: op, Param: x.req.Refs[0].Param,
			Message: "the account at which " + x.req.Refs[0].What + " " + clip(x.req.Refs[0].ID) + " lives is not in use for this key any more",
		}
	}
	return at, nil
}

// clip shortens what a caller has written for an error's text.
func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}
