package policy

import (
	"context"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/retry"
)

// Do calls fn under the policy and returns what its last attempt returned. A nil
// *Policy just calls. Do panics if fn is nil. For a call without a result T is
// struct{}.
//
// Errors of the parts are found with errors.Is and errors.As: [*retry.Error],
// [*breaker.OpenError], [ErrFull], [*LimitError], [*retry.TimeoutError]. The last
// one is also that of a policy with a Timeout and without Retry and Hedge. If the
// context ended the call, context.Canceled or context.DeadlineExceeded is found as
// well as its cause.
//
// The context of fn ends when its attempt does, if there is an AttemptTimeout or a
// Hedge, and otherwise with Do, if there is a Timeout: what fn returns must not
// need it. [Transport] keeps it for the body of a response.
func Do[T any](ctx context.Context, p *Policy, fn func(context.Context) (T, error)) (T, error) {
	if fn == nil {
		panic("policy: Do: fn is nil")
	}
	switch {
	case p == nil || p.retry == nil && p.timeout == nil && !p.guards():
		return fn(ctx)
	case p.retry == nil:
		return once(ctx, p, fn)
	case p.guards():
		return retry.Do(ctx, p.retry, func(ctx context.Context) (T, error) { return attempt(ctx, p, fn) })
	default:
		return retry.Do(ctx, p.retry, fn)
	}
}

// guards reports whether there is anything between the retries and the call.
func (p *Policy) guards() bool {
	return p.limit != nil || p.bulkhead != nil || p.breakers != nil || p.attemptTimeout != nil
}

// once makes the one attempt of a policy without retries, within its timeout.
func once[T any](ctx context.Context, p *Policy, fn func(context.Context) (T, error)) (T, error) {
	if p.timeout == nil {
		return attempt(ctx, p, fn)
	}
	limited, cancel := p.timeout.limit(ctx)
	defer cancel()
	value, err := attempt(limited, p, fn)
	return value, p.timeout.explain(ctx, limited, err)
}

// attempt calls fn when limit, bulkhead and breaker let it, and tells them how it
// went, also if fn panics or ends its goroutine.
func attempt[T any](ctx context.Context, p *Policy, fn func(context.Context) (T, error)) (value T, err error) {
	b := p.breaker(p.name)
	place, err := p.queue(ctx, b)
	if err != nil {
		return value, err
	}
	outcome := breaker.Neutral // until there is a call
	if p.bulkhead != nil {
		defer func() { place.Done(outcome) }()
	}
	if b == nil {
		if ctx.Err() != nil {
			return value, ended(ctx, "before the call")
		}
		outcome = breaker.Failure
		value, err = call(ctx, p, fn)
		outcome = outcomeOf(ctx, err)
		return value, err
	}
	permit, err := b.Acquire(ctx)
	if err != nil {
		return value, err
	}
	defer permit.Done(breaker.Failure)
	outcome = breaker.Failure
	value, err = call(ctx, p, fn)
	// With the context from outside the attempt timeout: so the breaker sees a
	// failure of the other side, and not the end of the caller's patience.
	outcome = permit.DoneErr(ctx, err)
	return value, err
}

// call calls fn within the attempt timeout.
func call[T any](ctx context.Context, p *Policy, fn func(context.Context) (T, error)) (T, error) {
	if p.attemptTimeout == nil {
		return fn(ctx)
	}
	limited, cancel := p.attemptTimeout.limit(ctx)
	defer cancel()
	value, err := fn(limited)
	return value, p.attemptTimeout.explain(ctx, limited, err)
}
