package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"turnout/internal/admin"
	"turnout/internal/app"
)

// The commands for keys, accounts, pools, teams and users ask the gateway that runs on the data directory. Where none
// does, they open the directory themselves and ask the same of it.

// objects is a command's way to them. Close it.
type objects struct {
	dataDir string
	offline *app.Offline // nil: a gateway runs
}

// openObjects finds out who answers.
func (f configFlags) openObjects(s *session) (*objects, error) {
	cfg, _, err := f.loadElsewhere(s)
	if err != nil {
		return nil, err
	}
	o := &objects{dataDir: cfg.DataDir}
	if _, err := app.FindRunning(cfg.DataDir); err == nil {
		if _, _, err := proveRunning(s.ctx, cfg.DataDir); err == nil {
			return o, nil
		}
		// One that was killed leaves its run file behind. If there is one all the same, it holds the lock.
	}
	o.offline, err = app.OpenOffline(s.ctx, cfg)
	return o, err
}

func (o *objects) Close() error {
	if o.offline == nil {
		return nil
	}
	return o.offline.Close()
}

// ask makes one call; an answer that is an error is an error.
func (o *objects) ask(ctx context.Context, method, path string, body, out any) error {
	var raw []byte
	if body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			return err
		}
	}
	var a admin.Answer
	var err error
	if o.offline == nil {
		a, err = callAdminWith(ctx, o.dataDir, method, path, raw)
	} else {
		a, err = askHandler(ctx, o.offline.Handler(), method, path, raw)
	}
	if err != nil {
		return err
	}
	if a.Error != "" {
		return errors.New(a.Error)
	}
	return json.Unmarshal(a.Data, out)
}

// inMemory is an answer that goes nowhere else.
type inMemory struct {
	header http.Header
	bytes.Buffer
}

// Header implements http.ResponseWriter.
func (w *inMemory) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *inMemory) WriteHeader(int) {}

func askHandler(ctx context.Context, h http.Handler, method, path string, body []byte) (a admin.Answer, err error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://offline"+path, bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	w := &inMemory{header: http.Header{}}
	h.ServeHTTP(w, req)
	if err := json.Unmarshal(w.Bytes(), &a); err != nil {
		return a, fmt.Errorf("there is no such call: %s %s", method, path)
	}
	return a, nil
}

// listFlags are those of every list.
type listFlags struct {
	configFlags
	JSON bool `help:"Print a JSON array."`
}

// list asks for objects and prints them: as a table whose first row is its head, or as JSON.
func list[T any](s *session, f listFlags, kind, none, head string, row func(T) []string) error {
	o, err := f.openObjects(s)
	if err != nil {
		return err
	}
	rows := []T{}
	if err = errors.Join(o.ask(s.ctx, http.MethodGet, admin.ObjectsPath+kind, nil, &rows), o.Close()); err != nil {
		return err
	}
	if f.JSON {
		return printJSON(s.Stdout, rows)
	}
	if len(rows) == 0 {
		_, err := fmt.Fprintln(s.Stdout, none)
		return err
	}
	t := tabwriter.NewWriter(s.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, strings.ReplaceAll(head, " ", "\t"))
	for _, r := range rows {
		_, _ = fmt.Fprintln(t, strings.Join(row(r), "\t"))
	}
	return t.Flush()
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// act does something with one object, and decodes what came of it.
func (f configFlags) act(s *session, kind, name, action string, body, out any) error {
	o, err := f.openObjects(s)
	if err != nil {
		return err
	}
	return errors.Join(o.ask(s.ctx, http.MethodPost, admin.ObjectsPath+kind+"/"+url.PathEscape(name)+"/"+action, body, out), o.Close())
}

// create makes one object.
func (f configFlags) create(s *session, kind string, object map[string]any, out any) error {
	o, err := f.openObjects(s)
	if err != nil {
		return err
	}
	return errors.Join(o.ask(s.ctx, http.MethodPost, admin.ObjectsPath+kind, object, out), o.Close())
}

// editFlags are those of every edit.
type editFlags struct {
	configFlags
	Name  string   `arg:"" help:"Its name."`
	Unset []string `help:"Settings to take out, by their names in the configuration file." placeholder:"SETTING"`
}

// edit changes what was given, and leaves the rest as it is.
func (f editFlags) edit(s *session, kind, noun string, into func(map[string]any) error) error {
	object := map[string]any{}
	if err := into(object); err != nil {
		return err
	}
	for _, name := range f.Unset {
		if _, given := object[name]; given {
			return fmt.Errorf("%s is given and taken out at once", name)
		}
		object[name] = nil
	}
	if len(object) == 0 {
		return errors.New("nothing is to be changed: give a setting by its flag, or take one out with --unset")
	}
	var d admin.Done
	if err := f.act(s, kind, f.Name, "edit", object, &d); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.Stdout, "%s %s: changed\n", noun, d.Name)
	return err
}

// set puts what was given into an object, as it would stand in the file.
func set(object map[string]any, name string, value any) {
	switch v := value.(type) {
	case string:
		if v == "" {
			return
		}
	case bool:
		if !v {
			return
		}
	case []string:
		if len(v) == 0 {
			return
		}
	case map[string]string:
		if len(v) == 0 {
			return
		}
	}
	object[name] = value
}

// ownerFlags are what teams, users and keys have in common.
type ownerFlags struct {
	Models    []string          `help:"Patterns of models that may be asked for; by default all." placeholder:"PATTERN"`
	Deny      []string          `help:"Patterns of models that may not." placeholder:"PATTERN"`
	Require   map[string]string `help:"Labels that every account used must carry." placeholder:"LABEL=VALUE" mapsep:","`
	Tags      map[string]string `help:"Tags of its requests." placeholder:"TAG=VALUE" mapsep:","`
	Rates     map[string]string `help:"Limits: requests_per_minute, request_burst, tokens_per_minute, token_burst, concurrency." placeholder:"LIMIT=N" mapsep:","`
	Prepaid   bool              `help:"Spends what was credited to it, and no more."`
	Overdraft string            `name:"overdraft-usd" help:"How far below zero a prepaid one may go." placeholder:"USD"`
	Budgets   []string          `name:"budget" help:"A budget, such as period=month,hard_usd=100,soft_usd=80,zone=Europe/Berlin; may be given several times." placeholder:"BUDGET" sep:"none"`
}

func (f ownerFlags) into(object map[string]any) error {
	set(object, "models", f.Models)
	set(object, "deny", f.Deny)
	set(object, "require", f.Require)
	set(object, "tags", f.Tags)
	set(object, "rates", f.Rates)
	set(object, "prepaid", f.Prepaid)
	set(object, "overdraft_usd", f.Overdraft)
	return setBudgets(object, f.Budgets)
}

// setBudgets reads budgets as flags have them.
func setBudgets(object map[string]any, flags []string) error {
	var budgets []map[string]string
	for _, text := range flags {
		b := map[string]string{}
		for pair := range strings.SplitSeq(text, ",") {
			name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
			if !ok {
				return fmt.Errorf("--budget %s: want name=value and commas between several, such as period=month,hard_usd=100", text)
			}
			b[name] = value
		}
		budgets = append(budgets, b)
	}
	if budgets != nil {
		object["budgets"] = budgets
	}
	return nil
}

// stamp is a moment in a table.
func stamp(t *time.Time, none string) string {
	if t == nil {
		return none
	}
	return t.Local().Format("2006-01-02 15:04")
}

func words(list []string, none string) string {
	if len(list) == 0 {
		return none
	}
	return strings.Join(list, ",")
}

func pairs(m map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, k+"="+m[k])
	}
	return words(out, "-")
}
