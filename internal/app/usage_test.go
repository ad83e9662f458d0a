package app

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"testing"
	"time"

	"turnout/internal/admin"
	"turnout/internal/domain"
	"turnout/internal/store"
)

// TestUsageOfARunningGateway: what a request used is in the answers of the admin API, and a month that is closed while it runs stays.
func TestUsageOfARunningGateway(t *testing.T) {
	p := newProvider(t)
	r := newRig(t, configuration(p.URL, "one=sk-one-11111111"))
	a := r.start()
	secret := made(t, a, `{"name":"used"}`)
	for range 3 {
		if status, body := r.ask(a, secret); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
	}
	ctx := context.Background()
	if err := a.book.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	answer, err := a.usageAnswer(ctx, url.Values{"by": {"key,account"}, "since": {"1h"}})
	if err != nil {
		t.Fatal(err)
	}
	report := answer.(*UsageReport)
	if len(report.Rows) != 1 || !slices.Equal(report.Rows[0].By, []string{"used", "one"}) || report.Totals.Requests != 3 {
		t.Errorf("%+v", report)
	}
	for _, bad := range []url.Values{{"shoe": {"1"}}, {"by": {"shoe"}}, {"n": {"-1"}}, {"since": {"x"}}, {"team": {"nobody"}}} {
		if _, err := a.usageAnswer(ctx, bad); domain.KindOf(err) != domain.KindInvalid && domain.KindOf(err) != domain.KindNotFound {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if v, err := a.serviceAnswer(ctx, url.Values{"by": {"account,model,hour"}}); err != nil || v.([]ServiceRow) == nil {
		t.Errorf("%v %v", v, err)
	}
	if _, err := a.serviceAnswer(ctx, url.Values{"by": {"key"}}); err == nil {
		t.Error("by keys there is nothing")
	}

	// Last month has one request of no team; late ones of it go to this month.
	last := store.MonthOf(time.Now().UTC().AddDate(0, 0, -time.Now().UTC().Day()))
	old := domain.Settlement{
		Request: domain.NewRequestID(last.Start()), At: last.Start(), Key: 1, Payer: domain.Spender{Kind: domain.SpenderKey, ID: 1}, Model: "m", Charged: 5, Cost: 5,
	}
	if err := a.store.Apply(ctx, []domain.Settlement{old}, a.appliedForTest(t)); err != nil {
		t.Fatal(err)
	}
	closed, err := a.CloseMonth(ctx, last.String(), []byte(`{"all":true}`))
	if err != nil {
		t.Fatal(err)
	}
	if list := closed.([]admin.Closed); len(list) != 1 || list[0].Team != "" || list[0].Charged != 5 || list[0].Hash == "" {
		t.Errorf("%+v", closed)
	}
	for _, body := range []string{`{}`, `{"all":true,"team":"x"}`, `{"team":"nobody"}`, `{"all":true}`, `{"shoe":1}`} {
		if _, err := a.CloseMonth(ctx, last.String(), []byte(body)); err == nil {
			t.Errorf("%s is taken", body)
		}
	}
	a.sweep(ctx)
	books, err := a.store.CheckBooks(ctx)
	if err != nil || len(books.Wrong) > 0 || books.Months != 1 {
		t.Errorf("%+v %v", books, err)
	}
}

func (a *App) appliedForTest(t *testing.T) domain.JournalPosition {
	t.Helper()
	at, err := a.store.Applied(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestExportColumns: the CSV's columns are the lines' members, in their order.
func TestExportColumns(t *testing.T) {
	e := exported{}
	if len(e.cells()) != len(exportedColumns) {
		t.Fatalf("%d cells, %d columns", len(e.cells()), len(exportedColumns))
	}
	raw, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, name := range exportedColumns {
		i := slices.Index(splitJSON(string(raw)), name)
		if i < at {
			t.Errorf("%s is member %d, after %d", name, i, at)
		}
		at = i
	}
}

// splitJSON lists the strings of a flat object in their order.
func splitJSON(s string) (out []string) {
	for i := 0; i < len(s); i++ {
		if s[i] != '"' {
			continue
		}
		j := i + 1
		for s[j] != '"' {
			j++
		}
		out = append(out, s[i+1:j])
		i = j
	}
	return out
}
