package retry

import "time"

// Hooks are told what happens to calls. Each may be nil. They are called in the
// goroutine of the call, of several calls at once, and without a lock. A panic of
// one passes through.
type Hooks struct {
	// Retry is called before the delay that precedes another attempt.
	Retry func(Retry)
	// Hedge is called when an attempt is started once more; number counts them.
	Hedge func(number int)
	// GiveUp is called when a call has failed for good after it was tried, also
	// when Do returns the error of the first attempt as it is.
	GiveUp func(*Error)
}

// Retry is one decision to try again.
type Retry struct {
	// Attempt is the number of the attempt that failed, from 1.
	Attempt int
	// Err is its error.
	Err error
	// Delay is how long the next attempt waits.
	Delay time.Duration
}
