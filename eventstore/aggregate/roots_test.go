package aggregate_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/eventstore/aggregate"
	"github.com/parlance-go/parlance/internal/assert"
)

// amounts returns what is in the log.
func amounts(t *testing.T, store *eventstore.Store) (amounts []int) {
	t.Helper()
	events := accountEvents(t)
	for event, err := range store.Read(t.Context(), "account-1", 1) {
		assert.NoError(t, err)
		value, err := events.Decode(event.Event)
		assert.NoError(t, err)
		amounts = append(amounts, accounts.Evolve(account{}, value).Balance)
	}
	return amounts
}

func TestRootWithoutStore(t *testing.T) {
	l := newLedger()
	l.Deposit(5)
	assert.ErrorIs(t, l.Withdraw(6), errInsufficient)
	assert.NoError(t, l.Withdraw(5))
	assert.Equal(t, l.Pending(), []accountEvent{deposited{5}, withdrawn{5}})
	assert.Equal(t, l.Version(), 0)
	assert.Equal(t, l.ID(), "")
	assert.Panics(t, func() { l.Record(newLedger(), deposited{1}) })
	assert.Equal(t, len(l.Pending()), 2)

	roots, _ := newLedgers(t, eventstore.NewMemory())
	assert.ErrorIs(t, roots.Save(t.Context(), l), eventstore.ErrInvalid, "it comes from nowhere")
	others, _ := newLedgers(t, eventstore.NewMemory())
	l, err := others.Load(t.Context(), "1")
	assert.NoError(t, err)
	assert.ErrorIs(t, roots.Save(t.Context(), l), eventstore.ErrInvalid, "it comes from elsewhere")
}

func TestRootsLoadAndSave(t *testing.T) {
	ctx := eventstore.WithMetadata(t.Context(), eventstore.Metadata{Actor: "ada"})
	roots, store := newLedgers(t, eventstore.NewMemory())
	l, err := roots.Load(ctx, "1")
	assert.NoError(t, err)
	assert.Equal(t, l.ID(), "1")
	assert.Equal(t, l.Version(), 0)
	assert.NoError(t, roots.Save(ctx, l), "nothing to save")
	l.Deposit(5)
	assert.Equal(t, l.Owner, "1", "Apply knows the ID")
	assert.NoError(t, roots.Save(ctx, l))
	assert.NoError(t, l.Withdraw(2))
	assert.NoError(t, roots.Save(ctx, l))
	assert.Equal(t, l.Version(), 2)
	assert.Equal(t, len(l.Pending()), 0)
	again, err := roots.Load(ctx, "1")
	assert.NoError(t, err)
	assert.Equal(t, again, l)
	for event, err := range store.Read(ctx, "account-1", 1) {
		assert.NoError(t, err)
		assert.Equal(t, event.Metadata, eventstore.Metadata{Actor: "ada"})
	}
	assert.NoError(t, store.Tombstone(ctx, "account-1", eventstore.Any))
	_, err = roots.Load(ctx, "1")
	assert.ErrorIs(t, err, eventstore.ErrTombstoned)
}

// Whatever a failed Save has done to the log, a second one loses nothing and
// doubles nothing, also when more has been recorded in between.
func TestRootsSaveFails(t *testing.T) {
	for _, committed := range []bool{false, true} {
		for more := range 3 {
			driver := &faulty{Driver: eventstore.NewMemory()}
			roots, store := newLedgers(t, driver)
			l, err := roots.Load(t.Context(), "1")
			assert.NoError(t, err)
			l.Deposit(1)
			l.Deposit(2)
			if committed {
				driver.afterAppend = once(errLost)
			} else {
				driver.beforeAppend = once(errLost)
			}
			assert.ErrorIs(t, roots.Save(t.Context(), l), errLost)
			assert.Equal(t, len(l.Pending()), 2)
			want := []int{1, 2}
			for i := range more {
				l.Deposit(3 + i)
				want = append(want, 3+i)
			}
			assert.NoError(t, roots.Save(t.Context(), l))
			assert.Equal(t, len(l.Pending()), 0)
			assert.Equal(t, l.Version(), int64(2+more))
			l.Deposit(9)
			assert.NoError(t, roots.Save(t.Context(), l))
			assert.Equal(t, amounts(t, store), append(want, 9))
		}
	}
}

