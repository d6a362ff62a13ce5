package projectiontest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

func activate[Tx any](t *testing.T, k *kit[Tx]) {
	_, err := k.Rows(t.Context(), k.target, table)
	assert.Error(t, err, "there is nothing to read before a version is active")

	one := k.acquireBoth(t, 1)
	_, err = k.Rows(t.Context(), k.target, table)
	assert.Error(t, err, "a version that is being built must not be read")
	one = k.update(t, one, cqrs.Step{Checkpoint: at(3), Activate: true}, nil)
	assert.Equal(t, k.rows(t), count(1))
	_, err = k.Rows(t.Context(), k.target, otherTable)
	assert.NoError(t, err, "the second table of the active version")

	two := k.build(t, 2, count(2)...)
	assert.Equal(t, two.Status, cqrs.Building)
	assert.Equal(t, k.rows(t), count(1), "rows while version 2 is being built")
	one = k.update(t, one, cqrs.Step{Checkpoint: at(4), Applied: 1}, k.inserts(one.Model, Row{"one", 1}))

	k.update(t, two, cqrs.Step{Checkpoint: at(3), Activate: true}, nil)
	assert.Equal(t, k.rows(t), count(2), "rows of version 2")
	_, err = k.Rows(t.Context(), k.target, otherTable)
	assert.Error(t, err, "a table that version 2 does not have")
	k.wantStatus(t, 2, cqrs.Active)
	k.wantStatus(t, 1, cqrs.Retired)

	_, err = k.target.Update(t.Context(), one, cqrs.Step{Checkpoint: at(5)}, nil)
	assert.ErrorIs(t, err, cqrs.ErrRetired, "update of the version that was replaced")
	_, err = k.target.Acquire(t.Context(), k.claim(1, "builder", long))
	assert.ErrorIs(t, err, cqrs.ErrRetired, "acquire of the version that was replaced")
	assert.NoError(t, k.target.Release(t.Context(), one))
}

// acquireBoth builds a version with one row that has a second table.
func (k *kit[Tx]) acquireBoth(t *testing.T, version int) cqrs.Lease {
	t.Helper()
	claim := k.claim(version, "builder", long)
	claim.Tables = append(claim.Tables, otherTable)
	lease, err := k.target.Acquire(t.Context(), claim)
	assert.NoError(t, err)
	model := lease.Model
	return k.update(t, lease, cqrs.Step{Checkpoint: at(2), Applied: 1}, func(ctx context.Context, tx Tx) error {
		for _, name := range claim.Tables {
			if err := k.Create(ctx, tx, model, name); err != nil {
				return err
			}
			if err := k.Insert(ctx, tx, model, name, Row{"s", 1}); err != nil {
				return err
			}
		}
		return nil
	})
}

func activateLower[Tx any](t *testing.T, k *kit[Tx]) {
	two := k.build(t, 2, count(1)...)
	four := k.build(t, 4, count(4)...)
	three := k.build(t, 3, count(3)...)
	k.update(t, three, cqrs.Step{Checkpoint: at(3), Activate: true}, nil)
	k.wantStatus(t, 2, cqrs.Retired)
	k.wantStatus(t, 3, cqrs.Active)
	k.wantStatus(t, 4, cqrs.Building)
	_, err := k.target.Update(t.Context(), two, cqrs.Step{Checkpoint: at(3), Activate: true}, nil)
	assert.ErrorIs(t, err, cqrs.ErrRetired, "a lower version must not take the place of a higher one")
	_, err = k.target.Acquire(t.Context(), k.claim(1, "builder", long))
	assert.ErrorIs(t, err, cqrs.ErrRetired, "a version that is new but lower than the active one")
	k.wantStatus(t, 1, cqrs.Retired)

	k.update(t, four, cqrs.Step{Checkpoint: at(3), Activate: true}, nil)
	k.wantStatus(t, 3, cqrs.Retired)
	k.wantStatus(t, 4, cqrs.Active)
	assert.Equal(t, k.rows(t), count(4))
}

// activateUnderReaders has readers at work while one version after the other
// takes the place of the one before.
func activateUnderReaders[Tx any](t *testing.T, k *kit[Tx]) {
	versions := 12
	if testing.Short() {
		versions = 4
	}
	k.update(t, k.build(t, 1, count(1)...), cqrs.Step{Checkpoint: at(3), Activate: true}, nil)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			seen := 1
			for last := false; !last; {
				select {
				case <-done:
					last = true
				default:
				}
				rows, err := k.Rows(t.Context(), k.target, table)
				if err != nil {
					t.Errorf("a reader during a switch: %v", err)
					return
				}
				// Version n has n rows: any number is that of a whole version.
				if len(rows) < seen {
					t.Errorf("a reader saw %d rows after %d", len(rows), seen)
					return
				}
				seen = len(rows)
			}
			if seen != versions {
				t.Errorf("a reader saw %d rows in the end, not %d", seen, versions)
			}
		})
	}
	for version := 2; version <= versions; version++ {
		k.activateSoon(t, k.build(t, version, count(version)...))
	}
	close(done)
	readers.Wait()
}

