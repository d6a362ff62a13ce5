package retry

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// StatusError is a response with a status that is no success, as an error.
type StatusError struct {
	// Code is the HTTP status.
	Code int
	// After is what Retry-After asks for, 0 if it is missing.
	After time.Duration
	// HasAfter tells a Retry-After of 0 from none.
	HasAfter bool
}

// Error tells the code and its name.
func (e *StatusError) Error() string {
	text := "status " + strconv.Itoa(e.Code)
	if name := http.StatusText(e.Code); name != "" {
		text += " " + name
	}
	return text
}

// StatusCode returns Code.
func (e *StatusError) StatusCode() int { return e.Code }

// RetryAfter returns After.
func (e *StatusError) RetryAfter() time.Duration { return e.After }

// Transient is the default of [Config.RetryIf]. It reports whether err is one of:
//
//   - a network error whose Timeout() is true, or context.DeadlineExceeded,
//   - a name that could not be looked up for the moment,
//   - a connection, or a stream of HTTP/2, that was refused, reset or closed by the
//     other side,
//   - an error with a method StatusCode() int that returns 500, 502, 503 or 504, or
//     429 together with a RetryAfter.
//
// Any other error is not, and context.Canceled never. An error with a StatusCode
// of 400 or above is judged by that alone: it is an answer.
func Transient(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	if transient, answered := transientStatus(err); answered {
		return transient
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.ErrUnexpectedEOF) {
		return true
	}
	for _, broken := range connectionErrors {
		if errors.Is(err, broken) {
			return true
		}
	}
	transient := closedByPeer(err)
	walk(err, func(e net.Error) bool { // all of them: the outer may not know of the inner
		transient = transient || e.Timeout()
		return true
	})
	walk(err, func(e *net.DNSError) bool {
		transient = transient || e.IsTemporary
		return true
	})
	walk(err, func(e *url.Error) bool { // by itself an EOF is just an end
		transient = transient || errors.Is(e.Err, io.EOF) || closedIdle(e.Err)
		return true
	})
	return transient
}

// closedIdle reports whether err is that of net/http for a connection that the
// server closed when a request was about to use it. It has no name there. net/http
// itself tries again what it thinks may come twice, but not a PUT or DELETE.
func closedIdle(err error) bool {
	return err != nil && err.Error() == "http: server closed idle connection"
}

// transientStatus judges the status in err, if it has one.
func transientStatus(err error) (transient, answered bool) {
	walk(err, func(e interface{ StatusCode() int }) bool {
		switch code := e.StatusCode(); {
		case code < http.StatusBadRequest: // the request did not come so far
			return true
		case code == http.StatusTooManyRequests:
			transient = hasRetryAfter(err)
		default:
			transient = code == http.StatusInternalServerError || code == http.StatusBadGateway ||
				code == http.StatusServiceUnavailable || code == http.StatusGatewayTimeout
		}
		answered = true
		return false
	})
	return transient, answered
}

func hasRetryAfter(err error) bool {
	if status, ok := errors.AsType[*StatusError](err); ok && status.HasAfter {
		return true
	}
	return retryAfter(err) > 0
}
