package extract

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// page collects what is found in a text.
type page struct {
	title     string
	headings  []Heading
	text      strings.Builder
	limit     int
	full      bool // text has reached its limit
	truncated bool

	words   int
	inWord  bool // the run of characters that is being written has been counted
	gap     gap  // owed before the next character
	heading strings.Builder
	level   int // of the heading that is being written; 0 for none
	bytes   int // of all headings
}

// gap is the white space between what was written and what comes.
type gap int

const (
	noGap gap = iota
	space
	newline
)

func newPage(limit int) *page { return &page{limit: limit} }

// write adds running text. White space is one space, however much it is.
func (p *page) write(s string) { p.add(s, false) }

// writeLines adds text whose lines are to stay as they are.
func (p *page) writeLines(s string) { p.add(s, true) }

func (p *page) add(s string, lines bool) {
	for _, r := range s {
		switch {
		case r == '\n' && lines:
			p.end()
		case lines && (r == ' ' || r == '\t') && p.gap != newline:
			p.inWord = false
			p.put(r)
		case unicode.IsSpace(r):
			p.inWord = false
			p.gap = max(p.gap, space)
		case dropped(r):
		default:
			p.settle()
			p.count(r)
			p.put(r)
		}
	}
}

// end ends a block: what follows stands on a line of its own.
func (p *page) end() {
	p.inWord = false
	p.gap = newline
}

func (p *page) settle() {
	switch {
	case p.gap == noGap:
		return
	case p.text.Len() == 0:
	case p.gap == newline:
		p.keep('\n')
	default:
		p.keep(' ')
	}
	if p.level > 0 && p.heading.Len() > 0 {
		p.heading.WriteByte(' ')
	}
	p.gap = noGap
}

func (p *page) put(r rune) {
	p.keep(r)
	if p.level > 0 && p.heading.Len() < 4*maxTitle {
		p.heading.WriteRune(r)
	}
}

func (p *page) keep(r rune) {
	if p.full || p.text.Len()+utf8.RuneLen(r) > p.limit {
		p.full, p.truncated = true, true
		return
	}
	p.text.WriteRune(r)
}

// count counts words: runs of characters between white space with a letter or a
// digit in them, and each character of a script that is written without spaces.
func (p *page) count(r rune) {
	switch {
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana):
		p.words++
		p.inWord = false
	case !p.inWord && (unicode.IsLetter(r) || unicode.IsNumber(r)):
		p.words++
		p.inWord = true
	}
}

// beginHeading makes what is written until endHeading a heading too.
func (p *page) beginHeading(level int) {
	p.end()
	p.level = level
	p.heading.Reset()
}

func (p *page) endHeading() {
	if p.level == 0 {
		return
	}
	text := line(p.heading.String())
	switch {
	case text == "":
	case len(p.headings) == maxHeadings || p.bytes+len(text) > maxHeadingBytes:
		p.truncated = true
	default:
		p.headings = append(p.headings, Heading{Level: p.level, Text: text})
		p.bytes += len(text)
	}
	p.level = 0
	p.end()
}

// fill completes a document. A text that names no title has that of its first
// heading of the highest rank.
func (p *page) fill(d *Document) {
	p.endHeading()
	d.Title = line(p.title)
	if d.Title == "" {
		best := 7
		for _, heading := range p.headings {
			if heading.Level < best {
				best, d.Title = heading.Level, heading.Text
			}
		}
	}
	d.Headings, d.Text = p.headings, p.text.String()
	d.Words, d.Truncated = p.words, p.truncated
}

// Line returns a text as one line of at most 200 characters, without what has
// no place in a line.
func Line(s string) string { return line(strings.ToValidUTF8(s, "\uFFFD")) }

func line(s string) string {
	var b strings.Builder
	length, gap := 0, false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			gap = length > 0
		case dropped(r):
		case length+1 >= maxTitle:
			return b.String() + "…"
		default:
			if gap {
				b.WriteByte(' ')
				length++
				gap = false
			}
			b.WriteRune(r)
			length++
		}
	}
	return b.String()
}

// dropped tells whether a character is left out: it has no glyph, and some can
// make a line read other than it is, such as those that reverse its direction.
func dropped(r rune) bool {
	switch {
	case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069', r == '\ufeff':
		return true
	}
	return unicode.IsControl(r)
}
