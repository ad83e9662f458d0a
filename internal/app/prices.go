package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"turnout/internal/config"
	"turnout/internal/domain"
	"turnout/internal/ledger"
	"turnout/internal/platform"
	"turnout/internal/price"
)

// pricesFile is a catalogue of prices in the data directory, which stands in place of the one that the build carries.
const pricesFile = "prices.json"

// CatalogueFile is the catalogue in force in a data directory, as it is written down, without the configuration's own prices. imported: it is
// not the build's.
func CatalogueFile(dataDir string) (f *price.File, imported bool, err error) {
	name := filepath.Join(dataDir, pricesFile)
	data, err := os.ReadFile(name) //nolint:gosec // the operator's own directory
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return price.BuiltinFile(), false, nil
	case err != nil:
		return nil, false, fmt.Errorf("read the imported prices: %w", err)
	}
	if f, err = price.ReadFile(data); err != nil {
		return nil, false, fmt.Errorf("%s: %w (`turnout prices import --builtin` goes back to the catalogue of this build)", name, err)
	}
	return f, true, nil
}

// Catalogue is the catalogue in force under a configuration, with its own prices.
func Catalogue(c *config.Config) (*price.Catalogue, error) {
	f, imported, err := CatalogueFile(c.DataDir)
	if err != nil {
		return nil, err
	}
	var out *price.Catalogue
	switch {
	case !imported:
		out = price.Builtin()
	default:
		if out, err = f.Compile(); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(c.DataDir, pricesFile), err)
		}
	}
	if len(c.Prices) == 0 {
		return out, nil
	}
	for i, p := range c.Prices {
		if _, known := platform.Lookup(p.Platform); !known && p.Platform != "" && !out.Is(p.Platform) {
			return nil, fmt.Errorf("%s: prices[%d].platform: %q is neither a platform nor a provider of the catalogue of prices (`turnout prices list` names those)", c.File, i, p.Platform)
		}
	}
	if out, err = out.With(c.Prices); err != nil {
		return nil, fmt.Errorf("%s: %w", c.File, err)
	}
	return out, nil
}

// ImportPrices puts a catalogue into a data directory, whole or not at all. nil takes an imported one away.
func ImportPrices(dataDir string, f *price.File) error {
	name := filepath.Join(dataDir, pricesFile)
	if f == nil {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("take the imported prices away: %w", err)
		}
		return nil
	}
	data, err := f.Write()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return fmt.Errorf("import prices: %w", err)
	}
	temp, err := os.CreateTemp(dataDir, pricesFile+".*")
	if err != nil {
		return fmt.Errorf("import prices: %w", err)
	}
	_, err = temp.Write(data)
	if err == nil {
		err = temp.Sync()
	}
	if e := temp.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(temp.Name(), name)
	}
	if err != nil {
		_ = os.Remove(temp.Name())
		return fmt.Errorf("import prices: %w", err)
	}
	return nil
}

// Seller is who sells at an account, as the catalogue knows it: by its base URL if that is of a provider, and else by its platform.
func Seller(c *price.Catalogue, platformName, baseURL, account string) string {
	provider, known := c.ProviderAt(baseURL)
	if p, ok := platform.Lookup(platformName); ok && !known {
		provider = p.Prices
	}
	return price.Seller(provider, platformName, account)
}

// ownPrices reports whether prices of the configuration are for an account by its name.
func ownPrices(prices []domain.OwnPrice, account string) bool {
	for _, p := range prices {
		if p.Account != "" && domain.MatchModel(p.Account, account) {
			return true
		}
	}
	return false
}

// priced is a catalogue with the sellers that were asked for.
type priced struct {
	catalogue *price.Catalogue
	mu        sync.RWMutex
	sellers   map[seat]string
}

// seat is what decides who sells at an account. The name counts only where some prices are by name.
type seat struct{ platform, url, account string }

func readPrices(c *config.Config) (*priced, error) {
	catalogue, err := Catalogue(c)
	if err != nil {
		return nil, err
	}
	return &priced{catalogue: catalogue, sellers: map[seat]string{}}, nil
}

// PriceList finds prices for the ledger, from the catalogue in force. The zero value knows none. Safe for concurrent use.
type PriceList struct{ now atomic.Pointer[priced] }

var _ ledger.Prices = (*PriceList)(nil)

func (l *PriceList) swap(p *priced) { l.now.Store(p) }

// Plan implements ledger.Prices.
func (l *PriceList) Plan(a *domain.Account, model string, at time.Time) (plan ledger.Plan, guessed bool) {
	p := l.now.Load()
	if p == nil {
		return nil, false
	}
	seller := p.seller(a)
	if plan, ok := p.catalogue.Find(seller, model, at); ok {
		return plan, false
	}
	if plan, ok := p.catalogue.Dearest(seller, model, at); ok {
		return plan, true
	}
	return nil, false
}

// maxSellers is more than there are accounts.
const maxSellers = 1 << 16

func (p *priced) seller(a *domain.Account) string {
	s := seat{platform: a.Platform, url: a.BaseURL}
	if a.OwnPrices {
		s.account = a.Name
	}
	p.mu.RLock()
	seller, known := p.sellers[s]
	p.mu.RUnlock()
	if known {
		return seller
	}
	seller = Seller(p.catalogue, s.platform, s.url, s.account)
	p.mu.Lock()
	if len(p.sellers) >= maxSellers {
		clear(p.sellers)
	}
	p.sellers[s] = seller
	p.mu.Unlock()
	return seller
}
