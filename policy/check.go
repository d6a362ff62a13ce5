package policy

import (
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/parlance-go/parlance/retry"
)

// check returns why a policy of this Config cannot work.
func (c *Config) check() error {
	for _, err := range []error{c.checkPointers(), c.checkTimeouts(), c.checkHedge(), c.checkDelays()} {
		if err != nil {
			return err
		}
	}
	return nil
}

// checkPointers finds what is not nil but holds nil, which would panic in the first
// call.
func (c *Config) checkPointers() error {
	for _, part := range []struct {
		field string
		value any
	}{
		{"Limit", c.Limit},
		{"Breaker", c.Breaker},
	} {
		if v := reflect.ValueOf(part.value); v.Kind() == reflect.Pointer && v.IsNil() {
			return fmt.Errorf("policy: Config.%s is a nil %T: leave the field out to have none", part.field, part.value)
		}
	}
	return nil
}

func (c *Config) checkTimeouts() error {
	if c.Timeout < 0 {
		return fmt.Errorf("policy: Config.Timeout is %s, want 0 or more", c.Timeout)
	}
	if c.AttemptTimeout < 0 {
		return fmt.Errorf("policy: Config.AttemptTimeout is %s, want 0 or more", c.AttemptTimeout)
	}
	if c.Retry != nil {
		r := c.Retry.Config()
		if r.AttemptTimeout > 0 {
			return fmt.Errorf("policy: Config.Retry has the AttemptTimeout %s: set it in Config.AttemptTimeout, "+
				"or it would bound the queues too, and hide from the breaker that a call took too long", r.AttemptTimeout)
		}
		if c.Timeout > 0 && r.Timeout > c.Timeout {
			return fmt.Errorf("policy: Config.Retry has the Timeout %s, which is more than Timeout %s: "+
				"it could never run into it", r.Timeout, c.Timeout)
		}
	}
	if timeout, field := c.timeout(); timeout > 0 && c.AttemptTimeout >= timeout {
		return fmt.Errorf("policy: Config.AttemptTimeout is %s, which is not less than %s %s: "+
			"the attempt could never run into it", c.AttemptTimeout, field, timeout)
	}
	return nil
}

func (c *Config) checkHedge() error {
	hedge, field := c.Hedge, "Hedge"
	if c.Retry != nil {
		if inRetry := c.Retry.Config().Hedge; inRetry != nil {
			if hedge != nil {
				return fmt.Errorf("policy: Config.Hedge is set, and Retry has a Hedge too: an attempt has one")
			}
			hedge, field = inRetry, "Retry has a Hedge whose Delay"
		}
	}
	if hedge == nil {
		return nil
	}
	if field == "Hedge" {
		field = "Hedge.Delay"
	}
	delay := hedge.Delay()
	if c.AttemptTimeout > 0 && delay >= c.AttemptTimeout {
		return fmt.Errorf("policy: Config.%s is %s, which is not less than AttemptTimeout %s: "+
			"the attempt would be over before", field, delay, c.AttemptTimeout)
	}
	if timeout, of := c.timeout(); timeout > 0 && delay >= timeout {
		return fmt.Errorf("policy: Config.%s is %s, which is not less than %s %s: "+
			"the call would be over before", field, delay, of, timeout)
	}
	return nil
}

// checkDelays compares the delays between the attempts with the timeout. The
// attempts themselves may take no time, so they are not counted.
func (c *Config) checkDelays() error {
	timeout, field := c.timeout()
	if c.Retry == nil || timeout == 0 {
		return nil
	}
	r := c.Retry.Config()
	if r.MaxAttempts == 1 {
		return nil
	}
	if r.MinAttempt >= timeout {
		return fmt.Errorf("policy: Config.Retry has the MinAttempt %s, which is not less than %s %s: "+
			"no second attempt would ever begin", r.MinAttempt, field, timeout)
	}
	if r.BackOff != nil {
		return nil
	}
	delays, least := longestDelays(r), ""
	if r.MinAttempt > 0 {
		least = fmt.Sprintf(" and a MinAttempt of %s", r.MinAttempt)
	}
	if delays >= timeout-r.MinAttempt {
		return fmt.Errorf("policy: Config.Retry makes %d attempts with delays of up to %s in all%s, which reach %s %s: "+
			"the last attempt would come too late", r.MaxAttempts, delays, least, field, timeout)
	}
	return nil
}

// longestDelays returns the sum of the longest delays that a policy can have, or
// the longest Duration there is.
func longestDelays(r retry.Config) time.Duration {
	delay, grow, jitter := float64(r.BaseDelay), r.Multiplier, 1.0
	switch r.Jitter {
	case retry.DecorrelatedJitter:
		delay, grow = 3*delay, 3
	case retry.ProportionalJitter:
		jitter += r.JitterFraction
	case retry.FullJitter, retry.EqualJitter, retry.NoJitter:
	}
	sum := 0.0
	for range r.MaxAttempts - 1 {
		sum += min(delay*jitter, float64(r.MaxDelay))
		delay *= grow // at worst +Inf
	}
	if sum >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(sum)
}
