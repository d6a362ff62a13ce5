package content

// Command is one of the commands below.
type Command interface{ command() }

type (
	// UploadContent makes a draft an uploaded content.
	UploadContent struct{ Upload Upload }

	// StartProcessing is for what was uploaded, and once more for what failed.
	StartProcessing struct{ Processor string }

	// CompleteProcessing says what was found.
	CompleteProcessing struct{ Results Results }

	// FailProcessing says why a content cannot be used.
	FailProcessing struct{ Reason string }

	// Publish shows a completed content to everybody.
	Publish struct{}
)

func (UploadContent) command()      {}
func (StartProcessing) command()    {}
func (CompleteProcessing) command() {}
func (FailProcessing) command()     {}
func (Publish) command()            {}

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
