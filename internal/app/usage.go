package app

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"turnout/internal/domain"
	"turnout/internal/store"
)

// UsageAsk chooses usage by names and says what to add it up by. Empty fields choose everything.
type UsageAsk struct {
	// By are team, user, key, pool, account, model, tag (the whole set of tags), tag:NAME (one tag's values), hour, day and month.
	By                                    []string
	Since, Until                          time.Time // by whole hours in UTC; a zero Until is now
	Team, User, Key, Pool, Account, Model string
	Tags                                  []string // NAME=VALUE, all of which a request must have had
	Limit                                 int      // give so many rows, the largest; 0: all
}

// UsageSums is usage, added up. Money is in nano-USD, and exact.
type UsageSums struct {
	Requests   int64          `json:"requests"`
	Input      int64          `json:"input_tokens"`
	CacheRead  int64          `json:"cache_read_tokens"`
	CacheWrite int64          `json:"cache_write_tokens"`
	Output     int64          `json:"output_tokens"`
	Reasoning  int64          `json:"reasoning_tokens"`
	Charged    domain.NanoUSD `json:"charged_nano_usd"`
	WrittenOff domain.NanoUSD `json:"written_off_nano_usd"`
	Switched   domain.NanoUSD `json:"switched_nano_usd"`
	Cost       domain.NanoUSD `json:"cost_nano_usd"` // at list prices, also of accounts with a fixed price
	Lost       domain.NanoUSD `json:"lost_nano_usd"`
	Margin     domain.NanoUSD `json:"margin_nano_usd"` // charged, less cost and lost
}

// UsageRow is one row of usage.
type UsageRow struct {
	By []string `json:"by"` // the values of what was asked by, in its order
	UsageSums
	// Flat: the row is of an account with a fixed price: its cost is a shadow. Fixed is its part of the price in that time.
	Flat  bool           `json:"flat,omitempty"`
	Fixed domain.NanoUSD `json:"fixed_nano_usd,omitempty"`
}

// UsageReport is an answer.
type UsageReport struct {
	By     []string   `json:"by"`
	From   time.Time  `json:"from"`
	Until  time.Time  `json:"until"`
	Rows   []UsageRow `json:"rows"`
	More   int        `json:"more,omitempty"` // rows that the limit left out; they are in Totals
	Totals UsageSums  `json:"totals"`
}

const usageOp = "choose usage"

// usageColumns are what usage can be added up by, and what the roll-ups call it.
var usageColumns = map[string]store.UsageBy{
	"team": store.ByTeam, "user": store.ByUser, "key": store.ByKey, "pool": store.ByPool, "account": store.ByAccount, "model": store.ByModel, "tag": store.ByTags,
	"hour": store.ByHour, "day": store.ByDay, "month": store.ByDay,
}

// Usage answers from the roll-ups.
func (r *Records) Usage(ctx context.Context, ask UsageAsk) (*UsageReport, error) {
	return usage(ctx, r.store, r.names, ask, time.Now())
}

func usage(ctx context.Context, s *store.Store, names store.Names, ask UsageAsk, now time.Time) (*UsageReport, error) {
	interned, err := s.Interned(ctx)
	if err != nil {
		return nil, err
	}
	u := usageReader{names: names, interned: interned, ask: ask}
	q, err := u.query(now)
	if err != nil {
		return nil, err
	}
	rows, err := s.Usage(ctx, q)
	if err != nil {
		return nil, plainly(err)
	}
	if slices.Contains(ask.By, "account") {
		if u.fixed, err = s.FixedPrices(ctx); err != nil {
			return nil, err
		}
	}
	return u.report(q, rows), nil
}

type usageReader struct {
	names    store.Names
	interned map[int64]string
	ask      UsageAsk
	fixed    store.FixedPrices
	hours    bool
}

// query puts ids for names.
func (u *usageReader) query(now time.Time) (q store.UsageQuery, err error) {
	q = store.UsageQuery{From: u.ask.Since, Until: u.ask.Until, Only: map[store.UsageBy]int64{}}
	if q.Until.IsZero() {
		q.Until = now
	}
	q.From = q.From.UTC().Truncate(time.Hour)
	if end := q.Until.UTC().Truncate(time.Hour); end.Before(q.Until) {
		q.Until = end.Add(time.Hour)
	} else {
		q.Until = end
	}
	if !q.From.Before(q.Until) {
		return q, domain.Errorf(domain.KindInvalid, usageOp, "the time from %s until %s is empty", q.From.Format(time.RFC3339), q.Until.Format(time.RFC3339))
	}
	seen := map[string]bool{}
	for _, by := range u.ask.By {
		name, _, tag := strings.Cut(by, ":")
		column, ok := usageColumns[name]
		if !ok || tag && name != "tag" {
			return q, domain.Errorf(domain.KindInvalid, usageOp, "usage cannot be added up by %q; it can by team, user, key, pool, account, model, tag, tag:NAME, hour, day and month", by)
		}
		if seen[by] {
			return q, domain.Errorf(domain.KindInvalid, usageOp, "%q is asked for twice", by)
		}
		seen[by] = true
		if !slices.Contains(q.By, column) {
			q.By = append(q.By, column)
		}
	}
	u.hours = seen["hour"]
	if u.hours && (seen["day"] || seen["month"]) || seen["day"] && seen["month"] {
		return q, domain.Errorf(domain.KindInvalid, usageOp, "ask for one of hour, day and month")
	}
	return q, u.filters(&q)
}

