package app

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"turnout/internal/domain"
	"turnout/internal/store"
)

// Stated is what a provider says of one day and model, or Turnout itself. Prompt is the whole prompt, cached or not: the one figure that all
// providers mean alike.
type Stated struct {
	Prompt    int64          `json:"prompt_tokens"`
	CacheRead int64          `json:"cache_read_tokens"`
	Output    int64          `json:"output_tokens"`
	Cost      domain.NanoUSD `json:"cost_nano_usd"`
}

// DayModel is a day and a model; an empty model is all of them.
type DayModel struct {
	Day   string `json:"day"`
	Model string `json:"model,omitempty"`
}

// Invoice is what a provider's files say.
type Invoice struct {
	Rows map[DayModel]*Stated
	// Of what it says anything: tokens, money, models.
	Tokens, Money, Models bool
}

const reconcileOp = "read a provider's usage"

// snapshot is the date at the end of a model's name.
var snapshot = regexp.MustCompile(`-(\d{8}|\d{4}-\d{2}-\d{2})$`)

// plainModel is a model's name without the date of its snapshot: providers report it with it, however it was asked for.
func plainModel(name string) string { return snapshot.ReplaceAllString(strings.TrimSpace(name), "") }

func (v *Invoice) row(day, model string) *Stated {
	k := DayModel{day, plainModel(model)}
	v.Models = v.Models || k.Model != ""
	if v.Rows[k] == nil {
		v.Rows[k] = &Stated{}
	}
	return v.Rows[k]
}

// ReadInvoice adds what a file says: pages of OpenAI's organization usage or costs, of Anthropic's usage or cost report, or a CSV.
func (v *Invoice) ReadInvoice(data []byte) error {
	if v.Rows == nil {
		v.Rows = map[DayModel]*Stated{}
	}
	data = bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	if len(data) == 0 {
		return domain.Errorf(domain.KindInvalid, reconcileOp, "it is empty")
	}
	if data[0] == '[' || data[0] == '{' {
		return v.readPages(data)
	}
	return v.readCSV(data)
}

// invoicePage is a page of any of the four reports.
type invoicePage struct {
	HasMore bool `json:"has_more"`
	Data    []struct {
		StartTime  int64             `json:"start_time"`  // OpenAI: Unix seconds
		StartingAt time.Time         `json:"starting_at"` // Anthropic
		Results    []json.RawMessage `json:"results"`
	} `json:"data"`
}

// readPages reads pages, one after another or in an array.
func (v *Invoice) readPages(data []byte) error {
	var pages []invoicePage
	d := json.NewDecoder(bytes.NewReader(data))
	for {
		var raw json.RawMessage
		err := d.Decode(&raw)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil && raw[0] == '[' {
			var several []invoicePage
			err = json.Unmarshal(raw, &several)
			pages = append(pages, several...)
		} else if err == nil {
			var one invoicePage
			err = json.Unmarshal(raw, &one)
			pages = append(pages, one)
		}
		if err != nil {
			return domain.Errorf(domain.KindInvalid, reconcileOp, "this is no page of a usage or cost report: %v", err)
		}
	}
	for _, p := range pages {
		for _, bucket := range p.Data {
			start := bucket.StartingAt
			if bucket.StartTime != 0 {
				start = time.Unix(bucket.StartTime, 0)
			}
			if start.IsZero() {
				return domain.Errorf(domain.KindInvalid, reconcileOp, "a bucket has neither start_time nor starting_at")
			}
			for _, raw := range bucket.Results {
				if err := v.readResult(start.UTC().Format(time.DateOnly), raw); err != nil {
					return err
				}
			}
		}
	}
	if n := len(pages); n > 0 && pages[n-1].HasMore {
		return domain.Errorf(domain.KindInvalid, reconcileOp, "the last page says that there are more: fetch them all, and put them one after another into the file")
	}
	return nil
}

