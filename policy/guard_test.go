package policy_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/policy"
	"github.com/parlance-go/parlance/retry"
)

// TestRejectionsAreNotRetried has retries that would retry anything else.
func TestRejectionsAreNotRetried(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config policy.Config
		want   error
	}{
		"an open breaker":    {policy.Config{Breaker: open(t, breaker.Config{})}, breaker.ErrOpen},
		"a full bulkhead":    {policy.Config{Bulkhead: fullBulkhead(t)}, policy.ErrFull},
		"an exhausted limit": {policy.Config{Limit: limiterFunc(func(context.Context) error { return errDown })}, errDown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var retries int
				test.config.Retry = newRetry(t, retry.Config{
					BaseDelay: time.Second, RetryIf: always,
					Hooks: retry.Hooks{Retry: func(retry.Retry) { retries++ }},
				})
				start := time.Now()
				_, err := policy.Do(t.Context(), newPolicy(t, test.config), func(context.Context) (string, error) {
					t.Error("called")
					return "", nil
				})
				assert.ErrorIs(t, err, test.want)
				assert.Equal(t, retries, 0)
				assert.Equal(t, time.Since(start), 0)
			})
		})
	}
}

// TestOpenBreakerRejectsBeforeTheQueue: who waits for a place, or uses up the
// limit, for a call that will not be made is in the way of others.
func TestOpenBreakerRejectsBeforeTheQueue(t *testing.T) {
	t.Parallel()
	var rejected int
	b := open(t, breaker.Config{Hooks: breaker.Hooks{Rejected: func(*breaker.OpenError) { rejected++ }}})
	p := newPolicy(t, policy.Config{
		Limit: limiterFunc(func(context.Context) error {
			t.Error("asked the limit")
			return nil
		}),
		Bulkhead: fullBulkhead(t),
		Breaker:  b,
	})
	_, err := policy.Do(t.Context(), p, hang)
	assert.ErrorIs(t, err, breaker.ErrOpen)
	assert.Equal(t, rejected, 1)
	assert.Equal(t, b.Snapshot().Rejected, 1)
}

func TestBreakerThatOpensDuringTheQueueRejects(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{ConsecutiveFailures: 1, CountCalls: true})
		bulkhead := newBulkhead(t, policy.BulkheadConfig{MaxConcurrent: 1, MaxQueue: 9})
		p := newPolicy(t, policy.Config{Bulkhead: bulkhead, Breaker: b})
		errs := make(chan error, 9)
		for range 9 {
			go func() {
				_, err := policy.Do(t.Context(), p, func(context.Context) (string, error) {
					time.Sleep(time.Second)
					return "", errDown
				})
				errs <- err
			}()
			synctest.Wait()
		}
		assert.Equal(t, bulkhead.Queued(), 8)
		start := time.Now()
		assert.ErrorIs(t, <-errs, errDown)
		for range 8 {
			assert.ErrorIs(t, <-errs, breaker.ErrOpen)
		}
		assert.Equal(t, time.Since(start), time.Second)
		assert.Equal(t, b.Snapshot().Rejected, 8)
		assert.Equal(t, bulkhead.InFlight(), 0)
	})
}

// TestBreakerDoesNotMeasureTheQueue has calls that wait for 10 s and take 1 ms.
func TestBreakerDoesNotMeasureTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{SlowCallRate: 0.1, SlowCallThreshold: time.Second, MinCalls: 1})
		bulkhead := newBulkhead(t, policy.BulkheadConfig{MaxConcurrent: 1, MaxQueue: 1})
		p := newPolicy(t, policy.Config{
			Limit: limiterFunc(func(context.Context) error {
				time.Sleep(5 * time.Second)
				return nil
			}),
			Bulkhead: bulkhead,
			Breaker:  b,
		})
		taken, err := bulkhead.Acquire(t.Context())
		assert.NoError(t, err)
		time.AfterFunc(10*time.Second, func() { taken.Done(breaker.Neutral) })
		start := time.Now()
		_, err = policy.Do(t.Context(), p, func(context.Context) (string, error) {
			time.Sleep(time.Millisecond)
			return "", nil
		})
		assert.NoError(t, err)
		assert.Equal(t, time.Since(start), 10*time.Second+time.Millisecond)
		assert.Equal(t, b.State(), breaker.Closed)
		assert.Equal(t, b.Snapshot().Slow, 0)
		assert.Equal(t, b.Snapshot().Successes, 1)
	})
}

