package cqrs_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

// faulty is a target whose calls may fail before they do anything, or whose
// answer may be lost after they did.
type faulty struct {
	*counts
	before, after func() error
	updates       atomic.Int64
	activations   func() error
}

func (f *faulty) Acquire(ctx context.Context, claim cqrs.Claim) (cqrs.Lease, error) {
	if err := f.before(); err != nil {
		return cqrs.Lease{}, err
	}
	lease, err := f.counts.Acquire(ctx, claim)
	return lease, errors.Join(err, f.after())
}

func (f *faulty) Update(ctx context.Context, lease cqrs.Lease, step cqrs.Step, write func(context.Context, countx) error) (cqrs.Lease, error) {
	f.updates.Add(1)
	if err := f.before(); err != nil {
		return cqrs.Lease{}, err
	}
	if step.Activate && f.activations != nil {
		if err := f.activations(); err != nil {
			return cqrs.Lease{}, err
		}
	}
	next, err := f.counts.Update(ctx, lease, step, write)
	return next, errors.Join(err, f.after())
}

func never() error { return nil }

func sometimes() error {
	if rand.IntN(4) == 0 {
		return errRefused
	}
	return nil
}

// A lost answer leaves open whether a transaction was committed. What the
// target says counts, not what the projector remembers.
func TestFailuresOfTheTargetAreOvercome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newStore()
		target := &faulty{counts: cqrs.NewMemory[int](), before: sometimes, after: sometimes}
		stop := running(t, newProjector(t, store, target, counting(1), cqrs.Config{BatchSize: 3}).Run)
		for i := range 300 {
			appendEvents(t, store, fmt.Sprintf("stream-%d", i%7), "A")
			time.Sleep(rand.N(100 * time.Millisecond))
		}
		time.Sleep(2 * time.Hour) // nearly half of all calls fail, by chance many in a row
		synctest.Wait()
		wantOnce(t, store, target.counts, "counts")
		assert.NoError(t, stop())
		setups, _ := target.Row("setups_v1", "")
		assert.Equal(t, setups, 1, "how often Setup was committed")
	})
}

// failing is a driver whose reads fail at times, and panic if told to.
type failing struct {
	*eventstore.Memory
	read func() error
}

func (f *failing) ReadAll(ctx context.Context, r eventstore.AllRange) (eventstore.Page, error) {
	if err := f.read(); err != nil {
		return eventstore.Page{}, err
	}
	return f.Memory.ReadAll(ctx, r)
}

func TestFailuresOfTheStoreAreOvercome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := eventstore.New(&failing{Memory: eventstore.NewMemory(), read: sometimes}, eventstore.Config{})
		target := cqrs.NewMemory[int]()
		stop := running(t, newProjector(t, store, target, counting(1), cqrs.Config{}).Run)
		for i := range 100 {
			appendEvents(t, store, fmt.Sprintf("stream-%d", i%7), "A")
			time.Sleep(rand.N(100 * time.Millisecond))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		wantOnce(t, store, target, "counts")
		assert.NoError(t, stop())

		bad := eventstore.New(&failing{Memory: eventstore.NewMemory(), read: func() error { return eventstore.ErrCheckpoint }}, eventstore.Config{})
		err := newProjector(t, bad, target, counting(1), cqrs.Config{}).Run(t.Context())
		assert.ErrorIs(t, err, eventstore.ErrCheckpoint, "a checkpoint of another store does not become valid")
	})
}

func TestPanicsOfADriverReachWhoeverCalledRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := eventstore.New(&failing{Memory: eventstore.NewMemory(), read: func() error { panic(errRefused) }}, eventstore.Config{})
		target := cqrs.NewMemory[int]()
		projector := newProjector(t, store, target, counting(1), cqrs.Config{})
		assert.Equal(t, assert.Panics(t, func() { _ = projector.Run(t.Context()) }), any(errRefused))
		records, err := target.Versions(t.Context(), "counts")
		assert.NoError(t, err)
		assert.Equal(t, records[0].Owner, "", "owner after a panic")
	})
}

// Events that do not pass the filter move the checkpoint, but not in a
// transaction for each.
func TestCheckpointMovesOverFilteredEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newStore()
		target := &faulty{counts: cqrs.NewMemory[int](), before: never, after: never}
		p := counting(1)
		p.Filter = eventstore.Filter{Types: []string{"Wanted"}}
		stop := running(t, newProjector(t, store, target, p, cqrs.Config{LeaseDuration: 30 * time.Second}).Run)
		for range 1000 {
			appendEvents(t, store, "a", "Other")
			time.Sleep(60 * time.Millisecond)
		}
		checkpoint := func() eventstore.Checkpoint {
			records, err := target.Versions(t.Context(), "counts")
			assert.NoError(t, err)
			return records[0].Checkpoint
		}
		synctest.Wait()
		assert.True(t, target.updates.Load() <= 2+6, "%d updates in a minute without events", target.updates.Load())
		left, err := store.Count(t.Context(), checkpoint(), eventstore.Filter{})
		assert.NoError(t, err)
		assert.True(t, left < 200, "%d events would be read again after a crash", left)
		assert.NoError(t, stop())
		now, err := store.Now(t.Context())
		assert.NoError(t, err)
		assert.Equal(t, checkpoint(), now, "checkpoint after Run")
	})
}

