package gateway

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// TestLimitsAreVisible: what is explained is what holds, learnt limits included.
func TestLimitsAreVisible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}, {name: "b"}}, func(c *rigConfig) {
			c.pool = func(p *PoolConfig) { p.Limits.Text = 7 * time.Second }
		})
		q := LimitsQuery{Model: "claude-x", Stream: true, Input: int64(len(askStream)) / 4}
		ask := func() (LimitsAnswer, LimitsRequest) {
			t.Helper()
			a, err := r.g.Limits(q)
			if err != nil || len(a.Request) != 1 {
				t.Fatalf("%+v, %v", a, err)
			}
			return a, a.Request[0]
		}
		a, req := ask()
		if req.Soft != 8*time.Second || req.SoftFloor != 8*time.Second || req.FirstByte != 20*time.Second || req.Content != 10*time.Minute || req.Text != 7*time.Second || req.Samples != 0 {
			t.Errorf("before anything was learnt: %+v", req)
		}
		for _, s := range a.Settings {
			if changed := s.Name == "text_gap"; (s.Value != s.Default) != changed {
				t.Errorf("%s is %s, default %s", s.Name, s.Value, s.Default)
			}
		}
		r.on("a", after(6*time.Second, whole("fine")))
		r.on("b", after(6*time.Second, whole("fine")))
		for range MinSamples {
			r.send(askStream)
		}
		if _, req = ask(); req.Samples != MinSamples || req.P99 < 6*time.Second || req.P99 > 7*time.Second || req.Soft != 2*req.P99 {
			t.Errorf("after %d answers in 6 s: %+v", MinSamples, req)
		}
		q.Effort = dialect.EffortHigh
		if _, req = ask(); req.Soft != 2*time.Minute || req.Samples != 0 {
			t.Errorf("another effort: %+v", req)
		}
		q.Pool = "nope"
		if _, err := r.g.Limits(q); domain.KindOf(err) != domain.KindNotFound || !strings.Contains(err.Error(), "default") {
			t.Errorf("a pool that is not there: %v", err)
		}
	})
}

// TestPoolLimitsHold: every limit that a pool sets is the one that cuts.
func TestPoolLimitsHold(t *testing.T) {
	s := time.Second
	chat := func(rest string) string { return "data: {\"id\":\"c\",\"choices\":[{\"index\":0," + rest + "}]}\n\n" }
	for name, c := range map[string]struct {
		limits domain.TimeLimits
		a      reply
		ask    string
		opts   []rigOption
		want   time.Duration
	}{
		"first_byte":         {domain.TimeLimits{FirstByte: 3 * s}, hang, askStream, nil, 3 * s},
		"first_content":      {domain.TimeLimits{FirstContent: 4 * s}, stream(nil, part{0, msgStart}, part{forever, ""}), askStream, nil, 4 * s},
		"text_gap":           {domain.TimeLimits{Text: 2 * s}, stream(nil, part{0, msgStart + txtStart + delta("x")}, part{forever, ""}), askStream, nil, 2 * s},
		"thinking_gap_pings": {domain.TimeLimits{Pings: 5 * s}, stream(nil, part{0, msgStart + thkStart + strings.Replace(delta("x"), `text_delta","text"`, `thinking_delta","thinking"`, 1)}, part{forever, ""}), askStream, nil, 5 * s},
		"thinking_gap":       {domain.TimeLimits{Thinking: 6 * s}, stream(nil, part{0, chat(`"delta":{"reasoning_content":"x"}`)}, part{forever, ""}), chatAsk, []rigOption{openAI}, 6 * s},
		"other_gap":          {domain.TimeLimits{Between: 3 * s}, stream(nil, part{0, msgStart + txtStart + delta("x") + txtStop}, part{forever, ""}), askStream, nil, 3 * s},
		"body_gap":           {domain.TimeLimits{Body: 2 * s}, bodyThatStops, askJSON, nil, 2 * s},
		"json_total":         {domain.TimeLimits{JSONTotal: 9 * s}, hang, askJSON, nil, 9 * s},
		"stream_total":       {domain.TimeLimits{StreamTotal: 9 * s}, words(100, s, nil, ""), askStream, nil, 9 * s},
		"finish":             {domain.TimeLimits{Finish: 2 * s}, stream(nil, part{0, msgStart + txtStart + delta("x") + txtStop + msgDelta}, part{forever, ""}), askStream, nil, 2 * s},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, []account{{name: "a"}}, append(c.opts, func(rc *rigConfig) { rc.pool = func(p *PoolConfig) { p.Limits = c.limits } })...)
				r.on("a", c.a)
				if g := r.send(c.ask); g.took != c.want {
					t.Errorf("took %s, want %s: %s", g.took, c.want, g.text())
				}
			})
		})
	}
}

// bodyThatStops is a JSON answer that says no more after its first half.
var bodyThatStops reply = func(ctx context.Context, _ *call) (*response, error) {
	resp := answer200("application/json", "")
	resp.ContentLength = -1
	resp.Body = &scripted{ctx: ctx, parts: []part{{0, messageJSON("x")[:60]}, {forever, ""}}}
	return resp, nil
}
