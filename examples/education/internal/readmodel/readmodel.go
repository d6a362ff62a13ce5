// Package readmodel is what people look at: one row for each content, found by
// its words, type and status. It is made of events by a projection, in SQLite
// or in PostgreSQL, and can be thrown away and made again.
package readmodel

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/examples/education/internal/content"
	"github.com/parlance-go/parlance/examples/education/internal/words"
)

// Name is that of the projection. Its version is raised when rows are to be
// made differently.
const (
	Name    = "contents"
	version = 1
)

// PageSize is how many hits a page has at most, and MaxPage the last page that
// can be asked for.
const (
	PageSize = 20
	MaxPage  = 500
)

// snippetSize is how much of a text a hit shows, in characters.
const snippetSize = 260

// ErrNotFound is returned for a content that is not there.
var ErrNotFound = errors.New("readmodel: no such content")

// Content is one row.
type Content struct {
	ID          string         `json:"id"`
	Title       string         `json:"title"`
	FileName    string         `json:"fileName"`
	Source      string         `json:"source"`
	ContentType string         `json:"contentType"`
	Status      content.Status `json:"status"`
	// Reason says why the content has failed.
	Reason string `json:"reason,omitempty"`
	// Size is in bytes.
	Size  int64 `json:"size"`
	Words int   `json:"words"`
	// Truncated tells that the end of the text was left out.
	Truncated  bool      `json:"truncated,omitempty"`
	Width      int       `json:"width,omitempty"`
	Height     int       `json:"height,omitempty"`
	DurationMS int64     `json:"durationMs,omitempty"`
	UploadedAt time.Time `json:"uploadedAt"`
	UpdatedAt  time.Time `json:"updatedAt"`
	// Version is that of the last event that is in the row.
	Version int64 `json:"version"`
}

// Detail is one row with the long columns.
type Detail struct {
	Content

	Headings []content.Heading `json:"headings,omitempty"`
	Text     string            `json:"text,omitempty"`
}

// Search is the query for the contents that have some words, a type and a
// status. The zero Search finds everything.
type Search struct {
	cqrs.Returns[Page]

	Query       words.Query
	ContentType string
	Status      string
	// Page counts from 1.
	Page int
}

func (s Search) offset() int { return (min(max(s.Page, 1), MaxPage) - 1) * PageSize }

// Hit is a content that was found.
type Hit struct {
	Content

	Snippet []words.Part `json:"snippet,omitempty"`
}

// Page is a part of what was found: the best first, or the latest first if no
// words were asked for.
type Page struct {
	Hits  []Hit `json:"hits"`
	Total int   `json:"total"`
}

// Count is how many contents of one kind there are.
type Count struct {
	Status      content.Status `json:"status"`
	ContentType string         `json:"contentType"`
	Contents    int            `json:"contents"`
	Words       int64          `json:"words"`
	Bytes       int64          `json:"bytes"`
}

// Get is the query for one content. It is answered with ErrNotFound if there is
// none.
type Get struct {
	cqrs.Returns[Detail]

	ID string
}

// Summary is the query for how many contents there are, by status and type.
type Summary struct{ cqrs.Returns[[]Count] }

// Answer registers the answers to all queries.
func Answer(queries *cqrs.Queries, reader Reader) error {
	return errors.Join(
		cqrs.Answer(queries, reader.Search),
		cqrs.Answer(queries, func(ctx context.Context, query Get) (Detail, error) { return reader.Get(ctx, query.ID) }),
		cqrs.Answer(queries, func(ctx context.Context, _ Summary) ([]Count, error) { return reader.Summary(ctx) }),
	)
}

// Reader answers queries. The error of each method wraps the cause of ctx, or
// is the database's.
type Reader interface {
	// Search returns a page of what was found.
	Search(ctx context.Context, search Search) (Page, error)

	// Get returns a content, or ErrNotFound.
	Get(ctx context.Context, id string) (Detail, error)

	// Summary returns how many contents there are, by status and type.
	Summary(ctx context.Context) ([]Count, error)
}

// writer changes the rows of one database.
type writer interface {
	insert(ctx context.Context, row Content) error
	setStatus(ctx context.Context, change change) error
	setResults(ctx context.Context, change change, results content.Results) error
}

// change is what all events but the first change.
type change struct {
	id      string
	status  content.Status
	reason  string
	at      time.Time
	version int64
}

// applier makes rows of events.
type applier struct {
	events *eventstore.Registry[content.Event]
}

func (a applier) apply(ctx context.Context, w writer, recorded []eventstore.Recorded) error {
	for i := range recorded {
		event, err := a.events.Decode(recorded[i].Event)
		if err != nil {
			return err
		}
		if err := applyOne(ctx, w, &recorded[i], event); err != nil {
			return err
		}
	}
	return nil
}

func applyOne(ctx context.Context, w writer, recorded *eventstore.Recorded, event content.Event) error {
	change := change{id: content.IDOf(recorded.Stream), at: recorded.Time.UTC(), version: recorded.Version}
	switch event := event.(type) {
	case content.ContentUploaded:
		return w.insert(ctx, Content{
			ID: change.id, Title: event.Title, FileName: event.FileName, Source: event.Source,
			ContentType: event.ContentType, Status: content.Uploaded, Size: event.Size,
			UploadedAt: change.at, UpdatedAt: change.at, Version: change.version,
		})
	case content.ContentProcessingCompleted:
		change.status = content.Completed
		return w.setResults(ctx, change, event.Results)
	case content.ContentProcessingStarted:
		change.status = content.Processing
	case content.ContentProcessingFailed:
		change.status, change.reason = content.Failed, event.Reason
	case content.ContentPublished:
		change.status = content.Published
	}
	return w.setStatus(ctx, change)
}

// snippet returns what a hit shows of its text, which often begins with the
// title that is shown anyway.
func (s Search) snippet(title, text string) []words.Part {
	if s.Query.Empty() {
		text = strings.TrimSpace(strings.TrimPrefix(text, title))
	}
	return s.Query.Snippet(text, snippetSize)
}

// headingText returns the text of all headings, one a line.
func headingText(headings []content.Heading) string {
	text := ""
	for _, heading := range headings {
		text += heading.Text + "\n"
	}
	return text
}
