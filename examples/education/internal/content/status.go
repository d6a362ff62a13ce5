package content

import (
	"errors"
	"fmt"
)

// Status is where a content stands.
type Status string

// The life of a content: draft, uploaded, processing, then completed and
// published, or failed.
const (
	Draft      Status = "draft"
	Uploaded   Status = "uploaded"
	Processing Status = "processing"
	Completed  Status = "completed"
	Failed     Status = "failed"
	Published  Status = "published"
)

// Statuses returns those that a content can be found in, in the order of its
// life.
func Statuses() []Status { return []Status{Uploaded, Processing, Completed, Published, Failed} }

// Settled tells whether nothing more happens to a content by itself.
func (s Status) Settled() bool { return s == Published || s == Failed }

// ErrTransition is matched by a TransitionError.
var ErrTransition = errors.New("content: not possible now")

// TransitionError says that a command does not fit the state of a content.
// It matches ErrTransition.
type TransitionError struct {
	Command string
	Status  Status
}

func (e *TransitionError) Error() string {
	if e.Status == Draft {
		return fmt.Sprintf("content: cannot %s what was never uploaded", e.Command)
	}
	return fmt.Sprintf("content: cannot %s what is %s already", e.Command, e.Status)
}

// Is makes errors.Is(err, ErrTransition) true.
func (e *TransitionError) Is(target error) bool { return target == ErrTransition }

// Retryable returns false: the same command cannot succeed.
func (e *TransitionError) Retryable() bool { return false }
