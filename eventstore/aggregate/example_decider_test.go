package aggregate_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/eventstore/aggregate"
)

// What happens to a piece of content.
type (
	ContentEvent interface{ contentEvent() }

	ContentUploaded     struct{ Title string }
	ProcessingStarted   struct{}
	ProcessingCompleted struct{ Words int }
	ProcessingFailed    struct{ Reason string }
	ContentPublished    struct{}
)

func (ContentUploaded) contentEvent()     {}
func (ProcessingStarted) contentEvent()   {}
func (ProcessingCompleted) contentEvent() {}
func (ProcessingFailed) contentEvent()    {}
func (ContentPublished) contentEvent()    {}

var contentEvents, _ = eventstore.NewRegistry[ContentEvent](
	eventstore.JSON[ContentUploaded]("ContentUploaded", 1),
	eventstore.JSON[ProcessingStarted]("ProcessingStarted", 1),
	eventstore.JSON[ProcessingCompleted]("ProcessingCompleted", 1),
	eventstore.JSON[ProcessingFailed]("ProcessingFailed", 1),
	eventstore.JSON[ContentPublished]("ContentPublished", 1),
)

// What somebody may want of it.
type (
	ContentCommand interface{ contentCommand() }

	UploadContent      struct{ Title string }
	StartProcessing    struct{}
	CompleteProcessing struct{ Words int }
	FailProcessing     struct{ Reason string }
	PublishContent     struct{}
)

func (UploadContent) contentCommand()      {}
func (StartProcessing) contentCommand()    {}
func (CompleteProcessing) contentCommand() {}
func (FailProcessing) contentCommand()     {}
func (PublishContent) contentCommand()     {}

// ContentState is what decisions depend on, and nothing else.
type ContentState struct{ Status string }

var errTransition = errors.New("not now")

var content = aggregate.Decider[ContentState, ContentCommand, ContentEvent]{
	Initial: func() ContentState { return ContentState{Status: "draft"} },
	Decide: func(s ContentState, command ContentCommand) ([]ContentEvent, error) {
		switch c := command.(type) {
		case UploadContent:
			if s.Status == "draft" {
				return []ContentEvent{ContentUploaded(c)}, nil
			}
		case StartProcessing:
			if s.Status == "uploaded" || s.Status == "failed" {
				return []ContentEvent{ProcessingStarted{}}, nil
			}
		case CompleteProcessing:
			if s.Status == "processing" {
				return []ContentEvent{ProcessingCompleted(c)}, nil
			}
		case FailProcessing:
			if s.Status == "processing" {
				return []ContentEvent{ProcessingFailed(c)}, nil
			}
		case PublishContent:
			if s.Status == "published" {
				return nil, nil // it is already: no event, no error
			}
			if s.Status == "completed" {
				return []ContentEvent{ContentPublished{}}, nil
			}
		}
		return nil, fmt.Errorf("%T while %s: %w", command, s.Status, errTransition)
	},
	Evolve: func(s ContentState, event ContentEvent) ContentState {
		switch event.(type) {
		case ContentUploaded:
			s.Status = "uploaded"
		case ProcessingStarted:
			s.Status = "processing"
		case ProcessingCompleted:
			s.Status = "completed"
		case ProcessingFailed:
			s.Status = "failed"
		case ContentPublished:
			s.Status = "published"
		}
		return s
	},
}

func Example_decider() {
	ctx := context.Background()
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	contents, err := aggregate.NewRepository(content, aggregate.Config[ContentState, ContentEvent]{
		Store: store, Category: "content", Events: contentEvents,
	})
	if err != nil {
		panic(err)
	}

	for _, command := range []ContentCommand{
		UploadContent{Title: "Go"},
		PublishContent{},
		StartProcessing{},
		CompleteProcessing{Words: 1200},
		PublishContent{},
		PublishContent{},
	} {
		result, err := contents.Handle(ctx, "42", command)
		if err != nil {
			fmt.Println("refused:", err)
			continue
		}
		fmt.Println(result.State.Status, result.Version, len(result.Events))
	}
	// Output:
	// uploaded 1 1
	// refused: aggregate_test.PublishContent while uploaded: not now
	// processing 2 1
	// completed 3 1
	// published 4 1
	// published 4 0
}

// A message is delivered twice. By its ID, the second delivery is recognised:
// it is no error, and no second event.
func ExampleRepository_Handle_twice() {
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	contents, err := aggregate.NewRepository(content, aggregate.Config[ContentState, ContentEvent]{
		Store: store, Category: "content", Events: contentEvents,
	})
	if err != nil {
		panic(err)
	}

	ctx := eventstore.WithCommandID(context.Background(), "message-7")
	for range 2 {
		result, err := contents.Handle(ctx, "42", UploadContent{Title: "Go"})
		fmt.Println(result.Version, result.Events, result.Repeated, err)
	}
	// Output:
	// 1 [{Go}] false <nil>
	// 1 [{Go}] true <nil>
}

// A reaction to an event carries on what the event belongs to.
func ExampleRepository_Handle_causedBy() {
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	contents, err := aggregate.NewRepository(content, aggregate.Config[ContentState, ContentEvent]{
		Store: store, Category: "content", Events: contentEvents,
	})
	if err != nil {
		panic(err)
	}

	ctx := eventstore.WithMetadata(context.Background(), eventstore.Metadata{CorrelationID: "request-1", Actor: "ada"})
	if _, err := contents.Handle(ctx, "42", UploadContent{Title: "Go"}); err != nil {
		panic(err)
	}
	for event, err := range store.ReadAll(context.Background(), eventstore.Checkpoint{}, eventstore.Filter{}) {
		if err != nil {
			panic(err)
		}
		reaction := eventstore.CausedBy(context.Background(), event)
		if _, err := contents.Handle(reaction, "42", StartProcessing{}); err != nil {
			panic(err)
		}
		break
	}

	var first eventstore.Recorded
	for event, err := range store.Read(ctx, "content-42", 1) {
		if err != nil {
			panic(err)
		}
		if event.Version == 1 {
			first = event
			continue
		}
		fmt.Println(event.Type, event.Metadata.CorrelationID, event.Metadata.Actor)
		fmt.Println("caused by the upload:", event.Metadata.CausationID == first.ID.String())
	}
	// Output:
	// ProcessingStarted request-1 ada
	// caused by the upload: true
}

// A decider is tested without a store: it is only functions.
func ExampleDecider() {
	state := content.Initial()
	for _, event := range []ContentEvent{ContentUploaded{Title: "Go"}, ProcessingStarted{}} {
		state = content.Evolve(state, event)
	}
	events, err := content.Decide(state, FailProcessing{Reason: "not a text"})
	fmt.Println(events, err)
	_, err = content.Decide(state, PublishContent{})
	fmt.Println(err)
	// Output:
	// [{not a text}] <nil>
	// aggregate_test.PublishContent while processing: not now
}
