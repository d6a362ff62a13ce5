package cqrs

import (
	"context"
	"time"
)

// Hooks are told what a Projector or Reactor does. Each may be nil. They are
// called in the goroutine of Run, with no lock held and no transaction open.
// The ctx is that of Run.
type Hooks struct {
	// Progress is called after each transaction that applied events, when one
	// failed, and when the projection has caught up.
	Progress func(ctx context.Context, progress Progress)

	// Failed is called when something failed that will be tried again.
	Failed func(ctx context.Context, failure Failure)

	// Changed is called when the part that this Run plays changes.
	Changed func(ctx context.Context, change Change)
}

// Progress is how far a version of a projection has got.
type Progress struct {
	Projection string
	Version    int

	// Done is how many events this version has applied since it began, in
	// earlier runs too.
	Done int64

	// Total is Done and what there was still to apply when it was last counted.
	// It is 0 as long as that is not known.
	Total int64

	// Rate is in events per second, over about the last ten seconds.
	Rate float64

	// ETA is how long the rest will take at this rate; 0 if that cannot be said,
	// or there is nothing to do.
	ETA time.Duration

	// Lag is the age of the oldest event that is known to be missing from the
	// read model; 0 when Live.
	Lag time.Duration

	// Live tells that the projection has caught up.
	Live bool
}

// Failure is what went wrong.
type Failure struct {
	Projection string
	Version    int

	// Err is an *ApplyError if Apply or React failed, or the error of the store
	// or target.
	Err error

	// Attempt counts the failures since anything last went well, from 1.
	Attempt int

	// Delay is how long Run waits before it tries again.
	Delay time.Duration
}

// Change is a new part that a Run plays.
type Change struct {
	Projection string
	Version    int
	Part       Part

	// Epoch is that of the lease, 0 without one.
	Epoch int64

	// Owner is who is being waited for, if Part is Waiting.
	Owner string
}

// Part is what a Run does.
type Part uint8

const (
	// Waiting for another owner.
	Waiting Part = iota + 1

	// Parked because another version has taken the place, or because the version
	// was retired or dropped. It goes on when [Reinstate] is called.
	Parked

	// Owning the version: it applies events.
	Owning

	// Switched tells that the version has just become the one that is read.
	Switched
)

func (p Part) String() string {
	switch p {
	case Waiting:
		return "waiting for another owner"
	case Parked:
		return "parked: another version is active"
	case Owning:
		return "owner"
	case Switched:
		return "switched to active"
	default:
		return "invalid part"
	}
}
