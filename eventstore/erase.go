package eventstore

import (
	"context"
	"fmt"
)

// Truncate removes the events of a stream before a version, for good. Their
// IDs and versions stay used: appending one of the IDs again still returns the
// first result. before may be from 1 to the version after the last; a lower one
// than last time changes nothing.
//
// It returns errors that match ErrNoStream, ErrTombstoned, ErrInvalid, the
// cause of ctx, or the driver's.
func (s *Store) Truncate(ctx context.Context, stream string, before int64) error {
	return s.erase(ctx, "truncate", Erasure{Stream: stream, Expected: Any, Kind: Truncate, Before: before})
}

// Delete removes all events of a stream, if it is as expected. The next append
// reopens it, with the version that follows the last.
//
// It returns errors that match ErrNoStream, ErrConflict, ErrTombstoned,
// ErrInvalid, the cause of ctx, or the driver's.
func (s *Store) Delete(ctx context.Context, stream string, expected Expected) error {
	return s.erase(ctx, "delete", Erasure{Stream: stream, Expected: expected, Kind: Delete})
}

// Tombstone removes all events of a stream, if it is as expected, and closes it
// for ever. An absent stream can be closed too, and a closed one once more.
//
// It returns errors that match ErrConflict, ErrInvalid, the cause of ctx, or
// the driver's.
func (s *Store) Tombstone(ctx context.Context, stream string, expected Expected) error {
	return s.erase(ctx, "tombstone", Erasure{Stream: stream, Expected: expected, Kind: Tombstone})
}

func (s *Store) erase(ctx context.Context, verb string, e Erasure) error {
	e.Tenant = s.config.Tenant
	err := s.refuse
	if err == nil {
		err = checkStream(e.Stream)
	}
	if err == nil && e.Expected < StreamExists {
		err = invalidf("stream %q: %s", e.Stream, e.Expected)
	}
	if err == nil {
		err = s.driver.Erase(ctx, e)
	}
	if err != nil {
		return fmt.Errorf("eventstore: %s %q: %w", verb, e.Stream, err)
	}
	return nil
}
