package aggregate

import (
	"context"
	"time"
)

// Hooks are told what a Repository or Roots do. Each may be nil. They are
// called in the goroutine of the caller, with no lock held.
type Hooks struct {
	// Handled is called after each Handle and Update, unless they panic.
	Handled func(ctx context.Context, info HandledInfo)

	// Conflict is called when an append lost against another writer.
	Conflict func(ctx context.Context, info ConflictInfo)

	// Snapshot is called when a snapshot was saved, could not be loaded, saved
	// or decoded, or did not fit the log. None of this makes a call fail.
	Snapshot func(ctx context.Context, info SnapshotInfo)
}

// HandledInfo is what Hooks.Handled is told.
type HandledInfo struct {
	Stream string
	// Version is that of the aggregate after the command; 0 with an error.
	Version int64
	// Events is how many events the command has led to.
	Events int
	// Attempts is how many times the events were loaded and decided on.
	Attempts int
	// Repeated tells that the command had been handled before.
	Repeated bool
	Took     time.Duration
	Err      error
}

// ConflictInfo is what Hooks.Conflict is told.
type ConflictInfo struct {
	Stream string
	// Attempt is 1 for the first.
	Attempt int
	// Wait is how long it will be until the next attempt, 0 if there is none.
	Wait time.Duration
	// Err matches eventstore.ErrConflict.
	Err error
}

// SnapshotInfo is what Hooks.Snapshot is told.
type SnapshotInfo struct {
	Stream string
	// Version is that of the snapshot; 0 if it could not be loaded.
	Version int64
	// Err is nil when the snapshot was saved.
	Err error
}