func (u *usageReader) filters(q *store.UsageQuery) error {
	only := func(column store.UsageBy, noun, name string, id int64) error {
		if name == "" {
			return nil
		}
		if id == 0 {
			return domain.Errorf(domain.KindNotFound, usageOp, "there is no %s named %q", noun, name)
		}
		q.Only[column] = id
		return nil
	}
	for _, err := range []error{
		only(store.ByTeam, "team", u.ask.Team, idOf(u.names.Teams, u.ask.Team)), only(store.ByUser, "user", u.ask.User, idOf(u.names.Users, u.ask.User)),
		only(store.ByKey, "key", u.ask.Key, idOf(u.names.Keys, u.ask.Key)), only(store.ByPool, "pool", u.ask.Pool, idOf(u.names.Pools, u.ask.Pool)),
		only(store.ByAccount, "account", u.ask.Account, idOf(u.names.Accounts, u.ask.Account)), only(store.ByModel, "model with usage", u.ask.Model, idOf(u.interned, u.ask.Model)),
	} {
		if err != nil {
			return err
		}
	}
	if len(u.ask.Tags) == 0 {
		return nil
	}
	q.Tags = []int64{}
	for _, want := range u.ask.Tags {
		if !strings.Contains(want, "=") {
			return domain.Errorf(domain.KindInvalid, usageOp, "the tag %q is not NAME=VALUE", want)
		}
	}
	for id, text := range u.interned {
		have := strings.Split(text, ",")
		if !slices.ContainsFunc(u.ask.Tags, func(want string) bool { return !slices.Contains(have, want) }) {
			q.Tags = append(q.Tags, id)
		}
	}
	return nil
}

// idOf finds an id by its name; 0: there is none.
func idOf[K ~int64](names map[K]string, name string) int64 {
	if name == "" {
		return 0
	}
	for id, n := range names {
		if n == name {
			return int64(id)
		}
	}
	return 0
}

// value is what a row says of one thing that was asked by.
func (u *usageReader) value(by string, r *store.UsageRow) string {
	switch by {
	case "team":
		return u.names.Teams[domain.TeamID(r.Team)]
	case "user":
		return u.names.Users[domain.UserID(r.User)]
	case "key":
		return u.names.Keys[domain.KeyID(r.Key)]
	case "pool":
		return u.names.Pools[domain.PoolID(r.Pool)]
	case "account":
		return u.names.Accounts[domain.AccountID(r.Account)]
	case "model":
		return u.interned[r.Model]
	case "tag":
		return u.interned[r.Tags]
	case "hour":
		return time.Unix(r.Period*3600, 0).UTC().Format("2006-01-02T15:00Z")
	case "day":
		return time.Unix(r.Period*86400, 0).UTC().Format(time.DateOnly)
	case "month":
		return time.Unix(r.Period*86400, 0).UTC().Format("2006-01")
	}
	for pair := range strings.SplitSeq(u.interned[r.Tags], ",") {
		if name, value, _ := strings.Cut(pair, "="); name == strings.TrimPrefix(by, "tag:") {
			return value
		}
	}
	return ""
}

// place is an account's time whose fixed price is shared out.
type place struct {
	account int64
	period  string
}

