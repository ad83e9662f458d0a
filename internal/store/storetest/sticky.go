package storetest

import (
	"cmp"
	"reflect"
	"slices"
	"testing"
	"time"

	"turnout/internal/domain"
	"turnout/internal/store"
)

func bindings(t *testing.T, open func(*testing.T) Store) {
	ctx := t.Context()
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	load := func(t *testing.T, s Store, now time.Time) []domain.Binding {
		t.Helper()
		list := got(s.LoadBindings(ctx, now))(t)
		slices.SortFunc(list, func(a, b domain.Binding) int { return cmp.Compare(a.Session[0], b.Session[0]) })
		return list
	}
	one := domain.Binding{Session: [16]byte{1}, Account: 5, Expires: at(10), WarmTokens: 9000, WarmUntil: at(5), Model: -7}
	two := domain.Binding{Session: [16]byte{2}, Account: 6, Expires: at(20), Placed: true}

	t.Run("the last state counts", func(t *testing.T) {
		s := open(t)
		must(t, s.SaveBindings(ctx, nil))
		must(t, s.SaveBindings(ctx, []domain.Binding{one, two}))
		if list := load(t, s, at(0)); !reflect.DeepEqual(list, []domain.Binding{one, two}) {
			t.Fatalf("bindings = %+v", list)
		}
		moved, movedAgain := one, one
		moved.Account = 7
		movedAgain.Account, movedAgain.Expires, movedAgain.WarmTokens, movedAgain.WarmUntil, movedAgain.Model = 8, at(30), 1, at(29), 9
		must(t, s.SaveBindings(ctx, []domain.Binding{moved, movedAgain}))
		if list := load(t, s, at(0)); !reflect.DeepEqual(list, []domain.Binding{movedAgain, two}) {
			t.Fatalf("bindings = %+v", list)
		}
		must(t, s.SaveBindings(ctx, []domain.Binding{{Session: one.Session}}))
		if list := load(t, s, at(0)); !reflect.DeepEqual(list, []domain.Binding{two}) {
			t.Fatalf("bindings = %+v", list)
		}
	})

	t.Run("expired ones are not loaded and are swept", func(t *testing.T) {
		s := open(t)
		must(t, s.SaveBindings(ctx, []domain.Binding{one, two}))
		if list := load(t, s, at(10)); !reflect.DeepEqual(list, []domain.Binding{two}) {
			t.Fatalf("bindings = %+v", list)
		}
		if n := got(s.DeleteBindingsBefore(ctx, at(9), 10))(t); n != 0 {
			t.Errorf("swept %d live ones", n)
		}
		if n := got(s.DeleteBindingsBefore(ctx, at(20), 1))(t); n != 1 {
			t.Errorf("swept %d, want 1", n)
		}
		if list := load(t, s, at(0)); !reflect.DeepEqual(list, []domain.Binding{two}) {
			t.Errorf("the first to expire did not go first: %+v", list)
		}
	})
}

func rests(t *testing.T, open func(*testing.T) Store) {
	ctx := t.Context()
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	rest := func(until time.Time, class uint8, streak int, stated bool) store.Rest {
		return store.Rest{RestKey: store.RestKey{Scope: 2, Subject: "5/claude"}, Until: until, Class: class, Streak: streak, Stated: stated}
	}

	t.Run("never shortened", func(t *testing.T) {
		forever := time.Time{}
		for _, c := range []struct {
			name         string
			first, then  store.Rest
			want         store.Rest
			wantAtSecond int // is still resting then
		}{
			{"a longer one extends", rest(at(10), 3, 1, false), rest(at(20), 4, 2, true), rest(at(20), 4, 2, true), 15},
			{"a shorter one only counts", rest(at(20), 3, 1, true), rest(at(10), 4, 2, false), rest(at(20), 3, 2, true), 15},
			{"an equal one is the latest cause", rest(at(20), 3, 2, true), rest(at(20), 4, 1, false), rest(at(20), 4, 1, false), 15},
			{"until a change is longest", rest(at(20), 3, 1, true), rest(forever, 5, 2, false), rest(forever, 5, 2, false), 1e9},
			{"until a change is not shortened", rest(forever, 5, 1, false), rest(at(20), 3, 2, true), rest(forever, 5, 2, false), 1e9},
		} {
			t.Run(c.name, func(t *testing.T) {
				for _, together := range []bool{false, true} {
					s := open(t)
					if together {
						must(t, s.SaveRests(ctx, []store.Rest{c.first, c.then}))
					} else {
						must(t, s.SaveRests(ctx, []store.Rest{c.first}))
						must(t, s.SaveRests(ctx, []store.Rest{c.then}))
					}
					if list := got(s.LoadRests(ctx, at(c.wantAtSecond)))(t); !reflect.DeepEqual(list, []store.Rest{c.want}) {
						t.Errorf("rests = %+v, want %+v", list, c.want)
					}
				}
			})
		}
	})

	t.Run("ended ones are not loaded, and go", func(t *testing.T) {
		s := open(t)
		a, b := rest(at(10), 3, 1, false), rest(time.Time{}, 5, 1, false)
		a.Scope, b.Subject = 4, "other"
		c := rest(at(30), 1, 1, false)
		must(t, s.SaveRests(ctx, nil))
		must(t, s.SaveRests(ctx, []store.Rest{a, b, c}))
		if list := got(s.LoadRests(ctx, at(10)))(t); !reflect.DeepEqual(list, []store.Rest{c, b}) {
			t.Fatalf("rests = %+v", list)
		}
		must(t, s.EndRests(ctx, []store.RestKey{b.RestKey, {Scope: 9, Subject: "unknown"}}))
		must(t, s.EndRests(ctx, nil))
		if list := got(s.LoadRests(ctx, at(0)))(t); !reflect.DeepEqual(list, []store.Rest{c, a}) {
			t.Fatalf("rests = %+v", list)
		}
		if n := got(s.DeleteRestsBefore(ctx, at(30), 1))(t); n != 1 {
			t.Errorf("swept %d, want 1", n)
		}
		if n := got(s.DeleteRestsBefore(ctx, at(30), 10))(t); n != 1 {
			t.Errorf("swept %d, want 1", n)
		}
		// A rest that has ended is no bar to a shorter one.
		must(t, s.SaveRests(ctx, []store.Rest{rest(at(5), 2, 1, false)}))
		if list := got(s.LoadRests(ctx, at(4)))(t); len(list) != 1 {
			t.Errorf("rests = %+v", list)
		}
	})
}
