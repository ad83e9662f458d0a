package arch

import (
	"bytes"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// file is one Go file of the module.
type file struct {
	path  string // from the module's root, with slashes
	test  bool
	ast   *ast.File
	fset  *token.FileSet
	lines int
	// generated files are nobody's prose.
	generated bool
}

// pkg is one folder with Go files.
type pkg struct {
	name  string // as in the table
	files []*file
}

// short is a folder's name in the table.
func short(dir string) string { return strings.TrimPrefix(dir, "internal/") }

// tree parses every Go file of the module once. Files for other systems are read too.
var tree = sync.OnceValues(func() (map[string]*pkg, error) {
	root := filepath.Join("..", "..")
	pkgs := map[string]*pkg{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		name := d.Name()
		if d.IsDir() {
			hidden := strings.HasPrefix(name, ".") && rel != "."
			if hidden || name == "testdata" || name == "node_modules" || rel != "." && isModule(p) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		src, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		f := &file{path: rel, test: strings.HasSuffix(name, "_test.go"), fset: token.NewFileSet(), lines: bytes.Count(src, []byte("\n"))}
		if f.ast, err = parser.ParseFile(f.fset, rel, src, parser.ParseComments|parser.SkipObjectResolution); err != nil {
			return err
		}
		f.generated = ast.IsGenerated(f.ast)
		dir := short(path.Dir(rel))
		if pkgs[dir] == nil {
			pkgs[dir] = &pkg{name: dir}
		}
		pkgs[dir].files = append(pkgs[dir].files, f)
		return nil
	})
	return pkgs, err
})

// isModule tells a module of its own, such as tools.
func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func packages(t *testing.T) map[string]*pkg {
	t.Helper()
	pkgs, err := tree()
	if err != nil {
		t.Fatal(err)
	}
	if len(pkgs) < 10 {
		t.Fatalf("only %d packages found: is this the right folder?", len(pkgs))
	}
	return pkgs
}

// imports gives what a file imports, with paths.
func (f *file) imports() []string {
	var out []string
	for _, spec := range f.ast.Imports {
		out = append(out, strings.Trim(spec.Path.Value, `"`))
	}
	return out
}

// own gives the table name of an import of this module.
func own(path string) (string, bool) {
	rest, ok := strings.CutPrefix(path, module+"/")
	return short(rest), ok
}

// direct is what a package's own files, not its tests, import.
func (p *pkg) direct() []string {
	var out []string
	for _, f := range p.files {
		if !f.test {
			out = append(out, f.imports()...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// builtFor reports whether the file is part of a build for a system.
func (f *file) builtFor(t *testing.T, goos string) bool {
	t.Helper()
	ctx := build.Default
	ctx.GOOS, ctx.CgoEnabled = goos, false
	dir, name := path.Split(path.Join("../..", f.path))
	for _, tags := range [][]string{nil, {"race"}} {
		ctx.BuildTags = tags
		ok, err := ctx.MatchFile(dir, name)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			return true
		}
	}
	return false
}
