package eventstore

import (
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// Classes of errors, for errors.Is. What a Store, a Registry or ParseCheckpoint
// returns says "eventstore: " and what was being done before it.
var (
	// ErrConflict is matched by a ConflictError.
	ErrConflict = errors.New("version conflict")

	// ErrTombstoned is matched by a TombstonedError.
	ErrTombstoned = errors.New("stream is tombstoned")

	// ErrPartialOverlap is matched by a PartialOverlapError.
	ErrPartialOverlap = errors.New("only some of the events are in the stream already")

	// ErrNoStream is matched by the error of Truncate and Delete for a stream
	// that was never appended to.
	ErrNoStream = errors.New("no such stream")

	// ErrInvalid is matched by an error about an argument. What it says is
	// wrong must be changed; calling again does not help.
	ErrInvalid = errors.New("invalid argument")

	// ErrUnknownType is matched by an UnknownTypeError.
	ErrUnknownType = errors.New("unknown event type")

	// ErrCheckpoint is matched by an error about a checkpoint that this store
	// cannot have given out.
	ErrCheckpoint = errors.New("invalid checkpoint")

	// ErrUnsupported is matched by an error about an optional ability that the
	// driver lacks.
	ErrUnsupported = errors.New("not supported by the driver")
)

// ConflictError says that a stream is not as the append expected it.
// It matches ErrConflict.
type ConflictError struct {
	// Stream and Expected are those of the append.
	Stream   string
	Expected Expected
	// Actual is the version of the last event ever appended, 0 for none.
	Actual int64
	// Deleted tells that the stream was deleted after that event.
	Deleted bool
}

func (e *ConflictError) Error() string {
	actual := fmt.Sprintf("it is at version %d", e.Actual)
	switch {
	case e.Deleted:
		actual = fmt.Sprintf("it was deleted at version %d", e.Actual)
	case e.Actual == 0:
		actual = "it has no events"
	}
	return fmt.Sprintf("stream %q: expected %s, but %s", e.Stream, e.Expected, actual)
}

// Is makes errors.Is(err, ErrConflict) true.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// Retryable returns false: the same append cannot succeed. Load the stream,
// decide again, and append what was decided then.
func (e *ConflictError) Retryable() bool { return false }

// TombstonedError says that a stream was closed for ever.
// It matches ErrTombstoned.
type TombstonedError struct{ Stream string }

func (e *TombstonedError) Error() string { return fmt.Sprintf("stream %q is tombstoned", e.Stream) }

// Is makes errors.Is(err, ErrTombstoned) true.
func (e *TombstonedError) Is(target error) bool { return target == ErrTombstoned }

// Retryable returns false: a tombstone is for ever.
func (e *TombstonedError) Retryable() bool { return false }

// PartialOverlapError says that the event IDs of an append are neither all new
// nor the IDs of one earlier append: some are in their stream already, or they
// stand there in another order. Nothing was appended. It matches
// ErrPartialOverlap.
type PartialOverlapError struct {
	// Stream is the first stream in which this was found.
	Stream string
	// Present are the IDs that are in the stream, in the order of the append.
	Present []uuid.UUID
}

func (e *PartialOverlapError) Error() string {
	if len(e.Present) == 0 {
		return fmt.Sprintf("stream %q: new, while other streams of the same append hold its events already", e.Stream)
	}
	return fmt.Sprintf("stream %q: %d of the events are in it already, first %s: repeat an append with exactly its own events, or give new events new IDs",
		e.Stream, len(e.Present), e.Present[0])
}

// Is makes errors.Is(err, ErrPartialOverlap) true.
func (e *PartialOverlapError) Is(target error) bool { return target == ErrPartialOverlap }

// Retryable returns false: the same append cannot succeed.
func (e *PartialOverlapError) Retryable() bool { return false }

// UnknownTypeError says that a Registry has no entry for an event.
// It matches ErrUnknownType.
type UnknownTypeError struct {
	// Type is the event's or, if a value had no entry, the name of its Go type.
	Type string
	// SchemaVersion is the event's; 0 if a value had no entry.
	SchemaVersion int
}

func (e *UnknownTypeError) Error() string {
	if e.SchemaVersion == 0 {
		return fmt.Sprintf("event type %q is not registered", e.Type)
	}
	return fmt.Sprintf("event type %q, schema version %d, is not registered", e.Type, e.SchemaVersion)
}

// Is makes errors.Is(err, ErrUnknownType) true.
func (e *UnknownTypeError) Is(target error) bool { return target == ErrUnknownType }

type invalidError struct{ reason string }

func (e *invalidError) Error() string        { return e.reason }
func (e *invalidError) Is(target error) bool { return target == ErrInvalid }
func (e *invalidError) Retryable() bool      { return false }

func invalidf(format string, args ...any) error {
	return &invalidError{reason: fmt.Sprintf(format, args...)}
}
