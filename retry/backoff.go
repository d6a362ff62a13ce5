package retry

import (
	"math"
	"math/rand/v2"
	"strconv"
	"time"
)

// Jitter is how delays are spread below their ceiling, which for the n-th retry
// is min(MaxDelay, BaseDelay × Multiplier^(n-1)).
//
// Full, equal and decorrelated jitter are those of Marc Brooker, "Exponential
// Backoff And Jitter", AWS Architecture Blog, 2015; save that a decorrelated delay
// that would exceed MaxDelay is drawn anew below it rather than cut off, so
// that clients do not meet at the ceiling.
type Jitter uint8

// The kinds of jitter. The upper bound of a delay is not reached, but by NoJitter.
const (
	// FullJitter: between 0 and the ceiling.
	FullJitter Jitter = iota
	// EqualJitter: between half the ceiling and the ceiling.
	EqualJitter
	// DecorrelatedJitter: between BaseDelay and three times the delay before, at
	// first three times BaseDelay, and below MaxDelay. Multiplier has no part in it.
	DecorrelatedJitter
	// ProportionalJitter: the ceiling ± JitterFraction of it, and below MaxDelay.
	ProportionalJitter
	// NoJitter: the ceiling itself.
	NoJitter
)

// String returns "full", "equal", "decorrelated", "proportional" or "none".
func (j Jitter) String() string {
	switch j {
	case FullJitter:
		return "full"
	case EqualJitter:
		return "equal"
	case DecorrelatedJitter:
		return "decorrelated"
	case ProportionalJitter:
		return "proportional"
	case NoJitter:
		return "none"
	default:
		return "Jitter(" + strconv.Itoa(int(j)) + ")"
	}
}

// BackOff is a source of delays. It is the interface of cenkalti/backoff, in
// whichever version.
type BackOff interface {
	// NextBackOff returns the next delay. A negative one stops.
	NextBackOff() time.Duration
	// Reset begins anew.
	Reset()
}

// draw returns the delay before the n-th retry, where before is the one that was
// drawn for the retry before it, 0 if there was none. The bounds are made first,
// with MaxDelay, and the delay is drawn between them: what is cut off afterwards
// comes out as the same delay for all.
func (c *Config) draw(n int, before time.Duration) time.Duration {
	ceiling := c.ceiling(n)
	switch c.Jitter {
	case EqualJitter:
		return between(ceiling/2, ceiling)
	case DecorrelatedJitter:
		before = max(before, c.BaseDelay)
		return between(c.BaseDelay, min(plus(plus(before, before), before), c.MaxDelay))
	case ProportionalJitter:
		spread := ceiling
		if c.JitterFraction < 1 { // times 1 may be beyond an int64
			spread = time.Duration(float64(ceiling) * c.JitterFraction)
		}
		return between(ceiling-spread, min(plus(ceiling, spread), c.MaxDelay))
	case NoJitter:
		return ceiling
	default: // FullJitter: New knows no other
		return below(ceiling)
	}
}

// ceiling returns min(MaxDelay, BaseDelay × Multiplier^(n-1)).
func (c *Config) ceiling(n int) time.Duration {
	if n == 1 || c.Multiplier == 1 {
		return c.BaseDelay // exactly, whatever a float64 makes of it
	}
	grown := float64(c.BaseDelay) * math.Pow(c.Multiplier, float64(n-1))
	if grown >= float64(c.MaxDelay) { // such as +Inf
		return c.MaxDelay
	}
	return time.Duration(grown)
}

// between returns a random duration from low to below high, or low if there is
// none.
func between(low, high time.Duration) time.Duration { return low + below(high-low) }

// below returns a random duration from 0 to below d, or 0 if there is none.
func below(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d)
}

// plus returns a + b, neither of which is negative, or the longest duration.
func plus(a, b time.Duration) time.Duration {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
