package policy

import (
	"context"
	"errors"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/retry"
)

// breaker returns the breaker of a key, or nil if there is none.
func (p *Policy) breaker(key string) *breaker.Breaker {
	if p.breakers == nil {
		return nil
	}
	return p.breakers.For(key)
}

// ready returns a retry.Config.Ready that asks the breaker of a call, and then the
// one that Retry has, if it has one. When a failure has opened the breaker, nobody
// waits for an attempt that it would reject, and the failure is not lost behind the
// rejection.
func (p *Policy) ready(then func(context.Context, time.Duration) error) func(context.Context, time.Duration) error {
	return func(ctx context.Context, delay time.Duration) error {
		b, ok := ctx.Value(breakerKey{p.retry}).(*breaker.Breaker)
		if !ok {
			b = p.breaker(p.name)
		}
		if open := openAfter(b, delay); open != nil {
			return open
		}
		if then == nil {
			return nil
		}
		return then(ctx, delay)
	}
}

// openAfter returns the error of a breaker that will still be open after a delay,
// unless somebody changes its mode. A half-open one may have room by then.
func openAfter(b *breaker.Breaker, delay time.Duration) error {
	if b == nil {
		return nil
	}
	open, ok := errors.AsType[*breaker.OpenError](b.Err())
	if ok && open.State == breaker.Open && (open.Until.IsZero() || open.RetryAfter() > delay) {
		return open
	}
	return nil
}

// breakerKey is the key of a context's breaker, if that is not the one of Do. It is
// that of these retries only: with the same context another policy may be called, such
// as for a token.
type breakerKey struct{ retries *retry.Policy }

// queue waits for the limit and for a place in the bulkhead, unless b would reject
// the call as things are. Without a bulkhead the place is of no use.
func (p *Policy) queue(ctx context.Context, b *breaker.Breaker) (place Place, err error) {
	if p.limit == nil && p.bulkhead == nil {
		return place, nil
	}
	if b != nil {
		if err := reject(ctx, b); err != nil {
			return place, err
		}
	}
	if p.limit != nil {
		if err := p.limit.Wait(ctx); err != nil {
			if ctx.Err() != nil {
				return place, ended(ctx, "wait for the limit")
			}
			return place, &LimitError{Name: p.name, Err: err}
		}
	}
	if p.bulkhead != nil {
		return p.bulkhead.Acquire(ctx)
	}
	return place, nil
}

// reject returns the error of a breaker that rejects calls at present. Only such a
// breaker is asked for a permit, so that it counts the rejection: the time of a call
// begins with its permit, which must not be taken before the queue.
func reject(ctx context.Context, b *breaker.Breaker) error {
	if b.Err() == nil {
		return nil
	}
	permit, err := b.Acquire(ctx)
	permit.Done(breaker.Neutral) // if it admits calls again
	return err
}

// outcomeOf returns what a bulkhead learns of a call if no breaker says it. Calls
// that failed for reasons of their own, quickly perhaps, teach it nothing.
func outcomeOf(ctx context.Context, err error) breaker.Outcome {
	switch {
	case err == nil:
		return breaker.Success
	case errors.Is(ctx.Err(), context.Canceled):
		return breaker.Neutral
	case retry.Transient(err):
		return breaker.Failure
	default:
		return breaker.Neutral
	}
}
