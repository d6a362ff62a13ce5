package readmodel_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/parlance-go/parlance/adapters/postgres"
	"github.com/parlance-go/parlance/adapters/sqlite"
	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/examples/education/internal/content"
	"github.com/parlance-go/parlance/examples/education/internal/readmodel"
	"github.com/parlance-go/parlance/examples/education/internal/words"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// fixture is a read model in one of the databases, with the contents it is made
// of.
type fixture struct {
	commands *cqrs.Commands
	queries  *cqrs.Queries
	project  func(ctx context.Context) error
}

func newFixture[Tx any](t *testing.T, driver eventstore.Driver, target cqrs.Target[Tx], projection cqrs.Projection[Tx], reader readmodel.Reader) *fixture {
	t.Helper()
	store := eventstore.New(driver, eventstore.Config{})
	contents, err := content.NewRepository(store)
	assert.NoError(t, err)
	projector, err := cqrs.NewProjector(store, target, projection, cqrs.Config{})
	assert.NoError(t, err)
	f := &fixture{commands: cqrs.NewCommands(), queries: cqrs.NewQueries(), project: func(ctx context.Context) error {
		// An event that cannot be applied is tried again for ever.
		ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
		defer cancel()
		return projector.CatchUp(ctx)
	}}
	assert.NoError(t, content.Handle(f.commands, contents))
	assert.NoError(t, readmodel.Answer(f.queries, reader))
	return f
}

// each runs a test with both databases.
func each(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"), sqlite.Config{})
		assert.NoError(t, err)
		t.Cleanup(func() { _ = db.Close() })
		projection, err := readmodel.SQLiteProjection()
		assert.NoError(t, err)
		test(t, newFixture[*sql.Tx](t, db.EventStore(), db.Projections(), projection, readmodel.NewSQLite(db.Reader(), db.Projections())))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		pool, err := pgxpool.New(t.Context(), testenv.Postgres(t))
		assert.NoError(t, err)
		t.Cleanup(pool.Close)
		driver, err := postgres.OpenEventStore(t.Context(), pool, postgres.EventStoreConfig{})
		assert.NoError(t, err)
		target, err := postgres.OpenProjections(t.Context(), pool, postgres.ProjectionsConfig{})
		assert.NoError(t, err)
		projection, err := readmodel.PostgresProjection()
		assert.NoError(t, err)
		test(t, newFixture[pgx.Tx](t, driver, target, projection, readmodel.NewPostgres(pool, target)))
	})
}

func send[C any](t *testing.T, f *fixture, command C) {
	t.Helper()
	assert.NoError(t, cqrs.Send(t.Context(), f.commands, command))
}

// publish takes a content all the way, and returns its ID.
func (f *fixture) publish(t *testing.T, fileName string, results content.Results) string {
	t.Helper()
	id := content.ID(fileName, results.Text)
	if results.ContentType == "" {
		results.ContentType = "text/markdown"
	}
	send(t, f, content.UploadContent{ID: id, Upload: content.Upload{
		Title: fileName, FileName: fileName, Source: "docs/" + fileName, ContentType: "text/markdown", Size: 100,
	}})
	send(t, f, content.StartProcessing{ID: id})
	send(t, f, content.CompleteProcessing{ID: id, Results: results.Fit()})
	send(t, f, content.Publish{ID: id})
	return id
}

func (f *fixture) search(t *testing.T, search readmodel.Search) (titles []string, total int) {
	t.Helper()
	page, err := cqrs.Ask(t.Context(), f.queries, search)
	assert.NoError(t, err)
	for _, hit := range page.Hits {
		titles = append(titles, hit.Title)
	}
	return titles, page.Total
}

func (f *fixture) find(t *testing.T, typed string) []string {
	t.Helper()
	titles, total := f.search(t, readmodel.Search{Query: words.Parse(typed)})
	assert.Equal(t, total, len(titles), "total for %q", typed)
	return titles
}

