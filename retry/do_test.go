package retry_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/retry"
)

var (
	errBusy   = &retry.StatusError{Code: 503}
	errOdd    = errors.New("odd")
	errReason = errors.New("the caller has left")
)

func TestDo_returnsTheFirstSuccess(t *testing.T) {
	t.Parallel()
	for successAt := 1; successAt <= 3; successAt++ {
		synctest.Test(t, func(t *testing.T) {
			calls := 0
			got, err := retry.Do(t.Context(), nil, func(context.Context) (string, error) {
				calls++
				if calls < successAt {
					return "half", errBusy
				}
				return "whole", nil
			})
			assert.NoError(t, err)
			assert.Equal(t, got, "whole")
			assert.Equal(t, calls, successAt)
		})
	}
}

func TestDo_makesExactlySoManyAttempts(t *testing.T) {
	t.Parallel()
	for _, attempts := range []int{1, 2, 3, 16, 17, 40, 1000} {
		t.Run(strconv.Itoa(attempts), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				p := newPolicy(t, retry.Config{MaxAttempts: attempts, Jitter: retry.NoJitter})
				last, err := retry.Do(t.Context(), p, func(context.Context) (int, error) {
					calls++
					return calls, &retry.StatusError{Code: 500 + 2*(calls%2)}
				})
				assert.Equal(t, calls, attempts)
				assert.Equal(t, last, attempts, "what the last attempt returned")
				got := assert.ErrorAs[*retry.Error](t, err)
				assert.Equal(t, got.Attempts, attempts)
				assert.Equal(t, got.Reason, retry.ErrAttempts)
				assert.Equal(t, got.Last, got.Causes[len(got.Causes)-1])
				assert.ErrorIs(t, err, got.Last)
				assert.Equal(t, len(got.Causes), min(attempts, 16))
			})
		})
	}
}

func TestError_keepsTheFirstAndTheLastCauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		p := newPolicy(t, retry.Config{MaxAttempts: 20})
		_, err := retry.Do(t.Context(), p, func(context.Context) (int, error) {
			calls++
			return 0, retry.After(fmt.Errorf("failure %d", calls), 0)
		})
		var texts []string
		for _, cause := range assert.ErrorAs[*retry.Error](t, err).Causes {
			texts = append(texts, cause.Error())
		}
		want := []string{"failure 1"}
		for n := 6; n <= 20; n++ {
			want = append(want, fmt.Sprintf("failure %d", n))
		}
		assert.Equal(t, texts, want)
	})
}

func TestDo_makesNoAttemptWhenTheContextHasEnded(t *testing.T) {
	t.Parallel()
	cancelled, cancel := context.WithCancelCause(t.Context())
	cancel(errReason)
	expired, stop := context.WithDeadline(t.Context(), time.Now().Add(-time.Hour))
	defer stop()
	timeouts := newPolicy(t, retry.Config{Timeout: time.Second, AttemptTimeout: time.Second})
	for _, p := range []*retry.Policy{nil, timeouts} {
		try := func(ctx context.Context) error {
			calls := 0
			_, err := retry.Do(ctx, p, failing(&calls, nil))
			assert.Equal(t, calls, 0)
			got := assert.ErrorAs[*retry.Error](t, err)
			assert.Equal(t, got.Attempts, 0)
			assert.Equal(t, got.Last, nil)
			assert.Equal(t, len(got.Causes), 0)
			return err
		}
		err := try(cancelled)
		assert.ErrorIs(t, err, errReason)
		assert.ErrorIs(t, err, context.Canceled)
		assert.ErrorIs(t, try(expired), context.DeadlineExceeded)
	}
}

func TestDo_returnsTheFirstErrorAsItIsWhenItIsNotRetried(t *testing.T) {
	t.Parallel()
	for _, err := range []error{errOdd, retry.Permanent(errOdd), retry.Permanent(retry.After(errOdd, time.Second)), retry.After(errOdd, -1)} {
		calls := 0
		value, got := retry.Do(t.Context(), nil, failing(&calls, err))
		assert.Equal(t, calls, 1)
		assert.Equal(t, value, 1)
		assert.True(t, got == errOdd, "got %#v", got) //nolint:errorlint // the very error
	}
}

