package retry

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// Config says how often and when a call is tried again. Its zero value is a
// sensible policy.
type Config struct {
	// MaxAttempts is the number of attempts, with the first, from 1 to 1,000.
	// Defaults to 3.
	MaxAttempts int

	// BaseDelay is the longest delay before the second attempt, MaxDelay that
	// before any attempt. In between the delay grows by Multiplier, at least 1.
	// They default to 100 ms (or MaxDelay, if that is shorter), 5 s (or BaseDelay,
	// if that is longer) and 2.
	BaseDelay  time.Duration
	MaxDelay   time.Duration
	Multiplier float64

	// Jitter spreads the delays between bounds that the fields above give, and
	// never above MaxDelay.
	// Defaults to FullJitter.
	Jitter Jitter

	// JitterFraction is how much of the delay ProportionalJitter takes or adds,
	// above 0 and at most 1.
	// Defaults to 0.2.
	JitterFraction float64

	// BackOff returns a new source of delays, in place of the fields for delays
	// above: such as a backoff.ExponentialBackOff of cenkalti/backoff. It is called
	// when the first attempt of a Do has failed, by several goroutines at once, so
	// it must return another one each time, and not nil: that panics. MaxAttempts
	// holds too.
	// Defaults to none.
	BackOff func() BackOff

	// RetryIf reports whether an attempt that failed with err is worth another.
	// The package comment says which errors it is asked about. It is called by
	// several goroutines at once.
	// Defaults to Transient.
	RetryIf func(err error) bool

	// Ready is asked before each further attempt, when its delay is known, whether
	// that attempt could be made at all. An error is the reason why not, and ends the
	// call with it at once: package policy asks its breaker so. It is called by
	// several goroutines at once.
	// Defaults to none.
	Ready func(ctx context.Context, delay time.Duration) error

	// AttemptTimeout bounds each attempt, Timeout all of them with the delays in
	// between. A context's own deadline holds too.
	// They default to no bound.
	AttemptTimeout time.Duration
	Timeout        time.Duration

	// MinAttempt is how much time must be left before the deadline for another
	// attempt to begin.
	// Defaults to 0: any time at all.
	MinAttempt time.Duration

	// MaxRetryAfter is the longest delay to accept from the other side; if it
	// asks for a longer one, no attempt follows.
	// Defaults to 60 s.
	MaxRetryAfter time.Duration

	// Budget bounds the retries and hedges of all policies that share it.
	// Defaults to none.
	Budget *Budget

	// Hedge starts an attempt a second time while the first is under way.
	// Defaults to none.
	Hedge *Hedge

	// Hooks are told what happens.
	Hooks Hooks
}

const (
	defaultAttempts       = 3
	defaultBaseDelay      = 100 * time.Millisecond
	defaultMaxDelay       = 5 * time.Second
	defaultMultiplier     = 2
	defaultJitterFraction = 0.2
	defaultMaxRetryAfter  = 60 * time.Second

	mostAttempts = 1000
)

// check returns an error that names the field that is wrong.
func (c *Config) check() error {
	durations := []struct {
		name  string
		value time.Duration
	}{
		{"BaseDelay", c.BaseDelay},
		{"MaxDelay", c.MaxDelay},
		{"AttemptTimeout", c.AttemptTimeout},
		{"Timeout", c.Timeout},
		{"MinAttempt", c.MinAttempt},
		{"MaxRetryAfter", c.MaxRetryAfter},
	}
	for _, d := range durations {
		if d.value < 0 {
			return fmt.Errorf("retry: Config.%s is %v, want 0 or more", d.name, d.value)
		}
	}
	switch {
	case c.MaxAttempts < 0 || c.MaxAttempts > mostAttempts:
		return fmt.Errorf("retry: Config.MaxAttempts is %d, want 1 to 1,000, or 0 for %d", c.MaxAttempts, defaultAttempts)
	case c.MaxDelay > 0 && c.BaseDelay > c.MaxDelay:
		return fmt.Errorf("retry: Config.BaseDelay is %v, want at most MaxDelay, which is %v", c.BaseDelay, c.MaxDelay)
	case c.Multiplier != 0 && !(c.Multiplier >= 1 && c.Multiplier <= math.MaxFloat64): // nor NaN
		return fmt.Errorf("retry: Config.Multiplier is %v, want 1 or more, or 0 for %d", c.Multiplier, defaultMultiplier)
	case c.Jitter > NoJitter:
		return fmt.Errorf("retry: Config.Jitter is %v, want one of the kinds of this package", c.Jitter)
	case c.JitterFraction != 0 && !(c.JitterFraction > 0 && c.JitterFraction <= 1): // nor NaN
		return fmt.Errorf("retry: Config.JitterFraction is %v, want above 0 to 1, or 0 for %v", c.JitterFraction, defaultJitterFraction)
	case c.Budget != nil && c.Budget.window == nil:
		return errors.New("retry: Config.Budget was not made by NewBudget")
	case c.Timeout > 0 && c.AttemptTimeout > c.Timeout:
		return fmt.Errorf("retry: Config.AttemptTimeout is %v, want at most Timeout, which is %v", c.AttemptTimeout, c.Timeout)
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.MaxAttempts == 0 {
		c.MaxAttempts = defaultAttempts
	}
	switch {
	case c.BaseDelay == 0 && c.MaxDelay == 0:
		c.BaseDelay, c.MaxDelay = defaultBaseDelay, defaultMaxDelay
	case c.BaseDelay == 0:
		c.BaseDelay = min(defaultBaseDelay, c.MaxDelay)
	case c.MaxDelay == 0:
		c.MaxDelay = max(defaultMaxDelay, c.BaseDelay)
	}
	if c.Multiplier == 0 {
		c.Multiplier = defaultMultiplier
	}
	if c.JitterFraction == 0 {
		c.JitterFraction = defaultJitterFraction
	}
	if c.RetryIf == nil {
		c.RetryIf = Transient
	}
	if c.MaxRetryAfter == 0 {
		c.MaxRetryAfter = defaultMaxRetryAfter
	}
	return c
}
