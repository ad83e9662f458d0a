package obs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"turnout/internal/domain"
)

// sample is a line of the text format (Prometheus documentation, exposition formats, version
// 0.0.4): name, labels, number.
var sample = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)$`)

// read asks for the metrics as Prometheus does, and reads every line: by name, what each set of
// labels counts. A histogram is its sum.
func read(t *testing.T, m *Metrics) map[string][]string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("status %d, %s", w.Code, w.Header().Get("Content-Type"))
	}
	out := map[string][]string{}
	for line := range strings.Lines(w.Body.String()) {
		line = strings.TrimSuffix(line, "\n")
		if help, ok := strings.CutPrefix(line, "# HELP "); ok {
			if name, text, _ := strings.Cut(help, " "); text == "" {
				t.Errorf("%s is not explained", name)
			}
		}
		if strings.HasPrefix(line, "#") {
			continue
		}
		parts := sample.FindStringSubmatch(line)
		if parts == nil {
			t.Fatalf("%q cannot be read", line)
		}
		n, err := strconv.ParseFloat(parts[3], 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if strings.HasSuffix(parts[1], "_bucket") || strings.HasSuffix(parts[1], "_count") {
			continue
		}
		name := strings.TrimSuffix(parts[1], "_sum")
		out[name] = append(out[name], strings.TrimSpace(fmt.Sprint(strings.ReplaceAll(parts[2], `"`, ""), " ", n)))
		slices.Sort(out[name])
	}
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
	m.Gauges("turnout_test_colours", "Colours.", []string{"colour"}, func(emit func(float64, ...string)) { emit(1, "red"); emit(2, "blue") })
	got := read(t, m)
	for name, want := range map[string][]string{
		"turnout_requests_total":                    {"dialect=anthropic,outcome=ok,status=2xx 2", "dialect=openai-chat,outcome=failed,status=5xx 1"},
		"turnout_request_duration_seconds":          {"dialect=anthropic,stream=true 5", "dialect=openai-chat,stream=false 1"},
		"turnout_request_first_content_seconds":     {"dialect=anthropic,stream=true 1"},
		"turnout_usage_tokens_total":                {"dialect=anthropic,kind=cache_read 4", "dialect=anthropic,kind=cache_write_1h 8", "dialect=anthropic,kind=cache_write_5m 6", "dialect=anthropic,kind=input 2", "dialect=anthropic,kind=output 10"},
		"turnout_upstream_attempts_total":           {"action=,class=,platform=openai 1", "action=switch,class=rate_limited,platform=openai 1"},
		"turnout_upstream_attempt_duration_seconds": {"platform=openai,result=failed 2", "platform=openai,result=served 1"},
		"turnout_scheduler_rests_total":             {"class=rate_limited,platform=openai,scope=account 1"},
		"turnout_record_dropped_total":              {"7"},
		"turnout_test_things":                       {"42"},
		"turnout_test_colours":                      {"colour=blue 2", "colour=red 1"},
	} {
		if v := got[name]; !slices.Equal(v, want) {
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
	if n := len(families["turnout_requests_total"]); n != 6 {
		t.Errorf("%d status classes", n)
	}
	allowed := []string{"dialect", "outcome", "status", "stream", "kind", "platform", "class", "action", "result", "scope"}
	label := regexp.MustCompile(`(\w+)=`)
	for name, samples := range families {
		if !strings.HasPrefix(name, "turnout_") {
			continue
		}
		for _, l := range label.FindAllStringSubmatch(strings.Join(samples, ","), -1) {
			if !slices.Contains(allowed, l[1]) {
				t.Errorf("%s has the label %s", name, l[1])
			}
		}
	}
}

// However many an asker would have, a family of gauges stays within its bound.
func TestGaugesAreBounded(t *testing.T) {
	m := NewMetrics()
	m.Gauges("turnout_test_many", "Many.", []string{"n"}, func(emit func(float64, ...string)) {
		for i := range 2 * maxSeries {
			emit(1, strconv.Itoa(i))
		}
	})
	if n := len(read(t, m)["turnout_test_many"]); n != maxSeries {
		t.Errorf("%d series", n)
	}
}

// Two may live in one process.
func TestMetricsAreTheirOwn(t *testing.T) {
	a, b := NewMetrics(), NewMetrics()
	a.Dropped(1)
	if v := read(t, b)["turnout_record_dropped_total"]; !slices.Equal(v, []string{"0"}) {
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
