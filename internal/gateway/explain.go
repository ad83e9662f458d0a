package gateway

import (
	"fmt"
	"slices"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// LimitsQuery describes the request whose time limits are to be explained.
type LimitsQuery struct {
	Pool   string // empty: the first by name
	Model  string // as asked for; empty: none in particular, and nothing that was learnt
	Stream bool
	Effort dialect.Effort
	Input  int64 // tokens
	Cached int64 // of them, warm at the account
	Max    int64 // max tokens; 0: not stated
}

// LimitsAnswer says which time limits hold, and where each comes from. All times are
// in nanoseconds when encoded.
type LimitsAnswer struct {
	Pool     string          `json:"pool"`
	Pools    []string        `json:"pools"` // all there are
	Settings []LimitSetting  `json:"settings"`
	Request  []LimitsRequest `json:"request"` // one for each platform and name of the model there
}

// LimitSetting is one of a pool's domain.TimeLimits.
type LimitSetting struct {
	Name    string        `json:"name"`
	Value   time.Duration `json:"value"`
	Default time.Duration `json:"default"` // equal to Value unless the pool changes it
	Help    string        `json:"help"`
}

// LimitsRequest is what holds for the described request at one platform.
type LimitsRequest struct {
	Platform  string        `json:"platform"`
	Model     string        `json:"model"` // upstream's name
	Pings     bool          `json:"pings"` // the platform gives signs of life while it thinks
	FirstByte time.Duration `json:"first_byte"`
	Soft      time.Duration `json:"soft"`
	SoftFloor time.Duration `json:"soft_floor"` // what Soft is without what was learnt
	Content   time.Duration `json:"content"`
	Total     time.Duration `json:"total"`
	Thinking  time.Duration `json:"thinking_gap"`
	Text      time.Duration `json:"text_gap"`
	// What was learnt of such requests: the 99th percentile of the time to the first
	// content (JSON: to the whole answer), and output tokens a second. Zero below MinSamples samples.
	Samples int           `json:"samples"`
	P99     time.Duration `json:"p99"`
	Speed   float64       `json:"speed"`
}

// MinSamples is how many are needed before what was learnt counts.
const MinSamples = minSamples

// Limits explains the time limits of a request.
func (g *Gateway) Limits(q LimitsQuery) (LimitsAnswer, error) {
	return g.Snapshot().limits(q, g.learned)
}

// Limits explains the time limits of a configuration that is not running: nothing is learnt.
func (s *Snapshot) Limits(q LimitsQuery) (LimitsAnswer, error) { return s.limits(q, newLearned()) }

func (s *Snapshot) limits(q LimitsQuery, l *learned) (LimitsAnswer, error) {
	var out LimitsAnswer
	for name, p := range s.pools {
		if p.Enabled {
			out.Pools = append(out.Pools, name)
		}
	}
	slices.Sort(out.Pools)
	if q.Pool == "" && len(out.Pools) > 0 {
		q.Pool = out.Pools[0]
	}
	p := s.pools[q.Pool]
	if p == nil || !p.Enabled {
		return out, domain.Errorf(domain.KindNotFound, "explain limits", "there is no pool %q; there are: %v", q.Pool, out.Pools)
	}
	out.Pool = q.Pool
	t, base := p.limits, domain.DefaultTimeLimits()
	defaults := base.Each()
	for i, lim := range t.Each() {
		out.Settings = append(out.Settings, LimitSetting{lim.Name, *lim.Value, *defaults[i].Value, lim.Help})
	}
	a := ask{stream: q.Stream, effort: q.Effort, input: q.Input, cached: q.Cached, maxTokens: q.Max}
	seen := map[string]bool{}
	for _, acc := range p.accounts {
		plat := s.platforms[acc.ID]
		sent, serves := acc.Models.Resolve(q.Model)
		if q.Model == "" {
			sent, serves = "", true
		}
		id := fmt.Sprint(plat.Name, " ", sent)
		if !acc.Enabled || !serves || seen[id] {
			continue
		}
		seen[id] = true
		stats := l.stats(learnKeyOf(plat.Name, sent, a))
		lim := a.limits(&p.limits, stats)
		r := LimitsRequest{
			Platform: plat.Name, Model: sent, Pings: plat.Pings, FirstByte: lim.firstByte, Soft: lim.soft, SoftFloor: a.limits(&p.limits, learnedStats{}).soft,
			Content: lim.content, Total: lim.total, Text: t.Text, Samples: stats.samples, P99: stats.p99, Speed: stats.speed,
		}
		if r.Thinking = t.Thinking; plat.Pings {
			r.Thinking = t.Pings
		}
		out.Request = append(out.Request, r)
	}
	return out, nil
}
