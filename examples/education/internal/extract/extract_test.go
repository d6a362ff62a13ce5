package extract_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/parlance-go/parlance/examples/education/internal/extract"
	"github.com/parlance-go/parlance/internal/assert"
)

func read(t testing.TB, name, content string) extract.Document {
	t.Helper()
	document, err := extract.Read(name, strings.NewReader(content), extract.Limits{})
	assert.NoError(t, err)
	return document
}

func reject(t testing.TB, name, content string) string {
	t.Helper()
	_, err := extract.Read(name, strings.NewReader(content), extract.Limits{Bytes: 1 << 20})
	assert.ErrorIs(t, err, extract.ErrRejected)
	return assert.ErrorAs[*extract.RejectedError](t, err).Reason
}

func TestPlainText(t *testing.T) {
	document := read(t, "notes.txt", "\n\r\n  Photosynthesis \r\n\r\nLight\tbecomes   sugar,\nin 2 steps. 光合成\n")
	assert.Equal(t, document, extract.Document{
		Kind:  extract.Plain,
		Title: "Photosynthesis",
		Text:  "Photosynthesis \nLight\tbecomes   sugar,\nin 2 steps. 光合成",
		Words: 10,
	})
}

func TestMarkdown(t *testing.T) {
	document := read(t, "lesson.md", `---
tags: [a, b]
title: "Cells & \"walls\""
---
# Ignored *as* a title

A cell has a **mem**brane, see [the *picture*](cell.png) ![of a cell](x.png).
Second line &amp; \*stars\* <br>and <b>bold</b> <https://example.org>.

## Parts `+"`code <b>`"+`

- nucleus
- wall
  > quoted

| Part | Task |
|------|------|
| wall | holds |

`+"```go\nx := 1\n\n\ty := 2\n```"+`

<h3 align="center">Inside <i>HTML</i></h3>
<script>var hidden = 1</script>

Setext
------
`)
	assert.Equal(t, document.Title, `Cells & "walls"`)
	assert.Equal(t, document.Headings, []extract.Heading{
		{Level: 1, Text: "Ignored as a title"},
		{Level: 2, Text: "Parts code <b>"},
		{Level: 3, Text: "Inside HTML"},
		{Level: 2, Text: "Setext"},
	})
	assert.Equal(t, document.Text, `Ignored as a title
A cell has a membrane, see the picture of a cell. Second line & *stars* and bold https://example.org.
Parts code <b>
nucleus
wall
quoted
Part Task
wall holds
x := 1
y := 2
Inside HTML
Setext`)
	assert.Equal(t, document.Kind, extract.Markdown)
	assert.Equal(t, document.Words, 38)
}

