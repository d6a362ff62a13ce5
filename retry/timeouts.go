package retry

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// Hop is a kind of call, by who calls whom.
type Hop uint8

// The kinds of calls.
const (
	ServiceToService Hop = iota
	GatewayToService
	ServiceToDatabase
	ServiceToExternal
)

// String returns the name as in "service to service".
func (h Hop) String() string {
	switch h {
	case ServiceToService:
		return "service to service"
	case GatewayToService:
		return "gateway to service"
	case ServiceToDatabase:
		return "service to database"
	case ServiceToExternal:
		return "service to external"
	default:
		return "Hop(" + strconv.Itoa(int(h)) + ")"
	}
}

// Timeouts are the longest times for calls of each kind, with their retries. A
// field that is 0 or less has its default.
type Timeouts struct {
	GatewayToService  time.Duration // Defaults to 5 s.
	ServiceToService  time.Duration // Defaults to 10 s.
	ServiceToDatabase time.Duration // Defaults to 15 s.
	ServiceToExternal time.Duration // Defaults to 30 s.
}

// For returns the timeout of a hop. It panics if h is none of the constants.
func (t Timeouts) For(h Hop) time.Duration {
	switch h {
	case ServiceToService:
		return positive(t.ServiceToService, 10*time.Second)
	case GatewayToService:
		return positive(t.GatewayToService, 5*time.Second)
	case ServiceToDatabase:
		return positive(t.ServiceToDatabase, 15*time.Second)
	case ServiceToExternal:
		return positive(t.ServiceToExternal, 30*time.Second)
	default:
		panic("retry: Timeouts.For: there is no " + h.String())
	}
}

// Context returns a context that ends after the timeout of the hop, or with ctx if
// that is earlier. If it is the hop's, context.Cause says so: "retry: timeout of
// 10s for service to service". It panics if h is none of the constants.
func (t Timeouts) Context(ctx context.Context, h Hop) (context.Context, context.CancelFunc) {
	timeout := t.For(h)
	return context.WithTimeoutCause(ctx, timeout, &lateError{fmt.Sprintf("timeout of %v for %v", timeout, h)})
}

func positive(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

// lateError is a context.DeadlineExceeded that says which deadline.
type lateError struct {
	text string
}

func (e *lateError) Error() string { return "retry: " + e.text }
func (e *lateError) Unwrap() error { return context.DeadlineExceeded }

// Timeout returns true: net/url.Error asks for it.
func (e *lateError) Timeout() bool { return true }
