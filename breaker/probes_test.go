package breaker_test

import (
	"context"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/internal/assert"
)

// halfOpen returns a breaker that will admit probes.
func halfOpen(t testing.TB, c breaker.Config) *breaker.Breaker {
	t.Helper()
	b := newBreaker(t, c)
	for b.State() == breaker.Closed {
		failTimes(t, b, 1)
	}
	untilHalfOpen(t, b)
	return b
}

// TestNoProbeWedges: whatever becomes of the first probes, the breaker closes
// when the other side is well again.
func TestNoProbeWedges(t *testing.T) {
	for name, probe := range map[string]func(t *testing.T, b *breaker.Breaker){
		"that hangs": func(t *testing.T, b *breaker.Breaker) {
			go breaker.Do(t.Context(), b, func(ctx context.Context) (int, error) { //nolint:errcheck // it never returns
				<-ctx.Done()
				return 0, ctx.Err()
			})
			synctest.Wait()
		},
		"that is never reported": func(t *testing.T, b *breaker.Breaker) { acquire(t, b) },
		"that panics": func(t *testing.T, b *breaker.Breaker) {
			end(func() { _, _ = breaker.Do(t.Context(), b, func(context.Context) (int, error) { panic("ouch") }) })
		},
		"that ends its goroutine": func(t *testing.T, b *breaker.Breaker) {
			end(func() {
				_, _ = breaker.Do(t.Context(), b, func(context.Context) (int, error) { runtime.Goexit(); return 0, nil })
			})
		},
		"that is cancelled": func(t *testing.T, b *breaker.Breaker) {
			ctx, cancel := context.WithCancel(t.Context())
			_, _ = breaker.Do(ctx, b, func(ctx context.Context) (int, error) { cancel(); return 0, ctx.Err() })
		},
		"that fails": func(_ *testing.T, b *breaker.Breaker) { _ = do(b, errDown) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := halfOpen(t, breaker.Config{Probes: 3, ConcurrentProbes: 2})
				for range 3 {
					if b.Err() == nil {
						probe(t, b)
					}
				}
				time.Sleep(3 * time.Minute)
				for range 3 {
					assert.NoError(t, do(b, nil))
				}
				assert.Equal(t, b.State(), breaker.Closed)
			})
		})
	}
}

// TestCancelledProbe neither closes a breaker nor opens it, and leaves its place
// to the next.
func TestCancelledProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := halfOpen(t, breaker.Config{})
		for range 1000 {
			ctx, cancel := context.WithCancel(t.Context())
			_, err := breaker.Do(ctx, b, func(ctx context.Context) (int, error) { cancel(); return 0, ctx.Err() })
			assert.ErrorIs(t, err, context.Canceled)
			assert.Equal(t, b.State(), breaker.HalfOpen)
		}
		assert.Equal(t, b.Snapshot().Neutral, 1000)
		assert.Equal(t, b.Snapshot().Generation, 2)
		assert.NoError(t, do(b, nil))
		assert.Equal(t, b.State(), breaker.Closed)
	})
}

// TestProbesAreBounded when 10,000 goroutines come at the same moment.
func TestProbesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := halfOpen(t, breaker.Config{Probes: 8, ConcurrentProbes: 3, CountCalls: true})
		var now, most, calls, rejections atomic.Int32
		storm := func(d time.Duration) {
			var callers sync.WaitGroup
			for range 10_000 {
				callers.Go(func() {
					_, err := breaker.Do(t.Context(), b, func(context.Context) (int, error) {
						n := now.Add(1)
						for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
						}
						calls.Add(1)
						time.Sleep(d)
						now.Add(-1)
						return 0, nil
					})
					if err != nil {
						assert.ErrorAs[*breaker.OpenError](t, err)
						rejections.Add(1)
					}
				})
			}
			callers.Wait()
		}
		storm(time.Second)
		assert.Equal(t, calls.Load(), 3, "calls")
		storm(time.Second)
		assert.Equal(t, calls.Load(), 6, "calls")
		assert.Equal(t, b.State(), breaker.HalfOpen)
		storm(time.Second)
		assert.Equal(t, calls.Load(), 8, "no more than all probes")
		assert.Equal(t, most.Load(), 3, "at once")
		assert.Equal(t, rejections.Load(), 30_000-8)
		assert.Equal(t, b.Snapshot().Rejected, 30_000-8)
		assert.Equal(t, b.State(), breaker.Closed)
	})
}

