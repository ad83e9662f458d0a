package gateway

import (
	"slices"
	"strings"
	"time"

	"turnout/internal/domain"
)

// MovedSession says where a session was and is.
type MovedSession struct {
	Pool string `json:"pool"`
	From string `json:"from,omitempty"` // empty: it was bound to nobody
	To   string `json:"to,omitempty"`   // empty: it was let go
}

// MoveSession binds a caller's session to another account, or lets it go where to is empty. The session is named as its
// client names it. Its next requests go there as long as the account may serve them, and no better account draws them away; what was
// warm elsewhere is lost.
func (g *Gateway) MoveSession(key, session string, d domain.Dialect, to string) (MovedSession, error) {
	const op = "move a session"
	snap, now := g.Snapshot(), time.Now()
	k, names := snap.keys.Named(key)
	if key == "" && len(names) == 1 {
		k, _ = snap.keys.Named(names[0])
	}
	switch {
	case k == nil:
		return MovedSession{}, domain.Errorf(domain.KindNotFound, op, "name one of the keys: %s", strings.Join(names, ", "))
	case session == "" || len(session) > maxSignal:
		return MovedSession{}, domain.Errorf(domain.KindInvalid, op, "name the session as its client does, with at most %d bytes", maxSignal)
	}
	b := domain.Binding{Expires: now}
	var account *domain.Account
	if to != "" {
		i := slices.IndexFunc(snap.Accounts, func(a *domain.Account) bool { return a.Name == to && a.Enabled })
		if i < 0 {
			return MovedSession{}, domain.Errorf(domain.KindNotFound, op, "there is no account named %q", to)
		}
		account = snap.Accounts[i]
		b.Account, b.Expires, b.Placed = account.ID, now.Add(snap.Settings.SessionTTL), true
	}
	// A session belongs to the first of the key's pools that serves its model; its account may be one of any of them.
	var pools []*pool
	reachable := account == nil
	for _, name := range k.Pools {
		if p := snap.pools[name]; p != nil && p.Enabled {
			pools = append(pools, p)
			reachable = reachable || slices.Contains(p.accounts, account) && !slices.ContainsFunc(required(p, k), func(l domain.Labels) bool { return !account.Labels.Satisfy(l) })
		}
	}
	if !reachable {
		return MovedSession{}, domain.Errorf(domain.KindInvalid, op, "the key %s has no pool with the account %s, or requires labels that it lacks; its pools are: %s", k.Name, to, strings.Join(k.Pools, ", "))
	}
	for _, p := range pools {
		b.Session = sessionNamed(session, d, k.ID, p.ID)
		if old, bound := g.deps.Bindings.Lookup(b.Session); bound {
			if !g.deps.Bindings.Bind(b, old.Account) {
				return MovedSession{}, domain.Errorf(domain.KindUnavailable, op, "the session was moved by a request of its own in the same moment; ask again")
			}
			return MovedSession{p.Name, snap.nameOf(old.Account), to}, nil
		}
	}
	if account == nil || len(pools) == 0 {
		return MovedSession{}, domain.Errorf(domain.KindNotFound, op, "the key %s has no session %s that is bound to an account", k.Name, session)
	}
	for _, p := range pools { // which of them its model will be served by is not known yet
		b.Session = sessionNamed(session, d, k.ID, p.ID)
		g.deps.Bindings.Bind(b, 0)
	}
	return MovedSession{Pool: pools[0].Name, To: to}, nil
}
