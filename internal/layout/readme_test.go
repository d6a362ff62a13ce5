package layout_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parlance-go/parlance/internal/assert"
)

// TestReadmeProgram runs the program that the README shows, as a stranger would
// who copies it, and compares what it prints with what the README says.
func TestReadmeProgram(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../..")
	assert.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	assert.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "```go\n")
	assert.True(t, found, "README.md has a program")
	program, rest, _ := strings.Cut(rest, "```\n")
	assert.True(t, strings.Count(program, "\n") < 40, "the program has fewer than 40 lines")
	_, rest, found = strings.Cut(rest, "It prints:\n\n")
	assert.True(t, found, "README.md says what the program prints")
	var want strings.Builder
	for line := range strings.Lines(rest) {
		printed, indented := strings.CutPrefix(line, "    ")
		if !indented {
			break
		}
		want.WriteString(printed)
	}

	dir := t.TempDir()
	write := func(name, content string) {
		assert.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	write("main.go", program)
	write("go.mod", "module readme\n\ngo 1.26\n\nrequire github.com/parlance-go/parlance v0.0.0\n\n"+
		"replace github.com/parlance-go/parlance => "+root+"\n")
	cmd := exec.CommandContext(t.Context(), "go", "run", "-mod=mod", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	got, err := cmd.CombinedOutput()
	assert.NoError(t, err, string(got))
	assert.Equal(t, string(got), want.String())
}
