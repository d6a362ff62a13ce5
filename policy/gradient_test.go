package policy_test

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/policy"
)

func TestGradientDefaults(t *testing.T) {
	for _, c := range []struct {
		maxConcurrent int
		gradient      policy.Gradient
		want          int
	}{
		{0, policy.Gradient{}, 20},
		{8, policy.Gradient{}, 8},
		{0, policy.Gradient{InitialLimit: 5}, 5},
		{0, policy.Gradient{MinLimit: 50}, 50},
		{0, policy.Gradient{InitialLimit: 1000, MinLimit: 1}, 1000},
	} {
		b := newBulkhead(t, policy.BulkheadConfig{MaxConcurrent: c.maxConcurrent, Adaptive: &c.gradient})
		assert.Equal(t, b.Limit(), c.want, "%+v", c)
	}
}

func TestGradientRefusesImpossibleValues(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		gradient policy.Gradient
		want     string
	}{
		{policy.Gradient{InitialLimit: -1}, "Gradient.InitialLimit is -1, want 1 to MaxConcurrent, which is 100"},
		{policy.Gradient{InitialLimit: 101}, "Gradient.InitialLimit is 101, want 1 to MaxConcurrent, which is 100"},
		{policy.Gradient{MinLimit: -1}, "Gradient.MinLimit is -1, want 1 to MaxConcurrent, which is 100"},
		{policy.Gradient{MinLimit: 101}, "Gradient.MinLimit is 101, want 1 to MaxConcurrent, which is 100"},
		{policy.Gradient{MinLimit: 11, InitialLimit: 10}, "Gradient.MinLimit is 11, want at most InitialLimit, which is 10"},
		{policy.Gradient{Tolerance: 0.99}, "Gradient.Tolerance is 0.99, want 1 or more"},
		{policy.Gradient{Tolerance: -2}, "Gradient.Tolerance is -2, want 1 or more"},
		{policy.Gradient{Tolerance: nan}, "Gradient.Tolerance is NaN, want 1 or more"},
		{policy.Gradient{Tolerance: inf}, "Gradient.Tolerance is +Inf, want 1 or more"},
		{policy.Gradient{Smoothing: -0.1}, "Gradient.Smoothing is -0.1, want above 0 and at most 1"},
		{policy.Gradient{Smoothing: 1.1}, "Gradient.Smoothing is 1.1, want above 0 and at most 1"},
		{policy.Gradient{Smoothing: nan}, "Gradient.Smoothing is NaN, want above 0 and at most 1"},
		{policy.Gradient{LongWindow: -1}, "Gradient.LongWindow is -1, want 1 or more"},
		{policy.Gradient{Queue: -1}, "Gradient.Queue is -1, want 1 or more"},
	} {
		_, err := policy.NewBulkhead(policy.BulkheadConfig{MaxConcurrent: 100, Adaptive: &c.gradient})
		assert.Error(t, err, "%+v", c.gradient)
		assert.Equal(t, err.Error(), "policy: "+c.want)
	}
}

// A server serves so many calls at once, each for a time of its own around the mean,
// and queues the others in order.
type server struct {
	slots chan struct{}
	mean  atomic.Int64 // in nanoseconds
}

func (s *server) serve() {
	s.slots <- struct{}{}
	time.Sleep(time.Duration(rand.ExpFloat64() * float64(s.mean.Load())))
	<-s.slots
}

// occupy takes n slots away, or gives them back if n is negative.
func (s *server) occupy(n int) {
	for range n {
		s.slots <- struct{}{}
	}
	for range -n {
		<-s.slots
	}
}

// flood keeps n callers calling through b, each at once after its last call, until
// stop is called.
func flood(t *testing.T, b *policy.Bulkhead, n int, call func() breaker.Outcome) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			for ctx.Err() == nil {
				if place, err := b.Acquire(ctx); err == nil {
					place.Done(call())
				}
			}
		})
	}
	return func() { cancel(); all.Wait() }
}

// average returns the mean limit over a time.
func average(b *policy.Bulkhead, over time.Duration) float64 {
	const samples = 100
	sum := 0
	for range samples {
		time.Sleep(over / samples)
		sum += b.Limit()
	}
	return float64(sum) / samples
}

