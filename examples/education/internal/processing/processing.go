// Package processing takes contents from their upload to their publication. It
// reacts to events, and sends the commands that come next.
package processing

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"runtime/debug"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/examples/education/internal/blob"
	"github.com/parlance-go/parlance/examples/education/internal/content"
	"github.com/parlance-go/parlance/examples/education/internal/extract"
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
	Blobs    *blob.Folder
	Limits   extract.Limits
	Logger   *slog.Logger
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

// process reads the bytes of an upload, and says what was found. An error is
// one of the disk or the store, to be tried again.
func (p *Processor) process(ctx context.Context, id string, upload content.Upload) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	document, err := p.read(upload)
	var rejected *extract.RejectedError
	switch {
	case errors.As(err, &rejected):
		return cqrs.Send(ctx, p.Commands, content.FailProcessing{ID: id, Reason: rejected.Reason})
	case err != nil:
		return err
	}
	return cqrs.Send(ctx, p.Commands, content.CompleteProcessing{ID: id, Results: results(document)})
}

func (p *Processor) read(upload content.Upload) (extract.Document, error) {
	if upload.Hash == "" {
		return extract.Document{}, &extract.RejectedError{Reason: upload.Problem}
	}
	file, err := p.Blobs.Get(upload.Hash)
	if errors.Is(err, blob.ErrGone) {
		return extract.Document{}, &extract.RejectedError{Reason: "its bytes are no longer there"}
	}
	if err != nil {
		return extract.Document{}, err
	}
	defer file.Close()
	hash := sha256.New()
	document, err := p.extract(upload.FileName, io.TeeReader(file, hash))
	if err == nil && hex.EncodeToString(hash.Sum(nil)) != upload.Hash {
		err = &extract.RejectedError{Reason: "its bytes are no longer what they were"}
	}
	return document, err
}

// extract reads a file. A parser that panics has met a file that it should have
// rejected; the next file must not suffer for it.
func (p *Processor) extract(fileName string, r io.Reader) (_ extract.Document, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			p.Logger.Error("a parser panicked", "file", fileName, "panic", reason, "stack", string(debug.Stack()))
			err = &extract.RejectedError{Reason: "the program that reads such files broke down on it"}
		}
	}()
	return extract.Read(fileName, r, p.Limits)
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
