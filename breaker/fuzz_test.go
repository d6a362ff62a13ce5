package breaker_test

import (
	"cmp"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/internal/assert"
)

// FuzzTimeToStayOpen: whatever a Config that New accepts says, and whatever the
// other side asks for, the first time is exact and the others are within bounds.
func FuzzTimeToStayOpen(f *testing.F) {
	f.Add(int64(time.Minute), 2.0, int64(time.Hour), 0.2, int64(0))
	f.Add(int64(1), 1.0, int64(1), 1.0, int64(-1))
	f.Add(int64(3), math.MaxFloat64, int64(10*365*24*time.Hour), 1e-300, int64(math.MaxInt64))
	f.Add(int64(time.Second), 1.0000001, int64(time.Second+1), 0.5, int64(time.Second))
	f.Fuzz(func(t *testing.T, reset int64, multiplier float64, longest int64, jitter float64, asked int64) {
		c := breaker.Config{
			ConsecutiveFailures: 1,
			ResetTimeout:        time.Duration(reset),
			ResetMultiplier:     multiplier,
			MaxResetTimeout:     time.Duration(longest),
			ResetJitter:         jitter,
		}
		const decade = 10 * 365 * 24 * time.Hour // six of which the clock of a bubble can pass
		if c.MaxResetTimeout > decade || c.ResetTimeout > decade {
			t.Skip("longer than the clock of a bubble can run")
		}
		synctest.Test(t, func(t *testing.T) {
			b, err := breaker.New(c)
			if err != nil {
				return
			}
			c.ResetTimeout = cmp.Or(c.ResetTimeout, time.Minute)
			c.ResetMultiplier = cmp.Or(c.ResetMultiplier, 2)
			c.MaxResetTimeout = cmp.Or(c.MaxResetTimeout, max(10*time.Minute, c.ResetTimeout))
			shortest := max(c.ResetTimeout, min(time.Duration(asked), c.MaxResetTimeout))
			for failed := range 6 {
				_ = do(b, errBusy(asked))
				d := rejected(t, b).RetryAfter()
				if failed == 0 {
					assert.Equal(t, d, shortest, "the first time")
				}
				grown := float64(c.ResetTimeout) * math.Pow(c.ResetMultiplier, float64(failed))
				most := max(shortest, time.Duration(min(grown*(1+1e-9)+1, float64(c.MaxResetTimeout))))
				assert.True(t, shortest <= d && d <= most, "after %d failed probes %v, want %v to %v", failed, d, shortest, most)
				untilHalfOpen(t, b)
			}
		})
	})
}
