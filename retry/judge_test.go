package retry_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/retry"
)

// saying is an error that says whether it may be retried.
type saying struct {
	retryable bool
	error
}

func (s saying) Retryable() bool { return s.retryable }
func (s saying) Unwrap() error   { return s.error }

// asking is an error that asks for a delay.
type asking struct {
	after time.Duration
	error
}

func (a asking) RetryAfter() time.Duration { return a.after }
func (a asking) Unwrap() error             { return a.error }

func TestDo_judgesAnErrorByTheFirstRuleThatApplies(t *testing.T) {
	t.Parallel()
	yes := func(err error) error { return saying{true, err} }
	no := func(err error) error { return saying{false, err} }
	wrap := func(err error) error { return fmt.Errorf("wrapped: %w", err) }
	timedOut := &retry.TimeoutError{After: time.Second, Err: errOdd}
	cases := []struct {
		name    string
		err     error
		retried bool
		askIf   bool // RetryIf is asked
	}{
		{"an error of which nothing is known", errOdd, false, true},
		{"one that RetryIf wants", errBusy, true, true},

		{"permanent", retry.Permanent(errBusy), false, false},
		{"permanent, wrapped", wrap(retry.Permanent(errBusy)), false, false},
		{"permanent, joined", errors.Join(errBusy, retry.Permanent(errOdd)), false, false},
		{"permanent, and asks for a delay", retry.Permanent(retry.After(errBusy, 1)), false, false},
		{"permanent, and marked with a delay", retry.After(retry.Permanent(errBusy), 1), false, false},
		{"permanent, though it says it is retryable", retry.Permanent(yes(errBusy)), false, false},
		{"permanent, in one that says it is retryable", yes(retry.Permanent(errBusy)), false, false},
		{"permanent, and timed out", retry.Permanent(timedOut), false, false},

		{"not retryable", no(errBusy), false, false},
		{"not retryable, wrapped", wrap(no(errBusy)), false, false},
		{"not retryable, marked with a delay", retry.After(no(errBusy), 1), false, false},
		{"not retryable, timed out", &retry.TimeoutError{Err: no(errBusy)}, false, false},
		{"not retryable, in one that says it is", yes(no(errOdd)), true, false},
		{"retryable, in one that says it is not", no(yes(errBusy)), false, false},
		{"not retryable, joined before", errors.Join(no(errOdd), yes(errOdd)), false, false},
		{"not retryable, joined after", errors.Join(yes(errOdd), no(errOdd)), false, false},

		{"asks for a negative delay", asking{-1, errBusy}, false, false},
		{"marked with a negative delay", retry.After(errBusy, -1), false, false},
		{"marked with a negative delay, retryable", retry.After(yes(errBusy), -1), false, false},
		{"asks for a negative delay, marked with one", retry.After(asking{-1, errOdd}, 0), true, false},
		{"asks for a negative delay, joined", errors.Join(asking{1, errBusy}, asking{-1, errBusy}, asking{1, errBusy}), false, false},

		{"marked with no delay", retry.After(errOdd, 0), true, false},
		{"marked with a delay, wrapped", wrap(retry.After(errOdd, 1)), true, false},
		{"retryable", yes(errOdd), true, false},
		{"asks for a delay: that alone is no reason", asking{1, errOdd}, false, true},
		{"asks for no delay", asking{0, errBusy}, true, true},

		{"timed out", timedOut, true, false},
		{"timed out, wrapped", wrap(timedOut), true, false},
		{"out of retries in another layer", &retry.Error{Last: errBusy, Reason: retry.ErrAttempts}, false, false},
		{"nothing but cancelled", context.Canceled, false, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				asked, calls := 0, 0
				p := newPolicy(t, retry.Config{MaxAttempts: 2, RetryIf: func(err error) bool {
					asked++
					return retry.Transient(err)
				}})
				_, err := retry.Do(t.Context(), p, failing(&calls, c.err))
				assert.Equal(t, calls == 2, c.retried)
				assert.Equal(t, asked > 0, c.askIf)
				assert.Equal(t, errors.Is(err, retry.ErrAttempts), c.retried && calls == 2 || errors.Is(c.err, retry.ErrAttempts))
			})
		})
	}
}

