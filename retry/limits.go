package retry

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// timeLimit is the cause with which a context ends that Config.Timeout bounds.
type timeLimit time.Duration

func (l timeLimit) Error() string { return "retry: timeout of " + time.Duration(l).String() }
func (l timeLimit) Unwrap() error { return context.DeadlineExceeded }
func (l timeLimit) Timeout() bool { return true }

// withTimeout bounds ctx by Timeout, if there is one.
func (p *Policy) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if p == nil || p.config.Timeout == 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, p.config.Timeout, p.timeoutEnd)
}

// withAttemptTimeout bounds ctx by AttemptTimeout, if there is one. If less time
// is left in ctx, the context ends with that and for its reason.
func (p *Policy) withAttemptTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if p == nil || p.config.AttemptTimeout == 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, p.config.AttemptTimeout, p.attemptEnd)
}

// attemptError makes err a TimeoutError if the context of the attempt, which
// withAttemptTimeout made of ctx, ran into AttemptTimeout: whatever err says, that
// is why. It must be called before that context is cancelled.
func (p *Policy) attemptError(ctx, attempt context.Context, err error) error {
	if err == nil || p == nil || p.config.AttemptTimeout == 0 {
		return err
	}
	if ctx.Err() != nil || context.Cause(attempt) != error(p.attemptEnd) { //nolint:errorlint // this very cause: a nested call has others
		return err
	}
	if errors.Is(err, p.attemptEnd) { // fn returned the cause
		return err
	}
	return inMarks(err, func(err error) error {
		return &TimeoutError{After: p.config.AttemptTimeout, Err: err}
	})
}

// ended returns why ctx, which has ended, did so. errors.Is finds both its cause
// and its error.
func ended(ctx context.Context) error {
	cause, err := context.Cause(ctx), ctx.Err()
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", cause, err)
}