// readResult reads one result; which report it is of, its members tell.
func (v *Invoice) readResult(day string, raw json.RawMessage) error {
	bad := func(err error) error {
		return domain.Errorf(domain.KindInvalid, reconcileOp, "a result of %s cannot be read: %v", day, err)
	}
	var r struct {
		Model    *string         `json:"model"`
		LineItem *string         `json:"line_item"`
		Amount   json.RawMessage `json:"amount"`
		Currency string          `json:"currency"`

		// OpenAI: input_tokens includes what was cached.
		Input  *int64 `json:"input_tokens"`
		Cached int64  `json:"input_cached_tokens"`
		Output *int64 `json:"output_tokens"`

		// Anthropic: each token is in one of them.
		Uncached  *int64 `json:"uncached_input_tokens"`
		CacheRead int64  `json:"cache_read_input_tokens"`
		Written   struct {
			FiveMinutes int64 `json:"ephemeral_5m_input_tokens"`
			OneHour     int64 `json:"ephemeral_1h_input_tokens"`
		} `json:"cache_creation"`
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return bad(err)
	}
	model := ""
	if r.Model != nil {
		model = *r.Model
	}
	switch {
	case len(r.Amount) > 0 && r.Amount[0] == '{': // OpenAI's costs, in dollars
		var a struct {
			Value    json.RawMessage `json:"value"`
			Currency string          `json:"currency"`
		}
		if err := json.Unmarshal(r.Amount, &a); err != nil {
			return bad(err)
		}
		if r.LineItem != nil { // such as "gpt-4o-2024-08-06, input"
			model, _, _ = strings.Cut(*r.LineItem, ",")
		}
		return v.readMoney(day, model, strings.Trim(string(a.Value), `"`), a.Currency, domain.Dollar)
	case len(r.Amount) > 0: // Anthropic's, in cents
		return v.readMoney(day, model, strings.Trim(string(r.Amount), `"`), r.Currency, domain.Dollar/100)
	case r.Uncached != nil && r.Output != nil:
		s := v.row(day, model)
		s.Prompt += *r.Uncached + r.CacheRead + r.Written.FiveMinutes + r.Written.OneHour
		s.CacheRead, s.Output = s.CacheRead+r.CacheRead, s.Output+*r.Output
		v.Tokens = true
	case r.Input != nil && r.Output != nil:
		s := v.row(day, model)
		s.Prompt, s.CacheRead, s.Output = s.Prompt+*r.Input, s.CacheRead+r.Cached, s.Output+*r.Output
		v.Tokens = true
	default:
		return bad(errors.New("it has neither tokens nor an amount"))
	}
	return nil
}

func (v *Invoice) readMoney(day, model, amount, currency string, unit domain.NanoUSD) error {
	if !strings.EqualFold(currency, "usd") {
		return domain.Errorf(domain.KindInvalid, reconcileOp, "an amount of %s is in %q; only US dollars can be compared", day, currency)
	}
	n, err := exactNano(amount, unit)
	if err != nil {
		return domain.Errorf(domain.KindInvalid, reconcileOp, "the amount %q of %s is no number", amount, day)
	}
	s := v.row(day, model)
	s.Cost = s.Cost.Plus(n)
	v.Money = true
	return nil
}

// exactNano reads a decimal number of units; what is smaller than a nano-dollar is rounded.
func exactNano(s string, unit domain.NanoUSD) (domain.NanoUSD, error) {
	r, ok := new(big.Rat).SetString(s)
	if !ok || len(s) > 64 || strings.ContainsAny(s, "/eE") {
		return 0, strconv.ErrSyntax
	}
	r.Mul(r, new(big.Rat).SetInt64(int64(unit)))
	n, err := strconv.ParseInt(r.FloatString(0), 10, 64)
	return domain.NanoUSD(n), err
}

// The columns of a CSV that are read; others are left alone. One of date and day must be there, and any figure.
var invoiceColumns = []string{"date", "model", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "cost_usd"}

func (v *Invoice) readCSV(data []byte) error {
	rows := csv.NewReader(bytes.NewReader(data))
	rows.TrimLeadingSpace = true
	head, err := rows.Read()
	if err != nil {
		return domain.Errorf(domain.KindInvalid, reconcileOp, "this is neither JSON nor CSV: %v", err)
	}
	at := map[string]int{}
	for i, name := range head {
		at[strings.ToLower(strings.TrimSpace(name))] = i
	}
	_, dated := at["date"]
	_, in := at["input_tokens"]
	_, out := at["output_tokens"]
	_, money := at["cost_usd"]
	if !dated || !money && (!in || !out) {
		return domain.Errorf(domain.KindInvalid, reconcileOp, "the CSV's first line must name its columns: date, model, and input_tokens with output_tokens or cost_usd or both (all there are: %s)", strings.Join(invoiceColumns, ", "))
	}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return domain.Errorf(domain.KindInvalid, reconcileOp, "%v", err)
		}
		line, _ := rows.FieldPos(0)
		cell := func(name string) string {
			if i, ok := at[name]; ok && i < len(row) {
				return strings.TrimSpace(row[i])
			}
			return ""
		}
		day, err := time.Parse(time.DateOnly, strings.SplitN(cell("date"), "T", 2)[0])
		if err != nil {
			return domain.Errorf(domain.KindInvalid, reconcileOp, "line %d: the date %q is not like 2026-11-26", line, cell("date"))
		}
		s := v.row(day.Format(time.DateOnly), cell("model"))
		count := func(name string) (n int64) {
			if text := cell(name); text != "" && err == nil {
				if n, err = strconv.ParseInt(text, 10, 64); err != nil || n < 0 {
					err = domain.Errorf(domain.KindInvalid, reconcileOp, "line %d: %s is %q, which is no number of tokens", line, name, text)
				}
			}
			return n
		}
		if in {
			cached := count("cache_read_tokens")
			s.Prompt, s.CacheRead = s.Prompt+count("input_tokens")+cached+count("cache_write_tokens"), s.CacheRead+cached
			s.Output += count("output_tokens")
			v.Tokens = true
		}
		if err != nil {
			return err
		}
		if money {
			n, err := exactNano(cmp.Or(strings.TrimPrefix(cell("cost_usd"), "$"), "0"), domain.Dollar)
			if err != nil {
				return domain.Errorf(domain.KindInvalid, reconcileOp, "line %d: cost_usd is %q, which is no amount", line, cell("cost_usd"))
			}
			s.Cost = s.Cost.Plus(n)
			v.Money = true
		}
	}
}

