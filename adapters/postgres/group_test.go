package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/parlance-go/parlance/adapters/postgres"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/internal/testenv"
)

// versions of a stream, and its head.
func versions(t testing.TB, driver eventstore.Driver, stream string) (all []int64) {
	t.Helper()
	for e, err := range eventstore.New(driver, eventstore.Config{}).Read(t.Context(), stream, 1) {
		assert.NoError(t, err)
		all = append(all, e.Version)
	}
	for i, version := range all {
		assert.Equal(t, version, int64(i+1), "versions of %s are contiguous", stream)
	}
	return all
}

// Appends that are under way at once share commits, to one stream and to many.
func TestAppendsShareCommits(t *testing.T) {
	t.Parallel()
	const writers, each = 64, 20
	for name, streams := range map[string]int{"64 streams": writers, "one stream": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := newDatabase(t)
			store := eventstore.New(db, eventstore.Config{})
			var wg sync.WaitGroup
			for writer := range writers {
				wg.Go(func() {
					last := int64(0)
					for range each {
						result, err := store.Append(t.Context(), fmt.Sprintf("w-%d", writer%streams), eventstore.Any, some(1)...)
						if err != nil || result.Version <= last {
							t.Errorf("%+v after version %d, error %v", result, last, err)
							return
						}
						last = result.Version
					}
				})
			}
			wg.Wait()
			for stream := range streams {
				assert.Equal(t, len(versions(t, db, fmt.Sprintf("w-%d", stream))), writers*each/streams)
			}
			var commits int
			assert.NoError(t, db.pool.QueryRow(t.Context(), "SELECT count(DISTINCT xid) FROM parlance.events").Scan(&commits))
			t.Logf("%d appends in %d commits", writers*each, commits)
			assert.True(t, commits <= writers*each/4, "%d appends took %d commits", writers*each, commits)
		})
	}
}

// In a storm of appends, each gets its own answer, whoever shares its statement.
func TestAnswersInAStorm(t *testing.T) {
	t.Parallel()
	const writers, rounds = 48, 6
	ctx := t.Context()
	db := newDatabase(t)
	store := eventstore.New(db, eventstore.Config{})
	before := add(t, db, "old-1", 3)
	assert.NoError(t, store.Tombstone(ctx, "closed-1", eventstore.Any))
	add(t, db, "deleted-1", 2)
	assert.NoError(t, store.Delete(ctx, "deleted-1", eventstore.Any))
	var wg sync.WaitGroup
	var reopened atomic.Int32
	for writer := range writers {
		wg.Go(func() {
			for round := range rounds {
				own := fmt.Sprintf("own-%d-%d", writer, round)
				fail := func(what string, result eventstore.Appended, err error) {
					t.Errorf("writer %d, round %d: %s: %+v, error %v", writer, round, what, result, err)
				}
				switch (writer + round) % 8 {
				case 0:
					if r, err := store.Append(ctx, "old-1", eventstore.Exact(1), some(1)...); !errors.Is(err, eventstore.ErrConflict) {
						fail("wrong version", r, err)
					}
				case 1:
					if r, err := store.Append(ctx, "old-1", eventstore.Any, slices.Clone(before)...); err != nil || !r.Duplicate || r.Version != 3 {
						fail("the same IDs again", r, err)
					}
				case 2:
					if r, err := store.Append(ctx, "old-1", eventstore.Any, before[1], some(1)[0]); !errors.Is(err, eventstore.ErrPartialOverlap) {
						fail("some of the IDs again", r, err)
					}
				case 3:
					if r, err := store.Append(ctx, "closed-1", eventstore.Any, some(2)...); !errors.Is(err, eventstore.ErrTombstoned) {
						fail("closed", r, err)
					}
				case 4:
					if r, err := store.Append(ctx, "deleted-1", eventstore.NoStream, some(1)...); err == nil && r.Version == 3 {
						reopened.Add(1)
					} else if !errors.Is(err, eventstore.ErrConflict) {
						fail("deleted", r, err)
					}
				case 5:
					if r, err := store.Append(ctx, own, eventstore.NoStream, some(1+round)...); err != nil || r.Version != int64(1+round) || r.Duplicate {
						fail("new", r, err)
					}
					if r, err := store.Append(ctx, own, eventstore.Exact(int64(1+round)), some(2)...); err != nil || r.Version != int64(3+round) {
						fail("right version", r, err)
					}
				case 6:
					if r, err := store.Append(ctx, "old-1", eventstore.NoStream, some(1)...); !errors.Is(err, eventstore.ErrConflict) {
						fail("not new", r, err)
					}
				default:
					if r, err := store.Append(ctx, "shared-1", eventstore.Any, some(2)...); err != nil || r.Version < 2 || r.Duplicate {
						fail("shared", r, err)
					}
				}
			}
		})
	}
	wg.Wait()
	assert.Equal(t, reopened.Load(), int32(1), "who reopened the deleted stream")
	assert.Equal(t, len(versions(t, db, "old-1")), 3)
	assert.Equal(t, len(versions(t, db, "shared-1")), 2*writers*rounds/8)
	got, _ := rest(t, db, "", 100)
	inOrder(t, db, slices.DeleteFunc(got, func(e eventstore.Recorded) bool { return e.Stream == "deleted-1" }), "after the storm")
}

