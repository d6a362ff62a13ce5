package retry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/parlance-go/parlance/internal/retryafter"
)

// MaxBufferedBody is how much of a request's body [Transport] keeps for another
// attempt if the request has no GetBody, in bytes.
const MaxBufferedBody = 1 << 20

// IdempotencyKey is the header by which the author of a request promises that the
// server carries it out once, however often it comes.
const IdempotencyKey = "Idempotency-Key"

// otherIdempotencyKey is a second name of the header that net/http knows.
const otherIdempotencyKey = "X-Idempotency-Key"

// Transport returns a RoundTripper that retries requests to base, by default
// [http.DefaultTransport].
//
// Only a request that may come twice is retried: GET, HEAD, OPTIONS, TRACE, PUT and
// DELETE, and any with an [IdempotencyKey] or X-Idempotency-Key, even an empty one;
// others only if they were certainly not sent, which is known when the look-up of
// the host or the dialling has failed. Only a request that may come twice is hedged,
// and none with a Trailer, which its body may set while it is read.
//
// A body is replayed by GetBody. Without that, and if the request may come twice,
// the body is read before the request is sent, and kept up to [MaxBufferedBody]. A
// request with a longer one is sent once, without being kept whole.
//
// A response with a status that the policy retries is read to its end, up to 64 KiB
// and for 100 ms, and closed before the delay, so that its connection is free
// meanwhile and used again. Should the time run out during the delay, there is no
// response left but an [*Error]. Whenever it is known that there is no further
// attempt, the last response is returned as it is, with its body and without an
// error. A response is given to RetryIf as a [*StatusError], if its status is 400
// or above.
//
// The time of an attempt, and of all, ends when the body of the response is closed
// or read to its end; reading it returns a [*TimeoutError] if AttemptTimeout was too
// short for that, and is not retried. A response with status 101 ends it at once:
// the connection is the caller's.
//
// With a [Hedge], base may still read the request's body when the response is
// there.
func Transport(p *Policy, base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	hedging := p.orDefault()
	plain := *hedging
	plain.config.Hedge = nil
	return &transport{hedging: hedging, plain: &plain, base: base}
}

type transport struct {
	hedging *Policy // as it was given, with its Hedge if it has one
	plain   *Policy // the same without
	base    http.RoundTripper
}

// CloseIdleConnections is called by the method of http.Client of that name.
func (t *transport) CloseIdleConnections() { closeIdle(t.base) }

func closeIdle(base http.RoundTripper) {
	if closer, ok := base.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, endTimeout := t.plain.withTimeout(r.Context())
	ctx, cancel := context.WithCancel(ctx)
	end := func() { cancel(); endTimeout() }
	repeatable := mayComeTwice(r)
	body := &requestBody{first: r.Body, again: r.GetBody}
	held := false // by the response
	defer func() {
		if !held {
			end()
			body.close()
		}
	}()

	many := t.plain.config.MaxAttempts > 1 || t.hedging.config.Hedge != nil
	if repeatable && many && !body.replays() && ctx.Err() == nil {
		// A failure because of ctx is reported by do.
		if err := body.keep(ctx, r.ContentLength); err != nil && ctx.Err() == nil {
			return nil, fmt.Errorf("retry: read the body of the request: %w", err)
		}
	}
	s := sender{transport: t, policy: t.plain, request: r, body: body, repeatable: repeatable}
	if repeatable && body.replays() && t.hedging.config.Hedge != nil && len(r.Trailer) == 0 {
		s.policy = t.hedging
		// The caller may use the request again while a slower attempt still does.
		s.request = r.Clone(ctx)
	}
	response, err := do(ctx, s.policy, func(hedge context.Context) (*http.Response, error) {
		return s.send(ctx, hedge)
	}, discard)
	if response == nil {
		return nil, err
	}
	held = true
	response.Request = r
	if body, ok := response.Body.(*responseBody); ok {
		body.end = end
	} else {
		end()
	}
	return response, nil
}

// sender sends one request, once for each attempt.
type sender struct {
	*transport
	policy     *Policy
	request    *http.Request
	body       *requestBody
	repeatable bool // may come twice
}

// send makes one attempt. ctx is the context of all of them; hedge ends when another
// one has won. The context of the request is made from ctx, so that the body of the
// winner outlives hedge.
func (s *sender) send(ctx, hedge context.Context) (*http.Response, error) {
	attempt, endTimeout := s.policy.withAttemptTimeout(ctx)
	attempt, cancel := context.WithCancel(attempt)
	end := func() { cancel(); endTimeout() }
	held := false
	defer func() {
		if !held {
			end()
		}
	}()
	if hedge != ctx {
		stop := context.AfterFunc(hedge, cancel)
		defer stop()
	}
	out := s.request.WithContext(attempt)
	body, err := s.body.next()
	if err != nil {
		return nil, Permanent(fmt.Errorf("retry: get the body of the request again: %w", err))
	}
	out.Body, out.GetBody = body, s.body.again
	var watched *watchedBody
	if !s.repeatable && !s.body.empty() && s.body.again != nil {
		// Only here, since net/http sends a body that it does not know in two writes.
		watched = &watchedBody{ReadCloser: body}
		out.Body = watched
	}
	response, err := s.base.RoundTrip(out)
	if err == nil && response == nil {
		err = errors.New("retry: the base of Transport returned neither a response nor an error")
	}
	if err != nil {
		if err == io.EOF || closedIdle(err) { //nolint:errorlint // as net/http reports a connection that was closed, and only so
			err = fmt.Errorf("%w before a response: %w", io.ErrUnexpectedEOF, err)
		}
		err = s.policy.attemptError(ctx, attempt, err)
		unsent := neverConnected(err) && (watched == nil || !watched.read.Load())
		return nil, s.mark(err, unsent)
	}
	held = holdsConnection(response)
	if held {
		response.Body = &responseBody{
			ReadCloser: response.Body,
			explain:    func(err error) error { return s.policy.attemptError(ctx, attempt, err) },
			end:        end,
		}
	}
	if response.StatusCode < http.StatusBadRequest {
		return response, nil
	}
	return response, s.mark(statusError(response), false)
}

// mark forbids to retry a request that must not or cannot be sent again.
func (s *sender) mark(err error, unsent bool) error {
	if s.body.replays() && (s.repeatable || unsent) {
		return err
	}
	return Permanent(err)
}

func statusError(response *http.Response) *StatusError {
	err := &StatusError{Code: response.StatusCode}
	err.After, err.HasAfter = retryafter.Parse(response.Header.Get("Retry-After"), time.Now())
	return err
}

// mayComeTwice says what net/http says of a request with a body that replays, and
// PUT and DELETE besides: RFC 9110, section 9.2.2.
func mayComeTwice(r *http.Request) bool {
	switch r.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	_, key := r.Header[IdempotencyKey]
	_, other := r.Header[otherIdempotencyKey]
	return key || other
}

// neverConnected tells from an error that there was no connection to send anything
// over: only the look-up of a name and the dialling fail before.
func neverConnected(err error) bool {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return true
	}
	for {
		op, ok := errors.AsType[*net.OpError](err)
		if !ok {
			return false
		}
		if op.Op == "dial" {
			return true
		}
		err = op.Err // such as the dialling within "proxyconnect"
	}
}