// A lookedAt context calls look whenever somebody asks for its error.
type lookedAt struct {
	context.Context
	look func()
}

func (l lookedAt) Err() error {
	l.look()
	return l.Context.Err()
}

// TestProbeIsNotHeldInTheQueue: where the breaker ends its rejections just while it
// is asked, the permit that it gives is given back before the queue.
func TestProbeIsNotHeldInTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t, breaker.Config{})
		until := sync.OnceFunc(func() { time.Sleep(b.Snapshot().RetryAfter) })
		queued := false
		p := newPolicy(t, policy.Config{Breaker: b, Limit: limiterFunc(func(context.Context) error {
			queued = true
			assert.Equal(t, b.State(), breaker.HalfOpen)
			assert.Equal(t, b.Snapshot().Probing, 0)
			return nil
		})})
		_, err := policy.Do(lookedAt{t.Context(), until}, p, func(context.Context) (string, error) { return "", nil })
		assert.NoError(t, err)
		assert.True(t, queued, "without the queue the test shows nothing")
		assert.Equal(t, b.State(), breaker.Closed)
	})
}

func TestRejectionBeforeTheCallIsNeutralToTheBreaker(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]policy.Config{
		"a full bulkhead":    {Bulkhead: fullBulkhead(t)},
		"an exhausted limit": {Limit: limiterFunc(func(context.Context) error { return errDown })},
	} {
		b := newBreaker(t, breaker.Config{ConsecutiveFailures: 1, CountCalls: true})
		config.Breaker = b
		p := newPolicy(t, config)
		for range 9 {
			_, err := policy.Do(t.Context(), p, hang)
			assert.Error(t, err)
		}
		counted := b.Snapshot()
		assert.Equal(t, counted.State, breaker.Closed, name)
		assert.Equal(t, counted.Failures+counted.Successes+counted.Neutral, 0, name)
	}
}

func TestBreakerSeesTheAttemptTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen []error
		b := newBreaker(t, breaker.Config{
			ConsecutiveFailures: 3,
			Classify: func(err error) breaker.Outcome {
				seen = append(seen, err)
				return breaker.Failure
			},
		})
		p := newPolicy(t, policy.Config{
			Timeout:        10 * time.Second,
			Retry:          newRetry(t, retry.Config{BaseDelay: time.Second, Jitter: retry.NoJitter}),
			Breaker:        b,
			AttemptTimeout: time.Second,
		})
		start := time.Now()
		_, err := policy.Do(t.Context(), p, hang)
		assert.Equal(t, time.Since(start), 6*time.Second) // 1 + 1 + 1 + 2 + 1
		assert.Equal(t, assert.ErrorAs[*retry.Error](t, err).Attempts, 3)
		checkTimeout(time.Second)(t, err)
		assert.Equal(t, b.State(), breaker.Open)
		assert.Equal(t, len(seen), 3)
		checkTimeout(time.Second)(t, seen[0])
		_, err = policy.Do(t.Context(), p, hang)
		checkTimeout(time.Second)(t, assert.ErrorAs[*breaker.OpenError](t, err).Cause)
	})
}

// TestCallersEndIsNotTheOtherSidesFault: cancelled calls are neutral, and so is one
// that came with too little time.
func TestCallersEndIsNotTheOtherSidesFault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{ConsecutiveFailures: 1})
		p := newPolicy(t, policy.Config{
			Timeout: time.Minute, Retry: newRetry(t, retry.Config{}), Breaker: b, AttemptTimeout: 10 * time.Second,
		})
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errLeft) })
		start := time.Now()
		_, err := policy.Do(ctx, p, hang)
		assert.ErrorIs(t, err, errLeft)
		assert.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, time.Since(start), time.Second)

		short, cancelShort := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancelShort()
		_, err = policy.Do(short, p, hang)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		_, timeout := errors.AsType[*retry.TimeoutError](err)
		assert.False(t, timeout, "the attempt did not run into its timeout: %v", err)
		assert.Equal(t, b.Snapshot().Neutral, 2)
		assert.Equal(t, b.State(), breaker.Closed)

		// The timeout of the policy was time enough.
		p = newPolicy(t, policy.Config{Timeout: time.Second, Breaker: b})
		_, err = policy.Do(t.Context(), p, hang)
		checkTimeout(time.Second)(t, err)
		assert.Equal(t, b.State(), breaker.Open)
	})
}

