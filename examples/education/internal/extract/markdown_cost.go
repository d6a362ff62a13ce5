package extract

import (
	"bytes"
	"strings"
)

// The bounds of what the Markdown parser is given. Its time grows with the
// square of some things, which no text that is meant to be read has many of.
const (
	maxMarkdown    = 4 << 20
	maxNesting     = 50
	maxIndent      = 100
	maxInlineCost  = 100_000_000 // sum over paragraphs of (special characters)²
	maxTableCost   = 2_000_000   // sum over tables of columns x rows
	inlineSpecials = "[]()*_`<>!&~|\\\"'"
)

// costly tells whether parsing a text would take far longer than its length
// suggests.
func costly(source []byte) bool {
	if len(source) > maxMarkdown {
		return true
	}
	inline, table := 0, 0     // cost so far
	specials, columns := 0, 0 // of the paragraph
	for each := range bytes.Lines(source) {
		indent, nesting, rest := containers(each)
		if indent > maxIndent || nesting > maxNesting {
			return true
		}
		if len(rest) == 0 || nesting > 0 || rest[0] == '#' {
			specials, columns = 0, 0
		}
		n := countAny(rest)
		inline += (specials+n)*(specials+n) - specials*specials
		specials += n
		if width := tableColumns(rest); width > columns {
			columns = width
		}
		table += columns
		if inline > maxInlineCost || table > maxTableCost {
			return true
		}
	}
	return false
}

// containers takes the indentation and the marks of quotes and list items off
// a line.
func containers(line []byte) (indent, nesting int, rest []byte) {
	for i, c := range line {
		switch {
		case c == ' ', c == '\r', c == '\n':
			indent++
		case c == '\t':
			indent += 4
		case c == '>', c == '-', c == '+', c == '*':
			nesting++
		case c >= '0' && c <= '9', c == '.' || c == ')':
			// Part of "12." if a blank follows; else a few more than there are.
			if c == '.' || c == ')' {
				nesting++
			}
		default:
			return indent, nesting, line[i:]
		}
	}
	return 0, markers(line), nil
}

// markers counts the marks of a line that has nothing else. A rule such as
// "-----" is one.
func markers(line []byte) int {
	trimmed := bytes.TrimSpace(line)
	if len(trimmed) == 0 || len(bytes.Trim(trimmed, string(trimmed[0]))) == 0 && trimmed[0] != '>' {
		return min(len(trimmed), 1)
	}
	return len(bytes.Fields(trimmed)) + bytes.Count(trimmed, []byte(">"))
}

func countAny(line []byte) int {
	n := 0
	for _, c := range line {
		if c < 0x80 && strings.IndexByte(inlineSpecials, c) >= 0 {
			n++
		}
	}
	return n
}

// tableColumns returns how many columns the line below a table's head declares.
func tableColumns(line []byte) int {
	if len(bytes.Trim(line, "|-: \t\r\n")) > 0 {
		return 0
	}
	return bytes.Count(line, []byte("|")) + 1
}

// readMarkdownLines reads a Markdown text line by line: headings are found, and
// other marks stay in the text.
func readMarkdownLines(p *page, source []byte) {
	fenced := false
	for each := range strings.Lines(string(source)) {
		mark := strings.TrimLeft(each, " ")
		if strings.HasPrefix(mark, "```") || strings.HasPrefix(mark, "~~~") {
			fenced = !fenced
			continue
		}
		level := 0
		for level < len(mark) && mark[level] == '#' {
			level++
		}
		if fenced || level < 1 || level > 6 || level < len(mark) && mark[level] != ' ' {
			p.writeLines(each)
			continue
		}
		p.beginHeading(level)
		p.write(strings.TrimRight(mark[level:], "# \t\r\n"))
		p.endHeading()
	}
}
