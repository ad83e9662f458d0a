package obs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"turnout/internal/domain"
)

// read asks for the metrics as Prometheus does, and reads the answer.
func read(t *testing.T, m *Metrics) map[string]*dto.MetricFamily {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Fatalf("status %d, %s", w.Code, w.Header().Get("Content-Type"))
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	out, err := parser.TextToMetricFamilies(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// values lists a family's samples as "label=value,… number".
func values(f *dto.MetricFamily) []string {
	var out []string
	for _, m := range f.GetMetric() {
		var labels []string
		for _, l := range m.GetLabel() {
			labels = append(labels, l.GetName()+"="+l.GetValue())
		}
		n := m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetHistogram().GetSampleSum()
		out = append(out, fmt.Sprint(strings.Join(labels, ","), " ", n))
	}
	slices.Sort(out)
	return out
}

func TestMetrics(t *testing.T) {
	m := NewMetrics()
	u := domain.Usage{Input: 1, CacheRead: 2, CacheWrite5m: 3, CacheWrite1h: 4, Output: 5, Reasoning: 5, Reported: true}
	m.Request("anthropic", "ok", 200, true, 2*time.Second, time.Second, u)
	m.Request("anthropic", "ok", 201, true, 3*time.Second, 0, u)
	m.Request("openai-chat", "failed", 529, false, time.Second, 0, domain.Usage{Input: 99})
	m.Attempt("openai", "", "", time.Second)
	m.Attempt("openai", "rate_limited", "switch", 2*time.Second)
	m.Rest("openai", "account", "rate_limited")
	m.Dropped(7)
	m.Gauge("turnout_test_things", "Things.", func() float64 { return 42 })
	got := read(t, m)
	for name, want := range map[string][]string{
		"turnout_requests_total":                    {"dialect=anthropic,outcome=ok,status=2xx 2", "dialect=openai-chat,outcome=failed,status=5xx 1"},
		"turnout_request_duration_seconds":          {"dialect=anthropic,stream=true 5", "dialect=openai-chat,stream=false 1"},
		"turnout_request_first_content_seconds":     {"dialect=anthropic,stream=true 1"},
		"turnout_usage_tokens_total":                {"dialect=anthropic,kind=cache_read 4", "dialect=anthropic,kind=cache_write_1h 8", "dialect=anthropic,kind=cache_write_5m 6", "dialect=anthropic,kind=input 2", "dialect=anthropic,kind=output 10"},
		"turnout_upstream_attempts_total":           {"action=,class=,platform=openai 1", "action=switch,class=rate_limited,platform=openai 1"},
		"turnout_upstream_attempt_duration_seconds": {"platform=openai,result=failed 2", "platform=openai,result=served 1"},
		"turnout_scheduler_rests_total":             {"class=rate_limited,platform=openai,scope=account 1"},
		"turnout_record_dropped_total":              {" 7"},
		"turnout_test_things":                       {" 42"},
	} {
		if v := values(got[name]); !slices.Equal(v, want) {
			t.Errorf("%s: %q, want %q", name, v, want)
		}
	}
	if got["go_goroutines"] == nil {
		t.Error("nothing is said of the Go runtime")
	}
}

// No label can take as many values as there are callers, accounts or models, and names follow one rule.
func TestLabelsAreBounded(t *testing.T) {
	m := NewMetrics()
	for status := -5; status < 2000; status++ {
		m.Request("anthropic", "ok", status, status%2 == 0, time.Second, time.Second, domain.Usage{Reported: true, Input: 1})
	}
	m.Attempt("p", "c", "a", 0)
	m.Rest("p", "s", "c")
	families := read(t, m)
	if n := len(families["turnout_requests_total"].GetMetric()); n != 6 {
		t.Errorf("%d status classes", n)
	}
	allowed := []string{"dialect", "outcome", "status", "stream", "kind", "platform", "class", "action", "result", "scope"}
	for name, f := range families {
		if !strings.HasPrefix(name, "turnout_") {
			continue
		}
		if f.GetHelp() == "" {
			t.Errorf("%s is not explained", name)
		}
		for _, s := range f.GetMetric() {
			for _, l := range s.GetLabel() {
				if !slices.Contains(allowed, l.GetName()) {
					t.Errorf("%s has the label %s", name, l.GetName())
				}
			}
		}
	}
}

// Two may live in one process.
func TestMetricsAreTheirOwn(t *testing.T) {
	a, b := NewMetrics(), NewMetrics()
	a.Dropped(1)
	if v := values(read(t, b)["turnout_record_dropped_total"]); !slices.Equal(v, []string{" 0"}) {
		t.Errorf("%q", v)
	}
}

func TestLogger(t *testing.T) {
	for _, c := range []struct {
		level, format string
		wants, hides  string
	}{{"debug", "text", "level=DEBUG", ""}, {"info", "text", "level=INFO", "level=DEBUG"}, {"warn", "json", `"level":"WARN"`, `"level":"INFO"`}, {"error", "json", `"level":"ERROR"`, `"level":"WARN"`}} {
		var b bytes.Buffer
		log, err := NewLogger(&b, c.level, c.format)
		if err != nil {
			t.Fatal(err)
		}
		log.Debug("m")
		log.Info("m", "key", domain.NewSecret("hunter2"))
		log.Warn("m")
		log.Error("m")
		if out := b.String(); !strings.Contains(out, c.wants) || c.hides != "" && strings.Contains(out, c.hides) || strings.Contains(out, "hunter2") {
			t.Errorf("%s %s: %s", c.level, c.format, out)
		}
		for line := range strings.Lines(b.String()) {
			if c.format == "json" && !json.Valid([]byte(line)) {
				t.Errorf("%q is no JSON", line)
			}
		}
	}
	for _, c := range [][2]string{{"loud", "text"}, {"", "text"}, {"info", "xml"}, {"info", ""}} {
		if _, err := NewLogger(&bytes.Buffer{}, c[0], c[1]); err == nil || !strings.Contains(err.Error(), "want") {
			t.Errorf("%q: %v", c, err)
		}
	}
}
