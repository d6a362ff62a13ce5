package words_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/parlance-go/parlance/examples/education/internal/words"
	"github.com/parlance-go/parlance/internal/assert"
)

func TestJoin(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "",
		"  Hello, World!  ":         "hello world",
		"don't e-mail v2.0":         "don t e mail v2 0",
		"Größe naïve ΣΊΣΥΦΟΣ":       "große naive σισυφοσ",
		"光合成する plants":              "光 合 成 す る plants",
		"<b>'; DROP TABLE x;--":     "b drop table x",
		"ＦＵＬＬ ﬁne ½":                "full fine 12",
		"snake_case/path.md":        "snake case path md",
		"\u0301":                    "",
		strings.Repeat("é", 100):    strings.Repeat("e", 100),
		strings.Repeat("ж", 100):    strings.Repeat("ж", 60),
		"a\u00adb":                  "a b",
		"Ärzte\u202eund\x00Pfleger": "arzte und pfleger",
	} {
		assert.Equal(t, words.Join(text), want, "%q", text)
	}
}

func TestQueries(t *testing.T) {
	for typed, want := range map[string]struct{ fts5, tsquery string }{
		"Light":            {`"light" *`, `('light':*)`},
		"sugar  Light":     {`"sugar" AND "light" *`, `('sugar') & ('light':*)`},
		"don't stop":       {`"don t" AND "stop" *`, `('don' <-> 't') & ('stop':*)`},
		`" OR * NEAR(`:     {`"or" AND "near" *`, `('or') & ('near':*)`},
		"'); DROP TABLE--": {`"drop" AND "table" *`, `('drop') & ('table':*)`},
		"光合":               {`"光 合" *`, `('光' <-> '合':*)`},
	} {
		query := words.Parse(typed)
		assert.Equal(t, query.FTS5(), want.fts5)
		assert.Equal(t, query.TSQuery(), want.tsquery)
		assert.False(t, query.Empty() || query.Hopeless())
	}
	assert.True(t, words.Parse(" \t ").Empty())
	assert.True(t, words.Parse(`"*`).Hopeless())
	assert.False(t, words.Parse(`"*`).Empty())
	assert.True(t, len(words.Parse(strings.Repeat("ab ", 1000)).FTS5()) < 500, "queries are bounded")
}

func show(parts []words.Part) string {
	var b strings.Builder
	for _, part := range parts {
		if part.Hit {
			b.WriteString("[" + part.Text + "]")
		} else {
			b.WriteString(part.Text)
		}
	}
	return b.String()
}

func TestSnippet(t *testing.T) {
	long := strings.Repeat("before ", 30) + "Größe and größer, not Groß." + strings.Repeat(" after", 30)
	for name, test := range map[string]struct {
		query, text string
		size        int
		want        string
	}{
		"short":     {"cell", "A cell has a Cell-wall", 80, "A [cell] has a [Cell]-wall"},
		"around":    {"grosse große", long, 120, "…" + strings.Repeat("before ", 8) + "[Größe] and [größer], not Groß. after after after after after after…"},
		"prefix":    {"gro", "Größe, not Egro", 80, "[Größe], not Egro"},
		"no hit":    {"zebra", "one two three", 7, "one two…"},
		"no query":  {"", "one two three four", 9, "one two…"},
		"one word":  {"b", strings.Repeat("a", 50), 10, strings.Repeat("a", 10) + "…"},
		"empty":     {"b", "", 10, ""},
		"as it is":  {"script", "<script>x", 80, "<[script]>x"},
		"cut short": {"big", "a big " + strings.Repeat("ä", 50), 10, "a [big]…"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, show(words.Parse(test.query).Snippet(test.text, test.size)), test.want)
		})
	}
}

func TestTSVector(t *testing.T) {
	assert.Equal(t, words.TSVector(words.Weighted{"Cell walls", 'A'}, words.Weighted{"a cell's wall", 'D'}),
		"'a':3D 'cell':1A,4D 's':5D 'wall':6D 'walls':2A")
	assert.Equal(t, words.TSVector(), "")
	assert.True(t, len(words.TSVector(words.Weighted{strings.Repeat("a ", 100_000), 'D'})) < 2000, "places of one word are bounded")
}

func FuzzWords(f *testing.F) {
	f.Add("Größe, don't 光合成", "don't gr")
	f.Add("\xff\u0301ﷺ", `" OR *`)
	f.Fuzz(func(t *testing.T, text, typed string) {
		query := words.Parse(typed)
		for _, part := range query.Snippet(text, 50) {
			assert.True(t, part.Text != "")
		}
		for _, word := range strings.Fields(words.Join(text)) {
			assert.True(t, utf8.ValidString(word) && len(word) <= 120 && !strings.ContainsAny(word, `"'\:*()`))
		}
		assert.Equal(t, words.Join(words.Join(text)), words.Join(text))
	})
}
