package breaker

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/parlance-go/parlance/internal/rolling"
)

// totals are counts since the breaker was made. What a window counts is added
// when its phase has ended.
type totals struct {
	successes, failures, neutral, slow, rejected, late atomic.Uint64
}

// A call is what a permit reports.
type call struct {
	phase   *phase
	lease   uint64
	timed   bool
	started time.Duration
	outcome Outcome
	err     error
	slow    bool
}

// lane says what a call that is not neutral counts as.
func (c *call) lane() rolling.Lane {
	if c.outcome == Success {
		return successes
	}
	return failures
}

// report counts a call and changes the state if that is due.
func (b *Breaker) report(c *call) {
	now := b.now()
	c.slow = c.timed && b.config.slow(now-c.started)
	switch {
	case c.lease != 0:
		b.probed(c, now)
	case c.phase.state == Closed && c.outcome != Neutral:
		b.called(c, now)
	default: // neutral, or one that only Shadow has admitted
		b.count(c)
		if b.phase.Load() != c.phase {
			b.totals.late.Add(1)
		}
	}
}

// count counts a call in the totals.
func (b *Breaker) count(c *call) {
	if c.outcome == Neutral {
		b.totals.neutral.Add(1)
		return
	}
	counts := b.config.counts()
	if c.outcome != Success {
		b.totals.failures.Add(1)
	} else if counts {
		b.totals.successes.Add(1)
	}
	if counts && c.slow {
		b.totals.slow.Add(1)
	}
}

// called counts a success or failure of a closed phase.
func (b *Breaker) called(c *call, now time.Duration) {
	p, tripped := c.phase, false
	if c.outcome != Success {
		row, limit := p.row.Add(1), b.config.ConsecutiveFailures
		tripped = limit > 0 && row >= int64(limit)
	} else if p.row.Load() != 0 {
		p.row.Store(0)
	}
	switch {
	case p.window != nil:
		look := p.count(c, now)
		if b.phase.Load() != p {
			b.lateInWindow(p)
			return
		}
		tripped = tripped || look && b.config.tooMany(p.window.Sum(now))
	case b.last.calls != nil:
		b.count(c)
		counts, late := b.countLast(c)
		if late {
			b.totals.late.Add(1)
			return
		}
		tripped = tripped || b.config.tooMany(counts)
	default:
		b.count(c)
		if b.phase.Load() != p {
			b.totals.late.Add(1)
			return
		}
	}
	if tripped {
		b.fail(c)
	}
}

// countLast counts a call among the last ones, unless its phase has ended.
func (b *Breaker) countLast(c *call) (counts rolling.Counts, late bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.phase.Load() != c.phase {
		return counts, true
	}
	b.last.add(c)
	return b.last.counts, false
}

// settle moves what the window of a phase that has ended counted to the totals.
// Mu is held.
func (b *Breaker) settle(p *phase) {
	if p.window == nil {
		return
	}
	counts := p.window.Take()
	b.totals.successes.Add(counts[successes])
	b.totals.failures.Add(counts[failures])
	b.totals.slow.Add(counts[slows])
}

// lateInWindow settles a window to which a call was added too late. Whoever adds
// looks at the present phase afterwards, and whoever ends a phase settles its
// window afterwards: so one of the two finds the call.
func (b *Breaker) lateInWindow(p *phase) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.settle(p)
	b.totals.late.Add(1)
}

// probed ends the lease of a probe.
func (b *Breaker) probed(c *call, now time.Duration) {
	b.count(c)
	switch {
	case c.outcome == Neutral:
		b.release(c, now)
	case c.outcome != Success, c.slow && b.config.SlowCallRate > 0:
		b.fail(c)
	default:
		b.release(c, now)
		b.tell()
	}
}

// release ends the lease of a probe that did not fail, and closes the breaker if
// it was the last that had to succeed.
func (b *Breaker) release(c *call, now time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := c.phase
	if b.phase.Load() != p || !p.probes.giveBack(c.lease, now) {
		b.totals.late.Add(1)
		return
	}
	if c.outcome == Neutral {
		return
	}
	p.probes.succeeded++
	if p.probes.succeeded == b.config.Probes {
		at := time.Now()
		b.enter(b.begin(p.mode, at), nil, at)
	}
}

// fail opens the breaker because of a call, unless its phase has ended. Whatever
// the methods of the error do, it opens.
func (b *Breaker) fail(c *call) {
	var asked time.Duration
	defer func() {
		b.trip(c, asked)
		b.tell()
	}()
	type busy interface {
		error
		RetryAfter() time.Duration
	}
	if err, ok := errors.AsType[busy](c.err); ok {
		asked = err.RetryAfter()
	}
}

func (b *Breaker) trip(c *call, asked time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := time.Now()
	current := b.phase.Load() == c.phase
	switch {
	case current && (c.lease == 0 || c.phase.probes.giveBack(c.lease, at.Sub(b.base))):
		b.open(c.phase, c.err, asked, at)
	case c.lease != 0:
		b.totals.late.Add(1)
	}
}
