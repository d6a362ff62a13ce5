package retry_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/retry"
)

func TestDo_neverSleepsInVain(t *testing.T) {
	t.Parallel()
	const delay = 10 * time.Second
	cases := []struct {
		name       string
		left       time.Duration
		minAttempt time.Duration
		calls      int
	}{
		{"much too short", 200 * time.Millisecond, 0, 1},
		{"too short by a moment", delay - 1, 0, 1},
		{"no time for the attempt itself", delay, 0, 1},
		{"a moment for the attempt", delay + 1, 0, 2},
		{"less than MinAttempt", delay + time.Second - 1, time.Second, 1},
		{"exactly MinAttempt", delay + time.Second, time.Second, 2},
		{"the longest MinAttempt", time.Hour, 1<<63 - 1, 1},
	}
	for _, c := range cases {
		for _, whose := range []string{"the caller's deadline", "Timeout", "an earlier deadline than Timeout"} {
			t.Run(c.name+", "+whose, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					config := retry.Config{
						MaxAttempts: 2,
						BaseDelay:   delay,
						Jitter:      retry.NoJitter,
						MinAttempt:  c.minAttempt,
					}
					ctx := t.Context()
					if whose != "the caller's deadline" {
						config.Timeout = c.left
					}
					if whose != "Timeout" {
						bounded, cancel := context.WithTimeout(ctx, c.left)
						defer cancel()
						ctx = bounded
					}
					if whose == "an earlier deadline than Timeout" {
						config.Timeout = 2 * c.left
					}
					begin := time.Now()
					calls := 0
					value, err := retry.Do(ctx, newPolicy(t, config), failing(&calls, errBusy))
					assert.Equal(t, calls, c.calls)
					assert.Equal(t, value, c.calls)
					got := assert.ErrorAs[*retry.Error](t, err)
					assert.Equal(t, got.Last, error(errBusy))
					if c.calls == 2 {
						assert.Equal(t, time.Since(begin), delay)
						assert.Equal(t, got.Reason, retry.ErrAttempts)
						return
					}
					assert.Equal(t, time.Since(begin), time.Duration(0))
					assert.ErrorIs(t, got.Reason, retry.ErrDelay)
					assert.ErrorIs(t, got.Reason, context.DeadlineExceeded)
					assert.Equal(t, got.Delay, time.Duration(0), "nobody asked for a delay")
				})
			})
		}
	}
}

// What the other side asks for does not fit either, and the caller learns it.
func TestDo_tellsTheDelayThatDoesNotFit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPolicy(t, retry.Config{Timeout: 5 * time.Second})
		begin := time.Now()
		_, err := retry.Do(t.Context(), p, failing(new(int), retry.After(errOdd, 30*time.Second)))
		assert.Equal(t, time.Since(begin), time.Duration(0))
		assert.ErrorIs(t, err, errOdd)
		assert.ErrorIs(t, err, retry.ErrDelay)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, assert.ErrorAs[*retry.Error](t, err).Delay, 30*time.Second)
	})
}

// await fails when its context ends, with an error that tells nothing.
func await(ctx context.Context) error {
	<-ctx.Done()
	return errOdd
}

func TestTimeout_tellsItselfFromTheCallers(t *testing.T) {
	t.Parallel()
	run := func(t *testing.T, ctx context.Context) *retry.Error {
		t.Helper()
		p := newPolicy(t, retry.Config{Timeout: 5 * time.Second})
		_, err := retry.Do(ctx, p, func(ctx context.Context) (int, error) { return 0, await(ctx) })
		got := assert.ErrorAs[*retry.Error](t, err)
		assert.Equal(t, got.Attempts, 1)
		assert.Equal(t, got.Last, errOdd)
		assert.ErrorIs(t, got.Reason, context.DeadlineExceeded)
		return got
	}
	synctest.Test(t, func(t *testing.T) {
		got := run(t, t.Context())
		assert.Equal(t, got.Reason.Error(), "retry: timeout of 5s")
		assert.Equal(t, got.Error(), "retry: gave up after 1 attempt: timeout of 5s: odd")
		var timeout interface{ Timeout() bool }
		assert.True(t, errors.As(got.Reason, &timeout) && timeout.Timeout())
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		assert.Equal(t, run(t, ctx).Reason, context.DeadlineExceeded)
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errReason)
		defer cancel()
		got := run(t, ctx)
		assert.ErrorIs(t, got.Reason, errReason)
		assert.Equal(t, got.Reason.Error(), "the caller has left: context deadline exceeded")
	})
}

