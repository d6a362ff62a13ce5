// Package projectiontest is the kit that every [cqrs.Target] passes: that read
// model and checkpoint move together or not at all, that only one owner can
// move them, and that a version takes the place of another in one moment.
//
//	func TestProjections(t *testing.T) {
//		projectiontest.Run(t, projectiontest.Harness[pgx.Tx]{
//			New:    func(t testing.TB) cqrs.Target[pgx.Tx] { return open(t) },
//			Create: createTable,
//			Insert: insertRow,
//			Rows:   readRows,
//		})
//	}
//
// # When not to use it
//
// To test a projection of your own, run it against its real database, or
// against [cqrs.NewMemory].
package projectiontest

import (
	"context"
	"testing"

	"github.com/parlance-go/parlance/cqrs"
)

// Harness tells the kit how to make and use what it tests. All fields are
// required.
type Harness[Tx any] struct {
	// New returns a target over an empty place of its own, and sees to its end
	// with t.Cleanup.
	New func(t testing.TB) cqrs.Target[Tx]

	// Create makes the table model.Table(table) for Rows, which refuses to hold
	// the same row twice. It fails if the table is there already.
	Create func(ctx context.Context, tx Tx, model cqrs.Model, table string) error

	// Insert adds a row to model.Table(table).
	Insert func(ctx context.Context, tx Tx, model cqrs.Model, table string, row Row) error

	// Rows returns all rows of what readers find under a name, in any order, or
	// an error if the name stands for nothing. It is called by several
	// goroutines at once.
	Rows func(ctx context.Context, target cqrs.Target[Tx], table string) ([]Row, error)
}

// Row is what the read models of the kit hold: one for each event.
type Row struct {
	Stream  string
	Version int64
}

// Run tests a target, each case in a subtest of its own. With -short the cases
// repeat less.
func Run[Tx any](t *testing.T, h Harness[Tx]) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, k *kit[Tx])
	}{
		{"Acquire", acquire[Tx]},
		{"AcquireAfterTheLeaseEnded", acquireExpired[Tx]},
		{"AcquireAgain", acquireAgain[Tx]},
		{"Release", release[Tx]},
		{"UpdateIsAtomic", updateAtomic[Tx]},
		{"UpdateOfALostLease", updateLost[Tx]},
		{"UpdateThatPanics", updatePanics[Tx]},
		{"UpdateCancelled", updateCancelled[Tx]},
		{"FrozenOwner", frozenOwner[Tx]},
		{"RacingOwners", racingOwners[Tx]},
		{"Activate", activate[Tx]},
		{"ActivateLower", activateLower[Tx]},
		{"ActivateUnderReaders", activateUnderReaders[Tx]},
		{"Reinstate", reinstate[Tx]},
		{"Drop", drop[Tx]},
		{"SetStatusRefused", setStatusRefused[Tx]},
		{"ProjectorsShareTheWork", projectorsShare[Tx]},
		{"ProjectorSurvivesPanics", projectorPanics[Tx]},
		{"RebuildUnderLoad", rebuildUnderLoad[Tx]},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.run(t, &kit[Tx]{Harness: h, target: h.New(t)})
		})
	}
}
