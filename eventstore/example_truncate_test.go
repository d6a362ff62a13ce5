package eventstore_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/parlance-go/parlance/eventstore"
)

func ExampleStore_Truncate() {
	ctx := context.Background()
	store := draftsOf(ctx) // of four events
	if err := store.Truncate(ctx, "content-42", 3); err != nil {
		fmt.Println(err)
		return
	}
	for event, err := range store.Read(ctx, "content-42", 1) {
		fmt.Println(event.Version, string(event.Data), err)
	}
	head, err := store.Head(ctx, "content-42")
	fmt.Println("head:", head.Version, "first:", head.First, err)
	// Output:
	// 3 third <nil>
	// 4 fourth <nil>
	// head: 4 first: 3 <nil>
}

// A deleted stream begins anew, but its versions go on.
func ExampleStore_Delete() {
	ctx := context.Background()
	store := draftsOf(ctx) // of four events
	fmt.Println(store.Delete(ctx, "content-42", eventstore.Exact(4)))

	appended, err := store.Append(ctx, "content-42", eventstore.NoStream, eventstore.Event{Type: "DraftSaved"})
	fmt.Println("reopened with version", appended.Version, err)
	// Output:
	// <nil>
	// reopened with version 5 <nil>
}

func ExampleStore_Tombstone() {
	ctx := context.Background()
	store := draftsOf(ctx)
	fmt.Println(store.Tombstone(ctx, "content-42", eventstore.Any))

	_, err := store.Append(ctx, "content-42", eventstore.Any, eventstore.Event{Type: "DraftSaved"})
	fmt.Println(errors.Is(err, eventstore.ErrTombstoned), err)
	// Output:
	// <nil>
	// true eventstore: append to "content-42": stream "content-42" is tombstoned
}
