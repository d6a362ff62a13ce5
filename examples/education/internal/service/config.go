package service

import (
	"log/slog"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/policy"
	"github.com/parlance-go/parlance/retry"
)

// How long a breaker stays open, if the settings do not say. The defaults of the
// library are for services that are far away.
const (
	resetTimeout    = 5 * time.Second
	maxResetTimeout = 30 * time.Second
)

// Config sets up a Client. All fields but AttemptShare are required.
type Config struct {
	// Name is that of the service, for errors and the log.
	Name string
	// URL is where it is.
	URL string
	// Hop says who calls, and by that how long a call may take.
	Hop retry.Hop
	// AttemptShare is the part of that time that one attempt has, from 0 to 1, so
	// that some is left for another attempt. It holds if Calls do not say.
	// Defaults to all of it.
	AttemptShare float64
	// Calls are the timeouts, retries and breakers.
	Calls policy.Settings
	// Logger is told of retries and of the breaker.
	Logger *slog.Logger
}

// policy returns what all calls to one service share. It is policy.Settings.Policy,
// with hooks, and with a breaker that can be looked at.
func (c *Config) policy(logger *slog.Logger) (*policy.Policy, *breaker.Breaker, error) {
	trips := c.Calls.Breaker
	trips.Name = c.Name
	trips.CountCalls = true // for Status
	if trips.ResetTimeout == 0 {
		trips.ResetTimeout = resetTimeout
		if trips.MaxResetTimeout == 0 {
			trips.MaxResetTimeout = maxResetTimeout
		}
	}
	trips.Hooks.Transition = func(t breaker.Transition) {
		switch t.To {
		case breaker.Open:
			logger.Warn("breaker opens: the service is not called for a while",
				"error", t.Cause, "until", t.Until.Format(time.TimeOnly))
		case breaker.Closed:
			logger.Warn("breaker closes: the service answers again")
		case breaker.HalfOpen:
			logger.Info("breaker is half-open: a call finds out whether the service is back")
		}
	}
	b, err := breaker.New(trips)
	if err != nil {
		return nil, nil, err
	}
	again := c.Calls.Retry
	again.Hooks.Retry = func(r retry.Retry) {
		logger.Warn("call failed, will try again", "attempt", r.Attempt, "error", r.Err, "delay", r.Delay)
	}
	retries, err := retry.New(again)
	if err != nil {
		return nil, nil, err
	}
	settings := policy.Config{
		Name:           c.Name,
		Timeout:        c.Calls.Timeouts.For(c.Hop),
		Retry:          retries,
		Breaker:        b,
		AttemptTimeout: c.Calls.AttemptTimeout,
	}
	if settings.AttemptTimeout == 0 {
		settings.AttemptTimeout = time.Duration(float64(settings.Timeout) * c.AttemptShare)
	}
	if c.Calls.Bulkhead != nil {
		room := *c.Calls.Bulkhead
		room.Name = c.Name
		if settings.Bulkhead, err = policy.NewBulkhead(room); err != nil {
			return nil, nil, err
		}
	}
	p, err := policy.New(settings)
	return p, b, err
}
