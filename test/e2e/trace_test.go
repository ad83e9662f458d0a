package e2e

import (
	"fmt"
	"testing"

	"turnout/internal/domain"
	"turnout/internal/sim"
	"turnout/internal/store"
)

// TestTracesAreSmall: the decision traces of a mix of requests, as an installation has it
// whose accounts fail now and then, take 600 bytes each in the mean. They are most of what
// the database grows by.
func TestTracesAreSmall(t *testing.T) {
	const most = 600
	p := startProvider(t, sim.Options{})
	config := "accounts:\n"
	for i, words := range []string{"", "", "-fail429", "", "-fail503", "-fail500", "", "", "-fail529", ""} {
		for _, platform := range []string{"anthropic", "openai"} {
			config += account(p, platform, fmt.Sprintf("%s-%d", platform, i), fmt.Sprintf("sk-sim-%s-%d%s", platform, i, words), "")
		}
	}
	g := startGateway(t, config+keys)
	c := newClient(t)
	good := 0
	for i := range 30 {
		for _, f := range forms {
			if r := (&ask{form: f, model: fmt.Sprintf("model-%d", i%3)}).do(c, g.base); r.good() {
				good++
			}
		}
	}
	if good == 0 {
		t.Fatal("no request was answered")
	}
	g.stop()
	withStore(t, g, func(s *store.Store) error {
		rows, err := s.Requests(t.Context(), store.RequestFilter{Limit: 1000})
		if err != nil {
			return err
		}
		total, retried, longest := 0, 0, domain.RequestID{}
		size := 0
		for _, row := range rows {
			r, err := s.Request(t.Context(), row.ID)
			if err != nil {
				return err
			}
			if len(r.Trace) == 0 {
				t.Errorf("%s has no trace", row.ID)
			}
			if total += len(r.Trace); len(r.Trace) > size {
				size, longest = len(r.Trace), row.ID
			}
			if row.Attempts > 1 {
				retried++
			}
		}
		if len(rows) != 30*len(forms) || retried == 0 {
			t.Fatalf("%d records, %d with more than one attempt", len(rows), retried)
		}
		mean := total / len(rows)
		t.Logf("%d bytes in the mean; the longest (%s) has %d; %d of %d were tried again", mean, longest, size, retried, len(rows))
		if mean > most {
			t.Errorf("a trace takes %d bytes in the mean, want at most %d", mean, most)
		}
		return nil
	})
}
