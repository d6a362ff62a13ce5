package breaker_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/internal/assert"
)

func TestForcedOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{Name: "payments", CountCalls: true})
		time.Sleep(time.Second)
		b.SetMode(breaker.ForcedOpen)
		open := rejected(t, b)
		assert.Equal(t, *open, breaker.OpenError{Name: "payments", State: breaker.Open, Since: time.Now()})
		assert.Equal(t, open.RetryAfter(), 0)
		assert.Equal(t, b.Err(), error(open))
		time.Sleep(1000 * time.Hour)
		assert.True(t, rejected(t, b) == open)
		assert.Equal(t, b.State(), breaker.Open)
		want := breaker.Snapshot{State: breaker.Open, Mode: breaker.ForcedOpen, Generation: 1, Rejected: 2}
		assert.Equal(t, b.Snapshot(), want)
		b.SetMode(breaker.Automatic)
		assert.NoError(t, do(b, nil))
	})
}

func TestDisabledRecordsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{Mode: breaker.Disabled, ConsecutiveFailures: 1, CountCalls: true})
		failTimes(t, b, 10)
		assert.NoError(t, do(b, nil))
		permit := acquire(t, b)
		assert.Equal(t, permit.DoneErr(t.Context(), errDown), breaker.Failure)
		assert.Equal(t, b.Snapshot(), breaker.Snapshot{Mode: breaker.Disabled})
		assert.Equal(t, b.Mode(), breaker.Disabled)
		assert.Equal(t, b.State(), breaker.Closed)
		assert.NoError(t, b.Err())

		permit = acquire(t, b)
		b.SetMode(breaker.Automatic)
		permit.Done(breaker.Failure) // was never counted
		assert.Equal(t, b.Snapshot(), breaker.Snapshot{Generation: 1})
	})
}

// TestShadow: the rules decide and hooks are told, but all calls pass.
func TestShadow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var changes []breaker.State
		var rejections int
		b := newBreaker(t, breaker.Config{Mode: breaker.Shadow, CountCalls: true, SlowCallThreshold: time.Second, Hooks: breaker.Hooks{
			Transition: func(change breaker.Transition) { changes = append(changes, change.To) },
			Rejected: func(e *breaker.OpenError) {
				assert.NotEqual(t, e.State, breaker.Closed)
				rejections++
			},
		}})
		failTimes(t, b, 5)
		assert.Equal(t, b.State(), breaker.Open)
		assert.NoError(t, b.Err(), "a call would not be rejected")
		failTimes(t, b, 3)
		assert.NoError(t, doFor(b, time.Second, nil))
		assert.Equal(t, b.Snapshot().Slow, 1)
		assert.Equal(t, rejections, 4)
		assert.Equal(t, b.State(), breaker.Open, "calls that pass only because of Shadow decide nothing")

		untilHalfOpen(t, b)
		probe, other := acquire(t, b), acquire(t, b)
		assert.Equal(t, rejections, 5)
		time.Sleep(time.Second)
		other.Done(breaker.Failure)
		assert.Equal(t, b.Snapshot().Slow, 2)
		assert.Equal(t, b.State(), breaker.HalfOpen)
		probe.Done(breaker.Success)
		assert.Equal(t, b.State(), breaker.Closed)
		assert.Equal(t, changes, []breaker.State{breaker.Open, breaker.HalfOpen, breaker.Closed})
		want := breaker.Snapshot{Mode: breaker.Shadow, Generation: 3, Failures: 9, Successes: 2, Slow: 3, Rejected: 5}
		assert.Equal(t, b.Snapshot(), want)
	})
}

func TestModesBeginAnew(t *testing.T) {
	for _, begin := range []breaker.Mode{breaker.Automatic, breaker.Shadow} {
		for _, other := range []breaker.Mode{breaker.Automatic, breaker.Shadow, breaker.Disabled, breaker.ForcedOpen} {
			synctest.Test(t, func(t *testing.T) {
				b := newBreaker(t, breaker.Config{Mode: begin, FailureRate: 1, ConsecutiveFailures: 5})
				failTimes(t, b, 4)
				before := b.Snapshot()
				b.SetMode(begin)
				assert.Equal(t, b.Snapshot(), before, "the same mode is no change")
				failTimes(t, b, 1)
				untilHalfOpen(t, b)
				failTimes(t, b, 1)
				assert.True(t, b.Snapshot().RetryAfter > time.Minute)
				if other == begin {
					return
				}
				b.SetMode(other)
				b.SetMode(begin)
				assert.Equal(t, b.State(), breaker.Closed)
				assert.Equal(t, b.Snapshot().ConsecutiveFailures, 0)
				assert.Equal(t, b.Snapshot().Window, breaker.WindowCounts{})
				failTimes(t, b, 4)
				assert.Equal(t, b.State(), breaker.Closed)
				failTimes(t, b, 1)
				assert.Equal(t, b.Snapshot().RetryAfter, time.Minute, "the first time")
			})
		}
	}
}

func TestChangesOfModeAreTransitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type change struct {
			from, to breaker.State
			mode     breaker.Mode
		}
		var changes []change
		c := breaker.Config{Name: "payments"}
		c.Hooks.Transition = func(got breaker.Transition) {
			changes = append(changes, change{got.From, got.To, got.Mode})
			assert.Equal(t, got.Name, "payments")
			assert.Equal(t, got.At, time.Now())
			assert.True(t, got.Cause == nil)
			assert.True(t, got.Until.IsZero())
			assert.Equal(t, got.Snapshot.Generation, uint64(len(changes)-1))
		}
		b := newBreaker(t, c)
		for _, m := range []breaker.Mode{breaker.ForcedOpen, breaker.Disabled, breaker.Shadow, breaker.Shadow, breaker.Automatic} {
			b.SetMode(m)
			assert.Equal(t, b.Mode(), m)
		}
		assert.Equal(t, changes, []change{
			{breaker.Closed, breaker.Open, breaker.ForcedOpen},
			{breaker.Open, breaker.Closed, breaker.Disabled},
			{breaker.Closed, breaker.Closed, breaker.Shadow},
			{breaker.Closed, breaker.Closed, breaker.Automatic},
		})
		_, err := b.Acquire(t.Context())
		assert.False(t, errors.Is(err, breaker.ErrOpen))
	})
}
