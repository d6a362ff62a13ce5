package breaker_test

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/internal/assert"
)

func TestNewRefuses(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for want, c := range map[string]breaker.Config{
		"ConsecutiveFailures is -1, want at least 0":               {ConsecutiveFailures: -1},
		"FailureRate is 1.5, want 0 to 1":                          {FailureRate: 1.5},
		"FailureRate is -0.1, want 0 to 1":                         {FailureRate: -0.1},
		"FailureRate is NaN, want 0 to 1":                          {FailureRate: nan},
		"FailureRate is +Inf, want 0 to 1":                         {FailureRate: inf},
		"SlowCallRate is -Inf, want 0 to 1":                        {SlowCallRate: -inf},
		"SlowCallRate is NaN, want 0 to 1":                         {SlowCallRate: nan},
		"SlowCallThreshold is -1ns, want at least 0":               {SlowCallThreshold: -1},
		"SlowCallThreshold is 0s, want more than 0, because Slow":  {SlowCallRate: 0.5},
		"MinCalls is -1, want 0 to 100000":                         {MinCalls: -1},
		"MinCalls is 100001, want 0 to 100000":                     {MinCalls: 100_001},
		"MinCalls is 11, want at most 10, which is WindowCalls":    {MinCalls: 11, WindowCalls: 10},
		"Window is -1s, want 0, or at least 10ns":                  {Window: -time.Second},
		"Window is 9ns, want 0, or at least 10ns":                  {Window: 9},
		"WindowCalls is -1, want 0 to 100000":                      {WindowCalls: -1},
		"WindowCalls is 100001, want 0 to 100000":                  {WindowCalls: 100_001},
		"ResetTimeout is -1ns, want at least 0":                    {ResetTimeout: -1},
		"ResetMultiplier is 0.5, want 0, or a number of at least":  {ResetMultiplier: 0.5},
		"ResetMultiplier is -2, want 0, or a number of at least 1": {ResetMultiplier: -2},
		"ResetMultiplier is NaN, want 0, or a number of at least":  {ResetMultiplier: nan},
		"ResetMultiplier is +Inf, want 0, or a number of at least": {ResetMultiplier: inf},
		"MaxResetTimeout is -1ns, want at least 0":                 {MaxResetTimeout: -1},
		"MaxResetTimeout is 59s, want at least 1m0s, which is Res": {MaxResetTimeout: 59 * time.Second},
		"MaxResetTimeout is 1s, want at least 2s, which is ResetT": {MaxResetTimeout: time.Second, ResetTimeout: 2 * time.Second},
		"ResetJitter is 1.01, want 0 to 1":                         {ResetJitter: 1.01},
		"ResetJitter is NaN, want 0 to 1":                          {ResetJitter: nan},
		"Probes is -1, want 0 to 64":                               {Probes: -1},
		"Probes is 65, want 0 to 64":                               {Probes: 65},
		"ConcurrentProbes is -1, want 0 to 1, which is Probes":     {ConcurrentProbes: -1},
		"ConcurrentProbes is 4, want 0 to 3, which is Probes":      {Probes: 3, ConcurrentProbes: 4},
		"ProbeTimeout is -1ns, want at least 0":                    {ProbeTimeout: -1},
		"Mode is Mode(4), want one of the four":                    {Mode: breaker.Shadow + 1},
	} {
		b, err := breaker.New(c)
		assert.Error(t, err, want)
		assert.Contains(t, err.Error(), "breaker: Config."+want)
		assert.True(t, b == nil, want)
	}
}

// TestLargestConfig: the largest numbers overflow nowhere.
func TestLargestConfig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const forever = math.MaxInt64
		c := breaker.Config{
			ConsecutiveFailures: 1, FailureRate: 1, SlowCallRate: 1, SlowCallThreshold: forever,
			Window: forever, MinCalls: 100_000, ResetTimeout: time.Second, ResetMultiplier: math.MaxFloat64,
			MaxResetTimeout: forever, ResetJitter: math.SmallestNonzeroFloat64, Probes: 64, ProbeTimeout: forever,
		}
		b := newBreaker(t, c)
		time.Sleep(time.Hour)
		failTimes(t, b, 1)
		untilHalfOpen(t, b)
		probe := acquire(t, b)
		time.Sleep(time.Hour)
		assert.Equal(t, b.Snapshot().Probing, 1)
		probe.Done(breaker.Failure)
		// The multiplier would overflow, and so would the sum with the time of now.
		assert.True(t, b.Snapshot().RetryAfter > 290*365*24*time.Hour, "open for %v", b.Snapshot().RetryAfter)
		assert.Equal(t, b.State(), breaker.Open)
		refuses(t, b)

		c.ResetTimeout = forever
		b = newBreaker(t, c)
		failTimes(t, b, 1)
		assert.Equal(t, b.State(), breaker.Open)
		assert.True(t, rejected(t, b).RetryAfter() > 290*365*24*time.Hour)
	})
}

// TestSmallestConfig: the smallest ones too.
func TestSmallestConfig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{
			FailureRate: math.SmallestNonzeroFloat64, SlowCallRate: math.SmallestNonzeroFloat64, SlowCallThreshold: 1,
			MinCalls: 1, Window: 10, ResetTimeout: 1, MaxResetTimeout: 1, ResetMultiplier: 1, ResetJitter: 1, ProbeTimeout: 1,
		})
		assert.NoError(t, do(b, nil))
		failTimes(t, b, 1)
		untilHalfOpen(t, b)
		failTimes(t, b, 1)
		untilHalfOpen(t, b)
		assert.NoError(t, do(b, nil))
		assert.Equal(t, b.State(), breaker.Closed)
	})
}
