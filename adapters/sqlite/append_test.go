package sqlite_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/adapters/sqlite"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

var errStop = errors.New("told to stop")

// hold takes the write lock, from another connection than db's own, and returns
// what gives it back.
func hold(t *testing.T, db *sqlite.Database) (release func()) {
	t.Helper()
	tx, err := openPath(t, db.Path()).Writer().BeginTx(t.Context(), nil)
	assert.NoError(t, err)
	return sync.OnceFunc(func() { assert.NoError(t, tx.Rollback()) })
}

// settle lets goroutines get to where they wait, in SQLite or in a select.
// Nothing tells from outside when they have; a test in which they have not
// passes without having tested much.
func settle() {
	time.Sleep(50 * time.Millisecond) // see above
}

// Appends that wait together share one commit, and a conflict among them is
// theirs alone.
func TestAppendsThatWaitShareACommit(t *testing.T) {
	t.Parallel()
	db := open(t)
	store := storeOf(db)
	appendOne(t, db, "taken-1")
	before := commits(t, db)
	release := hold(t, db)
	defer release()

	const callers = 20
	errs := make([]error, callers)
	var all sync.WaitGroup
	for n := range callers {
		all.Go(func() {
			stream := fmt.Sprintf("content-%d", n)
			if n%5 == 0 {
				stream = "taken-1"
			}
			_, errs[n] = store.Append(t.Context(), stream, eventstore.NoStream, eventstore.Event{Type: "ContentUploaded"})
		})
	}
	settle()
	release()
	all.Wait()
	for n, err := range errs {
		if n%5 == 0 {
			assert.ErrorIs(t, err, eventstore.ErrConflict)
		} else {
			assert.NoError(t, err)
		}
	}
	assert.Equal(t, len(readAll(t, db, eventstore.Checkpoint{})), 1+callers-callers/5)
	assert.True(t, commits(t, db)-before <= 2, "%d commits for %d appends that waited together", commits(t, db)-before, callers)
}

// commits counts the commits in the write-ahead log: its frames that name a
// size of the database (https://www.sqlite.org/fileformat2.html#walformat).
func commits(t *testing.T, db *sqlite.Database) (n int) {
	t.Helper()
	const header, frame = 32, 24
	log, err := os.ReadFile(db.Path() + "-wal")
	assert.NoError(t, err)
	page := int(binary.BigEndian.Uint32(log[8:]))
	for at := header; at+frame+page <= len(log); at += frame + page {
		if binary.BigEndian.Uint32(log[at+4:]) != 0 {
			n++
		}
	}
	return n
}

// The one who waits for the lock on behalf of all may give up; the others must
// not notice.
func TestWhoeverLeadsMayLeave(t *testing.T) {
	t.Parallel()
	db := open(t)
	release := hold(t, db)
	defer release()
	ctx, cancel := context.WithCancelCause(t.Context())
	leader := make(chan error, 1)
	go func() { leader <- appendTo("leader-1")(ctx, db) }()
	settle()
	leaving, leave := context.WithCancelCause(t.Context())
	follower := make(chan error, 1)
	go func() { follower <- appendTo("follower-1")(leaving, db) }()
	const others = 5
	errs := make(chan error, others)
	for n := range others {
		go func() { errs <- appendTo(fmt.Sprintf("content-%d", n))(t.Context(), db) }()
	}
	settle()

	leave(errStop)
	assert.ErrorIs(t, <-follower, errStop)
	cancel(errStop)
	assert.ErrorIs(t, <-leader, errStop, "the lock is still held")
	release()
	for range others {
		assert.NoError(t, <-errs)
	}
	assert.Equal(t, len(readStream(t, db, "leader-1")), 0, "who left before the lock was taken has appended nothing")
	assert.Equal(t, len(readStream(t, db, "follower-1")), 0)
	assert.Equal(t, len(readAll(t, db, eventstore.Checkpoint{})), others)
}

func TestAppendGivesUpWhenOthersWriteForTooLong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		who  string
		lock func(t *testing.T, db *sqlite.Database) (release func())
	}{
		{who: "another process", lock: hold},
		{who: "a transaction of this one", lock: func(t *testing.T, db *sqlite.Database) func() {
			tx, err := db.Writer().BeginTx(t.Context(), nil)
			assert.NoError(t, err)
			return func() { assert.NoError(t, tx.Rollback()) }
		}},
	} {
		t.Run(c.who, func(t *testing.T) {
			t.Parallel()
			db := openWith(t, filepath.Join(t.TempDir(), "test.db"), sqlite.Config{BusyTimeout: 100 * time.Millisecond})
			release := c.lock(t, db)
			start := time.Now()
			errs := make(chan error, 40)
			for range cap(errs) {
				go func() { errs <- appendTo("content-1")(t.Context(), db) }()
			}
			for range cap(errs) {
				err := <-errs
				assert.ErrorIs(t, err, sqlite.ErrBusy)
				assert.True(t, assert.ErrorAs[interface {
					error
					Retryable() bool
				}](t, err).Retryable())
			}
			assert.True(t, time.Since(start) < 2*time.Second, "those behind wait no longer than the first: %s", time.Since(start))
			release()
			assert.NoError(t, appendTo("content-1")(t.Context(), db))
			assert.Equal(t, len(readStream(t, db, "content-1")), 1, "nothing came of those that gave up")
		})
	}
}

