package eventstore_test

import (
	"context"
	"fmt"

	"github.com/parlance-go/parlance/eventstore"
)

func ExampleNew() {
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{MaxEventSize: 16})

	_, err := store.Append(context.Background(), "content-1", eventstore.Any,
		eventstore.Event{Type: "ContentUploaded", Data: []byte(`{"title":"A title of some length"}`)})
	fmt.Println(err)
	// Output:
	// eventstore: append to "content-1": stream "content-1": event 0 ("ContentUploaded") has 34 bytes of Data, the limit is 16
}

func ExampleNewMemory() {
	// Stores over one driver share its events.
	memory := eventstore.NewMemory()
	writer := eventstore.New(memory, eventstore.Config{})
	reader := eventstore.New(memory, eventstore.Config{})

	ctx := context.Background()
	_, _ = writer.Append(ctx, "content-1", eventstore.NoStream, eventstore.Event{Type: "ContentUploaded"})
	head, _ := reader.Head(ctx, "content-1")
	fmt.Println(head.Version)
	// Output: 1
}

func ExampleNewRegistry() {
	type opened struct{ Title string }
	_, err := eventstore.NewRegistry[any](
		eventstore.JSON[opened]("Opened", 1),
		eventstore.JSON[opened]("Opened", 1),
	)
	fmt.Println(err)
	// Output:
	// eventstore: registry: event type "Opened", schema version 1, stands twice: for eventstore_test.opened and for eventstore_test.opened
}

func ExampleMetadataFrom() {
	ctx := eventstore.WithMetadata(context.Background(), eventstore.Metadata{Actor: "ada"})
	fmt.Println(eventstore.MetadataFrom(ctx).Actor)
	// Output: ada
}

func ExampleCommandIDFrom() {
	ctx := eventstore.WithCommandID(context.Background(), "command-1")
	fmt.Println(eventstore.CommandIDFrom(ctx))
	// Output: command-1
}
