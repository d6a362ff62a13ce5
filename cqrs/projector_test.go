package cqrs_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

type (
	counts = cqrs.Memory[int]
	countx = *cqrs.MemoryTx[int]
)

var quiet = slog.New(slog.DiscardHandler)

func newStore() *eventstore.Store {
	return eventstore.New(eventstore.NewMemory(), eventstore.Config{})
}

func appendEvents(t *testing.T, store *eventstore.Store, stream string, types ...string) {
	t.Helper()
	for _, name := range types {
		_, err := store.Append(t.Context(), stream, eventstore.Any, eventstore.Event{Type: name})
		assert.NoError(t, err)
	}
}

// counting counts how often each event was applied.
func counting(version int) cqrs.Projection[countx] {
	return cqrs.Projection[countx]{
		Name: "counts", Version: version, Tables: []string{"counts"},
		Setup: func(_ context.Context, tx countx, m cqrs.Model) error {
			n, _ := tx.Get(m.Table("setups"), "")
			tx.Put(m.Table("setups"), "", n+1)
			return nil
		},
		Apply: func(_ context.Context, tx countx, m cqrs.Model, events []eventstore.Recorded) error {
			for i := range events {
				key := fmt.Sprintf("%s@%d", events[i].Stream, events[i].Version)
				n, _ := tx.Get(m.Table("counts"), key)
				tx.Put(m.Table("counts"), key, n+1)
			}
			return nil
		},
	}
}

func newProjector(t *testing.T, store *eventstore.Store, target cqrs.Target[countx], p cqrs.Projection[countx], config cqrs.Config) *cqrs.Projector[countx] {
	t.Helper()
	if config.Logger == nil {
		config.Logger = quiet
	}
	projector, err := cqrs.NewProjector(store, target, p, config)
	assert.NoError(t, err)
	return projector
}

// wantOnce checks that each event of the store was applied once, and no other.
func wantOnce(t *testing.T, store *eventstore.Store, target *counts, table string) {
	t.Helper()
	got := 0
	for key, n := range target.Rows(table) {
		assert.Equal(t, n, 1, "how often %s was applied", key)
		got++
	}
	want, err := store.Count(t.Context(), eventstore.Checkpoint{}, eventstore.Filter{})
	assert.NoError(t, err)
	assert.Equal(t, int64(got), want, "events in the read model")
}

// running calls run beside the test, and returns what ends it.
func running(t *testing.T, run func(context.Context) error) (stop func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	return func() error {
		cancel()
		return <-done
	}
}

// seen is what hooks were told, for a test that looks on meanwhile.
type seen[T any] struct {
	mu  sync.Mutex
	all []T
}

func (s *seen[T]) add(one T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, one)
}

func (s *seen[T]) list() []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all)
}

func (s *seen[T]) last() T {
	all := s.list()
	return all[len(all)-1]
}

func (s *seen[T]) hook(_ context.Context, one T) { s.add(one) }

// parts returns the parts of the changes.
func parts(s *seen[cqrs.Change]) (parts []cqrs.Part) {
	for _, change := range s.list() {
		parts = append(parts, change.Part)
	}
	return parts
}

func TestRunFollowsTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, target := newStore(), cqrs.NewMemory[int]()
		appendEvents(t, store, "a", "A", "B", "A")
		stop := running(t, newProjector(t, store, target, counting(0), cqrs.Config{}).Run)
		synctest.Wait()
		wantOnce(t, store, target, "counts")
		appendEvents(t, store, "b", "A", "B")
		time.Sleep(time.Hour)
		appendEvents(t, store, "a", "A")
		synctest.Wait()
		wantOnce(t, store, target, "counts")

		records, err := target.Versions(t.Context(), "counts")
		assert.NoError(t, err)
		assert.True(t, records[0].Owner != "", "the lease is kept while nothing happens")
		assert.NoError(t, stop())
		records, err = target.Versions(t.Context(), "counts")
		assert.NoError(t, err)
		assert.Equal(t, records[0].Owner, "", "owner after Run")
		assert.Equal(t, records[0].Model.Version, 1)
		assert.NoError(t, newProjector(t, store, target, counting(1), cqrs.Config{}).CatchUp(t.Context()))
		wantOnce(t, store, target, "counts")
		setups, _ := target.Row("setups_v1", "")
		assert.Equal(t, setups, 1, "Setup runs once, not with every Run")
	})
}

// An owner that was frozen past its lease, in the middle of its transaction,
// finds when it goes on that another one has done its work.
func TestFrozenOwnerIsRefused(t *testing.T) {
	t.Run("when it commits", func(t *testing.T) { frozenOwner(t, nil) })
	// Such as a row that is there already, put by the next owner: nothing is
	// wrong with the event.
	t.Run("when what it finds makes no sense", func(t *testing.T) { frozenOwner(t, permanentError{}) })
}

