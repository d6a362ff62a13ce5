package policy_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/policy"
	"github.com/parlance-go/parlance/retry"
)

var (
	errDown = errors.New("down")
	errLeft = errors.New("the caller has left")
)

// A limiterFunc is a Limiter of one function.
type limiterFunc func(context.Context) error

func (f limiterFunc) Wait(ctx context.Context) error { return f(ctx) }

// A journal records what happened in which order.
type journal struct {
	mu      sync.Mutex
	entries []string
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, fmt.Sprintf(format, args...))
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.entries)
}

func always(error) bool { return true }

// hang ends with its context, as a call to a side that hangs.
func hang(ctx context.Context) (string, error) {
	<-ctx.Done()
	return "", ctx.Err()
}

func left(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return time.Until(deadline)
}

// TestEachStepComesInItsPlace looks, from each step that can be watched, at what
// the others have done so far.
func TestEachStepComesInItsPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		bulkhead := newBulkhead(t, policy.BulkheadConfig{MaxConcurrent: 1, MaxQueue: 1})
		b := halfOpen(t, breaker.Config{ // such a one knows who has a permit
			Probes: 9, ProbeTimeout: time.Hour,
			Classify: func(error) breaker.Outcome { return breaker.Neutral },
		})
		look := func(ctx context.Context, step string) {
			j.add("%s: %s left, %d in the bulkhead, %d with a permit",
				step, left(ctx), bulkhead.InFlight(), b.Snapshot().Probing)
		}
		p := newPolicy(t, policy.Config{
			Timeout: 20 * time.Second,
			Retry: newRetry(t, retry.Config{
				BaseDelay: 3 * time.Second, Jitter: retry.NoJitter, RetryIf: always,
				Hooks: retry.Hooks{Retry: func(r retry.Retry) { j.add("retry after %s", r.Delay) }},
			}),
			Hedge: newHedge(t, retry.HedgeConfig{Delay: 4 * time.Second}),
			Limit: limiterFunc(func(ctx context.Context) error {
				look(ctx, "limit")
				time.Sleep(time.Second)
				return nil
			}),
			Bulkhead:       bulkhead,
			Breaker:        b,
			AttemptTimeout: 5 * time.Second,
		})
		taken, err := bulkhead.Acquire(t.Context())
		assert.NoError(t, err)
		go func() {
			time.Sleep(2 * time.Second) // a second after the limit
			look(t.Context(), "queue")
			taken.Done(breaker.Neutral)
		}()
		calls := 0
		got, err := policy.Do(t.Context(), p, func(ctx context.Context) (string, error) {
			look(ctx, "call")
			if calls++; calls == 1 {
				return "", errDown
			}
			return "receipt", nil
		})
		assert.NoError(t, err)
		assert.Equal(t, got, "receipt")
		assert.Equal(t, j.all(), []string{
			"limit: 20s left, 1 in the bulkhead, 0 with a permit",
			"queue: 0s left, 1 in the bulkhead, 0 with a permit",
			"call: 5s left, 1 in the bulkhead, 1 with a permit",
			"retry after 3s",
			"limit: 15s left, 0 in the bulkhead, 0 with a permit",
			"call: 5s left, 1 in the bulkhead, 1 with a permit",
		})
	})
}

// halfOpen returns a breaker that has been tripped and probes. It must be called in
// a bubble.
func halfOpen(t *testing.T, c breaker.Config) *breaker.Breaker {
	t.Helper()
	b := open(t, c)
	time.Sleep(b.Snapshot().RetryAfter)
	assert.Equal(t, b.State(), breaker.HalfOpen)
	return b
}

// open returns a breaker that has been tripped.
func open(t testing.TB, c breaker.Config) *breaker.Breaker {
	t.Helper()
	c.ConsecutiveFailures = 1
	b := newBreaker(t, c)
	trip(t, b)
	return b
}

func trip(t testing.TB, b *breaker.Breaker) {
	t.Helper()
	permit, err := b.Acquire(t.Context())
	assert.NoError(t, err)
	permit.Done(breaker.Failure)
	assert.Equal(t, b.State(), breaker.Open)
}

func TestNilAndZeroJustCall(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, p := range map[string]*policy.Policy{"nil": nil, "zero": newPolicy(t, policy.Config{})} {
		for _, ctx := range []context.Context{t.Context(), ended} {
			got, err := policy.Do(ctx, p, func(inner context.Context) (string, error) {
				assert.True(t, inner == ctx, name)
				return "receipt", errDown
			})
			assert.Equal(t, got, "receipt")
			assert.Equal(t, err, errDown, name)
		}
	}
}

