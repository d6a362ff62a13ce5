package content

import (
	"context"
	"errors"

	"github.com/parlance-go/parlance/cqrs"
)

// Command is one of the commands below.
type Command interface{ command() }

// Each command names the content it is for.
type (
	// UploadContent makes a draft an uploaded content.
	UploadContent struct {
		ID     string
		Upload Upload
	}

	// StartProcessing is for what was uploaded, and once more for what failed.
	StartProcessing struct{ ID, Processor string }

	// CompleteProcessing says what was found.
	CompleteProcessing struct {
		ID      string
		Results Results
	}

	// FailProcessing says why a content cannot be used.
	FailProcessing struct{ ID, Reason string }

	// Publish shows a completed content to everybody.
	Publish struct{ ID string }
)

func (UploadContent) command()      {}
func (StartProcessing) command()    {}
func (CompleteProcessing) command() {}
func (FailProcessing) command()     {}
func (Publish) command()            {}

// Handle registers the handlers of all commands.
func Handle(commands *cqrs.Commands, contents *Repository) error {
	return errors.Join(
		handle(commands, contents, func(c UploadContent) string { return c.ID }),
		handle(commands, contents, func(c StartProcessing) string { return c.ID }),
		handle(commands, contents, func(c CompleteProcessing) string { return c.ID }),
		handle(commands, contents, func(c FailProcessing) string { return c.ID }),
		handle(commands, contents, func(c Publish) string { return c.ID }),
	)
}

func handle[C Command](commands *cqrs.Commands, contents *Repository, id func(C) string) error {
	return cqrs.Handle(commands, func(ctx context.Context, command C) error {
		_, err := contents.Handle(ctx, id(command), command)
		return err
	})
}

// Decide returns what happens when a command meets a content, or a
// *TransitionError.
func Decide(c Content, command Command) ([]Event, error) {
	switch command := command.(type) {
	case UploadContent:
		if c.Status != Draft {
			return nil, &TransitionError{"upload", c.Status}
		}
		return []Event{ContentUploaded{command.Upload}}, nil
	case StartProcessing:
		if c.Status != Uploaded && c.Status != Failed {
			return nil, &TransitionError{"process", c.Status}
		}
		return []Event{ContentProcessingStarted{command.Processor}}, nil
	case CompleteProcessing:
		if c.Status != Processing {
			return nil, &TransitionError{"complete", c.Status}
		}
		return []Event{ContentProcessingCompleted{command.Results}}, nil
	case FailProcessing:
		if c.Status != Processing {
			return nil, &TransitionError{"fail", c.Status}
		}
		return []Event{ContentProcessingFailed{command.Reason}}, nil
	case Publish:
		if c.Status != Completed {
			return nil, &TransitionError{"publish", c.Status}
		}
		return []Event{ContentPublished{}}, nil
	}
	return nil, &TransitionError{"do anything unknown to", c.Status}
}