// activateSoon tries again, as a Projector does, if readers are in the way.
func (k *kit[Tx]) activateSoon(t *testing.T, lease cqrs.Lease) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		_, err := k.target.Update(t.Context(), lease, cqrs.Step{Checkpoint: lease.Checkpoint, Activate: true}, nil)
		if err == nil {
			return
		}
		assert.True(t, time.Now().Before(deadline), "version %d does not become active: %v", lease.Model.Version, err)
		lease = k.acquire(t, lease.Model.Version, lease.Owner, long)
	}
}

func reinstate[Tx any](t *testing.T, k *kit[Tx]) {
	k.update(t, k.build(t, 1, count(1)...), cqrs.Step{Checkpoint: at(3), Activate: true}, nil)
	two := k.update(t, k.build(t, 2, count(2)...), cqrs.Step{Checkpoint: at(3), Activate: true}, nil)

	assert.NoError(t, cqrs.Reinstate(t.Context(), k.target, projection, 1))
	k.wantStatus(t, 1, cqrs.Building)
	k.wantStatus(t, 2, cqrs.Active)
	assert.Equal(t, k.rows(t), count(2), "rows until version 1 has caught up")

	one := k.acquire(t, 1, "builder", long)
	assert.Equal(t, one.Checkpoint, at(3), "a version goes on from where it was")
	assert.False(t, one.Fresh, "its tables are there")
	k.update(t, one, cqrs.Step{Checkpoint: at(4), Activate: true}, nil)
	assert.Equal(t, k.rows(t), count(1), "rows of version 1")
	k.wantStatus(t, 2, cqrs.Retired)
	_, err := k.target.Update(t.Context(), two, cqrs.Step{Checkpoint: at(4)}, nil)
	assert.ErrorIs(t, err, cqrs.ErrRetired)
	assert.NoError(t, cqrs.Reinstate(t.Context(), k.target, projection, 1), "of the active version")
	k.wantStatus(t, 1, cqrs.Active)

	assert.NoError(t, cqrs.Reinstate(t.Context(), k.target, projection, 2))
	k.update(t, k.acquire(t, 2, "builder", long), cqrs.Step{Checkpoint: at(4), Activate: true}, nil)
	k.wantStatus(t, 2, cqrs.Active)
	k.wantStatus(t, 1, cqrs.Retired)
}

func drop[Tx any](t *testing.T, k *kit[Tx]) {
	k.update(t, k.build(t, 1, count(1)...), cqrs.Step{Checkpoint: at(3), Activate: true}, nil)
	k.update(t, k.build(t, 2, count(2)...), cqrs.Step{Checkpoint: at(3), Activate: true}, nil)
	assert.NoError(t, cqrs.Drop(t.Context(), k.target, projection, 1))
	assert.NoError(t, cqrs.Drop(t.Context(), k.target, projection, 1), "once more")
	k.wantStatus(t, 1, cqrs.Dropped)
	assert.Equal(t, k.rows(t), count(2), "rows of the active version")
	_, err := k.target.Acquire(t.Context(), k.claim(1, "builder", long))
	assert.ErrorIs(t, err, cqrs.ErrRetired, "acquire of a version that was dropped")

	assert.NoError(t, cqrs.Reinstate(t.Context(), k.target, projection, 1))
	one := k.acquire(t, 1, "builder", long)
	assert.True(t, one.Fresh, "a version that was dropped begins anew")
	assert.Equal(t, one.Checkpoint, eventstore.Checkpoint{})
	assert.Equal(t, one.Applied, int64(0))
	k.build(t, 1, count(1)...) // whose Create fails if the table were still there

	three := k.build(t, 3, count(3)...)
	assert.NoError(t, cqrs.Drop(t.Context(), k.target, projection, 3), "of a version that is being built")
	_, err = k.target.Update(t.Context(), three, cqrs.Step{Checkpoint: at(3), Activate: true}, nil)
	assert.ErrorIs(t, err, cqrs.ErrRetired, "update of a version that was dropped")
	assert.Equal(t, k.rows(t), count(2))
}

func setStatusRefused[Tx any](t *testing.T, k *kit[Tx]) {
	assert.ErrorIs(t, cqrs.Drop(t.Context(), k.target, projection, 1), cqrs.ErrNoVersion)
	one := k.build(t, 1, count(1)...)
	one = k.update(t, one, cqrs.Step{Checkpoint: at(3), Activate: true}, nil)
	assert.ErrorIs(t, cqrs.Drop(t.Context(), k.target, projection, 1), cqrs.ErrActive)
	assert.ErrorIs(t, cqrs.Retire(t.Context(), k.target, projection, 1), cqrs.ErrActive)
	assert.ErrorIs(t, k.target.SetStatus(t.Context(), projection, 1, cqrs.Status(77)), cqrs.ErrInvalid)
	k.update(t, one, cqrs.Step{Checkpoint: at(4)}, nil)

	two := k.build(t, 2, count(1)...)
	assert.NoError(t, cqrs.Retire(t.Context(), k.target, projection, 2))
	_, err := k.target.Update(t.Context(), two, cqrs.Step{Checkpoint: at(4)}, nil)
	assert.ErrorIs(t, err, cqrs.ErrRetired)
	assert.ErrorIs(t, k.target.SetStatus(t.Context(), projection, 2, cqrs.Active), cqrs.ErrInvalid)
	assert.Equal(t, k.rows(t), count(1))
}
