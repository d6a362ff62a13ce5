package postgres_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

// newTable is a database with a table of the user's, to be written beside events.
func newTable(t *testing.T) *database {
	t.Helper()
	db := newDatabase(t)
	execute(t, db.url, "CREATE TABLE orders (id int PRIMARY KEY)")
	return db
}

func order(ctx context.Context, t *testing.T, tx pgx.Tx, id int) {
	t.Helper()
	_, err := tx.Exec(ctx, "INSERT INTO orders VALUES ($1)", id)
	assert.NoError(t, err)
}

func orders(t *testing.T, db *database) (n int) {
	t.Helper()
	assert.NoError(t, db.pool.QueryRow(t.Context(), "SELECT count(*) FROM orders").Scan(&n))
	return n
}

func TestInTxCommitsTogether(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := newTable(t)
	for id, commit := range []bool{true, false} {
		err := pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
			order(ctx, t, tx, id)
			store := eventstore.New(db.InTx(tx), eventstore.Config{})
			_, err := store.Append(ctx, "order-1", eventstore.Any, some(2)...)
			assert.NoError(t, err)
			_, err = store.Append(ctx, "order-2", eventstore.Any, some(1)...)
			if !commit {
				err = errGone
			}
			return err
		})
		assert.Equal(t, err == nil, commit)
	}
	assert.Equal(t, orders(t, db), 1)
	got, _ := rest(t, db, "", 100)
	assert.Equal(t, places(got), []string{"order-1/1", "order-1/2", "order-2/1"})
	// What was rolled back can be done.
	add(t, db, "order-2", 1)
	head, err := eventstore.New(db, eventstore.Config{}).Head(ctx, "order-2")
	assert.NoError(t, err)
	assert.Equal(t, head.Version, int64(2))
}

func TestInTxAfterAConflict(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := newTable(t)
	present := add(t, db, "order-1", 2)
	assert.NoError(t, eventstore.New(db, eventstore.Config{}).Tombstone(ctx, "closed-1", eventstore.Any))
	assert.NoError(t, pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		store := eventstore.New(db.InTx(tx), eventstore.Config{})
		order(ctx, t, tx, 1)
		_, err := store.Append(ctx, "order-1", eventstore.Exact(1), some(1)...)
		conflict := assert.ErrorAs[*eventstore.ConflictError](t, err)
		assert.Equal(t, conflict.Actual, int64(2))
		_, err = store.Append(ctx, "absent-1", eventstore.StreamExists, some(1)...)
		assert.ErrorIs(t, err, eventstore.ErrConflict)
		_, err = store.Append(ctx, "closed-1", eventstore.Any, some(1)...)
		assert.ErrorIs(t, err, eventstore.ErrTombstoned)
		_, err = store.Append(ctx, "order-1", eventstore.Any, present[0], some(1)[0])
		assert.ErrorIs(t, err, eventstore.ErrPartialOverlap)
		assert.ErrorIs(t, store.Truncate(ctx, "absent-2", 1), eventstore.ErrNoStream)
		again, err := store.Append(ctx, "order-1", eventstore.Exact(77), present...)
		assert.NoError(t, err)
		assert.True(t, again.Duplicate && again.Version == 2, "%+v", again)
		_, err = store.AppendAll(ctx,
			eventstore.Write{Stream: "order-2", Events: some(1)},
			eventstore.Write{Stream: "order-1", Expected: eventstore.NoStream})
		assert.ErrorIs(t, err, eventstore.ErrConflict)
		_, err = store.Append(ctx, "order-1", eventstore.Exact(2), some(1)...)
		return err
	}))
	assert.Equal(t, orders(t, db), 1)
	got, _ := rest(t, db, "", 100)
	assert.Equal(t, places(got), []string{"order-1/1", "order-1/2", "order-1/3"})
	for _, stream := range []string{"absent-1", "absent-2", "order-2"} {
		_, err := eventstore.New(db, eventstore.Config{}).Append(ctx, stream, eventstore.NoStream, some(1)...)
		assert.NoError(t, err, "%s is absent", stream)
	}
}

