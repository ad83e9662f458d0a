package cli

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"turnout/internal/app"
	"turnout/internal/domain"
	"turnout/internal/store"
)

type plainSealer struct{}

func (plainSealer) Seal(plain []byte, _, _, _ string) ([]byte, error)  { return plain, nil }
func (plainSealer) Open(sealed []byte, _, _, _ string) ([]byte, error) { return sealed, nil }
func (plainSealer) Current([]byte) bool                                { return true }

// fill does something with a desk's store.
func (d *desk) fill(f func(context.Context, *store.Store)) {
	d.t.Helper()
	s, err := store.Open(d.t.Context(), store.Options{Dir: filepath.Join(d.dir, "data"), Sealer: plainSealer{}})
	if err != nil {
		d.t.Fatal(err)
	}
	f(d.t.Context(), s)
	if err := s.Close(); err != nil {
		d.t.Fatal(err)
	}
}

// newUsageDesk has two teams with a key each, and what they used in October 2026: one request a day each.
func newUsageDesk(t *testing.T) *desk {
	t.Helper()
	d := newDesk(t)
	d.does("teams", "create", "ops")
	d.does("teams", "create", "web")
	d.does("keys", "create", "k1", "--owner", "team:ops")
	d.does("keys", "create", "k2", "--owner", "team:web")
	d.does("accounts", "add", "acc", "--platform", "openai", "--key-env", "UPSTREAM_KEY")
	d.does("accounts", "add", "sub", "--platform", "anthropic", "--key-env", "UPSTREAM_KEY", "--billing", "flat", "--monthly-price-usd", "31")
	d.does("teams", "disable", "web")
	d.fill(func(ctx context.Context, s *store.Store) {
		names, err := s.Names(ctx)
		if err != nil {
			t.Fatal(err)
		}
		id := map[string]int64{}
		for k, n := range names.Teams {
			id[n] = int64(k)
		}
		for k, n := range names.Keys {
			id[n] = int64(k)
		}
		for k, n := range names.Accounts {
			id[n] = int64(k)
		}
		var all []domain.Settlement
		var rows []store.RequestRow
		for day := range 31 {
			for i, who := range []struct{ team, key, account, model string }{{"ops", "k1", "acc", "gpt-x"}, {"web", "k2", "sub", "claude-x"}, {"ops", "k1", "sub", "claude-x"}} {
				at := time.Date(2026, 10, 1+day, 10, i, 0, 0, time.UTC)
				one := domain.Settlement{
					Request: domain.NewRequestID(at), At: at, Key: domain.KeyID(id[who.key]), Team: domain.TeamID(id[who.team]), Account: domain.AccountID(id[who.account]),
					Payer: domain.Spender{Kind: domain.SpenderTeam, ID: id[who.team]}, Model: who.model, Plan: "p", Tags: "cost_centre=c,project=" + who.team,
					Usage: domain.Usage{Input: 100, CacheRead: 40, Output: 10}, Charged: domain.Dollar, Cost: domain.Dollar / 2,
				}
				if who.account == "sub" {
					one.Flags = domain.FlagFlat
				}
				all = append(all, one)
				rows = append(rows, store.RequestRow{ID: one.Request, Key: one.Key, Account: one.Account, Model: "=asked", Outcome: store.OutcomeOK, Status: 200, Usage: one.Usage})
			}
		}
		if err := s.AppendRequests(ctx, rows); err != nil {
			t.Fatal(err)
		}
		if err := s.Apply(ctx, all, domain.JournalPosition{}); err != nil {
			t.Fatal(err)
		}
	})
	return d
}

