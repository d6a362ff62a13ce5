package breaker

import (
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/parlance-go/parlance/internal/retryafter"
)

// Breakers finds the breaker of a key: a [*Breaker] is that of all keys, a
// [*Group] has one for each.
type Breakers interface {
	// For returns the breaker for calls to key.
	For(key string) *Breaker
}

// For returns b, whatever the key.
func (b *Breaker) For(string) *Breaker { return b }

// Transport returns a RoundTripper that guards base, by default
// [http.DefaultTransport], with the breaker of each request's host (and port, as
// in its URL). It closes the body of a request that it rejects; the error is an
// [*OpenError], wrapped in a [*net/url.Error] by [http.Client]. It panics if
// breakers is nil.
//
// The outcome of a request is decided when the header of its response is there:
// by the rules of this package if there is an error; otherwise a status of 500
// and above is a failure, except 501; 429 is neutral, and anything else a
// success. Config.Classify is only asked about errors. A request whose own body
// could not be read is neutral.
//
// The Cause of an OpenError, if it was a status, reads "status 503 Service
// Unavailable" and has the methods StatusCode() int and RetryAfter()
// time.Duration. The latter is what the header Retry-After asked for, in seconds
// or with a date, or 0: it lengthens the time to stay open.
func Transport(breakers Breakers, base http.RoundTripper) http.RoundTripper {
	if breakers == nil {
		panic("breaker: Transport: breakers is nil")
	}
	if base == nil {
		base = http.DefaultTransport
	}
	return &transport{breakers: breakers, base: base}
}

type transport struct {
	breakers Breakers
	base     http.RoundTripper
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL == nil {
		return t.base.RoundTrip(req) // which says so, and closes the body
	}
	ctx := req.Context()
	permit, err := t.breakers.For(req.URL.Host).Acquire(ctx)
	if err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	defer permit.Done(Failure) // a panic, or the end of the goroutine

	body, sent := watch(req)
	resp, err := t.base.RoundTrip(sent)
	if err == nil && resp == nil {
		err = fmt.Errorf("breaker: RoundTripper %T returned neither a response nor an error", t.base)
	}
	if err != nil {
		if body.failed() {
			permit.Done(Neutral)
		} else {
			permit.DoneErr(ctx, err)
		}
		return resp, err
	}
	if resp.Request == sent {
		resp.Request = req
	}
	permit.answered(resp)
	return resp, nil
}

// answered reports a response, and closes it if a hook panics: nobody else has it
// then.
func (p *Permit) answered(resp *http.Response) {
	told := false
	defer func() {
		if !told && resp.Body != nil {
			_ = resp.Body.Close()
		}
	}()
	p.done(responseOutcome(resp))
	told = true
}

// A watchedBody is the body of a request, and knows whether reading it has failed:
// then it is not the server's fault that the request has.
type watchedBody struct {
	io.ReadCloser
	closed, broken atomic.Bool
}

// watch returns a request whose body is watched, or the same if there is no need: a
// body that can be had again is in memory, and net/http sends one that it knows to
// be there together with the header.
func watch(req *http.Request) (*watchedBody, *http.Request) {
	if req.Body == nil || req.Body == http.NoBody || req.GetBody != nil {
		return nil, req
	}
	body := &watchedBody{ReadCloser: req.Body}
	sent := *req
	sent.Body = body
	return body, &sent
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF && !b.closed.Load() {
		b.broken.Store(true)
	}
	return n, err
}

// Close is called, during a Read too, when the server does not want the rest.
func (b *watchedBody) Close() error {
	b.closed.Store(true)
	return b.ReadCloser.Close()
}

func (b *watchedBody) failed() bool { return b != nil && b.broken.Load() }

// CloseIdleConnections is what [http.Client.CloseIdleConnections] looks for.
func (t *transport) CloseIdleConnections() {
	if base, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// responseOutcome returns what a response says about its server, and why if it
// is a failure.
func responseOutcome(resp *http.Response) (Outcome, error) {
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		return Neutral, nil
	case resp.StatusCode < 500, resp.StatusCode == http.StatusNotImplemented:
		return Success, nil
	default:
		return Failure, newStatusError(resp)
	}
}

// A statusError is the cause of a breaker that was tripped by a response.
type statusError struct {
	code       int
	retryAfter time.Duration
}

func newStatusError(resp *http.Response) *statusError {
	delay, _ := retryafter.Parse(resp.Header.Get("Retry-After"), time.Now())
	return &statusError{code: resp.StatusCode, retryAfter: delay}
}

func (e *statusError) Error() string {
	text := http.StatusText(e.code)
	if text == "" {
		return fmt.Sprintf("status %d", e.code)
	}
	return fmt.Sprintf("status %d %s", e.code, text)
}

func (e *statusError) StatusCode() int           { return e.code }
func (e *statusError) RetryAfter() time.Duration { return e.retryAfter }
