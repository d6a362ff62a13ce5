package projectiontest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

// projection returns one whose read model has a row for each event.
func (k *kit[Tx]) projection(version int) cqrs.Projection[Tx] {
	return cqrs.Projection[Tx]{
		Name: projection, Version: version, Tables: []string{table},
		Setup: func(ctx context.Context, tx Tx, model cqrs.Model) error {
			return k.Create(ctx, tx, model, table)
		},
		Apply: func(ctx context.Context, tx Tx, model cqrs.Model, events []eventstore.Recorded) error {
			for i := range events {
				if err := k.Insert(ctx, tx, model, table, Row{events[i].Stream, events[i].Version}); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func (k *kit[Tx]) projector(t *testing.T, store *eventstore.Store, p cqrs.Projection[Tx]) *cqrs.Projector[Tx] {
	t.Helper()
	projector, err := cqrs.NewProjector(store, k.target, p, cqrs.Config{
		BatchSize: 7, LeaseDuration: 2 * time.Second, Logger: slog.New(slog.DiscardHandler),
	})
	assert.NoError(t, err)
	return projector
}

// write appends events to a few streams, with a pause here and there.
func write(ctx context.Context, store *eventstore.Store, events int) error {
	for i := range events {
		stream := fmt.Sprintf("stream-%d", i%5)
		if _, err := store.Append(ctx, stream, eventstore.Any, eventstore.Event{Type: "Happened"}); err != nil {
			return err
		}
		if i%10 == 0 {
			time.Sleep(rand.N(2 * time.Millisecond)) // so that the projection catches up now and then, on a real database
		}
	}
	return nil
}

// logged returns a row for each event of the store, sorted.
func logged(t *testing.T, store *eventstore.Store) []Row {
	t.Helper()
	var rows []Row
	for event, err := range store.ReadAll(t.Context(), eventstore.Checkpoint{}, eventstore.Filter{}) {
		assert.NoError(t, err)
		rows = append(rows, Row{event.Stream, event.Version})
	}
	return sorted(rows)
}

func newStore() *eventstore.Store {
	return eventstore.New(eventstore.NewMemory(), eventstore.Config{})
}

// projectorsShare runs two projectors of one projection, of which one or the
// other is stopped and started again, while events come in.
func projectorsShare[Tx any](t *testing.T, k *kit[Tx]) {
	store, events := newStore(), 600
	if testing.Short() {
		events = 100
	}
	projector := k.projector(t, store, k.projection(1))
	written := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		defer close(written)
		assertNoError(t, write(t.Context(), store, events))
	})
	for range 2 {
		all.Go(func() {
			for stop := false; !stop; {
				ctx, cancel := context.WithTimeout(t.Context(), rand.N(40*time.Millisecond))
				assertNoError(t, projector.Run(ctx))
				cancel()
				select {
				case <-written:
					stop = true
				default:
				}
			}
		})
	}
	all.Wait()
	assert.NoError(t, projector.CatchUp(t.Context()))
	assert.Equal(t, k.rows(t), logged(t, store))
	assert.Equal(t, k.record(t, 1).Applied, int64(events), "events applied")
	assert.Equal(t, k.record(t, 1).Owner, "", "owner after all have stopped")
}

// assertNoError is for goroutines, which must not stop the test.
func assertNoError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

func projectorPanics[Tx any](t *testing.T, k *kit[Tx]) {
	store := newStore()
	assert.NoError(t, write(t.Context(), store, 20))
	p := k.projection(1)
	apply, calls := p.Apply, 0
	p.Apply = func(ctx context.Context, tx Tx, model cqrs.Model, events []eventstore.Recorded) error {
		err := apply(ctx, tx, model, events)
		if calls++; calls%2 == 0 {
			panic(errWrite)
		}
		return err
	}
	projector := k.projector(t, store, p)
	for done := false; !done; {
		func() {
			defer func() {
				if value := recover(); value != nil {
					assert.Equal(t, value, any(errWrite), "the value of the panic")
					assert.Equal(t, k.record(t, 1).Owner, "", "owner after a panic")
				}
			}()
			assert.NoError(t, projector.CatchUp(t.Context()))
			done = true
		}()
	}
	assert.True(t, calls > 3, "Apply was called %d times, of which every second one panics", calls)
	assert.Equal(t, k.rows(t), logged(t, store))
}

// rebuildUnderLoad builds a second version beside the first while events come
// in, people read, and a reactor reacts.
func rebuildUnderLoad[Tx any](t *testing.T, k *kit[Tx]) {
	store, events := newStore(), 800
	if testing.Short() {
		events = 200
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	assert.NoError(t, write(ctx, store, events/2))
	one, two := k.projector(t, store, k.projection(1)), k.projector(t, store, k.projection(2))
	assert.NoError(t, one.CatchUp(ctx))

	var all sync.WaitGroup
	var reacted []Row
	reactor, err := cqrs.NewReactor(store, k.target, cqrs.Reaction{
		Name: "mail",
		React: func(_ context.Context, event eventstore.Recorded) error {
			reacted = append(reacted, Row{event.Stream, event.Version})
			return nil
		},
	}, cqrs.Config{BatchSize: 20, Logger: slog.New(slog.DiscardHandler)})
	assert.NoError(t, err)
	all.Go(func() { assertNoError(t, reactor.Run(ctx)) })
	all.Go(func() { assertNoError(t, one.Run(ctx)) })
	all.Go(func() {
		for ctx.Err() == nil {
			rows, err := k.Rows(ctx, k.target, table)
			if err != nil && ctx.Err() == nil || err == nil && len(rows) < events/2 {
				t.Errorf("a reader during a rebuild: %d rows, %v", len(rows), err)
				return
			}
			time.Sleep(time.Millisecond) // lets others at the database, which is a real one
		}
	})
	written := make(chan struct{})
	go func() { defer close(written); assertNoError(t, write(ctx, store, events-events/2)) }()
	all.Go(func() { assertNoError(t, two.Run(ctx)) })
	<-written
	k.eventually(t, "version 2 is active and has all events", func() bool {
		record := k.record(t, 2)
		return record.Status == cqrs.Active && record.Applied == int64(events)
	})
	k.eventually(t, "the reactor has seen all events", func() bool {
		records, err := k.target.Versions(t.Context(), "reaction/mail")
		assert.NoError(t, err)
		return len(records) == 1 && records[0].Applied == int64(events)
	})
	stop()
	all.Wait()
	k.wantStatus(t, 1, cqrs.Retired)
	assert.Equal(t, k.rows(t), logged(t, store))
	assert.Equal(t, sorted(slices.Clone(reacted)), logged(t, store), "reactions: a rebuild must not repeat them")
	if errors.Is(one.CatchUp(t.Context()), cqrs.ErrRetired) {
		return
	}
	t.Error("CatchUp of a retired version does not say so")
}

func (k *kit[Tx]) eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); {
		assert.True(t, time.Now().Before(deadline), "waited %s in vain: %s", patience, what)
		time.Sleep(2 * time.Millisecond) // the target is a real database
	}
}
