package retry

import "time"

// permanentError is the mark of Permanent. Its text is that of its error.
type permanentError struct{ err error }

func (e *permanentError) Error() string   { return e.err.Error() }
func (e *permanentError) Unwrap() error   { return e.err }
func (e *permanentError) Retryable() bool { return false }

// afterError is the mark of After. Its text is that of its error.
type afterError struct {
	err   error
	after time.Duration
}

func (e *afterError) Error() string             { return e.err.Error() }
func (e *afterError) Unwrap() error             { return e.err }
func (e *afterError) RetryAfter() time.Duration { return e.after }

// Permanent marks an error that must not be retried, however deep the mark is
// wrapped. [Do] takes it off again. It returns nil for nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

// After marks an error that may be retried, not before d is over. A negative d
// forbids it. The mark counts for more than a method RetryAfter of err. [Do] takes
// it off again. It returns nil for nil.
func After(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return &afterError{err, d}
}

// unmarked returns err without the marks around it. A mark that is wrapped by
// another error stays.
func unmarked(err error) error {
	for {
		switch mark := err.(type) { //nolint:errorlint // only what is outside can be taken off
		case *permanentError:
			err = mark.err
		case *afterError:
			err = mark.err
		default:
			return err
		}
	}
}

// inMarks changes err inside the marks around it.
func inMarks(err error, change func(error) error) error {
	switch mark := err.(type) { //nolint:errorlint // as in unmarked
	case *permanentError:
		return &permanentError{inMarks(mark.err, change)}
	case *afterError:
		return &afterError{inMarks(mark.err, change), mark.after}
	default:
		return change(err)
	}
}
