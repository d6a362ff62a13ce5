package benchmarks_test

import (
	"context"
	"testing"

	avast "github.com/avast/retry-go/v5"
	"github.com/cenkalti/backoff/v5"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/budget"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/retry"
)

// All contenders make three attempts, retry every error, and wait as little as
// they can. That is 1 ns for parlance, and 0 for the others, who set a timer for
// it all the same.
const attempts = 3

func retries() []contender {
	return []contender{
		parlanceRetry(retry.Config{}),
		backoffRetry(),
		avastRetry(),
		failsafeRetry(retrypolicy.NewBuilder[int]()),
	}
}

func budgetedRetries() []contender {
	return []contender{
		{"parlance", func(tb testing.TB) caller {
			shared, err := retry.NewBudget(retry.BudgetConfig{})
			assert.NoError(tb, err)
			return parlanceRetry(retry.Config{Budget: shared}).make(tb)
		}},
		// A bucket of tokens that retries take and successes give back.
		avastRetry(avast.WithFixedTokenBucketThrottle(avast.FixedTokenBucketThrottleConfig{})),
		// A share of the calls under way.
		failsafeRetry(retrypolicy.NewBuilder[int]().WithBudget(budget.New())),
	}
}

func parlanceRetry(c retry.Config) contender {
	return contender{"parlance", func(tb testing.TB) caller {
		c.MaxAttempts, c.BaseDelay, c.MaxDelay, c.Jitter = attempts, 1, 1, retry.NoJitter
		c.RetryIf = func(error) bool { return true }
		p, err := retry.New(c)
		assert.NoError(tb, err)
		return func(ctx context.Context, fn function) (int, error) { return retry.Do(ctx, p, fn) }
	}}
}

// backoffRetry makes the options once. The source of delays has no state, so it
// can be shared; by default each call would make an ExponentialBackOff more.
func backoffRetry() contender {
	return contender{"backoff", func(testing.TB) caller {
		options := []backoff.RetryOption{
			backoff.WithMaxTries(attempts), backoff.WithMaxElapsedTime(0), backoff.WithBackOff(&backoff.ZeroBackOff{}),
		}
		return func(ctx context.Context, fn function) (int, error) {
			return backoff.Retry(ctx, func() (int, error) { return fn(ctx) }, options...)
		}
	}}
}

// avastRetry makes one retrier for all calls. It is bound to a context, here one
// that never ends: calls that are to stop with their own context would each need a
// retrier of their own, at several allocations.
func avastRetry(options ...avast.Option) contender {
	return contender{"avast", func(testing.TB) caller {
		retrier := avast.NewWithData[int](append(options, avast.Attempts(attempts), avast.Delay(0), avast.DelayType(avast.FixedDelay))...)
		return func(ctx context.Context, fn function) (int, error) {
			return retrier.Do(func() (int, error) { return fn(ctx) })
		}
	}}
}

// failsafeRetry makes the executor once and gives each call its context, which
// copies the executor: without it, nothing would end the delays.
func failsafeRetry(builder retrypolicy.Builder[int]) contender {
	return contender{"failsafe-go", func(testing.TB) caller {
		executor := failsafe.With(builder.WithMaxAttempts(attempts).Build())
		return func(ctx context.Context, fn function) (int, error) {
			return executor.WithContext(ctx).Get(func() (int, error) { return fn(ctx) })
		}
	}}
}

// attemptsOnly is the floor of a call that is tried several times.
var attemptsOnly = contender{"floor", func(testing.TB) caller {
	return func(ctx context.Context, fn function) (n int, err error) {
		for range attempts {
			if n, err = fn(ctx); err == nil {
				return n, nil
			}
		}
		return n, err
	}
}}

func BenchmarkRetry(b *testing.B) {
	b.Run("happy", func(b *testing.B) { compare(b, work{}, append(retries(), attemptsOnly)...) })
	b.Run("one-failure", func(b *testing.B) { compare(b, work{failures: 1}, append(retries(), attemptsOnly)...) })
	b.Run("exhausted", func(b *testing.B) {
		compare(b, work{failures: attempts, fails: true}, append(retries(), attemptsOnly)...)
	})
	b.Run("with-budget", func(b *testing.B) { compare(b, work{}, append(budgetedRetries(), attemptsOnly)...) })
}

// TestRetriesAreAlike shows that the contenders of the benchmarks make the same
// attempts.
func TestRetriesAreAlike(t *testing.T) {
	for _, c := range append(retries(), attemptsOnly) {
		t.Run(c.name, func(t *testing.T) {
			for failures, want := range []int{1, 2, 3, 3} {
				f, calls := &flaky{left: failures}, 0
				_, err := c.make(t)(t.Context(), func(ctx context.Context) (int, error) { calls++; return f.call(ctx) })
				assert.Equal(t, calls, want)
				assert.Equal(t, err != nil, failures >= attempts)
			}
		})
	}
}

func TestRetryAllocatesNothing(t *testing.T) {
	for name, c := range map[string]contender{"happy": retries()[0], "with-budget": budgetedRetries()[0]} {
		t.Run(name, func(t *testing.T) {
			do, ctx := c.make(t), t.Context()
			assert.Equal(t, testing.AllocsPerRun(1000, func() { _, _ = do(ctx, answer) }), 0)
		})
	}
}
