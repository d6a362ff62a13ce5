// Package words decides what a word is, once for all databases: for the text
// that is indexed, for what people search, and for what is marked in a result.
//
// A word is a run of letters, digits and marks, in lower case and without
// accents; a character of a script that is written without spaces is a word by
// itself. Databases are given words that are found already, so that none of
// them has to agree on what Größe, don't or 光合成 consist of.
package words

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxWord is the longest word in bytes; what follows is cut. PostgreSQL takes
// no more than 2046.
const maxWord = 120

// Each calls yield with each word of a text and its place in it, until yield
// returns false.
func Each(text string, yield func(word string, start, end int) bool) {
	start := -1
	for at, r := range text {
		alone := single(r)
		if inWord(r) && !alone {
			if start < 0 {
				start = at
			}
			continue
		}
		if start >= 0 && !each(text, start, at, yield) {
			return
		}
		start = -1
		if alone && !each(text, at, at+utf8.RuneLen(r), yield) {
			return
		}
	}
	if start >= 0 {
		each(text, start, len(text), yield)
	}
}

func each(text string, start, end int, yield func(string, int, int) bool) bool {
	word := fold(text[start:end])
	return word == "" || yield(word, start, end)
}

// Join returns the words of a text with a blank between them.
func Join(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	Each(text, func(word string, _, _ int) bool {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(word)
		return true
	})
	return b.String()
}

func inWord(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z'
	}
	return unicode.In(r, unicode.L, unicode.N, unicode.M)
}

func single(r rune) bool {
	return r >= 0x0e00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar) && unicode.In(r, unicode.L, unicode.N)
}

// fold returns a word as it is compared.
func fold(raw string) string {
	plain, lower := true, true
	for i := range len(raw) {
		plain = plain && raw[i] < utf8.RuneSelf
		lower = lower && (raw[i] < 'A' || raw[i] > 'Z')
	}
	switch {
	case plain && lower:
	case plain:
		raw = strings.ToLower(raw)
	default:
		raw = strings.Map(func(r rune) rune {
			switch {
			case unicode.Is(unicode.Mn, r) || !inWord(r):
				return -1
			case r == 'ς':
				return 'σ'
			}
			return unicode.ToLower(r)
		}, norm.NFKD.String(raw))
	}
	if len(raw) <= maxWord {
		return raw
	}
	end := maxWord
	for !utf8.RuneStart(raw[end]) {
		end--
	}
	return raw[:end]
}