func TestDo_saysWhichAttemptWasNotRetried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		_, err := retry.Do(t.Context(), nil, failing(&calls, errBusy, retry.Permanent(errOdd)))
		got := assert.ErrorAs[*retry.Error](t, err)
		assert.Equal(t, got.Attempts, 2)
		assert.Equal(t, got.Reason, retry.ErrNotRetried)
		assert.True(t, got.Last == errOdd, "without the mark") //nolint:errorlint // the very error
		assert.Equal(t, got.Causes, []error{errBusy, errOdd})
	})
}

// The error of an inner Do is not retried: that would multiply the attempts.
func TestDo_doesNotRetryAnotherDo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		_, err := retry.Do(t.Context(), nil, func(ctx context.Context) (int, error) {
			n, err := retry.Do(ctx, nil, failing(&calls, errBusy))
			return n, fmt.Errorf("inner: %w", err)
		})
		assert.ErrorIs(t, err, errBusy)
		assert.Equal(t, calls, 3)
	})
}

func TestDo_stopsInADelayWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errReason) })
		p := newPolicy(t, retry.Config{BaseDelay: time.Hour, MaxDelay: time.Hour, Jitter: retry.NoJitter})
		begin := time.Now()
		calls := 0
		value, err := retry.Do(ctx, p, failing(&calls, errBusy))
		assert.Equal(t, time.Since(begin), time.Second)
		assert.Equal(t, calls, 1)
		assert.Equal(t, value, 1, "the last attempt's value")
		got := assert.ErrorAs[*retry.Error](t, err)
		assert.Equal(t, got.Attempts, 1)
		assert.Equal(t, got.Last, error(errBusy))
		assert.ErrorIs(t, got.Reason, errReason)
		assert.ErrorIs(t, got.Reason, context.Canceled)
	})
}

// Whatever the error says, there is nobody to try again for.
func TestDo_doesNotRetryForACallerWhoHasLeft(t *testing.T) {
	t.Parallel()
	for _, failure := range []error{errBusy, errOdd, retry.After(errOdd, 0), retry.Permanent(errOdd), context.Canceled} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			calls := 0
			_, err := retry.Do(ctx, nil, func(context.Context) (int, error) {
				calls++
				cancel(errReason)
				return 0, failure
			})
			assert.Equal(t, calls, 1)
			got := assert.ErrorAs[*retry.Error](t, err)
			assert.ErrorIs(t, got.Reason, errReason)
			assert.ErrorIs(t, got.Reason, context.Canceled)
			assert.Equal(t, got.Attempts, 1)
		})
	}
}

// One call that fails often ends the context of the others, with its error.
func TestDo_doesNotTakeTheErrorOfAnotherCallForItsOwn(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	other := &retry.Error{Attempts: 2, Last: errOdd, Reason: retry.ErrNotRetried}
	_, err := retry.Do(ctx, nil, func(context.Context) (int, error) {
		cancel(other)
		return 0, errBusy
	})
	got := assert.ErrorAs[*retry.Error](t, err)
	assert.Equal(t, got.Last, error(errBusy))
	assert.ErrorIs(t, got.Reason, other)
	assert.ErrorIs(t, got.Reason, context.Canceled)
}

// A success is one, even if the context ended meanwhile.
func TestDo_returnsALateSuccess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPolicy(t, retry.Config{AttemptTimeout: time.Second, Timeout: 2 * time.Second})
		got, err := retry.Do(t.Context(), p, func(context.Context) (int, error) {
			time.Sleep(time.Minute)
			return 7, nil
		})
		assert.NoError(t, err)
		assert.Equal(t, got, 7)
	})
}

func TestDo_letsAPanicPassAndEndsTheContexts(t *testing.T) {
	t.Parallel()
	configs := map[string]retry.Config{
		"plain":    {},
		"timeouts": {Timeout: time.Minute, AttemptTimeout: time.Second},
	}
	for name, config := range configs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPolicy(t, config)
				var ended func() error // of the last context
				calls := 0
				got := assert.Panics(t, func() {
					_, _ = retry.Do(t.Context(), p, func(ctx context.Context) (int, error) {
						ended = ctx.Err
						if calls++; calls == 2 {
							panic("boom")
						}
						return 0, errBusy
					})
				})
				assert.Equal(t, got, any("boom"))
				assert.Equal(t, ended() != nil, name != "plain")

				done := make(chan struct{})
				returned := false
				go func() {
					defer close(done)
					_, _ = retry.Do(t.Context(), p, func(ctx context.Context) (int, error) {
						ended = ctx.Err
						runtime.Goexit()
						return 0, nil
					})
					returned = true
				}()
				<-done
				assert.False(t, returned)
				assert.Equal(t, ended() != nil, name != "plain")
			})
		})
	}
}