func TestRootsSaveConflicts(t *testing.T) {
	roots, store := newLedgers(t, eventstore.NewMemory())
	one, err := roots.Load(t.Context(), "1")
	assert.NoError(t, err)
	other, err := roots.Load(t.Context(), "1")
	assert.NoError(t, err)
	one.Deposit(1)
	other.Deposit(2)
	assert.NoError(t, roots.Save(t.Context(), one))
	for range 2 {
		assert.ErrorIs(t, roots.Save(t.Context(), other), eventstore.ErrConflict)
		assert.Equal(t, other.Pending(), []accountEvent{deposited{2}})
	}
	assert.Equal(t, amounts(t, store), []int{1})
}

// An event that cannot be encoded keeps all from being sent.
func TestRootsSaveUnknownEvent(t *testing.T) {
	roots, store := newLedgers(t, eventstore.NewMemory())
	l, err := roots.Load(t.Context(), "1")
	assert.NoError(t, err)
	l.Deposit(1)
	l.Record(l, unregistered{})
	assert.ErrorIs(t, roots.Save(t.Context(), l), eventstore.ErrUnknownType)
	assert.Equal(t, len(l.Pending()), 2)
	assert.Equal(t, amounts(t, store), nil)
}

type unregistered struct{}

func (unregistered) accountEvent() {}

// Metadata that the store refuses does not stick to what is pending.
func TestRootsSaveWithBetterMetadata(t *testing.T) {
	roots, store := newLedgers(t, eventstore.NewMemory())
	l, err := roots.Load(t.Context(), "1")
	assert.NoError(t, err)
	l.Deposit(1)
	bad := eventstore.WithMetadata(t.Context(), eventstore.Metadata{Tenant: "acme"})
	assert.ErrorIs(t, roots.Save(bad, l), eventstore.ErrInvalid)
	assert.NoError(t, roots.Save(t.Context(), l))
	assert.Equal(t, amounts(t, store), []int{1})
}

func TestRootsDeletedAndAnew(t *testing.T) {
	roots, store := newLedgers(t, eventstore.NewMemory())
	for round := range int64(3) {
		l, err := roots.Load(t.Context(), "1")
		assert.NoError(t, err)
		assert.Equal(t, l.Balance, 0)
		assert.Equal(t, l.Version(), 2*round)
		for range 2 {
			l.Deposit(1)
			assert.NoError(t, roots.Save(t.Context(), l))
		}
		l, err = roots.Load(t.Context(), "1")
		assert.NoError(t, err)
		assert.Equal(t, l.Balance, 2)
		assert.NoError(t, store.Delete(t.Context(), "account-1", eventstore.Any))
	}
}

func TestRootsUpdate(t *testing.T) {
	ctx := t.Context()
	driver := &faulty{Driver: eventstore.NewMemory()}
	roots, store := newLedgers(t, driver)
	other := accountOther(t, store)
	var kept *ledger
	calls := 0
	driver.beforeAppend = func([]eventstore.Write) error {
		if driver.beforeAppend = nil; calls == 1 {
			other(deposited{4})
		}
		return nil
	}
	err := roots.Update(ctx, "1", func(l *ledger) error {
		calls++
		assert.Equal(t, l.Version(), int64(calls-1))
		assert.Equal(t, len(l.Pending()), 0)
		l.Deposit(1)
		kept = l
		return l.Withdraw(1)
	})
	assert.NoError(t, err)
	assert.Equal(t, calls, 2)
	assert.Equal(t, kept.Version(), 3)
	assert.Equal(t, kept.Balance, 4)
	assert.Equal(t, len(kept.Pending()), 0)
	kept.Deposit(2)
	assert.NoError(t, roots.Save(ctx, kept), "an aggregate that was kept is as good as a loaded one")
	assert.Equal(t, amounts(t, store), []int{4, 1, -1, 2})

	refused := errors.New("no")
	err = roots.Update(ctx, "1", func(l *ledger) error {
		l.Deposit(100)
		return refused
	})
	assert.Equal(t, err, refused, "change's error as it is")
	assert.NoError(t, roots.Update(ctx, "1", func(*ledger) error { return nil }))
	assert.Panics(t, func() {
		_ = roots.Update(ctx, "1", func(l *ledger) error {
			l.Deposit(100)
			panic("change")
		})
	})
	assert.Equal(t, amounts(t, store), []int{4, 1, -1, 2})
}