func TestPanicAndGoexitGiveEverythingBack(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(){
		"panic":  func() { panic("boom") },
		"Goexit": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b, bulkhead := halfOpen(t, breaker.Config{}), newBulkhead(t, policy.BulkheadConfig{MaxConcurrent: 1})
				p := newPolicy(t, policy.Config{
					Timeout: time.Minute, Retry: newRetry(t, retry.Config{}),
					Bulkhead: bulkhead, Breaker: b, AttemptTimeout: time.Second,
				})
				panicked := make(chan any)
				go func() {
					defer func() { panicked <- recover() }()
					_, _ = policy.Do(t.Context(), p, func(context.Context) (string, error) {
						end()
						return "", nil
					})
				}()
				got := <-panicked
				if name == "panic" {
					assert.Equal(t, got, any("boom"))
				}
				assert.Equal(t, bulkhead.InFlight(), 0)
				assert.Equal(t, b.Snapshot().Probing, 0)
				assert.Equal(t, b.State(), breaker.Open, "the probe has failed")
			})
		})
	}
}

// TestHookThatPanicsGivesThePlaceBack: it is called between the bulkhead and the
// call.
func TestHookThatPanicsGivesThePlaceBack(t *testing.T) {
	t.Parallel()
	bulkhead := newBulkhead(t, policy.BulkheadConfig{MaxConcurrent: 1})
	b := newBreaker(t, breaker.Config{
		ConsecutiveFailures: 1,
		Hooks:               breaker.Hooks{Rejected: func(*breaker.OpenError) { panic("hook") }},
	})
	p := newPolicy(t, policy.Config{Bulkhead: bulkhead, Breaker: openedLater(t, b)})
	assert.Equal(t, assert.Panics(t, func() { _, _ = policy.Do(t.Context(), p, hang) }), any("hook"))
	assert.Equal(t, bulkhead.InFlight(), 0)
}

// openedLater returns breakers of one that opens after it was asked before the
// queue.
func openedLater(t *testing.T, b *breaker.Breaker) breaker.Breakers {
	return breakersFunc(func(string) *breaker.Breaker {
		t.Helper()
		trip(t, b)
		return b
	})
}

type breakersFunc func(key string) *breaker.Breaker

func (f breakersFunc) For(key string) *breaker.Breaker { return f(key) }

func TestTimeoutBoundsQueuesAndDelays(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]policy.Config{
		"limit": {Limit: limiterFunc(func(ctx context.Context) error {
			<-ctx.Done()
			return errDown // which is not why
		})},
		"bulkhead": {},
	} {
		for _, retries := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					config := config
					if name == "bulkhead" {
						config.Bulkhead = newBulkhead(t, policy.BulkheadConfig{MaxConcurrent: 1, MaxQueue: 1})
						_, err := config.Bulkhead.Acquire(t.Context())
						assert.NoError(t, err)
					}
					config.Timeout = 3 * time.Second
					if retries {
						config.Retry = newRetry(t, retry.Config{RetryIf: always})
					}
					p, start := newPolicy(t, config), time.Now()
					_, err := policy.Do(t.Context(), p, func(context.Context) (string, error) {
						t.Error("called")
						return "", nil
					})
					assert.Equal(t, time.Since(start), 3*time.Second)
					assert.ErrorIs(t, err, context.DeadlineExceeded)
					assert.False(t, errors.Is(err, errDown), "%v", err)
				})
			})
		}
	}
}

func TestEndedContextCallsNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errLeft)
	for name, config := range map[string]policy.Config{
		"timeout":         {Timeout: time.Second},
		"attempt timeout": {AttemptTimeout: time.Second},
		"retry":           {Retry: newRetry(t, retry.Config{})},
		"limit":           {Limit: rate.NewLimiter(1, 1)},
		"careless limit":  {Limit: limiterFunc(func(context.Context) error { return nil })},
		"bulkhead":        {Bulkhead: newBulkhead(t, policy.BulkheadConfig{})},
		"breaker":         {Breaker: newBreaker(t, breaker.Config{})},
	} {
		_, err := policy.Do(ctx, newPolicy(t, config), func(context.Context) (string, error) {
			t.Errorf("%s: called", name)
			return "", nil
		})
		assert.ErrorIs(t, err, errLeft, name)
		assert.ErrorIs(t, err, context.Canceled, name)
	}
}

