package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"turnout/internal/admin"
	"turnout/internal/app"
	"turnout/internal/config"
	"turnout/internal/domain"
	"turnout/internal/platform"
	"turnout/internal/price"
)

type pricesCommand struct {
	List   pricesListCommand   `cmd:"" help:"List models and what they cost."`
	Cost   pricesCostCommand   `cmd:"" help:"Print what a usage costs, in nano-USD."`
	Diff   pricesDiffCommand   `cmd:"" help:"Say how a catalogue differs from the one in force."`
	Import pricesImportCommand `cmd:"" help:"Put a catalogue in force, also while the gateway runs."`
}

// catalogueFlags say which catalogue is meant: that of a configuration, and without one the build's.
type catalogueFlags struct {
	configFlags
	Builtin bool `help:"The catalogue of this build, whatever the configuration says."`
}

// open gives the catalogue in force.
func (f catalogueFlags) open(s *session) (*price.Catalogue, error) {
	cfg, err := f.config(s)
	if err != nil || cfg == nil {
		return price.Builtin(), err
	}
	return app.Catalogue(cfg)
}

// config reads the configuration; nil: none is named and there is none.
func (f catalogueFlags) config(s *session) (*config.Config, error) {
	if f.Builtin {
		return nil, nil
	}
	if _, named := s.Getenv("TURNOUT_CONFIG"); f.Config == "" && !named {
		if _, err := os.Stat(config.DefaultFile); errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
	}
	cfg, _, err := f.loadElsewhere(s)
	return cfg, err
}

// providerOf finds whose prices a platform's are.
func providerOf(c *price.Catalogue, name string) (provider, platformName string, err error) {
	if c.Is(strings.ToLower(name)) {
		return strings.ToLower(name), name, nil
	}
	if p, ok := platform.Lookup(name); ok {
		return p.Prices, name, nil
	}
	if id, ok := c.Provider(name); ok {
		return id, "", nil
	}
	return "", "", fmt.Errorf("%q is neither a platform nor a provider of the catalogue of prices; `turnout prices list` names those", name)
}

