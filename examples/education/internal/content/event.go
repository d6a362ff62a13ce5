package content

import "github.com/parlance-go/parlance/eventstore"

// Event is one of the events below.
type Event interface{ event() }

type (
	// ContentUploaded begins the life of a content.
	ContentUploaded struct{ Upload }

	// ContentProcessingStarted says by whom.
	ContentProcessingStarted struct {
		Processor string `json:"processor"`
	}

	// ContentProcessingCompleted says what was found.
	ContentProcessingCompleted struct{ Results }

	// ContentProcessingFailed says why.
	ContentProcessingFailed struct {
		Reason string `json:"reason"`
	}

	// ContentPublished ends it well.
	ContentPublished struct{}
)

func (ContentUploaded) event()            {}
func (ContentProcessingStarted) event()   {}
func (ContentProcessingCompleted) event() {}
func (ContentProcessingFailed) event()    {}
func (ContentPublished) event()           {}

// Names under which events are stored.
const (
	TypeUploaded  = "ContentUploaded"
	TypeStarted   = "ContentProcessingStarted"
	TypeCompleted = "ContentProcessingCompleted"
	TypeFailed    = "ContentProcessingFailed"
	TypePublished = "ContentPublished"
)

// Evolve returns a content after an event.
func Evolve(c Content, event Event) Content {
	switch event := event.(type) {
	case ContentUploaded:
		c.Status, c.Title, c.Upload = Uploaded, event.Title, event.Upload
	case ContentProcessingStarted:
		c.Status = Processing
	case ContentProcessingCompleted:
		c.Status = Completed
		if event.Title != "" {
			c.Title = event.Title
		}
	case ContentProcessingFailed:
		c.Status = Failed
	case ContentPublished:
		c.Status = Published
	}
	return c
}

// Events returns the registry of all events.
func Events() (*eventstore.Registry[Event], error) {
	return eventstore.NewRegistry[Event](
		eventstore.JSON[ContentUploaded](TypeUploaded, 1),
		eventstore.JSON[ContentProcessingStarted](TypeStarted, 1),
		eventstore.JSON[ContentProcessingCompleted](TypeCompleted, 1),
		eventstore.JSON[ContentProcessingFailed](TypeFailed, 1),
		eventstore.JSON[ContentPublished](TypePublished, 1),
	)
}
