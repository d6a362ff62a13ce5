package breakermodel_test

import (
	"errors"
	"time"

	"pgregory.net/rapid"

	"github.com/parlance-go/parlance/breaker"
)

// The errors of the other side.
var (
	errDown = errors.New("down")
	errNo   = errors.New("the answer is no") // which classify takes for a success
	errOurs = errors.New("our own fault")    // and this for neutral
)

// An errBusy is a failure that says how long to stay away.
type errBusy time.Duration

func (e errBusy) Error() string             { return "busy for " + time.Duration(e).String() }
func (e errBusy) RetryAfter() time.Duration { return time.Duration(e) }

func classify(err error) breaker.Outcome {
	switch {
	case errors.Is(err, errNo):
		return breaker.Success
	case errors.Is(err, errOurs):
		return breaker.Neutral
	default:
		return breaker.Failure
	}
}

var modes = []breaker.Mode{
	breaker.Automatic, breaker.Automatic, breaker.Shadow, breaker.Shadow, breaker.Disabled, breaker.ForcedOpen,
}

// anyConfig draws a Config whose numbers are so small that everything happens
// soon. Its durations are multiples of a unit, of which the window has ten.
func anyConfig(r *rapid.T) (c breaker.Config, unit time.Duration) {
	unit = time.Second
	if rapid.Bool().Draw(r, "Window") {
		unit = 100 * time.Millisecond
		c.Window = 10 * unit
	}
	units := func(field string, n ...int) time.Duration {
		return time.Duration(rapid.SampledFrom(n).Draw(r, field)) * unit
	}
	one := func(field string, n ...int) int { return rapid.SampledFrom(n).Draw(r, field) }
	part := func(field string, x ...float64) float64 { return rapid.SampledFrom(x).Draw(r, field) }

	c.Name = "model"
	c.ConsecutiveFailures = one("ConsecutiveFailures", 0, 0, 1, 2, 3, 7)
	c.FailureRate = part("FailureRate", 0, 0, 0.1, 0.5, 0.75, 1)
	c.SlowCallRate = part("SlowCallRate", 0, 0, 0.5, 1)
	if c.SlowCallRate > 0 {
		c.SlowCallThreshold = units("SlowCallThreshold", 1, 3)
	} else {
		c.SlowCallThreshold = units("SlowCallThreshold", 0, 1)
	}
	c.WindowCalls = one("WindowCalls", 0, 0, 1, 3, 10)
	c.MinCalls = one("MinCalls", 0, 1, 2, 5, 5)
	if c.WindowCalls > 0 {
		c.MinCalls = min(c.MinCalls, c.WindowCalls)
	}
	c.CountCalls = rapid.Bool().Draw(r, "CountCalls")
	c.ResetTimeout = units("ResetTimeout", 0, 1, 3, 20)
	c.ResetMultiplier = part("ResetMultiplier", 0, 1, 1.5, 3)
	if c.ResetTimeout > 0 {
		c.MaxResetTimeout = c.ResetTimeout * time.Duration(one("MaxResetTimeout", 0, 1, 4))
	}
	c.ResetJitter = part("ResetJitter", 0, 0.5, 1)
	c.Probes = one("Probes", 0, 1, 2, 5)
	c.ConcurrentProbes = rapid.IntRange(0, max(c.Probes, 1)).Draw(r, "ConcurrentProbes")
	c.ProbeTimeout = units("ProbeTimeout", 0, 1, 5)
	if rapid.Bool().Draw(r, "Classify") {
		c.Classify = classify
	}
	return c, unit
}

func anyError(r *rapid.T, unit time.Duration) error {
	return rapid.SampledFrom([]error{
		nil, nil, nil, errDown, errDown, errDown, errNo, errOurs, errBusy(0), errBusy(7 * unit), errBusy(time.Hour),
	}).Draw(r, "error")
}

func anyOutcome(r *rapid.T) breaker.Outcome {
	return rapid.SampledFrom([]breaker.Outcome{
		breaker.Success, breaker.Success, breaker.Failure, breaker.Failure, breaker.Failure, breaker.Neutral, 77,
	}).Draw(r, "outcome")
}
