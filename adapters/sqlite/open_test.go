package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/parlance-go/parlance/adapters/sqlite"
	"github.com/parlance-go/parlance/internal/assert"
)

func TestOpenTakesThePathAsItIs(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"plain.db", "with space.db", "what?.db", "what?mode=memory&cache=shared", "50%.db", "%2F.db", "a#b.db",
		"a&b=c;d.db", "ünï-😀.db", `quote'"quote.db`, `back\slash.db`, "file:x", ":memory:.db", "+plus+.db",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, name)
			db, err := sqlite.Open(t.Context(), path, sqlite.Config{})
			assert.NoError(t, err)
			appendOne(t, db, "content-1")
			assert.Equal(t, db.Path(), path)
			assert.NoError(t, db.Close())

			entries, err := os.ReadDir(dir)
			assert.NoError(t, err)
			assert.Equal(t, len(entries), 1, "one file is left after Close: %v", entries)
			assert.Equal(t, entries[0].Name(), name)

			assert.Equal(t, len(readStream(t, openPath(t, path), "content-1")), 1, "events after reopening")
		})
	}
}

func TestOpenTakesARelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	assert.NoError(t, os.Mkdir("data", 0o755))
	for _, path := range []string{"a.db", "./b?.db", filepath.Join("data", "c.db"), "./file:d"} {
		appendOne(t, openPath(t, path), "content-1")
		_, err := os.Stat(path)
		assert.NoError(t, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	assert.NoError(t, os.WriteFile(text, []byte("this is not a database, but it is long enough to be one, and more\n"), 0o600))
	for _, c := range []struct {
		path   string
		config sqlite.Config
		says   string
	}{
		{path: "", says: "no path"},
		{path: ":memory:", says: "in memory"},
		{path: "file:test.db?mode=ro", says: "not a URI"},
		{path: "a\x00b", says: "NUL"},
		{path: filepath.Join(dir, "missing", "test.db"), says: "unable to open database file"},
		{path: dir, says: "unable to open database file"},
		{path: text, says: "not a database"},
		{path: filepath.Join(dir, "a.db"), config: sqlite.Config{Readers: -1}, says: "Readers is -1"},
		{path: filepath.Join(dir, "a.db"), config: sqlite.Config{BusyTimeout: -1}, says: "BusyTimeout is -1ns"},
		{path: filepath.Join(dir, "a.db"), config: sqlite.Config{PollInterval: -1}, says: "PollInterval is -1ns"},
	} {
		_, err := sqlite.Open(t.Context(), c.path, c.config)
		assert.Error(t, err)
		assert.Contains(t, err.Error(), "sqlite: open ")
		assert.Contains(t, err.Error(), c.says)
	}
}

func TestOpenRefusesANewerSchema(t *testing.T) {
	t.Parallel()
	db := open(t)
	_, err := db.Writer().ExecContext(t.Context(),
		`INSERT INTO parlance_migrations (version, name, applied_at) VALUES (99, 'of the future', 0)`)
	assert.NoError(t, err)
	_, err = sqlite.Open(t.Context(), db.Path(), sqlite.Config{})
	assert.ErrorIs(t, err, sqlite.ErrSchema)
	assert.Equal(t, assert.ErrorAs[*sqlite.SchemaError](t, err).Found, 99)
}

func TestOpenEndsWithItsContext(t *testing.T) {
	t.Parallel()
	cause := fmt.Errorf("the program is told to stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	_, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "test.db"), sqlite.Config{})
	assert.ErrorIs(t, err, cause)
}

// Opened many times at once, a new file gets its log and its schema once.
func TestOpenANewFileManyTimesAtOnce(t *testing.T) {
	t.Parallel()
	for range 3 {
		path := filepath.Join(t.TempDir(), "test.db")
		var all sync.WaitGroup
		errs := make(chan error, 12)
		for range cap(errs) {
			all.Go(func() {
				db, err := sqlite.Open(t.Context(), path, sqlite.Config{})
				if err == nil {
					err = db.Close()
				}
				errs <- err
			})
		}
		all.Wait()
		close(errs)
		for err := range errs {
			assert.NoError(t, err)
		}
		var ids int
		assert.NoError(t, openPath(t, path).Reader().QueryRowContext(t.Context(), `SELECT count(*) FROM parlance_store`).Scan(&ids))
		assert.Equal(t, ids, 1)
	}
}

// What Open promises of its connections holds for each of them.
func TestEveryConnectionHasItsSettings(t *testing.T) {
	t.Parallel()
	db := openWith(t, filepath.Join(t.TempDir(), "test.db"), sqlite.Config{Readers: 3, BusyTimeout: 4 * time.Second})
	want := map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "4000", "secure_delete": "1",
	}
	check := func(pool *sql.DB, connections int, queryOnly string) {
		assert.Equal(t, pool.Stats().MaxOpenConnections, connections)
		for range connections {
			conn, err := pool.Conn(t.Context()) // kept until the end, so that each is another one
			assert.NoError(t, err)
			t.Cleanup(func() { assert.NoError(t, conn.Close()) })
			want["query_only"] = queryOnly
			for setting, value := range want {
				var got string
				assert.NoError(t, conn.QueryRowContext(t.Context(), "PRAGMA "+setting).Scan(&got))
				assert.Equal(t, got, value, "%s", setting)
			}
		}
	}
	check(db.Writer(), 1, "0")
	check(db.Reader(), 3, "1")
}

func TestReaderCannotWrite(t *testing.T) {
	t.Parallel()
	_, err := open(t).Reader().ExecContext(t.Context(), `CREATE TABLE contents (id TEXT)`)
	assert.Error(t, err)
	assert.Contains(t, err.Error(), "readonly")
}

func TestWriterTakesTheLockAtOnce(t *testing.T) {
	t.Parallel()
	db := open(t)
	other := openWith(t, db.Path(), sqlite.Config{BusyTimeout: 10 * time.Millisecond})
	tx, err := db.Writer().BeginTx(t.Context(), nil)
	assert.NoError(t, err)
	_, err = other.Writer().BeginTx(t.Context(), nil)
	assert.Error(t, err, "a transaction that has not written yet has the lock already")
	assert.NoError(t, tx.Rollback())
}

func TestFullTextSearchIsThere(t *testing.T) {
	t.Parallel()
	db := open(t)
	_, err := db.Writer().ExecContext(t.Context(), `CREATE VIRTUAL TABLE words USING fts5(title)`)
	assert.NoError(t, err)
	_, err = db.Writer().ExecContext(t.Context(), `INSERT INTO words VALUES ('Go concurrency patterns')`)
	assert.NoError(t, err)
	var title string
	assert.NoError(t, db.Reader().QueryRowContext(t.Context(), `SELECT title FROM words WHERE words MATCH 'patterns'`).Scan(&title))
	assert.Equal(t, title, "Go concurrency patterns")
}
