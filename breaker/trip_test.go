package breaker_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/internal/assert"
)

func TestARow(t *testing.T) {
	b := newBreaker(t, breaker.Config{ConsecutiveFailures: 3})
	for range 10 {
		failTimes(t, b, 2)
		assert.NoError(t, do(b, nil)) // which ends the row
	}
	assert.Equal(t, b.State(), breaker.Closed)

	failTimes(t, b, 2)
	permit := acquire(t, b)
	permit.Done(breaker.Neutral) // which does not
	assert.Equal(t, b.Snapshot().ConsecutiveFailures, 2)
	failTimes(t, b, 1)
	assert.Equal(t, b.State(), breaker.Open)
	assert.Equal(t, b.Snapshot().ConsecutiveFailures, 0)
}

// TestRowOfCallsThatTakeLong: a breaker that begins anew after each window would
// never see two failures.
func TestRowOfCallsThatTakeLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{Window: time.Second, CountCalls: true})
		for range 5 {
			assert.Equal(t, b.State(), breaker.Closed)
			assert.ErrorIs(t, doFor(b, 30*time.Second, errDown), errDown)
		}
		assert.Equal(t, b.State(), breaker.Open)
	})
}

// TestRateOfCallsThatTakeLonger than the window: they belong to the moment at
// which they end.
func TestRateOfCallsThatTakeLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{FailureRate: 0.5, MinCalls: 10, Window: time.Second})
		for range 10 {
			assert.Equal(t, b.State(), breaker.Closed)
			go doFor(b, time.Minute, errDown) //nolint:errcheck // counted below
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		assert.Equal(t, b.State(), breaker.Open)
		assert.Equal(t, b.Snapshot().Failures, 10)
	})
}

// TestRateIsReached: by exactly as many failures as the number says, whatever it
// is in binary.
func TestRateIsReached(t *testing.T) {
	for _, window := range []breaker.Config{{}, {WindowCalls: 1000}} {
		for _, rate := range []struct {
			rate            float64
			failures, calls int
		}{
			{0.1, 3, 30},
			{0.07, 7, 100},
			{0.14, 7, 50},
			{0.29, 29, 100},
			{0.3, 3, 10},
			{0.57, 57, 100},
			{0.7, 7, 10},
			{1.0 / 3, 7, 21},
			{0.001, 1, 1000},
			{1, 1, 1},
			{1, 20, 20},
			{0.5, 10, 20},
		} {
			name := fmt.Sprintf("%d of %d is %v", rate.failures, rate.calls, rate.rate)
			c := window
			c.FailureRate, c.MinCalls = rate.rate, rate.calls
			for _, failures := range []int{rate.failures, rate.failures - 1} {
				b := newBreaker(t, c)
				for range rate.calls - failures {
					assert.NoError(t, do(b, nil), name)
				}
				failTimes(t, b, failures)
				assert.Equal(t, b.State() == breaker.Open, failures == rate.failures, name)
			}
		}
	}
}

// TestMinCalls also counts when a success is the call that makes them enough.
func TestMinCalls(t *testing.T) {
	for name, c := range map[string]breaker.Config{"time": {}, "calls": {WindowCalls: 50}} {
		t.Run(name, func(t *testing.T) {
			c.FailureRate, c.MinCalls = 0.5, 10
			b := newBreaker(t, c)
			failTimes(t, b, 9)
			assert.Equal(t, b.State(), breaker.Closed)
			assert.NoError(t, do(b, nil))
			assert.Equal(t, b.State(), breaker.Open)
			assert.True(t, rejected(t, b).Cause == nil, "the call that tripped it had no error")
		})
	}
}

func TestMinCallsDefaults(t *testing.T) {
	for want, c := range map[int]breaker.Config{20: {FailureRate: 1}, 7: {FailureRate: 1, WindowCalls: 7}} {
		b := newBreaker(t, c)
		failTimes(t, b, want-1)
		assert.Equal(t, b.State(), breaker.Closed)
		failTimes(t, b, 1)
		assert.Equal(t, b.State(), breaker.Open)
	}
}

func TestWindowOfTimeForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{FailureRate: 0.5, MinCalls: 10, Window: 10 * time.Second})
		failTimes(t, b, 9)
		time.Sleep(9 * time.Second)
		assert.Equal(t, b.Snapshot().Window, breaker.WindowCounts{Failures: 9})
		time.Sleep(time.Second)
		assert.Equal(t, b.Snapshot().Window, breaker.WindowCounts{})
		failTimes(t, b, 9)
		assert.Equal(t, b.State(), breaker.Closed)
		assert.Equal(t, b.Snapshot().Failures, 18, "totals stay")
	})
}

// TestRateRisesWhenSuccessesLeaveTheWindow, and any call notices.
func TestRateRisesWhenSuccessesLeaveTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{FailureRate: 0.5, MinCalls: 10, Window: 10 * time.Second})
		for range 100 {
			assert.NoError(t, do(b, nil))
		}
		time.Sleep(9 * time.Second)
		failTimes(t, b, 50)
		time.Sleep(time.Second)
		assert.Equal(t, b.State(), breaker.Closed)
		assert.NoError(t, do(b, nil))
		assert.Equal(t, b.State(), breaker.Open)
	})
}

func TestWindowOfCallsForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{FailureRate: 0.5, WindowCalls: 10})
		for range 5 {
			failTimes(t, b, 4)
			for range 6 {
				time.Sleep(time.Hour) // time does not matter
				assert.NoError(t, do(b, nil))
			}
			assert.Equal(t, b.Snapshot().Window, breaker.WindowCounts{Successes: 6, Failures: 4})
		}
		failTimes(t, b, 4) // in the place of those before
		assert.Equal(t, b.State(), breaker.Closed)
		failTimes(t, b, 1)
		assert.Equal(t, b.State(), breaker.Open)
		assert.Equal(t, b.Snapshot().Window, breaker.WindowCounts{})
		assert.Equal(t, b.Snapshot().Failures, 25)
		assert.Equal(t, b.Snapshot().Successes, 30)
	})
}

