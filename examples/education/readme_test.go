package main

import (
	"os"
	"regexp"
	"testing"

	"github.com/parlance-go/parlance/internal/assert"
)

// TestREADMENamesWhatIsThere: each name it links to is in the file it links to.
func TestREADMENamesWhatIsThere(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	assert.NoError(t, err)
	links := regexp.MustCompile("\\[`(\\w+)`\\]\\(([\\w./]+)\\)").FindAllStringSubmatch(string(readme), -1)
	assert.True(t, len(links) > 20, "%d links", len(links))
	for _, link := range links {
		source, err := os.ReadFile(link[2])
		assert.NoError(t, err)
		assert.True(t, regexp.MustCompile(`\b`+link[1]+`\(`).Match(source), "%s is not in %s", link[1], link[2])
	}
}
