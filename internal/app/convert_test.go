package app

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"turnout/internal/config"
	"turnout/internal/domain"
	"turnout/internal/failover"
)

// A file speaks of failures by the names of the classes, which config has as a list
// of its own because it may not import failover.
func TestFailureClasses(t *testing.T) {
	var want []string
	for c := range failover.NumClasses {
		want = append(want, failover.Class(c).String())
	}
	if got := config.FailureClasses(); !slices.Equal(got, want) {
		t.Errorf("config has %q\nfailover has %q", got, want)
	}
}

// everything is a pool and a key with every setting that a file can give them.
const everything = `
prices: [{model: m, input: 1.00, output: 2.00}]
pools:
  - name: default
    policy:
      profile: balanced
      switches: 5
      attempts: 8
      attempts_per_account: 2
      waiting: 25s
      total: 9m
      same_account_retries: 1
      grace_retries: 1
      grace_wait: 1500ms
      rounds: 1
      second_price_usd: 0.002
      hold: 90s
      max_resting: 30%
      rests:
        transient: {from: 2, first: 4s, most: 40s}
        first_token_late: {from: 5, first: 10s, most: 1m}
        model_gone: {most: 2h}
    keep_alive: 20s
    unpriced: refuse
    payment: {hold: cap, cap_usd: 0.75, cache_billing: true}
    commit: {seconds: 2.3}
    fallbacks:
      m: [m2, m3]
      "gpt-*": {any: [m2], context_too_long: [large], model_gone: [newer]}
    rates: {requests_per_minute: 600, request_burst: 30, tokens_per_minute: 100000, token_burst: 50000, concurrency: 9, models: {"m*": {concurrency: 7}}}
    limits: {first_byte: 21s, soft_small: 9s, stream_total: 2h}
    errors:
      - {when: {class: content_refused}, pass: true}
      - {when: {status: 429, platform: openai-compatible, code: c, contains: t}, replace: {status: 503, message: m, code: d, retry_after: 5s}}
`

func everySetting(base string) string {
	return strings.Replace(configuration(base, "one=sk-one-11111111"), "secret: "+teamKey, "secret: "+teamKey+", commit: {tokens: 30}, rates: {requests_per_minute: 500, models: {m: {tokens_per_minute: 90000}}}, overrides: [commit]", 1) + everything
}

