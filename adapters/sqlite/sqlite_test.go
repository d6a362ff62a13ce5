package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/parlance-go/parlance/adapters/sqlite"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

// open opens a database in a folder of the test's own.
func open(tb testing.TB) *sqlite.Database {
	tb.Helper()
	return openPath(tb, filepath.Join(tb.TempDir(), "test.db"))
}

func openPath(tb testing.TB, path string) *sqlite.Database {
	tb.Helper()
	return openWith(tb, path, patient)
}

// patient is for a machine that is busy with other tests.
var patient = sqlite.Config{BusyTimeout: time.Minute}

func openWith(tb testing.TB, path string, config sqlite.Config) *sqlite.Database {
	tb.Helper()
	db, err := sqlite.Open(tb.Context(), path, config)
	assert.NoError(tb, err)
	tb.Cleanup(func() { assert.NoError(tb, db.Close()) })
	return db
}

// appendOne appends an event to a stream, whatever it holds.
func appendOne(tb testing.TB, db *sqlite.Database, stream string) eventstore.Appended {
	tb.Helper()
	appended, err := storeOf(db).Append(tb.Context(), stream, eventstore.Any, eventstore.Event{Type: "ContentUploaded"})
	assert.NoError(tb, err)
	return appended
}

func readStream(tb testing.TB, db *sqlite.Database, stream string) (events []eventstore.Recorded) {
	tb.Helper()
	for event, err := range storeOf(db).Read(tb.Context(), stream, 1) {
		assert.NoError(tb, err)
		events = append(events, event)
	}
	return events
}

func readAll(tb testing.TB, db *sqlite.Database, after eventstore.Checkpoint) (events []eventstore.Recorded) {
	tb.Helper()
	for event, err := range storeOf(db).ReadAll(tb.Context(), after, eventstore.Filter{}) {
		assert.NoError(tb, err)
		events = append(events, event)
	}
	return events
}

func storeOf(db *sqlite.Database) *eventstore.Store {
	return eventstore.New(db.EventStore(), eventstore.Config{})
}
