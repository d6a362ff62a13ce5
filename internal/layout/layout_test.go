// Package layout checks what the compiler cannot: that the repository is built
// as docs/design.md says. It holds only tests, and each of its failures says
// what to change.
package layout_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/parlance-go/parlance/internal/assert"
)

const modulePath = "github.com/parlance-go/parlance"

// root is the repository's folder: tests run in the folder of their package.
const root = "../.."

// A goPackage is a folder with Go files, of whichever module.
type goPackage struct {
	dir   string // slash-separated, relative to root
	files []goFile
}

type goFile struct {
	path      string // slash-separated, relative to root
	test      bool
	generated bool
	comment   string // the package comment
	lines     int
	imports   []string
}

// comment returns the package comment, which one of its files carries.
func (p *goPackage) comment() string {
	for _, file := range p.files {
		if !file.test && file.comment != "" {
			return file.comment
		}
	}
	return ""
}

// imports returns what the package, without its tests, imports from this
// repository, as folders relative to root.
func (p *goPackage) imports() []string {
	found := map[string]bool{}
	for _, file := range p.files {
		if file.test {
			continue
		}
		for _, imported := range file.imports {
			if dir, ok := strings.CutPrefix(imported, modulePath+"/"); ok {
				found[dir] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// hasCode tells whether the package has more than tests.
func (p *goPackage) hasCode() bool {
	return slices.ContainsFunc(p.files, func(f goFile) bool { return !f.test })
}

// readTree parses every Go file of the repository, whatever its build tags.
func readTree(t *testing.T) []*goPackage {
	t.Helper()
	byDir := map[string]*goPackage{}
	walk(t, func(name string) {
		if !strings.HasSuffix(name, ".go") {
			return
		}
		dir := path.Dir(name)
		if byDir[dir] == nil {
			byDir[dir] = &goPackage{dir: dir}
		}
		byDir[dir].files = append(byDir[dir].files, readFile(t, name))
	})
	packages := slices.SortedFunc(maps.Values(byDir), func(a, b *goPackage) int { return strings.Compare(a.dir, b.dir) })
	assert.True(t, len(packages) > 0, "no Go file under %s", root)
	return packages
}

// walk calls visit with every file that the go command would see.
func walk(t *testing.T, visit func(name string)) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !entry.IsDir() {
			visit(name)
			return nil
		}
		base := entry.Name()
		if name != "." && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "vendor") {
			return fs.SkipDir
		}
		return nil
	})
	assert.NoError(t, err)
}

func readFile(t *testing.T, name string) goFile {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	assert.NoError(t, err)
	syntax, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ImportsOnly|parser.ParseComments)
	assert.NoError(t, err)
	file := goFile{
		path:      name,
		test:      strings.HasSuffix(name, "_test.go"),
		generated: ast.IsGenerated(syntax),
		comment:   syntax.Doc.Text(),
		lines:     bytes.Count(source, []byte("\n")),
	}
	for _, spec := range syntax.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		assert.NoError(t, err)
		file.imports = append(file.imports, imported)
	}
	return file
}

// maxLines is where a file has more than one noun in it.
const maxLines = 500

func TestFilesAreShortEnoughToRead(t *testing.T) {
	for _, pkg := range readTree(t) {
		for _, file := range pkg.files {
			if !file.test && !file.generated && file.lines > maxLines {
				t.Errorf("%s has %d lines, more than %d: find the second noun in it and give it its own file",
					file.path, file.lines, maxLines)
			}
		}
	}
}

func TestPackagesHaveComments(t *testing.T) {
	for _, pkg := range readTree(t) {
		if pkg.hasCode() && pkg.comment() == "" {
			t.Errorf("%s has no package comment: say what it is and when not to use it", pkg.dir)
		}
	}
}