// TestSlowCallsTrip, though none of them fails or is cancelled.
func TestSlowCallsTrip(t *testing.T) {
	for name, c := range map[string]breaker.Config{"time": {}, "calls": {WindowCalls: 50}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.SlowCallRate, c.SlowCallThreshold, c.MinCalls = 0.5, 100*time.Millisecond, 10
				b := newBreaker(t, c)
				for range 5 {
					assert.NoError(t, doFor(b, 99*time.Millisecond, nil))
				}
				for range 4 {
					assert.NoError(t, doFor(b, 100*time.Millisecond, nil))
				}
				assert.Equal(t, b.Snapshot().Window, breaker.WindowCounts{Successes: 9, Slow: 4})
				assert.ErrorIs(t, doFor(b, time.Second, errDown), errDown) // failures can be slow too
				assert.Equal(t, b.State(), breaker.Open)
				assert.Equal(t, b.Snapshot().Slow, 5)
				assert.Equal(t, b.Snapshot().Successes, 9)
				assert.Equal(t, b.Snapshot().Failures, 1)
			})
		})
	}
}

// TestQuickSuccessTrips, if it is the one that makes the slow calls enough.
func TestQuickSuccessTrips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{SlowCallRate: 0.5, SlowCallThreshold: time.Second, MinCalls: 10, Window: time.Minute})
		for range 9 {
			assert.NoError(t, doFor(b, time.Second, nil))
		}
		time.Sleep(40 * time.Second)
		assert.Equal(t, b.State(), breaker.Closed)
		assert.NoError(t, do(b, nil))
		assert.Equal(t, b.State(), breaker.Open)
		assert.True(t, rejected(t, b).Cause == nil)
	})
}

// TestSlowSuccessTrips without any failure.
func TestSlowSuccessTrips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{SlowCallRate: 0.5, SlowCallThreshold: time.Second, MinCalls: 2})
		assert.NoError(t, do(b, nil))
		assert.NoError(t, doFor(b, time.Second, nil))
		assert.Equal(t, b.State(), breaker.Open)
	})
}

func TestRulesWorkTogether(t *testing.T) {
	b := newBreaker(t, breaker.Config{FailureRate: 0.5, MinCalls: 100, ConsecutiveFailures: 3})
	failTimes(t, b, 3)
	assert.Equal(t, b.State(), breaker.Open, "by the row")
	b = newBreaker(t, breaker.Config{FailureRate: 0.5, MinCalls: 6, ConsecutiveFailures: 3})
	for range 3 {
		assert.NoError(t, do(b, nil))
		failTimes(t, b, 1)
	}
	assert.Equal(t, b.State(), breaker.Open, "by the rate")
	b = newBreaker(t, breaker.Config{FailureRate: 0.5, MinCalls: 100})
	failTimes(t, b, 99)
	assert.Equal(t, b.State(), breaker.Closed, "there is no default for a row beside a rate")
}

// TestTotalsWithoutCountCalls: successes are not counted in any state.
func TestTotalsWithoutCountCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{Mode: breaker.Shadow, ConsecutiveFailures: 1, Probes: 2, SlowCallThreshold: time.Second})
		assert.NoError(t, doFor(b, time.Minute, nil))
		failTimes(t, b, 1)
		assert.NoError(t, doFor(b, time.Second, nil))
		untilHalfOpen(t, b)
		assert.NoError(t, doFor(b, time.Second, nil))
		want := breaker.Snapshot{State: breaker.HalfOpen, Mode: breaker.Shadow, Generation: 2, Failures: 1, Rejected: 1}
		assert.Equal(t, b.Snapshot(), want)
	})
}

// TestRejectionsAreCountedOnDemand, because counting them costs more than they do.
func TestRejectionsAreCountedOnDemand(t *testing.T) {
	for name, test := range map[string]struct {
		config breaker.Config
		want   uint64
	}{
		"not":        {breaker.Config{}, 0},
		"CountCalls": {breaker.Config{CountCalls: true}, 3},
		"rate":       {breaker.Config{FailureRate: 0.5, MinCalls: 1}, 3},
		"hook":       {breaker.Config{Hooks: breaker.Hooks{Rejected: func(*breaker.OpenError) {}}}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test.config.ConsecutiveFailures = 1
				b := newBreaker(t, test.config)
				failTimes(t, b, 1)
				_ = rejected(t, b)
				_, err := b.Acquire(t.Context())
				assert.ErrorIs(t, err, breaker.ErrOpen)
				untilHalfOpen(t, b)
				acquire(t, b) // the one probe
				_ = rejected(t, b)
				assert.Equal(t, b.Snapshot().Rejected, test.want)
			})
		})
	}
}

func TestSnapshotWithoutAndWithCountCalls(t *testing.T) {
	for _, c := range []breaker.Config{{}, {WindowCalls: 100}} {
		b := newBreaker(t, c)
		assert.NoError(t, do(b, nil))
		failTimes(t, b, 1)
		assert.Equal(t, b.Snapshot(), breaker.Snapshot{ConsecutiveFailures: 1, Failures: 1})
		c.CountCalls = true
		b = newBreaker(t, c)
		assert.NoError(t, do(b, nil))
		failTimes(t, b, 1)
		assert.Equal(t, b.Snapshot(), breaker.Snapshot{
			ConsecutiveFailures: 1, Successes: 1, Failures: 1,
			Window: breaker.WindowCounts{Successes: 1, Failures: 1},
		})
	}
}