func TestTimeout_boundsAllAttemptsAndDelays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPolicy(t, retry.Config{
			MaxAttempts: 10,
			BaseDelay:   time.Second,
			Multiplier:  1,
			Jitter:      retry.NoJitter,
			Timeout:     5 * time.Second,
		})
		begin := time.Now()
		calls := 0
		_, err := retry.Do(t.Context(), p, func(ctx context.Context) (int, error) {
			calls++
			deadline, ok := ctx.Deadline()
			assert.True(t, ok)
			assert.Equal(t, deadline.Sub(begin), 5*time.Second)
			time.Sleep(time.Second)
			return 0, errBusy
		})
		// Attempts begin at 0 s, 2 s and 4 s. The last ends at the deadline.
		assert.Equal(t, calls, 3)
		assert.Equal(t, time.Since(begin), 5*time.Second)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorIs(t, err, errBusy)
	})
}

func TestTimeout_keepsTheContextUntilDoReturns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		config       retry.Config
		endsWithEach bool
	}{
		{retry.Config{Timeout: time.Minute}, false},
		{retry.Config{AttemptTimeout: time.Minute}, true},
		{retry.Config{AttemptTimeout: time.Second, Timeout: time.Minute}, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			var seen []context.Context
			_, err := retry.Do(t.Context(), newPolicy(t, c.config), func(ctx context.Context) (int, error) {
				if len(seen) > 0 {
					assert.Equal(t, seen[0].Err() != nil, c.endsWithEach)
				}
				seen = append(seen, ctx)
				return 0, errBusy
			})
			assert.ErrorIs(t, err, retry.ErrAttempts)
			assert.Equal(t, len(seen), 3)
			for _, ctx := range seen {
				assert.ErrorIs(t, ctx.Err(), context.Canceled)
			}
		})
	}
}

func TestAttemptTimeout_isRetried(t *testing.T) {
	t.Parallel()
	failures := map[string]func(context.Context) error{
		"an error that tells nothing": func(context.Context) error { return errOdd },
		"the context's error":         func(ctx context.Context) error { return ctx.Err() },
		"the context's cause":         context.Cause,
		"the cause, wrapped":          func(ctx context.Context) error { return fmt.Errorf("get: %w", context.Cause(ctx)) },
		"a cancellation":              func(context.Context) error { return context.Canceled },
		"an error with a mark":        func(context.Context) error { return retry.After(errOdd, 0) },
	}
	for name, failure := range failures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPolicy(t, retry.Config{AttemptTimeout: time.Second, Jitter: retry.NoJitter})
				begin := time.Now()
				calls := 0
				_, err := retry.Do(t.Context(), p, func(ctx context.Context) (int, error) {
					calls++
					<-ctx.Done()
					return 0, failure(ctx)
				})
				assert.Equal(t, calls, 3)
				assert.Equal(t, time.Since(begin), 3*time.Second+300*time.Millisecond)
				assert.ErrorIs(t, err, retry.ErrAttempts)
				assert.ErrorIs(t, err, context.DeadlineExceeded)
				got := assert.ErrorAs[*retry.Error](t, err)
				for _, cause := range got.Causes {
					assert.Equal(t, assert.ErrorAs[*retry.TimeoutError](t, cause).After, time.Second)
					assert.Equal(t, strings.Count(cause.Error(), "attempt timed out after 1s"), 1)
				}
				if name == "an error with a mark" {
					assert.Equal(t, got.Last, error(&retry.TimeoutError{After: time.Second, Err: errOdd}), "without the mark")
				}
			})
		})
	}
}

