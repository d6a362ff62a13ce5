package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

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