func (u *usageReader) report(q store.UsageQuery, rows []store.UsageRow) *UsageReport {
	out := &UsageReport{By: u.ask.By, From: q.From, Until: q.Until, Rows: []UsageRow{}}
	if out.By == nil {
		out.By = []string{}
	}
	index, at, priced := map[string]int{}, map[place][]int{}, []place{}
	for i := range rows {
		r := &rows[i]
		values := make([]string, len(u.ask.By))
		period := ""
		for j, by := range u.ask.By {
			values[j] = u.value(by, r)
			if by == "hour" || by == "day" || by == "month" {
				period = values[j]
			}
		}
		name := strings.Join(values, "\x00")
		j, ok := index[name]
		if !ok {
			j = len(out.Rows)
			index[name] = j
			out.Rows = append(out.Rows, UsageRow{By: values})
			if _, flat := u.fixed[domain.AccountID(r.Account)]; flat {
				out.Rows[j].Flat = true
				p := place{r.Account, period}
				if at[p] == nil {
					priced = append(priced, p)
				}
				at[p] = append(at[p], j)
			}
		}
		out.Rows[j].UsageSums = out.Rows[j].plus(r.UsageSums)
		out.Totals = out.Totals.plus(r.UsageSums)
	}
	for _, p := range priced {
		weights := make([]domain.NanoUSD, len(at[p]))
		for i, j := range at[p] {
			weights[i] = out.Rows[j].Cost
		}
		if u.hours { // a day's price is not parted by hours
			continue
		}
		for i, part := range domain.ShareOut(u.price(p, q), weights) {
			out.Rows[at[p][i]].Fixed = part
		}
	}
	u.sort(out.Rows)
	if n := u.ask.Limit; n > 0 && len(out.Rows) > n {
		out.More = len(out.Rows) - n
		out.Rows = out.Rows[:n]
	}
	return out
}

// price is an account's fixed price in a period of the time asked for. The days of a month have equal parts of the month's price, which
// sum to it; a day that is not all asked for counts whole.
func (u *usageReader) price(p place, q store.UsageQuery) (sum domain.NanoUSD) {
	monthly := u.fixed[domain.AccountID(p.account)]
	var parts []domain.NanoUSD
	for day := q.From.Truncate(24 * time.Hour); day.Before(q.Until); day = day.AddDate(0, 0, 1) {
		if parts == nil || day.Day() == 1 {
			weights := make([]domain.NanoUSD, day.AddDate(0, 1, -day.Day()).Day())
			for i := range weights {
				weights[i] = 1
			}
			parts = domain.ShareOut(monthly, weights)
		}
		if strings.HasPrefix(day.Format(time.DateOnly), p.period) {
			sum = sum.Plus(parts[day.Day()-1])
		}
	}
	return sum
}

func (s UsageSums) plus(v store.UsageSums) UsageSums {
	s.Requests, s.Input, s.CacheRead, s.CacheWrite = s.Requests+v.Requests, s.Input+v.Input, s.CacheRead+v.CacheRead, s.CacheWrite+v.CacheWrite
	s.Output, s.Reasoning = s.Output+v.Output, s.Reasoning+v.Reasoning
	s.Charged, s.WrittenOff, s.Switched = s.Charged.Plus(v.Charged), s.WrittenOff.Plus(v.WrittenOff), s.Switched.Plus(v.Switched)
	s.Cost, s.Lost = s.Cost.Plus(v.Cost), s.Lost.Plus(v.Lost)
	s.Margin = s.Charged.Plus(-s.Cost).Plus(-s.Lost)
	return s
}

// sort puts time first and what was charged most before the rest.
func (u *usageReader) sort(rows []UsageRow) {
	when := slices.IndexFunc(u.ask.By, func(by string) bool { return by == "hour" || by == "day" || by == "month" })
	slices.SortFunc(rows, func(a, b UsageRow) int {
		c := 0
		if when >= 0 {
			c = cmp.Compare(a.By[when], b.By[when])
		}
		return cmp.Or(c, cmp.Compare(b.Charged, a.Charged), cmp.Compare(b.Cost, a.Cost), cmp.Compare(b.Requests, a.Requests), slices.Compare(a.By, b.By))
	})
}

// ParseMoment reads a moment for --since and --until: a day (2026-11-26), a moment (2026-11-26T08:00:00Z), or how long ago (30d, 12h).
func ParseMoment(s string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	var ago time.Duration
	var err error
	if n, ok := strings.CutSuffix(s, "d"); ok {
		var days uint64
		days, err = strconv.ParseUint(n, 10, 14)
		ago = time.Duration(days) * 24 * time.Hour
	} else {
		ago, err = time.ParseDuration(s)
	}
	if err != nil || ago < 0 {
		return time.Time{}, domain.Errorf(domain.KindInvalid, usageOp, "%q is no moment; want a day (2026-11-26), a moment (2026-11-26T08:00:00Z), or how long ago (30d, 12h)", s)
	}
	return now.Add(-ago), nil
}

// defaultSince is how far back usage is shown where nothing is said.
const defaultSince = "30d"

// ParseUsage reads an ask as the command line and the admin API have it.
func ParseUsage(by, since, until string, now time.Time) (ask UsageAsk, err error) {
	for one := range strings.SplitSeq(by, ",") {
		if one = strings.TrimSpace(one); one != "" {
			ask.By = append(ask.By, one)
		}
	}
	if since == "" {
		since = defaultSince
	}
	if ask.Since, err = ParseMoment(since, now); err == nil && until != "" {
		ask.Until, err = ParseMoment(until, now)
	}
	return ask, err
}