// TestLimitOfTime is what a real limiter does.
func TestLimitOfTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPolicy(t, policy.Config{
			Name:  "payments",
			Retry: newRetry(t, retry.Config{MaxAttempts: 2, BaseDelay: 1, MaxDelay: 1, RetryIf: always}),
			Limit: rate.NewLimiter(rate.Every(time.Second), 1),
		})
		start := time.Now()
		_, err := policy.Do(t.Context(), p, func(context.Context) (string, error) { return "", errDown })
		assert.ErrorIs(t, err, errDown)
		assert.Equal(t, time.Since(start), time.Second, "the second attempt waits for its turn")

		short, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err = policy.Do(short, p, hang)
		assert.Contains(t, assert.ErrorAs[*policy.LimitError](t, err).Error(), "would exceed context deadline")
		assert.Equal(t, time.Since(start), time.Second, "it says so at once")

		left, leave := context.WithCancelCause(t.Context())
		time.AfterFunc(300*time.Millisecond, func() { leave(errLeft) })
		_, err = policy.Do(left, p, hang)
		assert.ErrorIs(t, err, errLeft)
		assert.ErrorIs(t, err, context.Canceled)
		_, limited := errors.AsType[*policy.LimitError](err)
		assert.False(t, limited, "it was not the limit: %v", err)
		assert.Equal(t, time.Since(start), 1300*time.Millisecond)

		none := newPolicy(t, policy.Config{Limit: rate.NewLimiter(1, 0)})
		_, err = policy.Do(t.Context(), none, hang)
		assert.Contains(t, assert.ErrorAs[*policy.LimitError](t, err).Error(), "exceeds limiter's burst")
	})
}

func TestGroupIsAskedForTheName(t *testing.T) {
	t.Parallel()
	group, err := breaker.NewGroup(breaker.GroupConfig{Breaker: breaker.Config{ConsecutiveFailures: 1}})
	assert.NoError(t, err)
	p := newPolicy(t, policy.Config{Name: "payments", Breaker: group})
	_, err = policy.Do(t.Context(), p, func(context.Context) (string, error) { return "", errDown })
	assert.ErrorIs(t, err, errDown)
	assert.Equal(t, group.For("payments").State(), breaker.Open)
	assert.Equal(t, group.Len(), 1)
	none := newPolicy(t, policy.Config{Breaker: breakersFunc(func(string) *breaker.Breaker { return nil })})
	_, err = policy.Do(t.Context(), none, func(context.Context) (string, error) { return "", errDown })
	assert.Equal(t, err, errDown, "no breaker for this name")
}

// TestEachHedgeTakesAPlaceAndAPermit: the other side sees each.
func TestEachHedgeTakesAPlaceAndAPermit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{ConsecutiveFailures: 1, CountCalls: true})
		bulkhead := newBulkhead(t, policy.BulkheadConfig{MaxConcurrent: 2})
		p := newPolicy(t, policy.Config{
			Hedge:    newHedge(t, retry.HedgeConfig{Delay: time.Second, MaxHedges: 2}),
			Bulkhead: bulkhead, Breaker: b,
		})
		var calls atomic.Int32
		got, err := policy.Do(t.Context(), p, func(ctx context.Context) (string, error) {
			if calls.Add(1) == 1 {
				return hang(ctx)
			}
			time.Sleep(1500 * time.Millisecond)
			assert.Equal(t, bulkhead.InFlight(), 2)
			return "receipt", nil
		})
		assert.NoError(t, err)
		assert.Equal(t, got, "receipt")
		assert.Equal(t, calls.Load(), 2, "there was no place for the third")
		synctest.Wait()
		assert.Equal(t, bulkhead.InFlight(), 0)
		counted := b.Snapshot()
		assert.Equal(t, counted.Successes, 1)
		assert.Equal(t, counted.Neutral, 1, "the loser was cancelled")
		assert.Equal(t, counted.Failures, 0)
	})
}

