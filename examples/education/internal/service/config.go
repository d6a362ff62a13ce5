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

// Config sets up a Client. All fields are required.
type Config struct {
	// Name is that of the service, for errors and the log.
	Name string
	// URL is where it is.
	URL string
	// Hop says who calls, and by that how long a call may take.
	Hop retry.Hop
	// Calls are the timeouts, retries and breakers.
	Calls policy.Settings
	// Logger is told of retries and of the breaker.
	Logger *slog.Logger
}

// policy returns what all calls to the service share: the settings, with hooks.
func (c Config) policy(logger *slog.Logger) (*policy.Policy, error) {
	trips, retries := &c.Calls.Breaker, &c.Calls.Retry
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
	retries.Hooks.Retry = func(r retry.Retry) {
		logger.Warn("call failed, will try again", "attempt", r.Attempt, "error", r.Err, "delay", r.Delay)
	}
	return c.Calls.Policy(c.Name, c.Hop)
}
