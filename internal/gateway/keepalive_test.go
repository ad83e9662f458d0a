package gateway

import (
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"turnout/internal/domain"
)

const (
	claudeCode = "claude-cli/2.1.330 (external, sdk-cli)"
	someSDK    = "Anthropic/JS 1.12.0"
)

// TestAliveFor: which client in which dialect gets which sign of life, and how often.
func TestAliveFor(t *testing.T) {
	between := []byte("a sign")
	for name, c := range map[string]struct {
		agent     string
		dialect   domain.Dialect
		every     time.Duration
		inside    bool
		wantEvery time.Duration
	}{
		"Claude Code":                       {claudeCode, domain.DialectAnthropic, 15 * time.Second, true, 30 * time.Second},
		"Claude Code, a pool of rare signs": {claudeCode, domain.DialectAnthropic, 5 * time.Minute, true, 30 * time.Second},
		"Claude Code, at just so many":      {claudeCode, domain.DialectAnthropic, 30 * time.Second, true, 30 * time.Second},
		"Claude Code, a pool in a hurry":    {claudeCode, domain.DialectAnthropic, 10 * time.Second, true, 10 * time.Second},
		"Claude Code, none wanted":          {claudeCode, domain.DialectAnthropic, 0, true, 0},
		"Claude Code in another dialect":    {claudeCode, domain.DialectOpenAIChat, time.Minute, false, time.Minute},
		"an Anthropic SDK":                  {someSDK, domain.DialectAnthropic, 5 * time.Minute, false, 5 * time.Minute},
		"an OpenAI SDK":                     {"OpenAI/JS 7.57.0", domain.DialectOpenAIChat, 15 * time.Second, false, 15 * time.Second},
		"only the beginning counts":         {"my-claude-cli/1", domain.DialectAnthropic, time.Minute, false, time.Minute},
		"no name":                           {"", domain.DialectAnthropic, time.Minute, false, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			h := http.Header{}
			if c.agent != "" {
				h.Set("User-Agent", c.agent)
			}
			k := aliveFor(h, c.dialect, c.every, between)
			if k.inside != c.inside || k.every != c.wantEvery || string(k.between) != string(between) {
				t.Errorf("inside %v every %s between %q, want %v %s %q", k.inside, k.every, k.between, c.inside, c.wantEvery, between)
			}
		})
	}
}

// TestAliveRows: every row can be reached, and every dialect has a row for everybody.
func TestAliveRows(t *testing.T) {
	for _, d := range []domain.Dialect{domain.DialectAnthropic, domain.DialectOpenAIChat, domain.DialectOpenAIResp, domain.DialectGeminiContent} {
		rows := slices.DeleteFunc(slices.Clone(aliveRows), func(r aliveRow) bool { return r.dialect != d })
		if len(rows) == 0 || rows[len(rows)-1].agent != "" {
			t.Errorf("%s has no last row for every other client", d)
		}
		for i, row := range rows {
			if row.why == "" {
				t.Errorf("%s %q: no reason", d, row.agent)
			}
			if first := slices.IndexFunc(rows, func(r aliveRow) bool { return strings.HasPrefix(row.agent, r.agent) }); first != i {
				t.Errorf("%s %q is never reached: %q comes first", d, row.agent, rows[first].agent)
			}
		}
	}
}

const (
	emptyThought = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"\"}}\n\n"
	thought      = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"hm\"}}\n\n"
)

// signs are the first lines of what was written while the upstream was silent.
func signs(s *stamped, line string) (out []string) {
	for _, w := range s.wrote {
		if when, what, _ := strings.Cut(w, " "); what == line {
			out = append(out, when)
		}
	}
	return out
}