func TestOnePolicyServesAThousandGoroutines(t *testing.T) {
	t.Parallel()
	const goroutines, calls = 1000, 10
	b := newBreaker(t, breaker.Config{ConsecutiveFailures: 1 << 30, CountCalls: true})
	bulkhead := newBulkhead(t, policy.BulkheadConfig{MaxConcurrent: 10, MaxQueue: goroutines})
	p := newPolicy(t, policy.Config{
		Timeout:        time.Minute,
		Retry:          newRetry(t, retry.Config{BaseDelay: 1, MaxDelay: 1, RetryIf: always}),
		Limit:          limiterFunc(func(context.Context) error { return nil }),
		Bulkhead:       bulkhead,
		Breaker:        b,
		AttemptTimeout: 30 * time.Second,
	})
	var underWay atomic.Int64
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for number := range calls {
				attempts := 0
				got, err := policy.Do(t.Context(), p, func(context.Context) (int, error) {
					if n := underWay.Add(1); n > 10 {
						t.Errorf("%d calls under way", n)
					}
					defer underWay.Add(-1)
					if attempts++; attempts == 1 && number%2 == 0 {
						return 0, errDown
					}
					return number, nil
				})
				if err != nil || got != number || attempts != 2-number%2 {
					t.Errorf("got %d and %v after %d attempts, want %d", got, err, attempts, number)
				}
			}
		})
	}
	all.Wait()
	counted := b.Snapshot()
	assert.Equal(t, counted.Successes, goroutines*calls)
	assert.Equal(t, counted.Failures, goroutines*calls/2)
	assert.Equal(t, bulkhead.InFlight()+bulkhead.Queued(), 0)
}

// TestAdaptiveLimitLearnsFromCalls makes enough of them for one round.
func TestAdaptiveLimitLearnsFromCalls(t *testing.T) {
	t.Parallel()
	overloaded, gone := &retry.StatusError{Code: 503}, &retry.StatusError{Code: 404}
	for name, test := range map[string]struct {
		classify func(error) breaker.Outcome // of a breaker
		call     func(ctx context.Context) (string, error)
		falls    bool
	}{
		"successes":                  {nil, func(context.Context) (string, error) { return "", nil }, false},
		"overload":                   {nil, func(context.Context) (string, error) { return "", overloaded }, true},
		"timeouts":                   {nil, hang, true},
		"errors that may mean a lot": {nil, func(context.Context) (string, error) { return "", gone }, false},
		"what a breaker calls a failure": {
			func(error) breaker.Outcome { return breaker.Failure },
			func(context.Context) (string, error) { return "", gone }, true,
		},
		"what a breaker calls a success": {
			func(error) breaker.Outcome { return breaker.Success },
			func(context.Context) (string, error) { return "", overloaded }, false,
		},
		"panics": {nil, func(context.Context) (string, error) { panic("boom") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				bulkhead := newBulkhead(t, policy.BulkheadConfig{Adaptive: &policy.Gradient{InitialLimit: 10, MinLimit: 1}})
				config := policy.Config{Bulkhead: bulkhead, AttemptTimeout: time.Second}
				if test.classify != nil {
					config.Breaker = newBreaker(t, breaker.Config{ConsecutiveFailures: 100, Classify: test.classify})
				}
				p := newPolicy(t, config)
				for range 20 {
					func() {
						defer func() { _ = recover() }() // of "panics"
						_, _ = policy.Do(t.Context(), p, test.call)
					}()
				}
				assert.Equal(t, bulkhead.Limit() < 10, test.falls, "limit %d", bulkhead.Limit())
			})
		})
	}
}

func TestAdaptiveLimitLearnsNothingFromCallersWhoLeave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bulkhead := newBulkhead(t, policy.BulkheadConfig{Adaptive: &policy.Gradient{InitialLimit: 10, MinLimit: 1}})
		p := newPolicy(t, policy.Config{Bulkhead: bulkhead})
		for range 20 {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			_, err := policy.Do(ctx, p, func(ctx context.Context) (string, error) {
				<-ctx.Done()
				return "", &retry.StatusError{Code: 503}
			})
			assert.Equal(t, assert.ErrorAs[*retry.StatusError](t, err).Code, 503)
		}
		assert.Equal(t, bulkhead.Limit(), 10)
	})
}
