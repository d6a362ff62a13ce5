package retry

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/internal/assert"
)

// These tests are inside the package because drop is for Transport alone, whose
// own tests see only that connections are used again.

func TestDo_dropsAValueBeforeTheDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var told []string
		tell := func(format string, args ...any) {
			told = append(told, fmt.Sprintf("%v: ", time.Since(begin))+fmt.Sprintf(format, args...))
		}
		p, err := New(Config{
			BaseDelay: time.Second,
			Jitter:    NoJitter,
			Hooks:     Hooks{Retry: func(r Retry) { tell("retry %d", r.Attempt) }},
		})
		assert.NoError(t, err)
		n := 0
		value, err := do(t.Context(), p, func(context.Context) (int, error) {
			n++
			tell("attempt %d", n)
			return n, After(errors.New("busy"), 0)
		}, func(n int) { tell("drop %d", n) })
		assert.ErrorIs(t, err, ErrAttempts)
		assert.Equal(t, value, 3, "the last value is the caller's")
		assert.Equal(t, told, []string{
			"0s: attempt 1", "0s: drop 1", "0s: retry 1",
			"1s: attempt 2", "1s: drop 2", "1s: retry 2",
			"3s: attempt 3",
		})
	})
}

func TestDo_returnsNoValueThatWasDropped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		p, err := New(Config{Jitter: NoJitter})
		assert.NoError(t, err)
		var dropped []int
		value, err := do(ctx, p, func(context.Context) (int, error) {
			return 7, After(errors.New("busy"), 0)
		}, func(n int) { dropped = append(dropped, n) })
		assert.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, dropped, []int{7})
		assert.Equal(t, value, 0)
	})
}

// The caller of do has bounded the time already.
func TestDo_makesNoContext(t *testing.T) {
	t.Parallel()
	p, err := New(Config{Timeout: time.Hour, AttemptTimeout: time.Minute})
	assert.NoError(t, err)
	_, err = do(t.Context(), p, func(ctx context.Context) (int, error) {
		_, bounded := ctx.Deadline()
		assert.False(t, bounded)
		return 0, nil
	}, nil)
	assert.NoError(t, err)
}
