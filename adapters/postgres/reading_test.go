package postgres_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/parlance-go/parlance/adapters/postgres"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/internal/testenv"
)

// newDatabase is a store in a database of its own.
func newDatabase(t testing.TB) *database {
	t.Helper()
	return openDatabase(t, testenv.Postgres(t), postgres.EventStoreConfig{})
}

// newPool is a pool of at most n connections, closed before its database goes.
func newPool(t testing.TB, url string, n int32) *pgxpool.Pool {
	t.Helper()
	settings, err := pgxpool.ParseConfig(url)
	assert.NoError(t, err)
	settings.MaxConns = n
	pool, err := pgxpool.NewWithConfig(t.Context(), settings)
	assert.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func execute(t testing.TB, url string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	assert.NoError(t, err)
	defer conn.Close(context.WithoutCancel(t.Context()))
	for _, statement := range statements {
		_, err := conn.Exec(t.Context(), statement)
		assert.NoError(t, err, "%s", statement)
	}
}

// some makes n events with IDs.
func some(n int) []eventstore.Event {
	events := make([]eventstore.Event, n)
	for i := range events {
		events[i] = eventstore.Event{ID: uuid.New(), Type: "Happened", SchemaVersion: 1, Data: fmt.Appendf(nil, "%d", i)}
	}
	return events
}

// add appends n events to a stream, whatever it holds.
func add(t testing.TB, driver eventstore.Driver, stream string, n int) []eventstore.Event {
	t.Helper()
	events := some(n)
	_, err := eventstore.New(driver, eventstore.Config{}).Append(t.Context(), stream, eventstore.Any, events...)
	assert.NoError(t, err)
	return events
}

// page reads at most n events, and passes the checkpoints through text.
func page(t testing.TB, driver eventstore.Driver, after string, n int) (events []eventstore.Recorded, next string, end bool) {
	t.Helper()
	checkpoint, err := eventstore.ParseCheckpoint(after)
	assert.NoError(t, err)
	got, err := driver.ReadAll(t.Context(), eventstore.AllRange{After: checkpoint, AllTenants: true, Max: n})
	assert.NoError(t, err, "after %q", after)
	assert.True(t, len(got.Events) <= n, "%d events in a page of %d", len(got.Events), n)
	return got.Events, got.Next.String(), got.End
}

// rest reads to the end in pages of at most n events.
func rest(t testing.TB, driver eventstore.Driver, after string, n int) (events []eventstore.Recorded, end string) {
	t.Helper()
	for range 100_000 {
		more, next, end := page(t, driver, after, n)
		events, after = append(events, more...), next
		if end {
			return events, after
		}
	}
	t.Fatalf("no end after %q in pages of %d", after, n)
	return nil, ""
}

// places tells events by stream and version.
func places(events []eventstore.Recorded) []string {
	places := make([]string, len(events))
	for i, e := range events {
		places[i] = fmt.Sprintf("%s/%d", e.Stream, e.Version)
	}
	return places
}

// inOrder checks that the events of each stream are those that the stream
// holds, each once and in order.
func inOrder(t testing.TB, driver eventstore.Driver, got []eventstore.Recorded, explain string) {
	t.Helper()
	byStream := make(map[string][]string)
	for _, e := range got {
		byStream[e.Stream] = append(byStream[e.Stream], places([]eventstore.Recorded{e})...)
	}
	for stream, got := range byStream {
		var want []eventstore.Recorded
		for e, err := range eventstore.New(driver, eventstore.Config{}).Read(t.Context(), stream, 1) {
			assert.NoError(t, err)
			want = append(want, e)
		}
		assert.True(t, slices.Equal(got, places(want)), "%s: stream %q\ngot  %v\nwant %v", explain, stream, got, places(want))
	}
}

func everything(n int) eventstore.AllRange {
	return eventstore.AllRange{AllTenants: true, Max: n}
}

// crash kills the server's process of a connection, whereupon all of the server
// begins anew from what is on disk.
func crash(t testing.TB, url string, pid uint32) {
	t.Helper()
	witness, err := pgx.Connect(t.Context(), url)
	assert.NoError(t, err)
	defer witness.Close(context.WithoutCancel(t.Context()))
	process, err := os.FindProcess(int(pid))
	assert.NoError(t, err)
	assert.NoError(t, process.Kill())
	deadline := time.Now().Add(time.Minute)
	for err == nil {
		assert.True(t, time.Now().Before(deadline), "the server survives")
		_, err = witness.Exec(t.Context(), "SELECT pg_sleep(0.01)")
	}
	for err != nil {
		assert.True(t, time.Now().Before(deadline), "the server does not come back: %v", err)
		time.Sleep(20 * time.Millisecond) // a server that starts sends no event
		var conn *pgx.Conn
		if conn, err = pgx.Connect(t.Context(), url); err == nil {
			assert.NoError(t, conn.Close(t.Context()))
		}
	}
}

// begin opens a transaction that has its id, for appends.
func begin(t testing.TB, db *database) *openTx {
	t.Helper()
	tx, err := beginTx(t.Context(), db)
	assert.NoError(t, err)
	open := tx.(*openTx)
	t.Cleanup(func() { _ = open.Rollback(context.WithoutCancel(t.Context())) })
	return open
}

// blocked waits until n statements in the database wait for a lock.
func blocked(t testing.TB, db *database, n int) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		var got int
		assert.NoError(t, db.pool.QueryRow(t.Context(),
			`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&got))
		if got == n {
			return
		}
		assert.True(t, time.Now().Before(deadline), "%d statements wait for a lock, want %d", got, n)
		time.Sleep(2 * time.Millisecond) // the server's state, which sends no event
	}
}
