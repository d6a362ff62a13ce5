package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/parlance-go/parlance/adapters/postgres"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/internal/testenv"
)

var errGone = errors.New("gone")

// seldom polls so seldom that only hints can wake a subscriber in time.
var seldom = postgres.EventStoreConfig{PollInterval: time.Minute}

// Run is begun in the background, and has returned nil when the test ends.
func run(t *testing.T, db *database) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- db.Run(ctx) }()
	stopped := false
	stop = func() {
		t.Helper()
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-ended:
			assert.NoError(t, err, "Run, when its context is done")
		case <-time.After(20 * time.Second):
			t.Fatal("Run does not return")
		}
	}
	t.Cleanup(stop)
	return stop
}

// listening waits until n connections of a database listen.
func listening(t *testing.T, db *database, n int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		var got int
		assert.NoError(t, db.pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND query LIKE 'LISTEN%'`).Scan(&got))
		if got == n {
			return
		}
		assert.True(t, time.Now().Before(deadline), "%d connections listen, want %d", got, n)
		time.Sleep(5 * time.Millisecond) // the server's state, which sends no event
	}
}

// woken waits as a subscriber does, and returns how long that took.
func woken(t *testing.T, db *database, after string) time.Duration {
	t.Helper()
	checkpoint, err := eventstore.ParseCheckpoint(after)
	assert.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	start := time.Now()
	assert.NoError(t, db.Wait(ctx, checkpoint), "a subscriber was not woken")
	return time.Since(start)
}

// What is appended after a subscriber has read to the end, and before it waits,
// wakes it all the same: it may have been at work on what it read.
func TestWaitKnowsWhatHappenedSinceTheReading(t *testing.T) {
	t.Parallel()
	url := testenv.Postgres(t)
	db, other := openDatabase(t, url, seldom), openDatabase(t, url, seldom)
	add(t, db, "a-1", 1)
	for range 2 { // two subscribers at one place
		_, end := rest(t, db, "", 10)
		add(t, db, "a-1", 1)
		woken(t, db, end)
		woken(t, db, end)
	}
	run(t, db)
	run(t, other)
	listening(t, db, 2)
	_, end := rest(t, db, "", 10)
	add(t, other, "a-1", 1)
	time.Sleep(300 * time.Millisecond) // the subscriber's work, during which the hint comes
	woken(t, db, end)
}

// deliver tells how long after its append each event comes to a subscriber.
func deliver(t *testing.T, from *database, n int, next func(i int)) (lags []time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	store := eventstore.New(from, eventstore.Config{})
	now, err := store.Now(ctx)
	assert.NoError(t, err)
	live := make(chan struct{}, 1)
	came := make(chan time.Time, n)
	failed := make(chan error, 1)
	go func() {
		for batch, err := range store.SubscribeBatches(ctx, now, eventstore.Filter{}) {
			if err != nil {
				failed <- err
				return
			}
			if batch.Live {
				select {
				case live <- struct{}{}:
				default:
				}
			}
			for range batch.Events {
				came <- time.Now()
			}
		}
	}()
	<-live
	for i := range n {
		next(i)
		appended := time.Now()
		select {
		case at := <-came:
			lags = append(lags, at.Sub(appended))
		case err := <-failed:
			t.Fatal(err)
		}
	}
	return lags
}

// A subscriber in another process sees at once what is appended in this one.
func TestHintsBetweenProcesses(t *testing.T) {
	t.Parallel()
	url := testenv.Postgres(t)
	writer, reader := openDatabase(t, url, seldom), openDatabase(t, url, seldom)
	run(t, writer)
	run(t, reader)
	listening(t, writer, 2)
	for i, lag := range deliver(t, reader, 5, func(int) { add(t, writer, "a-1", 1) }) {
		assert.True(t, lag < time.Second, "event %d came after %v", i, lag)
	}
}

func TestPollingWithoutHints(t *testing.T) {
	t.Parallel()
	url := testenv.Postgres(t)
	writer := openDatabase(t, url, postgres.EventStoreConfig{})
	reader := openDatabase(t, url, postgres.EventStoreConfig{PollInterval: 20 * time.Millisecond})
	for i, lag := range deliver(t, reader, 5, func(int) { add(t, writer, "a-1", 1) }) {
		assert.True(t, lag < 5*time.Second, "event %d came after %v", i, lag)
	}
}

// What a transaction of the caller's appends, nobody hints at; polling finds it.
func TestPollingFindsTransactions(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	deliver(t, db, 3, func(int) {
		tx := begin(t, db)
		add(t, tx, "a-1", 1)
		assert.NoError(t, tx.Commit(t.Context()))
	})
}

// Run survives the loss of its connections, also while it cannot have others,
// and leaves nothing behind.
func TestRunSurvivesLostConnections(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	url := testenv.Postgres(t)
	writer := openDatabase(t, url, seldom)
	reader, err := postgres.OpenEventStore(ctx, newPool(t, with(t, url, "application_name", "reader"), 4), seldom)
	assert.NoError(t, err)
	db := &database{EventStore: reader, pool: writer.pool, url: url}
	run(t, writer)
	stop := run(t, db)
	listening(t, writer, 2)
	execute(t, url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'")
	lags := deliver(t, db, 3, func(i int) {
		if i == 1 { // the listener is back after its rest
			listening(t, writer, 2)
		}
		add(t, writer, "a-1", 1)
	})
	for i, lag := range lags {
		assert.True(t, lag < 10*time.Second, "event %d came after %v", i, lag)
	}
	stop()
	listening(t, writer, 1)
	_, err = reader.ReadAll(ctx, everything(1))
	assert.NoError(t, err)
}

func TestRunLeavesNothing(t *testing.T) {
	t.Parallel()
	db := openDatabase(t, testenv.Postgres(t), seldom)
	stop := run(t, db)
	listening(t, db, 1)
	add(t, db, "a-1", 1)
	stop()
	assert.Equal(t, db.pool.Stat().AcquiredConns(), int32(0), "connections in use after Run")
	listening(t, db, 0)
	for deadline := time.Now().Add(10 * time.Second); ; {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		if !strings.Contains(string(stacks), fmt.Sprintf("(%p", db.EventStore)) {
			break
		}
		assert.True(t, time.Now().Before(deadline), "a goroutine of Run is left:\n%s", stacks)
		time.Sleep(5 * time.Millisecond) // a goroutine that ends tells nobody
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	assert.NoError(t, db.Run(cancelled), "begun when it is already over")
}

// A subscriber that waits returns with the cause of its context.
func TestWaitCancelled(t *testing.T) {
	t.Parallel()
	db := openDatabase(t, testenv.Postgres(t), seldom)
	ctx, cancel := context.WithCancelCause(t.Context())
	failed := make(chan error, 1)
	go func() { failed <- db.Wait(ctx, eventstore.Checkpoint{}) }()
	cancel(errGone)
	assert.ErrorIs(t, <-failed, errGone)
	assert.ErrorIs(t, db.Wait(ctx, eventstore.Checkpoint{}), errGone)
	_, err := db.ReadAll(ctx, everything(1))
	assert.ErrorIs(t, err, errGone)
	_, err = eventstore.New(db, eventstore.Config{}).Append(ctx, "a-1", eventstore.Any, some(1)...)
	assert.ErrorIs(t, err, errGone)
}

// A write transaction that stays open in another database of the server delays
// nobody's events.
func TestDeliveryBesideAForeignTransaction(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	foreign, err := pgx.Connect(ctx, testenv.Postgres(t))
	assert.NoError(t, err)
	defer foreign.Close(context.WithoutCancel(ctx))
	_, err = foreign.Exec(ctx, "BEGIN; CREATE TABLE written (n int); INSERT INTO written VALUES (1)")
	assert.NoError(t, err)
	url := testenv.Postgres(t)
	writer, reader := openDatabase(t, url, postgres.EventStoreConfig{}), openDatabase(t, url, postgres.EventStoreConfig{})
	begun := time.Now()
	var lags []time.Duration
	for time.Since(begun) < 4*time.Second {
		lags = append(lags, deliver(t, reader, 100, func(i int) { add(t, writer, fmt.Sprintf("a-%d", i%7), 1) })...)
	}
	slices.Sort(lags)
	at := func(part float64) time.Duration { return lags[int(part*float64(len(lags)-1))] }
	t.Logf("%d events, lag p50 %v, p90 %v, p99 %v, max %v", len(lags), at(0.5), at(0.9), at(0.99), at(1))
	assert.True(t, at(0.99) < 250*time.Millisecond, "p99 of the lag: %v", at(0.99))
	_, err = foreign.Exec(ctx, "COMMIT")
	assert.NoError(t, err)
}