// A request that makes SQLite fail fails alone.
func TestSQLiteFailingOneAppendDoesNotFailOthers(t *testing.T) {
	t.Parallel()
	db := open(t)
	_, err := db.Writer().ExecContext(t.Context(), `CREATE TRIGGER poison BEFORE INSERT ON parlance_events
		WHEN NEW.type = 'Poison' AND NEW.version > 1 BEGIN SELECT RAISE(ABORT, 'poisoned'); END`)
	assert.NoError(t, err)
	release := hold(t, db)
	defer release()
	const callers = 9
	errs := make([]error, callers)
	var all sync.WaitGroup
	for n := range callers {
		all.Go(func() {
			events := []eventstore.Event{{Type: "ContentUploaded"}, {Type: "ContentPublished"}}
			if n == 4 {
				events[1].Type = "Poison"
			}
			_, errs[n] = storeOf(db).Append(t.Context(), fmt.Sprintf("content-%d", n), eventstore.NoStream, events...)
		})
	}
	settle()
	release()
	all.Wait()
	for n, err := range errs {
		events := len(readStream(t, db, fmt.Sprintf("content-%d", n)))
		if n == 4 {
			assert.Error(t, err)
			assert.Contains(t, err.Error(), "poisoned")
			assert.Equal(t, events, 0, "an append that fails writes nothing")
		} else {
			assert.NoError(t, err)
			assert.Equal(t, events, 2)
		}
	}
}

// A full disk loses nothing that was acknowledged, and writes nothing by half;
// once there is room, the same append goes through.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	db := open(t)
	store := storeOf(db)
	limit := func(pages int) {
		_, err := db.Writer().ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages))
		assert.NoError(t, err)
	}
	limit(200)
	var acknowledged int
	var failed []eventstore.Event
	for {
		events := []eventstore.Event{
			{Type: "ContentUploaded", Data: make([]byte, 10_000)},
			{Type: "ContentUploaded", Data: make([]byte, 20_000)},
		}
		_, err := store.Append(t.Context(), "content-1", eventstore.Exact(int64(acknowledged)), events...)
		if err != nil {
			assert.Contains(t, err.Error(), "full")
			failed = events
			break
		}
		acknowledged += len(events)
	}
	assert.Equal(t, len(readStream(t, db, "content-1")), acknowledged)
	limit(1 << 30)
	_, err := store.Append(t.Context(), "content-1", eventstore.Exact(int64(acknowledged)), failed...)
	assert.NoError(t, err)
	assert.Equal(t, len(readStream(t, db, "content-1")), acknowledged+2)
}

func TestReadOnlyFile(t *testing.T) {
	t.Parallel()
	db := open(t)
	appendOne(t, db, "content-1")
	_, err := db.Writer().ExecContext(t.Context(), `PRAGMA query_only = on`)
	assert.NoError(t, err)
	err = appendTo("content-1")(t.Context(), db)
	assert.Error(t, err)
	assert.Contains(t, err.Error(), "readonly")
	assert.Equal(t, len(readStream(t, db, "content-1")), 1)
}

// Events and a table of the program change together or not at all.
func TestAppendInsideATransaction(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx := t.Context()
	_, err := db.Writer().ExecContext(ctx, `CREATE TABLE contents (id TEXT PRIMARY KEY)`)
	assert.NoError(t, err)
	try := func(expected eventstore.Expected, commit bool) error {
		tx, err := db.Writer().BeginTx(ctx, nil)
		assert.NoError(t, err)
		defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
		_, err = tx.ExecContext(ctx, `INSERT INTO contents VALUES (?)`, uuid.NewString())
		assert.NoError(t, err)
		inside := eventstore.New(db.EventStore().InTx(tx), eventstore.Config{})
		appended, err := inside.Append(ctx, "content-1", expected, eventstore.Event{Type: "ContentUploaded"})
		if err != nil {
			return err
		}
		assert.Equal(t, appended.Version, 1)
		head, err := inside.Head(ctx, "content-1")
		assert.NoError(t, err)
		assert.Equal(t, head.Version, 1, "it sees what it does")
		head, err = storeOf(db).Head(ctx, "content-1")
		assert.NoError(t, err)
		assert.Equal(t, head.Version, 0, "others do not")
		if !commit {
			return nil
		}
		return tx.Commit()
	}
	both := func() (events, rows int) {
		assert.NoError(t, db.Reader().QueryRowContext(ctx,
			`SELECT (SELECT count(*) FROM parlance_events), (SELECT count(*) FROM contents)`).Scan(&events, &rows))
		return events, rows
	}
	assert.NoError(t, try(eventstore.NoStream, false))
	events, rows := both()
	assert.Equal(t, [2]int{events, rows}, [2]int{0, 0}, "rolled back")
	assert.NoError(t, try(eventstore.NoStream, true))
	events, rows = both()
	assert.Equal(t, [2]int{events, rows}, [2]int{1, 1}, "committed")
	assert.ErrorIs(t, try(eventstore.NoStream, true), eventstore.ErrConflict)
	events, rows = both()
	assert.Equal(t, [2]int{events, rows}, [2]int{1, 1}, "refused")
}
