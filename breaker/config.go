package breaker

import "time"

// Config says when a breaker trips and how it recovers. The zero Config trips
// after 5 failures in a row and probes after 60 s.
type Config struct {
	// Name is what errors and hooks call the breaker.
	// Defaults to no name.
	Name string

	// ConsecutiveFailures trips the breaker when so many calls have failed one
	// after the other, however long they took. A neutral call does not interrupt
	// the row.
	// Defaults to 5, or to no such rule if a rate is set.
	ConsecutiveFailures int

	// FailureRate trips the breaker when so large a part of the calls in the
	// window have failed, from 0 to 1. Rates are looked at when a call ends,
	// whatever its outcome: a success may be the one that makes them MinCalls.
	// Defaults to no such rule.
	FailureRate float64

	// SlowCallRate trips the breaker when so large a part of the calls in the
	// window have taken SlowCallThreshold or longer, from 0 to 1, whether they
	// succeeded or failed. It cancels nothing.
	// Defaults to no such rule.
	SlowCallRate float64

	// SlowCallThreshold is the duration from which on a call is slow. It must be
	// set if SlowCallRate is.
	// Defaults to none.
	SlowCallThreshold time.Duration

	// MinCalls is how many calls the window must hold before a rate counts, at
	// most 100,000 or WindowCalls.
	// Defaults to 20, or to WindowCalls if that is less.
	MinCalls int

	// Window is how far back rates look. A call belongs to the moment at which
	// it ended, so one that takes longer than the window counts too. It leaves the
	// window when it is between 9/10 of Window and all of it old.
	// Defaults to 10 s. Less than 10 ns is refused.
	Window time.Duration

	// WindowCalls makes the window hold the last so many calls, at most 100,000,
	// instead of those of a time. Counting then takes a lock.
	// Defaults to a window of time.
	WindowCalls int

	// CountCalls counts successes and rejections also where no rate needs them, so
	// that [Snapshot] has them. It costs a look at the clock for each call.
	// Defaults to false: without a rate, neither a success nor a rejection writes
	// anything.
	CountCalls bool

	// ResetTimeout is how long the breaker stays open before it probes. If the
	// error that tripped it has a method RetryAfter() time.Duration, and that is
	// longer, it stays open for that time, up to MaxResetTimeout.
	// Defaults to 60 s.
	ResetTimeout time.Duration

	// ResetMultiplier lengthens the time by this factor whenever a probe fails,
	// at least 1.
	// Defaults to 2.
	ResetMultiplier float64

	// MaxResetTimeout is the longest time to stay open.
	// Defaults to 10 min, or to ResetTimeout if that is longer.
	MaxResetTimeout time.Duration

	// ResetJitter is by how much of it, from 0 to 1, a lengthened time may be cut
	// short at random, so that many processes do not probe at once. It is never
	// shorter than ResetTimeout, nor than what the other side asked for.
	// Defaults to 0.2.
	ResetJitter float64

	// Probes is how many probes must succeed to close the breaker, at most 64.
	// Never more than that are admitted while it is half-open, save for those
	// that were neutral or expired.
	// Defaults to 1.
	Probes int

	// ConcurrentProbes is how many probes may be under way at once, at most
	// Probes.
	// Defaults to Probes.
	ConcurrentProbes int

	// ProbeTimeout is how long a probe may take before another call may probe in
	// its place. It should be longer than any call that succeeds.
	// Defaults to ResetTimeout.
	ProbeTimeout time.Duration

	// Classify returns the outcome of a call that returned err, which is not nil
	// and not the end of the caller's own context. It is called without a lock,
	// by several goroutines at once.
	// Defaults to Failure for every error.
	Classify func(err error) Outcome

	// Mode is the mode to begin in.
	// Defaults to Automatic.
	Mode Mode

	// Hooks are told what happens.
	Hooks Hooks
}
