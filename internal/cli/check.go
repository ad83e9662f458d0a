package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"turnout/internal/failover"
	"turnout/internal/failover/conformance"
)

// FailoverCheck is the body of `turnout failover check FILE`: it runs a file of
// scenarios through the failover core in the classic profile and writes to w each
// step that differs, then one line that sums up. platform gives what a platform
// overrides in that profile. ok is true only if no step differs; an error means
// that the file could not be read or run, and nothing was said about the core.
func FailoverCheck(w io.Writer, path string, platform func(name string) failover.Override) (ok bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return false, fmt.Errorf("open the scenarios: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	scenarios, err := conformance.Read(f)
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	report, err := conformance.Run(scenarios, platform)
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	for _, d := range report.Diffs {
		if _, err := fmt.Fprintln(w, d); err != nil {
			return false, fmt.Errorf("write the report: %w", err)
		}
	}
	ok = len(report.Diffs) == 0
	verdict := "every step as expected"
	if !ok {
		verdict = fmt.Sprintf("%d steps differ", len(report.Diffs))
		if len(report.Diffs) == 1 {
			verdict = "1 step differs"
		}
	}
	if _, err := fmt.Fprintf(w, "%d scenarios, %d steps: %s\n", report.Scenarios, report.Steps, verdict); err != nil {
		return false, fmt.Errorf("write the report: %w", err)
	}
	return ok, nil
}
