package words

import (
	"strings"
	"unicode/utf8"
)

// MaxQuery is how much of what somebody typed is looked for, in bytes.
const MaxQuery = 500

const maxQueryWords = 32

// Query is what somebody looks for: a text in which every phrase stands. The
// zero Query looks for nothing in particular.
type Query struct {
	// phrases are words in a row: "don't" is two. The last word of the last
	// phrase stands for all words that begin with it.
	phrases  [][]string
	hopeless bool
}

// Parse makes a Query of what somebody typed. Every text is a query; none has a
// syntax that could be wrong.
func Parse(typed string) Query {
	var q Query
	count := 0
	if len(typed) > MaxQuery {
		typed = typed[:MaxQuery]
	}
	typed = strings.ToValidUTF8(typed, " ")
	for _, chunk := range strings.Fields(typed) {
		var phrase []string
		Each(chunk, func(word string, _, _ int) bool {
			phrase = append(phrase, word)
			count++
			return count < maxQueryWords
		})
		if len(phrase) > 0 {
			q.phrases = append(q.phrases, phrase)
		}
		if count == maxQueryWords {
			break
		}
	}
	q.hopeless = len(q.phrases) == 0 && strings.TrimSpace(typed) != ""
	return q
}

// Empty tells that everything is looked for.
func (q Query) Empty() bool { return len(q.phrases) == 0 && !q.hopeless }

// Hopeless tells that something is looked for that has no word in it, and so is
// nowhere.
func (q Query) Hopeless() bool { return q.hopeless }

// FTS5 returns the query for SQLite. Words are letters and digits only, so that
// there is nothing to escape.
func (q Query) FTS5() string {
	parts := make([]string, len(q.phrases))
	for i, phrase := range q.phrases {
		parts[i] = `"` + strings.Join(phrase, " ") + `"`
	}
	return strings.Join(parts, " AND ") + " *"
}

// TSQuery returns the query for PostgreSQL.
func (q Query) TSQuery() string {
	parts := make([]string, len(q.phrases))
	for i, phrase := range q.phrases {
		parts[i] = "('" + strings.Join(phrase, "' <-> '") + "')"
	}
	all := strings.Join(parts, " & ")
	return strings.TrimSuffix(all, ")") + ":*)"
}

// Part is a piece of a text.
type Part struct {
	Text string `json:"text"`
	// Hit tells that it was looked for.
	Hit bool `json:"hit,omitempty"`
}

// Snippet returns about size characters of a text: around the first word that
// was looked for, or else the beginning. The parts put together are the piece
// of the text, with an ellipsis where something was left out.
func (q Query) Snippet(text string, size int) []Part {
	before := min(60, size/2) // characters that are shown of what stands before the hit
	first := 0
	if len(q.phrases) > 0 {
		Each(text, func(word string, start, _ int) bool {
			if q.hit(word) {
				first = start
				return false
			}
			return true
		})
	}
	begin, end := q.window(text, first, before, size)
	var parts []Part
	add := func(s string, hit bool) {
		if s != "" {
			parts = append(parts, Part{s, hit})
		}
	}
	if begin > 0 {
		add("…", false)
	}
	at := begin
	Each(text[begin:end], func(word string, start, stop int) bool {
		if q.hit(word) {
			add(text[at:begin+start], false)
			add(text[begin+start:begin+stop], true)
			at = begin + stop
		}
		return true
	})
	add(text[at:end], false)
	if end < len(text) {
		add("…", false)
	}
	return parts
}

func (q Query) hit(word string) bool {
	for i, phrase := range q.phrases {
		for j, wanted := range phrase {
			last := i == len(q.phrases)-1 && j == len(phrase)-1
			if word == wanted || last && strings.HasPrefix(word, wanted) {
				return true
			}
		}
	}
	return false
}

// window returns a piece of the text around a place, beginning and ending at
// white space where there is some.
func (Query) window(text string, place, before, size int) (begin, end int) {
	begin = back(text, place, before)
	if begin > 0 {
		if gap := strings.IndexAny(text[begin:place], " \n\t"); gap >= 0 {
			begin += gap + 1
		}
	}
	end = forward(text, begin, size)
	if end < len(text) && !strings.ContainsRune(" \n\t", rune(text[end])) {
		if gap := strings.LastIndexAny(text[place:end], " \n\t"); gap > 0 {
			end = place + gap
		}
	}
	return begin, end
}

func back(text string, at, characters int) int {
	for ; at > 0 && characters > 0; characters-- {
		_, size := utf8.DecodeLastRuneInString(text[:at])
		at -= size
	}
	return at
}

func forward(text string, at, characters int) int {
	for ; at < len(text) && characters > 0; characters-- {
		_, size := utf8.DecodeRuneInString(text[at:])
		at += size
	}
	return at
}
