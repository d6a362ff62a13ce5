package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/parlance-go/parlance/adapters/postgres"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/internal/testenv"
)

// holdStream has a transaction of somebody else hold a stream.
func holdStream(t *testing.T, db *database, stream string) (release func()) {
	t.Helper()
	add(t, db, stream, 1)
	tx, err := db.pool.Begin(t.Context())
	assert.NoError(t, err)
	add(t, db.InTx(tx), stream, 1)
	return func() { assert.NoError(t, tx.Rollback(t.Context())) }
}

// appendAround has 60 goroutines append to streams that are free, and 4 to one
// that is held.
func appendAround(ctx context.Context, t *testing.T, store *eventstore.Store) {
	t.Helper()
	held, cancel := context.WithCancel(ctx)
	var free, waiting sync.WaitGroup
	for g := range 64 {
		if g%16 == 5 {
			waiting.Go(func() { _, _ = store.Append(held, "held-1", eventstore.Any, eventstore.Event{Type: "T"}) })
			continue
		}
		free.Go(func() {
			for range 20 {
				if _, err := store.Append(ctx, fmt.Sprintf("free-%d", g), eventstore.Any, eventstore.Event{Type: "T"}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	free.Wait()
	cancel()
	waiting.Wait()
}

// An append to a stream that is held may come into one statement with others.
func TestHeldStreamHoldsNobodyElse(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	defer holdStream(t, db, "held-1")()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Second, errors.New("free streams waited for 20 s"))
	defer cancel()
	appendAround(ctx, t, eventstore.New(db, eventstore.Config{}))
}

// The same where the server ends statements that take long: those to free
// streams must not fail for the held one.
func TestStatementTimeoutFailsOnlyWhoWaits(t *testing.T) {
	t.Parallel()
	config, err := pgxpool.ParseConfig(testenv.Postgres(t))
	assert.NoError(t, err)
	config.MaxConns = 20
	config.ConnConfig.RuntimeParams["statement_timeout"] = "2000"
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	assert.NoError(t, err)
	defer pool.Close()
	events, err := postgres.OpenEventStore(t.Context(), pool, postgres.EventStoreConfig{})
	assert.NoError(t, err)
	db := &database{EventStore: events, pool: pool}
	defer holdStream(t, db, "held-1")()
	appendAround(t.Context(), t, eventstore.New(db, eventstore.Config{}))
}

// A checkpoint that has seen more than the store holds is of a store whose data
// was put back: to go on from it would skip what comes now.
func TestCheckpointBeyondTheLastEvent(t *testing.T) {
	t.Parallel()
	url := testenv.Postgres(t)
	db := openDatabase(t, url, postgres.EventStoreConfig{})
	add(t, db, "a-1", 2)
	_, before := rest(t, db, "", 100)
	add(t, db, "a-1", 2)
	_, after := rest(t, db, "", 100)
	execute(t, url, `DELETE FROM parlance.events WHERE version > 2`, `UPDATE parlance.streams SET version = 2`)
	got, _ := rest(t, db, before, 100)
	assert.Equal(t, len(got), 0)
	checkpoint, err := eventstore.ParseCheckpoint(after)
	assert.NoError(t, err)
	_, err = db.ReadAll(t.Context(), eventstore.AllRange{After: checkpoint, AllTenants: true, Max: 10})
	assert.ErrorIs(t, err, eventstore.ErrCheckpoint)
}

// Appends to several streams, some of them new, lock them in the order in which
// shared statements do.
func TestNewStreamsDoNotDeadlock(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := newDatabase(t)
	store := eventstore.New(db, eventstore.Config{})
	event := func() []eventstore.Event { return []eventstore.Event{{ID: uuid.New(), Type: "T"}} }
	for i := range 8 {
		add(t, db, fmt.Sprintf("a-%d", i), 1)
	}
	var wg sync.WaitGroup
	var turn atomic.Int64
	stop := time.Now().Add(2 * time.Second) // so long that some fall together
	for g := range 32 {
		wg.Go(func() {
			for time.Now().Before(stop) {
				n := turn.Add(1)
				a, b := fmt.Sprintf("a-%d", rand.IntN(8)), fmt.Sprintf("b-%d", n/20)
				var err error
				switch g % 3 {
				case 0:
					_, err = store.AppendAll(ctx,
						eventstore.Write{Stream: b, Expected: eventstore.Any, Events: event()},
						eventstore.Write{Stream: a, Expected: eventstore.Any, Events: event()})
				case 1:
					_, err = store.Append(ctx, a, eventstore.Any, event()...)
				case 2:
					_, err = store.Append(ctx, b, eventstore.Any, event()...)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	time.Sleep(1500 * time.Millisecond) // the server publishes its statistics that late
	var deadlocks int
	assert.NoError(t, db.pool.QueryRow(ctx, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").Scan(&deadlocks))
	assert.Equal(t, deadlocks, 0)
}

// A command that is delivered again appends what is there already. The others
// must go on sharing their commits: each that does not has a transaction id of
// its own.
func TestRepetitionsLeaveOthersTogether(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := newDatabase(t)
	store := eventstore.New(db, eventstore.Config{})
	again := []eventstore.Event{{ID: uuid.New(), Type: "T"}}
	_, err := store.Append(ctx, "again-1", eventstore.Any, again...)
	assert.NoError(t, err)
	const goroutines, appends = 64, 30
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for n := range appends {
				var err error
				if g%32 == 0 {
					_, err = store.Append(ctx, "again-1", eventstore.Any, again...)
				} else {
					_, err = store.Append(ctx, fmt.Sprintf("new-%d-%d", g, n), eventstore.Any, eventstore.Event{Type: "T"})
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	var events, transactions int
	assert.NoError(t, db.pool.QueryRow(ctx, "SELECT count(*), count(DISTINCT xid) FROM parlance.events").Scan(&events, &transactions))
	assert.Equal(t, events, 1+appends*(goroutines-2))
	assert.True(t, transactions < events/4, "%d events in %d transactions", events, transactions)
}