func TestNilFunctionPanicsBeforeAnythingIsTaken(t *testing.T) {
	t.Parallel()
	bulkhead, b := newBulkhead(t, policy.BulkheadConfig{}), newBreaker(t, breaker.Config{CountCalls: true})
	full := newPolicy(t, policy.Config{Retry: newRetry(t, retry.Config{}), Bulkhead: bulkhead, Breaker: b})
	for _, p := range []*policy.Policy{nil, newPolicy(t, policy.Config{}), full} {
		got := assert.Panics(t, func() { _, _ = policy.Do[int](t.Context(), p, nil) })
		assert.Equal(t, got, any("policy: Do: fn is nil"))
	}
	assert.Equal(t, bulkhead.InFlight(), 0)
	assert.Equal(t, b.Snapshot().Failures, 0)
}

func TestEachPartAlone(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config func(t *testing.T) policy.Config
		call   func(ctx context.Context, number int) (string, error)
		check  func(t *testing.T, err error)
		calls  int
		took   time.Duration
	}{
		"retry": {
			config: func(t *testing.T) policy.Config {
				return policy.Config{Retry: newRetry(t, retry.Config{BaseDelay: time.Second, Jitter: retry.NoJitter, RetryIf: always})}
			},
			call:  func(context.Context, int) (string, error) { return "", errDown },
			check: func(t *testing.T, err error) { assert.Equal(t, assert.ErrorAs[*retry.Error](t, err).Attempts, 3) },
			calls: 3, took: 3 * time.Second,
		},
		"timeout": {
			config: func(*testing.T) policy.Config { return policy.Config{Timeout: time.Second} },
			call:   func(ctx context.Context, _ int) (string, error) { return hang(ctx) },
			check:  checkTimeout(time.Second),
			calls:  1, took: time.Second,
		},
		"attempt timeout": {
			config: func(*testing.T) policy.Config { return policy.Config{AttemptTimeout: time.Second} },
			call:   func(ctx context.Context, _ int) (string, error) { return hang(ctx) },
			check:  checkTimeout(time.Second),
			calls:  1, took: time.Second,
		},
		"attempt timeout, and the cause returned": {
			config: func(*testing.T) policy.Config { return policy.Config{AttemptTimeout: time.Second} },
			call: func(ctx context.Context, _ int) (string, error) {
				<-ctx.Done()
				return "", fmt.Errorf("read: %w", context.Cause(ctx))
			},
			check: func(t *testing.T, err error) {
				checkTimeout(time.Second)(t, err)
				assert.True(t, strings.HasPrefix(err.Error(), "read: "), "not wrapped again: %v", err)
			},
			calls: 1, took: time.Second,
		},
		"both timeouts": {
			config: func(*testing.T) policy.Config {
				return policy.Config{Timeout: 2 * time.Second, AttemptTimeout: time.Second}
			},
			call: func(ctx context.Context, _ int) (string, error) { return hang(ctx) },
			check: func(t *testing.T, err error) {
				checkTimeout(time.Second)(t, err)
			},
			calls: 1, took: time.Second,
		},
		"hedge": {
			config: func(t *testing.T) policy.Config {
				return policy.Config{Hedge: newHedge(t, retry.HedgeConfig{Delay: time.Second})}
			},
			call: func(ctx context.Context, number int) (string, error) {
				if number == 1 {
					return hang(ctx)
				}
				return "receipt", nil
			},
			check: func(t *testing.T, err error) { assert.NoError(t, err) },
			calls: 2, took: time.Second,
		},
		"hedge, and no retry": {
			config: func(t *testing.T) policy.Config {
				return policy.Config{Hedge: newHedge(t, retry.HedgeConfig{})}
			},
			call:  func(context.Context, int) (string, error) { return "", &retry.StatusError{Code: 503} },
			check: func(t *testing.T, err error) { assert.Equal(t, assert.ErrorAs[*retry.StatusError](t, err).Code, 503) },
			calls: 1,
		},
		"limit": {
			config: func(*testing.T) policy.Config {
				return policy.Config{Name: "payments", Limit: limiterFunc(func(context.Context) error { return errDown })}
			},
			check: func(t *testing.T, err error) {
				assert.ErrorIs(t, err, errDown)
				assert.Equal(t, assert.ErrorAs[*policy.LimitError](t, err).Name, "payments")
			},
		},
		"bulkhead": {
			config: func(t *testing.T) policy.Config { return policy.Config{Bulkhead: fullBulkhead(t)} },
			check:  func(t *testing.T, err error) { assert.ErrorIs(t, err, policy.ErrFull) },
		},
		"breaker": {
			config: func(t *testing.T) policy.Config { return policy.Config{Breaker: open(t, breaker.Config{})} },
			check:  func(t *testing.T, err error) { assert.ErrorIs(t, err, breaker.ErrOpen) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPolicy(t, test.config(t))
				var mu sync.Mutex
				calls, start := 0, time.Now()
				_, err := policy.Do(t.Context(), p, func(ctx context.Context) (string, error) {
					mu.Lock()
					calls++
					number := calls
					mu.Unlock()
					return test.call(ctx, number)
				})
				assert.Equal(t, time.Since(start), test.took)
				assert.Equal(t, calls, test.calls)
				test.check(t, err)
			})
		})
	}
}

