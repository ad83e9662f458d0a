package gateway

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// listing is how the lists of a dialect look, and how the next page is asked for.
type listing struct {
	rows string
	// after and before name the row, or what stands for it, on whose other side the page lies; limit how many rows it has.
	after, before, limit string
	// token is the member that stands for the next page; empty: rows' own ids do.
	token string
	empty string
}

var listings = map[domain.Dialect]listing{
	domain.DialectAnthropic:     {rows: "data", after: "after_id", before: "before_id", limit: "limit", empty: `{"data":[],"has_more":false,"first_id":null,"last_id":null}`},
	domain.DialectOpenAIChat:    {rows: "data", after: "after", before: "before", limit: "limit", empty: `{"object":"list","data":[],"first_id":null,"last_id":null,"has_more":false}`},
	domain.DialectOpenAIResp:    {rows: "data", after: "after", before: "before", limit: "limit", empty: `{"object":"list","data":[],"first_id":null,"last_id":null,"has_more":false}`},
	domain.DialectGeminiContent: {rows: "cachedContents", after: "pageToken", limit: "pageSize", token: "nextPageToken", empty: `{}`},
}

// Other keys' rows may fill pages. So many are looked through for a row of the caller's own, each at least that long: what lies behind them
// is not found.
const (
	maxListPages = 50
	listPage     = 100
)

// cursor is the row from which a request for a list goes on; empty: there is none, or it is no row's id.
func cursor(r *http.Request, d domain.Dialect) string {
	l := listings[d]
	if r.Method == http.MethodPost || l.token != "" || l.after == "" {
		return ""
	}
	asked, _ := url.ParseQuery(outgoingQuery(r))
	if id := asked.Get(l.after); id != "" {
		return id
	}
	return asked.Get(l.before)
}

// page is one page of a list as the upstream gave it.
type page struct {
	all         []byte
	rows        [][]byte // the caller's own
	seen        int      // rows in all
	first, last string   // of all rows
	more        bool
	token       string
}

// leaf reads a page; ok is false where it cannot be looked through.
func (x *exchange) leaf(ctx context.Context, c *ObjectCall, l *listing, all []byte) (p page, ok bool) {
	p = page{all: all, more: dialect.IsTrue(dialect.Member(all, "has_more"))}
	if l.token != "" {
		p.token, _ = dialect.Unquote(dialect.Member(all, l.token))
		p.more = p.token != ""
	}
	rows := dialect.Member(all, l.rows)
	if rows == nil && l.token != "" {
		return p, dialect.Object(all, func(_ []byte, _, _ dialect.Span) bool { return true }) == nil // an empty list leaves it out
	}
	err := dialect.Array(rows, func(e dialect.Span) bool {
		row := e.Of(rows)
		name := madeName(row)
		if p.seen == 0 {
			p.first = name
		}
		p.last = name
		p.seen++
		if at, err := x.owner(ctx, name); err == nil {
			p.rows = append(p.rows, row)
			if c.Collection == "/v1/batches" {
				x.results(ctx, at, row)
			}
		}
		return true
	})
	return p, err == nil
}

// ownList makes the caller's list of the account's, which other keys share: their rows are left out, and so is everything that the
// list says of itself because of them. Where a page holds nothing of the caller's the next one is asked for.
func (x *exchange) ownList(r *http.Request, c *ObjectCall, a *domain.Account, to *url.URL, all []byte) ([]byte, error) {
	l := listings[x.d.ID()]
	asked, _ := url.ParseQuery(outgoingQuery(r))
	back := l.before != "" && asked.Get(l.before) != ""
	for n := 1; ; n++ {
		p, ok := x.leaf(context.WithoutCancel(r.Context()), c, &l, all)
		if !ok {
			return []byte(l.empty), nil // nobody knows whose it is
		}
		if len(p.rows) > 0 || !p.more || n == maxListPages {
			return l.own(&p, asked.Get(l.limit), back), nil
		}
		next := url.Values{}
		for k, v := range asked {
			next[k] = v
		}
		switch {
		case l.token != "":
			next.Set(l.after, p.token)
		case back && p.first != "":
			next.Set(l.before, p.first)
		case p.last != "":
			next.Set(l.after, p.last)
		default:
			return l.own(&p, "", back), nil
		}
		if l.token == "" {
			limit, _ := strconv.Atoi(asked.Get(l.limit))
			next.Set(l.limit, strconv.Itoa(max(limit, listPage, p.seen)))
		}
		var err error
		if all, err = x.nextPage(r, c, a, to, next.Encode()); err != nil {
			return nil, err
		}
	}
}

// nextPage asks for a further page of a list.
func (x *exchange) nextPage(r *http.Request, c *ObjectCall, a *domain.Account, to *url.URL, query string) ([]byte, error) {
	resp, err := x.askObject(r, c, a, to, query, &objectAsk{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	all, err := io.ReadAll(io.LimitReader(resp.Body, maxObjectBody+1))
	if err != nil || resp.StatusCode != http.StatusOK || len(all) > maxObjectBody {
		return nil, &domain.Error{Kind: domain.KindUpstream, Op: "ask the account", Message: "the upstream did not give the list's next page", FromProvider: true, Err: err}
	}
	return all, nil
}

// own is the page with the caller's rows alone. limit is how many the caller wants, where it says so: a further page may have had more.
func (l *listing) own(p *page, limit string, back bool) []byte {
	if n, _ := strconv.Atoi(limit); n > 0 && l.token == "" && len(p.rows) > n {
		if p.more = true; back {
			p.rows = p.rows[len(p.rows)-n:]
		} else {
			p.rows = p.rows[:n]
		}
	}
	if l.token != "" {
		return l.ownTokens(p)
	}
	id := func(row []byte) []byte { return dialect.AppendString(nil, madeName(row)) }
	first, last, more := []byte("null"), []byte("null"), []byte("false")
	rows := joined(p.rows)
	if len(p.rows) > 0 {
		first, last = id(p.rows[0]), id(p.rows[len(p.rows)-1])
		if p.more { // with nothing shown there is nothing to go on from
			more = []byte("true")
		}
	}
	out, changed := dialect.RewriteObject(p.all, func(key, v []byte) ([]byte, bool) {
		switch {
		case dialect.Name(key, l.rows):
			return rows, true
		case dialect.Name(key, "first_id"):
			return first, true
		case dialect.Name(key, "last_id"):
			return last, true
		case dialect.Name(key, "has_more"):
			return more, true
		}
		return v, false
	})
	if !changed {
		return []byte(l.empty)
	}
	return out
}

// ownTokens is the page of a list that says no more of itself than how to go on. Google leaves out what is empty.
func (l *listing) ownTokens(p *page) []byte {
	out := []byte{'{'}
	if len(p.rows) > 0 {
		out = append(dialect.AppendString(out, l.rows), ':')
		out = append(out, joined(p.rows)...)
	}
	if p.more {
		if len(p.rows) > 0 {
			out = append(out, ',')
		}
		out = append(dialect.AppendString(out, l.token), ':')
		out = dialect.AppendString(out, p.token)
	}
	return append(out, '}')
}

func joined(rows [][]byte) []byte {
	out := append([]byte{'['}, bytes.Join(rows, []byte{','})...)
	return append(out, ']')
}
