package policy

import (
	"context"
	"errors"
	"time"

	"github.com/parlance-go/parlance/retry"
)

// A timeout bounds a call, or an attempt of one. A nil one is none.
type timeout struct {
	// end is the cause with which the contexts end.
	end retry.TimeoutError
}

func newTimeout(after time.Duration) *timeout {
	if after == 0 {
		return nil
	}
	return &timeout{retry.TimeoutError{After: after}}
}

// limit returns ctx with the timeout.
func (t *timeout) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, t.end.After, &t.end)
}

// explain returns err as the error of a call that had limited, which limit has made
// of ctx. If ctx itself has ended there is more to say than that the timeout is
// over, and those who see ctx say it. If limited is cancelled before, err stays as it
// is.
func (t *timeout) explain(ctx, limited context.Context, err error) error {
	if err == nil || ctx.Err() != nil || errors.Is(err, &t.end) {
		return err
	}
	// A body that was closed, or could not be read, has ended limited before its time.
	if context.Cause(limited) != error(&t.end) { //nolint:errorlint // this very cause: a nested call has others
		return err
	}
	return &retry.TimeoutError{After: t.end.After, Err: err}
}