func checkTimeout(after time.Duration) func(t *testing.T, err error) {
	return func(t *testing.T, err error) {
		t.Helper()
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, assert.ErrorAs[*retry.TimeoutError](t, err).After, after)
	}
}

// fullBulkhead returns a bulkhead whose one place is taken for the whole test.
func fullBulkhead(t *testing.T) *policy.Bulkhead {
	t.Helper()
	b := newBulkhead(t, policy.BulkheadConfig{MaxConcurrent: 1})
	_, err := b.Acquire(t.Context())
	assert.NoError(t, err)
	return b
}

func TestAllPartsTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, bulkhead := newBreaker(t, breaker.Config{CountCalls: true}), newBulkhead(t, policy.BulkheadConfig{})
		p := newPolicy(t, policy.Config{
			Name:           "payments",
			Timeout:        10 * time.Second,
			Retry:          newRetry(t, retry.Config{BaseDelay: time.Second, Jitter: retry.NoJitter}),
			Hedge:          newHedge(t, retry.HedgeConfig{Delay: 500 * time.Millisecond}),
			Limit:          limiterFunc(func(context.Context) error { return nil }),
			Bulkhead:       bulkhead,
			Breaker:        b,
			AttemptTimeout: time.Second,
		})
		var mu sync.Mutex
		calls, start := 0, time.Now()
		got, err := policy.Do(t.Context(), p, func(ctx context.Context) (string, error) {
			mu.Lock()
			calls++
			number := calls
			mu.Unlock()
			switch number {
			case 1, 2: // the first attempt and its hedge hang: until 1 s and 1.5 s
				return hang(ctx)
			case 3: // the second attempt, at 2.5 s
				return "", &retry.StatusError{Code: 503}
			default: // the third, at 4.5 s
				return "receipt", nil
			}
		})
		assert.NoError(t, err)
		assert.Equal(t, got, "receipt")
		assert.Equal(t, calls, 4)
		assert.Equal(t, time.Since(start), 4500*time.Millisecond)
		counted := b.Snapshot()
		assert.Equal(t, counted.Failures, 3)
		assert.Equal(t, counted.Successes, 1)
		assert.Equal(t, bulkhead.InFlight(), 0)
	})
}

// TestAllocations: what a policy adds to its contexts is one closure, and that only
// with retries. The race detector does not change it.
func TestAllocations(t *testing.T) {
	retries, b := newRetry(t, retry.Config{}), newBreaker(t, breaker.Config{})
	for name, test := range map[string]struct {
		config policy.Config
		floor  []time.Duration
		more   float64
	}{
		"bulkhead and breaker": {policy.Config{Bulkhead: newBulkhead(t, policy.BulkheadConfig{}), Breaker: b}, nil, 0},
		"retry":                {policy.Config{Retry: retries}, nil, 0},
		"retry and breaker":    {policy.Config{Retry: retries, Breaker: b}, nil, 1},
		"timeout":              {policy.Config{Timeout: time.Minute}, []time.Duration{time.Minute}, 0},
		"all but an attempt timeout": {
			policy.Config{Timeout: time.Minute, Retry: retries, Breaker: b}, []time.Duration{time.Minute}, 1,
		},
		"all": {
			policy.Config{Timeout: time.Minute, Retry: retries, Breaker: b, AttemptTimeout: time.Second},
			[]time.Duration{time.Minute, time.Second},
			1,
		},
	} {
		p, ctx := newPolicy(t, test.config), t.Context()
		least := testing.AllocsPerRun(100, func() { _, _ = floor(ctx, test.floor) })
		got := testing.AllocsPerRun(100, func() { _, _ = policy.Do(ctx, p, answer) })
		assert.True(t, got <= least+test.more, "%s: %v allocations, %v for the contexts", name, got, least)
	}
}
