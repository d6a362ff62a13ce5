package extract

import (
	"bytes"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// readHTML reads a page token by token. No tree is built, so that neither
// nesting nor tags left open cost anything.
func readHTML(p *page, source []byte) {
	r := htmlReader{page: p}
	tokens := html.NewTokenizer(bytes.NewReader(source))
	for {
		switch tokens.Next() {
		case html.ErrorToken: // only the end: the source is in memory
			return
		case html.TextToken:
			r.text(tokens.Text())
		case html.StartTagToken:
			name, _ := tokens.TagName()
			r.start(atom.Lookup(name))
		case html.SelfClosingTagToken:
			// HTML ignores the slash, except in SVG and MathML. An element
			// without content needs no end here in any of them.
			name, _ := tokens.TagName()
			r.mark(atom.Lookup(name))
		case html.EndTagToken:
			name, _ := tokens.TagName()
			r.stop(atom.Lookup(name))
		}
	}
}

type htmlReader struct {
	page    *page
	hidden  atom.Atom // the element whose content no reader sees
	depth   int       // of elements named like hidden
	inTitle bool
	titled  bool
	inSVG   bool
	pre     int
}

func (r *htmlReader) text(raw []byte) {
	switch {
	case r.hidden != 0:
	case r.inTitle:
		r.page.title += html.UnescapeString(string(raw))
	case r.pre > 0:
		r.page.writeLines(html.UnescapeString(string(raw)))
	default:
		r.page.write(html.UnescapeString(string(raw)))
	}
}

func (r *htmlReader) start(name atom.Atom) {
	if r.hidden != 0 {
		if name == r.hidden {
			r.depth++
		}
		return
	}
	switch name {
	case atom.Script, atom.Style, atom.Template, atom.Noscript, atom.Iframe, atom.Object,
		atom.Noembed, atom.Noframes, atom.Select, atom.Textarea, atom.Canvas:
		r.hidden, r.depth = name, 1
		return
	case atom.Svg:
		r.inSVG = true
	case atom.Title:
		r.inTitle = !r.titled && !r.inSVG
	case atom.Pre:
		r.pre++
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		r.page.endHeading()
		r.page.beginHeading(level(name))
		return
	}
	r.mark(name)
}

func (r *htmlReader) stop(name atom.Atom) {
	if r.hidden != 0 {
		if name == r.hidden {
			if r.depth--; r.depth == 0 {
				r.hidden = 0
			}
		}
		return
	}
	switch name {
	case atom.Svg:
		r.inSVG = false
	case atom.Title:
		r.titled = r.titled || r.inTitle
		r.inTitle = false
	case atom.Pre:
		r.pre = max(0, r.pre-1)
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		r.page.endHeading()
	}
	r.mark(name)
}

// mark separates what a tag separates on the screen.
func (r *htmlReader) mark(name atom.Atom) {
	switch name {
	case atom.P, atom.Div, atom.Br, atom.Hr, atom.Ul, atom.Ol, atom.Li, atom.Dl, atom.Dt, atom.Dd,
		atom.Table, atom.Tr, atom.Caption, atom.Thead, atom.Tbody, atom.Tfoot,
		atom.Section, atom.Article, atom.Aside, atom.Header, atom.Footer, atom.Nav, atom.Main,
		atom.Blockquote, atom.Pre, atom.Figure, atom.Figcaption, atom.Address, atom.Form,
		atom.Fieldset, atom.Legend, atom.Details, atom.Summary, atom.Option, atom.Body, atom.Head,
		atom.Title, atom.Svg, atom.Center, atom.Dialog, atom.Hgroup, atom.Menu, atom.Search:
		if r.page.level == 0 || name != atom.Br {
			r.page.end()
			return
		}
		r.page.write(" ")
	case atom.Td, atom.Th, atom.Img, atom.Video, atom.Audio, atom.Button, atom.Input:
		r.page.write(" ")
	}
}

func level(name atom.Atom) int {
	switch name {
	case atom.H1:
		return 1
	case atom.H2:
		return 2
	case atom.H3:
		return 3
	case atom.H4:
		return 4
	case atom.H5:
		return 5
	default:
		return 6
	}
}