func TestVersionsSwitchAndAreReinstated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, target := newStore(), cqrs.NewMemory[int]()
		appendEvents(t, store, "a", "A", "B")
		var changes [3]seen[cqrs.Change]
		start := func(version int) func() error {
			return running(t, newProjector(t, store, target, counting(version), cqrs.Config{Hooks: cqrs.Hooks{
				Changed: changes[version].hook,
			}}).Run)
		}
		active := func() int {
			model, err := cqrs.ActiveModel(t.Context(), target, "counts")
			assert.NoError(t, err)
			return model.Version
		}
		_, err := cqrs.ActiveModel(t.Context(), target, "counts")
		assert.ErrorIs(t, err, cqrs.ErrNoVersion)
		stopOne := start(1)
		synctest.Wait()
		assert.Equal(t, active(), 1)

		stopTwo := start(2)
		synctest.Wait()
		assert.Equal(t, active(), 2)
		wantOnce(t, store, target, "counts")
		appendEvents(t, store, "a", "C")
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, parts(&changes[1]), []cqrs.Part{cqrs.Owning, cqrs.Switched, cqrs.Parked})
		wantOnce(t, store, target, "counts_v2")
		assert.ErrorIs(t, newProjector(t, store, target, counting(1), cqrs.Config{}).CatchUp(t.Context()), cqrs.ErrRetired)

		// Version 2 was a mistake.
		assert.NoError(t, cqrs.Reinstate(t.Context(), target, "counts", 1))
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, active(), 1)
		assert.Equal(t, parts(&changes[1]), []cqrs.Part{cqrs.Owning, cqrs.Switched, cqrs.Parked, cqrs.Owning, cqrs.Switched})
		appendEvents(t, store, "a", "D")
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, parts(&changes[2]), []cqrs.Part{cqrs.Owning, cqrs.Switched, cqrs.Parked})
		wantOnce(t, store, target, "counts")
		assert.NoError(t, stopOne())
		assert.NoError(t, stopTwo())
		assert.NoError(t, cqrs.Drop(t.Context(), target, "counts", 2))
		for key := range target.Rows("counts_v2") {
			t.Errorf("row %s of a version that was dropped", key)
		}
	})
}

// While readers are in the way of a switch, events go on being applied, and the
// tries come ever more rarely: each may make other readers wait.
func TestSwitchThatFailsIsTriedMoreAndMoreRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newStore()
		var tries atomic.Int64
		var free atomic.Bool
		target := &faulty{counts: cqrs.NewMemory[int](), before: never, after: never}
		target.activations = func() error {
			tries.Add(1)
			if free.Load() {
				return nil
			}
			return errRefused
		}
		stop := running(t, newProjector(t, store, target, counting(1), cqrs.Config{}).Run)
		for range 600 {
			appendEvents(t, store, "a", "A")
			time.Sleep(time.Second)
		}
		synctest.Wait()
		assert.True(t, tries.Load() > 60 && tries.Load() < 140, "%d tries in ten minutes", tries.Load())
		applied := 0
		for range target.Rows("counts_v1") {
			applied++
		}
		assert.True(t, applied > 580, "%d of 600 events were applied", applied)
		free.Store(true)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		wantOnce(t, store, target.counts, "counts")
		assert.NoError(t, stop())
	})
}

// A caller whose time is up wants to know what it went by with.
func TestCatchUpSaysWhatItWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, target := newStore(), cqrs.NewMemory[int]()
		appendEvents(t, store, "a", "Happened")
		cause := errors.New("no more time")
		catchUp := func(p cqrs.Projection[countx]) error {
			ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Second, cause)
			defer cancel()
			return newProjector(t, store, target, p, cqrs.Config{}).CatchUp(ctx)
		}
		p := counting(1)
		p.Apply = func(context.Context, countx, cqrs.Model, []eventstore.Recorded) error { return errRefused }
		err := catchUp(p)
		assert.ErrorIs(t, err, cause)
		assert.ErrorIs(t, err, errRefused)

		p.Apply = func(ctx context.Context, _ countx, _ cqrs.Model, _ []eventstore.Recorded) error {
			time.Sleep(6 * time.Second)
			return errRefused
		}
		err = catchUp(p)
		assert.ErrorIs(t, err, cause)
		assert.ErrorIs(t, err, errRefused, "what failed as the time was up")

		_, err = target.Acquire(t.Context(), cqrs.Claim{Projection: p.Name, Version: 1, Owner: "another", Duration: time.Minute})
		assert.NoError(t, err)
		err = catchUp(counting(1))
		assert.ErrorIs(t, err, cause)
		assert.ErrorIs(t, err, cqrs.ErrOwned)
	})
}
