package domain

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

// linked gives the key with its owners.
func linked(t *testing.T, k Key, users []User, teams []Team) *Key {
	t.Helper()
	keys, conflicts := Link([]Key{k}, users, teams)
	if len(conflicts) > 0 {
		t.Fatal(conflicts)
	}
	return &keys[0]
}

func TestAllOfTheOwnersHaveToAllowAModel(t *testing.T) {
	teams := []Team{{Name: "t", Enabled: true, Models: []string{"claude-*", "gpt-*"}, Deny: []string{"*-secret"}}}
	users := []User{{Name: "u", Enabled: true, Team: "t", Deny: []string{"gpt-4*"}}}
	k := linked(t, Key{Name: "k", User: "u", Enabled: true, Models: []string{"claude-*", "gpt-*", "gemini-*"}, Deny: []string{"claude-opus-*"}}, users, teams)
	for model, refusal := range map[string]string{
		"claude-sonnet-4-5":    "",
		"gpt-5":                "",
		"claude-opus-4-1":      `this key may not use the model "claude-opus-4-1", which is denied to it`,
		"llama":                `this key may not use the model "llama"; it may use: claude-*, gpt-*, gemini-*`,
		"gpt-4o":               `the user "u" of this key may not use the model "gpt-4o", which is denied to it`,
		"gemini-2.5-pro":       `the team "t" of this key may not use the model "gemini-2.5-pro"; it may use: claude-*, gpt-*`,
		"claude-3-secret":      `the team "t" of this key may not use the model "claude-3-secret", which is denied to it`,
		"claude-opus-4-secret": `this key may not use the model "claude-opus-4-secret", which is denied to it`,
	} {
		if got := k.Refusal(model); got != refusal || k.Allows(model) != (refusal == "") {
			t.Errorf("%s: %q, %v; want %q", model, got, k.Allows(model), refusal)
		}
	}
	if !k.Selective() || (&Key{}).Selective() || !linked(t, Key{Team: "t"}, users, teams).Selective() {
		t.Error("Selective")
	}
}

func TestLinkUnitesLabelsAndTags(t *testing.T) {
	teams := []Team{{Name: "t", Require: Labels{"region": "eu"}, Tags: map[string]string{"cost": "1", "x": "team"}}}
	users := []User{{Name: "u", Team: "t", Require: Labels{"tier": "1"}, Tags: map[string]string{"x": "user", "y": "user"}}}
	keys := []Key{{Name: "k", User: "u", Require: Labels{"region": "eu", "kind": "a"}, Tags: map[string]string{"y": "key"}}, {Name: "torn", User: "u", Require: Labels{"tier": "2", "region": "us"}}, {Name: "free"}}
	out, conflicts := Link(keys, users, teams)
	if !reflect.DeepEqual(out[0].Require, Labels{"region": "eu", "kind": "a", "tier": "1"}) || len(keys[0].Require) != 2 {
		t.Errorf("%v; the key that was given: %v", out[0].Require, keys[0].Require)
	}
	if want := map[string]string{"cost": "1", "x": "user", "y": "key"}; !reflect.DeepEqual(out[0].AllTags(), want) {
		t.Errorf("tags %v", out[0].AllTags())
	}
	if got := TagText(out[0].AllTags()); got != "cost=1,x=user,y=key" || TagText(nil) != "" {
		t.Errorf("%q", got)
	}
	if out[0].Owner.User == nil || out[0].Owner.Team == nil || out[0].Owner.Team != out[1].Owner.Team {
		t.Error("the owners are not shared")
	}
	if len(conflicts) != 1 || !strings.Contains(conflicts[0], "no account can have both") || (Labels{"tier": "1", "region": "eu"}).Satisfy(out[1].Require) || (Labels{"tier": "2", "region": "us"}).Satisfy(out[1].Require) {
		t.Errorf("%v, %v", conflicts, out[1].Require)
	}
	if out[2].Owner.User != nil || out[2].Owner.Team != nil || out[2].AllTags() != nil {
		t.Errorf("%+v", out[2])
	}
}

func TestBarred(t *testing.T) {
	now := time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)
	teams := []Team{{Name: "t", Enabled: true}, {Name: "off"}}
	users := []User{{Name: "u", Enabled: true, Team: "t"}, {Name: "off"}, {Name: "in off", Enabled: true, Team: "off"}, {Name: "in none", Enabled: true, Team: "none"}}
	for _, c := range []struct {
		k    Key
		want string
	}{
		{Key{Enabled: true}, ""},
		{Key{Enabled: true, User: "u"}, ""},
		{Key{Enabled: true, Team: "t"}, ""},
		{Key{}, "has been disabled"},
		{Key{Enabled: true, Revoked: true}, "has been revoked"},
		{Key{Enabled: true, Expires: now}, "expired on 2027-01-31 12:00 UTC"},
		{Key{Enabled: true, Expires: now.Add(1)}, ""},
		{Key{Enabled: true, User: "off"}, `belongs to the user "off", who has been disabled`},
		{Key{Enabled: true, User: "none"}, `belongs to the user "none", who has been disabled`},
		{Key{Enabled: true, User: "in off"}, `belongs to the team "off", which has been disabled`},
		{Key{Enabled: true, User: "in none"}, `belongs to the team "none", which is gone`},
		{Key{Enabled: true, Team: "off"}, `belongs to the team "off", which has been disabled`},
		{Key{Enabled: true, Team: "none"}, `belongs to the team "none", which is gone`},
	} {
		if got := linked(t, c.k, users, teams).Barred(now); got != c.want {
			t.Errorf("%+v: %q, want %q", c.k, got, c.want)
		}
	}
}

func TestAdmits(t *testing.T) {
	k := Key{Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}}
	for from, want := range map[string]bool{"10.1.2.3": true, "::ffff:10.1.2.3": true, "11.0.0.1": false, "2001:db8::1": true, "2001:db9::1": false} {
		if k.Admits(netip.MustParseAddr(from)) != want {
			t.Errorf("%s: not %v", from, want)
		}
	}
	if !(&Key{}).Admits(netip.Addr{}) || k.Admits(netip.Addr{}) {
		t.Error("an unknown address")
	}
}
