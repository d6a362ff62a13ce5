package projectiontest

import (
	"context"
	"errors"
	"testing"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/internal/assert"
)

var errWrite = errors.New("projectiontest: write failed")

func updateAtomic[Tx any](t *testing.T, k *kit[Tx]) {
	lease := k.build(t, 1, count(2)...)
	assert.False(t, lease.Fresh, "it was updated")
	assert.Equal(t, lease.Checkpoint, at(2))
	assert.Equal(t, lease.Applied, int64(2))

	_, err := k.target.Update(t.Context(), lease, cqrs.Step{Checkpoint: at(9), Applied: 9, Activate: true},
		func(ctx context.Context, tx Tx) error {
			return errors.Join(k.Insert(ctx, tx, lease.Model, table, Row{"s", 3}), errWrite)
		})
	assert.ErrorIs(t, err, errWrite, "the error of write comes back")
	record := k.record(t, 1)
	assert.Equal(t, record.Checkpoint, at(2), "checkpoint after an update that failed")
	assert.Equal(t, record.Applied, int64(2), "events applied after an update that failed")
	assert.Equal(t, record.Status, cqrs.Building, "status after an update that failed")

	lease = k.update(t, lease, cqrs.Step{Checkpoint: at(3), Applied: 2}, k.inserts(lease.Model, Row{"s", 3}, Row{"s", 4}))
	lease = k.update(t, lease, cqrs.Step{Checkpoint: at(4), Activate: true}, nil)
	assert.Equal(t, lease.Status, cqrs.Active)
	assert.Equal(t, lease.Checkpoint, at(4))
	assert.Equal(t, lease.Applied, int64(4))
	assert.Equal(t, k.rows(t), count(4))
	assert.Equal(t, k.record(t, 1).Checkpoint, at(4))
}

func updateLost[Tx any](t *testing.T, k *kit[Tx]) {
	old := k.build(t, 1, count(1)...)
	lease := k.acquire(t, 1, "builder", long)
	refuse := func(lease cqrs.Lease, why string) {
		t.Helper()
		_, err := k.target.Update(t.Context(), lease, cqrs.Step{Checkpoint: at(9), Applied: 1, Activate: true},
			k.inserts(lease.Model, Row{"lost", 1}))
		assert.ErrorIs(t, err, cqrs.ErrLost, why)
	}
	refuse(old, "update with a lease of an older epoch")
	stale := lease
	lease = k.update(t, lease, cqrs.Step{Checkpoint: at(5), Applied: 1}, k.inserts(lease.Model, Row{"s", 2}))
	refuse(stale, "update from a checkpoint that was moved since")
	lease = k.update(t, lease, cqrs.Step{Checkpoint: at(5), Activate: true}, nil)
	assert.Equal(t, k.rows(t), count(2), "rows of updates that were refused must not be there")
	assert.Equal(t, lease.Applied, int64(2))
}

func updatePanics[Tx any](t *testing.T, k *kit[Tx]) {
	lease := k.build(t, 1, count(1)...)
	for range 20 { // a connection that is lost each time would run out
		value := assert.Panics(t, func() {
			_, _ = k.target.Update(t.Context(), lease, cqrs.Step{Checkpoint: at(9), Applied: 1}, func(ctx context.Context, tx Tx) error {
				if err := k.Insert(ctx, tx, lease.Model, table, Row{"s", 2}); err != nil {
					return err
				}
				panic(errWrite)
			})
		}, "a panic of write has to go on")
		assert.Equal(t, value, any(errWrite), "the value of the panic")
	}
	k.update(t, lease, cqrs.Step{Checkpoint: at(3), Activate: true}, nil)
	assert.Equal(t, k.rows(t), count(1), "rows of a transaction that panicked must not be there")
}

func updateCancelled[Tx any](t *testing.T, k *kit[Tx]) {
	lease := k.build(t, 1, count(1)...)
	cause := errors.New("projectiontest: no time")
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err := k.target.Update(ctx, lease, cqrs.Step{Checkpoint: at(9), Applied: 1}, func(ctx context.Context, tx Tx) error {
		err := k.Insert(ctx, tx, lease.Model, table, Row{"s", 2})
		cancel(cause)
		return err
	})
	assert.ErrorIs(t, err, cause, "an update whose context was cancelled")

	_, err = k.target.Update(ctx, lease, cqrs.Step{Checkpoint: at(9)}, nil)
	assert.ErrorIs(t, err, cause)
	_, err = k.target.Acquire(ctx, k.claim(1, "builder", long))
	assert.ErrorIs(t, err, cause)
	_, err = k.target.Versions(ctx, projection)
	assert.ErrorIs(t, err, cause)
	assert.ErrorIs(t, k.target.Release(ctx, lease), cause)
	assert.ErrorIs(t, k.target.SetStatus(ctx, projection, 1, cqrs.Retired), cause)

	k.update(t, lease, cqrs.Step{Checkpoint: at(3), Activate: true}, nil)
	assert.Equal(t, k.rows(t), count(1), "rows of a transaction that was cancelled must not be there")
}
