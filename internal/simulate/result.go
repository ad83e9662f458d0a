package simulate

import (
	"fmt"
	"html"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Result is what came of a run.
type Result struct {
	Name     string        `json:"name"`
	Requests int           `json:"requests"`
	Failed   int           `json:"failed"`   // requests without an answer
	Attempts int           `json:"attempts"` // at upstreams
	Failures int           `json:"failures"` // attempts that failed
	Limited  int           `json:"limited"`  // of them at a rate limit
	Braked   int           `json:"braked"`   // of them by a fault of a provider whose retry budget was used up
	Carried  int           `json:"carried"`  // requests that another attempt answered than the first
	Switches int           `json:"switches"`
	Moved    int           `json:"moved"` // turns that were answered by another account than the one before
	Waited   time.Duration `json:"waited_ns"`
	FirstP50 time.Duration `json:"first_p50_ns"` // from a request's arrival to the first token
	FirstP95 time.Duration `json:"first_p95_ns"`
	FirstP99 time.Duration `json:"first_p99_ns"`
	Input    int64         `json:"input_tokens"`
	Cached   int64         `json:"cached_tokens"`
	Cost     float64       `json:"cost_nano_usd"` // an estimate: prices of the prompt, and what providers usually make of them
	Spread   float64       `json:"spread"`        // standard deviation of the accounts' use for their weight, over its mean
	Took     time.Duration `json:"took_ns"`       // of virtual time
	Leaked   int           `json:"leaked"`        // slots that nobody gave back; never anything but 0
}

// CacheShare is how much of all prompts was read from a cache, 0 to 1.
func (r *Result) CacheShare() float64 {
	if r.Input == 0 {
		return 0
	}
	return float64(r.Cached) / float64(r.Input)
}

// USD is the cost in dollars.
func (r *Result) USD() float64 { return r.Cost / 1e9 }

// column is one figure of a table.
type column struct {
	head string
	text func(*Result) string
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

var columns = []column{
	{"strategy", func(r *Result) string { return r.Name }},
	{"requests", func(r *Result) string { return strconv.Itoa(r.Requests) }},
	{"failed", func(r *Result) string { return strconv.Itoa(r.Failed) }},
	{"failed attempts", func(r *Result) string { return strconv.Itoa(r.Failures) }},
	{"at limits", func(r *Result) string { return strconv.Itoa(r.Limited) }},
	{"switches", func(r *Result) string { return strconv.Itoa(r.Switches) }},
	{"sessions moved", func(r *Result) string { return strconv.Itoa(r.Moved) }},
	{"waited", func(r *Result) string { return r.Waited.Round(time.Second).String() }},
	{"first token p50", func(r *Result) string { return seconds(r.FirstP50) }},
	{"p95", func(r *Result) string { return seconds(r.FirstP95) }},
	{"p99", func(r *Result) string { return seconds(r.FirstP99) }},
	{"from cache", func(r *Result) string { return fmt.Sprintf("%.1f %%", 100*r.CacheShare()) }},
	{"cost", func(r *Result) string { return fmt.Sprintf("$%.2f", r.USD()) }},
	{"spread", func(r *Result) string { return fmt.Sprintf("%.2f", r.Spread) }},
}

// Table lays results side by side, as Markdown or for a terminal.
func Table(results []Result, markdown bool) string {
	var b strings.Builder
	if !markdown {
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for i, c := range columns { // figures of many strategies are compared along a line
			_, _ = fmt.Fprint(t, c.head)
			for j := range results {
				text := c.text(&results[j])
				if i == 0 {
					text = strings.ToUpper(text)
				}
				_, _ = fmt.Fprint(t, "\t", text)
			}
			_, _ = fmt.Fprintln(t)
		}
		_ = t.Flush() // into memory
		return b.String()
	}
	row := func(text func(column) string) {
		for _, c := range columns {
			b.WriteString("| " + text(c) + " ")
		}
		b.WriteString("|\n")
	}
	row(func(c column) string { return c.head })
	b.WriteString("|---" + strings.Repeat("|---:", len(columns)-1) + "|\n")
	for _, r := range results {
		row(func(c column) string { return c.text(&r) })
	}
	return b.String()
}

// bars are what a chart shows.
var bars = []struct {
	head string
	of   func(*Result) float64
	text func(float64) string
}{
	{"first token, p95", func(r *Result) float64 { return r.FirstP95.Seconds() }, func(v float64) string { return fmt.Sprintf("%.2f s", v) }},
	{"cost", (*Result).USD, func(v float64) string { return fmt.Sprintf("$%.2f", v) }},
	{"failed attempts", func(r *Result) float64 { return float64(r.Failures) }, func(v float64) string { return fmt.Sprintf("%.0f", v) }},
	{"requests without an answer", func(r *Result) float64 { return float64(r.Failed) }, func(v float64) string { return fmt.Sprintf("%.0f", v) }},
	{"prompts read from a cache", (*Result).CacheShare, func(v float64) string { return fmt.Sprintf("%.1f %%", 100*v) }},
}

// Chart draws results as an SVG picture with a bar for each, readable on a light and on a dark page.
func Chart(results []Result) string {
	const left, width, line, gap = 130, 360, 18, 34
	var b strings.Builder
	y := 0
	for _, f := range bars {
		most := 0.0
		for j := range results {
			most = max(most, f.of(&results[j]))
		}
		y += gap
		fmt.Fprintf(&b, `<text class="head" x="0" y="%d">%s</text>`+"\n", y, html.EscapeString(f.head))
		y += 6
		for j := range results {
			v := f.of(&results[j])
			w := 0.0
			if most > 0 {
				w = v / most * width
			}
			fmt.Fprintf(&b, `<text x="0" y="%d">%s</text><rect x="%d" y="%d" width="%.1f" height="%d"/><text x="%.1f" y="%d">%s</text>`+"\n",
				y+line-4, html.EscapeString(results[j].Name), left, y+3, w, line-5, left+w+6, y+line-4, html.EscapeString(f.text(v)))
			y += line
		}
	}
	const style = `text{font:12px system-ui,sans-serif;fill:#1f2328}.head{font-weight:600}rect{fill:#2f6feb}` +
		`@media(prefers-color-scheme:dark){text{fill:#e6edf3}rect{fill:#6ea8fe}}`
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="Results of a simulation"><style>%s</style>`+"\n%s</svg>\n",
		left+width+100, y+12, style, b.String())
}
