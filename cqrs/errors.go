package cqrs

import (
	"errors"
	"fmt"
	"time"
)

var (
	// ErrUnknown is matched by an UnknownError.
	ErrUnknown = errors.New("cqrs: no handler")

	// ErrRegistered is matched by a RegisteredError.
	ErrRegistered = errors.New("cqrs: registered already")

	// ErrInvalid is matched by an error about an argument. What it says is
	// wrong must be changed; calling again does not help.
	ErrInvalid = errors.New("cqrs: invalid argument")

	// ErrOwned is matched by an OwnedError.
	ErrOwned = errors.New("cqrs: projection has another owner")

	// ErrLost tells that a projection was written by somebody else since it was
	// acquired.
	ErrLost = errors.New("cqrs: ownership of the projection was lost")

	// ErrRetired tells that another version of the projection has taken the
	// place of this one.
	ErrRetired = errors.New("cqrs: version of the projection is retired")

	// ErrActive tells that a version cannot be retired or dropped while it is
	// the one that is read.
	ErrActive = errors.New("cqrs: version of the projection is active")

	// ErrNoVersion tells that there is no such version of a projection, or none
	// that can be read yet.
	ErrNoVersion = errors.New("cqrs: no such version of the projection")
)

// UnknownError says that no handler is registered for what was sent or asked.
// It matches ErrUnknown.
type UnknownError struct {
	// Name is that of the Go type, with its package.
	Name string
}

func (e *UnknownError) Error() string { return fmt.Sprintf("no handler for %s", e.Name) }

// Is makes errors.Is(err, ErrUnknown) true.
func (e *UnknownError) Is(target error) bool { return target == ErrUnknown }

// Retryable returns false: a handler has to be registered first.
func (e *UnknownError) Retryable() bool { return false }

// RegisteredError says that a type has a handler already. It matches
// ErrRegistered.
type RegisteredError struct {
	// Name is that of the Go type, with its package.
	Name string
}

func (e *RegisteredError) Error() string { return fmt.Sprintf("%s has a handler already", e.Name) }

// Is makes errors.Is(err, ErrRegistered) true.
func (e *RegisteredError) Is(target error) bool { return target == ErrRegistered }

// Retryable returns false: the first handler stays.
func (e *RegisteredError) Retryable() bool { return false }

// OwnedError says who owns a version of a projection. It matches ErrOwned.
type OwnedError struct {
	Owner string
	// Remaining is how long the lease lasts unless it is extended or released.
	Remaining time.Duration
}

func (e *OwnedError) Error() string {
	return fmt.Sprintf("owned by %q for another %s", e.Owner, e.Remaining)
}

// Is makes errors.Is(err, ErrOwned) true.
func (e *OwnedError) Is(target error) bool { return target == ErrOwned }

// RetryAfter returns Remaining.
func (e *OwnedError) RetryAfter() time.Duration { return e.Remaining }

// ApplyError says which events a projection or reaction could not take. Events
// before them were taken, those after were not tried.
type ApplyError struct {
	// Stream, Version and Type are those of the event or, if there were several
	// in the transaction, of the first.
	Stream  string
	Version int64
	Type    string

	// Events is how many events the transaction held. One that fails is tried
	// again with fewer, down to the event that is at fault.
	Events int

	// Err is what Apply or React returned.
	Err error
}

func (e *ApplyError) Error() string {
	if e.Events > 1 {
		return fmt.Sprintf("apply %d events from stream %q, version %d (%s) on: %v", e.Events, e.Stream, e.Version, e.Type, e.Err)
	}
	return fmt.Sprintf("apply event of stream %q, version %d (%s): %v", e.Stream, e.Version, e.Type, e.Err)
}

func (e *ApplyError) Unwrap() error { return e.Err }

type invalidError struct{ reason string }

func (e *invalidError) Error() string        { return e.reason }
func (e *invalidError) Is(target error) bool { return target == ErrInvalid }
func (e *invalidError) Retryable() bool      { return false }

func invalidf(format string, args ...any) error {
	return &invalidError{reason: fmt.Sprintf(format, args...)}
}
