package domain

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Each names every limit once, by its name in JSON, and points into the limits themselves.
func TestEachTimeLimit(t *testing.T) {
	limits := DefaultTimeLimits()
	fields := reflect.TypeFor[TimeLimits]()
	if n := len(limits.Each()); n != fields.NumField() {
		t.Errorf("Each lists %d of %d limits", n, fields.NumField())
	}
	names := map[string]bool{}
	for i, l := range limits.Each() {
		if l.Name == "" || l.Help == "" || names[l.Name] {
			t.Errorf("limit %d: name %q (twice: %v), help %q", i, l.Name, names[l.Name], l.Help)
		}
		names[l.Name] = true
		if *l.Value <= 0 {
			t.Errorf("%s has no default", l.Name)
		}
		one := TimeLimits{}
		*one.Each()[i].Value = time.Second
		b, err := json.Marshal(one)
		if want := `{"` + l.Name + `":1000000000}`; err != nil || string(b) != want {
			t.Errorf("%s is stored as %s, %v; want %s", l.Name, b, err, want)
		}
	}
}

func TestTimeLimitsOr(t *testing.T) {
	some := TimeLimits{Soft: time.Second, Finish: 2 * time.Second}
	got := some.Or(DefaultTimeLimits())
	want := DefaultTimeLimits()
	want.Soft, want.Finish = time.Second, 2*time.Second
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if some != (TimeLimits{Soft: time.Second, Finish: 2 * time.Second}) {
		t.Errorf("the limits themselves were modified: %+v", some)
	}
	rapid.Check(t, func(t *rapid.T) {
		var a, b TimeLimits
		for i := range a.Each() {
			*a.Each()[i].Value = time.Duration(rapid.IntRange(0, 2).Draw(t, "a"))
			*b.Each()[i].Value = time.Duration(rapid.IntRange(0, 2).Draw(t, "b"))
		}
		got := a.Or(b)
		for i, l := range got.Each() {
			if own, base := *a.Each()[i].Value, *b.Each()[i].Value; *l.Value != own && (own != 0 || *l.Value != base) {
				t.Fatalf("%s: %v or %v became %v", l.Name, own, base, *l.Value)
			}
		}
		if got.Or(b) != got {
			t.Fatal("a second time it is another")
		}
	})
}
