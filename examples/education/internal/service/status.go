package service

import "github.com/parlance-go/parlance/breaker"

// Status is how the calls to a service fare.
type Status struct {
	Name string `json:"name"`
	// Breaker is its state: closed, open or half-open.
	Breaker string `json:"breaker"`
	// RetryAfter is in how many seconds an open breaker will let a call through.
	RetryAfter int `json:"retryAfterSeconds,omitempty"`
	// Successes, Failures and Rejected are how many calls there were, with those
	// that were tried again.
	Successes uint64 `json:"successes"`
	Failures  uint64 `json:"failures"`
	Rejected  uint64 `json:"rejected"`
}

// Up tells that calls are made as ever.
func (s Status) Up() bool { return s.Breaker == breaker.Closed.String() }

// Status returns how the calls fare.
func (c *Client) Status() Status {
	counts := c.breaker.Snapshot()
	status := Status{
		Name: c.name, Breaker: counts.State.String(),
		Successes: counts.Successes, Failures: counts.Failures, Rejected: counts.Rejected,
	}
	if counts.State == breaker.Open {
		status.RetryAfter = Seconds(counts.RetryAfter)
	}
	return status
}
