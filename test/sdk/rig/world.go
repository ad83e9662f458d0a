package main

import (
	"fmt"
	"strings"
)

// clients are the SDKs, by the dialect that they speak.
var clients = []string{
	"openai-js-chat", "openai-js-responses", "anthropic-js", "genai-js",
	"ai-openai-chat", "ai-openai-responses", "ai-anthropic", "ai-google",
	"openai-go-chat", "openai-go-responses", "anthropic-go", "genai-go",
}

// accounts are the kinds of upstreams that each SDK is put before. Their models' names begin as their
// makers' do, because translations go by them.
var accounts = []struct{ name, platform, path, models string }{
	{"anthropic", "anthropic", "", "claude-sonnet-4-5-"},
	{"openai", "openai", "/v1", "gpt-5-"},
	{"openai-compatible", "openai-compatible", "/v1", "qwen-3-"},
	{"gemini", "gemini", "", "gemini-2.5-pro-"},
}

// asked is how the names begin that the SDKs ask for, by dialect. Every account maps them to its own.
var asked = map[string]string{
	"anthropic":        "claude-sonnet-4-5-",
	"openai-chat":      "gpt-5-",
	"openai-responses": "gpt-5-",
	"gemini":           "gemini-2.5-pro-",
}

// models maps the names that are asked for to an account's own.
func models(own string) string {
	var out []string
	for _, a := range []string{"claude-sonnet-4-5-", "gpt-5-", "gemini-2.5-pro-"} {
		out = append(out, fmt.Sprintf("%q: %q", a+"*", own+"*"))
	}
	return strings.Join(out, ", ")
}

// rows are what is tried with every SDK before every kind of account.
var rows = []string{
	"text", "stream", "tools", "tools-stream", "tools-thinking", "structured", "usage", "usage-cached", "reasoning", "models",
	"bad-request", "context", "unauthorized", "not-found", "model-gone", "limited", "internal", "unavailable", "account-key", "broken",
	"abort", "large", "parallel",
	"failover-503", "failover-429", "failover-cut", "failover-start", "failover-key",
}

// pools are what rows need: a pool for every SDK and kind of account, with its accounts in their order,
// each by the words that its behaviour is asked for with. Where the behaviour depends on nothing but the model's name,
// rows share the healthy pool.
var pools = map[string][]string{
	"healthy":     {"sk-sim-%s"},
	"bad-request": {"sk-sim-%s-fail400"},
	"context":     {"sk-sim-%s-ctxlen"},
	"model-gone":  {"sk-sim-%s-nomodel"},
	"limited":     {"sk-sim-%s-fail429-ra300"},
	"internal":    {"sk-sim-%s-fail500"},
	"unavailable": {"sk-sim-%s-fail503"},
	"account-key": {"sk-bad-%s"},
	"broken":      {"sk-sim-%s-cut5"},
}

// failures are what the first account of a failover row does; the second is healthy. A row is tried
// with a JSON answer and with a stream, each with accounts of its own, because the first one rests afterwards.
var failures = map[string]string{
	"failover-503":   "sk-sim-%s-fail503",
	"failover-429":   "sk-sim-%s-fail429-ra300",
	"failover-cut":   "sk-sim-%s-cut0",
	"failover-start": "sk-sim-%s-errstart",
	"failover-key":   "sk-bad-%s",
}

func init() {
	for row, words := range failures {
		pools[row] = []string{words, "sk-sim-%s"}
		pools[row+"-stream"] = pools[row]
	}
}

// configuration is Turnout's. The names are joined by dots, since a dash would make words of their parts: the pool, and
// the key's secret after "tk-sdk-", are client.account.pool; the keys at the provider name that and
// the account's number.
func configuration(sim string) string {
	var p, a, k strings.Builder
	for _, c := range clients {
		for _, kind := range accounts {
			for pool, keys := range pools {
				name := fmt.Sprintf("%s.%s.%s", c, kind.name, pool)
				fmt.Fprintf(&p, "  - {name: %s}\n", name)
				fmt.Fprintf(&k, "  - {name: %s, secret: %s, pools: [%s]}\n", name, "tk-sdk-"+name, name)
				for i, words := range keys {
					one := fmt.Sprintf("%s.%d", name, i)
					fmt.Fprintf(&a, "  - {name: %s, platform: %s, base_url: %q, api_key: %s, pools: [%s], priority: %d, models: {%s}}\n",
						one, kind.platform, sim+kind.path, fmt.Sprintf(words, strings.ReplaceAll(one, "-", "_")), name, i, models(kind.models))
				}
			}
		}
	}
	return "listen: 127.0.0.1:0\ndata_dir: ./data\nlog: {level: info}\npools:\n" + p.String() + "accounts:\n" + a.String() + "keys:\n" + k.String()
}
