package policy

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/retry"
)

// Transport returns a RoundTripper that sends each request under the policy, as
// retry.Transport and breaker.Transport describe. It tells the other side how long
// it has, in [retry.TimeoutHeader], with each attempt anew.
//
// A call is under way until the body of its response is read to its end or closed:
// until then it keeps its place in the bulkhead, and both timeouts can end it. When
// AttemptTimeout ends the reading, the error is a [*retry.TimeoutError]. The retries,
// the breaker and an adaptive limit decide by the header. A response with status 101
// ends the call: the connection is the caller's.
//
// So a body must be closed, as always: a timeout makes reading it fail, but only
// reading or closing it gives the place back. Where reading the body of the request
// itself blocks, net/http waits for it, and so does the policy.
//
// To http.Client a redirect is another request, with a timeout and attempts of its
// own. A request that is not sent has its body closed. The errors are those of [Do];
// [http.Client] wraps them in a [*net/url.Error].
//
// base defaults to http.DefaultTransport. A nil *Policy just calls it.
func Transport(p *Policy, base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	if p == nil {
		return base
	}
	next := retry.DeadlineTransport(base)
	if p.attemptTimeout != nil {
		next = &timeoutTransport{p.attemptTimeout, next}
	}
	if p.limit != nil || p.bulkhead != nil || p.breakers != nil {
		next = &attemptTransport{p, next}
	}
	switch {
	case p.retry != nil:
		next = retry.Transport(p.retry, next)
	case p.timeout != nil:
		next = &timeoutTransport{p.timeout, next}
	}
	t := &transport{next: next, base: base, key: breakerKey{p.retry}}
	if _, same := p.breakers.(*breaker.Breaker); !same && p.retry != nil {
		t.breakers = p.breakers
	}
	return t
}

// A transport sends requests by next, and can close the idle connections of base,
// for http.Client.CloseIdleConnections.
type transport struct {
	next, base http.RoundTripper
	// breakers is nil if the retries find the breaker by themselves.
	breakers breaker.Breakers
	key      breakerKey
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	out := r
	if t.breakers != nil && r.URL != nil {
		b := t.breakers.For(r.URL.Host)
		out = r.WithContext(context.WithValue(r.Context(), t.key, b))
	}
	response, err := t.next.RoundTrip(out)
	if response != nil {
		response.Request = r // not the one with the context of an attempt
	}
	return response, err
}

func (t *transport) CloseIdleConnections() {
	if base, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// An attemptTransport sends a request when limit, bulkhead and breaker let it.
type attemptTransport struct {
	policy *Policy
	next   http.RoundTripper
}

func (t *attemptTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL == nil {
		return t.next.RoundTrip(r) // which says so
	}
	p, ctx := t.policy, r.Context()
	b := p.breaker(r.URL.Host)
	place, err := p.queue(ctx, b)
	if err == nil && p.tooLate(ctx) {
		err = fmt.Errorf("policy: request not sent: its time is over: %w", context.DeadlineExceeded)
		place.Done(breaker.Neutral)
	}
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
	send := t.next
	if b != nil {
		send = breaker.Transport(b, t.next)
	}
	if p.bulkhead == nil {
		return send.RoundTrip(r)
	}

	outcome := breaker.Failure // a panic
	leave := sync.OnceFunc(func() { place.Done(outcome) })
	kept := false
	defer func() {
		if !kept {
			leave()
		}
	}()
	response, err := send.RoundTrip(r)
	if err != nil || response == nil {
		outcome = outcomeOf(ctx, err)
		return response, err
	}
	place.learn(outcomeOfStatus(response))
	outcome = breaker.Neutral // how fast the body is read is up to the reader
	kept = atEnd(response, asItIs, leave)
	return response, nil
}

func asItIs(err error) error { return err }

// learn tells an adaptive limit the outcome of a call that keeps its place.
func (p *Place) learn(o breaker.Outcome) {
	b := p.bulkhead
	if b.estimate == nil {
		return
	}
	now := time.Since(b.base)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.estimate.learn(p.begun, now, b.state.Load()>>1, o)
	b.limit = b.estimate.limit()
	b.admit()
}

// tooLate reports whether the DeadlineTransport would not send the request. The
// breaker must not learn of that: the other side has no part in it.
func (p *Policy) tooLate(ctx context.Context) bool {
	if p.attemptTimeout != nil && p.attemptTimeout.end.After < time.Millisecond {
		return true
	}
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) < time.Millisecond
}

// outcomeOfStatus returns what a bulkhead learns of a response.
func outcomeOfStatus(r *http.Response) breaker.Outcome {
	switch r.StatusCode {
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return breaker.Failure
	default:
		return breaker.Success
	}
}

// A timeoutTransport bounds a request, up to the end of the response's body.
type timeoutTransport struct {
	timeout *timeout
	next    http.RoundTripper
}

func (t *timeoutTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	limited, cancel := t.timeout.limit(ctx)
	kept := false
	defer func() {
		if !kept {
			cancel()
		}
	}()
	response, err := t.next.RoundTrip(r.WithContext(limited))
	if err != nil || response == nil {
		return response, t.timeout.explain(ctx, limited, err)
	}
	kept = atEnd(response, func(err error) error { return t.timeout.explain(ctx, limited, err) }, cancel)
	return response, nil
}