func TestUsage(t *testing.T) {
	d := newUsageDesk(t)
	october := []string{"--since", "2026-10-01", "--until", "2026-11-01"}
	ask := func(args ...string) (r app.UsageReport) {
		t.Helper()
		if err := json.Unmarshal([]byte(d.does(append(append([]string{"usage", "--json"}, october...), args...)...)), &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	all := ask()
	if len(all.Rows) != 1 || all.Totals.Requests != 93 || all.Totals.Charged != 93*domain.Dollar || all.Totals.Margin != 93*domain.Dollar/2 || all.Totals.CacheRead != 93*40 {
		t.Errorf("%+v", all)
	}
	for _, c := range []struct {
		args []string
		want string // rows: by, requests
	}{
		{[]string{"--by", "team"}, "ops 62;web 31"},
		{[]string{"--by", "month"}, "2026-10 93"},
		{[]string{"--by", "tag"}, "cost_centre=c,project=ops 62;cost_centre=c,project=web 31"},
		{[]string{"--by", "tag:project,model"}, "ops claude-x 31;ops gpt-x 31;web claude-x 31"},
		{[]string{"--by", "tag:nothing"}, " 93"},
		{[]string{"--by", "account", "--tag", "project=ops"}, "acc 31;sub 31"},
		{[]string{"--by", "key", "--team", "web"}, "k2 31"},
		{[]string{"--by", "key", "--model", "gpt-x", "--account", "acc", "--key", "k1"}, "k1 31"},
		{[]string{"--by", "day", "--since", "2026-10-30"}, "2026-10-30 3;2026-10-31 3"},
		{[]string{"--by", "hour", "--since", "2026-10-31", "--team", "ops"}, "2026-10-31T10:00Z 2"},
		{[]string{"--by", "team", "-n", "1"}, "ops 62"},
		{[]string{"--tag", "project=nobody"}, ""},
	} {
		var rows []string
		for _, r := range ask(c.args...).Rows {
			rows = append(rows, fmt.Sprintf("%s %d", strings.Join(r.By, " "), r.Requests))
		}
		if got := strings.Join(rows, ";"); got != c.want {
			t.Errorf("%v: %s, want %s", c.args, got, c.want)
		}
	}
	// The fixed price of 31 dollars is shared out by use; of October's days each has one dollar.
	for _, c := range []struct{ args, want string }{
		{"account", "acc false 0;sub true 31000000000"}, {"account,team", "acc ops false 0;sub ops true 15500000000;sub web true 15500000000"},
	} {
		var rows []string
		r := ask("--by", c.args)
		for _, row := range r.Rows {
			rows = append(rows, fmt.Sprintf("%s %v %d", strings.Join(row.By, " "), row.Flat, row.Fixed))
		}
		for _, want := range strings.Split(c.want, ";") {
			if !strings.Contains(strings.Join(rows, ";"), want) {
				t.Errorf("by %s: %v, want %s", c.args, rows, want)
			}
		}
	}
	if r := ask("--by", "account,day", "--since", "2026-10-31"); len(r.Rows) != 2 || r.Rows[0].Fixed+r.Rows[1].Fixed != domain.Dollar {
		t.Errorf("a day: %+v", r.Rows)
	}
	table := d.does(append([]string{"usage", "--by", "account"}, october...)...)
	for _, want := range []string{"ACCOUNT", "MARGIN", "FIXED", "$31.0000 (shadow)", "total"} {
		if !strings.Contains(table, want) {
			t.Errorf("the table has no %q:\n%s", want, table)
		}
	}
	rows, err := csv.NewReader(strings.NewReader(d.does(append([]string{"usage", "--by", "team,model", "--csv"}, october...)...))).ReadAll()
	if err != nil || len(rows) != 4 || strings.Join(rows[0][:4], ",") != "team,model,requests,input_tokens" || strings.Join(rows[0][13:], ",") != "margin_nano_usd,flat,fixed_nano_usd" {
		t.Errorf("CSV: %v %v", rows, err)
	}
	for _, bad := range [][]string{
		{"--by", "shoe"}, {"--by", "day,hour"}, {"--by", "day,month"}, {"--by", "team,team"}, {"--since", "yesterday"}, {"--team", "nobody"}, {"--tag", "project"}, {"--since", "2026-11-02", "--until", "2026-11-01"},
	} {
		if _, errs, code := d.run("", append([]string{"usage", "-c", d.config()}, bad...)...); code != ExitFailed || errs == "" {
			t.Errorf("%v: code %d: %s", bad, code, errs)
		}
	}
}

func TestUsageExport(t *testing.T) {
	d := newUsageDesk(t)
	rows, err := csv.NewReader(strings.NewReader(d.does("usage", "export", "--since", "2026-10-01", "--until", "2026-10-03"))).ReadAll()
	if err != nil || len(rows) != 7 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if h := strings.Join(rows[0], ","); !strings.HasPrefix(h, "request,time,key,user,team,pool,account,asked_model,model,tags,outcome,") || !strings.HasSuffix(h, ",charged_nano_usd,written_off_nano_usd,switched_nano_usd,cost_nano_usd,lost_nano_usd") {
		t.Errorf("the columns are %s", h)
	}
	if r := rows[1]; r[1] != "2026-10-01T10:00:00.000Z" || r[2] != "k1" || r[4] != "ops" || r[6] != "acc" || r[7] != "'=asked" || r[8] != "gpt-x" || r[28] != "1000000000" {
		t.Errorf("%v", r)
	}
	lines := strings.Split(strings.TrimSpace(d.does("usage", "export", "--since", "2026-10-01", "--until", "2026-10-03", "--format", "jsonl")), "\n")
	var one map[string]any
	if err := json.Unmarshal([]byte(lines[1]), &one); err != nil || len(lines) != 6 || len(one) != len(rows[0]) {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	for _, name := range rows[0] {
		if _, ok := one[name]; !ok {
			t.Errorf("a line has no %s", name)
		}
	}
	if one["team"] != "web" || one["flags"] != "flat" || one["asked_model"] != "=asked" || one["cost_nano_usd"] != 5e8 {
		t.Errorf("%v", one)
	}
}

func TestMonths(t *testing.T) {
	d := newUsageDesk(t)
	if out := d.does("ledger", "statement", "ops", "2026-10"); !strings.Contains(out, "provisional") {
		t.Errorf("an open month: %s", out)
	}
	if out := d.does("ledger", "close", "2026-10", "--team", "ops"); !strings.Contains(out, "$62.0000") {
		t.Errorf("%s", out)
	}
	out := d.does("ledger", "statement", "ops", "2026-10")
	for _, want := range []string{"ops, 2026-10: closed at ", "k1   claude-x", "$62.0000", "sub      $31.0000  $15.5000  $31.0000  $15.5000"} {
		if !strings.Contains(out, want) {
			t.Errorf("there is no %q in\n%s", want, out)
		}
	}
	var st store.Statement
	if err := json.Unmarshal([]byte(d.does("ledger", "statement", "ops", "2026-10", "--json")), &st); err != nil || st.Totals.Requests != 62 || len(st.Lines) != 2 || len(st.Hash) != 64 {
		t.Errorf("%+v %v", st, err)
	}
	rows, err := csv.NewReader(strings.NewReader(d.does("ledger", "statement", "web", "2026-10", "--csv"))).ReadAll()
	if err != nil || len(rows) != 3 || rows[1][0] != "usage" || rows[1][3] != "provisional" || rows[2][0] != "flat" || rows[2][len(rows[2])-1] != "15500000000" {
		t.Errorf("%v %v", rows, err)
	}
	for want, args := range map[string][]string{
		"is closed already":          {"ledger", "close", "2026-10", "--team", "ops"},
		"is not over":                {"ledger", "close", "2100-01", "--all"},
		"is no month":                {"ledger", "close", "October", "--all"},
		"there is no team":           {"ledger", "close", "2026-10", "--team", "nobody"},
		`there is no team "nobody"`:  {"ledger", "statement", "nobody", "2026-10"},
		"has not begun":              {"ledger", "statement", "ops", "2100-01"},
		"can't be used together":     {"ledger", "close", "2026-10", "--team", "ops", "--all"},
		"missing flags: --team=NAME": {"ledger", "close", "2026-10"},
	} {
		if _, errs, code := d.run("", append(args, "-c", d.config())...); code == 0 || !strings.Contains(errs, want) {
			t.Errorf("%v: code %d: %s", args, code, errs)
		}
	}
	d.does("ledger", "close", "2026-10", "--all")
	if _, errs, code := d.run("", "ledger", "close", "2026-10", "--all", "-c", d.config()); code == 0 || !strings.Contains(errs, "for every team") {
		t.Errorf("all twice: %s", errs)
	}
	d.does("ledger", "verify")
}

func TestReconcile(t *testing.T) {
	d := newUsageDesk(t)
	file := func(name, text string) string {
		path := filepath.Join(d.dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	openai := file("openai.json", `{"object":"page","data":[{"object":"bucket","start_time":1790812800,"end_time":1790899200,"results":[
		{"object":"organization.usage.completions.result","input_tokens":140,"output_tokens":10,"input_cached_tokens":40,"num_model_requests":1,"project_id":null,"model":"gpt-x-2026-08-06","batch":false}]}],"has_more":false,"next_page":null}`)
	costs := file("costs.json", `{"object":"page","data":[{"object":"bucket","start_time":1790812800,"results":[
		{"object":"organization.costs.result","amount":{"value":0.3,"currency":"usd"},"line_item":"gpt-x-2026-08-06, input"},
		{"object":"organization.costs.result","amount":{"value":"0.2000000000000001","currency":"usd"},"line_item":"gpt-x-2026-08-06, output"}]}],"has_more":false}`)
	anthropic := file("anthropic.json", `{"data":[{"starting_at":"2026-10-01T00:00:00Z","ending_at":"2026-10-02T00:00:00Z","results":[
		{"uncached_input_tokens":200,"cache_creation":{"ephemeral_1h_input_tokens":0,"ephemeral_5m_input_tokens":0},"cache_read_input_tokens":80,"output_tokens":25,"model":"claude-x-20260101"}]}],"has_more":false,"next_page":null}`)
	report := file("cost_report.json", `{"data":[{"starting_at":"2026-10-01T00:00:00Z","results":[{"amount":"100.00","currency":"USD","model":"claude-x-20260101","cost_type":"tokens"}]}],"has_more":false}`)
	table := file("invoice.csv", "date,model,input_tokens,cache_read_tokens,output_tokens,cost_usd\n2026-10-01,gpt-x,100,40,10,0.50\n2026-10-02,gpt-x,100,40,10,$0.47\n")
	exact := []string{"--tolerance", "0", "--within-tokens", "0", "--within-cents", "0", "-c", d.config()}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{append([]string{openai, costs, "--account", "acc"}, exact...), 0, "4 figures compared, 0 beyond"},
		{append([]string{anthropic, report, "--account", "sub"}, exact...), 1, "claude-x  output_tokens  20       25        -5"},
		{[]string{anthropic, report, "--account", "sub", "-c", d.config()}, 0, "4 figures compared, 0 beyond"},
		{append([]string{table, "--account", "acc"}, exact...), 1, "2026-10-02  gpt-x  cost  $0.5000  $0.4700   $0.0300     beyond"},
		{append([]string{table, "--account", "acc", "--tolerance", "7"}, exact[2:]...), 0, "8 figures compared, 0 beyond"},
		{append([]string{table}, exact...), 1, "2026-10-01  claude-x  cost"},
		{append([]string{table, "--account", "acc", "--all", "--json"}, exact...), 1, `"what": "prompt_tokens"`},
	} {
		out, errs, code := d.run("", append([]string{"ledger", "reconcile"}, c.args...)...)
		if code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%v: code %d: %s%s", c.args, code, out, errs)
		}
	}
	for name, text := range map[string]string{
		"empty": " ", "words": "hello", "nothing": `{"data":[]}`, "more": `{"data":[],"has_more":true}`, "euro": `{"data":[{"start_time":1,"results":[{"amount":{"value":1,"currency":"eur"}}]}]}`,
		"when": `{"data":[{"results":[]}]}`, "what": `{"data":[{"start_time":1,"results":[{}]}]}`, "number": "date,model,cost_usd\n2026-10-01,m,many\n", "tokens": "date,input_tokens,output_tokens\n2026-10-01,-1,2\n",
		"date": "date,cost_usd\n1.10.2026,3\n", "exponent": "date,cost_usd\n2026-10-01,1e999999999\n",
	} {
		if _, errs, code := d.run("", "ledger", "reconcile", file(name, text), "-c", d.config()); code == 0 || errs == "" {
			t.Errorf("%s: code %d: %s", name, code, errs)
		}
	}
}
