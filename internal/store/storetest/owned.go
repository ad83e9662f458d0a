package storetest

import (
	"testing"
	"time"

	"turnout/internal/domain"
)

func owned(t *testing.T, open func(*testing.T) Store) {
	ctx := t.Context()
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	one := domain.Object{ID: domain.NewObjectID(1, "resp_1"), Account: 5, Expires: at(10)}
	other := domain.Object{ID: domain.NewObjectID(2, "resp_1"), Account: 6, Expires: at(20)}
	unknown := func(t *testing.T, s Store, id domain.ObjectID, now time.Time) {
		t.Helper()
		if o, err := s.Object(ctx, id, now); domain.KindOf(err) != domain.KindNotFound {
			t.Errorf("found %+v, %v", o, err)
		}
	}

	t.Run("a name is one key's own", func(t *testing.T) {
		s := open(t)
		must(t, s.SaveObject(ctx, one))
		unknown(t, s, other.ID, at(0))
		must(t, s.SaveObject(ctx, other))
		for _, want := range []domain.Object{one, other} {
			if o := got(s.Object(ctx, want.ID, at(0)))(t); o.ID != want.ID || o.Account != want.Account || !o.Expires.Equal(want.Expires) {
				t.Errorf("%+v, want %+v", o, want)
			}
		}
	})

	t.Run("used again, deleted, expired", func(t *testing.T) {
		s := open(t)
		must(t, s.SaveObject(ctx, one))
		unknown(t, s, one.ID, at(10))
		later := one
		later.Account, later.Expires = 7, at(30)
		must(t, s.SaveObject(ctx, later))
		if o := got(s.Object(ctx, one.ID, at(20)))(t); o.Account != 7 {
			t.Errorf("%+v", o)
		}
		must(t, s.SaveObject(ctx, other))
		if n := got(s.DeleteObjectsBefore(ctx, at(25), 10))(t); n != 1 {
			t.Errorf("swept %d, want 1", n)
		}
		must(t, s.DeleteObject(ctx, one.ID))
		must(t, s.DeleteObject(ctx, one.ID))
		unknown(t, s, one.ID, at(0))
	})
}
