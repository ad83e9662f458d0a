package config

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"turnout/internal/domain"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var testPlatforms = []Platform{
	{Name: "anthropic"}, {Name: "openai"},
	{Name: "anthropic-compatible", NeedsBaseURL: true, KeyOptional: true},
	{Name: "openai-compatible", NeedsBaseURL: true, KeyOptional: true},
}

func env(vars map[string]string) Env {
	return func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
}

func parseString(t testing.TB, text string) (*Config, []Warning, error) {
	t.Helper()
	return Parse("turnout.yaml", []byte(text), env(map[string]string{"GOOD_KEY": "sk-env-canary", "EMPTY": " ", "SPLIT": "sk-a canary"}), testPlatforms, Overrides{})
}

func TestExample(t *testing.T) {
	c, warnings, err := Parse("/etc/turnout/turnout.yaml", []byte(Example()), env(map[string]string{"ANTHROPIC_API_KEY": "sk-ant-x"}), testPlatforms, Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 0 {
		t.Errorf("warnings: %v", warnings)
	}
	eu := domain.Labels{"region": "eu"}
	want := &Config{
		File: "/etc/turnout/turnout.yaml", Listen: "127.0.0.1:8080", DataDir: "/etc/turnout/data",
		Pools: []Pool{
			{Pool: domain.Pool{Name: "default", Origin: domain.OriginFile, Enabled: true}, Policy: Policy{Profile: "balanced"}, KeepAlive: 15 * time.Second},
			{Pool: domain.Pool{Name: "careful", Origin: domain.OriginFile, Enabled: true, Require: eu, Spending: domain.Spending{Budgets: []domain.Budget{
				{Name: "the-pool", Period: domain.PeriodMonth, Zone: "Europe/Berlin", Soft: 4000 * domain.Dollar, Hard: 5000 * domain.Dollar},
				{Period: domain.PeriodDay, Rolling: true, Hard: 400 * domain.Dollar},
			}}}, KeepAlive: 15 * time.Second, Policy: Policy{
				Profile: "balanced", Switches: new(5), Attempts: new(8), AttemptsPerAccount: new(2), Waiting: new(20 * time.Second), Total: new(10 * time.Minute),
				SameAccountRetries: new(1), GraceRetries: new(1), GraceWait: new(1500 * time.Millisecond), Rounds: new(1), SecondPrice: new(domain.NanoUSD(2_000_000)),
				Hold: new(time.Minute), MaxResting: new(50), Rests: map[string]Rest{
					"transient":    {From: new(3), First: new(5 * time.Second), Most: new(time.Minute)},
					"rate_limited": {Most: new(10 * time.Minute)},
				},
			},
				Commit: domain.Commit{Point: domain.CommitTokens, Tokens: 20},
				Fallbacks: domain.Fallbacks{
					"claude-haiku-*": {"any": {"small"}},
					"claude-opus-4-1": {
						"any": {"claude-sonnet-4-5", "gpt-5"}, "context_too_long": {"claude-sonnet-4-5-1m"}, "model_gone": {"claude-opus-4-5"},
					},
				},
				Limits: domain.DefaultTimeLimits(), // the example shows them all, at their defaults
				Errors: []domain.ErrorRule{
					{Class: "quota_exhausted", Status: 429, Platform: "anthropic", Code: "rate_limit_error", Contains: "credit",
						NewStatus: 503, Message: "The budget is used up; ask ops.", NewCode: "budget", RetryAfter: time.Hour},
					{Class: "content_refused", Pass: true},
				},
				Rates: &domain.Rates{
					RateLimits: domain.RateLimits{Requests: 6000, RequestBurst: 500, Tokens: 20_000_000, TokenBurst: 5_000_000, Concurrency: 200},
					Models:     map[string]domain.RateLimits{"claude-opus-*": {Requests: 600, Concurrency: 40}},
				},
			},
		},
		Accounts: []domain.Account{
			{Name: "claude-1", Origin: domain.OriginFile, Platform: "anthropic", APIKey: domain.NewSecret("sk-ant-x"), Organization: "acme", TokenPrice: 3000,
				Limits: domain.AccountLimits{RequestsPerMinute: 60, TokensPerMinute: 400_000, RequestsPerDay: 20_000, TokensPerDay: 50_000_000, Sessions: 20, Expires: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)},
				Labels: eu, Pools: []string{"default", "careful"}, Weight: 1, Enabled: true},
			{Name: "local", Origin: domain.OriginFile, Platform: "openai-compatible", BaseURL: "http://127.0.0.1:11434/v1", Pools: []string{"default"},
				Priority: 10, Weight: 1, Models: domain.ModelMap{"gpt-*": "llama-*", "small": "llama3.2"}, Enabled: true},
		},
		Teams: []domain.Team{{
			Name: "research", Origin: domain.OriginFile, Models: []string{"claude-*", "gpt-*"}, Deny: []string{"claude-opus-*"}, Enabled: true,
			Rates: &domain.Rates{RateLimits: domain.RateLimits{Tokens: 5_000_000}}, Tags: map[string]string{"cost_centre": "r-17"},
			Spending: domain.Spending{Prepaid: true, Overdraft: 5 * domain.Dollar, Factor: 1_200_000, Budgets: []domain.Budget{{Period: domain.PeriodWeek, Soft: 100 * domain.Dollar}}},
		}},
		Users: []domain.User{{
			Name: "ada", Origin: domain.OriginFile, Team: "research", Enabled: true,
			Spending: domain.Spending{Budgets: []domain.Budget{{Period: domain.PeriodDay, Hard: 20 * domain.Dollar}}},
		}},
		Keys: []domain.Key{{Name: "team", Origin: domain.OriginFile, User: "ada", Deny: []string{"gpt-3*"}, Tags: map[string]string{"project": "apollo"}, TagHeader: []string{"project"},
			Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")},
			Spending: domain.Spending{Budgets: []domain.Budget{{Period: domain.PeriodFiveHour, Hard: 2 * domain.Dollar}}}, Hash: sha256.Sum256([]byte("0123456789abcdef")), Pools: []string{"default", "careful"},
			Models: []string{"claude-*", "gpt-*"}, Expires: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), Enabled: true,
			Commit: &domain.Commit{Point: domain.CommitComplete}, Overrides: []string{"commit"},
			Rates: &domain.Rates{RateLimits: domain.RateLimits{Requests: 600, Concurrency: 50}}}},
		Prices: []domain.OwnPrice{
			{Account: "local", Model: "llama*", Prices: map[string]string{"input_mtok": "0.05", "output_mtok": "0.10"}},
			{Platform: "anthropic", Model: "claude-opus-5*", From: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), Prices: map[string]string{
				"input_mtok": "4.50", "output_mtok": "22.50", "cache_read_mtok": "0.45", "cache_write_mtok": "5.625", "cache_write_1h_mtok": "9.00",
				"output_reasoning_mtok": "22.50", "input_audio_mtok": "4.50", "cache_audio_read_mtok": "0.45", "output_audio_mtok": "22.50",
				"input_image_mtok": "4.50", "output_image_mtok": "22.50", "web_searches_kcount": "10", "requests_kcount": "0"}},
		},
		Limits: Limits{32 << 20, 1 << 30, 100, 10 * time.Second, 64 << 10},
		Drain:  15 * time.Minute, DrainDelay: time.Second, TraceRetention: 7 * day, RequestRetention: 400 * day, UsageRetention: 400 * day, SessionTTL: time.Hour, Log: Log{"info", "text"},
	}
	want.Keys[0].Hash = c.Keys[0].Hash // the example's secret is nobody's
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

