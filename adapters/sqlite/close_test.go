package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/parlance-go/parlance/adapters/sqlite"
	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

func TestCloseTwice(t *testing.T) {
	t.Parallel()
	db := open(t)
	assert.NoError(t, db.Close())
	assert.NoError(t, db.Close())
}

func TestAfterClose(t *testing.T) {
	t.Parallel()
	db := open(t)
	assert.NoError(t, db.Close())
	driver := db.EventStore()
	ctx := t.Context()
	_, err := storeOf(db).Append(ctx, "content-1", eventstore.Any, eventstore.Event{Type: "ContentUploaded"})
	assert.ErrorIs(t, err, sqlite.ErrClosed)
	_, err = driver.ReadStream(ctx, eventstore.StreamRange{Stream: "content-1", From: 1, Max: 1})
	assert.ErrorIs(t, err, sqlite.ErrClosed)
	_, err = driver.ReadAll(ctx, eventstore.AllRange{Max: 1})
	assert.ErrorIs(t, err, sqlite.ErrClosed)
	_, err = driver.Count(ctx, eventstore.AllRange{})
	assert.ErrorIs(t, err, sqlite.ErrClosed)
	assert.ErrorIs(t, driver.Wait(ctx, eventstore.Checkpoint{}), sqlite.ErrClosed)
	assert.ErrorIs(t, driver.Erase(ctx, eventstore.Erasure{Stream: "content-1", Kind: eventstore.Delete}), sqlite.ErrClosed)
	assert.ErrorIs(t, db.Scrub(ctx), sqlite.ErrClosed)
}

// Whoever waits for events, for the writer's connection or for the lock of
// another process learns at once that the database is closed.
func TestCloseEndsWhatWaits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what string
		lock bool
		own  bool
		call func(ctx context.Context, db *sqlite.Database) error
	}{
		{what: "a subscription", call: func(ctx context.Context, db *sqlite.Database) error {
			for _, err := range storeOf(db).Subscribe(ctx, eventstore.Checkpoint{}, eventstore.Filter{}) {
				return err
			}
			return errors.New("no error")
		}},
		{what: "an append behind another process", lock: true, call: appendTo("content-1")},
		{what: "an append behind a transaction of its own", lock: true, own: true, call: appendTo("content-1")},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			db, owner := open(t), (*sqlite.Database)(nil)
			if owner = db; !c.own {
				owner = openPath(t, db.Path())
			}
			if c.lock {
				tx, err := owner.Writer().BeginTx(t.Context(), nil)
				assert.NoError(t, err)
				defer func() { assert.NoError(t, tx.Rollback()) }()
			}
			errs := make(chan error, 3)
			for range cap(errs) {
				go func() { errs <- c.call(t.Context(), db) }()
			}
			time.Sleep(50 * time.Millisecond) // until they wait, in SQLite or in a select: nothing tells from outside
			start := time.Now()
			assert.NoError(t, db.Close())
			for range cap(errs) {
				assert.ErrorIs(t, <-errs, sqlite.ErrClosed)
			}
			assert.True(t, time.Since(start) < 2*time.Second, "it took %s", time.Since(start))
		})
	}
}

func appendTo(stream string) func(context.Context, *sqlite.Database) error {
	return func(ctx context.Context, db *sqlite.Database) error {
		_, err := storeOf(db).Append(ctx, stream, eventstore.Any, eventstore.Event{Type: "ContentUploaded"})
		return err
	}
}

func TestNoGoroutineIsLeftBehind(t *testing.T) {
	db := open(t)
	store := storeOf(db)
	for range 100 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		_, _ = store.Append(ctx, "content-1", eventstore.Any, eventstore.Event{Type: "ContentUploaded"})
		for _, err := range store.Subscribe(ctx, eventstore.Checkpoint{}, eventstore.Filter{}) {
			if err != nil {
				break
			}
		}
		cancel()
	}
	assert.NoError(t, db.Close())
	var stacks string
	for range 200 {
		buffer := make([]byte, 1<<20)
		stacks = string(buffer[:runtime.Stack(buffer, true)])
		if !strings.Contains(stacks, "sqlite.(*") && !strings.Contains(stacks, "database/sql.(*") {
			return
		}
		time.Sleep(10 * time.Millisecond) // database/sql ends its goroutines a moment after Close has returned
	}
	t.Fatalf("goroutines after Close:\n%s", stacks)
}

// Nothing comes of trying again, so a Projector whose Database was closed under
// it ends.
func TestProjectorEndsWithItsDatabase(t *testing.T) {
	t.Parallel()
	db := open(t)
	store := eventstore.New(db.EventStore(), eventstore.Config{})
	live := make(chan struct{})
	projector, err := cqrs.NewProjector(store, db.Projections(), cqrs.Projection[*sql.Tx]{
		Name:  "p",
		Apply: func(context.Context, *sql.Tx, cqrs.Model, []eventstore.Recorded) error { return nil },
	}, cqrs.Config{Logger: slog.New(slog.DiscardHandler), Hooks: cqrs.Hooks{
		Progress: func(context.Context, cqrs.Progress) { close(live) },
	}})
	assert.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- projector.Run(t.Context()) }()
	<-live
	assert.NoError(t, db.Close())
	select {
	case err := <-ended:
		assert.ErrorIs(t, err, sqlite.ErrClosed)
	case <-time.After(20 * time.Second):
		t.Fatal("Run goes on after Close")
	}
}
