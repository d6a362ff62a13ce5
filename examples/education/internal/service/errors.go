package service

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/parlance-go/parlance/breaker"
)

// A StatusError is an answer that is not what was asked for: a handler returns it
// to [Fail], and a [Client] to whoever called.
type StatusError struct {
	// Code is the HTTP status.
	Code int
	// Text says what is wrong.
	Text string
	// After is when to ask again, if that may help.
	After time.Duration
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("%d %s: %s", e.Code, http.StatusText(e.Code), e.Text)
}

// BadRequest is the error of a request that the service does not understand.
func BadRequest(format string, args ...any) error {
	return &StatusError{Code: http.StatusBadRequest, Text: fmt.Sprintf(format, args...)}
}

// A RefusedError is an answer, and it is no. It will be the same if the request
// comes again.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return "service: refused: " + e.Reason }

// An UnavailableError says that a service gave no answer that is of use: it is
// down or too slow, or something is wrong with it. That says nothing about what it
// was asked.
type UnavailableError struct {
	Service string
	Err     error
}

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("the %s service is not available: %v", e.Service, e.Err)
}

// Unwrap returns Err.
func (e *UnavailableError) Unwrap() error { return e.Err }

// Retryable returns true. Err may say no, for good reason: what a policy gave up
// is not to be tried again by every layer above, at once. But whoever can wait,
// such as a reaction with its growing delays, must not take that for a verdict on
// the content.
func (*UnavailableError) Retryable() bool { return true }

// RetryAfter returns when it makes sense to ask again, 0 if that is not known.
func (e *UnavailableError) RetryAfter() time.Duration {
	if open, ok := errors.AsType[*breaker.OpenError](e.Err); ok {
		return open.RetryAfter()
	}
	if status, ok := errors.AsType[*StatusError](e.Err); ok {
		return status.After
	}
	return 0
}