func TestSearch(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.publish(t, "cells.md", content.Results{
			Title: "Cells", Text: "A cell has a membrane. Größe matters, don't it?",
			Headings: []content.Heading{{Level: 1, Text: "Cells"}, {Level: 2, Text: "The wall"}},
		})
		f.publish(t, "plants.md", content.Results{Title: "Plants", Text: "Plants have cells. Path examples/education/main.go, user@example.org. 光合成"})
		f.publish(t, "hostile.md", content.Results{Title: `<script>alert("x")</script>'; DROP TABLE contents;--`, Text: "harmless"})
		f.publish(t, "photo.png", content.Results{ContentType: "image/png", Width: 640, Height: 320})
		assert.NoError(t, f.project(t.Context()))

		for typed, want := range map[string][]string{
			"membrane":                {"Cells"},
			"MEMBRANE":                {"Cells"},
			"mem":                     {"Cells"},           // a prefix
			"mem cell":                nil,                 // only the last word is one
			"cell membrane":           {"Cells"},           // both, in any order
			"cells":                   {"Cells", "Plants"}, // the title counts most
			"wall":                    {"Cells"},           // a heading
			"große":                   {"Cells"},           // accents do not matter
			"grosse":                  nil,                 // other letters do
			"don't":                   {"Cells"},           // two words in a row
			"t don":                   {"Cells"},           // prefix and word, in no row
			"education":               {"Plants"},          // inside a path
			"examples/education/main": {"Plants"},          // words in a row
			"education/examples":      nil,                 // the wrong way round
			"光合":                      {"Plants"},          //
			"合光":                      nil,                 //
			"photo.png":               {"photo.png"},       // a file's name
			"script alert":            {`<script>alert("x")</script>'; DROP TABLE contents;--`},
			"zebra":                   nil,
			`" OR * NEAR(`:            nil,
			`"`:                       nil,
			"*":                       nil,
			"'":                       nil,
			`\`:                       nil,
			"cells AND NOT plants":    nil,
			"title:cells":             nil,
			"{}":                      nil,
			"cells'":                  {"Cells", "Plants"},
			"cells:*":                 {"Cells", "Plants"},
			"!cells":                  {"Cells", "Plants"},
			"cells\x00":               {"Cells", "Plants"},
			"cells\xff":               {"Cells", "Plants"},
		} {
			assert.Equal(t, f.find(t, typed), want, "search for %q", typed)
		}

		titles, total := f.search(t, readmodel.Search{ContentType: "image/png"})
		assert.Equal(t, titles, []string{"photo.png"})
		assert.Equal(t, total, 1)
		titles, _ = f.search(t, readmodel.Search{Query: words.Parse("cells"), ContentType: "image/png"})
		assert.Equal(t, len(titles), 0)
		titles, _ = f.search(t, readmodel.Search{ContentType: "'; DROP TABLE contents;--"})
		assert.Equal(t, len(titles), 0)
		titles, _ = f.search(t, readmodel.Search{Query: words.Parse("plants"), Status: "published"})
		assert.Equal(t, titles, []string{"Plants"})
		titles, _ = f.search(t, readmodel.Search{Status: "failed"})
		assert.Equal(t, len(titles), 0)
	})
}

func TestRowsFollowEvents(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		id := content.ID("a.txt", "")
		at := func(want readmodel.Content) {
			t.Helper()
			assert.NoError(t, f.project(t.Context()))
			got, err := cqrs.Ask(t.Context(), f.queries, readmodel.Get{ID: id})
			assert.NoError(t, err)
			assert.False(t, got.UploadedAt.IsZero() || got.UpdatedAt.Before(got.UploadedAt))
			got.UploadedAt, got.UpdatedAt = want.UploadedAt, want.UpdatedAt
			assert.Equal(t, got.Content, want)
		}
		row := readmodel.Content{
			ID: id, Title: "a.txt", FileName: "a.txt", Source: "upload", ContentType: "text/plain",
			Status: content.Uploaded, Size: 7, Version: 1,
		}
		send(t, f, content.UploadContent{ID: id, Upload: content.Upload{
			Title: "a.txt", FileName: "a.txt", Source: "upload", ContentType: "text/plain", Size: 7, Hash: "x",
		}})
		at(row)
		assert.Equal(t, f.find(t, "a.txt"), []string{"a.txt"}, "found by its name while it is processed")
		send(t, f, content.StartProcessing{ID: id})
		row.Status, row.Version = content.Processing, 2
		at(row)
		send(t, f, content.FailProcessing{ID: id, Reason: "it is <empty>"})
		row.Status, row.Reason, row.Version = content.Failed, "it is <empty>", 3
		at(row)
		send(t, f, content.StartProcessing{ID: id})
		row.Status, row.Reason, row.Version = content.Processing, "", 4
		at(row)
		results := content.Results{
			Title: "Now it works", ContentType: "audio/wav", Words: 3, Truncated: true, Text: "one two three",
			Width: 1, Height: 2, DurationMS: 1500, Headings: []content.Heading{{Level: 2, Text: "H"}},
		}
		send(t, f, content.CompleteProcessing{ID: id, Results: results})
		send(t, f, content.Publish{ID: id})
		row.Status, row.Version, row.Title, row.ContentType = content.Published, 6, results.Title, results.ContentType
		row.Words, row.Truncated, row.Width, row.Height, row.DurationMS = 3, true, 1, 2, 1500
		at(row)
		detail, err := cqrs.Ask(t.Context(), f.queries, readmodel.Get{ID: id})
		assert.NoError(t, err)
		assert.Equal(t, detail.Text, results.Text)
		assert.Equal(t, detail.Headings, results.Headings)
		assert.Equal(t, f.find(t, "two"), []string{"Now it works"})
		assert.Equal(t, f.find(t, "a.txt"), []string{"Now it works"}, "still found by its name")

		_, err = cqrs.Ask(t.Context(), f.queries, readmodel.Get{ID: "nobody"})
		assert.ErrorIs(t, err, readmodel.ErrNotFound)
		counts, err := cqrs.Ask(t.Context(), f.queries, readmodel.Summary{})
		assert.NoError(t, err)
		assert.Equal(t, counts, []readmodel.Count{{Status: content.Published, ContentType: "audio/wav", Contents: 1, Words: 3, Bytes: 7}})
	})
}

func TestPages(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		const n = readmodel.PageSize + 5
		for i := range n {
			f.publish(t, fmt.Sprintf("%02d.md", i), content.Results{Text: fmt.Sprint("common ", i)})
		}
		assert.NoError(t, f.project(t.Context()))
		for _, typed := range []string{"", "common"} {
			var all []string
			for page := 1; page <= 3; page++ {
				titles, total := f.search(t, readmodel.Search{Query: words.Parse(typed), Page: page})
				assert.Equal(t, total, n)
				all = append(all, titles...)
			}
			assert.Equal(t, len(all), n)
			for i, title := range all {
				assert.Equal(t, title, fmt.Sprintf("%02d.md", n-1-i), "the latest first")
			}
		}
		for _, page := range []int{-1, 0} {
			titles, _ := f.search(t, readmodel.Search{Page: page})
			assert.Equal(t, titles[0], fmt.Sprintf("%02d.md", n-1))
		}
		titles, _ := f.search(t, readmodel.Search{Page: 1 << 60})
		assert.Equal(t, len(titles), 0)
	})
}

func TestSnippetShowsTheHit(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.publish(t, "long.md", content.Results{Title: "Long", Text: "Long\n" + strings.Repeat("filler ", 1000) + "needle <b>end</b>"})
		assert.NoError(t, f.project(t.Context()))
		page, err := cqrs.Ask(t.Context(), f.queries, readmodel.Search{Query: words.Parse("needle")})
		assert.NoError(t, err)
		assert.Equal(t, page.Hits[0].Snippet[2:], []words.Part{{Text: "needle", Hit: true}, {Text: " <b>end</b>"}})
		page, err = cqrs.Ask(t.Context(), f.queries, readmodel.Search{})
		assert.NoError(t, err)
		assert.True(t, strings.HasPrefix(page.Hits[0].Snippet[0].Text, "filler"), "the title is not repeated")
	})
}

// TestAnyTextCanBeIndexed: an event that a database refuses would stop the
// projection for ever.
func TestAnyTextCanBeIndexed(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		const full, part = 480 << 10, 32 << 10
		distinct := func(size int, alphabet []rune, length int) string {
			var b strings.Builder
			for n := 0; b.Len() < size; n++ {
				for i, rest := 0, n; i < length; i++ {
					b.WriteRune(alphabet[rest%len(alphabet)])
					rest /= len(alphabet)
				}
				b.WriteByte(' ')
			}
			return b.String()[:size]
		}
		var han []rune
		for r := rune(0x4e00); r < 0x9fff; r++ {
			han = append(han, r)
		}
		latin, cyrillic := []rune("abcdefghijklmnopqrstuvwxyz0123456789"), []rune("абвгдежзиклмнопрстуфхцчшщыэюя")
		texts := map[string]string{
			"words": distinct(4*part, latin, 4), "cyrillic": distinct(part, cyrillic, 4), "han": distinct(part, han, 1),
			"expanding":    distinct(full, []rune{'ﷺ', 'a', 'b', 'c', 'd', 'e', '1', '2', '3'}, 6),
			"one word":     strings.Repeat("a", part),
			"one for ever": strings.Repeat("a ", part),
			"quotes":       strings.Repeat(`'"\ `, part/4),
			"marks":        strings.Repeat("\u0301\u0e31", part/8),
			"emoji":        strings.Repeat("👩‍🚀 ", part/16),
			"new letters":  "\U0001e900\U00010d4a\U00016d40 needle",
			"markup":       strings.Repeat("<&>", part/3),
		}
		for name, text := range texts {
			f.publish(t, name+".md", content.Results{Title: name, Text: strings.ToValidUTF8(text, "")})
		}
		assert.NoError(t, f.project(t.Context()))
		_, total := f.search(t, readmodel.Search{Status: "published"})
		assert.Equal(t, total, len(texts))
		assert.Equal(t, f.find(t, "needle"), []string{"new letters"})
		assert.Equal(t, f.find(t, "\U0001e900\U00010d4a"), []string{"new letters"})
	})
}
