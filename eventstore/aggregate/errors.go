package aggregate

import (
	"errors"
	"fmt"

	"github.com/parlance-go/parlance/eventstore"
)

// ErrTruncated is matched by a TruncatedError.
var ErrTruncated = errors.New("aggregate: events are gone")

// TruncatedError says that the state of an aggregate cannot be known: its first
// events are gone, and no snapshot fits those that are left. It matches
// ErrTruncated.
//
// Truncate only up to the version of a snapshot, keeping the event at that
// version, by which the snapshot is confirmed. A stream deleted while a command
// to it was under way ends here too: delete it again.
type TruncatedError struct {
	Stream string
	// First is the lowest version that can still be read. It is the version
	// after the last if there is no event to read.
	First int64
}

func (e *TruncatedError) Error() string {
	return fmt.Sprintf("stream %q: the events before version %d are gone, and no snapshot stands for them", e.Stream, e.First)
}

// Is makes errors.Is(err, ErrTruncated) true.
func (e *TruncatedError) Is(target error) bool { return target == ErrTruncated }

// Retryable returns false: the events do not come back.
func (e *TruncatedError) Retryable() bool { return false }

// ExhaustedError says that each attempt to handle a command lost against
// another writer. Nothing was appended. It wraps the last
// *eventstore.ConflictError.
type ExhaustedError struct {
	Stream   string
	Attempts int
	Err      error
}

func (e *ExhaustedError) Error() string {
	return fmt.Sprintf("gave up after %d attempts: %v", e.Attempts, e.Err)
}

func (e *ExhaustedError) Unwrap() error { return e.Err }

// Retryable returns true: the others may be done by now.
func (e *ExhaustedError) Retryable() bool { return true }

func invalidf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", eventstore.ErrInvalid, fmt.Sprintf(format, args...))
}
