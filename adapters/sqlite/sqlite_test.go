package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/parlance-go/parlance/adapters/sqlite"
	"github.com/parlance-go/parlance/internal/assert"
)

// open opens a database in a folder of the test's own.
func open(tb testing.TB) *sqlite.Database {
	tb.Helper()
	return openPath(tb, filepath.Join(tb.TempDir(), "test.db"))
}

func openPath(tb testing.TB, path string) *sqlite.Database {
	tb.Helper()
	db, err := sqlite.Open(tb.Context(), path, sqlite.Config{})
	assert.NoError(tb, err)
	tb.Cleanup(func() { assert.NoError(tb, db.Close()) })
	return db
}
