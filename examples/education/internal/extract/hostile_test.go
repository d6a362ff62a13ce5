package extract_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parlance-go/parlance/examples/education/internal/extract"
	"github.com/parlance-go/parlance/internal/assert"
)

// patience is how long reading one file may take here, with the race detector
// on a busy machine. What it guards against takes minutes, and hours for a file as large as allowed.
const patience = 30 * time.Second

// TestHostileFiles reads what makes parsers slow, or overflow their stack, in
// files of a quarter of a mebibyte.
func TestHostileFiles(t *testing.T) {
	const size = 256 << 10
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	growing := func(line func(n int) string) string {
		var b strings.Builder
		for n := 1; b.Len() < size; n++ {
			b.WriteString(line(n))
		}
		return b.String()
	}
	markdown := map[string]string{
		"quotes":            fill(">"),
		"spaced quotes":     fill("> "),
		"quotes and text":   fill(strings.Repeat(">", 49) + " a\n"),
		"lists":             fill("- "),
		"numbered lists":    fill("1. "),
		"numbers":           fill("1"),
		"deep list":         growing(func(n int) string { return strings.Repeat("  ", n) + "- a\n" }),
		"long list":         fill("- a\n"),
		"brackets":          fill("["),
		"pairs of brackets": strings.Repeat("[", size/2) + strings.Repeat("]", size/2),
		"links":             fill("[a]("),
		"open links":        fill("[a](<b"),
		"titles":            fill("[a](b \""),
		"pictures":          strings.Repeat("![", size/8) + strings.Repeat("](x)", size/8),
		"emphasis":          fill("*a_ "),
		"more emphasis":     fill("*a **a "),
		"even more":         strings.Repeat("a**b", size/8) + strings.Repeat("c* ", size/8),
		"backticks":         growing(func(n int) string { return "e" + strings.Repeat("`", n) }),
		"references":        growing(func(n int) string { return fmt.Sprintf("[a%d]: x\n", n) }),
		"uses of one":       fill("[a][b]") + "\n\n[b]: x",
		"comments":          fill("<!--"),
		"instructions":      fill("<?"),
		"declarations":      fill("<!A "),
		"sections":          fill("<![CDATA["),
		"attributes":        fill("<a b=\""),
		"open tags":         fill("<a "),
		"entities":          fill("&amp"),
		"tildes":            fill("~~a "),
		"wide table":        "|" + strings.Repeat("a|", size/4) + "\n|" + strings.Repeat("-|", size/4) + "\n" + strings.Repeat("|\n", size/8),
		"long table":        "|a|b|\n|-|-|\n" + fill("|a|b|\n"),
		"many paragraphs":   fill(strings.Repeat("[a](", 2000) + "\n\n"),
		"quoted paragraphs": fill(strings.Repeat("> ", 45) + strings.Repeat("[a](", 500) + "\n"),
		"headings":          fill("# a\n"),
		"underlines":        fill("a\n-\n"),
		"fences":            fill("```\n"),
		"blank lines":       fill("\n") + "a",
		"tabs":              fill("\t") + "a",
		"one word":          fill("a"),
		"HTML blocks":       fill("<div>\n"),
		"HTML in quotes":    fill("> <div>\n\n"),
		"nested HTML":       fill("<ul><li>"),
		"checkboxes":        fill("- [ ] "),
		"backslashes":       fill("\\"),
		"marks":             fill("\u0301"),
	}
	html := map[string]string{
		"nested elements":  fill("<div>"),
		"nested headings":  fill("<h1>a"),
		"nested templates": fill("<template>"),
		"open comments":    fill("<!--"),
		"open tags":        fill("<"),
		"open attributes":  fill("<a b='"),
		"many attributes":  "<a " + fill("b=c ") + ">",
		"entities":         fill("&#x"),
		"scripts":          fill("<script>"),
		"titles":           fill("<title>"),
		"end tags":         fill("</p>"),
	}
	slowest, took := "", time.Duration(0)
	try := func(kind, name, content string) {
		t.Helper()
		start := time.Now()
		var document extract.Document
		var err error
		done := make(chan struct{})
		go func() {
			defer close(done)
			document, err = extract.Read("file"+kind, strings.NewReader(content), extract.Limits{})
		}()
		select {
		case <-done:
		case <-time.After(patience): // the parser cannot be stopped
			t.Fatalf("%s, %s: takes longer than %v", kind, name, patience)
		}
		if elapsed := time.Since(start); elapsed > took {
			slowest, took = kind+" "+name, elapsed
		}
		if err != nil {
			assert.ErrorIs(t, err, extract.ErrRejected)
			return
		}
		check(t, document, 480<<10)
	}
	for name, content := range markdown {
		try(".md", name, content)
	}
	for name, content := range html {
		try(".html", name, content)
	}
	t.Logf("slowest: %s: %v", slowest, took)
}

// TestCostlyMarkdownKeepsItsHeadings: what is not parsed is still read.
func TestCostlyMarkdownKeepsItsHeadings(t *testing.T) {
	document := read(t, "a.md", "# Title #\n\nsome words\n\n```\n# no\n```\n\n"+strings.Repeat("[a](", 50_000)+"\n\n## End\n")
	assert.Equal(t, document.Headings, []extract.Heading{{Level: 1, Text: "Title"}, {Level: 2, Text: "End"}})
	assert.Equal(t, document.Title, "Title")
	assert.Contains(t, document.Text, "some words")
}
