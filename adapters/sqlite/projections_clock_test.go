package sqlite_test

import (
	"testing"
	"time"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/internal/assert"
)

// An owner that died before the clock was set back would else keep its lease
// for as long as the clock was wrong.
func TestLeaseEndsWhenTheClockIsSetBack(t *testing.T) {
	t.Parallel()
	db := open(t)
	target := db.Projections()
	claim := cqrs.Claim{Projection: "p", Version: 1, Owner: "one", Duration: time.Minute}
	lease, err := target.Acquire(t.Context(), claim)
	assert.NoError(t, err)
	setBack := func(by time.Duration) {
		_, err := db.Writer().ExecContext(t.Context(), `UPDATE parlance_projections
			SET lease_from = lease_from + ?1, lease_until = lease_until + ?1`, by.Microseconds())
		assert.NoError(t, err)
	}
	next := claim
	next.Owner = "two"
	setBack(500 * time.Millisecond)
	_, err = target.Acquire(t.Context(), next)
	assert.ErrorIs(t, err, cqrs.ErrOwned, "a clock that is kept right goes back a little now and then")

	setBack(time.Hour)
	records, err := target.Versions(t.Context(), "p")
	assert.NoError(t, err)
	assert.Equal(t, records[0].Owner, "")
	_, err = target.Acquire(t.Context(), next)
	assert.NoError(t, err)
	_, err = target.Update(t.Context(), lease, cqrs.Step{}, nil)
	assert.ErrorIs(t, err, cqrs.ErrLost, "the former owner, should it still be there")
}
