package gateway

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"turnout/internal/dialect"
	"turnout/internal/domain"
	"turnout/internal/upstream"
)

// modelLists caches what accounts say they serve. Safe for concurrent use.
type modelLists struct {
	mu sync.Mutex
	m  map[domain.AccountID]*modelList
}

type modelList struct {
	once    sync.Mutex // one question at a time to each account
	models  []dialect.Model
	fetched time.Time
}

func newModelLists() *modelLists { return &modelLists{m: map[domain.AccountID]*modelList{}} }

func (l *modelLists) forget() {
	l.mu.Lock()
	clear(l.m)
	l.mu.Unlock()
}

func (l *modelLists) of(id domain.AccountID) *modelList {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.m[id]
	if m == nil {
		m = &modelList{}
		l.m[id] = m
	}
	return m
}

// How long a question for models may take, and how large its answer may be.
const (
	modelsTimeout = 10 * time.Second
	modelsRetry   = 15 * time.Second // after a question that was not answered
	maxModelsBody = 4 << 20
)

// Models lists what the caller's key may use, in the shape that its SDK reads: the
// union of what the key's accounts serve. d is the caller's dialect; name is the one model that is
// asked about, empty: all.
func (g *Gateway) Models(d dialect.Dialect, name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := domain.NewRequestID(time.Now())
		w.Header()[requestIDHeader] = []string{id.String()}
		x := &exchange{g: g, id: id, began: time.Now(), d: d}
		if err := x.admit(r); err != nil {
			Refuse(w, d, err, id)
			return
		}
		models := g.modelsOf(r.Context(), x.snap, x.key, d.ID())
		var body []byte
		if name == "" {
			body = d.Models(models)
		} else {
			i := slices.IndexFunc(models, func(m dialect.Model) bool { return m.ID == name })
			if i < 0 {
				Refuse(w, d, &domain.Error{
					Kind: domain.KindNotFound, Op: "look the model up", Param: "model", Code: "model_not_found",
					Message: fmt.Sprintf("the model %q is served by no account of this key; GET /v1/models lists what is", name),
				}, id)
				return
			}
			body = d.Model(models[i])
		}
		w.Header()["Content-Type"] = []string{"application/json"}
		_, _ = w.Write(body)
	})
}

// Check refuses a caller that may not ask anything: it answers, and reports false.
func (g *Gateway) Check(w http.ResponseWriter, r *http.Request, d dialect.Dialect) bool {
	id := domain.NewRequestID(time.Now())
	x := &exchange{g: g, id: id, began: time.Now(), d: d}
	if err := x.admit(r); err != nil {
		w.Header()[requestIDHeader] = []string{id.String()}
		g.turnAway(w, x, err)
		return false
	}
	return true
}

// modelsOf is the union, by id. Exact names of a model map are listed as they are
// asked for; where a map has patterns, or there is none, the account itself is asked, and
// its names are listed as they are asked for. An account that does not answer contributes nothing.
func (g *Gateway) modelsOf(ctx context.Context, s *Snapshot, key *domain.Key, d domain.Dialect) []dialect.Model {
	var accounts []*domain.Account
	for _, name := range key.Pools {
		p := s.pools[name]
		if p == nil || !p.Enabled {
			continue
		}
		for _, a := range p.accounts {
			if a.Enabled && !a.Paused && a.Labels.Satisfy(p.Require) && a.Labels.Satisfy(key.Require) && !slices.Contains(accounts, a) {
				accounts = append(accounts, a)
			}
		}
	}
	lists := make([][]dialect.Model, len(accounts))
	var wg sync.WaitGroup
	limit := make(chan struct{}, 16)
	for i, a := range accounts {
		wg.Add(1)
		go func() {
			defer wg.Done()
			limit <- struct{}{}
			defer func() { <-limit }()
			lists[i] = g.accountModels(ctx, s, a)
		}()
	}
	wg.Wait()
	seen := map[string]int{} // where it stands in out
	var out []dialect.Model
	for i, list := range lists {
		_, native := s.platforms[accounts[i].ID].Offer(d)
		for _, m := range list {
			if m.Translated = !native; !key.Allows(m.ID) {
				continue
			}
			if at, is := seen[m.ID]; is {
				out[at].Translated = out[at].Translated && m.Translated
				continue
			}
			seen[m.ID] = len(out)
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b dialect.Model) int { return strings.Compare(a.ID, b.ID) })
	return out
}

func (g *Gateway) accountModels(ctx context.Context, s *Snapshot, a *domain.Account) []dialect.Model {
	var out []dialect.Model
	exact := a.Models.Exact()
	for _, name := range exact {
		out = append(out, dialect.Model{ID: name, Owner: a.Platform})
	}
	if len(a.Models) > 0 && len(exact) == len(a.Models) {
		return out
	}
	l := g.models.of(a.ID)
	l.once.Lock()
	defer l.once.Unlock()
	if time.Since(l.fetched) > s.Settings.ModelsTTL {
		// Not under the caller's context: whoever asks next gets this answer too.
		models, ok := g.fetchModels(context.WithoutCancel(ctx), s, a)
		l.fetched = time.Now()
		if ok {
			l.models = models
		} else {
			// An account that is down is not asked by every caller, but soon again.
			l.fetched = l.fetched.Add(modelsRetry - s.Settings.ModelsTTL)
		}
	}
	for _, m := range l.models {
		for _, name := range askedNames(a.Models, m.ID) {
			m.ID = name
			out = append(out, m)
		}
	}
	return out
}

// askedNames are the names to ask for so that theirs is sent upstream: the map's
// patterns read backwards. A name that another entry of the map takes is none of them.
func askedNames(m domain.ModelMap, theirs string) []string {
	if len(m) == 0 {
		return []string{theirs}
	}
	var out []string
	for pattern, target := range m {
		prefix, suffix, wild := strings.Cut(pattern, "*")
		if !wild {
			continue // listed as it is asked for
		}
		name := theirs // where one name is sent for all, this one may be among them
		if before, after, open := strings.Cut(target, "*"); open {
			if !domain.MatchModel(target, theirs) {
				continue
			}
			name = prefix + theirs[len(before):len(theirs)-len(after)] + suffix
		}
		if sent, ok := m.Resolve(name); ok && sent == theirs && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

func (g *Gateway) fetchModels(ctx context.Context, s *Snapshot, a *domain.Account) ([]dialect.Model, bool) {
	p := s.platforms[a.ID]
	offer := p.Offers[0]
	u, err := p.URL(a.BaseURL, offer.ModelsPath)
	if err != nil {
		return nil, false
	}
	ctx, cancel := context.WithTimeout(ctx, modelsTimeout)
	defer cancel()
	header := upstream.RequestHeader(http.Header{})
	for k, v := range offer.Header {
		header[k] = v
	}
	resp, err := g.deps.Upstream.Send(ctx, &upstream.Call{Account: a, Platform: p, URL: u, Method: http.MethodGet, Header: header})
	if err != nil {
		return nil, false
	}
	defer func() { _ = resp.Body.Close() }()
	g.heardOf(a, resp.Header)
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxModelsBody))
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, false
	}
	models, err := offer.Dialect.ModelList(body)
	return models, err == nil
}
