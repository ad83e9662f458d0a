package app

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"turnout/internal/domain"
	"turnout/internal/failover"
	"turnout/internal/store"
)

// exported is one request in an export. The names and their order are a promise: new ones come at the end.
type exported struct {
	Request     string `json:"request"`
	Time        string `json:"time"`
	Key         string `json:"key"`
	User        string `json:"user"`
	Team        string `json:"team"`
	Pool        string `json:"pool"`
	Account     string `json:"account"`
	AskedModel  string `json:"asked_model"`
	Model       string `json:"model"`
	Tags        string `json:"tags"`
	Outcome     string `json:"outcome"`
	Status      int64  `json:"status"`
	Class       string `json:"class"`
	Attempts    int64  `json:"attempts"`
	Input       int64  `json:"input_tokens"`
	CacheRead   int64  `json:"cache_read_tokens"`
	CacheWrite5 int64  `json:"cache_write_5m_tokens"`
	CacheWrite1 int64  `json:"cache_write_1h_tokens"`
	Output      int64  `json:"output_tokens"`
	Reasoning   int64  `json:"reasoning_tokens"`
	FirstMS     int64  `json:"first_ms"`
	TotalMS     int64  `json:"total_ms"`
	WaitMS      int64  `json:"wait_ms"`
	BytesIn     int64  `json:"bytes_in"`
	BytesOut    int64  `json:"bytes_out"`
	Settled     string `json:"settled"`
	Plan        string `json:"plan"`
	Flags       string `json:"flags"`
	Charged     int64  `json:"charged_nano_usd"`
	WrittenOff  int64  `json:"written_off_nano_usd"`
	Switched    int64  `json:"switched_nano_usd"`
	Cost        int64  `json:"cost_nano_usd"`
	Lost        int64  `json:"lost_nano_usd"`
}

var exportedColumns = []string{
	"request", "time", "key", "user", "team", "pool", "account", "asked_model", "model", "tags", "outcome", "status", "class", "attempts", "input_tokens",
	"cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "output_tokens", "reasoning_tokens", "first_ms", "total_ms", "wait_ms", "bytes_in", "bytes_out",
	"settled", "plan", "flags", "charged_nano_usd", "written_off_nano_usd", "switched_nano_usd", "cost_nano_usd", "lost_nano_usd",
}

func (e *exported) cells() []string {
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	return []string{
		e.Request, e.Time, e.Key, e.User, e.Team, e.Pool, e.Account, spreadsheetSafe(e.AskedModel), spreadsheetSafe(e.Model), e.Tags, e.Outcome, n(e.Status), e.Class, n(e.Attempts),
		n(e.Input), n(e.CacheRead), n(e.CacheWrite5), n(e.CacheWrite1), n(e.Output), n(e.Reasoning), n(e.FirstMS), n(e.TotalMS), n(e.WaitMS), n(e.BytesIn), n(e.BytesOut),
		e.Settled, e.Plan, e.Flags, n(e.Charged), n(e.WrittenOff), n(e.Switched), n(e.Cost), n(e.Lost),
	}
}

// spreadsheetSafe keeps a name that a caller chose from being a formula where a CSV is opened.
func spreadsheetSafe(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

var flagNames = []struct {
	flag domain.SettlementFlags
	name string
}{
	{domain.FlagEstimated, "estimated"}, {domain.FlagInterrupted, "interrupted"}, {domain.FlagUnpriced, "unpriced"}, {domain.FlagFlat, "flat"}, {domain.FlagCache, "cache"},
	{domain.FlagCapped, "capped"}, {domain.FlagPrepaid, "prepaid"}, {domain.FlagUnusable, "unusable"},
}

// Export writes every request that arrived in a time with what it used and cost, the oldest first, as CSV or as JSON lines.
func (r *Records) Export(ctx context.Context, w io.Writer, from, until time.Time, asJSON bool) error {
	if until.IsZero() {
		until = time.Now()
	}
	out := bufio.NewWriterSize(w, 64<<10)
	table, lines := csv.NewWriter(out), json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	if !asJSON {
		_ = table.Write(exportedColumns) // Flush tells
	}
	err := r.store.Export(ctx, from, until, func(e store.Export) error {
		row := r.exported(e)
		if asJSON {
			return lines.Encode(row)
		}
		return table.Write(row.cells())
	})
	table.Flush()
	return errors.Join(err, table.Error(), out.Flush())
}

func (r *Records) exported(e store.Export) *exported {
	row := &exported{}
	stamp := func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
	if x := e.Settlement; x != nil {
		row.Request, row.Time = x.Request.String(), stamp(x.Request.Time())
		row.Key, row.User, row.Team = r.names.Keys[x.Key], r.names.Users[x.User], r.names.Teams[x.Team]
		row.Pool, row.Account = r.names.Pools[x.Pool], r.names.Accounts[x.Account]
		row.Model, row.Tags, row.Plan = x.Model, x.Tags, x.Plan
		row.Settled = stamp(x.Request.Time().Add(x.Took))
		var flags []string
		for _, f := range flagNames {
			if x.Flags&f.flag != 0 {
				flags = append(flags, f.name)
			}
		}
		row.Flags = strings.Join(flags, ",")
		row.Charged, row.WrittenOff, row.Switched, row.Cost, row.Lost = int64(x.Charged), int64(x.WrittenOff), int64(x.Switched), int64(x.Cost), int64(x.Lost)
	}
	if q := e.Request; q != nil {
		row.Request, row.Time = q.ID.String(), stamp(q.ID.Time())
		row.Key, row.Pool, row.Account = r.names.Keys[q.Key], r.names.Pools[q.Pool], r.names.Accounts[q.Account]
		row.AskedModel, row.Outcome, row.Status, row.Attempts = q.Model, q.Outcome.String(), int64(q.Status), int64(q.Attempts)
		if q.Class != 0 {
			row.Class = failover.Class(q.Class).String()
		}
		row.Input, row.CacheRead, row.CacheWrite5, row.CacheWrite1 = q.Usage.Input, q.Usage.CacheRead, q.Usage.CacheWrite5m, q.Usage.CacheWrite1h
		row.Output, row.Reasoning = q.Usage.Output, q.Usage.Reasoning
		row.FirstMS, row.TotalMS, row.WaitMS = q.TTFT.Milliseconds(), q.Total.Milliseconds(), q.Wait.Milliseconds()
		row.BytesIn, row.BytesOut = q.BytesIn, q.BytesOut
	}
	return row
}