func TestInTxReadsItsOwnWrites(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := newTable(t)
	outside := eventstore.New(db, eventstore.Config{})
	tx := begin(t, db)
	inside := eventstore.New(tx, eventstore.Config{})
	read := func() (versions []int64) {
		for e, err := range inside.Read(ctx, "order-1", 1) {
			assert.NoError(t, err)
			versions = append(versions, e.Version)
		}
		return versions
	}
	first := add(t, tx, "order-1", 2)
	add(t, tx, "order-1", 1)
	results, err := inside.AppendAll(ctx,
		eventstore.Write{Stream: "order-1", Expected: eventstore.Exact(3), Events: some(2)},
		eventstore.Write{Stream: "order-0", Expected: eventstore.NoStream, Events: some(1)},
		eventstore.Write{Stream: "order-9", Expected: eventstore.Any})
	assert.NoError(t, err)
	assert.Equal(t, results[0].Version, int64(5))
	assert.Equal(t, read(), []int64{1, 2, 3, 4, 5})
	again, err := inside.Append(ctx, "order-1", eventstore.Any, first...)
	assert.NoError(t, err)
	assert.True(t, again.Duplicate && again.Version == 2, "%+v", again)
	assert.NoError(t, inside.Truncate(ctx, "order-1", 3))
	assert.Equal(t, read(), []int64{3, 4, 5})

	head, err := outside.Head(ctx, "order-1")
	assert.NoError(t, err)
	assert.Equal(t, head.Version, int64(0), "of what is not committed")
	assert.NoError(t, tx.Commit(ctx))
	got, _ := rest(t, db, "", 1)
	assert.Equal(t, places(got), []string{"order-1/3", "order-1/4", "order-1/5", "order-0/1"})
	_, err = inside.Append(ctx, "order-1", eventstore.Any, some(1)...)
	assert.ErrorIs(t, err, pgx.ErrTxClosed)
}

func TestInTxSavepoint(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := newTable(t)
	tx := begin(t, db)
	add(t, tx, "order-1", 1)
	for _, commit := range []bool{false, true, false} {
		inner, err := tx.Begin(ctx)
		assert.NoError(t, err)
		add(t, db.InTx(inner), "order-1", 2)
		add(t, db.InTx(inner), "order-2", 1)
		if commit {
			assert.NoError(t, inner.Commit(ctx))
		} else {
			// Also after an error of the server's, which only ends the savepoint.
			_, err := inner.Exec(ctx, "SELECT 1 / 0")
			assert.Error(t, err)
			_, err = eventstore.New(db.InTx(inner), eventstore.Config{}).Append(ctx, "order-1", eventstore.Any, some(1)...)
			assert.Error(t, err)
			assert.NoError(t, inner.Rollback(ctx))
		}
	}
	add(t, tx, "order-1", 1)
	assert.NoError(t, tx.Commit(ctx))
	got, _ := rest(t, db, "", 2)
	assert.Equal(t, len(got), 5)
	inOrder(t, db, got, "after savepoints")
	var xids int
	assert.NoError(t, db.pool.QueryRow(ctx, "SELECT count(DISTINCT xid) FROM parlance.events").Scan(&xids))
	assert.Equal(t, xids, 1, "savepoints share the transaction's id")
}

// In a stricter isolation, one of two that race fails; it never writes what it
// could not see, and loses nothing.
func TestInTxRepeatableRead(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := newTable(t)
	add(t, db, "old-1", 1)
	for _, level := range []pgx.TxIsoLevel{pgx.RepeatableRead, pgx.Serializable} {
		for _, stream := range []string{"old-1", "new-" + string(level)} {
			tx, err := db.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: level})
			assert.NoError(t, err)
			_, err = tx.Exec(ctx, "SELECT count(*) FROM orders") // fixes what it sees
			assert.NoError(t, err)
			add(t, db, stream, 1)
			_, err = eventstore.New(db.InTx(tx), eventstore.Config{}).Append(ctx, stream, eventstore.Any, some(1)...)
			failed := assert.ErrorAs[*pgconn.PgError](t, err, "%s, %s", level, stream)
			assert.Equal(t, failed.Code, "40001")
			assert.NoError(t, tx.Rollback(ctx))

			assert.NoError(t, pgx.BeginTxFunc(ctx, db.pool, pgx.TxOptions{IsoLevel: level}, func(tx pgx.Tx) error {
				add(t, db.InTx(tx), stream, 1)
				return nil
			}), "without a race")
		}
	}
	got, _ := rest(t, db, "", 100)
	assert.Equal(t, len(got), 9)
	inOrder(t, db, got, "after races")
}

// The context of an append in a transaction is heeded while it waits.
func TestInTxCancelled(t *testing.T) {
	t.Parallel()
	db := newTable(t)
	holder, waiter := begin(t, db), begin(t, db)
	add(t, holder, "order-1", 1)
	ctx, cancel := context.WithCancelCause(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := eventstore.New(waiter, eventstore.Config{}).Append(ctx, "order-1", eventstore.Any, some(1)...)
		failed <- err
	}()
	blocked(t, db, 1)
	cancel(errGone)
	assert.ErrorIs(t, <-failed, errGone)
	assert.NoError(t, holder.Commit(t.Context()))
	got, _ := rest(t, db, "", 100)
	assert.Equal(t, places(got), []string{"order-1/1"})
	assert.True(t, errors.Is(waiter.Rollback(t.Context()), pgx.ErrTxClosed) || waiter.Conn().IsClosed())
}
