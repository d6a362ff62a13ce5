package postgres_test

import (
	"testing"
	"time"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/internal/testenv"
)

// An owner that died before the clock was set back would else keep its lease
// for as long as the clock was wrong.
func TestLeaseEndsWhenTheClockIsSetBack(t *testing.T) {
	t.Parallel()
	pool := openPool(t, testenv.Postgres(t), 4)
	target := openModels(t, pool, "")
	claim := cqrs.Claim{Projection: "p", Version: 1, Owner: "one", Duration: time.Minute}
	lease, err := target.Acquire(t.Context(), claim)
	assert.NoError(t, err)
	setBack := func(by string) {
		_, err := pool.Exec(t.Context(), `UPDATE parlance.projections
			SET lease_until = lease_until + $1::interval, updated_at = updated_at + $1::interval`, by)
		assert.NoError(t, err)
	}
	next := claim
	next.Owner = "two"
	setBack("500 ms")
	_, err = target.Acquire(t.Context(), next)
	assert.ErrorIs(t, err, cqrs.ErrOwned, "a clock that is kept right goes back a little now and then")

	setBack("1 hour")
	records, err := target.Versions(t.Context(), "p")
	assert.NoError(t, err)
	assert.Equal(t, records[0].Owner, "")
	_, err = target.Acquire(t.Context(), next)
	assert.NoError(t, err)
	_, err = target.Update(t.Context(), lease, cqrs.Step{}, nil)
	assert.ErrorIs(t, err, cqrs.ErrLost, "the former owner, should it still be there")
}
