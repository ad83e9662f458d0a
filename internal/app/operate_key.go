package app

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"time"

	"turnout/internal/admin"
	"turnout/internal/domain"
)

// usualOverlap is how long a key's former secret works after a rotation that does not say so.
const (
	usualOverlap = 24 * time.Hour
	mostOverlap  = 90 * 24 * time.Hour
)

// newSecret makes a caller's key: 32 random bytes. Only its hash is kept.
func newSecret() (secret string, hash [32]byte) {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails: the process crashes rather than return bad randomness
	secret = "tk-" + base64.RawURLEncoding.EncodeToString(b)
	return secret, sha256.Sum256([]byte(secret))
}

func (a *App) doKey(ctx context.Context, name, action string, body []byte) (any, error) {
	const op = "change a key"
	keys, err := a.store.Keys(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(keys, func(k domain.Key) bool { return k.Name == name })
	if i < 0 {
		return nil, nobody("key", name)
	}
	k := &keys[i]
	switch action {
	case "revoke", "enable":
		if err := admin.Decode(body, &struct{}{}); err != nil {
			return nil, err
		}
		if action == "enable" && !k.Enabled {
			return nil, domain.Errorf(domain.KindInvalid, op, "the key %q is gone from the configuration file: put it back there, and run turnout reload", name)
		}
		if err := a.store.SetRevoked(ctx, name, action == "revoke"); err != nil {
			return nil, err
		}
		state := admin.StateActive
		if action == "revoke" {
			state = admin.StateRevoked
		}
		return admin.Done{Name: name, State: state}, a.apply(ctx)
	case "rotate":
		var want admin.KeyRotation
		if err := admin.Decode(body, &want); err != nil {
			return nil, err
		}
		switch {
		case k.Origin == domain.OriginFile:
			return nil, domain.Errorf(domain.KindInvalid, op, "the key %q is in the configuration file: change its secret there, and run turnout reload", name)
		case k.Revoked:
			return nil, domain.Errorf(domain.KindInvalid, op, "the key %q has been revoked: enable it first (turnout keys enable %s)", name, name)
		}
		overlap := usualOverlap
		if want.Overlap != "" {
			if overlap, err = parseFor("overlap", want.Overlap, mostOverlap); err != nil {
				return nil, err
			}
		}
		var until time.Time
		if overlap > 0 {
			until = time.Now().Add(overlap)
		}
		secret, hash := newSecret()
		if err := a.store.Rotate(ctx, name, hash, until); err != nil {
			return nil, err
		}
		return admin.NewKey{Name: name, Secret: secret, FormerUntil: moment(until)}, a.apply(ctx)
	}
	return nil, unknownAction(admin.Keys, action, "edit", "rotate", "revoke", "enable")
}

func (a *App) listKeys(s *stored) []admin.Key {
	now := time.Now()
	out := []admin.Key{}
	for i := range s.keys {
		k := &s.keys[i]
		row := admin.Key{
			Name: k.Name, ID: k.ID, Origin: k.Origin.String(), State: keyState(k, now), Owner: k.OwnerName(), Pools: k.Pools, Models: k.Models, Deny: k.Deny,
			Require: k.Require, Tags: k.AllTags(), TagHeader: k.TagHeader, Rates: k.Rates, Expires: moment(k.Expires), Spending: spendingOf(&k.Spending),
			LastUsed: moment(later(k.LastUsed, a.used.of(k.ID))),
		}
		if k.Owner.Team != nil {
			row.Team = k.Owner.Team.Name
		}
		for _, p := range k.Networks {
			row.Networks = append(row.Networks, p.String())
		}
		if k.FormerUntil.After(now) {
			row.FormerUntil = moment(k.FormerUntil)
		}
		out = append(out, row)
	}
	return byName(out, func(k admin.Key) string { return k.Name })
}

func keyState(k *domain.Key, now time.Time) string {
	switch {
	case k.Revoked:
		return admin.StateRevoked
	case !k.Enabled:
		return admin.StateDisabled
	case !k.Expires.IsZero() && !now.Before(k.Expires):
		return admin.StateExpired
	case k.Barred(now) != "":
		return admin.StateOrphaned
	}
	return admin.StateActive
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