func TestDo_refusesANilFunction(t *testing.T) {
	t.Parallel()
	got := assert.Panics(t, func() { _, _ = retry.Do[int](t.Context(), nil, nil) })
	assert.Equal(t, got, any("retry: Do was given a nil function"))
}

func TestPolicy_isSharedByManyGoroutines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls, retries, gaveUp atomic.Int64
		p := newPolicy(t, retry.Config{
			MaxAttempts: 4,
			Jitter:      retry.DecorrelatedJitter,
			Hooks: retry.Hooks{
				Retry:  func(retry.Retry) { retries.Add(1) },
				GiveUp: func(*retry.Error) { gaveUp.Add(1) },
			},
		})
		const goroutines = 1000
		var wg sync.WaitGroup
		for range goroutines {
			wg.Go(func() {
				own := 0
				_, err := retry.Do(t.Context(), p, func(context.Context) (int, error) {
					calls.Add(1)
					own++
					return own, errBusy
				})
				if got, ok := errors.AsType[*retry.Error](err); !ok || got.Attempts != 4 || own != 4 {
					t.Errorf("%d attempts: %v", own, err)
				}
			})
		}
		wg.Wait()
		assert.Equal(t, calls.Load(), int64(4*goroutines))
		assert.Equal(t, retries.Load(), int64(3*goroutines))
		assert.Equal(t, gaveUp.Load(), int64(goroutines))
	})
}

func TestPolicy_withoutNewIsTheDefault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, p := range []*retry.Policy{nil, {}, newPolicy(t, retry.Config{})} {
			calls := 0
			begin := time.Now()
			_, err := retry.Do(t.Context(), p, failing(&calls, errBusy))
			assert.ErrorIs(t, err, retry.ErrAttempts)
			assert.Equal(t, calls, 3)
			assert.True(t, time.Since(begin) < 300*time.Millisecond)
		}
	})
}

func TestHooks_areToldInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var told []string
		begin := time.Now()
		tell := func(format string, args ...any) {
			told = append(told, fmt.Sprintf("%v: ", time.Since(begin))+fmt.Sprintf(format, args...))
		}
		p := newPolicy(t, retry.Config{
			BaseDelay: time.Second,
			Jitter:    retry.NoJitter,
			Hooks: retry.Hooks{
				Retry:  func(r retry.Retry) { tell("retry %d %v %v", r.Attempt, r.Err, r.Delay) },
				GiveUp: func(e *retry.Error) { tell("%v", e) },
			},
		})
		calls := 0
		_, err := retry.Do(t.Context(), p, failing(&calls, retry.After(errOdd, 0), errBusy, errOdd))
		assert.Error(t, err)
		_, err = retry.Do(t.Context(), p, failing(new(int), retry.Permanent(errOdd)))
		assert.Equal(t, err, errOdd)
		_, err = retry.Do(t.Context(), p, failing(new(int), nil))
		assert.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = retry.Do(ctx, p, failing(new(int), nil))
		assert.Error(t, err)
		assert.Equal(t, told, []string{
			"0s: retry 1 odd 1s",
			"1s: retry 2 status 503 Service Unavailable 2s",
			"3s: retry: gave up after 3 attempts: not to be retried: odd",
			"3s: retry: gave up after 1 attempt: not to be retried: odd",
		})
	})
}

func TestHooks_mayPanic(t *testing.T) {
	t.Parallel()
	for _, hooks := range []retry.Hooks{
		{Retry: func(retry.Retry) { panic("hook") }},
		{GiveUp: func(*retry.Error) { panic("hook") }},
	} {
		var ended func() error
		p := newPolicy(t, retry.Config{MaxAttempts: 2, BaseDelay: 1, MaxDelay: 1, Timeout: time.Hour, Hooks: hooks})
		got := assert.Panics(t, func() {
			_, _ = retry.Do(t.Context(), p, func(ctx context.Context) (int, error) {
				ended = ctx.Err
				return 0, errBusy
			})
		})
		assert.Equal(t, got, any("hook"))
		assert.ErrorIs(t, ended(), context.Canceled)
	}
}

func TestDo_allocatesNothingOnSuccess(t *testing.T) {
	ok := func(context.Context) (int, error) { return 1, nil }
	for _, p := range []*retry.Policy{nil, newPolicy(t, retry.Config{})} {
		ctx := t.Context()
		got := testing.AllocsPerRun(100, func() { _, _ = retry.Do(ctx, p, ok) })
		assert.Equal(t, got, 0.0)
	}
}

