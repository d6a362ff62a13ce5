package layout_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parlance-go/parlance/internal/assert"
)

// leaves lists, for each package that a team may want alone, every package
// outside the standard library that importing it compiles.
var leaves = map[string][]string{
	"breaker": {
		modulePath + "/breaker",
		modulePath + "/internal/retryafter",
		modulePath + "/internal/rolling",
	},
	"retry": {
		modulePath + "/internal/retryafter",
		modulePath + "/internal/rolling",
		modulePath + "/retry",
	},
	"policy": {
		"github.com/goccy/go-yaml/ast",
		"github.com/goccy/go-yaml/internal/errors",
		"github.com/goccy/go-yaml/lexer",
		"github.com/goccy/go-yaml/parser",
		"github.com/goccy/go-yaml/printer",
		"github.com/goccy/go-yaml/scanner",
		"github.com/goccy/go-yaml/token",
		modulePath + "/breaker",
		modulePath + "/internal/retryafter",
		modulePath + "/internal/rolling",
		modulePath + "/policy",
		modulePath + "/retry",
	},
	"eventstore": {
		modulePath + "/eventstore",
		"github.com/google/uuid",
	},
}

// graphBudget is the number of modules, with the consumer and the library, in
// the module graph of whoever imports one package. They are not compiled, but
// each can force its version on the consumer. It is what the requirements of
// today cost; all of rootRequirements together would come to about 18. Raise
// it only together with a requirement.
const graphBudget = 12

// TestConsumerCost imports each leaf into an empty module, as a user would, and
// looks at what came along.
func TestConsumerCost(t *testing.T) {
	// Reading the library's sources here makes go test run this test again when
	// they have changed, which the go command run below could not.
	readTree(t)

	for leaf, want := range leaves {
		t.Run(leaf, func(t *testing.T) {
			t.Parallel()
			consumer := newConsumer(t, leaf)

			compiled := consumer.list(t, "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".")
			compiled = slices.DeleteFunc(compiled, func(p string) bool { return p == "consumer" })
			slices.Sort(compiled)
			assert.Equal(t, compiled, slices.Sorted(slices.Values(want)), "packages compiled for %s", leaf)

			graph := consumer.list(t, "-m", "all")
			if len(graph) > graphBudget {
				t.Errorf("importing %s puts %d modules into the graph, the budget is %d:\n%s",
					leaf, len(graph), graphBudget, strings.Join(graph, "\n"))
			}
		})
	}
}

// A consumer is a module outside this repository that uses the library.
type consumer struct{ dir string }

func newConsumer(t *testing.T, leaf string) consumer {
	t.Helper()
	library, err := filepath.Abs(root)
	assert.NoError(t, err)
	sums, err := os.ReadFile(filepath.Join(library, "go.sum"))
	assert.NoError(t, err)

	c := consumer{dir: t.TempDir()}
	for name, content := range map[string]string{
		"go.mod": fmt.Sprintf("module consumer\n\ngo 1.26\n\nrequire %[1]s v0.0.0\n\nreplace %[1]s => %[2]q\n", modulePath, library),
		// The library's own sums spare a look at the checksum database.
		"go.sum":  string(sums),
		"main.go": fmt.Sprintf("package main\n\nimport _ %q\n\nfunc main() {}\n", modulePath+"/"+leaf),
	} {
		assert.NoError(t, os.WriteFile(filepath.Join(c.dir, name), []byte(content), 0o600))
	}
	return c
}

// list returns the lines that "go list" prints for the consumer.
func (c consumer) list(t *testing.T, args ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	assert.NoError(t, err, "%s: %s", cmd, &stderr)
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}
