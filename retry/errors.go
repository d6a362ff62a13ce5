package retry

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"
)

// Why an [*Error] stopped trying: errors.Is(err, retry.ErrBudget).
var (
	ErrAttempts   = errors.New("no attempts left")
	ErrBudget     = errors.New("the retry budget is used up")
	ErrNotRetried = errors.New("not to be retried")
	// ErrDelay: the delay does not fit before the deadline, or is longer than
	// MaxRetryAfter. If it is the deadline, context.DeadlineExceeded matches too.
	ErrDelay = errors.New("the next attempt would come too late")
)

// Error says how the attempts of one call failed. errors.Is and errors.As find
// Last and Reason in it.
type Error struct {
	// Attempts is how many attempts were made. It is 0 if the context had ended
	// before.
	Attempts int
	// Last is the error of the last attempt, nil if there was none.
	Last error
	// Causes are the errors of all attempts in order; of more than 16 the first
	// one and the last 15.
	Causes []error
	// Reason is why no further attempt was made: one of the errors above, the cause
	// of the context's end, or what Config.Ready returned.
	Reason error
	// Delay is how long Last asks to wait before another attempt. 0 if it does
	// not: a delay of the policy's own is not in it.
	Delay time.Duration
}

// Error tells the number of attempts, the reason and the last error.
func (e *Error) Error() string {
	var text strings.Builder
	switch e.Attempts {
	case 0:
		text.WriteString("retry: no attempt")
	case 1:
		text.WriteString("retry: gave up after 1 attempt")
	default:
		text.WriteString("retry: gave up after " + strconv.Itoa(e.Attempts) + " attempts")
	}
	reason := ""
	if e.Reason != nil {
		reason = e.Reason.Error()
		text.WriteString(": " + strings.TrimPrefix(reason, "retry: "))
	}
	if e.Last != nil {
		// An attempt often returns the very error of its context.
		if last := e.Last.Error(); last != reason {
			text.WriteString(": " + last)
		}
	}
	return text.String()
}

// Unwrap returns Last and Reason.
func (e *Error) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.Last, e.Reason} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// Retryable returns false: what was retried here is not retried again in the
// layer above.
func (e *Error) Retryable() bool { return false }

// RetryAfter returns Delay.
func (e *Error) RetryAfter() time.Duration { return e.Delay }

// Timeout reports whether time ran out, for the last attempt or for all of them:
// net/http asks an error for it.
func (e *Error) Timeout() bool {
	for _, err := range e.Unwrap() {
		timeout, ok := errors.AsType[interface {
			error
			Timeout() bool
		}](err)
		if ok && timeout.Timeout() {
			return true
		}
	}
	return false
}

// TimeoutError says that an attempt ran into [Config.AttemptTimeout]. It matches
// context.DeadlineExceeded.
type TimeoutError struct {
	// After is the time that the attempt had.
	After time.Duration
	// Err is what the attempt returned. It is nil in the cause of the attempt's
	// context.
	Err error
}

// Error tells the time and the error.
func (e *TimeoutError) Error() string {
	text := "attempt timed out after " + e.After.String()
	if e.Err == nil {
		return text
	}
	return text + ": " + e.Err.Error()
}

// Unwrap returns Err and context.DeadlineExceeded.
func (e *TimeoutError) Unwrap() []error {
	if e.Err == nil {
		return []error{context.DeadlineExceeded}
	}
	return []error{e.Err, context.DeadlineExceeded}
}

// Timeout returns true.
func (e *TimeoutError) Timeout() bool { return true }
