package sqlite_test

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

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

// An erasure that its caller stops has happened wholly or not at all.
func TestErasureThatIsStopped(t *testing.T) {
	t.Parallel()
	db := open(t)
	store := storeOf(db)
	const events = 10_000
	batch := make([]eventstore.Event, events)
	for i := range batch {
		batch[i] = eventstore.Event{ID: uuid.New(), Type: "ContentUploaded", Data: []byte("text")}
	}
	_, err := store.Append(t.Context(), "content-1", eventstore.NoStream, batch...)
	assert.NoError(t, err)
	stopped := 0
	for delay := time.Duration(0); stopped < 3 || delay == 0; delay += 200 * time.Microsecond {
		ctx, cancel := context.WithTimeoutCause(t.Context(), delay, errStop)
		err := store.Truncate(ctx, "content-1", events)
		cancel()
		if err == nil {
			break
		}
		assert.ErrorIs(t, err, errStop)
		stopped++
		assert.Equal(t, len(readStream(t, db, "content-1")), events)
		appendOne(t, db, "other-1") // the connection is as good as new
	}
	assert.True(t, stopped > 0, "no erasure was stopped")
}
