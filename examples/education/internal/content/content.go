// Package content is the domain: a content is uploaded, processed and
// published. It knows commands, events and what may follow what, and nothing of
// files, databases or pages.
package content

import (
	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/eventstore/aggregate"
)

// Category is what the names of the streams of contents begin with.
const Category = "content"

// Content is the state of one content.
type Content struct {
	Status Status
	Title  string
	Upload Upload
}

// Upload is what was uploaded.
type Upload struct {
	// Title is what the uploader calls it; the processing may find a better one.
	Title string `json:"title"`

	// FileName is the name it had, and Source where it came from: a path in the
	// folder that was imported, or "upload".
	FileName string `json:"fileName"`
	Source   string `json:"source"`

	// ContentType is what its name promises.
	ContentType string `json:"contentType"`

	// Size is in bytes, and Hash their SHA-256 in hexadecimal: the name under
	// which the bytes are kept.
	Size int64  `json:"size"`
	Hash string `json:"hash,omitempty"`

	// Problem says why the bytes were not kept, if there is no Hash.
	Problem string `json:"problem,omitempty"`
}

// namespace is that of the IDs of contents.
var namespace = uuid.MustParse("7e0f6c7c-9d3a-5d34-8f7b-0b2d5d0f4c11")

// ID returns the ID of a content. It follows from where the content came from
// and what is in it, so the same file is the same content, however often it is
// uploaded, and a changed file is a new one.
func ID(source, fingerprint string) string {
	return uuid.NewSHA1(namespace, []byte(source+"\x00"+fingerprint)).String()
}

// IDOf returns the ID of the content whose events are in a stream.
func IDOf(stream string) string {
	if eventstore.Category(stream) != Category || len(stream) <= len(Category) {
		return ""
	}
	return stream[len(Category)+1:]
}

// Stream returns the name of a content's stream.
func Stream(id string) string { return Category + "-" + id }

// Repository handles commands to contents.
type Repository = aggregate.Repository[Content, Command, Event]

// NewRepository returns the Repository of the contents in a store.
func NewRepository(store *eventstore.Store) (*Repository, error) {
	events, err := Events()
	if err != nil {
		return nil, err
	}
	decider := aggregate.Decider[Content, Command, Event]{
		Initial: func() Content { return Content{Status: Draft} },
		Decide:  Decide,
		Evolve:  Evolve,
	}
	return aggregate.NewRepository(decider, aggregate.Config[Content, Event]{
		Store: store, Category: Category, Events: events,
	})
}
