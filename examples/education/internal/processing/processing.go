// Package processing takes contents from their upload to their publication. It
// reacts to events, and sends the commands that come next. What is in a document it
// asks the processing service, of package reading.
package processing

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/examples/education/internal/content"
	"github.com/parlance-go/parlance/examples/education/internal/extract"
	"github.com/parlance-go/parlance/examples/education/internal/service/reading"
)

// name of the one processor there is, as events have it.
const name = "extract"

// Lanes is how many contents are processed at once. The number is part of the
// reactions' names: with another one, all events are looked at once more, and
// contents that are settled stay as they are.
const Lanes = 4

// Processor processes contents. It is safe for concurrent use.
type Processor struct {
	Contents *content.Repository
	Commands *cqrs.Commands
	Reader   Reader
}

// Reader reads documents, near or far.
type Reader interface {
	// Read returns what is in a document. The error matches extract.ErrRejected if
	// the document cannot be used. Any other error says nothing about the document.
	Read(ctx context.Context, reference reading.Reference) (extract.Document, error)
}

// Reactions returns the reactions that process contents. Each takes its share
// of them.
func (p *Processor) Reactions() []cqrs.Reaction {
	reactions := make([]cqrs.Reaction, Lanes)
	for lane := range reactions {
		reactions[lane] = cqrs.Reaction{
			Name: fmt.Sprintf("process contents, lane %d of %d", lane+1, Lanes),
			Filter: eventstore.Filter{
				Categories: []string{content.Category},
				Types:      []string{content.TypeUploaded, content.TypeStarted},
			},
			React: func(ctx context.Context, event eventstore.Recorded) error {
				if id := content.IDOf(event.Stream); laneOf(id) == lane {
					return p.Drive(eventstore.CausedBy(ctx, event), id)
				}
				return nil
			},
		}
	}
	return reactions
}

func laneOf(id string) int {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(id)) // never fails
	return int(hash.Sum32() % Lanes)
}

// Drive does what is left to be done for a content until it is settled. What
// comes next follows from the content's state alone: so it is right after a
// crash at any point, for an event that comes twice, and beside another Drive of
// the same content, one of which loses each step.
func (p *Processor) Drive(ctx context.Context, id string) error {
	for {
		state, _, err := p.Contents.Load(ctx, id)
		if err == nil {
			switch state.Status {
			case content.Uploaded:
				err = cqrs.Send(ctx, p.Commands, content.StartProcessing{ID: id, Processor: name})
			case content.Processing:
				err = p.process(ctx, id, state.Upload)
			case content.Completed:
				err = cqrs.Send(ctx, p.Commands, content.Publish{ID: id})
			default:
				return nil
			}
		}
		if err != nil && !errors.Is(err, content.ErrTransition) {
			return fmt.Errorf("processing: %s: %w", id, err)
		}
	}
}

// process has an upload read, and says what was found. Only a rejection is a
// failure of the content. Any other error is one of the service, the way there or
// the store, to be tried again.
func (p *Processor) process(ctx context.Context, id string, upload content.Upload) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	document, err := p.read(ctx, upload)
	if rejected, ok := errors.AsType[*extract.RejectedError](err); ok {
		return cqrs.Send(ctx, p.Commands, content.FailProcessing{ID: id, Reason: rejected.Reason})
	}
	if err != nil {
		return err
	}
	return cqrs.Send(ctx, p.Commands, content.CompleteProcessing{ID: id, Results: results(document)})
}

func (p *Processor) read(ctx context.Context, upload content.Upload) (extract.Document, error) {
	if upload.Hash == "" {
		return extract.Document{}, &extract.RejectedError{Reason: upload.Problem}
	}
	return p.Reader.Read(ctx, reading.Reference{FileName: upload.FileName, Hash: upload.Hash})
}

func results(d extract.Document) content.Results {
	r := content.Results{
		Title: d.Title, ContentType: string(d.Kind), Text: d.Text, Truncated: d.Truncated, Words: d.Words,
		Width: d.Width, Height: d.Height, DurationMS: d.Duration.Milliseconds(),
	}
	for _, heading := range d.Headings {
		r.Headings = append(r.Headings, content.Heading(heading))
	}
	return r.Fit()
}
