package app

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"turnout/internal/config"
	"turnout/internal/dialect"
	"turnout/internal/domain"
	"turnout/internal/failover"
	"turnout/internal/gateway"
	"turnout/internal/sched"
)

// efforts are the names of how much reasoning a request asks for.
var efforts = map[string]dialect.Effort{"": dialect.EffortNone, "none": dialect.EffortNone, "some": dialect.EffortSome, "high": dialect.EffortHigh}

// explainLimits answers admin.LimitsPath.
func (a *App) explainLimits(_ context.Context, v url.Values) (any, error) {
	q, err := limitsQuery(v)
	if err != nil {
		return nil, err
	}
	return a.gateway.Limits(q)
}

// ExplainLimits explains the time limits of a configuration that is not running.
func ExplainLimits(c *config.Config, v url.Values) (gateway.LimitsAnswer, error) {
	q, err := limitsQuery(v)
	if err != nil {
		return gateway.LimitsAnswer{}, err
	}
	snap, err := trial(c)
	if err != nil {
		return gateway.LimitsAnswer{}, err
	}
	return snap.Limits(q)
}

// PoolTuning is how a pool chooses and carries over.
type PoolTuning struct {
	Name   string
	Tuning sched.Tuning
	Policy failover.Policy
}

// Tunings are the pools of a configuration that is not running.
func Tunings(c *config.Config) (out []PoolTuning, err error) {
	snap, err := trial(c)
	if err != nil {
		return nil, err
	}
	for _, p := range c.Pools {
		t, policy := snap.Tuning(p.Name)
		out = append(out, PoolTuning{p.Name, t, policy})
	}
	return out, nil
}

// dialects are the names that a question may use.
var dialects = map[string]domain.Dialect{
	"": domain.DialectAnthropic, "anthropic": domain.DialectAnthropic, "openai-chat": domain.DialectOpenAIChat,
	"openai-responses": domain.DialectOpenAIResp, "gemini": domain.DialectGeminiContent,
}

// explainRoute answers admin.RoutePath: key, model, dialect, session and input.
func (a *App) explainRoute(_ context.Context, v url.Values) (any, error) {
	const op = "explain the route"
	d, known := dialects[v.Get("dialect")]
	if !known {
		return nil, domain.Errorf(domain.KindInvalid, op, "dialect is %q; want anthropic, openai-chat, openai-responses or gemini", v.Get("dialect"))
	}
	q := gateway.RouteQuery{Key: v.Get("key"), Model: v.Get("model"), Session: v.Get("session"), Dialect: d, Input: 2000}
	if text := v.Get("input"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 || n > 1e9 {
			return nil, domain.Errorf(domain.KindInvalid, op, "input is %q; want a number of tokens", text)
		}
		q.Input = n
	}
	return a.gateway.Route(q)
}

// moveSession answers admin.SessionPath: key, session, dialect and to.
func (a *App) moveSession(_ context.Context, v url.Values) (any, error) {
	d, known := dialects[v.Get("dialect")]
	if !known {
		return nil, domain.Errorf(domain.KindInvalid, "move a session", "dialect is %q; want anthropic, openai-chat, openai-responses or gemini", v.Get("dialect"))
	}
	return a.gateway.MoveSession(v.Get("key"), v.Get("session"), d, v.Get("to"))
}

// limitsQuery reads pool, model, json (a whole answer instead of a stream), effort, input, cached and max_tokens.
func limitsQuery(v url.Values) (q gateway.LimitsQuery, err error) {
	q.Pool, q.Model, q.Stream = v.Get("pool"), v.Get("model"), v.Get("json") != "true"
	effort, known := efforts[v.Get("effort")]
	if !known {
		return q, domain.Errorf(domain.KindInvalid, "explain limits", "effort is %q; want none, some or high", v.Get("effort"))
	}
	q.Effort = effort
	for name, to := range map[string]*int64{"input": &q.Input, "cached": &q.Cached, "max_tokens": &q.Max} {
		text := v.Get(name)
		if text == "" {
			continue
		}
		if *to, err = strconv.ParseInt(text, 10, 64); err != nil || *to < 0 || *to > 1e9 {
			return q, domain.Errorf(domain.KindInvalid, "explain limits", "%s is %q; want a number of tokens", name, text)
		}
	}
	if q.Cached > q.Input {
		return q, domain.Errorf(domain.KindInvalid, "explain limits", "of %s only so many can be cached as there are: %d", fmt.Sprint(q.Input, " input tokens"), q.Input)
	}
	return q, nil
}
