package content

import "unicode/utf8"

// Results is what the processing has found.
type Results struct {
	Title       string    `json:"title,omitempty"`
	ContentType string    `json:"contentType"`
	Headings    []Heading `json:"headings,omitempty"`
	Text        string    `json:"text,omitempty"`
	Truncated   bool      `json:"truncated,omitempty"`
	Words       int       `json:"words,omitempty"`
	Width       int       `json:"width,omitempty"`
	Height      int       `json:"height,omitempty"`
	DurationMS  int64     `json:"durationMs,omitempty"`
}

// maxEncodedText is how many bytes of an event's mebibyte are for the text, once
// it is JSON, and maxEncodedHeadings how many are for the headings.
const (
	maxEncodedText     = 850_000
	maxEncodedHeadings = 120_000
)

// Fit cuts the end off texts that, as JSON, have no place in an event.
func (r Results) Fit() Results {
	room := maxEncodedHeadings
	for i, heading := range r.Headings {
		room -= len(`{"level":1,"text":""},`)
		for _, r := range heading.Text {
			room -= encodedLen(r)
		}
		if room < 0 {
			r.Headings, r.Truncated = r.Headings[:i], true
			break
		}
	}
	if text := cut(r.Text, maxEncodedText); len(text) < len(r.Text) {
		r.Text, r.Truncated = text, true
	}
	return r
}

// Heading is a line above a part of a text.
type Heading struct {
	Level int    `json:"level"`
	Text  string `json:"text"`
}

// cut returns the beginning of a text that takes no more than a number of bytes
// as a JSON string, by what encoding/json escapes.
func cut(text string, room int) string {
	for at, r := range text {
		if room -= encodedLen(r); room < 0 {
			return text[:at]
		}
	}
	return text
}

func encodedLen(r rune) int {
	switch r {
	case '"', '\\', '\n', '\t':
		return len(`\n`)
	case '<', '>', '&', '\u2028', '\u2029':
		return len(`\u003c`)
	}
	return utf8.RuneLen(r)
}
