package projectiontest

import (
	"testing"
	"time"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

func acquire[Tx any](t *testing.T, k *kit[Tx]) {
	records, err := k.target.Versions(t.Context(), projection)
	assert.NoError(t, err)
	assert.Equal(t, len(records), 0, "records of a projection that nobody ever acquired")

	lease := k.acquire(t, 3, "one", long)
	assert.Equal(t, lease.Status, cqrs.Building, "status of the first version")
	assert.True(t, lease.Fresh, "nothing was updated yet")
	assert.True(t, lease.Checkpoint.IsZero(), "a fresh version begins at the first event")
	assert.Equal(t, lease.Applied, int64(0))
	assert.Equal(t, lease.Owner, "one")
	assert.Equal(t, lease.Duration, long)
	assert.Equal(t, lease.Tables, []string{table})
	assert.Equal(t, lease.Model.Projection, projection)
	assert.Equal(t, lease.Model.Version, 3)

	_, err = k.target.Acquire(t.Context(), k.claim(3, "two", long))
	assert.ErrorIs(t, err, cqrs.ErrOwned, "a second owner")
	owned := assert.ErrorAs[*cqrs.OwnedError](t, err)
	assert.Equal(t, owned.Owner, "one")
	assert.True(t, owned.Remaining > long/2 && owned.Remaining <= long, "Remaining is %s of %s", owned.Remaining, long)

	record := k.record(t, 3)
	assert.Equal(t, record.Owner, "one")
	assert.True(t, record.Remaining > long/2 && record.Remaining <= long, "Remaining is %s of %s", record.Remaining, long)
	assert.Equal(t, record.Tables, []string{table})

	other := k.acquire(t, 2, "two", long)
	assert.Equal(t, other.Status, cqrs.Building, "a lower version while none is active")
	elsewhere, err := k.target.Acquire(t.Context(), cqrs.Claim{Projection: "another", Version: 3, Owner: "two", Duration: long})
	assert.NoError(t, err, "another projection has its own owner")
	assert.Equal(t, len(elsewhere.Tables), 0)
	records, err = k.target.Versions(t.Context(), projection)
	assert.NoError(t, err)
	assert.Equal(t, len(records), 2)
	assert.Equal(t, records[0].Model.Version, 2, "records come in the order of their versions")
}

func acquireExpired[Tx any](t *testing.T, k *kit[Tx]) {
	const brief = 150 * time.Millisecond
	start := time.Now()
	first := k.acquire(t, 1, "one", brief)
	for {
		second, err := k.target.Acquire(t.Context(), k.claim(1, "two", long))
		if err == nil {
			assert.True(t, time.Since(start) > brief/2, "a second owner after %s, the lease is %s", time.Since(start), brief)
			assert.True(t, second.Epoch > first.Epoch, "epoch %d after %d", second.Epoch, first.Epoch)
			break
		}
		owned := assert.ErrorAs[*cqrs.OwnedError](t, err)
		assert.True(t, time.Since(start) < patience, "the lease of %s does not end", brief)
		time.Sleep(max(owned.Remaining, time.Millisecond)) // the target's clock is a real one
	}
	_, err := k.target.Acquire(t.Context(), k.claim(1, "one", long))
	assert.ErrorIs(t, err, cqrs.ErrOwned, "the former owner, while the next one's lease lasts")
}

func acquireAgain[Tx any](t *testing.T, k *kit[Tx]) {
	first := k.acquire(t, 1, "one", long)
	k.update(t, first, cqrs.Step{Checkpoint: at(7), Applied: 5}, nil)
	second := k.acquire(t, 1, "one", long)
	assert.True(t, second.Epoch > first.Epoch, "epoch %d after %d", second.Epoch, first.Epoch)
	assert.Equal(t, second.Checkpoint, at(7))
	assert.Equal(t, second.Applied, int64(5))
	assert.False(t, second.Fresh, "it was updated")
}

func release[Tx any](t *testing.T, k *kit[Tx]) {
	first := k.acquire(t, 1, "one", long)
	first = k.update(t, first, cqrs.Step{Checkpoint: at(7), Applied: 5}, nil)
	assert.NoError(t, k.target.Release(t.Context(), first))
	assert.Equal(t, k.record(t, 1).Owner, "", "owner after Release")

	second := k.acquire(t, 1, "two", long)
	assert.True(t, second.Epoch > first.Epoch, "epoch %d after %d", second.Epoch, first.Epoch)
	assert.Equal(t, second.Checkpoint, at(7))

	assert.NoError(t, k.target.Release(t.Context(), first), "a release that comes too late")
	assert.Equal(t, k.record(t, 1).Owner, "two", "a release that comes too late must change nothing")
	k.update(t, second, cqrs.Step{Checkpoint: eventstore.Checkpoint{}}, nil)
}
