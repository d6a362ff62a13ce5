package sqlite

import (
	"context"
	"errors"
	"fmt"

	modernc "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"
)

var (
	// ErrClosed is returned by what is called or still waiting once the Database
	// is closed. It has the method Retryable() bool, which returns false.
	ErrClosed error = closedError{}

	// ErrBusy is matched by the error of a write that could not begin within
	// Config.BusyTimeout, because others were writing. Nothing was written. The
	// error has the method Retryable() bool, which returns true.
	ErrBusy = errors.New("sqlite: database is busy")

	// ErrSchema is matched by a SchemaError.
	ErrSchema = errors.New("sqlite: database has a newer schema")
)

// SchemaError says that a file was written by a later release of this package,
// which alone can be trusted to read it. It matches ErrSchema.
type SchemaError struct {
	// Found is the version of the file's schema, Known the latest that this
	// release knows.
	Found, Known int
}

func (e *SchemaError) Error() string {
	return fmt.Sprintf("the file has schema version %d, this release knows up to %d: upgrade the program", e.Found, e.Known)
}

// Is makes errors.Is(err, ErrSchema) true.
func (e *SchemaError) Is(target error) bool { return target == ErrSchema }

// Retryable returns false: the program has to be upgraded first.
func (e *SchemaError) Retryable() bool { return false }

type closedError struct{}

func (closedError) Error() string   { return "sqlite: database is closed" }
func (closedError) Retryable() bool { return false }

type busyError struct{ cause error }

func (e *busyError) Error() string        { return "others are writing: " + e.cause.Error() }
func (e *busyError) Is(target error) bool { return target == ErrBusy }
func (e *busyError) Unwrap() error        { return e.cause }
func (e *busyError) Retryable() bool      { return true }

// explain turns an error of database/sql into the one to return: what ended ctx
// and what closed the database come before what SQLite made of it.
func (db *Database) explain(ctx context.Context, err error) error {
	var failure *modernc.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case db.isClosed():
		return ErrClosed
	case errors.As(err, &failure) && failure.Code()&0xff == codes.SQLITE_BUSY:
		return &busyError{cause: err}
	}
	return err
}
