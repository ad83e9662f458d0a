package obs

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"turnout/internal/domain"
)

// Metrics counts. It has a registry of its own, so that several may live in one
// process. Safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry

	requests   *prometheus.CounterVec
	duration   *prometheus.HistogramVec
	firstToken *prometheus.HistogramVec
	tokens     *prometheus.CounterVec
	attempts   *prometheus.CounterVec
	attempt    *prometheus.HistogramVec
	rests      *prometheus.CounterVec
	events     *prometheus.CounterVec
	dropped    prometheus.Counter
	ledger     *prometheus.CounterVec
}

// durations reach from a cached answer to an hour of agent work, in seconds.
var durations = []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640, 1800, 3600}

// NewMetrics makes a registry with Turnout's and the Go runtime's metrics.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "turnout_requests_total", Help: "Finished requests, by the caller's dialect, outcome and status class.",
		}, []string{"dialect", "outcome", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "turnout_request_duration_seconds", Help: "Time from a request's arrival to its end.", Buckets: durations,
		}, []string{"dialect", "stream"}),
		firstToken: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "turnout_request_first_content_seconds", Help: "Time from a request's arrival to the first content that went to the caller.", Buckets: durations,
		}, []string{"dialect", "stream"}),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "turnout_usage_tokens_total", Help: "Tokens of answered requests, by kind, as the upstreams state them.",
		}, []string{"dialect", "kind"}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "turnout_upstream_attempts_total", Help: "Attempts at upstreams; class and action are empty for a success.",
		}, []string{"platform", "class", "action"}),
		attempt: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "turnout_upstream_attempt_duration_seconds", Help: "Time an attempt took.", Buckets: durations,
		}, []string{"platform", "result"}),
		rests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "turnout_scheduler_rests_total", Help: "Rests that began or grew, by scope and cause.",
		}, []string{"platform", "scope", "class"}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "turnout_failover_events_total", Help: "Uses of failover's mechanisms beside attempts and rests (docs/failover.md lists them), by event and detail.",
		}, []string{"event", "detail"}),
		ledger: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "turnout_ledger_events_total", Help: "What the books tell of (docs/ledger.md), by event (unpriced, refused, soft_limit, failed) and detail.",
		}, []string{"event", "detail"}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "turnout_record_dropped_total", Help: "Request records that were lost because the store could not keep up.",
		}),
	}
	m.registry.MustRegister(m.requests, m.duration, m.firstToken, m.tokens, m.attempts, m.attempt, m.rests, m.events, m.dropped, m.ledger,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Ledger counts something that the books tell of.
func (m *Metrics) Ledger(event, detail string) { m.ledger.WithLabelValues(event, detail).Inc() }

// Gauge registers a value that is asked for when metrics are read, with labels as
// pairs of name and value.
func (m *Metrics) Gauge(name, help string, value func() float64, labels ...string) {
	constant := prometheus.Labels{}
	for i := 0; i+1 < len(labels); i += 2 {
		constant[labels[i]] = labels[i+1]
	}
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: constant}, value))
}

// maxSeries is how many series a family of gauges has at most.
const maxSeries = 1000

// Gauges registers values that are asked for when metrics are read, one for each set of label
// values: each calls emit for every one of them, with different label values each time. More than a thousand are left out.
func (m *Metrics) Gauges(name, help string, labels []string, each func(emit func(value float64, labels ...string))) {
	m.registry.MustRegister(&gauges{prometheus.NewDesc(name, help, labels, nil), each})
}

type gauges struct {
	desc *prometheus.Desc
	each func(emit func(value float64, labels ...string))
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(out chan<- *prometheus.Desc) { out <- g.desc }

// Collect implements prometheus.Collector.
func (g *gauges) Collect(out chan<- prometheus.Metric) {
	n := 0
	g.each(func(value float64, labels ...string) {
		if n++; n <= maxSeries {
			out <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, value, labels...)
		}
	})
}

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

var statusClasses = [...]string{"0xx", "1xx", "2xx", "3xx", "4xx", "5xx"}

func statusClass(status int) string {
	if c := status / 100; c > 0 && c < len(statusClasses) {
		return statusClasses[c]
	}
	return statusClasses[0]
}

func boolLabel(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// Request counts a finished request.
func (m *Metrics) Request(dialect, outcome string, status int, stream bool, took, first time.Duration, u domain.Usage) {
	m.requests.WithLabelValues(dialect, outcome, statusClass(status)).Inc()
	s := boolLabel(stream)
	m.duration.WithLabelValues(dialect, s).Observe(took.Seconds())
	if first > 0 {
		m.firstToken.WithLabelValues(dialect, s).Observe(first.Seconds())
	}
	if !u.Reported {
		return
	}
	for _, k := range [...]struct {
		kind string
		n    int64
	}{{"input", u.Input}, {"cache_read", u.CacheRead}, {"cache_write_5m", u.CacheWrite5m}, {"cache_write_1h", u.CacheWrite1h}, {"output", u.Output}} {
		if k.n > 0 {
			m.tokens.WithLabelValues(dialect, k.kind).Add(float64(k.n))
		}
	}
}

// Attempt counts a finished attempt; class and action are empty for a success.
func (m *Metrics) Attempt(platform, class, action string, took time.Duration) {
	m.attempts.WithLabelValues(platform, class, action).Inc()
	result := "failed"
	if class == "" {
		result = "served"
	}
	m.attempt.WithLabelValues(platform, result).Observe(took.Seconds())
}

// Rest counts a rest.
func (m *Metrics) Rest(platform, scope, class string) {
	m.rests.WithLabelValues(platform, scope, class).Inc()
}

// Event counts uses of a mechanism.
func (m *Metrics) Event(event, detail string, n int) {
	m.events.WithLabelValues(event, detail).Add(float64(n))
}

// Dropped counts records that were lost.
func (m *Metrics) Dropped(n int) { m.dropped.Add(float64(n)) }
