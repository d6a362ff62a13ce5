package breaker

import "time"

// A Snapshot is what a breaker has counted. Calls that end while it is taken may
// be in some of its numbers and not in others.
type Snapshot struct {
	State State
	Mode  Mode
	// Generation grows with every change of state or mode.
	Generation uint64
	// ConsecutiveFailures is the length of the present row.
	ConsecutiveFailures int
	// Window holds the calls of the window; without a rate and CountCalls nothing.
	Window WindowCounts
	// Probing is how many probes are under way.
	Probing int
	// RetryAfter is how long from now the breaker will stay open.
	RetryAfter time.Duration

	// Totals since the breaker was made. Successes and Slow are counted only if a
	// rate or CountCalls is set: without, a success writes nothing.
	Successes, Failures, Neutral, Slow uint64
	// Rejected is how many calls were rejected, or would have been in Shadow. It is
	// counted only in Shadow, or if a rate, CountCalls or the hook Rejected is set.
	Rejected uint64
	// Late is how many calls ended after the state in which they were admitted.
	// They are in the totals above, and nowhere else.
	Late uint64
}

// WindowCounts are the calls in the window of a breaker. Slow ones are successes
// or failures as well.
type WindowCounts struct {
	Successes, Failures, Slow uint64
}

// Snapshot returns the present counts.
func (b *Breaker) Snapshot() Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.snapshot(b.now())
}

// snapshot returns the counts of a moment. Mu is held.
func (b *Breaker) snapshot(now time.Duration) Snapshot {
	p, t := b.phase.Load(), &b.totals
	s := Snapshot{
		State:               p.stateAt(now),
		Mode:                p.mode,
		Generation:          p.generation,
		ConsecutiveFailures: int(p.row.Load()),
		Probing:             p.probes.underWay(now),
		Successes:           t.successes.Load(),
		Failures:            t.failures.Load(),
		Neutral:             t.neutral.Load(),
		Slow:                t.slow.Load(),
		Rejected:            t.rejected.Load(),
		Late:                t.late.Load(),
	}
	if p.state == Open && p.mode != ForcedOpen {
		s.RetryAfter = max(p.until-now, 0)
	}
	counts := b.last.counts
	if p.window != nil {
		counts = p.window.Sum(now)
		total := p.window.Total()
		s.Successes += total[successes]
		s.Failures += total[failures]
		s.Slow += total[slows]
	}
	s.Window = WindowCounts{counts[successes], counts[failures], counts[slows]}
	return s
}
