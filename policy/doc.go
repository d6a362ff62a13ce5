// Package policy puts everything that a service wraps around an outgoing call in
// the one order that works.
//
//	payments, err := policy.New(policy.Config{
//		Name:    "payments",
//		Timeout: 10 * time.Second,
//		Retry:   retries,  // a *retry.Policy
//		Breaker: breakers, // a *breaker.Breaker, or a *breaker.Group
//	})
//	receipt, err := policy.Do(ctx, payments, charge)
//	client := payments.Client("payments") // an *http.Client
//
// Use the packages breaker and retry by themselves where one of them is all you
// need. Do not nest policies: a call has one.
//
// # The order
//
//	timeout → retry → hedge → limit → bulkhead → breaker → attempt timeout → call
//
// The timeout bounds all that follows, delays and queues too. Each attempt, and
// each hedge, is limited and counted by itself, since the other side sees each.
// An attempt with a limit or a bulkhead asks the breaker twice: before it queues, to
// be rejected at once, and after, because the breaker may have opened meanwhile. So
// the breaker measures the call and never the queue, and nobody waits for a call that
// will not be made: an attempt that opens the breaker is the last one.
//
// An open breaker, a full bulkhead and an exhausted limit are not retried.
package policy