// when reads a moment or a day; empty: now.
func when(text string) (time.Time, error) {
	if text == "" {
		return time.Now(), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("--at %q: want a moment such as 2026-11-26T08:00:00Z, or a day", text)
}

type pricesListCommand struct {
	catalogueFlags
	Platform string `help:"Only those of this platform or provider." placeholder:"NAME"`
	Model    string `help:"Only these models; one * at most." placeholder:"PATTERN"`
	At       string `help:"As of this moment or day, not of now." placeholder:"TIME"`
	JSON     bool   `help:"One JSON object a line."`
}

// Run lists prices.
func (c pricesListCommand) Run(s *session) error {
	catalogue, err := c.open(s)
	if err != nil {
		return err
	}
	at, err := when(c.At)
	if err != nil {
		return err
	}
	provider := ""
	if c.Platform != "" {
		if provider, _, err = providerOf(catalogue, c.Platform); err != nil {
			return err
		}
		if provider == "" {
			return fmt.Errorf("accounts of platform %s are at many providers: name the provider whose prices you mean", c.Platform)
		}
	}
	rows := catalogue.List(provider, c.Model, at)
	if c.JSON {
		enc := json.NewEncoder(s.Stdout)
		enc.SetEscapeHTML(false)
		for i := range rows {
			if err := enc.Encode(&rows[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if len(rows) == 0 {
		_, err := fmt.Fprintln(s.Stdout, "no such model")
		return err
	}
	source := catalogue.Source()
	_, _ = fmt.Fprintf(s.Stdout, "US dollars for a million tokens, from %s %s; ^ a long prompt costs more, + there are further prices (--json)\n", source.Name, source.Version)
	t := tabwriter.NewWriter(s.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "PROVIDER\tMODEL\tSINCE\tINPUT\tCACHED\tWRITTEN\t1H\tOUTPUT\tTIERS")
	for i := range rows {
		_, _ = fmt.Fprintln(t, priceRow(&rows[i]))
	}
	return t.Flush()
}

// priceRow is a model in the table.
func priceRow(l *price.Listing) string {
	_, since, _ := strings.Cut(strings.TrimPrefix(l.Plan, l.Provider+"/"+l.Model), "@")
	cells := []string{l.Provider, l.Model, orDash(since)}
	shown := 0
	for _, name := range []string{"input_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok", "output_mtok"} {
		text, ok := l.Prices[name]
		if ok {
			shown++
		}
		base, _, tiered := strings.Cut(text, ",")
		if tiered {
			base += "^"
		}
		cells = append(cells, orDash(base))
	}
	if shown < len(l.Prices) {
		cells[len(cells)-1] += " +"
	}
	return strings.Join(append(cells, orDash(strings.Join(l.Tiers, ","))), "\t")
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

type pricesCostCommand struct {
	catalogueFlags
	At       string `help:"As of this moment or day, not of now." placeholder:"TIME"`
	Tier     string `help:"Service tier: standard, batch, flex, priority or fast." enum:"standard,batch,flex,priority,fast" default:"standard"`
	Account  string `help:"As at this account, which may have prices of its own." placeholder:"NAME"`
	Platform string `arg:"" help:"A platform, or a provider of the catalogue."`
	Model    string `arg:"" help:"The upstream's name of the model."`
	Usage    string `arg:"" name:"usage-json" help:"What was used, such as {\"input_tokens\": 1000, \"cache_read_tokens\": 200, \"output_tokens\": 50}. input_tokens are all of the prompt, and output_tokens all of the answer."`
}

// Run prices a usage. The number stands alone on the output; what there is to say about it goes to the error output.
func (c pricesCostCommand) Run(s *session) error {
	catalogue, err := c.open(s)
	if err != nil {
		return err
	}
	at, err := when(c.At)
	if err != nil {
		return err
	}
	amounts, err := price.ReadAmounts([]byte(c.Usage))
	if err != nil {
		return err
	}
	tier, _ := domain.ParseTier(c.Tier) // an enumeration of the command line
	amounts.Tier = tier
	provider, platformName, err := providerOf(catalogue, c.Platform)
	if err != nil {
		return err
	}
	plan, ok := catalogue.Listed(price.Seller(provider, platformName, c.Account), c.Model, at)
	if !ok && provider == "" {
		return fmt.Errorf("accounts of platform %s are at many providers: name the provider whose prices you mean", c.Platform)
	}
	if !ok {
		return fmt.Errorf("%s has no price for a model %q; `turnout prices list --platform %s` shows those that have one", c.Platform, c.Model, c.Platform)
	}
	cost, err := plan.CostOf(amounts, 0)
	if err != nil {
		return err
	}
	if !plan.Known() {
		_, _ = fmt.Fprintf(s.Stderr, "turnout: the catalogue lists %s without a price; the gateway takes it for a model without one\n", plan.Name())
	}
	if !plan.Has(tier) {
		_, _ = fmt.Fprintf(s.Stderr, "turnout: no prices are known of %s in the tier %s: these are the standard ones\n", plan.Name(), tier)
	}
	_, err = fmt.Fprintln(s.Stdout, int64(cost))
	return err
}

type pricesDiffCommand struct {
	catalogueFlags
	File string `arg:"" help:"The catalogue, in the format of docs/prices.md." type:"path"`
	JSON bool   `help:"One JSON object a line."`
}

// Run compares.
func (c pricesDiffCommand) Run(s *session) error {
	inForce := price.BuiltinFile()
	cfg, err := c.config(s)
	if err != nil {
		return err
	}
	if cfg != nil {
		if inForce, _, err = app.CatalogueFile(cfg.DataDir); err != nil {
			return err
		}
	}
	_, changes, refused, err := readCatalogue(c.File, inForce)
	if err != nil {
		return err
	}
	if c.JSON {
		enc := json.NewEncoder(s.Stdout)
		for i := range changes {
			if err := enc.Encode(&changes[i]); err != nil {
				return err
			}
		}
	} else {
		for _, change := range changes {
			_, _ = fmt.Fprintln(s.Stdout, change)
		}
		if len(changes) == 0 {
			_, _ = fmt.Fprintln(s.Stdout, "no difference")
		}
	}
	for _, r := range refused {
		_, _ = fmt.Fprintln(s.Stderr, "turnout: an import would be refused:", r)
	}
	return nil
}

// readCatalogue reads a file and holds it against what is in force.
func readCatalogue(file string, inForce *price.File) (f *price.File, changes []price.Change, refused []string, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("read the catalogue: %w", err)
	}
	if f, err = price.ReadFile(data); err == nil {
		_, err = f.Compile()
	}
	if err == nil {
		changes, refused, err = price.Compare(inForce, f)
	}
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%s: %w", file, err)
	}
	return f, changes, refused, nil
}

type pricesImportCommand struct {
	configFlags
	File    string `arg:"" optional:"" help:"The catalogue, in the format of docs/prices.md." type:"path"`
	Builtin bool   `help:"Go back to the catalogue of this build."`
	Force   bool   `help:"In spite of the guard, which refuses a catalogue that shrinks or whose prices jump."`
}

// Run puts a catalogue in force.
func (c pricesImportCommand) Run(s *session) error {
	if (c.File == "") != c.Builtin {
		return errors.New("name a file, or --builtin")
	}
	cfg, _, err := c.loadElsewhere(s)
	if err != nil {
		return err
	}
	inForce, _, err := app.CatalogueFile(cfg.DataDir)
	if err != nil {
		inForce = price.BuiltinFile() // one that cannot be read is replaced
		_, _ = fmt.Fprintln(s.Stderr, "turnout:", err)
	}
	var f *price.File
	var changes []price.Change
	if !c.Builtin {
		var refused []string
		if f, changes, refused, err = readCatalogue(c.File, inForce); err != nil {
			return err
		}
		if len(refused) > 0 && !c.Force {
			return fmt.Errorf("this catalogue is refused; --force puts it in force all the same:\n  %s", strings.Join(refused, "\n  "))
		}
	} else if changes, _, err = price.Compare(inForce, price.BuiltinFile()); err != nil {
		return err
	}
	if err := app.ImportPrices(cfg.DataDir, f); err != nil {
		return err
	}
	said := "it takes effect at the next start"
	if _, missing := app.FindRunning(cfg.DataDir); missing == nil {
		answer, err := callAdmin(s.ctx, cfg.DataDir, http.MethodPost, admin.ReloadPath)
		if err == nil && answer.Error != "" {
			err = errors.New(answer.Error)
		}
		if err != nil {
			return fmt.Errorf("the catalogue is in %s, and the running gateway has not taken it: %w", cfg.DataDir, err)
		}
		said = "the running gateway has taken it"
	}
	_, err = fmt.Fprintf(s.Stdout, "%d changes; %s\n", len(changes), said)
	return err
}