// TestSignsOfLife: a silence of 40 s before the stream's start, inside a block and between
// blocks, with a sign every 15 s, or every 30 s for the client that it suits better.
func TestSignsOfLife(t *testing.T) {
	const gap = 40 * time.Second
	keep := func(c *rigConfig) { c.keepAlive = 15 * time.Second }
	const pinged, delted = "event: ping", "event: content_block_delta"
	rest := strings.NewReplacer(`"index":0`, `"index":1`).Replace(txtStart+delta("fine")+txtStop) + msgDelta + msgStop
	script := stream(io.EOF, part{gap, msgStart + thkStart + thought}, part{gap, thought + txtStop}, part{gap, rest})
	for name, c := range map[string]struct {
		agent        string
		pings, empty []string
	}{
		// before 40 s: the start; until 80 s: inside the block; until 120 s: between two
		"Claude Code": {claudeCode, []string{"30s", "1m50s"}, []string{"1m10s"}},
		"an SDK":      {someSDK, []string{"15s", "30s", "55s", "1m10s", "1m35s", "1m50s"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, two[:1], keep)
				r.on("a", script)
				s := r.sendStamped(askStream, withHeader("User-Agent", c.agent))
				if got := signs(s, pinged); !slices.Equal(got, c.pings) {
					t.Errorf("pings at %v, want %v\n%q", got, c.pings, s.wrote)
				}
				empty := slices.DeleteFunc(signs(s, delted), func(when string) bool { return when == "1m20s" }) // the upstream's own
				if !slices.Equal(empty, c.empty) {
					t.Errorf("empty deltas at %v, want %v\n%q", empty, c.empty, s.wrote)
				}
				text := s.Body.String()
				if n := strings.Count(text, emptyThought); n != len(c.empty) {
					t.Errorf("%d empty deltas of the block itself, want %d:\n%s", n, len(c.empty), clipText(text))
				}
				bare := strings.NewReplacer(emptyThought, "", ping, "").Replace(text)
				if want := msgStart + thkStart + thought + thought + txtStop + rest; bare != want {
					t.Errorf("beside the signs the stream is not the upstream's:\n%s", clipText(bare))
				}
			})
		})
	}
	t.Run("OpenAI", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, two[:1], openAI, keep)
			chunk := `data: {"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}` + "\n\n"
			end := `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
			r.on("a", stream(io.EOF, part{gap, chunk}, part{25 * time.Second, chunk + end}))
			s := r.sendStamped(chatAsk, withHeader("User-Agent", claudeCode))
			if got, want := signs(s, ": keep-alive"), []string{"15s", "30s", "55s"}; !slices.Equal(got, want) {
				t.Errorf("comments at %v, want %v\n%q", got, want, s.wrote)
			}
			if bare := strings.ReplaceAll(s.Body.String(), ": keep-alive\n\n", ""); bare != chunk+chunk+end {
				t.Errorf("beside the signs the stream is not the upstream's:\n%s", bare)
			}
		})
	})
}

// TestUpstreamPings: the upstream's own pings are signs enough for everybody but a client that
// soon takes them for silence.
func TestUpstreamPings(t *testing.T) {
	for name, c := range map[string]struct {
		agent string
		empty []string
	}{
		"Claude Code": {claudeCode, []string{"30s"}},
		"an SDK":      {someSDK, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, two[:1], func(c *rigConfig) { c.keepAlive = 15 * time.Second })
				parts := []part{{0, msgStart + thkStart + thought}}
				for range 5 {
					parts = append(parts, part{10 * time.Second, ping})
				}
				r.on("a", stream(io.EOF, append(parts, part{time.Second, txtStop + msgDelta + msgStop})...))
				s := r.sendStamped(askStream, withHeader("User-Agent", c.agent))
				if got := signs(s, "event: content_block_delta"); !slices.Equal(got, c.empty) {
					t.Errorf("empty deltas at %v, want %v\n%q", got, c.empty, s.wrote)
				}
				if n := strings.Count(s.Body.String(), ping); n != 5 {
					t.Errorf("%d pings, want the upstream's 5", n)
				}
			})
		})
	}
}

// TestAliveRowsAreDocumented: docs/failover.md shows the table as it is.
func TestAliveRowsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/failover.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range aliveRows {
		agent, every := "any", "keep_alive"
		if row.agent != "" {
			agent = "`" + row.agent + "`"
		}
		if row.every > 0 {
			every = row.every.String()
		}
		line := "| " + strings.Join([]string{agent, row.dialect.String(), row.sign[0], row.sign[1], every, row.why}, " | ") + " |"
		if !strings.Contains(string(page), "\n"+line+"\n") {
			t.Errorf("docs/failover.md lacks the row\n%s", line)
		}
	}
}
