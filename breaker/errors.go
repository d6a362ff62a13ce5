package breaker

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrOpen is matched by every rejection: errors.Is(err, breaker.ErrOpen).
var ErrOpen = errors.New("breaker: open")

// OpenError says that a call was rejected, and when to come back. One value
// serves all rejections of an episode: do not change it.
type OpenError struct {
	// Name is that of the breaker.
	Name string
	// State is Open, or HalfOpen if all probes are taken.
	State State
	// Cause is the error of the call that tripped the breaker. It is nil if the
	// call had none (a panic, a slow call, an outcome reported with Done) or if
	// the breaker is forced open. errors.Is and errors.As do not look into it: it
	// happened to another call.
	Cause error
	// Since is when the breaker opened, Until when it will probe. Until is zero
	// if the breaker is forced open or half-open.
	Since, Until time.Time
}

// Error says which breaker rejects, since when, until when and why.
func (e *OpenError) Error() string {
	var s strings.Builder
	s.WriteString("breaker: ")
	if e.Name != "" {
		fmt.Fprintf(&s, "%q is ", e.Name)
	}
	fmt.Fprintf(&s, "%v since %s", e.State, e.Since.Format(time.RFC3339))
	if !e.Until.IsZero() {
		fmt.Fprintf(&s, ", until %s", e.Until.Format(time.RFC3339))
	}
	if e.Cause != nil {
		fmt.Fprintf(&s, ", because of: %v", e.Cause)
	}
	return s.String()
}

// Is reports whether target is [ErrOpen].
func (e *OpenError) Is(target error) bool { return target == ErrOpen }

// Retryable returns false: trying again at once would be rejected again.
func (e *OpenError) Retryable() bool { return false }

// RetryAfter returns how long from now the breaker will stay open. It is never
// negative.
func (e *OpenError) RetryAfter() time.Duration {
	if e.Until.IsZero() {
		return 0
	}
	return max(time.Until(e.Until), 0)
}
