package retry_test

import (
	"context"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/retry"
)

var jitters = []retry.Jitter{
	retry.FullJitter, retry.EqualJitter, retry.DecorrelatedJitter, retry.ProportionalJitter, retry.NoJitter,
}

// delays returns the delays before the n retries of a call that fails for ever.
// It must be called in a bubble, where they take no time.
func delays(t *testing.T, c retry.Config, n int) []time.Duration {
	t.Helper()
	var told []time.Duration
	c.MaxAttempts = n + 1
	c.Hooks.Retry = func(r retry.Retry) { told = append(told, r.Delay) }
	last := time.Now()
	attempt := 0
	_, err := retry.Do(t.Context(), newPolicy(t, c), func(context.Context) (int, error) {
		if attempt++; attempt > 1 {
			assert.Equal(t, time.Since(last), told[attempt-2], "what the hook is told is what is waited")
		}
		last = time.Now()
		return 0, errBusy
	})
	assert.ErrorIs(t, err, retry.ErrAttempts)
	return told
}

func TestNoJitter_growsToTheCeiling(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		config retry.Config
		want   []time.Duration
	}{
		{"doubled", retry.Config{BaseDelay: 100 * time.Millisecond, MaxDelay: time.Second}, []time.Duration{
			100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, time.Second, time.Second,
		}},
		{"constant", retry.Config{BaseDelay: time.Second, Multiplier: 1}, []time.Duration{time.Second, time.Second, time.Second}},
		{"by a half", retry.Config{BaseDelay: time.Second, Multiplier: 1.5}, []time.Duration{
			time.Second, 1500 * time.Millisecond, 2250 * time.Millisecond,
		}},
		{"at once", retry.Config{BaseDelay: 1, MaxDelay: time.Hour, Multiplier: math.MaxFloat64}, []time.Duration{1, time.Hour, time.Hour}},
		{"no room to grow", retry.Config{BaseDelay: time.Minute, MaxDelay: time.Minute}, []time.Duration{time.Minute, time.Minute}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c.config.Jitter = retry.NoJitter
				assert.Equal(t, delays(t, c.config, len(c.want)), c.want)
			})
		})
	}
}

// The 1,000th delay is the longest one, not a negative one.
func TestNoJitter_saturates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		got := delays(t, retry.Config{BaseDelay: time.Second, MaxDelay: 2 * time.Hour, Jitter: retry.NoJitter}, 999)
		assert.True(t, slices.IsSorted(got))
		assert.Equal(t, got[998], 2*time.Hour)
	})
}

func TestJitter_staysWithinItsBounds(t *testing.T) {
	t.Parallel()
	const base, most = 100 * time.Millisecond, time.Second
	for _, jitter := range jitters[:4] {
		t.Run(jitter.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				for range 300 {
					got := delays(t, retry.Config{BaseDelay: base, MaxDelay: most, Jitter: jitter, JitterFraction: 0.5}, 8)
					before := base
					for i, d := range got {
						ceiling := min(most, base<<i)
						low, high := time.Duration(0), ceiling
						switch jitter {
						case retry.EqualJitter:
							low = ceiling / 2
						case retry.ProportionalJitter:
							low, high = ceiling/2, min(most, ceiling*3/2)
						case retry.DecorrelatedJitter:
							low, high = base, min(most, 3*before)
							before = d
						default: // FullJitter
						}
						assert.True(t, d >= low && d < high, "delay %d is %v, want %v to %v", i+1, d, low, high)
					}
				}
			})
		})
	}
}

// A quarter of the delays come from each quarter of the range, and none is its
// upper end, also when the ceiling was reached long ago: clients that failed
// together do not meet again.
func TestJitter_doesNotPileUpAtTheCeiling(t *testing.T) {
	t.Parallel()
	const most = time.Second
	lows := map[retry.Jitter]time.Duration{
		retry.FullJitter:         0,
		retry.EqualJitter:        most / 2,
		retry.DecorrelatedJitter: 10 * time.Millisecond,
		retry.ProportionalJitter: most - most/5,
	}
	for jitter, low := range lows {
		t.Run(jitter.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const draws = 1000
				quarters := [4]int{}
				for range draws {
					got := delays(t, retry.Config{BaseDelay: 10 * time.Millisecond, MaxDelay: most, Jitter: jitter}, 30)
					last := got[29]
					assert.NotEqual(t, last, most)
					assert.True(t, last >= low && last < most, "%v", last)
					quarters[(last-low)*4/(most-low)]++
				}
				if jitter == retry.DecorrelatedJitter { // not uniform: its range depends on the delay before
					// A simulation puts 10.5 % there; 4 % is six deviations away.
					assert.True(t, quarters[3] > draws/25, "%v", quarters)
					return
				}
				// 250 each, with a deviation of 14: 100 away is seven deviations.
				for _, n := range quarters {
					assert.True(t, n > 150 && n < 350, "%v", quarters)
				}
			})
		})
	}
}

// The Kolmogorov-Smirnov test. At a significance of 0.001 one sample in a
// thousand of a uniform distribution is rejected by chance; four in a row, one
// time in 1e12.
func TestFullJitter_isUniform(t *testing.T) {
	t.Parallel()
	const n = 2000
	critical := 1.949 / math.Sqrt(n)
	for _, retries := range []int{1, 4, 30} { // below, at and long after the ceiling
		synctest.Test(t, func(t *testing.T) {
			var distances []float64
			for range 4 {
				ceiling := min(time.Second, 250*time.Millisecond<<min(retries-1, 10))
				sample := make([]float64, n)
				for i := range sample {
					got := delays(t, retry.Config{BaseDelay: 250 * time.Millisecond, MaxDelay: time.Second}, retries)
					sample[i] = float64(got[retries-1]) / float64(ceiling)
				}
				distance := distanceFromUniform(sample)
				if distance < critical {
					return
				}
				distances = append(distances, distance)
			}
			t.Fatalf("distances %v, want one below %v", distances, critical)
		})
	}
}

// distanceFromUniform returns the greatest distance of the sample's distribution
// from the uniform one between 0 and 1.
func distanceFromUniform(sample []float64) float64 {
	slices.Sort(sample)
	n := float64(len(sample))
	distance := 0.0
	for i, x := range sample {
		distance = max(distance, x-float64(i)/n, float64(i+1)/n-x)
	}
	return distance
}