func TestError_text(t *testing.T) {
	t.Parallel()
	cases := []struct {
		err  error
		want string
	}{
		{&retry.Error{}, "retry: no attempt"},
		{&retry.Error{Reason: context.Canceled}, "retry: no attempt: context canceled"},
		{
			&retry.Error{Attempts: 3, Last: errBusy, Reason: retry.ErrAttempts},
			"retry: gave up after 3 attempts: no attempts left: status 503 Service Unavailable",
		},
		{
			&retry.Error{Attempts: 1, Last: context.Canceled, Reason: context.Canceled},
			"retry: gave up after 1 attempt: context canceled",
		},
		{&retry.TimeoutError{After: time.Second, Err: errOdd}, "attempt timed out after 1s: odd"},
		{&retry.TimeoutError{After: time.Second}, "attempt timed out after 1s"},
		{&retry.StatusError{Code: 599}, "status 599"},
		{retry.Permanent(errOdd), "odd"},
		{retry.After(errOdd, time.Second), "odd"},
	}
	for _, c := range cases {
		assert.Equal(t, c.err.Error(), c.want)
	}
}

func TestError_matchesWhatItHolds(t *testing.T) {
	t.Parallel()
	err := error(&retry.Error{Attempts: 1, Last: errBusy, Reason: retry.ErrBudget, Delay: time.Second})
	assert.ErrorIs(t, err, errBusy)
	assert.ErrorIs(t, err, retry.ErrBudget)
	assert.False(t, errors.Is(err, retry.ErrAttempts))
	assert.Equal(t, assert.ErrorAs[interface {
		error
		RetryAfter() time.Duration
	}](t, err).RetryAfter(), time.Second)
	empty := &retry.Error{}
	assert.Equal(t, len(empty.Unwrap()), 0)
	timeout := &retry.TimeoutError{}
	assert.ErrorIs(t, timeout, context.DeadlineExceeded)
	assert.True(t, timeout.Timeout())
	assert.Equal(t, retry.Permanent(nil), nil)
	assert.Equal(t, retry.After(nil, time.Second), nil)
}

func TestError_timeoutIsThatOfTheLastAttemptOrOfAll(t *testing.T) {
	for name, test := range map[string]struct {
		err  retry.Error
		want bool
	}{
		"attempt":  {retry.Error{Attempts: 3, Last: &retry.TimeoutError{After: time.Second}, Reason: retry.ErrAttempts}, true},
		"deadline": {retry.Error{Attempts: 1, Last: errors.New("503"), Reason: context.DeadlineExceeded}, true},
		"refusal":  {retry.Error{Attempts: 1, Last: errors.New("503"), Reason: retry.ErrBudget}, false},
		"leaving":  {retry.Error{Reason: context.Canceled}, false},
	} {
		t.Run(name, func(t *testing.T) {
			wrapped := &url.Error{Op: "Get", URL: "/", Err: &test.err} // as http.Client does
			assert.Equal(t, wrapped.Timeout(), test.want)
		})
	}
}

func TestDo_endsWithTheReasonWhyNoAttemptCouldFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errClosed := errors.New("closed")
		var asked []time.Duration
		budget, err := retry.NewBudget(retry.BudgetConfig{})
		assert.NoError(t, err)
		p, err := retry.New(retry.Config{
			Budget: budget, Jitter: retry.NoJitter, RetryIf: func(error) bool { return true },
			Ready: func(_ context.Context, delay time.Duration) error {
				if asked = append(asked, delay); len(asked) == 2 {
					return errClosed
				}
				return nil
			},
		})
		assert.NoError(t, err)
		before, start := budget.Balance(), time.Now()
		errDown := errors.New("down")
		_, err = retry.Do(t.Context(), p, func(context.Context) (int, error) { return 0, errDown })
		failed := assert.ErrorAs[*retry.Error](t, err)
		assert.Equal(t, failed.Attempts, 2)
		assert.Equal(t, failed.Last, errDown)
		assert.Equal(t, failed.Reason, errClosed)
		assert.Equal(t, asked, []time.Duration{100 * time.Millisecond, 200 * time.Millisecond})
		assert.Equal(t, time.Since(start), 100*time.Millisecond)
		assert.Equal(t, before-budget.Balance(), 1, "retries taken")
	})
}