// TestExampleShowsEverySetting asks Parse itself what may stand in each mapping.
func TestExampleShowsEverySetting(t *testing.T) {
	for where, text := range map[string]string{
		"the top":                 "%s",
		"limits":                  "limits: {%s}",
		"log":                     "log: {%s}",
		"accounts":                "accounts: [{%s}]",
		"keys":                    "keys: [{%s}]",
		"teams":                   "teams: [{%s}]",
		"users":                   "users: [{%s}]",
		"keys.budgets":            "keys: [{budgets: [{%s}]}]",
		"pools":                   "pools: [{%s}]",
		"pools.policy":            "pools: [{policy: {%s}}]",
		"pools.policy.rests":      "pools: [{policy: {rests: {transient: {%s}}}}]",
		"pools.commit":            "pools: [{commit: {%s}}]",
		"pools.limits":            "pools: [{limits: {%s}}]",
		"pools.errors":            "pools: [{errors: [{%s}]}]",
		"pools.errors[#].when":    "pools: [{errors: [{when: {%s}}]}]",
		"pools.errors[#].replace": "pools: [{errors: [{replace: {%s}}]}]",
	} {
		_, _, err := parseString(t, fmt.Sprintf(text, "qqqqqqqq: 1"))
		if err == nil {
			t.Fatalf("%s: no error", where)
		}
		_, list, ok := strings.Cut(err.Error(), "unknown key. Allowed here: ")
		list, _, _ = strings.Cut(list, "\n")
		if keys := strings.Split(list, ", "); !ok || len(keys) < 2 {
			t.Fatalf("%s: %v", where, err)
		}
		for key := range strings.SplitSeq(list, ", ") {
			if !regexp.MustCompile(`(^|[^a-z_])` + key + `:`).MatchString(Example()) {
				t.Errorf("the example does not show %s in %s", key, where)
			}
		}
	}
	for _, word := range append(FailureClasses(), "first_event", "content", "complete", "any", "classic") {
		if !strings.Contains(Example(), word) {
			t.Errorf("the example does not name %s", word)
		}
	}
}