func TestDo_asksRetryIf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPolicy(t, retry.Config{RetryIf: func(err error) bool { return errors.Is(err, errOdd) }})
		calls := 0
		_, err := retry.Do(t.Context(), p, failing(&calls, errOdd, errBusy))
		assert.Equal(t, calls, 2)
		assert.ErrorIs(t, err, retry.ErrNotRetried)
	})
}

func TestDo_keepsTheDelayThatTheOtherSideAsksFor(t *testing.T) {
	t.Parallel()
	const base = 100 * time.Millisecond
	status := func(after time.Duration) error {
		return &retry.StatusError{Code: 503, After: after, HasAfter: true}
	}
	cases := []struct {
		name     string
		err      error
		from, to time.Duration // of the delay, the latter excluded
	}{
		{"marked", retry.After(errOdd, 10*time.Second), 10 * time.Second, 10*time.Second + base},
		{"method", status(10 * time.Second), 10 * time.Second, 10*time.Second + base},
		{"beyond MaxDelay", status(59 * time.Second), 59 * time.Second, 59*time.Second + base},
		{"exactly MaxRetryAfter", status(time.Minute), time.Minute, time.Minute + base},
		{"the mark overrides the method", retry.After(status(30*time.Second), time.Second), time.Second, time.Second + base},
		{"the mark overrides an impossible one", retry.After(status(time.Hour), time.Second), time.Second, time.Second + base},
		{"the longest of joined ones", errors.Join(status(time.Second), status(3*time.Second)), 3 * time.Second, 3*time.Second + base},
		{"0 asks for nothing", status(0), 0, base},
		{"a mark of 0 asks for nothing", retry.After(status(time.Second), 0), 0, base},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPolicy(t, retry.Config{BaseDelay: base, MaxAttempts: 2})
				var delays []time.Duration
				for range 200 {
					begin := time.Now()
					calls := 0
					_, err := retry.Do(t.Context(), p, failing(&calls, c.err, nil))
					assert.NoError(t, err)
					delays = append(delays, time.Since(begin))
				}
				lowest, highest := delays[0], delays[0]
				for _, d := range delays {
					lowest, highest = min(lowest, d), max(highest, d)
				}
				assert.True(t, lowest >= c.from, "%v", lowest)
				assert.True(t, highest < c.to, "%v", highest)
				// 200 draws stay in half of the range once in 2^199 times.
				assert.True(t, highest-lowest > base/2, "from %v to %v", lowest, highest)
			})
		})
	}
}

// A delay of the policy that is longer than the one asked for stays.
func TestDo_doesNotShortenItsDelayToTheOneAskedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPolicy(t, retry.Config{MaxAttempts: 2, BaseDelay: 5 * time.Second, Jitter: retry.NoJitter})
		begin := time.Now()
		_, err := retry.Do(t.Context(), p, failing(new(int), retry.After(errOdd, time.Nanosecond), nil))
		assert.NoError(t, err)
		assert.True(t, time.Since(begin) >= 5*time.Second)
	})
}

func TestDo_stopsAtOnceWhenTheOtherSideAsksForTooLong(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{time.Minute + 1, time.Hour, 1<<63 - 1} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			calls := 0
			_, err := retry.Do(t.Context(), nil, failing(&calls, retry.After(errOdd, after)))
			assert.Equal(t, time.Since(begin), time.Duration(0))
			assert.Equal(t, calls, 1)
			assert.ErrorIs(t, err, retry.ErrDelay)
			assert.ErrorIs(t, err, errOdd)
			assert.False(t, errors.Is(err, context.DeadlineExceeded), "it is not the deadline")
			got := assert.ErrorAs[*retry.Error](t, err)
			assert.Equal(t, got.Delay, after)
			assert.Equal(t, got.RetryAfter(), after)
		})
	}
}

// The longest MaxRetryAfter does not make the delay overflow.
func TestDo_survivesTheLongestDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Hour, cancel)
		var told time.Duration
		p := newPolicy(t, retry.Config{MaxRetryAfter: 1<<63 - 1, Hooks: retry.Hooks{
			Retry: func(r retry.Retry) { told = r.Delay },
		}})
		begin := time.Now()
		_, err := retry.Do(ctx, p, failing(new(int), retry.After(errOdd, 1<<63-1)))
		assert.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, time.Since(begin), time.Hour)
		assert.Equal(t, told, time.Duration(1<<63-1))
	})
}