func TestRootsUpdateRacing(t *testing.T) {
	const writers, updates = 16, 20
	roots, _ := newLedgers(t, eventstore.NewMemory(), func(c *ledgerConfig) {
		c.MaxAttempts = 1000
		c.Snapshots, c.SnapshotEvery = aggregate.NewMemorySnapshots(1), 5
	})
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range updates {
				if err := roots.Update(t.Context(), "1", func(l *ledger) error {
					l.Deposit(1)
					return nil
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	l, err := roots.Load(t.Context(), "1")
	assert.NoError(t, err)
	assert.Equal(t, l.Balance, writers*updates)
	assert.Equal(t, l.Version(), writers*updates)
}

func TestRootsUpdateRepeated(t *testing.T) {
	for _, every := range []int{0, 1} {
		driver := &faulty{Driver: eventstore.NewMemory()}
		roots, store := newLedgers(t, driver, func(c *ledgerConfig) {
			if every > 0 {
				c.Snapshots, c.SnapshotEvery = aggregate.NewMemorySnapshots(1), every
			}
		})
		ctx := eventstore.WithCommandID(t.Context(), "c-1")
		change := func(l *ledger) error {
			if l.Balance > 0 {
				return errors.New("paid already")
			}
			l.Deposit(1)
			return nil
		}
		driver.afterAppend = once(errLost)
		assert.ErrorIs(t, roots.Update(ctx, "1", change), errLost)
		for range 3 {
			assert.NoError(t, roots.Update(ctx, "1", change))
			_, err := roots.Load(ctx, "1")
			assert.NoError(t, err)
		}
		assert.Equal(t, amounts(t, store), []int{1})
	}
}

// Two deliveries load the same state, and one is faster. What the other has
// changed is thrown away; in particular, nothing is applied to it any more.
func TestRootsUpdateOvertakenByItself(t *testing.T) {
	driver := &faulty{Driver: eventstore.NewMemory()}
	var told []aggregate.HandledInfo
	roots, store := newLedgers(t, driver, func(c *ledgerConfig) {
		c.Hooks.Handled = func(_ context.Context, info aggregate.HandledInfo) {
			info.Took = 0
			told = append(told, info)
		}
	})
	ctx := eventstore.WithCommandID(t.Context(), "c-1")
	var slow *ledger
	driver.beforeAppend = func([]eventstore.Write) error {
		driver.beforeAppend = nil
		return roots.Update(ctx, "1", func(l *ledger) error {
			l.Deposit(7)
			return nil
		})
	}
	assert.NoError(t, roots.Update(ctx, "1", func(l *ledger) error {
		slow = l
		l.Deposit(1)
		return nil
	}))
	assert.Equal(t, amounts(t, store), []int{7})
	assert.Equal(t, slow.Balance, 1)
	assert.Equal(t, told, []aggregate.HandledInfo{
		{Stream: "account-1", Version: 1, Events: 1, Attempts: 1},
		{Stream: "account-1", Version: 1, Events: 1, Attempts: 1, Repeated: true},
	})
}

// Snapshots of roots hold the log, and nothing that is pending.
func TestRootsSnapshots(t *testing.T) {
	ctx := t.Context()
	snapshots := aggregate.NewMemorySnapshots(1)
	driver := &faulty{Driver: eventstore.NewMemory()}
	roots, _ := newLedgers(t, driver, func(c *ledgerConfig) { c.Snapshots, c.SnapshotEvery = snapshots, 2 })
	for range 5 {
		assert.NoError(t, roots.Update(ctx, "1", func(l *ledger) error {
			l.Deposit(1)
			return nil
		}))
	}
	snapshot, err := snapshots.Load(ctx, accountKey)
	assert.NoError(t, err)
	assert.Equal(t, snapshot.Version, 4)
	assert.Equal(t, string(snapshot.Data), `{"Balance":4,"Owner":"1"}`)
	l, err := roots.Load(ctx, "1")
	assert.NoError(t, err)
	assert.Equal(t, []any{l.Balance, l.Version(), l.ID()}, []any{5, int64(5), "1"})
	l.Deposit(1)
	assert.NoError(t, roots.Save(ctx, l))

	for _, data := range []string{"null", "{", `{"Balance":1000}`} {
		snapshot.Data = []byte(data)
		assert.NoError(t, snapshots.Save(ctx, accountKey, snapshot))
		l, err = roots.Load(ctx, "1")
		assert.NoError(t, err)
		assert.Equal(t, l.Balance, 6)
	}
	snapshot, err = snapshots.Load(ctx, accountKey)
	assert.NoError(t, err)
	snapshot.EventID = uuid.New()
	assert.NoError(t, snapshots.Save(ctx, accountKey, snapshot))
	l, err = roots.Load(ctx, "1")
	assert.NoError(t, err)
	assert.Equal(t, []any{l.Balance, l.Version(), l.ID()}, []any{6, int64(6), "1"})
}

func TestNewRootsErrors(t *testing.T) {
	config := ledgerConfig{
		Store: eventstore.New(eventstore.NewMemory(), eventstore.Config{}), Category: "account", Events: accountEvents(t),
	}
	_, err := aggregate.NewRoots(nil, config)
	assert.ErrorIs(t, err, eventstore.ErrInvalid)
	_, err = aggregate.NewRoots(func() *ledger {
		l := newLedger()
		l.Deposit(1)
		return l
	}, config)
	assert.ErrorIs(t, err, eventstore.ErrInvalid)
	config.Category = "a-b"
	_, err = aggregate.NewRoots(newLedger, config)
	assert.ErrorIs(t, err, eventstore.ErrInvalid)
}

// Update appends what was recorded, so a Save in there would append it on its
// own, and once more with each attempt.
func TestRootsSaveInsideUpdate(t *testing.T) {
	roots, store := newLedgers(t, eventstore.NewMemory())
	calls := 0
	save := func(l *ledger) error {
		calls++
		l.Deposit(1)
		if err := roots.Save(t.Context(), l); err != nil {
			return err
		}
		l.Deposit(2)
		return nil
	}
	err := roots.Update(t.Context(), "1", save)
	assert.ErrorIs(t, err, eventstore.ErrInvalid)
	assert.Equal(t, calls, 1)

	var kept *ledger
	assert.NoError(t, roots.Update(t.Context(), "1", func(l *ledger) error {
		kept = l
		l.Deposit(3)
		return nil
	}))
	assert.NoError(t, save(kept), "an aggregate that was kept is as good as a loaded one")
	assert.NoError(t, roots.Save(t.Context(), kept))
	assert.Equal(t, amounts(t, store), []int{3, 1, 2})

	assert.NoError(t, roots.Update(t.Context(), "1", func(l *ledger) error {
		kept = l
		return nil
	}))
	assert.NoError(t, save(kept), "also one to which nothing happened")
}

// One to which nothing happened still has to begin its stream anew.
func TestRootsUpdateWithoutEventsAfterDeletion(t *testing.T) {
	roots, store := newLedgers(t, eventstore.NewMemory())
	deposit := func(l *ledger) error { l.Deposit(1); return nil }
	assert.NoError(t, roots.Update(t.Context(), "1", deposit))
	assert.NoError(t, store.Delete(t.Context(), "account-1", eventstore.Any))
	var kept *ledger
	assert.NoError(t, roots.Update(t.Context(), "1", func(l *ledger) error {
		kept = l
		return nil
	}))
	kept.Deposit(2)
	assert.NoError(t, roots.Save(t.Context(), kept))
	l, err := roots.Load(t.Context(), "1")
	assert.NoError(t, err)
	assert.Equal(t, l.Balance, 2)
	assert.Equal(t, l.Version(), 2)
}
