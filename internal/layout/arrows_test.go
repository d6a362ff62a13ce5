package layout_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/parlance-go/parlance/internal/assert"
)

// arrows lists, for each package of the library, the packages of this
// repository that it may import. It says the same as the drawing in
// docs/design.md, and both change together.
//
// What is below a package's own "internal" folder belongs to it and has no row.
// Tests, examples and benchmarks may import anything.
var arrows = map[string][]string{
	"breaker": {"internal/retryafter", "internal/rolling"},
	"retry":   {"internal/retryafter", "internal/rolling"},
	"policy":  {"breaker", "retry"},

	"eventstore":           {},
	"eventstore/aggregate": {"eventstore"},
	"eventstore/storetest": {"eventstore"},
	"cqrs":                 {"eventstore"},
	"cqrs/projectiontest":  {"cqrs", "eventstore", "internal/assert"},

	"adapters/postgres": {"eventstore", "cqrs"},
	"adapters/sqlite":   {"eventstore", "cqrs"},

	"internal/assert":     {},
	"internal/retryafter": {},
	"internal/rolling":    {},
	"internal/testenv":    {},
}

// free are the folders whose code may import anything.
var free = []string{"benchmarks", "examples"}

func TestArrows(t *testing.T) {
	for _, problem := range checkArrows(readTree(t), arrows) {
		t.Error(problem)
	}
}

// TestArrowsLeadToNoLeaf checks the table itself: a package that others import
// cannot be swapped, so adapters, test kits and the test environment must stay
// the ends of the arrows.
func TestArrowsLeadToNoLeaf(t *testing.T) {
	for _, problem := range checkTable(arrows) {
		t.Error(problem)
	}
}

// checkArrows returns a sentence for every import that the table does not
// allow and for every package that the table does not know.
func checkArrows(packages []*goPackage, table map[string][]string) []string {
	var problems []string
	for _, pkg := range packages {
		room := roomOf(pkg.dir)
		if !pkg.hasCode() || isFree(room) {
			continue
		}
		allowed, known := table[room]
		if !known {
			problems = append(problems, fmt.Sprintf(
				"package %s has no place in the design: draw it in docs/design.md, then add it to arrows in internal/layout", pkg.dir))
			continue
		}
		for _, imported := range pkg.imports() {
			if target := roomOf(imported); target != room && !slices.Contains(allowed, target) {
				problems = append(problems, fmt.Sprintf(
					"%s imports %s, which docs/design.md does not allow: let them meet through behaviour (errors.As, a small interface), or change the design and arrows in internal/layout",
					pkg.dir, imported))
			}
		}
	}
	return problems
}

func checkTable(table map[string][]string) []string {
	var problems []string
	for room, targets := range table {
		for _, target := range targets {
			if isLeaf(target) && !isKit(room) {
				problems = append(problems, fmt.Sprintf("%s must not import %s: adapters, test kits and the test environment are leaves", room, target))
			}
			if _, known := table[target]; !known {
				problems = append(problems, fmt.Sprintf("%s may import %s, which has no row itself", room, target))
			}
		}
	}
	return problems
}

// roomOf returns the package that a folder belongs to.
func roomOf(dir string) string {
	room, _, _ := strings.Cut(dir, "/internal/")
	return strings.TrimSuffix(room, "/internal")
}

func isFree(room string) bool {
	return slices.ContainsFunc(free, func(f string) bool { return room == f || strings.HasPrefix(room, f+"/") })
}

func isLeaf(room string) bool {
	return strings.HasPrefix(room, "adapters/") || isKit(room) || room == "internal/testenv"
}

// isKit tells whether the package exists to test drivers: storetest, bustest.
func isKit(room string) bool { return strings.HasSuffix(room, "test") }

// TestArrowsAreChecked shows that the checks above find what they look for.
func TestArrowsAreChecked(t *testing.T) {
	table := map[string][]string{
		"store":          {},
		"store/kittest":  {"store"},
		"bus":            {"store"},
		"adapters/redis": {"store"},
	}
	pkg := func(dir, imported string) *goPackage {
		return &goPackage{dir: dir, files: []goFile{
			{path: dir + "/code.go", imports: []string{"fmt", modulePath + "/" + imported}},
			{path: dir + "/code_test.go", test: true, imports: []string{modulePath + "/adapters/redis"}},
		}}
	}
	for name, test := range map[string]struct {
		pkg  *goPackage
		want string // part of the only problem; none if empty
	}{
		"allowed":                   {pkg("bus", "store"), ""},
		"its own internal package":  {pkg("store", "store/internal/codec"), ""},
		"from its internal package": {pkg("store/internal/codec", "store"), ""},
		"backwards":                 {pkg("store", "bus"), "store imports bus"},
		"from an internal package":  {pkg("store/internal/codec", "bus"), "store/internal/codec imports bus"},
		"an adapter":                {pkg("bus", "adapters/redis"), "bus imports adapters/redis"},
		"an example may":            {pkg("examples/shop", "adapters/redis"), ""},
		"unknown package":           {pkg("saga", "store"), "package saga has no place"},
		"unknown subpackage":        {pkg("store/cache", "store"), "package store/cache has no place"},
	} {
		t.Run(name, func(t *testing.T) {
			problems := checkArrows([]*goPackage{test.pkg}, table)
			if test.want == "" {
				assert.Equal(t, problems, nil)
				return
			}
			assert.Equal(t, len(problems), 1, "%q", problems)
			assert.Contains(t, problems[0], test.want)
		})
	}

	assert.Equal(t, checkTable(table), nil)
	for _, target := range []string{"adapters/redis", "store/kittest"} {
		problems := checkTable(map[string][]string{"bus": {target}, target: nil})
		assert.Equal(t, len(problems), 1, "%q", problems)
		assert.Contains(t, problems[0], "bus must not import "+target)
	}
}