// TestOneCallOpensHalfWay: of several that find at the same moment that the time
// is over, one is the probe.
func TestOneCallOpensHalfWay(t *testing.T) {
	const callers, rounds = 2, 3000
	var b atomic.Pointer[breaker.Breaker]
	var round, ended, admitted atomic.Int64
	for range callers {
		go func() {
			for i := int64(1); i <= rounds; i++ {
				for round.Load() < i { // those that sleep do not wake at the same moment
					runtime.Gosched()
				}
				if _, err := b.Load().Acquire(t.Context()); err == nil {
					admitted.Add(1)
				}
				ended.Add(1)
			}
		}()
	}
	for i := int64(1); i <= rounds; i++ {
		next := newBreaker(t, breaker.Config{ResetTimeout: 1, ProbeTimeout: time.Hour, CountCalls: true})
		failTimes(t, next, 5)
		b.Store(next)
		round.Store(i)
		for ended.Load() < i*callers {
			runtime.Gosched()
		}
		if n, s := admitted.Swap(0), next.Snapshot(); n != 1 || s.Generation != 2 || s.Rejected != callers-1 {
			t.Fatalf("round %d: %d admitted, %+v", i, n, s)
		}
	}
}

func TestFullHalfOpenRejects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		b := halfOpen(t, breaker.Config{Name: "payments", Probes: 2})
		first, second := acquire(t, b), acquire(t, b)
		open := rejected(t, b)
		assert.Equal(t, *open, breaker.OpenError{
			Name: "payments", State: breaker.HalfOpen, Cause: errDown, Since: start,
		})
		assert.Equal(t, open.RetryAfter(), 0)
		assert.Equal(t, open.Error(), `breaker: "payments" is half-open since `+start.Format(time.RFC3339)+", because of: down")
		assert.True(t, open == rejected(t, b), "all calls get the same error")
		assert.True(t, assert.ErrorAs[*breaker.OpenError](t, b.Err()) == open)
		assert.Equal(t, b.Snapshot().Probing, 2)

		first.Done(breaker.Success)
		assert.Equal(t, b.Snapshot().Probing, 1)
		refuses(t, b) // one has succeeded, and one may still
		second.Done(breaker.Neutral)
		third := acquire(t, b)
		refuses(t, b)
		third.Done(breaker.Success)
		assert.Equal(t, b.State(), breaker.Closed)
	})
}

// TestLease ends after ProbeTimeout. What comes later changes nothing, whether
// another call has taken the place or not.
func TestLease(t *testing.T) {
	for _, outcome := range []breaker.Outcome{breaker.Neutral, breaker.Success, breaker.Failure} {
		for _, replaced := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				b := halfOpen(t, breaker.Config{ProbeTimeout: time.Second})
				late := acquire(t, b)
				time.Sleep(time.Second - 1)
				refuses(t, b)
				time.Sleep(time.Nanosecond)
				assert.Equal(t, b.Snapshot().Probing, 0)
				var probe breaker.Permit
				if replaced {
					probe = acquire(t, b)
				}
				late.Done(outcome)
				assert.Equal(t, b.State(), breaker.HalfOpen)
				assert.Equal(t, b.Snapshot().Late, 1)
				if replaced {
					refuses(t, b) // what came late has not freed the place
				} else {
					probe = acquire(t, b)
				}
				probe.Done(breaker.Success)
				assert.Equal(t, b.State(), breaker.Closed)
			})
		}
	}
}

// TestHungProbesMakeRoomOneByOne: each lease ends in its own time.
func TestHungProbesMakeRoomOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := halfOpen(t, breaker.Config{Probes: 3, ProbeTimeout: 10 * time.Second})
		for range 3 {
			acquire(t, b) // never reported
			time.Sleep(time.Second)
		}
		refuses(t, b)
		time.Sleep(7 * time.Second)
		first := acquire(t, b)
		refuses(t, b)
		time.Sleep(time.Second)
		second := acquire(t, b)
		refuses(t, b)
		first.Done(breaker.Success)
		second.Done(breaker.Success)
		refuses(t, b)
		time.Sleep(time.Second)
		assert.NoError(t, do(b, nil))
		assert.Equal(t, b.State(), breaker.Closed)
	})
}

func TestOneFailedProbeOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := halfOpen(t, breaker.Config{Probes: 3})
		first, second, third := acquire(t, b), acquire(t, b), acquire(t, b)
		first.Done(breaker.Success)
		assert.Equal(t, second.DoneErr(t.Context(), errBusy(0)), breaker.Failure)
		assert.Equal(t, b.State(), breaker.Open)
		assert.Equal(t, rejected(t, b).Cause, error(errBusy(0)))
		third.Done(breaker.Failure) // late
		assert.Equal(t, b.Snapshot().Late, 1)
		assert.Equal(t, b.Snapshot().Generation, 3)
	})
}

func TestSlowProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := breaker.Config{ConsecutiveFailures: 1, SlowCallThreshold: time.Second, CountCalls: true}
		b := halfOpen(t, c)
		assert.NoError(t, doFor(b, time.Second, nil))
		assert.Equal(t, b.State(), breaker.Closed, "slowness is no rule here")
		c.SlowCallRate = 0.9
		b = halfOpen(t, c)
		assert.NoError(t, doFor(b, time.Second-1, nil))
		assert.Equal(t, b.State(), breaker.Closed)
		b = halfOpen(t, c)
		assert.NoError(t, doFor(b, time.Second, nil))
		assert.Equal(t, b.State(), breaker.Open)
		assert.Equal(t, b.Snapshot().Slow, 1)
	})
}

// TestClosingForgets the row, the window, and how often probes have failed.
func TestClosingForgets(t *testing.T) {
	for name, c := range map[string]breaker.Config{"time": {}, "calls": {WindowCalls: 50}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.FailureRate, c.MinCalls, c.ConsecutiveFailures, c.Window = 0.5, 4, 4, time.Hour
				b := halfOpen(t, c)
				failTimes(t, b, 1)
				assert.True(t, rejected(t, b).RetryAfter() > time.Minute)
				untilHalfOpen(t, b)
				assert.NoError(t, do(b, nil))
				assert.Equal(t, b.State(), breaker.Closed)
				assert.Equal(t, b.Snapshot(), breaker.Snapshot{Generation: 5, Failures: 5, Successes: 1, Rejected: 1})
				failTimes(t, b, 3)
				assert.Equal(t, b.State(), breaker.Closed)
				failTimes(t, b, 1)
				assert.Equal(t, rejected(t, b).RetryAfter(), time.Minute)
			})
		})
	}
}

// TestTimeToStayOpenGrows by the multiplier up to the maximum, less some jitter.
func TestTimeToStayOpenGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shortened := false
		for range 20 {
			b := halfOpen(t, breaker.Config{
				ResetTimeout: time.Second, ResetMultiplier: 3, MaxResetTimeout: 20 * time.Second, ResetJitter: 0.5,
			})
			for _, longest := range []time.Duration{3, 9, 20, 20, 20} {
				longest *= time.Second
				failTimes(t, b, 1)
				d := rejected(t, b).RetryAfter()
				assert.True(t, longest/2 <= d && d <= longest, "%v, want %v to %v", d, longest/2, longest)
				shortened = shortened || d < longest*4/5
				untilHalfOpen(t, b)
			}
		}
		assert.True(t, shortened, "by jitter")
	})
}

// TestJitterIsNeverShorterThanResetTimeout or than what the other side asked for.
func TestJitterIsNeverShorterThanResetTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 50 {
			b := halfOpen(t, breaker.Config{ResetTimeout: time.Minute, ResetMultiplier: 1.2, ResetJitter: 1})
			failTimes(t, b, 1)
			d := rejected(t, b).RetryAfter()
			assert.True(t, time.Minute <= d && d <= 72*time.Second, "%v", d)
			untilHalfOpen(t, b)
			_ = do(b, errBusy(70*time.Second))
			d = rejected(t, b).RetryAfter()
			assert.True(t, 70*time.Second <= d && d <= 87*time.Second, "%v", d)
		}
	})
}

func TestRetryAfterOfTheCause(t *testing.T) {
	for name, test := range map[string]struct {
		asked, want time.Duration
	}{
		"longer":        {2 * time.Minute, 2 * time.Minute},
		"shorter":       {time.Second, time.Minute},
		"too long":      {time.Hour, 10 * time.Minute},
		"much too long": {math.MaxInt64, 10 * time.Minute},
		"negative":      {math.MinInt64, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, c := range []breaker.Config{{}, {FailureRate: 1, MinCalls: 5}, {FailureRate: 1, WindowCalls: 5}} {
					b := newBreaker(t, c)
					failTimes(t, b, 4)
					_ = do(b, wrapped{errBusy(test.asked)})
					assert.Equal(t, rejected(t, b).RetryAfter(), test.want)
				}
			})
		})
	}
}

type wrapped struct{ error }

func (w wrapped) Unwrap() error { return w.error }

// TestOpenBreakerIsPrompt: it probes at the very moment, however many calls it
// has rejected before, and however short or long the time was.
func TestOpenBreakerIsPrompt(t *testing.T) {
	for _, d := range []time.Duration{1, time.Millisecond, 100 * time.Millisecond, 101 * time.Millisecond, time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			b := newBreaker(t, breaker.Config{ResetTimeout: d})
			failTimes(t, b, 5)
			for range 100 {
				refuses(t, b)
			}
			time.Sleep(d - 1)
			refuses(t, b)
			time.Sleep(time.Nanosecond)
			assert.NoError(t, do(b, nil))
		})
	}
}
