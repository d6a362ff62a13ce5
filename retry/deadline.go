package retry

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// TimeoutHeader carries the time that a caller still has, in whole milliseconds.
// It is a span and not a moment, because clocks differ.
const TimeoutHeader = "X-Request-Timeout-Ms"

// maxTimeout is what a longer time in [TimeoutHeader] is read as: added to any
// time of ours it still is a time.
const maxTimeout = 100 * 365 * 24 * time.Hour

// maxTimeoutDigits bounds what is read of a [TimeoutHeader].
const maxTimeoutDigits = 32

// DeadlineTransport returns a RoundTripper that tells the other side, in
// [TimeoutHeader], how long the context of each request still has, rounded down.
// Put inside [Transport] it does so for each attempt anew. A request whose context
// has no deadline is sent as it is; one whose time is over, or less than 1 ms, is
// not sent: the error matches context.DeadlineExceeded.
//
// base defaults to http.DefaultTransport.
func DeadlineTransport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return &deadlineTransport{base}
}

type deadlineTransport struct {
	base http.RoundTripper
}

func (t *deadlineTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	deadline, ok := r.Context().Deadline()
	if !ok {
		return t.base.RoundTrip(r)
	}
	left := time.Until(deadline).Milliseconds()
	if left < 1 {
		closeBody(r)
		return nil, &lateError{"request not sent: its time is over"}
	}
	// A RoundTripper must not change the request of its caller.
	out := r.WithContext(r.Context())
	out.Header = r.Header.Clone()
	if out.Header == nil {
		out.Header = make(http.Header, 1)
	}
	out.Header.Set(TimeoutHeader, strconv.FormatInt(left, 10))
	return t.base.RoundTrip(out)
}

// CloseIdleConnections is called by the method of http.Client of that name.
func (t *deadlineTransport) CloseIdleConnections() { closeIdle(t.base) }

func closeBody(r *http.Request) {
	if r.Body != nil {
		r.Body.Close()
	}
}

// DeadlineHandler returns a handler that gives each request the deadline that its
// [TimeoutHeader] asks for, and at most limit, if that is above 0. It never extends
// the deadline that the context of the request has. If the time is over it answers
// 504 without calling next, and a value that is no number, or several different
// ones, 400. It panics if next is nil.
//
// It does not answer for a next that gives up when its context ends: next should
// answer 503 or 504, since a handler that writes nothing has answered 200.
func DeadlineHandler(next http.Handler, limit time.Duration) http.Handler {
	if next == nil {
		panic("retry: DeadlineHandler: next is nil")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		timeout, asked, err := timeoutOf(r.Header.Values(TimeoutHeader))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		ctx := r.Context()
		deadline, bounded := ctx.Deadline()
		if asked && timeout == 0 || bounded && time.Until(deadline) <= 0 {
			http.Error(w, "retry: the caller's time is over", http.StatusGatewayTimeout)
			return
		}
		whose := "asked for by the caller"
		if limit > 0 && (!asked || limit < timeout) {
			timeout, asked, whose = limit, true, "for any request"
		}
		if asked {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeoutCause(ctx, timeout, &lateError{fmt.Sprintf("timeout of %v %s", timeout, whose)})
			defer cancel()
			r = r.WithContext(ctx)
		}
		next.ServeHTTP(w, r)
	})
}

// timeoutOf reads the values of [TimeoutHeader]. A sender that repeats itself is
// understood; one that contradicts itself is not.
func timeoutOf(values []string) (timeout time.Duration, asked bool, err error) {
	if len(values) == 0 {
		return 0, false, nil
	}
	for _, other := range values[1:] {
		if other != values[0] {
			return 0, false, fmt.Errorf("retry: %s has several values, want one", TimeoutHeader)
		}
	}
	timeout, ok := parseTimeout(values[0])
	if !ok {
		return 0, false, fmt.Errorf("retry: %s is %.40q, want a number of milliseconds", TimeoutHeader, values[0])
	}
	return timeout, true, nil
}

// parseTimeout reads digits and nothing else: no sign, no space, no unit.
func parseTimeout(value string) (timeout time.Duration, ok bool) {
	if value == "" || len(value) > maxTimeoutDigits {
		return 0, false
	}
	const most = int64(maxTimeout / time.Millisecond)
	var ms int64
	for _, c := range []byte(value) {
		if c < '0' || c > '9' {
			return 0, false
		}
		ms = min(ms*10+int64(c-'0'), most)
	}
	return time.Duration(ms) * time.Millisecond, true
}