func TestMarkdownTitles(t *testing.T) {
	for name, test := range map[string]struct{ source, want string }{
		"highest heading":           {"## Small\n\n# Great\n\n# Other", "Great"},
		"no first rank":             {"text\n\n### Three\n\n## Two\n", "Two"},
		"none":                      {"just text", ""},
		"front matter without end":  {"---\ntitle: X\n", ""},
		"rule and text":             {"---\n\n# T\n", "T"},
		"TOML":                      {"+++\ntitle = 'It''s'\n+++\ntext", "It's"},
		"windows":                   {"---\r\ntitle: W\r\n---\r\n# H\r\n", "W"},
		"setext":                    {"Title\n=====\n", "Title"},
		"reversed by a character":   {"# a\u202egnp.exe", "agnp.exe"},
		"white space in it":         {"# a \t  b&nbsp;c&#10;d", "a b c d"},
		"HTML":                      {"<h1>\n  Logo\n</h1>\n\ntext", "Logo"},
		"HTML without end":          {"<h1>Logo\n\n\n\ntext", "Logo"},
		"markup in it, as text":     {"# `<script>alert(1)</script>`", "<script>alert(1)</script>"},
		"SQL in it":                 {"# Robert'); DROP TABLE contents;--", "Robert'); DROP TABLE contents;--"},
		"long":                      {"# " + strings.Repeat("ä", 300), strings.Repeat("ä", 199) + "…"},
		"front matter, empty title": {"---\ntitle:\n---\n# H", "H"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := read(t, "a.md", test.source).Title; got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestHTML(t *testing.T) {
	document := read(t, "page.html", `<!DOCTYPE html><html><head><title>
	Caf&eacute; &lt;menu&gt;</title><style>p { color: red }</style></head>
	<body><svg><title>icon</title></svg><h1>The   <em>first</em><br>heading</h1>
	<p>One<b>word</b> and&nbsp;two<p>Next<script>document.write("<p>no</p>")</script>
	<ul><li>a<li>b</ul><table><tr><td>x<td>y</table>
	<pre>keep
  lines</pre><!-- <p>comment</p> --><h2>Open`)
	assert.Equal(t, document, extract.Document{
		Kind:     extract.HTML,
		Title:    "Café <menu>",
		Headings: []extract.Heading{{Level: 1, Text: "The first heading"}, {Level: 2, Text: "Open"}},
		Text:     "icon\nThe first heading\nOneword and two\nNext\na\nb\nx y\nkeep\nlines\nOpen",
		Words:    15,
	})
}

func TestEncodings(t *testing.T) {
	utf16 := func(order, text string) string {
		var b strings.Builder
		b.WriteString(map[string]string{"le": "\xff\xfe", "be": "\xfe\xff"}[order])
		for _, r := range text {
			low, high := byte(r), byte(r>>8)
			if order == "le" {
				b.Write([]byte{low, high})
			} else {
				b.Write([]byte{high, low})
			}
		}
		return b.String()
	}
	for name, test := range map[string]struct{ file, content string }{
		"UTF-8 with a mark":     {"a.txt", "\xef\xbb\xbfGrüße"},
		"UTF-16, little endian": {"a.txt", utf16("le", "Grüße")},
		"UTF-16, big endian":    {"a.txt", utf16("be", "Grüße")},
		"declared Latin-1":      {"a.html", "<meta charset=iso-8859-1><title>Gr\xfc\xdfe</title>"},
		"declared the old way":  {"a.html", `<meta http-equiv="Content-Type" content="text/html; charset=windows-1252"><title>Gr` + "\xfc\xdfe</title>"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, read(t, test.file, test.content).Title, "Grüße")
		})
	}
}

func TestRejected(t *testing.T) {
	for name, test := range map[string]struct{ file, content, want string }{
		"empty":                   {"a.md", "", "it is empty"},
		"blank":                   {"a.md", " \n\t\u00a0\n", "it is blank"},
		"too large":               {"a.txt", strings.Repeat("a", 1<<20+1), "larger than the limit of 1 MiB"},
		"binary named text":       {"a.md", "abc\x00def", "binary, not text: byte 4 is zero"},
		"Latin-1":                 {"a.txt", "Gr\xfc\xdfe", "not UTF-8 text: byte 3 is invalid"},
		"undeclared page":         {"a.html", "<p>Gr\xfc", "not UTF-8"},
		"half a character":        {"a.txt", "\xff\xfea\x00b", "ends in the middle"},
		"half a pair":             {"a.txt", "\xff\xfea\x00\x00\xd8", "half of a pair"},
		"zero in UTF-16":          {"a.txt", "\xff\xfea\x00\x00\x00", "is zero"},
		"text named PNG":          {"a.png", "I am a text", "named .png, but it is not a PNG file"},
		"PNG named JPEG":          {"a.jpg", "\x89PNG\r\n\x1a\n", "not a JPEG file"},
		"PNG named Markdown":      {"a.md", "\x89PNG\r\n\x1a\n\x00", "named .md, but its content is PNG"},
		"unknown type":            {"a.pdf", "%PDF-1.7", `type ".pdf" is not among`},
		"binary without a suffix": {"program", "\x7fELF\x02\x01\x01\x00", "it is binary"},
		"head of a PNG":           {"a.png", "\x89PNG\r\n\x1a\n\x00\x00", "damaged PNG file"},
		"head of a JPEG":          {"a.jpeg", "\xff\xd8\xff\xe0", "damaged JPEG file"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Contains(t, reject(t, test.file, test.content), test.want)
		})
	}
}

func TestWithoutSuffixTheContentDecides(t *testing.T) {
	assert.Equal(t, read(t, "README", "plain").Kind, extract.Plain)
	assert.Equal(t, read(t, "page", "<!doctype html><p>x").Kind, extract.HTML)
}

func TestReaderFailsIsNotRejected(t *testing.T) {
	broken := errors.New("disk")
	_, err := extract.Read("a.md", io.MultiReader(strings.NewReader("# a"), iotest.ErrReader(broken)), extract.Limits{})
	assert.ErrorIs(t, err, broken)
	assert.False(t, errors.Is(err, extract.ErrRejected), "a disk that fails is taken for a bad file")
}

func TestTextIsCutAtTheLimit(t *testing.T) {
	document, err := extract.Read("a.txt", strings.NewReader(strings.Repeat("ä ", 100)+"end"), extract.Limits{Text: 10})
	assert.NoError(t, err)
	assert.Equal(t, document.Text, "ä ä ä ")
	assert.True(t, document.Truncated)
	assert.Equal(t, document.Words, 101, "words of the whole file")
}

func TestHeadingsAreBounded(t *testing.T) {
	document := read(t, "a.md", strings.Repeat("# heading\n", 10_000)+"\nlast words\n")
	assert.Equal(t, len(document.Headings), 500)
	assert.True(t, document.Truncated)
	assert.True(t, strings.HasSuffix(document.Text, "last words"), "the text ends where the headings do")
}

// check is what holds for every document.
func check(t *testing.T, d extract.Document, limit int) {
	t.Helper()
	total := 0
	for _, heading := range d.Headings {
		assert.True(t, heading.Level >= 1 && heading.Level <= 6, "level %d", heading.Level)
		assert.True(t, heading.Text != "" && utf8.RuneCountInString(heading.Text) <= 200)
		assert.Equal(t, heading.Text, extract.Line(heading.Text))
		total += len(heading.Text)
	}
	assert.True(t, total <= 16<<10 && len(d.Headings) <= 500)
	assert.True(t, utf8.RuneCountInString(d.Title) <= 200)
	assert.Equal(t, d.Title, extract.Line(d.Title))
	assert.True(t, len(d.Text) <= limit)
	for _, text := range []string{d.Text, d.Title} {
		assert.True(t, utf8.ValidString(text), "invalid UTF-8: %q", text)
		for _, r := range text {
			assert.True(t, r >= ' ' || r == '\n' || r == '\t', "control character in %q", text)
		}
	}
	assert.True(t, d.Words >= 0 && d.Width >= 0 && d.Height >= 0 && d.Duration >= 0)
}