// narrow is a store with one connection and one place, so that appends queue
// behind one that waits for a stream which another database handle holds.
func narrow(t *testing.T) (store *eventstore.Store, other *database) {
	t.Helper()
	url := testenv.Postgres(t)
	other = openDatabase(t, url, postgres.EventStoreConfig{})
	driver, err := postgres.OpenEventStore(t.Context(), newPool(t, url, 1), postgres.EventStoreConfig{Appenders: 1})
	assert.NoError(t, err)
	return eventstore.New(driver, eventstore.Config{}), other
}

// waiter is an append in the background.
type waiter struct {
	events []eventstore.Event
	cancel context.CancelCauseFunc
	result eventstore.Appended
	err    chan error
}

func start(t *testing.T, store *eventstore.Store, stream string) *waiter {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	w := &waiter{events: some(1), cancel: cancel, err: make(chan error, 1)}
	t.Cleanup(func() { cancel(nil) })
	w.events[0].Metadata.Extra = map[string]string{"key": "value"}
	go func() {
		var err error
		w.result, err = store.Append(ctx, stream, eventstore.Any, w.events...)
		w.err <- err
	}()
	return w
}

// returned is the error of the append, which must not take long.
func (w *waiter) returned(t *testing.T) error {
	t.Helper()
	select {
	case err := <-w.err:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("the append does not return")
		return nil
	}
}

// Those who leave while they queue leave nothing; those who leave what is under
// way do not disturb those who stay.
func TestLeavingAppends(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	store, db := narrow(t)
	first, second := begin(t, db), begin(t, db)
	add(t, first, "held-1", 1)
	add(t, second, "held-2", 1)

	under := start(t, store, "held-1")
	blocked(t, db, 1)
	var queued []*waiter
	for i := range 6 {
		queued = append(queued, start(t, store, fmt.Sprintf("free-%d", i)))
	}
	group := start(t, store, "held-2") // makes all of its group wait
	time.Sleep(100 * time.Millisecond) // until all are in the queue, which tells nobody
	for _, w := range queued[:2] {
		w.cancel(errGone)
		assert.ErrorIs(t, w.returned(t), errGone, "who left the queue")
	}
	assert.NoError(t, first.Commit(ctx))
	assert.NoError(t, under.returned(t))
	blocked(t, db, 1) // the group

	left := queued[2]
	left.cancel(errGone)
	assert.ErrorIs(t, left.returned(t), errGone, "who left the statement")
	id := left.events[0].ID
	left.events[0].Data[0] = 'X' // it is the caller's again
	left.events[0].Metadata.Extra["key"] = "other"
	left.events[0] = eventstore.Event{}
	assert.NoError(t, second.Commit(ctx))
	for _, w := range append(queued[3:], group) {
		assert.NoError(t, w.returned(t), "who stayed")
	}
	assert.Equal(t, group.result.Version, int64(2))

	stored := make(map[string]eventstore.Recorded)
	got, _ := rest(t, db, "", 100)
	for _, e := range got {
		stored[e.ID.String()] = e
	}
	for i, w := range queued[:2] {
		_, found := stored[w.events[0].ID.String()]
		assert.False(t, found, "%d left the queue, and was appended", i)
	}
	if e, found := stored[id.String()]; found {
		assert.Equal(t, string(e.Data)+e.Metadata.Extra["key"], "0value")
	}
	for _, w := range queued[3:] {
		_, found := stored[w.events[0].ID.String()]
		assert.True(t, found, "who stayed was appended")
	}
}

