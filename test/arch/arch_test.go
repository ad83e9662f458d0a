package arch

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestTable: each package has its row, and imports only what the row lists, of its
// own floor or a lower one.
func TestTable(t *testing.T) {
	pkgs := packages(t)
	for _, name := range slices.Sorted(maps.Keys(table)) {
		if pkgs[name] == nil {
			t.Errorf("the table has a row for %s, which is not there: remove the row", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(pkgs)) {
		r, ok := table[name]
		if !ok {
			t.Errorf("%s has no row in the table: say on which floor it stands and what it may import", name)
			continue
		}
		for _, imported := range pkgs[name].direct() {
			to, ok := own(imported)
			if !ok {
				continue
			}
			if !slices.Contains(r.imports, to) && !slices.Contains(r.imports, "*") {
				t.Errorf("%s imports %s, and its row does not list that%s", name, to, because(r.reason))
			}
			if table[to].floor > r.floor {
				t.Errorf("%s imports %s, which is on a higher floor", name, to)
			}
		}
	}
}

// TestTableIsTight: a row allows nothing that its package has no use for, except what
// the design gives it and it does not need yet.
func TestTableIsTight(t *testing.T) {
	foreseen := map[string][]string{
		"credential": {"platform"},                                          // OAuth refresh, by what the platform says
		"admin":      {"caller", "domain", "failover", "platform", "sched"}, // the console's API
		"jobs":       {"domain"},                                            // probes and roll-ups
		"server":     {"admin", "obs"},
	}
	pkgs := packages(t)
	for name, r := range table {
		if pkgs[name] == nil {
			continue
		}
		direct := pkgs[name].direct()
		for _, allowed := range r.imports {
			if allowed == "*" || slices.Contains(foreseen[name], allowed) {
				continue
			}
			if !slices.Contains(direct, module+"/internal/"+allowed) && !slices.Contains(direct, module+"/"+allowed) {
				t.Errorf("%s may import %s and does not: remove it from the row", name, allowed)
			}
		}
	}
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// TestSharpRules hold for everything that a package reaches within the module.
func TestSharpRules(t *testing.T) {
	pkgs := packages(t)
	for _, rule := range sharp {
		for _, from := range rule.packages {
			if pkgs[from] == nil {
				t.Errorf("a sharp rule names %s, which is not there", from)
				continue
			}
			for _, never := range rule.never {
				if way := reach(pkgs, from, never, nil); way != nil {
					t.Errorf("%s: %s", strings.Join(way, " imports "), rule.reason)
				}
			}
		}
	}
}

// reach finds a way from a package to a forbidden one.
func reach(pkgs map[string]*pkg, from, never string, way []string) []string {
	if slices.Contains(way, from) || pkgs[from] == nil {
		return nil
	}
	way = append(slices.Clone(way), from)
	for _, imported := range pkgs[from].direct() {
		to, isOwn := own(imported)
		switch {
		case !isOwn:
		case to == never:
			return append(way, to)
		default:
			if found := reach(pkgs, to, never, way); found != nil {
				return found
			}
		}
	}
	return nil
}

// TestRulesArePure: nothing on the floors domain and rules does I/O, logs, looks at the
// clock or rolls dice.
func TestRulesArePure(t *testing.T) {
	for name, p := range packages(t) {
		if table[name].floor > rules {
			continue
		}
		for _, imported := range p.direct() {
			if slices.Contains(impure.imports, imported) && pureExceptions[name+" "+imported] == "" {
				t.Errorf("%s imports %s, and rules are pure", name, imported)
			}
		}
		for _, f := range p.files {
			if f.test {
				continue
			}
			for _, call := range impure.calls {
				for _, at := range uses(f, call) {
					t.Errorf("%s uses %s, and rules are pure: take it as an argument", at, call)
				}
			}
		}
	}
}

// TestPackageComments: exactly one file of each package says what it owns.
func TestPackageComments(t *testing.T) {
	for name, p := range packages(t) {
		var at []string
		for _, f := range p.files {
			if f.ast.Doc == nil || f.test {
				continue
			}
			at = append(at, f.path)
			text := f.ast.Doc.Text()
			want := "Package " + f.ast.Name.Name + " "
			if f.ast.Name.Name == "main" {
				want = "Command " + path.Base(name) + " "
			}
			if !strings.HasPrefix(text, want) {
				t.Errorf("%s: the package comment begins with %q, not with %q", f.path, firstWords(text), want)
			}
		}
		if len(at) != 1 {
			t.Errorf("%s: %d files have a package comment %v, want exactly one", name, len(at), at)
		}
	}
}

func firstWords(s string) string {
	words := strings.Fields(s)
	return strings.Join(words[:min(3, len(words))], " ")
}

// TestNames: a package's name says what it owns.
func TestNames(t *testing.T) {
	for name := range packages(t) {
		if slices.Contains(vague, path.Base(name)) {
			t.Errorf("%s: a package named %q can own everything, so it will", name, path.Base(name))
		}
	}
}

// TestLengths: a file that is too long is about more than one noun.
func TestLengths(t *testing.T) {
	for _, p := range packages(t) {
		for _, f := range p.files {
			if f.test || f.generated || exemptFromLength[f.path] != "" {
				continue
			}
			if f.lines > mostLines {
				t.Errorf("%s has %d lines, more than %d", f.path, f.lines, mostLines)
			}
		}
	}
}

// TestPlatformsAreData: outside the packages that describe platforms, no code asks
// for one by its name.
func TestPlatformsAreData(t *testing.T) {
	for name, p := range packages(t) {
		first, _, _ := strings.Cut(name, "/")
		if slices.Contains(platformHomes, first) || table[name].floor == outside {
			continue
		}
		for _, f := range p.files {
			if f.test {
				continue
			}
			ast.Inspect(f.ast, func(n ast.Node) bool {
				lit, ok := n.(*ast.BasicLit)
				if !ok || lit.Kind != token.STRING {
					return true
				}
				text, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				for _, platform := range platformNames {
					if strings.Contains(strings.ToLower(text), platform) {
						t.Errorf("%s: %q names a platform: what is special about it belongs into its row in package platform", f.fset.Position(lit.Pos()), text)
					}
				}
				return true
			})
		}
	}
}

// TestNoSleepingTests: a test that waits for the clock is slow when it passes and
// flaky when it does not. Inside a bubble of testing/synctest time is exact, so a test that
// sleeps does it there: its file, or the package's file with the bubble's rig, has one.
func TestNoSleepingTests(t *testing.T) {
	for _, p := range packages(t) {
		bubble := slices.ContainsFunc(p.files, func(f *file) bool {
			return f.test && slices.Contains(f.imports(), "testing/synctest")
		})
		for _, f := range p.files {
			if !f.test {
				continue
			}
			for _, at := range uses(f, "time.Sleep") {
				if !bubble {
					t.Errorf("%s sleeps, and its package has no testing/synctest", at)
				}
			}
		}
	}
}

// uses finds where a file names a package's function, such as time.Sleep.
func uses(f *file, function string) []string {
	of, name, _ := strings.Cut(function, ".")
	var at []string
	ast.Inspect(f.ast, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok || sel.Sel.Name != name {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == of {
			at = append(at, fmt.Sprint(f.fset.Position(sel.Pos())))
		}
		return true
	})
	return at
}

// TestFilesAreBuilt: a file that no supported system builds is dead.
func TestFilesAreBuilt(t *testing.T) {
	for _, p := range packages(t) {
		for _, f := range p.files {
			if !slices.ContainsFunc([]string{"linux", "darwin", "windows"}, func(goos string) bool { return f.builtFor(t, goos) }) {
				t.Errorf("%s is built for none of linux, darwin and windows", f.path)
			}
		}
	}
}
