package eventstore_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/parlance-go/parlance/eventstore"
)

func Example() {
	ctx := context.Background()
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})

	uploaded := eventstore.Event{Type: "ContentUploaded", Data: []byte(`{"title":"Go"}`)}
	published := eventstore.Event{Type: "ContentPublished", Data: []byte(`{"by":"ada"}`)}
	appended, err := store.Append(ctx, "content-42", eventstore.NoStream, uploaded, published)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("now at version", appended.Version)

	for event, err := range store.Read(ctx, "content-42", 1) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%d %s %s\n", event.Version, event.Type, event.Data)
	}
	// Output:
	// now at version 2
	// 1 ContentUploaded {"title":"Go"}
	// 2 ContentPublished {"by":"ada"}
}

// Two people decide on the same state. The second one hears that it has
// changed, and by how much.
func ExampleStore_Append_conflict() {
	ctx := context.Background()
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	_, _ = store.Append(ctx, "content-42", eventstore.NoStream, eventstore.Event{Type: "ContentUploaded"})

	_, err := store.Append(ctx, "content-42", eventstore.Exact(1), eventstore.Event{Type: "ContentPublished"})
	fmt.Println("ada:", err)

	_, err = store.Append(ctx, "content-42", eventstore.Exact(1), eventstore.Event{Type: "ContentWithdrawn"})
	fmt.Println("bob:", errors.Is(err, eventstore.ErrConflict))
	if conflict, ok := errors.AsType[*eventstore.ConflictError](err); ok {
		fmt.Println("bob decided at", conflict.Expected, "and has to look at version", conflict.Actual)
	}
	// Output:
	// ada: <nil>
	// bob: true
	// bob decided at version 1 and has to look at version 2
}

// After a timeout nobody knows whether the events were stored. The same slice
// may always be sent again: Append has filled in the IDs.
func ExampleStore_Append_again() {
	ctx := context.Background()
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})

	events := []eventstore.Event{{Type: "ContentUploaded"}}
	for range 2 {
		appended, err := store.Append(ctx, "content-42", eventstore.NoStream, events...)
		fmt.Printf("version %d, duplicate %t, %v\n", appended.Version, appended.Duplicate, err)
	}
	// Output:
	// version 1, duplicate false, <nil>
	// version 1, duplicate true, <nil>
}

// Without events, Append checks what it expects.
func ExampleStore_Append_check() {
	ctx := context.Background()
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})

	_, err := store.Append(ctx, "content-42", eventstore.StreamExists)
	fmt.Println(err)
	// Output:
	// eventstore: append to "content-42": stream "content-42": expected an existing stream, but it has no events
}

func ExampleConfig_hooks() {
	ctx := context.Background()
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{
		Hooks: eventstore.Hooks{
			Appended: func(_ context.Context, info eventstore.AppendInfo) {
				for i, w := range info.Writes {
					fmt.Println(len(w.Events), "to", w.Stream, "version", info.Results[i].Version, info.Err)
				}
			},
		},
	})
	_, _ = store.Append(ctx, "content-42", eventstore.Any, eventstore.Event{Type: "ContentUploaded"})
	// Output:
	// 1 to content-42 version 1 <nil>
}