// A file with every setting serves, and is the same file after a restart and at a reload.
func TestEverySetting(t *testing.T) {
	p := newProvider(t)
	r := newRig(t, everySetting(p.URL))
	a := r.start()
	if status, body := r.ask(a, teamKey); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	reload := func() string {
		t.Helper()
		said, err := a.Reload(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return said
	}
	if said := reload(); !strings.HasSuffix(said, ": no changes") {
		t.Errorf("at a reload: %s", said)
	}
	if err := a.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	provisioned := strings.Count(r.log.String(), "provisioned")
	a = r.start()
	if n := strings.Count(r.log.String(), "provisioned"); provisioned != 1 || n != 1 {
		t.Errorf("the restart changed something:\n%s", r.log)
	}
	if status, body := r.ask(a, teamKey); status != 200 {
		t.Errorf("after the restart: %d %s", status, body)
	}
	// Each setting that is edited is found, by itself.
	for old, edited := range map[string]string{
		"hold: 90s": "hold: 80s", "max_resting: 30%": "max_resting: 0", "from: 2": "from: 3", "most: 2h": "most: 3h", "seconds: 2.3": "tokens: 7",
		"[m2, m3]": "[m3, m2]", "model_gone: [newer]": "model_gone: [m2]", "soft_small: 9s": "soft_small: 8s", "pass: true": "replace: {status: 400}", "retry_after: 5s": "retry_after: 6s",
		"unpriced: refuse": "unpriced: highest", "request_burst: 30": "request_burst: 31", "concurrency: 7": "concurrency: 8",
	} {
		r.write(strings.Replace(everySetting(p.URL), old, edited, 1))
		if said := reload(); !strings.HasSuffix(said, ": edited pool default") {
			t.Errorf("%s: %s", edited, said)
		}
		r.write(everySetting(p.URL))
		reload()
	}
	for old, edited := range map[string]string{", commit: {tokens: 30}": "", ", overrides: [commit]": "", "tokens: 30": "tokens: 31", "minute: 500": "minute: 501", "minute: 90000": "minute: 90001"} {
		r.write(strings.Replace(everySetting(p.URL), old, edited, 1))
		if said := reload(); !strings.HasSuffix(said, ": edited key team") {
			t.Errorf("%q: %s", edited, said)
		}
		r.write(everySetting(p.URL))
		reload()
	}
}

// What the store gives back of a pool is what the file says, and what the gateway takes.
func TestPoolsComeBackWhole(t *testing.T) {
	r := newRig(t, everySetting("http://127.0.0.1:1"))
	c, _, err := config.Load(filepath.Join(r.dir, "turnout.yaml"), func(string) (string, bool) { return "", false }, Platforms(), config.Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	p := c.Pools[0]
	direct := policyOf(p)
	raw, err := json.Marshal(direct)
	if err != nil {
		t.Fatal(err)
	}
	var back poolPolicy
	if err := json.Unmarshal(raw, &back); err != nil || !reflect.DeepEqual(back, direct) {
		t.Errorf("%s\nbecame %+v (%v)", raw, back, err)
	}
	got := back.compiled(p.Pool)
	if got.Commit != p.Commit || got.Commit.Time != 2300*time.Millisecond || got.Limits != p.Limits || got.Limits.SoftSmall != 9*time.Second || got.KeepAlive != 20*time.Second || *got.MaxResting != 30 ||
		!reflect.DeepEqual(got.Fallbacks, p.Fallbacks) || len(got.Fallbacks) != 2 || !reflect.DeepEqual(got.Errors, p.Errors) || len(got.Errors) != 2 ||
		!reflect.DeepEqual(got.Rates, p.Rates) || got.Rates.Models["m*"].Concurrency != 7 {
		t.Errorf("%+v", got)
	}
	eff, err := failover.Effective(failover.Override{}, got.Policy)
	if err != nil {
		t.Fatal(err)
	}
	want := failover.Balanced()
	want.Switch.Max, want.Attempts, want.PerAccount, want.Waiting, want.Total = 5, 8, 2, 90*time.Second, 9*time.Minute
	want.Same.Max, want.Grace.Max, want.Grace.Longest, want.Grace.LongestStated, want.Round.Max = 1, 1, 1500*time.Millisecond, 1500*time.Millisecond, 1
	want.Stake.SecondPrice, want.Round.LongestStated = 2_000_000, 90*time.Second
	transient := &want.Rests[failover.Transient]
	transient.From, transient.First, transient.Most = 2, 4*time.Second, 40*time.Second
	want.Rests[failover.FirstTokenLate] = failover.Rest{From: 5, First: 10 * time.Second, Most: time.Minute, Jitter: 20}
	want.Rests[failover.ModelGone].Most = 2 * time.Hour
	if eff != want {
		t.Errorf("got\n%+v\nwant\n%+v", eff, want)
	}
}

// A pool that says nothing of newer settings is stored as older versions stored it,
// so that a new version finds no edit that nobody made.
func TestOldPoolsAreNotEdited(t *testing.T) {
	for text, want := range map[string]string{
		"":                         `{"policy":{"profile":"balanced"},"keep_alive":15000000000}`,
		"pools: [{name: default}]": `{"policy":{"profile":"balanced"},"keep_alive":15000000000}`,
		"pools: [{name: default, policy: {profile: classic, switches: 0, waiting: 5s}, keep_alive: 0}]": `{"policy":{"profile":"classic","switches":0,"waiting":5000000000},"keep_alive":0}`,
		"pools: [{name: default, commit: content}]":                                                     `{"policy":{"profile":"balanced"},"keep_alive":15000000000}`, // the default, written out
	} {
		c, _, err := config.Parse("f", []byte("accounts: [{name: a, platform: openai, api_key: x}]\n"+text), os.LookupEnv, Platforms(), config.Overrides{})
		if err != nil {
			t.Fatal(err)
		}
		d, err := desired(c)
		if err != nil || string(d.Pools[0].Policy) != want {
			t.Errorf("%q is stored as %s (%v), want %s", text, d.Pools[0].Policy, err, want)
		}
		// And what an older version stored is understood.
		var old poolPolicy
		if err := json.Unmarshal([]byte(want), &old); err != nil || !reflect.DeepEqual(old, policyOf(c.Pools[0])) {
			t.Errorf("%s became %+v (%v)", want, old, err)
		}
		if got := old.compiled(domain.Pool{}); got.Commit != (domain.Commit{}) || got.Limits != (domain.TimeLimits{}) || got.Fallbacks != nil || got.Errors != nil || got.MaxResting != nil || got.Policy.Hold != nil || got.Policy.Rests != nil {
			t.Errorf("%s became %+v", want, got)
		}
	}
}
