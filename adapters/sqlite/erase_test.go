package sqlite_test

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/parlance-go/parlance/adapters/sqlite"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

// After Scrub, no byte of an erased event is in the file or its log.
func TestErasedBytesLeaveTheFile(t *testing.T) {
	t.Parallel()
	const secret = "Ada-Lovelace-1815"
	db := open(t)
	store := storeOf(db)
	ctx := t.Context()
	// From a few in a page to many pages each, between others that stay.
	for _, size := range []int{0, 40, 400, 3000, 5000, 40_000, 400_000} {
		for range 5 {
			data := []byte(secret + strings.Repeat("x", size) + secret)
			_, err := store.Append(ctx, "person-1", eventstore.Any, eventstore.Event{
				Type: "PersonRegistered", Data: data,
				Metadata: eventstore.Metadata{
					Actor: secret, CorrelationID: secret, CausationID: secret, TraceParent: secret,
					Extra: map[string]string{"name": secret},
				},
			})
			assert.NoError(t, err)
			_, err = store.Append(ctx, "person-2", eventstore.Any, eventstore.Event{Type: "PersonRegistered", Data: make([]byte, size)})
			assert.NoError(t, err)
		}
	}
	found := func() (n int) {
		for _, suffix := range []string{"", "-wal"} {
			content, err := os.ReadFile(db.Path() + suffix)
			assert.NoError(t, err)
			n += bytes.Count(content, []byte(secret))
		}
		return n
	}
	assert.True(t, found() > 0, "the test looks in the right place")
	assert.NoError(t, store.Delete(ctx, "person-1", eventstore.Any))
	assert.NoError(t, db.Scrub(ctx))
	assert.Equal(t, found(), 0, "copies of the secret")
	assert.Equal(t, len(readStream(t, db, "person-2")), 35)
}

func TestScrubWaitsForReaders(t *testing.T) {
	t.Parallel()
	db := openWith(t, t.TempDir()+"/test.db", sqlite.Config{BusyTimeout: 100 * time.Millisecond})
	appendOne(t, db, "content-1")
	tx, err := db.Reader().BeginTx(t.Context(), nil)
	assert.NoError(t, err)
	var n int
	assert.NoError(t, tx.QueryRowContext(t.Context(), `SELECT count(*) FROM parlance_events`).Scan(&n))
	appendOne(t, db, "content-1")
	assert.ErrorIs(t, db.Scrub(t.Context()), sqlite.ErrBusy)
	assert.NoError(t, tx.Rollback())
	assert.NoError(t, db.Scrub(t.Context()))
}

// An erasure that its caller stops ends soon, and nothing has happened.
func TestErasureThatIsStopped(t *testing.T) {
	t.Parallel()
	db := open(t)
	for range 3 {
		appendOne(t, db, "content-1")
	}
	// With this, erasing the second event takes longer than the test may.
	_, err := db.Writer().ExecContext(t.Context(), `CREATE TRIGGER slow BEFORE UPDATE ON parlance_events WHEN NEW.version = 2 BEGIN
		INSERT INTO parlance_store SELECT n FROM (
			WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers) SELECT n FROM numbers) WHERE n < 0;
		END`)
	assert.NoError(t, err)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, errStop)
	defer cancel()
	assert.ErrorIs(t, storeOf(db).Delete(ctx, "content-1", eventstore.Any), errStop)
	assert.Equal(t, len(readStream(t, db, "content-1")), 3)
	var erased int
	assert.NoError(t, db.Reader().QueryRowContext(t.Context(), `SELECT count(*) FROM parlance_events WHERE data IS NULL`).Scan(&erased))
	assert.Equal(t, erased, 0)

	_, err = db.Writer().ExecContext(t.Context(), `DROP TRIGGER slow`)
	assert.NoError(t, err, "the connection is as good as new")
	assert.NoError(t, storeOf(db).Delete(t.Context(), "content-1", eventstore.Any))
	assert.Equal(t, len(readStream(t, db, "content-1")), 0)
}
