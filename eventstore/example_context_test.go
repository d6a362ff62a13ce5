package eventstore_test

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
)

// A context says where the events come from that are made in it, and under
// which ID its command is known.
func ExampleWithMetadata() {
	ctx := eventstore.WithMetadata(context.Background(), eventstore.Metadata{
		CorrelationID: "request-1",
		Actor:         "ada@example.org",
	})
	ctx = eventstore.WithCommandID(ctx, "idempotency-key-9")

	fmt.Println(eventstore.MetadataFrom(ctx).CorrelationID, eventstore.CommandIDFrom(ctx))
	// Output: request-1 idempotency-key-9
}

// What is done because of an event is correlated with it, and names it.
func ExampleCausedBy() {
	event := eventstore.Recorded{Event: eventstore.Event{
		ID:       uuid.MustParse("0198f2a4-3b5c-7def-8123-456789abcdef"),
		Type:     "ContentUploaded",
		Metadata: eventstore.Metadata{CorrelationID: "request-1", Actor: "ada@example.org"},
	}}
	ctx := eventstore.CausedBy(context.Background(), event)

	metadata := eventstore.MetadataFrom(ctx)
	fmt.Println(metadata.CorrelationID, metadata.CausationID)
	// Output: request-1 0198f2a4-3b5c-7def-8123-456789abcdef
}

// A command's ID is for the command alone: a reaction to what came of it is
// another command.
func ExampleWithCommandID() {
	ctx := eventstore.WithCommandID(context.Background(), "idempotency-key-9")
	fmt.Printf("%q\n", eventstore.CommandIDFrom(ctx))

	reaction := eventstore.CausedBy(ctx, eventstore.Recorded{})
	fmt.Printf("%q\n", eventstore.CommandIDFrom(reaction))
	// Output:
	// "idempotency-key-9"
	// ""
}
