package extract

import (
	"bytes"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// readMarkdown reads CommonMark with GitHub's tables, strikethrough and task
// lists, after a front matter if there is one.
func readMarkdown(p *page, source []byte) {
	title, source := frontMatter(source)
	p.title = title
	if costly(source) {
		readMarkdownLines(p, source)
		return
	}
	root := newMarkdownParser().Parse(text.NewReader(source))
	reader := markdownReader{page: p, source: source}
	// The error can only be one that visit returns, and it returns none.
	_ = ast.Walk(root, reader.visit)
}

func newMarkdownParser() parser.Parser {
	return goldmark.New(goldmark.WithExtensions(
		extension.Table, extension.Strikethrough, extension.TaskList,
	)).Parser()
}

type markdownReader struct {
	page   *page
	source []byte
}

func (r *markdownReader) visit(node ast.Node, entering bool) (ast.WalkStatus, error) {
	switch node := node.(type) {
	case *ast.Heading:
		if entering {
			r.page.beginHeading(node.Level)
		} else {
			r.page.endHeading()
		}
		return ast.WalkContinue, nil
	case *extast.TableCell:
		r.page.write(" ")
		return ast.WalkContinue, nil
	}
	if node.Type() == ast.TypeBlock {
		r.page.end()
	}
	if entering {
		return r.enter(node), nil
	}
	return ast.WalkContinue, nil
}

func (r *markdownReader) enter(node ast.Node) ast.WalkStatus {
	switch node := node.(type) {
	case *ast.Text:
		r.text(node)
	case *ast.String:
		r.page.write(string(node.Value))
	case *ast.CodeSpan:
		for child := node.FirstChild(); child != nil; child = child.NextSibling() {
			if part, ok := child.(*ast.Text); ok {
				r.page.write(string(part.Segment.Value(r.source)))
			}
		}
		return ast.WalkSkipChildren
	case *ast.FencedCodeBlock, *ast.CodeBlock:
		r.page.writeLines(string(node.Lines().Value(r.source)))
		return ast.WalkSkipChildren
	case *ast.HTMLBlock:
		block := node.Lines().Value(r.source)
		if node.HasClosure() {
			block = append(bytes.Clone(block), node.ClosureLine.Value(r.source)...)
		}
		readHTML(r.page, block)
		r.page.endHeading()
		return ast.WalkSkipChildren
	case *ast.RawHTML:
		if tag := node.Segments.Value(r.source); bytes.HasPrefix(bytes.ToLower(tag), []byte("<br")) {
			r.page.write(" ")
		}
		return ast.WalkSkipChildren
	case *ast.AutoLink:
		r.page.write(string(node.Label(r.source)))
		return ast.WalkSkipChildren
	}
	return ast.WalkContinue
}

func (r *markdownReader) text(node *ast.Text) {
	value := node.Segment.Value(r.source)
	if !node.IsRaw() {
		value = util.UnescapePunctuations(value)
		value = util.ResolveNumericReferences(value)
		value = util.ResolveEntityNames(value)
	}
	r.page.write(strings.ToValidUTF8(string(value), "\uFFFD"))
	if node.SoftLineBreak() || node.HardLineBreak() {
		r.page.write(" ")
	}
}

// frontMatter cuts off the metadata that many tools put above a text, and
// returns its title.
func frontMatter(source []byte) (title string, rest []byte) {
	const longest = 64 << 10
	fence, body, ok := bytes.Cut(source, []byte("\n"))
	fence = bytes.TrimRight(fence, "\r \t")
	if !ok || string(fence) != "---" && string(fence) != "+++" {
		return "", source
	}
	for at := 0; at < min(len(body), longest); {
		raw, _, more := bytes.Cut(body[at:], []byte("\n"))
		at += len(raw)
		if more {
			at++
		}
		entry := strings.TrimRight(string(raw), "\r \t")
		if entry == string(fence) || entry == "..." && string(fence) == "---" {
			return title, body[at:]
		}
		for _, key := range []string{"title:", "title =", "title="} {
			if value, found := strings.CutPrefix(entry, key); found && title == "" {
				title = unquote(strings.TrimSpace(value))
			}
		}
	}
	return "", source // a rule above a text, not a front matter
}

func unquote(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(s[1 : len(s)-1])
	}
	if len(s) >= 2 && s[0] == '\'' && s[len(s)-1] == '\'' {
		return strings.ReplaceAll(s[1:len(s)-1], "''", "'")
	}
	return s
}
