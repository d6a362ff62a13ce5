package benchmarks_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	avast "github.com/avast/retry-go/v5"
	"github.com/cenkalti/backoff/v5"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/budget"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/retry"
)

func parlanceCaller(name string, c retry.Config) contender {
	return contender{name, func(tb testing.TB) caller {
		if c.RetryIf == nil {
			c.RetryIf = func(error) bool { return true }
		}
		p, err := retry.New(c)
		assert.NoError(tb, err)
		return func(ctx context.Context, fn function) (int, error) { return retry.Do(ctx, p, fn) }
	}}
}

func backoffCaller(source func() backoff.BackOff, maxTries uint) contender {
	return contender{"backoff", func(testing.TB) caller {
		return func(ctx context.Context, fn function) (int, error) {
			return backoff.Retry(ctx, func() (int, error) { return fn(ctx) },
				backoff.WithBackOff(source()), backoff.WithMaxTries(maxTries))
		}
	}}
}

// avastCaller makes a retrier for each call, which is bound to its context.
func avastCaller(name string, options ...avast.Option) contender {
	return contender{name, func(testing.TB) caller {
		return func(ctx context.Context, fn function) (int, error) {
			retrier := avast.NewWithData[int](append(options, avast.Context(ctx))...)
			return retrier.Do(func() (int, error) { return fn(ctx) })
		}
	}}
}

func failsafeCaller(builder retrypolicy.Builder[int]) contender {
	return contender{"failsafe-go", func(testing.TB) caller {
		executor := failsafe.With(builder.Build())
		return func(ctx context.Context, fn function) (int, error) {
			return executor.WithContext(ctx).Get(func() (int, error) { return fn(ctx) })
		}
	}}
}

// patient retries wait 10 s before each attempt but the first.
func patient() []contender {
	const delay = 10 * time.Second
	fixed := []avast.Option{avast.Attempts(attempts), avast.Delay(delay), avast.DelayType(avast.FixedDelay)}
	return []contender{
		parlanceCaller("parlance", retry.Config{BaseDelay: delay, MaxDelay: delay, Jitter: retry.NoJitter}),
		backoffCaller(func() backoff.BackOff { return backoff.NewConstantBackOff(delay) }, attempts),
		avastCaller("avast", fixed...),
		avastCaller("avast-last-error", append(fixed, avast.LastErrorOnly(true))...),
		failsafeCaller(retrypolicy.NewBuilder[int]().WithMaxAttempts(attempts).WithDelay(delay)),
	}
}

// hurried makes a call that fails and whose caller has 200 ms.
func hurried(t *testing.T, do caller) (time.Duration, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := do(ctx, down)
	assert.Error(t, err)
	return time.Since(start), err
}

func TestRetryDoesNotSleepWhenTheDeadlineComesFirst(t *testing.T) {
	show(t, patient(),
		holds{"parlance": true, "backoff": false, "avast": false, "avast-last-error": false, "failsafe-go": false},
		func(t *testing.T, do caller) bool {
			took, _ := hurried(t, do)
			return took == 0
		})
}

func TestRetryThatRunsOutOfTimeKeepsTheError(t *testing.T) {
	show(t, patient(),
		holds{"parlance": true, "backoff": false, "avast": true, "avast-last-error": false, "failsafe-go": false},
		func(t *testing.T, do caller) bool {
			_, err := hurried(t, do)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			return errors.Is(err, errDown)
		})
}

func TestRetryMakesNoAttemptForACallerWhoHasLeft(t *testing.T) {
	show(t, patient(),
		holds{"parlance": true, "backoff": false, "avast": true, "avast-last-error": true, "failsafe-go": false},
		func(t *testing.T, do caller) bool {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			called := false
			_, err := do(ctx, func(context.Context) (int, error) { called = true; return 0, errDown })
			assert.ErrorIs(t, err, context.Canceled)
			return !called
		})
}

const (
	baseDelay = 100 * time.Millisecond
	maxDelay  = time.Second
	manyTries = 200
)

// growing retries wait longer each time, up to a second, with the jitter that is
// the library's default, or its best known.
func growing() []contender {
	return []contender{
		parlanceCaller("parlance", retry.Config{MaxAttempts: manyTries, BaseDelay: baseDelay, MaxDelay: maxDelay}),
		parlanceCaller("parlance-proportional", retry.Config{
			MaxAttempts: manyTries, BaseDelay: baseDelay, MaxDelay: maxDelay, Jitter: retry.ProportionalJitter, JitterFraction: 0.5,
		}),
		backoffCaller(func() backoff.BackOff {
			source := backoff.NewExponentialBackOff()
			source.InitialInterval, source.MaxInterval = baseDelay, maxDelay
			return source
		}, manyTries),
		avastCaller("avast", avast.Attempts(manyTries), avast.Delay(baseDelay), avast.MaxDelay(maxDelay)),
		failsafeCaller(retrypolicy.NewBuilder[int]().WithMaxAttempts(manyTries).WithBackoff(baseDelay, maxDelay).WithJitterFactor(0.5)),
	}
}

