package breaker_test

import (
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/internal/assert"
)

func TestTransitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []breaker.Transition
		c := breaker.Config{Name: "payments", FailureRate: 0.5, MinCalls: 4}
		c.Hooks.Transition = func(change breaker.Transition) { got = append(got, change) }
		start := time.Now()
		b := newBreaker(t, c)
		for range 2 {
			assert.NoError(t, do(b, nil))
			failTimes(t, b, 1)
		}
		untilHalfOpen(t, b)
		probed := time.Now()
		assert.NoError(t, doFor(b, time.Second, nil))
		counts := breaker.WindowCounts{Successes: 2, Failures: 2}
		assert.Equal(t, got, []breaker.Transition{
			{
				Name: "payments", From: breaker.Closed, To: breaker.Open,
				At: start, Until: start.Add(time.Minute), Cause: errDown,
				Snapshot: breaker.Snapshot{ConsecutiveFailures: 1, Successes: 2, Failures: 2, Window: counts},
			},
			{
				Name: "payments", From: breaker.Open, To: breaker.HalfOpen, At: probed,
				Snapshot: breaker.Snapshot{State: breaker.Open, Generation: 1, Successes: 2, Failures: 2},
			},
			{
				Name: "payments", From: breaker.HalfOpen, To: breaker.Closed, At: probed.Add(time.Second),
				Snapshot: breaker.Snapshot{State: breaker.HalfOpen, Generation: 2, Successes: 3, Failures: 2},
			},
		})
	})
}

// TestHookMayCallAnyMethod, and what it causes comes after what it was told of.
func TestHookMayCallAnyMethod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *breaker.Breaker
		var told []breaker.Mode
		depth := 0
		c := breaker.Config{ConsecutiveFailures: 1}
		c.Hooks.Transition = func(change breaker.Transition) {
			depth++
			assert.Equal(t, depth, 1, "one at a time, also for one goroutine")
			told = append(told, change.Mode)
			_, _, _, _, _ = b.Name(), b.State(), b.Mode(), b.Snapshot(), b.Err()
			switch len(told) {
			case 1:
				assert.ErrorIs(t, do(b, nil), breaker.ErrOpen)
				b.SetMode(breaker.Disabled)
				assert.Equal(t, b.Mode(), breaker.Disabled, "changed, but not told of yet")
				b.SetMode(breaker.Shadow)
			case 3:
				failTimes(t, b, 1) // trips it in Shadow
			}
			depth--
		}
		c.Hooks.Rejected = func(*breaker.OpenError) { b.Snapshot() }
		b = newBreaker(t, c)
		failTimes(t, b, 1)
		assert.Equal(t, told, []breaker.Mode{breaker.Automatic, breaker.Disabled, breaker.Shadow, breaker.Shadow})
		assert.Equal(t, b.State(), breaker.Open)
	})
}

// TestHookThatDoesNotReturn loses nothing of what comes later, and its panic
// passes to the call in whose goroutine it ran.
func TestHookThatDoesNotReturn(t *testing.T) {
	for name, leave := range map[string]func(){
		"panic":  func() { panic("ouch") },
		"Goexit": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b *breaker.Breaker
				var told []breaker.State
				c := breaker.Config{ConsecutiveFailures: 1, CountCalls: true}
				c.Hooks.Transition = func(change breaker.Transition) {
					told = append(told, change.To)
					if len(told) == 1 {
						b.SetMode(breaker.ForcedOpen)
						b.SetMode(breaker.Automatic)
					}
					leave()
				}
				b = newBreaker(t, c)
				leaves := func(f func()) {
					t.Helper()
					panicked := end(func() { f(); t.Error("the call has returned") })
					assert.Equal(t, panicked == "ouch", name == "panic")
				}
				leaves(func() { _ = do(b, errDown) })
				assert.Equal(t, told, []breaker.State{breaker.Open, breaker.Open, breaker.Closed})
				assert.Equal(t, b.Snapshot().Failures, 1, "counted once")
				leaves(func() { _ = do(b, errDown) })

				untilHalfOpen(t, b)
				called := false
				leaves(func() {
					_, _ = b.Acquire(t.Context())
					called = true
				})
				assert.False(t, called)
				assert.Equal(t, b.Snapshot().Probing, 0, "the lease is given back")
				assert.Equal(t, b.Snapshot().Neutral, 1)
				leaves(func() { _ = do(b, nil) }) // closes it, which is told
				assert.Equal(t, b.State(), breaker.Closed)
				assert.Equal(t, b.Snapshot().Successes, 1)
				leaves(func() { b.SetMode(breaker.Shadow) })
				assert.Equal(t, told[3:], []breaker.State{breaker.Open, breaker.HalfOpen, breaker.Closed, breaker.Closed})
			})
		})
	}
}

func TestRejectedHookThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := breaker.Config{Hooks: breaker.Hooks{Rejected: func(*breaker.OpenError) { panic("ouch") }}}
		b := newBreaker(t, c)
		failTimes(t, b, 5)
		for range 3 {
			assert.Equal(t, end(func() { _ = do(b, nil) }), "ouch")
		}
		assert.Equal(t, b.Snapshot().Rejected, 3)
		untilHalfOpen(t, b)
		assert.NoError(t, do(b, nil))
		assert.Equal(t, b.State(), breaker.Closed)
	})
}

// TestSlowHookHoldsUpNobodyElse: other goroutines leave their transitions to it.
func TestSlowHookHoldsUpNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []breaker.Mode
		proceed := make(chan struct{})
		c := breaker.Config{}
		c.Hooks.Transition = func(change breaker.Transition) {
			told = append(told, change.Mode)
			if len(told) == 1 {
				<-proceed
			}
		}
		b := newBreaker(t, c)
		var first sync.WaitGroup
		first.Go(func() { b.SetMode(breaker.Shadow) })
		synctest.Wait()
		b.SetMode(breaker.Disabled) // returns at once
		b.SetMode(breaker.Automatic)
		assert.NoError(t, do(b, nil))
		assert.Equal(t, told, []breaker.Mode{breaker.Shadow})
		close(proceed)
		first.Wait()
		assert.Equal(t, told, []breaker.Mode{breaker.Shadow, breaker.Disabled, breaker.Automatic})
	})
}

// TestTransitionsAreToldInOrder of what happened, by whichever goroutine.
func TestTransitionsAreToldInOrder(t *testing.T) {
	var generations []uint64 // without a lock, so that the race detector can see
	c := breaker.Config{}
	c.Hooks.Transition = func(change breaker.Transition) {
		generations = append(generations, change.Snapshot.Generation)
	}
	b := newBreaker(t, c)
	var setters sync.WaitGroup
	for range 8 {
		setters.Go(func() {
			for i := range 500 {
				b.SetMode(breaker.Mode(i % 4))
			}
		})
	}
	setters.Wait()
	assert.Equal(t, uint64(len(generations)), b.Snapshot().Generation)
	assert.True(t, slices.IsSorted(generations))
	assert.Equal(t, generations[len(generations)-1], uint64(len(generations)-1))
}
