package caller

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"turnout/internal/domain"
)

var now = time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)

func key(name, secret string) domain.Key {
	return domain.Key{Name: name, Hash: sha256.Sum256([]byte(secret)), Enabled: true}
}

func directory(t testing.TB, keys ...domain.Key) *Directory {
	t.Helper()
	d, err := NewDirectory(keys)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestCheck(t *testing.T) {
	good, disabled, expired, ending := key("good", "tk-good"), key("disabled", "tk-disabled"), key("expired", "tk-expired"), key("ending", "tk-ending")
	disabled.Enabled = false
	expired.Expires = now
	ending.Expires = now.Add(time.Nanosecond)
	long := strings.Repeat("x", MaxSecret)
	d := directory(t, good, disabled, expired, ending, key("longest", long), key("too long", long+"x"))
	for _, c := range []struct{ secret, name, message string }{
		{"tk-good", "good", ""},
		{"tk-ending", "ending", ""},
		{long, "longest", ""},
		{"", "", "carries no API key"},
		{"tk-Good", "", "is not known here"},
		{"tk-good ", "", "is not known here"},
		{long + "x", "", "is not known here"},
		{"tk-disabled", "", "has been disabled"},
		{"tk-expired", "", "expired on 2027-01-31 12:00 UTC"},
	} {
		k, err := d.Check(c.secret, now)
		if c.name != "" {
			if err != nil || k.Name != c.name {
				t.Errorf("%.10q = %v, %v; want %s", c.secret, k, err, c.name)
			}
			continue
		}
		var e *domain.Error
		if k != nil || !errors.As(err, &e) || e.Kind != domain.KindUnauthenticated || !strings.Contains(e.Message, c.message) {
			t.Errorf("%.10q = %v, %v; want %q", c.secret, k, err, c.message)
		}
		if c.secret != "" && strings.Contains(err.Error(), c.secret) {
			t.Errorf("the secret is in %v", err)
		}
	}
	for secret, want := range map[string]bool{"tk-good": true, "tk-disabled": true, "tk-expired": true, "tk-Good": false, "": false, long: true, long + "x": false} {
		if d.Knows(secret) != want || (*Directory)(nil).Knows(secret) {
			t.Errorf("Knows(%.10q) is not %v", secret, want)
		}
	}
	if d.Len() != 6 {
		t.Errorf("Len = %d", d.Len())
	}
}

func TestNilDirectoryKnowsNobody(t *testing.T) {
	var d *Directory
	if _, err := d.Check("tk-good", now); domain.KindOf(err) != domain.KindUnauthenticated || d.Len() != 0 {
		t.Errorf("err = %v", err)
	}
}

func TestTheEnabledKeyOfASecretCounts(t *testing.T) {
	older := key("older", "tk-same")
	older.Enabled = false
	for _, keys := range [][]domain.Key{{older, key("newer", "tk-same")}, {key("newer", "tk-same"), older}} {
		if k, err := directory(t, keys...).Check("tk-same", now); err != nil || k.Name != "newer" {
			t.Errorf("%v, %v", k, err)
		}
	}
	if _, err := NewDirectory([]domain.Key{key("a", "tk-same"), key("b", "tk-same")}); err == nil || !strings.Contains(err.Error(), `"a" and "b"`) {
		t.Errorf("err = %v", err)
	}
}

func TestTheDirectoryIsItsOwn(t *testing.T) {
	keys := []domain.Key{key("a", "tk-a"), key("b", "tk-b")}
	d := directory(t, keys...)
	keys[0].Enabled = false
	if k, err := d.Check("tk-a", now); err != nil || k.Name != "a" {
		t.Errorf("%v, %v", k, err)
	}
}

func TestCheckDoesNotAllocate(t *testing.T) {
	d := directory(t, key("a", strings.Repeat("s", 100)))
	r := &http.Request{Header: http.Header{"Authorization": {"Bearer " + strings.Repeat("s", 100)}}, URL: &url.URL{}}
	if n := testing.AllocsPerRun(100, func() {
		secret, _ := Credential(r)
		if _, err := d.Check(secret, now); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestCredential(t *testing.T) {
	for _, c := range []struct {
		name string
		h    map[string]string
		want string
	}{
		{"nothing", nil, ""},
		{"x-turnout-key before all", map[string]string{"x-turnout-key": "tk-0", "Authorization": "Bearer tk-1", "x-api-key": "tk-2"}, "tk-0"},
		{"the query's key", map[string]string{"?": "alt=sse&key=tk-4"}, "tk-4"},
		{"the query's key after all", map[string]string{"?": "key=tk-4", "x-goog-api-key": "tk-3"}, "tk-3"},
		{"another key in the query", map[string]string{"?": "monkey=tk-4"}, ""},
		{"bearer", map[string]string{"Authorization": "Bearer tk-1"}, "tk-1"},
		{"bearer in any case, with space", map[string]string{"authorization": " bEARER \t tk-1 "}, "tk-1"},
		{"x-api-key", map[string]string{"x-api-key": " tk-2 "}, "tk-2"},
		{"x-goog-api-key", map[string]string{"x-goog-api-key": "tk-3"}, "tk-3"},
		{"all", map[string]string{"Authorization": "Bearer tk-1", "x-api-key": "tk-2", "x-goog-api-key": "tk-3"}, "tk-1"},
		{"the last two", map[string]string{"x-api-key": "tk-2", "x-goog-api-key": "tk-3"}, "tk-2"},
		{"another scheme", map[string]string{"Authorization": "Basic dXNlcjpwYXNz", "x-api-key": "tk-2"}, "tk-2"},
		{"another scheme alone", map[string]string{"Authorization": "Basic dXNlcjpwYXNz"}, ""},
		{"no scheme", map[string]string{"Authorization": "tk-1"}, ""},
		{"a scheme that begins alike", map[string]string{"Authorization": "BearerX tk-1"}, ""},
		{"bearer of nothing", map[string]string{"Authorization": "Bearer ", "x-api-key": "", "x-goog-api-key": "tk-3"}, "tk-3"},
	} {
		h := http.Header{}
		u := &url.URL{RawQuery: c.h["?"]}
		for k, v := range c.h {
			if k != "?" {
				h.Set(k, v)
			}
		}
		if got, ok := Credential(&http.Request{Header: h, URL: u}); got != c.want || ok != (c.want != "") {
			t.Errorf("%s: %q, %v; want %q", c.name, got, ok, c.want)
		}
	}
}

func FuzzCredential(f *testing.F) {
	f.Add("Bearer x", "", "")
	f.Add("bearer\t", "a", "b")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		s, ok := Credential(&http.Request{Header: http.Header{"Authorization": {a}, "X-Api-Key": {b}, "X-Goog-Api-Key": {c}}, URL: &url.URL{}})
		if ok != (s != "") || s != strings.TrimSpace(s) || !strings.Contains(a+"\x00"+b+"\x00"+c, s) {
			t.Errorf("%q, %v", s, ok)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	keys := make([]domain.Key, 10_000)
	for i := range keys {
		keys[i] = key(fmt.Sprint(i), fmt.Sprintf("tk-%040d", i))
	}
	d := directory(b, keys...)
	h := http.Header{"Authorization": {fmt.Sprintf("Bearer tk-%040d", 77)}}
	b.ReportAllocs()
	for b.Loop() {
		secret, _ := Credential(&http.Request{Header: h, URL: &url.URL{}})
		if _, err := d.Check(secret, now); err != nil {
			b.Fatal(err)
		}
	}
}
