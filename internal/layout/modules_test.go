package layout_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/parlance-go/parlance/internal/assert"
)

// rootRequirements are the modules that the root module may require: whoever
// imports one package of the library finds all of them in the module graph.
// Anything else belongs into a nested module.
var rootRequirements = []string{
	"github.com/cenkalti/backoff/v4",
	"github.com/goccy/go-yaml",
	"github.com/google/uuid",
	"github.com/jackc/pgx/v5",
	"github.com/nats-io/nats.go",
	"golang.org/x/time",
}

// toolsModule pins the linters. Its many dependencies must not choose versions
// for the rest, so it stays out of the workspace.
const toolsModule = "tools"

// A goMod is what "go mod edit -json" prints of a go.mod file.
type goMod struct {
	dir string // relative to root

	Module    struct{ Path string }
	Go        string
	Toolchain string
	Require   []struct {
		Path     string
		Version  string
		Indirect bool
	}
	Replace []struct {
		Old struct{ Path string }
		New struct{ Path, Version string }
	}
}

func readModules(t *testing.T) []goMod {
	t.Helper()
	var modules []goMod
	walk(t, func(name string) {
		if path.Base(name) != "go.mod" {
			return
		}
		mod := goMod{dir: path.Dir(name)}
		editJSON(t, "mod", name, &mod)
		modules = append(modules, mod)
	})
	return modules
}

// editJSON decodes what the go command reads in a go.mod or go.work file.
func editJSON(t *testing.T, kind, name string, into any) {
	t.Helper()
	file := filepath.Join(root, filepath.FromSlash(name))
	// Opening the file here, too, makes go test run again when it has changed.
	_, err := os.ReadFile(file)
	assert.NoError(t, err)
	out, err := exec.CommandContext(t.Context(), "go", kind, "edit", "-json", file).Output()
	assert.NoError(t, err, "%s: %s", name, out)
	assert.NoError(t, json.Unmarshal(out, into), name)
}

func TestRootRequiresOnlyWhatWasChosen(t *testing.T) {
	for _, mod := range readModules(t) {
		if mod.dir != "." {
			continue
		}
		for _, require := range mod.Require {
			if !require.Indirect && !slices.Contains(rootRequirements, require.Path) {
				t.Errorf("go.mod requires %s, which every user of the library would inherit: move what needs it into a nested module",
					require.Path)
			}
		}
	}
}

// TestGoVersions keeps the lines out of go.mod by which a module forces a newer
// toolchain on those who import it. Nested modules may say 1.26.0, which the go
// command writes there if a dependency says so, and which every release of
// Go 1.26 satisfies.
func TestGoVersions(t *testing.T) {
	release, releaseOrFirst := regexp.MustCompile(`^1\.\d+$`), regexp.MustCompile(`^1\.\d+(\.0)?$`)
	for _, mod := range readModules(t) {
		if mod.Toolchain != "" {
			t.Errorf("%s/go.mod: remove the line toolchain %s", mod.dir, mod.Toolchain)
		}
		allowed := releaseOrFirst
		if mod.dir == "." {
			allowed = release
		}
		if !allowed.MatchString(mod.Go) {
			t.Errorf("%s/go.mod: go %s names a patch release, which all who import the module would need: write go 1.26",
				mod.dir, mod.Go)
		}
	}
}

// TestNestedModules checks that each module is built from this tree, in the
// workspace as well as by itself.
func TestNestedModules(t *testing.T) {
	var work struct{ Use []struct{ DiskPath string } }
	editJSON(t, "work", "go.work", &work)
	used := map[string]bool{}
	for _, use := range work.Use {
		used[path.Clean(use.DiskPath)] = true
	}

	for _, mod := range readModules(t) {
		assert.Equal(t, mod.Module.Path, path.Join(modulePath, mod.dir), "module path of %s/go.mod", mod.dir)
		if used[mod.dir] == (mod.dir == toolsModule) {
			t.Errorf("%s: every module but %s belongs into go.work", mod.dir, toolsModule)
		}
		for _, require := range mod.Require {
			if !strings.HasPrefix(require.Path+"/", modulePath+"/") {
				continue
			}
			target := "."
			if require.Path != modulePath {
				target = strings.TrimPrefix(require.Path, modulePath+"/")
			}
			if replacement := replacementOf(mod, require.Path); path.Join(mod.dir, replacement) != target || replacement == "" {
				t.Errorf("%s/go.mod requires %s but replaces it with %q, not with the folder %s of this repository",
					mod.dir, require.Path, replacement, target)
			}
		}
	}
}

func replacementOf(mod goMod, modulePath string) string {
	for _, replace := range mod.Replace {
		if replace.Old.Path == modulePath {
			return replace.New.Path
		}
	}
	return ""
}
