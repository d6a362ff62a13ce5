package breaker

import (
	"context"
	"math"
	"time"
)

// A Permit is the admission of one call. The first report of its outcome
// counts, further ones do nothing:
//
//	permit, err := b.Acquire(ctx)
//	if err != nil {
//		return err
//	}
//	defer permit.Done(breaker.Failure) // a panic
//	err = call(ctx)
//	permit.DoneErr(ctx, err)
//
// It belongs to one goroutine at a time and must not be copied after its first
// use. The zero Permit reports to nobody.
type Permit struct {
	phase   *phase
	lease   uint64        // of a probe, 0 if it is none
	started time.Duration // if timed
	timed   bool
}

// spent, in the place of a lease, marks a permit with nothing to report.
const spent = math.MaxUint64

// Done reports the outcome of the call.
func (p *Permit) Done(o Outcome) { p.done(o, nil) }

// DoneErr reports the outcome that err has by the rules of this package, where
// ctx is the caller's own context: the one that Acquire was given. It returns
// that outcome.
func (p *Permit) DoneErr(ctx context.Context, err error) Outcome {
	if err == nil {
		p.done(Success, nil)
		return Success
	}
	return p.failed(ctx, err)
}

// failed reports an error: as a failure if Classify panics.
func (p *Permit) failed(ctx context.Context, err error) (o Outcome) {
	o = Failure
	defer func() { p.done(o, err) }()
	o = p.outcome(ctx, err)
	return o
}

func (p *Permit) done(o Outcome, err error) {
	ph, lease := p.phase, p.lease
	if ph == nil || lease == spent {
		return
	}
	p.lease = spent
	if o == Success && ph.plain {
		ph.succeed()
		return
	}
	ph.breaker.report(&call{phase: ph, lease: lease, timed: p.timed, started: p.started, outcome: o, err: err})
}
