package breaker

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/parlance-go/parlance/internal/rolling"
)

const (
	defaultConsecutiveFailures = 5
	defaultMinCalls            = 20
	defaultWindow              = 10 * time.Second
	defaultResetTimeout        = time.Minute
	defaultResetMultiplier     = 2
	defaultMaxResetTimeout     = 10 * time.Minute
	defaultResetJitter         = 0.2

	maxWindowCalls = 100_000
	maxProbes      = 64
	minWindow      = 10 * time.Nanosecond // what a rolling window needs
)

// complete returns the Config with its defaults, or the error that names the
// field that is wrong.
func (c Config) complete() (Config, error) {
	if err := c.check(); err != nil {
		return Config{}, err
	}
	if c.ConsecutiveFailures == 0 && !c.rates() {
		c.ConsecutiveFailures = defaultConsecutiveFailures
	}
	if c.MinCalls == 0 {
		c.MinCalls = defaultMinCalls
		if c.WindowCalls > 0 {
			c.MinCalls = min(c.MinCalls, c.WindowCalls)
		}
	}
	c.Window = cmp.Or(c.Window, defaultWindow)
	c.ResetTimeout = cmp.Or(c.ResetTimeout, defaultResetTimeout)
	c.ResetMultiplier = cmp.Or(c.ResetMultiplier, defaultResetMultiplier)
	c.MaxResetTimeout = cmp.Or(c.MaxResetTimeout, max(defaultMaxResetTimeout, c.ResetTimeout))
	c.ResetJitter = cmp.Or(c.ResetJitter, defaultResetJitter)
	c.Probes = cmp.Or(c.Probes, 1)
	c.ConcurrentProbes = cmp.Or(c.ConcurrentProbes, c.Probes)
	c.ProbeTimeout = cmp.Or(c.ProbeTimeout, c.ResetTimeout)
	return c, nil
}

func (c *Config) check() error {
	wrong := func(field string, value any, want string, args ...any) error {
		return fmt.Errorf("breaker: Config.%s is %v, want %s", field, value, fmt.Sprintf(want, args...))
	}
	resetTimeout := cmp.Or(c.ResetTimeout, defaultResetTimeout)
	probes := cmp.Or(c.Probes, 1)
	switch {
	case c.ConsecutiveFailures < 0:
		return wrong("ConsecutiveFailures", c.ConsecutiveFailures, "at least 0")
	case !isPart(c.FailureRate):
		return wrong("FailureRate", c.FailureRate, "0 to 1")
	case !isPart(c.SlowCallRate):
		return wrong("SlowCallRate", c.SlowCallRate, "0 to 1")
	case c.SlowCallThreshold < 0:
		return wrong("SlowCallThreshold", c.SlowCallThreshold, "at least 0")
	case c.SlowCallRate > 0 && c.SlowCallThreshold == 0:
		return wrong("SlowCallThreshold", c.SlowCallThreshold, "more than 0, because SlowCallRate is %v", c.SlowCallRate)
	case c.WindowCalls < 0 || c.WindowCalls > maxWindowCalls:
		return wrong("WindowCalls", c.WindowCalls, "0 to %d", maxWindowCalls)
	case c.MinCalls < 0 || c.MinCalls > maxWindowCalls:
		return wrong("MinCalls", c.MinCalls, "0 to %d", maxWindowCalls)
	case c.WindowCalls > 0 && c.MinCalls > c.WindowCalls:
		return wrong("MinCalls", c.MinCalls, "at most %d, which is WindowCalls", c.WindowCalls)
	case c.Window < 0 || c.Window > 0 && c.Window < minWindow:
		return wrong("Window", c.Window, "0, or at least %v", minWindow)
	case c.ResetTimeout < 0:
		return wrong("ResetTimeout", c.ResetTimeout, "at least 0")
	case c.ResetMultiplier != 0 && !(c.ResetMultiplier >= 1 && c.ResetMultiplier <= math.MaxFloat64):
		return wrong("ResetMultiplier", c.ResetMultiplier, "0, or a number of at least 1")
	case c.MaxResetTimeout < 0:
		return wrong("MaxResetTimeout", c.MaxResetTimeout, "at least 0")
	case c.MaxResetTimeout > 0 && c.MaxResetTimeout < resetTimeout:
		return wrong("MaxResetTimeout", c.MaxResetTimeout, "at least %v, which is ResetTimeout", resetTimeout)
	case !isPart(c.ResetJitter):
		return wrong("ResetJitter", c.ResetJitter, "0 to 1")
	case c.Probes < 0 || c.Probes > maxProbes:
		return wrong("Probes", c.Probes, "0 to %d", maxProbes)
	case c.ConcurrentProbes < 0 || c.ConcurrentProbes > probes:
		return wrong("ConcurrentProbes", c.ConcurrentProbes, "0 to %d, which is Probes", probes)
	case c.ProbeTimeout < 0:
		return wrong("ProbeTimeout", c.ProbeTimeout, "at least 0")
	case c.Mode > Shadow:
		return wrong("Mode", c.Mode, "one of the four")
	}
	return nil
}

// isPart reports whether x is 0 to 1, which NaN is not.
func isPart(x float64) bool { return x >= 0 && x <= 1 }

// rates reports whether a rate can trip the breaker.
func (c *Config) rates() bool { return c.FailureRate > 0 || c.SlowCallRate > 0 }

// counts reports whether there is a window, and successes are counted.
func (c *Config) counts() bool { return c.rates() || c.CountCalls }

// timed reports whether it matters how long calls take.
func (c *Config) timed() bool { return c.SlowCallThreshold > 0 && c.counts() }

// slow reports whether a call that took so long is slow.
func (c *Config) slow(took time.Duration) bool {
	return c.SlowCallThreshold > 0 && took >= c.SlowCallThreshold
}

// tooMany reports whether the calls of a window trip the breaker.
func (c *Config) tooMany(counts rolling.Counts) bool {
	calls := counts[successes] + counts[failures]
	if !c.rates() || calls < uint64(c.MinCalls) {
		return false
	}
	// A quotient of integers is rounded once, to the same number as the literal
	// of the rate: 7 of 100 is exactly 0.07, where 0.07 * 100 is more than 7.
	return c.FailureRate > 0 && float64(counts[failures])/float64(calls) >= c.FailureRate ||
		c.SlowCallRate > 0 && float64(counts[slows])/float64(calls) >= c.SlowCallRate
}

// interval returns how long to stay open after so many probes have failed, if
// the other side asked for some time.
func (c *Config) interval(failed int, asked time.Duration) time.Duration {
	d := c.ResetTimeout
	if failed > 0 {
		d = c.MaxResetTimeout
		longer := float64(c.ResetTimeout) * math.Pow(c.ResetMultiplier, float64(failed))
		if longer < float64(d) { // else it may not fit into a Duration, or be Inf
			d = time.Duration(longer)
		}
		d -= time.Duration(float64(d) * c.ResetJitter * rand.Float64())
	}
	return max(d, c.ResetTimeout, min(asked, c.MaxResetTimeout))
}
