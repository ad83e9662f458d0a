package storetest

import (
	"reflect"
	"testing"
	"time"

	"turnout/internal/store"
)

func windows(t *testing.T, open func(*testing.T) Store) {
	ctx := t.Context()
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	window := func(subject, name, state string, until int) store.Window {
		return store.Window{Subject: subject, Name: name, State: []byte(state), Until: at(until)}
	}

	t.Run("the last state counts, until it does not matter", func(t *testing.T) {
		s := open(t)
		must(t, s.SaveWindows(ctx, nil))
		one, two := window("1\x00", "5h", `{"used":0.5}`, 10), window("1\x00", "7d", `{"used":0.1}`, 20)
		must(t, s.SaveWindows(ctx, []store.Window{one, two, window("2\x00", "5h", "{}", 5)}))
		again := window("1\x00", "5h", `{"used":0.6}`, 9)
		must(t, s.SaveWindows(ctx, []store.Window{again}))
		if list := got(s.LoadWindows(ctx, at(5)))(t); !reflect.DeepEqual(list, []store.Window{again, two}) {
			t.Errorf("windows = %+v", list)
		}
		if list := got(s.LoadWindows(ctx, at(9)))(t); !reflect.DeepEqual(list, []store.Window{two}) {
			t.Errorf("windows = %+v", list)
		}
	})

	t.Run("swept by and by", func(t *testing.T) {
		s := open(t)
		kept := window("c", "7d", "{}", 11)
		must(t, s.SaveWindows(ctx, []store.Window{window("a", "5h", "{}", 1), window("b", "5h", "{}", 10), kept}))
		for i, want := range []int{1, 1, 0} {
			if n := got(s.DeleteWindowsBefore(ctx, at(10), 1))(t); n != want {
				t.Errorf("sweep %d deleted %d", i, n)
			}
		}
		if list := got(s.LoadWindows(ctx, at(0)))(t); !reflect.DeepEqual(list, []store.Window{kept}) {
			t.Errorf("windows = %+v", list)
		}
	})
}
