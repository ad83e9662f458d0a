package caller

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"turnout/internal/domain"
)

func TestTheFormerSecretOfAKeyWorksForAWhile(t *testing.T) {
	k := key("k", "tk-new")
	k.Former, k.FormerUntil = sha256.Sum256([]byte("tk-old")), now.Add(time.Hour)
	other := key("other", "tk-other")
	d := directory(t, k, other)
	for _, secret := range []string{"tk-new", "tk-old"} {
		if got, err := d.Check(secret, now); err != nil || got.Name != "k" || !d.Knows(secret) {
			t.Errorf("%s: %v, %v", secret, got, err)
		}
	}
	if _, err := d.Check("tk-new", now.Add(2*time.Hour)); err != nil {
		t.Error(err)
	}
	if _, err := d.Check("tk-old", now.Add(time.Hour)); err == nil || !strings.Contains(err.Error(), "was replaced by a new one, and ended on 2027-01-31 13:00 UTC") || domain.KindOf(err) != domain.KindUnauthenticated {
		t.Errorf("err = %v", err)
	}
	if _, names := d.Named("k"); d.Len() != 2 || len(names) != 2 {
		t.Errorf("%d keys, %v", d.Len(), names)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = d.Check("tk-old", now) }); n != 0 {
		t.Errorf("%v allocations", n)
	}

	// A secret that is another key's now is that one's alone, whatever the order.
	other.Hash = k.Former
	for _, keys := range [][]domain.Key{{k, other}, {other, k}} {
		if got, err := directory(t, keys...).Check("tk-old", now.Add(2*time.Hour)); err != nil || got.Name != "other" {
			t.Errorf("%v, %v", got, err)
		}
	}
	// That of a revoked key works no more than its own.
	k.Revoked = true
	for _, secret := range []string{"tk-new", "tk-old"} {
		if _, err := directory(t, k).Check(secret, now); err == nil || !strings.Contains(err.Error(), "has been revoked") {
			t.Errorf("%s: %v", secret, err)
		}
	}
}

func TestAddress(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("fd00::/8")}
	for _, c := range []struct {
		remote, forwarded, want string
	}{
		{"203.0.113.9:1234", "", "203.0.113.9"},
		{"203.0.113.9:1234", "10.0.0.1", "203.0.113.9"}, // who is not trusted may say what it likes
		{"[::ffff:203.0.113.9]:1", "", "203.0.113.9"},
		{"[fe80::1%eth0]:1", "", "fe80::1"},
		{"192.168.1.1:1", "", "192.168.1.1"},
		{"192.168.1.1:1", "10.0.0.1", "10.0.0.1"},
		{"192.168.1.1:1", "10.0.0.1:99", "10.0.0.1"},
		{"192.168.1.1:1", "[2001:db8::1]:99", "2001:db8::1"},
		{"192.168.1.1:1", "[2001:db8::1]", "2001:db8::1"},
		{"192.168.1.1:1", "1.1.1.1, 10.0.0.1", "10.0.0.1"},
		{"192.168.1.1:1", "1.1.1.1, 10.0.0.1, 192.168.7.7", "10.0.0.1"},
		{"[fd00::1]:1", "10.0.0.1,192.168.7.7", "10.0.0.1"},
		{"192.168.1.1:1", "192.168.2.2, 192.168.3.3", "192.168.2.2"},
		{"192.168.1.1:1", "10.0.0.1, unknown", "invalid IP"},
		{"192.168.1.1:1", "10.0.0.1,", "invalid IP"},
		{"192.168.1.1:1", "junk, 10.0.0.1", "10.0.0.1"},
		{"@", "10.0.0.1", "invalid IP"},
	} {
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{}}
		if c.forwarded != "" {
			r.Header["X-Forwarded-For"] = []string{c.forwarded}
		}
		if got := Address(r, trusted).String(); got != c.want {
			t.Errorf("%s forwarded for %q: %s, want %s", c.remote, c.forwarded, got, c.want)
		}
	}
	two := &http.Request{RemoteAddr: "192.168.1.1:1", Header: http.Header{"X-Forwarded-For": {"1.1.1.1", "10.0.0.1"}}}
	if got := Address(two, trusted); got.String() != "10.0.0.1" {
		t.Errorf("of two headers: %s", got)
	}
}

func TestCheckAddress(t *testing.T) {
	k := key("k", "tk-k")
	r := &http.Request{RemoteAddr: "203.0.113.9:1"}
	if err := CheckAddress(&k, r, nil); err != nil {
		t.Error(err)
	}
	k.Networks = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
	if err := CheckAddress(&k, r, nil); err != nil {
		t.Error(err)
	}
	for remote, says := range map[string]string{"198.51.100.1:1": "may not be used from 198.51.100.1", "": "an address that is not known"} {
		err := CheckAddress(&k, &http.Request{RemoteAddr: remote}, nil)
		var e *domain.Error
		if !errors.As(err, &e) || e.Kind != domain.KindForbidden || e.Code != "network_not_allowed" || !strings.Contains(e.Message, says) {
			t.Errorf("%q: %v", remote, err)
		}
	}
}

func TestTags(t *testing.T) {
	h := func(values ...string) http.Header { return http.Header{TagsHeader: values} }
	keys, _ := domain.Link([]domain.Key{
		{Name: "k", Team: "t", Tags: map[string]string{"project": "a"}, TagHeader: []string{"project", "run"}}, {Name: "closed"},
	}, nil, []domain.Team{{Name: "t", Tags: map[string]string{"cost_centre": "r-17"}}})
	open, closed := &keys[0], &keys[1]
	for _, c := range []struct {
		h    http.Header
		want map[string]string
	}{
		{nil, map[string]string{"project": "a", "cost_centre": "r-17"}},
		{h("project=b"), map[string]string{"project": "b", "cost_centre": "r-17"}},
		{h(" project = b , run=7,", "run=8"), map[string]string{"project": "b", "run": "8", "cost_centre": "r-17"}},
	} {
		if got, err := Tags(open, c.h); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v: %v, %v", c.h, got, err)
		}
	}
	if open.AllTags()["project"] != "a" {
		t.Error("a caller's tag stays with the key")
	}
	if got, err := Tags(closed, nil); err != nil || got != nil {
		t.Errorf("%v, %v", got, err)
	}
	for text, c := range map[string]struct {
		k *domain.Key
		h http.Header
	}{
		"the callers of this key may set no tags; ask whoever runs this Turnout for tag_header: [project]": {closed, h("project=a")},
		"may not set cost_centre; they may set: project, run":                                              {open, h("cost_centre=x")},
		"want name=value":                          {open, h("project")},
		"names and values are 1 to 64 letters":     {open, h("project=" + strings.Repeat("x", 65))},
		"want name=value, and commas between seve": {open, h("project=a b")},
	} {
		if _, err := Tags(c.k, c.h); domain.KindOf(err) != domain.KindInvalid || !strings.Contains(err.Error(), text) {
			t.Errorf("%v: %v", c.h, err)
		}
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = Tags(open, nil) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