func frozenOwner(t *testing.T, found error) {
	synctest.Test(t, func(t *testing.T) {
		store, target := newStore(), cqrs.NewMemory[int]()
		appendEvents(t, store, "a", "A", "B", "C")
		thaw := make(chan struct{})
		frozen, calls := counting(1), 0
		apply := frozen.Apply
		frozen.Apply = func(ctx context.Context, tx countx, m cqrs.Model, events []eventstore.Recorded) error {
			err := apply(ctx, tx, m, events)
			if calls++; calls == 1 {
				<-thaw // whatever ctx says
				return found
			}
			return err
		}
		var changes, nextChanges seen[cqrs.Change]
		note := cqrs.Hooks{Changed: changes.hook}
		stopFrozen := running(t, newProjector(t, store, target, frozen, cqrs.Config{BatchSize: 1, Hooks: note}).Run)
		synctest.Wait()
		next := cqrs.Hooks{Changed: nextChanges.hook}
		stopNext := running(t, newProjector(t, store, target, counting(1), cqrs.Config{Hooks: next}).Run)
		synctest.Wait()
		assert.Equal(t, parts(&nextChanges), []cqrs.Part{cqrs.Waiting})
		time.Sleep(31 * time.Second)
		synctest.Wait()
		wantOnce(t, store, target, "counts")
		assert.Equal(t, parts(&nextChanges), []cqrs.Part{cqrs.Waiting, cqrs.Owning, cqrs.Switched})

		close(thaw)
		time.Sleep(time.Minute)
		appendEvents(t, store, "a", "D")
		synctest.Wait()
		wantOnce(t, store, target, "counts")
		assert.Equal(t, parts(&changes), []cqrs.Part{cqrs.Owning, cqrs.Waiting})
		assert.NoError(t, stopNext())
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, parts(&changes), []cqrs.Part{cqrs.Owning, cqrs.Waiting, cqrs.Owning})
		assert.NoError(t, stopFrozen())
		wantOnce(t, store, target, "counts")
	})
}

func TestPoisonIsRetriedAndNeverSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, target := newStore(), cqrs.NewMemory[int]()
		types := slices.Repeat([]string{"A"}, 20)
		types[12] = "Poison"
		appendEvents(t, store, "a", types...)
		p := counting(1)
		var mended atomic.Bool
		var sizes seen[int]
		apply := p.Apply
		p.Apply = func(ctx context.Context, tx countx, m cqrs.Model, events []eventstore.Recorded) error {
			poisoned := slices.ContainsFunc(events, func(e eventstore.Recorded) bool { return e.Type == "Poison" })
			if err := apply(ctx, tx, m, events); err != nil || mended.Load() || !poisoned {
				if mended.Load() {
					sizes.add(len(events))
				}
				return err
			}
			return errRefused
		}
		var told seen[cqrs.Failure]
		var progress seen[cqrs.Progress]
		var log bytes.Buffer
		start := time.Now()
		stop := running(t, newProjector(t, store, target, p, cqrs.Config{
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
			Hooks:  cqrs.Hooks{Failed: told.hook, Progress: progress.hook},
		}).Run)
		time.Sleep(time.Second)
		synctest.Wait()
		applied := 0
		for range target.Rows("counts_v1") {
			applied++
		}
		assert.Equal(t, applied, 12, "events before the one at fault are applied")
		named := assert.ErrorAs[*cqrs.ApplyError](t, told.last().Err)
		assert.ErrorIs(t, told.last().Err, errRefused)
		assert.Equal(t, *named, cqrs.ApplyError{Stream: "a", Version: 13, Type: "Poison", Events: 1, Err: errRefused})
		assert.True(t, told.list()[0].Delay == 0, "a batch is divided at once")

		time.Sleep(10 * time.Minute)
		synctest.Wait()
		failures, last := told.list(), progress.last()
		n := len(failures)
		assert.True(t, n > 60 && n < 160, "%d failures in ten minutes", n)
		for i := n - 20; i < n; i++ {
			delay := failures[i].Delay
			assert.True(t, delay >= 5*time.Second && delay <= 10*time.Second, "delay %s", delay)
			assert.Equal(t, failures[i].Attempt, failures[i-1].Attempt+1)
		}
		assert.False(t, last.Live)
		assert.Equal(t, last.Done, int64(12))
		assert.Equal(t, last.Total, int64(20))
		late := time.Since(start) - last.Lag
		assert.True(t, late >= 0 && late <= 10*time.Second, "Lag is %s after %s", last.Lag, time.Since(start))

		mended.Store(true)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		wantOnce(t, store, target, "counts")
		last = progress.last()
		assert.True(t, last.Live && last.Lag == 0, "%+v", last)
		assert.Equal(t, sizes.list(), []int{1, 2, 4, 1}, "events at once after the last failure")
		assert.NoError(t, stop())
		assert.Contains(t, log.String(), "version 13 (Poison)")
	})
}