// Who has left may change what it wanted to append, even if the statement has
// not been sent.
func TestLeavingBeforeTheStatement(t *testing.T) {
	t.Parallel()
	pool := newPool(t, testenv.Postgres(t), 1)
	driver, err := postgres.OpenEventStore(t.Context(), pool, postgres.EventStoreConfig{Appenders: 1})
	assert.NoError(t, err)
	store := eventstore.New(driver, eventstore.Config{})
	conn, err := pool.Acquire(t.Context()) // the only one
	assert.NoError(t, err)
	first := start(t, store, "a-1")
	time.Sleep(50 * time.Millisecond) // until it waits for the connection, which tells nobody
	left, stays := start(t, store, "b-1"), start(t, store, "b-1")
	time.Sleep(50 * time.Millisecond) // until they are in the queue
	first.cancel(errGone)
	assert.ErrorIs(t, first.returned(t), errGone)
	time.Sleep(50 * time.Millisecond) // until they are a group that waits for the connection
	left.cancel(errGone)
	assert.ErrorIs(t, left.returned(t), errGone)
	id := left.events[0].ID
	left.events[0].Data[0] = 'X'
	left.events[0].Metadata.Extra["key"] = "other"
	left.events[0].Type = "Other"
	conn.Release()
	assert.NoError(t, stays.returned(t))
	got, _ := rest(t, driver, "", 10)
	i := slices.IndexFunc(got, func(e eventstore.Recorded) bool { return e.ID == id })
	assert.True(t, i >= 0, "who left is in the statement of who stays: %v", places(got))
	assert.Equal(t, got[i].Type+string(got[i].Data)+got[i].Metadata.Extra["key"], "Happened0value")
}

// A statement for which nobody waits any more is cancelled, and its place is
// free again.
func TestAllLeave(t *testing.T) {
	t.Parallel()
	store, db := narrow(t)
	first, second := begin(t, db), begin(t, db)
	add(t, first, "held-1", 1)
	add(t, second, "held-2", 1)
	under := start(t, store, "held-1")
	blocked(t, db, 1)
	group := []*waiter{start(t, store, "held-2"), start(t, store, "free-1"), start(t, store, "free-2")}
	time.Sleep(100 * time.Millisecond) // until all are in the queue, which tells nobody
	under.cancel(errGone)              // alone in its statement
	assert.ErrorIs(t, under.returned(t), errGone)
	blocked(t, db, 1) // the group is under way
	for _, w := range group {
		w.cancel(errGone)
		assert.ErrorIs(t, w.returned(t), errGone)
	}
	blocked(t, db, 0)
	after := start(t, store, "free-3")
	assert.NoError(t, after.returned(t), "the place is free")
	assert.NoError(t, first.Commit(t.Context()))
	assert.NoError(t, second.Commit(t.Context()))
	got, _ := rest(t, db, "", 100)
	assert.Equal(t, len(got), 3, "%v", places(got))
}

// A transaction that holds a stream keeps only those waiting who append to it.
func TestHeldStreamHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	store := eventstore.New(db, eventstore.Config{})
	holder := begin(t, db)
	var waiting []*waiter
	for i := range 3 {
		add(t, holder, fmt.Sprintf("held-%d", i), 1)
	}
	for i := range 3 {
		waiting = append(waiting, start(t, store, fmt.Sprintf("held-%d", i)))
	}
	blocked(t, db, 3)
	waiting = append(waiting, start(t, store, "held-0"))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if _, err := store.Append(ctx, fmt.Sprintf("free-%d", i), eventstore.Any, some(1)...); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	assert.NoError(t, holder.Commit(t.Context()))
	for _, w := range waiting {
		assert.NoError(t, w.returned(t))
	}
	assert.Equal(t, len(versions(t, db, "held-0")), 3)
}