// between stops the test unless got is in a range.
func between(t *testing.T, what string, got, low, high float64) {
	t.Helper()
	t.Logf("limit %s: %.1f", what, got)
	assert.True(t, got >= low && got <= high, "limit %s: %.1f, want %.0f to %.0f", what, got, low, high)
}

// A limit beyond what a float64 counts, or an int64 holds, is none, but not a
// negative one.
func TestGradientHasNoLimitTooLarge(t *testing.T) {
	for name, g := range map[string]policy.Gradient{
		"from the start": {InitialLimit: math.MaxInt},
		"by its minimum": {InitialLimit: math.MaxInt, MinLimit: math.MaxInt},
		"by growth":      {InitialLimit: 1, Queue: math.MaxInt, Smoothing: 1},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := policy.NewBulkhead(policy.BulkheadConfig{MaxConcurrent: math.MaxInt, Adaptive: &g})
			assert.NoError(t, err)
			for range 100 {
				place, err := b.Acquire(t.Context())
				assert.NoError(t, err)
				place.Done(breaker.Success)
			}
			assert.True(t, b.Limit() >= 1<<30, b.Limit())
		})
	}
}

func TestGradientFindsTheCapacityOfAServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(t, policy.BulkheadConfig{MaxQueue: 1000, Adaptive: &policy.Gradient{MinLimit: 2}})
		s := &server{slots: make(chan struct{}, 40)}
		s.mean.Store(int64(20 * time.Millisecond))
		defer flood(t, b, 400, func() breaker.Outcome { s.serve(); return breaker.Success })()

		time.Sleep(5 * time.Second)
		between(t, "with 40 slots", average(b, 10*time.Second), 20, 80)
		// A minute of overload must not become the measure.
		time.Sleep(40 * time.Second)
		between(t, "after long overload", average(b, 5*time.Second), 20, 80)

		s.occupy(32)
		time.Sleep(10 * time.Second)
		between(t, "with 8 slots", average(b, 10*time.Second), 4, 24)

		s.occupy(-32)
		time.Sleep(10 * time.Second)
		between(t, "with 40 slots again", average(b, 10*time.Second), 20, 80)

		// What is slower for good, and not for a queue, becomes normal.
		s.mean.Store(int64(60 * time.Millisecond))
		time.Sleep(50 * time.Second)
		between(t, "with slower calls", average(b, 20*time.Second), 20, 80)
	})
}

// constantly serves a flood with a latency that does not depend on it.
func constantly(t *testing.T, b *policy.Bulkhead, callers int, latency, over time.Duration) {
	stop := flood(t, b, callers, func() breaker.Outcome { time.Sleep(latency); return breaker.Success })
	time.Sleep(over)
	stop()
}

// At its minimum the limit cannot be the reason for the latency.
func TestGradientTakesWhatIsSlowAtItsMinimumForNormal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(t, policy.BulkheadConfig{MaxConcurrent: 40, MaxQueue: 100, Adaptive: &policy.Gradient{}})
		constantly(t, b, 100, 10*time.Millisecond, 2*time.Second)
		assert.Equal(t, b.Limit(), 40)
		constantly(t, b, 100, 100*time.Millisecond, 3*time.Second)
		assert.Equal(t, b.Limit(), 20)
		constantly(t, b, 100, 100*time.Millisecond, 12*time.Second)
		assert.True(t, b.Limit() > 30, "%d", b.Limit())
	})
}

// After a slow time without load, the average is soon what it should be.
func TestGradientForgetsASlowTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(t, policy.BulkheadConfig{MaxQueue: 100, Adaptive: &policy.Gradient{}})
		constantly(t, b, 5, time.Second, 10*time.Second)
		assert.Equal(t, b.Limit(), 20)
		constantly(t, b, 100, 10*time.Millisecond, 400*time.Millisecond)
		high := b.Limit()
		assert.True(t, high > 30, "%d", high)
		constantly(t, b, 100, 800*time.Millisecond, 8*time.Second)
		assert.True(t, b.Limit() < high-5, "%d, was %d", b.Limit(), high)
	})
}

// Callers who use less than half of the limit do not make it grow, however fast the
// other side is.
func TestGradientDoesNotGrowWithoutDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(t, policy.BulkheadConfig{Adaptive: &policy.Gradient{}})
		defer flood(t, b, 9, func() breaker.Outcome { time.Sleep(10 * time.Millisecond); return breaker.Success })()
		time.Sleep(time.Second)
		assert.Equal(t, b.Limit(), 20)
		defer flood(t, b, 11, func() breaker.Outcome { time.Sleep(10 * time.Millisecond); return breaker.Success })()
		time.Sleep(10 * time.Second)
		between(t, "with 20 callers", average(b, time.Second), 30, 40)
	})
}

func TestGradientStaysWithinItsBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(t, policy.BulkheadConfig{MaxConcurrent: 50, MaxQueue: 1000, Adaptive: &policy.Gradient{MinLimit: 5}})
		var slow, failing atomic.Bool
		defer flood(t, b, 200, func() breaker.Outcome {
			time.Sleep(10 * time.Millisecond)
			if slow.Load() {
				time.Sleep(time.Second)
			}
			if failing.Load() {
				return breaker.Failure
			}
			return breaker.Success
		})()
		time.Sleep(5 * time.Second)
		assert.Equal(t, b.Limit(), 50)
		slow.Store(true)
		time.Sleep(40 * time.Second)
		assert.True(t, b.Limit() >= 5 && b.Limit() < 20, "%d", b.Limit())
		failing.Store(true)
		time.Sleep(40 * time.Second)
		assert.Equal(t, b.Limit(), 5)
		assert.Equal(t, b.InFlight(), 5)
	})
}

// Failures that take as long as successes shrink the limit in proportion to their
// part, without demand too; neutral outcomes change nothing.
func TestGradientTakesFailuresForOverload(t *testing.T) {
	limitAfter := func(calls int, outcome func(i int) breaker.Outcome) int {
		var limit int
		synctest.Test(t, func(t *testing.T) {
			b := newBulkhead(t, policy.BulkheadConfig{Adaptive: &policy.Gradient{InitialLimit: 100, MinLimit: 1}})
			for i := range calls {
				place := acquire(t, b)
				time.Sleep(time.Millisecond)
				place.Done(outcome(i))
			}
			limit = b.Limit()
		})
		return limit
	}
	all := limitAfter(1000, func(int) breaker.Outcome { return breaker.Failure })
	tenth := limitAfter(1000, func(i int) breaker.Outcome {
		if i%10 == 0 {
			return breaker.Failure
		}
		return breaker.Success
	})
	assert.True(t, all < 30, "all fail: %d", all)
	assert.True(t, tenth > 80 && tenth < 100, "a tenth fails: %d", tenth)
	assert.Equal(t, limitAfter(1000, func(int) breaker.Outcome { return breaker.Neutral }), 100)
}

func TestGradientLetsWaitersInWhenItGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(t, policy.BulkheadConfig{MaxQueue: 100, Adaptive: &policy.Gradient{InitialLimit: 10, Queue: 50}})
		places := make(chan *policy.Place, 100)
		for range 100 {
			go func() { places <- acquire(t, b) }()
		}
		synctest.Wait()
		assert.Equal(t, len(places), 10)
		time.Sleep(time.Millisecond)
		for range 10 { // one round, after which the limit is 20
			(<-places).Done(breaker.Success)
		}
		synctest.Wait()
		assert.Equal(t, b.Limit(), 20)
		assert.Equal(t, b.InFlight(), 20)
		assert.Equal(t, b.Queued(), 100-30)
		for range 90 {
			(<-places).Done(breaker.Neutral)
		}
		assert.Equal(t, b.InFlight(), 0)
	})
}

func TestGradientInterruptsNobodyWhenItShrinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(t, policy.BulkheadConfig{Adaptive: &policy.Gradient{
			InitialLimit: 100, MinLimit: 1, Smoothing: 1,
		}})
		var places []*policy.Place
		for range 99 {
			places = append(places, acquire(t, b))
		}
		for range 100 { // one round of failures beside the 99 others
			acquire(t, b).Done(breaker.Failure)
		}
		assert.Equal(t, b.Limit(), 50)
		assert.Equal(t, b.InFlight(), 99)
		for len(places) >= 50 {
			_, err := b.Acquire(t.Context())
			assert.ErrorIs(t, err, policy.ErrFull, "%d under way", len(places))
			places[0].Done(breaker.Neutral)
			places = places[1:]
		}
		places = append(places, acquire(t, b))
		for _, place := range places {
			place.Done(breaker.Neutral)
		}
		assert.Equal(t, b.InFlight(), 0)
	})
}