type permanentError struct{}

func (permanentError) Error() string   { return "cannot be decoded" }
func (permanentError) Retryable() bool { return false }

func TestPermanentErrorEndsRunAndNamesTheEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, target := newStore(), cqrs.NewMemory[int]()
		appendEvents(t, store, "a", "A", "B", "Poison", "C")
		p := counting(4)
		apply := p.Apply
		p.Apply = func(ctx context.Context, tx countx, m cqrs.Model, events []eventstore.Recorded) error {
			for i := range events {
				if events[i].Type == "Poison" {
					return fmt.Errorf("decode: %w", permanentError{})
				}
			}
			return apply(ctx, tx, m, events)
		}
		err := newProjector(t, store, target, p, cqrs.Config{}).Run(t.Context())
		assert.Error(t, err)
		assert.Equal(t, err.Error(), `cqrs: run "counts", version 4: apply event of stream "a", version 3 (Poison): decode: cannot be decoded`)
		records, err := target.Versions(t.Context(), "counts")
		assert.NoError(t, err)
		assert.Equal(t, records[0].Applied, int64(2), "events before it")
		assert.Equal(t, records[0].Owner, "", "owner after Run")
	})
}

func TestDrainFinishesTheTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, target := newStore(), cqrs.NewMemory[int]()
		appendEvents(t, store, "a", "A", "B", "C")
		p := counting(1)
		apply := p.Apply
		p.Apply = func(ctx context.Context, tx countx, m cqrs.Model, events []eventstore.Recorded) error {
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			return apply(ctx, tx, m, events)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		start := time.Now()
		assert.NoError(t, newProjector(t, store, target, p, cqrs.Config{BatchSize: 2}).Run(ctx))
		assert.Equal(t, time.Since(start), time.Second, "the open transaction is finished, the next one not begun")
		records, err := target.Versions(t.Context(), "counts")
		assert.NoError(t, err)
		assert.Equal(t, records[0].Applied, int64(2))
	})
}

// Apply that hangs loses its transaction in time, and is given fewer events.
func TestSlowApplyGetsFewerEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, target := newStore(), cqrs.NewMemory[int]()
		appendEvents(t, store, "a", slices.Repeat([]string{"A"}, 50)...)
		p := counting(1)
		apply := p.Apply
		p.Apply = func(ctx context.Context, tx countx, m cqrs.Model, events []eventstore.Recorded) error {
			for i := range events {
				select {
				case <-time.After(time.Second):
				case <-ctx.Done():
					return context.Cause(ctx)
				}
				if err := apply(ctx, tx, m, events[i:i+1]); err != nil {
					return err
				}
			}
			return nil
		}
		assert.NoError(t, newProjector(t, store, target, p, cqrs.Config{LeaseDuration: 10 * time.Second}).CatchUp(t.Context()))
		wantOnce(t, store, target, "counts")
	})
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, target := newStore(), cqrs.NewMemory[int]()
		appendEvents(t, store, "a", slices.Repeat([]string{"A"}, 1024)...)
		time.Sleep(time.Hour)
		p := counting(1)
		apply := p.Apply
		p.Apply = func(ctx context.Context, tx countx, m cqrs.Model, events []eventstore.Recorded) error {
			time.Sleep(time.Second)
			return apply(ctx, tx, m, events)
		}
		var told seen[cqrs.Progress]
		stop := running(t, newProjector(t, store, target, p, cqrs.Config{
			BatchSize: 128, Hooks: cqrs.Hooks{Progress: told.hook},
		}).Run)
		time.Sleep(time.Minute)
		synctest.Wait()
		all := told.list()
		assert.Equal(t, len(all), 8, "one for each transaction")
		third := all[2]
		assert.Equal(t, third.Projection, "counts")
		assert.Equal(t, third.Version, 1)
		assert.Equal(t, third.Done, int64(384))
		assert.Equal(t, third.Total, int64(1024))
		assert.True(t, third.Rate > 127 && third.Rate < 129, "Rate is %v", third.Rate)
		assert.Equal(t, third.ETA.Round(100*time.Millisecond), 5*time.Second)
		assert.Equal(t, third.Lag, time.Hour+3*time.Second)
		assert.False(t, third.Live)
		assert.Equal(t, all[7], cqrs.Progress{
			Projection: "counts", Version: 1, Done: 1024, Total: 1024, Rate: all[7].Rate, Live: true,
		})
		assert.NoError(t, stop())
	})
}

