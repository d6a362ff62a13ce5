package policy

import (
	"context"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/retry"
)

// Config lists the parts of a policy. Each may be left out; the zero Config just
// calls.
type Config struct {
	// Name is what errors call the other side, and the key in a breaker.Group.
	// Defaults to no name.
	Name string

	// Timeout bounds the call with all its attempts and delays.
	// Defaults to no bound but the context's.
	Timeout time.Duration

	// Retry says what is tried again.
	// Defaults to one attempt.
	Retry *retry.Policy

	// Hedge starts a slow attempt a second time. It uses the budget of Retry, and
	// without one hedges without bound. Set it here or in Retry.
	// Defaults to none.
	Hedge *retry.Hedge

	// Limit is waited for before each attempt. A *rate.Limiter of x/time/rate is
	// one.
	// Defaults to none.
	Limit Limiter

	// Bulkhead bounds the attempts under way at once.
	// Defaults to none.
	Bulkhead *Bulkhead

	// Breaker is a *breaker.Breaker, or a *breaker.Group of which Do takes the one
	// of Name, and Transport the one of the request's host.
	// Defaults to none.
	Breaker breaker.Breakers

	// AttemptTimeout bounds each attempt, once it is let through. It must be less
	// than Timeout, and should be more than the SlowCallThreshold of Breaker, or no
	// call is slow. Set it here, not in Retry: the breaker has to see it.
	// With less than 1 ms Transport sends nothing, as retry.DeadlineTransport says.
	// Defaults to no bound.
	AttemptTimeout time.Duration
}

// A Limiter makes calls wait for their turn.
type Limiter interface {
	// Wait returns when the call may go on, or an error if it may not, or not
	// before ctx ends. Several goroutines call it at once.
	Wait(ctx context.Context) error
}

// A Policy calls one other side, or one kind of them. It never changes, and one
// serves any number of goroutines. Make one with [New].
type Policy struct {
	name string

	// retry has the timeout too. It is nil if there is one attempt.
	retry *retry.Policy
	// timeout is that of the one attempt, if retry is nil.
	timeout *timeout

	limit          Limiter
	bulkhead       *Bulkhead
	breakers       breaker.Breakers
	attemptTimeout *timeout
}

// New returns a policy, or an error that names the field and says why it cannot
// work:
//
//   - a timeout is negative, or AttemptTimeout is not less than Timeout,
//   - the delays of Retry alone, at their longest and with its MinAttempt, reach
//     Timeout (a BackOff is not asked),
//   - Retry has an AttemptTimeout, or a Timeout beyond that of the policy,
//   - Hedge is set here and in Retry, or its delay reaches AttemptTimeout or
//     Timeout,
//   - Limit or Breaker is a nil pointer.
//
// Where Retry has a Timeout and the policy has none, it is that of the policy.
func New(c Config) (*Policy, error) {
	p := &Policy{
		name:           c.Name,
		limit:          c.Limit,
		bulkhead:       c.Bulkhead,
		breakers:       c.Breaker,
		attemptTimeout: newTimeout(c.AttemptTimeout),
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.Retry == nil && c.Hedge == nil {
		p.timeout = newTimeout(c.Timeout)
		return p, nil
	}
	attempts := c.attempts()
	if p.breakers != nil {
		attempts.Ready = p.ready(attempts.Ready)
	}
	var err error
	p.retry, err = retry.New(attempts)
	return p, err
}

// attempts returns the Config of the retries, hedges and timeout together.
func (c *Config) attempts() retry.Config {
	attempts := retry.Config{MaxAttempts: 1}
	if c.Retry != nil {
		attempts = c.Retry.Config()
	}
	if c.Hedge != nil {
		attempts.Hedge = c.Hedge
	}
	attempts.Timeout, _ = c.timeout()
	return attempts
}

// timeout returns the timeout of the policy, which Retry may shorten, and the field
// that says so.
func (c *Config) timeout() (timeout time.Duration, field string) {
	if c.Retry != nil {
		if timeout := c.Retry.Config().Timeout; timeout > 0 {
			return timeout, "the Timeout of Retry"
		}
	}
	return c.Timeout, "Timeout"
}

// Breaker returns the breaker that Do asks, for its Snapshot or to set its mode; nil
// if there is none.
func (p *Policy) Breaker() *breaker.Breaker {
	if p == nil {
		return nil
	}
	return p.breaker(p.name)
}

// Bulkhead returns the bulkhead of the Config; nil if there is none.
func (p *Policy) Bulkhead() *Bulkhead {
	if p == nil {
		return nil
	}
	return p.bulkhead
}

// Name returns the name of the Config.
func (p *Policy) Name() string {
	if p == nil {
		return ""
	}
	return p.name
}
