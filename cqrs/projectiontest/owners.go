package projectiontest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/internal/assert"
)

// frozenOwner stops an owner in the middle of its transaction until its lease
// has ended and another one is at work. The other one either gets ahead of it,
// and then what the first one wrote must not count; or has to wait for it.
func frozenOwner[Tx any](t *testing.T, k *kit[Tx]) {
	const brief = 200 * time.Millisecond
	built := k.build(t, 1)
	assert.NoError(t, k.target.Release(t.Context(), built))
	frozen := k.acquire(t, 1, "frozen", brief)

	inside, thaw := make(chan struct{}), make(chan struct{})
	frozenErr := make(chan error, 1)
	go func() {
		_, err := k.target.Update(t.Context(), frozen, cqrs.Step{Checkpoint: at(3), Applied: 1}, func(ctx context.Context, tx Tx) error {
			err := k.Insert(ctx, tx, frozen.Model, table, Row{"s", 1})
			close(inside)
			<-thaw
			return err
		})
		frozenErr <- err
	}()
	<-inside

	nextErr := make(chan error, 1)
	go func() { nextErr <- k.takeOver(t.Context(), Row{"s", 1}) }()
	var next error
	waited := false
	select {
	case next = <-nextErr:
	case <-time.After(5 * brief): // the target may let the next owner wait for the first one's transaction
		waited = true
	}
	close(thaw)
	first := <-frozenErr
	if waited {
		next = <-nextErr
	}
	switch {
	case first == nil && next == nil:
		t.Fatal("both the frozen owner and the next one applied the same event")
	case first != nil && next != nil:
		t.Fatalf("nobody applied the event: the frozen owner: %v; the next one: %v", first, next)
	}
	lease := k.acquire(t, 1, "next", long)
	assert.Equal(t, lease.Checkpoint, at(3))
	assert.Equal(t, lease.Applied, int64(1))
	k.update(t, lease, cqrs.Step{Checkpoint: at(3), Activate: true}, nil)
	assert.Equal(t, k.rows(t), count(1))
}

// takeOver applies a row as soon as the lease of another owner has ended, if
// it was not applied by then.
func (k *kit[Tx]) takeOver(ctx context.Context, row Row) error {
	for {
		lease, err := k.target.Acquire(ctx, k.claim(1, "next", long))
		var owned *cqrs.OwnedError
		switch {
		case errors.As(err, &owned):
			time.Sleep(max(owned.Remaining, time.Millisecond)) // the target's clock is a real one
			continue
		case err != nil:
			return err
		case lease.Checkpoint == at(3):
			return fmt.Errorf("the event is applied already")
		}
		_, err = k.target.Update(ctx, lease, cqrs.Step{Checkpoint: at(3), Applied: 1}, k.inserts(lease.Model, row))
		return err
	}
}

// racingOwners lets many owners, of whom some walk away without a word, apply
// one row after the other.
func racingOwners[Tx any](t *testing.T, k *kit[Tx]) {
	rows, owners := 40, 6
	if testing.Short() {
		rows = 15
	}
	assert.NoError(t, k.target.Release(t.Context(), k.build(t, 1)))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	var all sync.WaitGroup
	for i := range owners {
		all.Go(func() {
			if err := k.race(ctx, fmt.Sprintf("owner %d", i), int64(rows)); err != nil {
				t.Errorf("owner %d: %v", i, err)
			}
		})
	}
	all.Wait()
	lease := k.acquireFree(t, 1)
	assert.Equal(t, lease.Applied, int64(rows), "events applied")
	k.update(t, lease, cqrs.Step{Checkpoint: lease.Checkpoint, Activate: true}, nil)
	assert.Equal(t, k.rows(t), count(rows))
}

func (k *kit[Tx]) race(ctx context.Context, owner string, rows int64) error {
	for {
		lease, err := k.target.Acquire(ctx, k.claim(1, owner, 60*time.Millisecond))
		if errors.Is(err, cqrs.ErrOwned) {
			time.Sleep(rand.N(20 * time.Millisecond)) // the target's clock is a real one
			continue
		}
		if err != nil {
			return err
		}
		for range 1 + rand.IntN(4) {
			if lease.Applied == rows {
				return k.target.Release(ctx, lease)
			}
			n := lease.Applied + 1
			next, err := k.target.Update(ctx, lease, cqrs.Step{Checkpoint: at(2 + n), Applied: 1}, k.inserts(lease.Model, Row{"s", n}))
			if err != nil && k.lost(ctx, lease) {
				break // the row may have been there, put by the owner that it was lost to
			}
			if err != nil {
				return err
			}
			lease = next
			if rand.IntN(8) == 0 {
				time.Sleep(70 * time.Millisecond) // past the lease, by the target's clock
			}
		}
		if rand.IntN(3) > 0 {
			if err := k.target.Release(ctx, lease); err != nil {
				return err
			}
		}
	}
}

func (k *kit[Tx]) lost(ctx context.Context, lease cqrs.Lease) bool {
	_, err := k.target.Update(ctx, lease, cqrs.Step{Checkpoint: lease.Checkpoint}, nil)
	return errors.Is(err, cqrs.ErrLost)
}

// acquireFree waits until whoever owned the version has gone.
func (k *kit[Tx]) acquireFree(t *testing.T, version int) cqrs.Lease {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		lease, err := k.target.Acquire(t.Context(), k.claim(version, "last", long))
		if err == nil {
			return lease
		}
		assert.ErrorIs(t, err, cqrs.ErrOwned)
		assert.True(t, time.Now().Before(deadline), "version %d does not get free: %v", version, err)
		time.Sleep(5 * time.Millisecond) // the target's clock is a real one
	}
}
