package extract

import "strings"

// readPlain reads a text file. Its title is its first line that is not blank.
func readPlain(p *page, source []byte) {
	text := string(source)
	for each := range strings.Lines(text) {
		if p.title = line(each); p.title != "" {
			break
		}
	}
	p.writeLines(text)
}
