package policy

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// ErrFull is matched by the error of a call that a bulkhead has no room for:
// errors.Is(err, policy.ErrFull).
var ErrFull = errors.New("policy: bulkhead is full")

// FullError says that a call found no place in a bulkhead.
type FullError struct {
	// Name is that of the bulkhead.
	Name string
	// Limit is how many calls were allowed at once, Queued how many waited.
	Limit, Queued int
	// Waited is whether the call waited for MaxWait in vain, rather than found the
	// queue full.
	Waited bool
}

// Error names the bulkhead and its numbers.
func (e *FullError) Error() string {
	waited := ""
	if e.Waited {
		waited = " and stayed so"
	}
	return fmt.Sprintf("policy: bulkhead%s is full%s: its limit is %d, %d wait", quoted(e.Name), waited, e.Limit, e.Queued)
}

// Is reports whether target is [ErrFull].
func (e *FullError) Is(target error) bool { return target == ErrFull }

// Retryable returns false: more attempts do not make room.
func (e *FullError) Retryable() bool { return false }

// RetryAfter returns 0: there may be room at any moment. So the error is one of now,
// and not for ever.
func (e *FullError) RetryAfter() time.Duration { return 0 }

// LimitError says that [Config.Limit] refused a call.
type LimitError struct {
	// Name is that of the policy.
	Name string
	// Err is what the limiter returned.
	Err error
}

// Error tells the name and the limiter's error.
func (e *LimitError) Error() string {
	return fmt.Sprintf("policy: limit%s: %v", quoted(e.Name), e.Err)
}

// Unwrap returns Err.
func (e *LimitError) Unwrap() error { return e.Err }

// Retryable returns false: more attempts do not raise a limit.
func (e *LimitError) Retryable() bool { return false }

// RetryAfter returns what Err says, if it has such a method, and otherwise 0.
func (e *LimitError) RetryAfter() time.Duration {
	var later interface{ RetryAfter() time.Duration }
	if errors.As(e.Err, &later) {
		return later.RetryAfter()
	}
	return 0
}

// quoted returns a name as it follows a noun, or nothing.
func quoted(name string) string {
	if name == "" {
		return ""
	}
	return " " + strconv.Quote(name)
}

// ended says what was going on when ctx ended, in a way that errors.Is finds both
// the error of ctx and its cause.
func ended(ctx context.Context, doing string) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return fmt.Errorf("policy: %s: %w", doing, cause)
	}
	return fmt.Errorf("policy: %s: %w (%w)", doing, cause, err)
}