// usageAnswer is GET /admin/v1/usage.
func (a *App) usageAnswer(ctx context.Context, query url.Values) (any, error) {
	now := time.Now()
	known := []string{"by", "since", "until", "team", "user", "key", "pool", "account", "model", "tag", "n"}
	for name := range query {
		if !slices.Contains(known, name) {
			return nil, domain.Errorf(domain.KindInvalid, usageOp, "there is no parameter %q; there are %s", name, strings.Join(known, ", "))
		}
	}
	ask, err := ParseUsage(query.Get("by"), query.Get("since"), query.Get("until"), now)
	if err != nil {
		return nil, err
	}
	ask.Team, ask.User, ask.Key, ask.Pool = query.Get("team"), query.Get("user"), query.Get("key"), query.Get("pool")
	ask.Account, ask.Model, ask.Tags = query.Get("account"), query.Get("model"), query["tag"]
	if n := query.Get("n"); n != "" {
		if ask.Limit, err = strconv.Atoi(n); err != nil || ask.Limit < 0 {
			return nil, domain.Errorf(domain.KindInvalid, usageOp, "n is %q; want a number of rows", n)
		}
	}
	names, err := a.store.Names(ctx)
	if err != nil {
		return nil, err
	}
	return usage(ctx, a.store, names, ask, now)
}

// ServiceRow is how requests went.
type ServiceRow struct {
	Hour     string `json:"hour,omitempty"`
	Account  string `json:"account,omitempty"`
	Model    string `json:"model,omitempty"`
	Requests int64  `json:"requests"`
	OK       int64  `json:"ok"`
	Failed   int64  `json:"failed"`
	Cut      int64  `json:"cut"`
	Canceled int64  `json:"canceled"`
	Refused  int64  `json:"refused"`
	Attempts int64  `json:"attempts"`
	// Averages and estimated percentiles, in milliseconds; 0: there is none.
	TotalMS    int64 `json:"total_ms"`
	WaitMS     int64 `json:"wait_ms"`
	FirstMS    int64 `json:"first_ms"`
	FirstP50MS int64 `json:"first_p50_ms"`
	FirstP95MS int64 `json:"first_p95_ms"`
	FirstP99MS int64 `json:"first_p99_ms"`
}

// serviceAnswer is GET /admin/v1/service.
func (a *App) serviceAnswer(ctx context.Context, query url.Values) (any, error) {
	now := time.Now()
	since := query.Get("since")
	if since == "" {
		since = "24h"
	}
	ask, err := ParseUsage(query.Get("by"), since, query.Get("until"), now)
	if err != nil {
		return nil, err
	}
	q := store.ServiceQuery{From: ask.Since, Until: ask.Until}
	if q.Until.IsZero() {
		q.Until = now
	}
	for _, by := range ask.By {
		switch by {
		case "hour":
			q.ByHour = true
		case "account":
			q.ByAccount = true
		case "model":
			q.ByModel = true
		default:
			return nil, domain.Errorf(domain.KindInvalid, usageOp, "how requests went cannot be added up by %q; it can by hour, account and model", by)
		}
	}
	names, err := a.store.Names(ctx)
	if err != nil {
		return nil, err
	}
	interned, err := a.store.Interned(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := a.store.Service(ctx, q)
	if err != nil {
		return nil, err
	}
	out := make([]ServiceRow, len(rows))
	for i := range rows {
		out[i] = serviceRow(&rows[i], names, interned)
	}
	return out, nil
}

func serviceRow(v *store.Service, names store.Names, interned map[int64]string) ServiceRow {
	row := ServiceRow{
		Account: names.Accounts[domain.AccountID(v.Account)], Model: interned[v.Model], Requests: v.Requests, OK: v.OK, Failed: v.Failed, Cut: v.Cut,
		Canceled: v.Canceled, Refused: v.Refused, Attempts: v.Attempts,
	}
	if v.Hour != 0 {
		row.Hour = time.Unix(v.Hour*3600, 0).UTC().Format("2006-01-02T15:00Z")
	}
	if v.Requests > 0 {
		row.TotalMS, row.WaitMS = v.Total.Milliseconds()/v.Requests, v.Wait.Milliseconds()/v.Requests
	}
	if n := v.First(); n > 0 {
		row.FirstMS = v.TTFT.Milliseconds() / n
	}
	for _, p := range []struct {
		of int64
		to *int64
	}{{50, &row.FirstP50MS}, {95, &row.FirstP95MS}, {99, &row.FirstP99MS}} {
		if d, ok := v.Percentile(p.of); ok {
			*p.to = d.Milliseconds()
		}
	}
	return row
}
