package eventstore_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/parlance-go/parlance/eventstore"
)

// A subscriber reads what there is and waits for more. Its checkpoint, kept as
// text, lets it go on where it was after a restart.
func ExampleStore_Subscribe() {
	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	for _, user := range []string{"user-1", "user-2", "user-3"} {
		_, _ = store.Append(ctx, user, eventstore.NoStream, eventstore.Event{Type: "UserRegistered"})
	}

	var saved string
	for event, err := range store.Subscribe(ctx, eventstore.Checkpoint{}, eventstore.Filter{}) {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println("welcome,", event.Stream)
		saved = event.Checkpoint.String()
		if event.Stream == "user-2" {
			break // as if the program ended here
		}
	}

	checkpoint, err := eventstore.ParseCheckpoint(saved)
	if err != nil {
		fmt.Println(err)
		return
	}
	for event, err := range store.Subscribe(ctx, checkpoint, eventstore.Filter{}) {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println("again: welcome,", event.Stream)
		stop(errors.New("the example is over"))
	}
	// Output:
	// welcome, user-1
	// welcome, user-2
	// again: welcome, user-3
	// eventstore: subscribe: the example is over
}

// A reader of few events still moves its checkpoint on, and is told when it has
// caught up.
func ExampleStore_SubscribeBatches() {
	ctx := context.Background()
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	_, _ = store.Append(ctx, "user-1", eventstore.NoStream, eventstore.Event{Type: "UserRegistered"})
	_, _ = store.Append(ctx, "content-1", eventstore.NoStream, eventstore.Event{Type: "ContentUploaded"})

	filter := eventstore.Filter{Categories: []string{"user"}}
	for batch, err := range store.SubscribeBatches(ctx, eventstore.Checkpoint{}, filter) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(len(batch.Events), "event, live:", batch.Live)
		now, _ := store.Now(ctx)
		fmt.Println("at the end:", batch.Checkpoint == now)
		if batch.Live {
			break
		}
	}
	// Output:
	// 1 event, live: true
	// at the end: true
}

func ExampleStore_ReadAll() {
	ctx := context.Background()
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	_, _ = store.Append(ctx, "content-1", eventstore.NoStream, eventstore.Event{Type: "ContentUploaded"}, eventstore.Event{Type: "ContentPublished"})
	_, _ = store.Append(ctx, "content-2", eventstore.NoStream, eventstore.Event{Type: "ContentUploaded"})

	filter := eventstore.Filter{Types: []string{"ContentUploaded"}}
	for event, err := range store.ReadAll(ctx, eventstore.Checkpoint{}, filter) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(event.Stream, event.Type)
	}
	// Output:
	// content-1 ContentUploaded
	// content-2 ContentUploaded
}

// How far has a reader got?
func ExampleStore_Count() {
	ctx := context.Background()
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	for range 10 {
		_, _ = store.Append(ctx, "content-1", eventstore.Any, eventstore.Event{Type: "ContentViewed"})
	}
	total, err := store.Count(ctx, eventstore.Checkpoint{}, eventstore.Filter{})
	if err != nil {
		fmt.Println(err)
		return
	}
	var done int64
	for event := range store.ReadAll(ctx, eventstore.Checkpoint{}, eventstore.Filter{}) {
		if done++; done == 4 {
			left, _ := store.Count(ctx, event.Checkpoint, eventstore.Filter{})
			fmt.Printf("%d of %d done, %d to go\n", done, total, left)
			break
		}
	}
	// Output:
	// 4 of 10 done, 6 to go
}

// Now begins a subscription with what comes next.
func ExampleStore_Now() {
	ctx := context.Background()
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	_, _ = store.Append(ctx, "content-1", eventstore.NoStream, eventstore.Event{Type: "ContentUploaded"})

	now, err := store.Now(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _ = store.Append(ctx, "content-1", eventstore.Any, eventstore.Event{Type: "ContentPublished"})
	for event, err := range store.Subscribe(ctx, now, eventstore.Filter{}) {
		fmt.Println(event.Type, err)
		break
	}
	// Output:
	// ContentPublished <nil>
}

func ExampleCategory() {
	fmt.Println(eventstore.Category("content-42"))
	fmt.Println(eventstore.Category("settings"))
	// Output:
	// content
	// settings
}
