package breaker

import (
	"context"
	"time"
)

// littleTime is the budget from which on it is the other side's fault if it runs
// out, unless SlowCallThreshold says what is slow.
const littleTime = 10 * time.Millisecond

// outcome returns what an error says about the other side.
func (p *Permit) outcome(ctx context.Context, err error) Outcome {
	deadline, hasDeadline := ctx.Deadline()
	switch ctx.Err() {
	case context.DeadlineExceeded:
		return p.outOfTime(deadline, hasDeadline)
	case nil:
		// The timer of a context may be late: what failed after the deadline has
		// failed because of it.
		if hasDeadline && time.Until(deadline) <= 0 {
			return p.outOfTime(deadline, hasDeadline)
		}
	default:
		return Neutral
	}
	if p.phase == nil || p.phase.breaker.config.Classify == nil {
		return Failure
	}
	return p.phase.breaker.config.Classify(err)
}

// outOfTime returns the outcome of a call whose own deadline has passed: it
// says something only if there had been time enough.
func (p *Permit) outOfTime(deadline time.Time, hasDeadline bool) Outcome {
	if !hasDeadline || !p.timed {
		return Failure // nobody knows how much time there was
	}
	b, enough := p.phase.breaker, littleTime
	if slow := b.config.SlowCallThreshold; slow > 0 {
		enough = slow
	}
	// By way of the present, because a deadline need not have a monotonic clock.
	budget := time.Until(deadline) + b.now() - p.started
	if budget < enough {
		return Neutral
	}
	return Failure
}
