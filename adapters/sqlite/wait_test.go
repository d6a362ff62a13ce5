package sqlite_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/parlance-go/parlance/adapters/sqlite"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

func TestWaitReturnsAtOnceForWhatIsThere(t *testing.T) {
	t.Parallel()
	db := openWith(t, filepath.Join(t.TempDir(), "test.db"), sqlite.Config{PollInterval: time.Hour})
	appendOne(t, db, "content-1")
	assert.NoError(t, db.EventStore().Wait(t.Context(), eventstore.Checkpoint{}))
	// Also for a reader that came after the one who looked into the file last.
	again := openWith(t, db.Path(), sqlite.Config{PollInterval: time.Hour})
	assert.NoError(t, again.EventStore().Wait(t.Context(), eventstore.Checkpoint{}))
	assert.NoError(t, again.EventStore().Wait(t.Context(), eventstore.Checkpoint{}))
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	errs := make(chan error, 1)
	go func() { errs <- db.EventStore().Wait(ctx, eventstore.Checkpoint{}) }()
	settle()
	cancel(errStop)
	assert.ErrorIs(t, <-errs, errStop)
}

// An append of the same process wakes those who wait, however seldom they poll,
// and whenever it happens between their reading and their waiting.
func TestAppendWakesThoseWhoWait(t *testing.T) {
	t.Parallel()
	db := openWith(t, filepath.Join(t.TempDir(), "test.db"), sqlite.Config{PollInterval: time.Hour})
	const events, readers = 200, 4
	done := make(chan error, readers)
	for range readers {
		go func() {
			n := 0
			for _, err := range storeOf(db).Subscribe(t.Context(), eventstore.Checkpoint{}, eventstore.Filter{}) {
				if n++; err != nil || n == events {
					done <- err
					return
				}
			}
		}()
	}
	for n := range events {
		appendOne(t, db, fmt.Sprintf("content-%d", n))
	}
	for range readers {
		select {
		case err := <-done:
			assert.NoError(t, err)
		case <-time.After(20 * time.Second):
			t.Fatal("a reader sleeps through an append")
		}
	}
}

// What another process appends, or a transaction on the Writer, is noticed by
// looking.
func TestWaitNoticesOthers(t *testing.T) {
	t.Parallel()
	db := open(t)
	other := openPath(t, db.Path())
	errs := make(chan error, 3)
	for range cap(errs) {
		go func() { errs <- db.EventStore().Wait(t.Context(), eventstore.Checkpoint{}) }()
	}
	settle()
	start := time.Now()
	appendOne(t, other, "content-1")
	for range cap(errs) {
		assert.NoError(t, <-errs)
	}
	assert.True(t, time.Since(start) < 5*time.Second, "it took %s", time.Since(start))
}
