package limit

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// Book finds cells by their scope. A cell lives as long as its book, so that counters outlive edits; their number is that of
// the scopes that were ever configured. Safe for concurrent use.
type Book struct {
	mu    sync.Mutex
	cells map[Scope]*Cell
}

// NewBook makes an empty one.
func NewBook() *Book { return &Book{cells: map[Scope]*Cell{}} }

// Cell gives the cell of a scope with limits in force, unless those of a later version are already.
func (b *Book) Cell(s Scope, l Limits, version uint64, now time.Duration) *Cell {
	b.mu.Lock()
	c := b.cells[s]
	if c == nil {
		c = &Cell{Scope: s, order: uint64(len(b.cells))}
		c.lows.forget()
		b.cells[s] = c
	}
	b.mu.Unlock()
	c.set(l, version, now)
	return c
}

// Owner is one that has limits: for whatever model, and for models by pattern. It is immutable.
type Owner struct {
	all    *Cell // nil: none
	models []*Cell
}

// NewOwner puts an owner's limits in force: those for whatever model, and those of patterns with at most one "*".
func (b *Book) NewOwner(kind, name string, all Limits, models map[string]Limits, version uint64, now time.Duration) *Owner {
	o := &Owner{}
	if all != (Limits{}) {
		o.all = b.Cell(Scope{Kind: kind, Name: name}, all, version, now)
	}
	for pattern, l := range models {
		o.models = append(o.models, b.Cell(Scope{kind, name, pattern}, l, version, now))
	}
	return o
}

// Each calls f for every cell of the owner: first that whatever the model, then those of patterns, by name.
func (o *Owner) Each(f func(model string, c *Cell)) {
	if o.all != nil {
		f("", o.all)
	}
	models := slices.Clone(o.models)
	slices.SortFunc(models, func(a, b *Cell) int { return strings.Compare(a.Scope.Model, b.Scope.Model) })
	for _, c := range models {
		f(c.Scope.Model, c)
	}
}

// Cells appends those in which a request for a model counts: the owner's own, and of its patterns the best match. An
// exact name is better than any pattern, and of patterns the one with the most letters before its "*".
func (o *Owner) Cells(to []*Cell, model string) []*Cell {
	if o.all != nil {
		to = append(to, o.all)
	}
	var best *Cell
	bestPrefix, bestSuffix := -1, -1
	for _, c := range o.models {
		prefix, suffix, wild := strings.Cut(c.Scope.Model, "*")
		if !wild {
			if prefix == model {
				return append(to, c)
			}
			continue
		}
		if len(model) < len(prefix)+len(suffix) || !strings.HasPrefix(model, prefix) || !strings.HasSuffix(model, suffix) {
			continue
		}
		if len(prefix) > bestPrefix || len(prefix) == bestPrefix && len(suffix) > bestSuffix {
			best, bestPrefix, bestSuffix = c, len(prefix), len(suffix)
		}
	}
	if best != nil {
		to = append(to, best)
	}
	return to
}
