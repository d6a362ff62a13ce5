package eventstore_test

import (
	"context"
	"fmt"

	"github.com/parlance-go/parlance/eventstore"
)

// draftsOf returns a store that has a stream content-42 of four events.
func draftsOf(ctx context.Context) *eventstore.Store {
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	for _, draft := range []string{"first", "second", "third", "fourth"} {
		event := eventstore.Event{Type: "DraftSaved", Data: []byte(draft)}
		if _, err := store.Append(ctx, "content-42", eventstore.Any, event); err != nil {
			panic(err)
		}
	}
	return store
}

func ExampleStore_Read() {
	ctx := context.Background()
	for event, err := range draftsOf(ctx).Read(ctx, "content-42", 3) {
		fmt.Println(event.Version, string(event.Data), err)
	}
	// Output:
	// 3 third <nil>
	// 4 fourth <nil>
}

func ExampleStore_ReadBackwards() {
	ctx := context.Background()
	for event, err := range draftsOf(ctx).ReadBackwards(ctx, "content-42", eventstore.End) {
		fmt.Println("the last:", event.Version, string(event.Data), err)
		break
	}
	// Output:
	// the last: 4 fourth <nil>
}

func ExampleStore_ReadPage() {
	ctx := context.Background()
	page, err := draftsOf(ctx).ReadPage(ctx, eventstore.StreamRange{Stream: "content-42", From: 2, Max: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, event := range page.Events {
		fmt.Printf("%d of %d: %s\n", event.Version, page.Head.Version, event.Data)
	}
	// Output:
	// 2 of 4: second
	// 3 of 4: third
}

func ExampleStore_Head() {
	ctx := context.Background()
	store := draftsOf(ctx)
	head, err := store.Head(ctx, "content-42")
	fmt.Printf("%+v %v\n", head, err)
	head, err = store.Head(ctx, "content-43")
	fmt.Println("absent:", head.Version == 0, err)
	// Output:
	// {Version:4 First:1 Deleted:false Tombstoned:false} <nil>
	// absent: true <nil>
}
