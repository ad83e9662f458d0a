package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"turnout/internal/domain"
	"turnout/internal/drill"
)

// drillPrinter writes scorecards for people. The first error of the writer stays, and
// nothing is written after it.
type drillPrinter struct {
	w      io.Writer
	colour bool
	err    error
}

func (p *drillPrinter) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

// Colours of verdicts, as terminals number them.
var drillColours = map[drill.Verdict]string{drill.Pass: "32", drill.Partial: "33", drill.Safe: "36", drill.Fail: "1;31"}

func (p *drillPrinter) paint(code, s string) string {
	if !p.colour {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

var drillGroups = map[drill.Group]string{
	drill.Sixteen: "The sixteen faults", drill.Ours: "Further faults", drill.Uncut: "What must not be cut",
}

// The table's columns.
const (
	nameWidth    = 28
	verdictWidth = 8
)

func (p *drillPrinter) list(scenarios []*drill.Scenario) {
	var group drill.Group
	for _, s := range scenarios {
		if s.Group != group {
			group = s.Group
			p.printf("%s\n", p.paint("1", drillGroups[group]))
		}
		p.printf("%s\n%s%s", p.label(s.Number, s.Name), folded("P: ", s.Does), folded("must: ", s.Must))
	}
}

func (p *drillPrinter) label(number int, name string) string {
	if number == 0 {
		return "    " + name
	}
	return fmt.Sprintf("%2d  %s", number, name)
}

// scorecard prints the table, then whatever is no pass in full, then the counts.
func (p *drillPrinter) scorecard(c *drill.Scorecard, what string) {
	clock := "clocks shortened, most of them ten times"
	if c.Clock == drill.Real.String() {
		clock = "real clocks"
	}
	p.printf("%s\n", p.paint("1", fmt.Sprintf("Fault drill of %s: %d scenarios, %s", what, len(c.Rows), clock)))
	if m := c.Modes[0]; m.Accounts != domain.DialectNone {
		p.printf("The accounts speak %s, the callers:\n", drill.Title(m.Accounts))
	}
	p.printf("\n")
	p.heading(c.Modes)
	var group drill.Group
	for _, row := range c.Rows {
		if row.Group != group {
			group = row.Group
			p.printf("%s\n", p.paint("1", drillGroups[group]))
		}
		line := fmt.Sprintf("%-*s", nameWidth+4, p.label(row.Number, row.Name))
		for i, r := range row.Results {
			word := fmt.Sprintf("%-*s", verdictWidth, r.Verdict)
			switch {
			case r.NotApplicable != "":
				word = p.paint("2", fmt.Sprintf("%-*s", verdictWidth, "·"))
			default:
				word = p.paint(drillColours[r.Verdict], word)
			}
			if i == len(row.Results)-1 {
				word = strings.TrimRight(word, " ")
			}
			line += word
		}
		p.printf("%s\n", strings.TrimRight(line, " "))
	}
	p.failures(c)
	n := c.Counts
	p.printf("\n%s\n", p.paint("1", fmt.Sprintf("%d pass, %d partial, %d safe, %d fail; %d do not apply (·); %s",
		n.Pass, n.Partial, n.Safe, n.Fail, n.NotApplicable, short(time.Duration(c.Took)))))
}

func (p *drillPrinter) heading(modes []drill.Mode) {
	first, second := strings.Repeat(" ", nameWidth+4), fmt.Sprintf("%-*s", nameWidth+4, " #  scenario")
	var last domain.Dialect
	for _, m := range modes {
		dialect := ""
		if m.Dialect != last {
			last = m.Dialect
			dialect = drill.Title(m.Dialect)
		}
		form := "json"
		if m.Stream {
			form = "stream"
		}
		if dialect != "" {
			first = fmt.Sprintf("%-*s", len(second), first) + dialect
		}
		second += fmt.Sprintf("%-*s", verdictWidth, form)
	}
	p.printf("%s\n%s\n", first, strings.TrimRight(second, " "))
}

// failures tells every result that is no pass: what was done, what should have
// happened, and what did.
func (p *drillPrinter) failures(c *drill.Scorecard) {
	const mostAttempts = 12
	for _, row := range c.Rows {
		told := false
		for _, r := range row.Results {
			if r.NotApplicable != "" || r.Verdict == drill.Pass {
				continue
			}
			if !told {
				told = true
				p.printf("\n%s\n%s%s", p.paint("1", strings.TrimLeft(p.label(row.Number, row.Name), " ")), folded("P: ", row.Does), folded("must: ", row.Must))
			}
			scale := ""
			if r.Scale > 1 {
				scale = fmt.Sprintf(", shortened %g times", r.Scale)
			}
			p.printf("  %s %s (%s%s)\n", p.paint(drillColours[r.Verdict], r.Verdict.String()), r.Mode, short(time.Duration(r.Took)), scale)
			const mostReasons = 3
			for i, reason := range r.Reasons {
				if i == mostReasons {
					p.printf("      … and %d more like these\n", len(r.Reasons)-i)
					break
				}
				p.printf("%s", folded("  ", reason))
			}
			p.printf("%s", folded("  upstream: ", r.Timeline(mostAttempts)))
		}
	}
}

// folded breaks a text into lines that fit an ordinary terminal, indented.
func folded(before, text string) string {
	const width, indent = 98, "    "
	var b strings.Builder
	line := indent + before
	hang := indent + strings.Repeat(" ", len(before)-len(strings.TrimLeft(before, " "))) + "  "
	for word := range strings.FieldsSeq(text) {
		if len(line)+len(word) > width && strings.TrimSpace(line) != "" {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line = hang
		}
		line += word + " "
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
	return b.String()
}
