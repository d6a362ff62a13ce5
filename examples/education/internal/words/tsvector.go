package words

import (
	"slices"
	"strconv"
	"strings"
)

// What PostgreSQL keeps of a text: a mebibyte in all, and the first 255 places
// of a word, up to the 16,383th.
const (
	maxVector = 1_000_000
	maxPlaces = 255
	maxPlace  = 16_383
)

// Weighted is a text and how much a hit in it counts: A more than D.
type Weighted struct {
	Text   string
	Weight byte
}

// TSVector returns the words of some texts as PostgreSQL's tsvector. Words that
// it has no room for are left out.
func TSVector(texts ...Weighted) string {
	places := make(map[string][]string)
	var order []string
	size, place := 0, 0
	for _, text := range texts {
		Each(text.Text, func(word string, _, _ int) bool {
			place = min(place+1, maxPlace)
			at, known := places[word]
			more := 2
			if !known {
				more += len(word) + 1 + 2
			}
			if len(at) == maxPlaces || size+more > maxVector {
				return true
			}
			if !known {
				order = append(order, word)
			}
			size += more
			places[word] = append(at, strconv.Itoa(place)+string(text.Weight))
			return true
		})
	}
	slices.Sort(order)
	var b strings.Builder
	for _, word := range order {
		b.WriteString("'" + word + "':" + strings.Join(places[word], ",") + " ")
	}
	return strings.TrimSuffix(b.String(), " ")
}
