package benchmarks_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/failsafe-go/failsafe-go/timeout"
	"github.com/sony/gobreaker/v2"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/policy"
	"github.com/parlance-go/parlance/retry"
)

// The chain of all contenders, from the outside in: a timeout, retries, and a
// breaker of consecutive failures; some with more in between.
const (
	callTimeout    = 10 * time.Second
	attemptTimeout = time.Second
	maxConcurrent  = 2 * goroutines
)

// A chain says what there is besides.
type chain struct{ attemptTimeout, bulkhead bool }

func (c chain) parlance() contender {
	return contender{"parlance", func(tb testing.TB) caller {
		retries, err := retry.New(retry.Config{MaxAttempts: attempts, RetryIf: func(error) bool { return true }})
		assert.NoError(tb, err)
		b, err := breaker.New(breaker.Config{ConsecutiveFailures: failuresInRow, ResetTimeout: resetTimeout})
		assert.NoError(tb, err)
		config := policy.Config{Timeout: callTimeout, Retry: retries, Breaker: b}
		if c.attemptTimeout {
			config.AttemptTimeout = attemptTimeout
		}
		if c.bulkhead {
			config.Bulkhead, err = policy.NewBulkhead(policy.BulkheadConfig{MaxConcurrent: maxConcurrent})
			assert.NoError(tb, err)
		}
		p, err := policy.New(config)
		assert.NoError(tb, err)
		return func(ctx context.Context, fn function) (int, error) { return policy.Do(ctx, p, fn) }
	}}
}

// failsafe makes the executor once. The function is given the context of its
// execution: that is the one which the timeouts end.
func (c chain) failsafe() contender {
	return contender{"failsafe-go", func(testing.TB) caller {
		policies := []failsafe.Policy[int]{
			timeout.New[int](callTimeout),
			retrypolicy.NewBuilder[int]().WithMaxAttempts(attempts).WithBackoff(100*time.Millisecond, 5*time.Second).WithJitterFactor(0.5).Build(),
		}
		if c.bulkhead {
			policies = append(policies, bulkhead.New[int](maxConcurrent))
		}
		policies = append(policies, circuitbreaker.NewBuilder[int]().WithFailureThreshold(failuresInRow).WithDelay(resetTimeout).Build())
		if c.attemptTimeout {
			policies = append(policies, timeout.New[int](attemptTimeout))
		}
		executor := failsafe.With(policies...)
		return func(ctx context.Context, fn function) (int, error) {
			return executor.WithContext(ctx).GetWithExecution(func(e failsafe.Execution[int]) (int, error) { //nolint:contextcheck // that of e descends from ctx
				return fn(e.Context())
			})
		}
	}}
}

// byHand is what is put together from a library for each part.
func (c chain) byHand() contender {
	return contender{"gobreaker+backoff", func(testing.TB) caller {
		b := gobreaker.NewCircuitBreaker[int](gobreaker.Settings{
			Timeout:     resetTimeout,
			ReadyToTrip: func(counts gobreaker.Counts) bool { return counts.ConsecutiveFailures >= failuresInRow },
		})
		places := make(chan struct{}, maxConcurrent)
		maxTries := backoff.WithMaxTries(attempts)
		attempt := func(ctx context.Context, fn function) (int, error) {
			if c.bulkhead {
				select {
				case places <- struct{}{}:
					defer func() { <-places }()
				default:
					return 0, errFull
				}
			}
			return b.Execute(func() (int, error) {
				if !c.attemptTimeout {
					return fn(ctx)
				}
				ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
				defer cancel()
				return fn(ctx)
			})
		}
		return func(ctx context.Context, fn function) (int, error) {
			ctx, cancel := context.WithTimeout(ctx, callTimeout)
			defer cancel()
			return backoff.Retry(ctx, func() (int, error) { return attempt(ctx, fn) }, maxTries)
		}
	}}
}

var errFull = errors.New("no place")

// The floors are the context packages' timeouts alone.
var (
	oneTimeout = contender{"one-timeout", func(testing.TB) caller {
		return func(ctx context.Context, fn function) (int, error) {
			ctx, cancel := context.WithTimeout(ctx, callTimeout)
			defer cancel()
			return fn(ctx)
		}
	}}
	twoTimeouts = contender{"two-timeouts", func(tb testing.TB) caller {
		outer := oneTimeout.make(tb)
		return func(ctx context.Context, fn function) (int, error) {
			return outer(ctx, func(ctx context.Context) (int, error) {
				ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
				defer cancel()
				return fn(ctx)
			})
		}
	}}
)

func BenchmarkPolicy(b *testing.B) {
	for _, test := range []struct {
		name  string
		chain chain
		floor contender
	}{
		{"timeout+retry+breaker", chain{}, oneTimeout},
		{"timeout+retry+breaker+attempt-timeout", chain{attemptTimeout: true}, twoTimeouts},
		{"with-bulkhead", chain{bulkhead: true}, oneTimeout},
	} {
		b.Run(test.name, func(b *testing.B) {
			compare(b, work{}, test.chain.parlance(), test.chain.failsafe(), test.chain.byHand(), test.floor)
		})
	}
}

// TestPoliciesAreAlike shows that the contenders of the benchmarks have all their
// parts: the function sees the deadlines, and is not called once the breaker is
// open.
func TestPoliciesAreAlike(t *testing.T) {
	for name, c := range map[string]chain{"plain": {}, "attempt timeout": {attemptTimeout: true}, "bulkhead": {bulkhead: true}} {
		for _, contender := range []contender{c.parlance(), c.failsafe(), c.byHand()} {
			t.Run(name+"/"+contender.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { policyHasItsParts(t, contender.make(t), c) })
			})
		}
	}
}

func policyHasItsParts(t *testing.T, do caller, c chain) {
	calls, took := 0, time.Duration(0)
	hang := func(ctx context.Context) (int, error) {
		start := time.Now()
		<-ctx.Done()
		calls, took = calls+1, time.Since(start)
		return 0, errDown
	}
	_, err := do(t.Context(), hang)
	assert.Error(t, err)
	if c.attemptTimeout {
		assert.Equal(t, took, attemptTimeout)
		assert.Equal(t, calls, attempts)
	} else {
		assert.Equal(t, took, callTimeout)
		assert.Equal(t, calls, 1)
	}
	for range failuresInRow {
		_, err := do(t.Context(), func(context.Context) (int, error) { calls++; return 0, errDown })
		assert.Error(t, err)
	}
	assert.Equal(t, calls, failuresInRow)
}

// TestBulkheadsAreAlike shows that each bulkhead has its bound.
func TestBulkheadsAreAlike(t *testing.T) {
	c := chain{bulkhead: true}
	for _, contender := range []contender{c.parlance(), c.failsafe(), c.byHand()} {
		t.Run(contender.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				do, done, calls := contender.make(t), make(chan struct{}), atomic.Int32{}
				for range 2 * maxConcurrent {
					go func() {
						_, _ = do(t.Context(), func(context.Context) (int, error) { calls.Add(1); <-done; return 0, nil })
					}()
				}
				synctest.Wait()
				assert.Equal(t, calls.Load(), int32(maxConcurrent))
				close(done)
			})
		})
	}
}