func TestExampleShowsTheDefaults(t *testing.T) {
	c, _, err := Parse("turnout.yaml", []byte(Example()), env(map[string]string{"ANTHROPIC_API_KEY": "x"}), testPlatforms, Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	d, _, err := parseString(t, "accounts:\n- {name: a, platform: openai, api_key_env: GOOD_KEY}\n")
	if err != nil {
		t.Fatal(err)
	}
	c.Pools, c.Accounts, c.Keys, d.Accounts = c.Pools[:1], nil, nil, nil
	c.Teams, c.Users, c.Prices = nil, nil, nil
	if !reflect.DeepEqual(c, d) {
		t.Errorf("the example has %+v, the defaults are %+v", c, d)
	}
}

func TestIssueFile(t *testing.T) {
	c, _, err := parseString(t, `
listen: 127.0.0.1:8080
data_dir: ./data
pools:
  - {name: default, policy: balanced}
accounts:
  - name: a1
    platform: anthropic
    base_url: http://127.0.0.1:9100
    api_key: sk-canary
    organization: acme
    labels: {region: eu, tier: 1}
    pools: [default]
    priority: 0
    weight: 1
    max_concurrency: 0
    models: {"claude-*": "claude-*"}
    limits: {requests_per_minute: 60, tokens_per_minute: 0, requests_per_day: 1000, tokens_per_day: 5, expires: 2027-01-31T18:00:00+01:00}
    proxy: socks5://user:pass@127.0.0.1:1080
keys:
  - {name: team, secret: tk-0123456789abcdef, pools: [default], models: [claude-3], require: {region: eu}, expires: 2027-01-31T18:00:00+01:00}
`)
	if err != nil {
		t.Fatal(err)
	}
	a := c.Accounts[0]
	if a.APIKey.Reveal() != "sk-canary" || a.Labels["tier"] != "1" || a.Models["claude-*"] != "claude-*" || a.Proxy != "socks5://user:pass@127.0.0.1:1080" {
		t.Errorf("account = %+v", a)
	}
	if want := (domain.AccountLimits{RequestsPerMinute: 60, RequestsPerDay: 1000, TokensPerDay: 5, Expires: time.Date(2027, 1, 31, 17, 0, 0, 0, time.UTC)}); a.Limits != want {
		t.Errorf("limits = %+v, want %+v", a.Limits, want)
	}
	k := c.Keys[0]
	if k.Hash != sha256.Sum256([]byte("tk-0123456789abcdef")) || !k.Expires.Equal(time.Date(2027, 1, 31, 17, 0, 0, 0, time.UTC)) || k.Require["region"] != "eu" {
		t.Errorf("key = %+v", k)
	}
}

// TestGolden holds every message's words. Read them aloud: would a newcomer know
// what to do?
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			vars, flags := map[string]string{"EMPTY": " ", "SPLIT": "sk-a canary"}, Overrides{}
			if strings.HasSuffix(file, "top.yaml") {
				vars["TURNOUT_DRAIN"], vars["TURNOUT_LIMIT_BODIES"], flags.LogLevel = "later", "1MiB", "loud"
			}
			_, warnings, err := Parse(filepath.Base(file), data, env(vars), testPlatforms, flags)
			got := ""
			for _, w := range warnings {
				got += "warning: " + w.String() + "\n"
			}
			if err != nil {
				got += err.Error() + "\n"
			}
			if strings.Contains(got, "canary") {
				t.Errorf("a secret is shown:\n%s", got)
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func TestPrecedence(t *testing.T) {
	const file = "listen: 127.0.0.1:1\ndrain: 1m\nlog: {level: warn}\nmaster_key_file: k\ndata_dir: /abs\n" + "accounts: [{name: a, platform: openai, api_key: sk-1}]\n"
	vars := map[string]string{"TURNOUT_LISTEN": "127.0.0.1:2", "TURNOUT_DRAIN": "2m", "TURNOUT_LIMIT_BODY": "1MiB", "TURNOUT_LOG_FORMAT": "", "TURNOUT_DATA_DIR": "rel"}
	c, _, err := Parse("/etc/turnout.yaml", []byte(file), env(vars), testPlatforms, Overrides{Listen: "127.0.0.1:3"})
	if err != nil {
		t.Fatal(err)
	}
	for what, pair := range map[string][2]any{
		"a flag wins":                        {c.Listen, "127.0.0.1:3"},
		"the environment wins over the file": {c.Drain, 2 * time.Minute},
		"the environment alone":              {c.Limits.Body, int64(1 << 20)},
		"the file alone":                     {c.Log.Level, "warn"},
		"an empty variable is none":          {c.Log.Format, "text"},
		"a path in the file":                 {filepath.ToSlash(c.MasterKeyFile), "/etc/k"},
		"a path in the environment":          {c.DataDir, "rel"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: got %v, want %v", what, pair[0], pair[1])
		}
	}
}

func TestMasterKey(t *testing.T) {
	const rest = "accounts: [{name: a, platform: openai, api_key: sk-1}]\n"
	vars := env(map[string]string{"TURNOUT_MASTER_KEY": "canarycanary"})
	c, _, err := Parse("f", []byte(rest), vars, testPlatforms, Overrides{})
	if err != nil || c.MasterKey.Reveal() != "canarycanary" {
		t.Errorf("%v, %v", c, err)
	}
	_, _, err = Parse("f", []byte("master_key_file: x\n"+rest), vars, testPlatforms, Overrides{})
	if err == nil || !strings.Contains(err.Error(), "given twice") || strings.Contains(err.Error(), "canary") {
		t.Error(err)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	none := env(nil)
	if _, _, err := Load(filepath.Join(dir, "absent.yaml"), none, testPlatforms, Overrides{}); err == nil || !strings.Contains(err.Error(), "turnout config example") {
		t.Errorf("err = %v", err)
	}
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil { // whatever the umask
			t.Fatal(err)
		}
		return path
	}
	write("key", "sk-from-file\n", 0o600)
	const account = "accounts: [{name: a, platform: openai, %s}]\nkeys: [{name: k, secret_sha256: 5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5}]\n"
	open := write("open.yaml", fmt.Sprintf(account, "api_key: sk-inline"), 0o644)
	closed := write("closed.yaml", fmt.Sprintf(account, "api_key: sk-inline"), 0o600)
	byFile := write("byfile.yaml", fmt.Sprintf(account, "api_key_file: key"), 0o644)
	for _, c := range []struct {
		path, key string
		warns     bool
	}{{open, "sk-inline", true}, {closed, "sk-inline", false}, {byFile, "sk-from-file", false}} {
		conf, warnings, err := Load("", env(map[string]string{"TURNOUT_CONFIG": c.path}), testPlatforms, Overrides{})
		if err != nil {
			t.Fatal(err)
		}
		if conf.Accounts[0].APIKey.Reveal() != c.key {
			t.Errorf("%s: the API key is another", c.path)
		}
		if runtime.GOOS == "windows" {
			continue
		}
		if c.warns != (len(warnings) == 1 && strings.Contains(warnings[0].String(), "chmod 600")) {
			t.Errorf("%s: warnings = %v", c.path, warnings)
		}
	}
}

func TestSecretsNeverPrint(t *testing.T) {
	c, _, err := parseString(t, "accounts: [{name: a, platform: openai, api_key: sk-canary}]\nkeys: [{name: k, secret: tk-canary-0123456789}]\n")
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{fmt.Sprintf("%v %+v %#v", c, *c, c.Accounts), string(b)} {
		if strings.Contains(s, "canary") {
			t.Errorf("a secret is shown: %s", s)
		}
	}
}

func TestPolicyRoundTrip(t *testing.T) {
	c, _, err := parseString(t, "pools: [{name: p, policy: {switches: 0, waiting: 5s, second_price_usd: 0.000000001}}]\naccounts: [{name: a, platform: openai, api_key: x, pools: [p]}]")
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(c.Pools[0].Policy)
	if err != nil {
		t.Fatal(err)
	}
	var back Policy
	if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(back, c.Pools[0].Policy) {
		t.Errorf("%s, %v", b, err)
	}
	if string(b) != `{"profile":"balanced","switches":0,"waiting":5000000000,"second_price_usd":1}` {
		t.Errorf("%s", b)
	}
}

func TestProblemsAreValues(t *testing.T) {
	_, _, err := parseString(t, "listen: 127.0.0.1:8080\nlog:\n  level: loud\n")
	var ps Problems
	if !errors.As(err, &ps) || len(ps) != 1 {
		t.Fatalf("err = %v", err)
	}
	if p := ps[0]; p.Source != "turnout.yaml" || p.Line != 3 || p.Column != 10 || p.Path != "log.level" {
		t.Errorf("%+v", p)
	}
}