func TestAttemptTimeout_isNotRetriedIfTheErrorForbidsIt(t *testing.T) {
	t.Parallel()
	for _, mark := range []func(error) error{
		retry.Permanent,
		func(err error) error { return saying{false, err} },
		func(err error) error { return retry.After(err, -1) },
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newPolicy(t, retry.Config{AttemptTimeout: time.Second})
			calls := 0
			_, err := retry.Do(t.Context(), p, func(ctx context.Context) (int, error) {
				calls++
				return 0, mark(await(ctx))
			})
			assert.Equal(t, calls, 1)
			assert.ErrorIs(t, assert.ErrorAs[*retry.TimeoutError](t, err).Err, errOdd)
		})
	}
}

// An error that comes in time is not one of time.
func TestAttemptTimeout_leavesOtherErrorsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPolicy(t, retry.Config{AttemptTimeout: time.Second})
		_, err := retry.Do(t.Context(), p, func(context.Context) (int, error) {
			time.Sleep(time.Second - 1)
			return 0, errOdd
		})
		assert.Equal(t, err, errOdd)
	})
}

func TestAttemptTimeout_givesWayToAnEarlierDeadline(t *testing.T) {
	t.Parallel()
	for _, caller := range []time.Duration{999 * time.Millisecond, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), caller)
			defer cancel()
			p := newPolicy(t, retry.Config{AttemptTimeout: time.Second})
			calls := 0
			_, err := retry.Do(ctx, p, func(ctx context.Context) (int, error) {
				calls++
				return 0, await(ctx)
			})
			assert.Equal(t, calls, 1)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.ErrorIs(t, err, errOdd)
			got := assert.ErrorAs[*retry.Error](t, err)
			if caller < time.Second {
				assert.Equal(t, got.Reason, context.DeadlineExceeded)
				assert.Equal(t, got.Last, errOdd)
			}
		})
	}
}

// The end of an outer attempt is the caller's for the inner call, even if both
// have the same policy.
func TestAttemptTimeout_isNotTakenFromAnOuterCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPolicy(t, retry.Config{AttemptTimeout: time.Second, MaxAttempts: 2})
		inner, outer := 0, 0
		_, err := retry.Do(t.Context(), p, func(ctx context.Context) (int, error) {
			outer++
			time.Sleep(time.Second / 2)
			return retry.Do(ctx, p, func(ctx context.Context) (int, error) {
				inner++
				return 0, await(ctx)
			})
		})
		assert.Equal(t, []int{outer, inner}, []int{1, 1})
		// The outer attempt has timed out, and not the inner one.
		got := assert.ErrorAs[*retry.Error](t, err)
		assert.Equal(t, got.Last, errOdd)
		assert.ErrorAs[*retry.TimeoutError](t, got.Reason)
	})
}

// A connection's own timeout is the same to the caller.
func TestAttemptTimeout_ofANetworkCall(t *testing.T) {
	t.Parallel()
	server, client := net.Pipe()
	defer func() { assert.NoError(t, errors.Join(client.Close(), server.Close())) }()
	p := newPolicy(t, retry.Config{MaxAttempts: 2, BaseDelay: 1, MaxDelay: 1, AttemptTimeout: time.Minute})
	calls := 0
	_, err := retry.Do(t.Context(), p, func(context.Context) (int, error) {
		calls++
		assert.NoError(t, client.SetReadDeadline(time.Now()))
		return client.Read(make([]byte, 1))
	})
	assert.Equal(t, calls, 2)
	assert.ErrorIs(t, err, retry.ErrAttempts)
}