// Difference is one figure that is compared.
type Difference struct {
	DayModel
	What   string `json:"what"` // prompt_tokens, cache_read_tokens, output_tokens, cost_nano_usd
	Ours   int64  `json:"turnout"`
	Theirs int64  `json:"provider"`
	Beyond bool   `json:"beyond"` // the tolerance
}

// Tolerance is how far two figures may be apart: by a part of the larger one, or by an amount, whichever is more.
type Tolerance struct {
	PartsPerMillion int64
	Tokens          int64
	Money           domain.NanoUSD
}

func (t Tolerance) beyond(a, b, least int64) bool {
	off := new(big.Int).Abs(new(big.Int).Sub(big.NewInt(a), big.NewInt(b)))
	if off.Cmp(big.NewInt(least)) <= 0 {
		return false
	}
	off.Mul(off, big.NewInt(1_000_000))
	return off.Cmp(new(big.Int).Mul(big.NewInt(max(a, b)), big.NewInt(t.PartsPerMillion))) > 0
}

// Compare holds a provider's figures against Turnout's own, by days and models.
func (v *Invoice) Compare(ours map[DayModel]*Stated, t Tolerance) (out []Difference) {
	keys := map[DayModel]bool{}
	for k := range v.Rows {
		keys[k] = true
	}
	for k := range ours {
		keys[k] = true
	}
	for k := range keys {
		a, b := ours[k], v.Rows[k]
		if a == nil {
			a = &Stated{}
		}
		if b == nil {
			b = &Stated{}
		}
		add := func(what string, x, y, least int64) {
			if x != 0 || y != 0 {
				out = append(out, Difference{k, what, x, y, t.beyond(x, y, least)})
			}
		}
		if v.Tokens {
			add("prompt_tokens", a.Prompt, b.Prompt, t.Tokens)
			add("cache_read_tokens", a.CacheRead, b.CacheRead, t.Tokens)
			add("output_tokens", a.Output, b.Output, t.Tokens)
		}
		if v.Money {
			add("cost_nano_usd", int64(a.Cost), int64(b.Cost), int64(t.Money))
		}
	}
	slices.SortStableFunc(out, func(a, b Difference) int { return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Model, b.Model)) })
	return out
}

// Reconcile compares; accounts are those that the provider's figures are of, all if none is named.
func (r *Records) Reconcile(ctx context.Context, v *Invoice, accounts []string, t Tolerance) ([]Difference, error) {
	if len(v.Rows) == 0 {
		return nil, domain.Errorf(domain.KindInvalid, reconcileOp, "the provider's figures say nothing of any day")
	}
	days := []string{}
	for k := range v.Rows {
		days = append(days, k.Day)
	}
	from, err := time.Parse(time.DateOnly, slices.Min(days))
	if err != nil {
		return nil, err
	}
	last, err := time.Parse(time.DateOnly, slices.Max(days))
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, name := range accounts {
		id := r.AccountID(name)
		if id == 0 {
			return nil, nobody("account", name)
		}
		ids = append(ids, int64(id))
	}
	interned, err := r.store.Interned(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := r.store.Usage(ctx, store.UsageQuery{By: []store.UsageBy{store.ByDay, store.ByModel, store.ByAccount}, From: from, Until: last.AddDate(0, 0, 1)})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", reconcileOp, err)
	}
	ours := map[DayModel]*Stated{}
	for i := range rows {
		u := &rows[i]
		if u.Account == 0 || ids != nil && !slices.Contains(ids, u.Account) {
			continue
		}
		k := DayModel{Day: time.Unix(u.Period*86400, 0).UTC().Format(time.DateOnly)}
		if v.Models {
			k.Model = plainModel(interned[u.Model])
		}
		if ours[k] == nil {
			ours[k] = &Stated{}
		}
		s := ours[k]
		s.Prompt, s.CacheRead, s.Output = s.Prompt+u.Input+u.CacheRead+u.CacheWrite, s.CacheRead+u.CacheRead, s.Output+u.Output
		s.Cost = s.Cost.Plus(u.Cost).Plus(u.Lost)
	}
	return v.Compare(ours, t), nil
}