// One connection is enough for everything at once.
func TestOneConnection(t *testing.T) {
	t.Parallel()
	driver, err := postgres.OpenEventStore(t.Context(), newPool(t, testenv.Postgres(t), 1), postgres.EventStoreConfig{})
	assert.NoError(t, err)
	store := eventstore.New(driver, eventstore.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	run := make(chan error, 1)
	running, stop := context.WithCancel(ctx)
	go func() { run <- driver.Run(running) }()
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			for round := range 4 {
				stream := fmt.Sprintf("s-%d", i%10)
				var err error
				switch (i/10 + round) % 6 {
				case 0, 1:
					_, err = store.Append(ctx, stream, eventstore.Any, some(1+round)...)
				case 2:
					_, err = store.AppendAll(ctx, eventstore.Write{Stream: stream, Expected: eventstore.Any, Events: some(1)},
						eventstore.Write{Stream: fmt.Sprintf("s-%d", (i+5)%10), Expected: eventstore.Any, Events: some(1)})
				case 3:
					for _, err = range store.ReadAll(ctx, eventstore.Checkpoint{}, eventstore.Filter{}) {
						if err != nil {
							break
						}
					}
				case 4:
					if err = store.Delete(ctx, stream, eventstore.Any); errors.Is(err, eventstore.ErrNoStream) {
						err = nil
					}
				default:
					for _, err = range store.Read(ctx, stream, 1) {
						if err != nil {
							break
						}
					}
				}
				if err != nil {
					t.Errorf("%d, round %d: %v", i, round, err)
				}
			}
		})
	}
	wg.Wait()
	stop()
	assert.NoError(t, <-run)
}

// Connections that die under appends lose nothing that was acknowledged, and
// who appends again with the same IDs learns what became of it.
func TestTerminatedConnections(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := newDatabase(t)
	store := eventstore.New(db, eventstore.Config{})
	admin, err := pgx.Connect(ctx, db.url)
	assert.NoError(t, err)
	defer admin.Close(context.WithoutCancel(ctx))
	const writers, each = 24, 25
	done := make(chan struct{})
	var killer sync.WaitGroup
	killed := 0
	killer.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(15 * time.Millisecond): // some work between the deaths
			}
			var n int
			if err := admin.QueryRow(ctx, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
				WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active'`).Scan(&n); err != nil {
				t.Error(err)
				return
			}
			killed += n
		}
	})
	for range 2 { // readers, whose connections die as well
		killer.Go(func() {
			for after := (eventstore.Checkpoint{}); ; {
				select {
				case <-done:
					return
				default:
				}
				if page, err := db.ReadAll(ctx, eventstore.AllRange{After: after, AllTenants: true, Max: 50}); err == nil {
					after = page.Next
				}
				_, _ = store.Head(ctx, "s-0")
			}
		})
	}
	var lost atomic.Int64
	var wg sync.WaitGroup
	want := make([][]string, writers)
	for writer := range writers {
		wg.Go(func() {
			for i := range each {
				events := some(1 + i%3)
				stream := fmt.Sprintf("s-%d", writer/2)
				for {
					_, err := store.Append(ctx, stream, eventstore.Any, events...)
					if err == nil {
						break
					}
					lost.Add(1)
					if ctx.Err() != nil || errors.Is(err, eventstore.ErrPartialOverlap) {
						t.Error(err)
						return
					}
				}
				for _, e := range events {
					want[writer] = append(want[writer], e.ID.String())
				}
			}
		})
	}
	wg.Wait()
	close(done)
	killer.Wait()
	t.Logf("%d connections killed, %d answers lost", killed, lost.Load())
	assert.True(t, killed > 0 && lost.Load() > 0, "the storm: %d killed, %d lost", killed, lost.Load())
	count := make(map[string]int)
	got, _ := rest(t, db, "", 1000)
	for _, e := range got {
		count[e.ID.String()]++
	}
	all := slices.Concat(want...)
	assert.Equal(t, len(got), len(all), "events stored and acknowledged")
	for _, id := range all {
		assert.Equal(t, count[id], 1, "%s, which was acknowledged", id)
	}
	for i := range writers / 2 {
		versions(t, db, fmt.Sprintf("s-%d", i))
	}
}