// What comes in by the thousand after the projection has caught up is counted
// as well.
func TestProgressOfALaterRush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, target := newStore(), cqrs.NewMemory[int]()
		appendEvents(t, store, "a", "A", "A")
		p := counting(1)
		apply := p.Apply
		p.Apply = func(ctx context.Context, tx countx, m cqrs.Model, events []eventstore.Recorded) error {
			time.Sleep(time.Second)
			return apply(ctx, tx, m, events)
		}
		var told seen[cqrs.Progress]
		stop := running(t, newProjector(t, store, target, p, cqrs.Config{
			BatchSize: 128, Hooks: cqrs.Hooks{Progress: told.hook},
		}).Run)
		time.Sleep(time.Minute)
		before := len(told.list())
		done := int64(2)
		for _, n := range []int{1024, 8192} { // one page, and several
			rush := make([]eventstore.Event, n)
			for i := range rush {
				rush[i].Type = "A"
			}
			_, err := store.Append(t.Context(), "b", eventstore.Any, rush...)
			assert.NoError(t, err)
			time.Sleep(2 * time.Minute)
			all := told.list()[before:]
			before += len(all)
			assert.Equal(t, len(all), n/128)
			for i, p := range all {
				left := n/128 - i - 1
				assert.Equal(t, p.Done, done+int64(128*(i+1)))
				assert.Equal(t, p.Total, done+int64(n), "Total at %d", p.Done)
				assert.Equal(t, p.Live, left == 0)
				assert.Equal(t, p.ETA.Round(time.Second), time.Duration(left)*time.Second, "ETA at %d", p.Done)
			}
			done += int64(n)
		}
		assert.NoError(t, stop())
	})
}

func TestConfigErrorsNameTheField(t *testing.T) {
	store, target := newStore(), cqrs.NewMemory[int]()
	for want, change := range map[string]func(*cqrs.Projection[countx], *cqrs.Config){
		"Name":          func(p *cqrs.Projection[countx], _ *cqrs.Config) { p.Name = "" },
		"slashes":       func(p *cqrs.Projection[countx], _ *cqrs.Config) { p.Name = "reaction/mail" },
		"Version":       func(p *cqrs.Projection[countx], _ *cqrs.Config) { p.Version = -1 },
		"Apply":         func(p *cqrs.Projection[countx], _ *cqrs.Config) { p.Apply = nil },
		"Tables":        func(p *cqrs.Projection[countx], _ *cqrs.Config) { p.Tables = []string{string(make([]byte, 70))} },
		"stands twice":  func(p *cqrs.Projection[countx], _ *cqrs.Config) { p.Tables = []string{"a", "a"} },
		"BatchSize":     func(_ *cqrs.Projection[countx], c *cqrs.Config) { c.BatchSize = -1 },
		"Owner":         func(_ *cqrs.Projection[countx], c *cqrs.Config) { c.Owner = "pod\x00" },
		"LeaseDuration": func(_ *cqrs.Projection[countx], c *cqrs.Config) { c.LeaseDuration = time.Millisecond },
	} {
		p, config := counting(1), cqrs.Config{}
		change(&p, &config)
		_, err := cqrs.NewProjector(store, target, p, config)
		assert.ErrorIs(t, err, cqrs.ErrInvalid, want)
		assert.Contains(t, err.Error(), want)
	}
	_, err := cqrs.NewProjector[countx](nil, target, counting(1), cqrs.Config{})
	assert.ErrorIs(t, err, cqrs.ErrInvalid)
	_, err = cqrs.NewProjector[countx](store, nil, counting(1), cqrs.Config{})
	assert.ErrorIs(t, err, cqrs.ErrInvalid)
	_, err = cqrs.NewReactor(store, target, cqrs.Reaction{Name: "x"}, cqrs.Config{})
	assert.ErrorIs(t, err, cqrs.ErrInvalid)
	assert.Panics(t, func() { cqrs.NewModel("p", 1, nil).Name(string(make([]byte, 62))) })
}

// A process that was killed has not released what it owned.
func TestOwnerComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, target := newStore(), cqrs.NewMemory[int]()
		appendEvents(t, store, "a", "A")
		p := counting(1)
		_, err := target.Acquire(t.Context(), cqrs.Claim{
			Projection: p.Name, Version: p.Version, Tables: p.Tables, Owner: "pod-1", Duration: time.Minute,
		})
		assert.NoError(t, err)

		start := time.Now()
		assert.NoError(t, newProjector(t, store, target, p, cqrs.Config{Owner: "pod-1"}).CatchUp(t.Context()))
		assert.Equal(t, time.Since(start), 0)
		wantOnce(t, store, target, "counts")

		_, err = cqrs.NewProjector(store, target, p, cqrs.Config{Owner: strings.Repeat("x", 201)})
		assert.ErrorIs(t, err, cqrs.ErrInvalid)
	})
}
