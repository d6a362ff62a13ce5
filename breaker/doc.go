// Package breaker stops calls to what is down, and finds out when it is up again.
//
//	b, err := breaker.New(breaker.Config{Name: "payments"})
//	receipt, err := breaker.Do(ctx, b, func(ctx context.Context) (Receipt, error) {
//		return payments.Charge(ctx, order)
//	})
//	if open, ok := errors.AsType[*breaker.OpenError](err); ok {
//		log.Printf("payments is down, come back in %s", open.RetryAfter())
//	}
//
// A breaker is closed until a rule of its [Config] trips it: failures in a row,
// or a rate of failures or of slow calls. Open, it rejects calls at once, with
// [ErrOpen]. After a while it is half-open and lets a few calls through, its
// probes: if they succeed it closes, if one fails it opens again, for longer.
//
// Do not use a breaker around what cannot be down (a computation), nor one
// breaker for several servers: one that is down would take the others away. A
// [Group] keeps one for each.
//
// # What counts
//
// The outcome of a call is a success, a failure, or neutral: one that says
// nothing about the other side.
//
//   - A call without an error is a success.
//   - A call whose own context was cancelled is neutral: the caller has left.
//   - A call whose own context ran out of time is a failure, unless it had too
//     little time from the start: less than [Config.SlowCallThreshold], or 10 ms
//     if there is none. Then it is neutral.
//   - A call that panics, or ends its goroutine, is a failure. The panic passes
//     through, with its stack.
//   - Any other error is what [Config.Classify] says, by default a failure. An
//     error that means "the answer is no" (not found, not allowed) is a success of
//     the one who gave it: a breaker that sees only failures never closes.
//
// # Probes
//
// A probe is a lease: one that hangs is taken back after [Config.ProbeTimeout],
// and another call may probe. What comes back later, and whatever was admitted
// before the last change of state, counts in the totals of [Snapshot] and nowhere
// else. So a late answer can neither close a breaker nor open it.
package breaker