// delays are those between the attempts of a call that fails to the end.
func delays(t *testing.T, do caller) []time.Duration {
	t.Helper()
	var all []time.Duration
	last := time.Now()
	_, err := do(t.Context(), func(context.Context) (int, error) {
		all, last = append(all, time.Since(last)), time.Now()
		return 0, errDown
	})
	assert.Error(t, err)
	assert.Equal(t, len(all), manyTries)
	return all[1:]
}

func TestDelaysStayBelowTheirCap(t *testing.T) {
	show(t, growing(),
		holds{"parlance": true, "parlance-proportional": true, "backoff": false, "avast": true, "failsafe-go": false},
		func(t *testing.T, do caller) bool {
			for _, delay := range delays(t, do) {
				if delay > maxDelay {
					return false
				}
			}
			return true
		})
}

// Clients that wait exactly the cap come back together.
func TestDelaysDoNotGatherAtTheirCap(t *testing.T) {
	show(t, growing(),
		holds{"parlance": true, "parlance-proportional": true, "backoff": true, "avast": false, "failsafe-go": true},
		func(t *testing.T, do caller) bool {
			at := 0
			for _, delay := range delays(t, do) {
				if delay == maxDelay {
					at++
				}
			}
			return at < manyTries/20
		})
}

func TestPermanentErrorIsNotRetriedWhateverElseIs(t *testing.T) {
	const many = 5
	always := func(error) bool { return true }
	for _, test := range []struct {
		contender contender
		permanent error
		calls     int
	}{
		{parlanceCaller("parlance", retry.Config{MaxAttempts: many, RetryIf: always}), retry.Permanent(errDown), 1},
		{backoffCaller(func() backoff.BackOff { return &backoff.ZeroBackOff{} }, many), backoff.Permanent(errDown), 1},
		{avastCaller("avast", avast.Attempts(many), avast.RetryIf(always)), avast.Unrecoverable(errDown), many},
	} {
		show(t, []contender{test.contender}, holds{test.contender.name: test.calls == 1}, func(t *testing.T, do caller) bool {
			calls := 0
			_, err := do(t.Context(), func(context.Context) (int, error) { calls++; return 0, test.permanent })
			assert.ErrorIs(t, err, errDown)
			assert.Equal(t, calls, test.calls)
			return calls == 1
		})
	}
}

// thrifty retries wait a second, and have a budget for a few.
func thrifty() []contender {
	const delay = time.Second
	return []contender{
		{"parlance", func(tb testing.TB) caller {
			shared, err := retry.NewBudget(retry.BudgetConfig{Ratio: 0.2, NoFloor: true})
			assert.NoError(tb, err)
			return parlanceCaller("", retry.Config{BaseDelay: delay, MaxDelay: delay, Jitter: retry.NoJitter, Budget: shared}).make(tb)
		}},
		avastCaller("avast", avast.Attempts(attempts), avast.Delay(delay), avast.DelayType(avast.FixedDelay),
			avast.WithThrottle(avast.NewFixedTokenBucketThrottle(avast.FixedTokenBucketThrottleConfig{MaxCapacity: 4, ThrottleCost: 5}))),
		failsafeCaller(retrypolicy.NewBuilder[int]().WithMaxAttempts(attempts).WithDelay(delay).
			WithBudget(budget.NewBuilder().WithMaxRate(0).WithMinConcurrency(0).Build())),
	}
}

func TestEmptyBudgetAllowsNoRetry(t *testing.T) {
	show(t, thrifty(), holds{"parlance": true, "avast": true, "failsafe-go": false}, func(t *testing.T, do caller) bool {
		calls := 0
		_, err := do(t.Context(), func(context.Context) (int, error) { calls++; return 0, errDown })
		assert.Error(t, err)
		return calls == 1
	})
}

// refused makes twenty calls at once, which all fail. Of those that the budget
// allowed no second attempt it reports how long they were kept waiting at most,
// and whether all of them returned their error.
func refused(t *testing.T, do caller) (wait time.Duration, kept bool) {
	t.Helper()
	const duration = time.Millisecond
	var group sync.WaitGroup
	var mutex sync.Mutex
	refusals, kept := 0, true
	for range 20 {
		group.Go(func() {
			calls, start := 0, time.Now()
			_, err := do(t.Context(), func(context.Context) (int, error) {
				calls++
				time.Sleep(duration)
				return 0, errDown
			})
			mutex.Lock()
			defer mutex.Unlock()
			if calls == 1 {
				refusals++
				wait, kept = max(wait, time.Since(start)-duration), kept && errors.Is(err, errDown)
			}
		})
	}
	group.Wait()
	assert.True(t, refusals > 10, refusals)
	return wait, kept
}

func TestRetryThatTheBudgetRefusesDoesNotSleep(t *testing.T) {
	show(t, thrifty(), holds{"parlance": true, "avast": true, "failsafe-go": false}, func(t *testing.T, do caller) bool {
		wait, _ := refused(t, do)
		return wait == 0
	})
}

func TestRetryThatTheBudgetRefusesKeepsTheError(t *testing.T) {
	show(t, thrifty(), holds{"parlance": true, "avast": true, "failsafe-go": false}, func(t *testing.T, do caller) bool {
		_, kept := refused(t, do)
		return kept
	})
}
