package aggregate_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/eventstore/aggregate"
)

func ExampleRepository_Load() {
	ctx := context.Background()
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	contents, err := aggregate.NewRepository(content, aggregate.Config[ContentState, ContentEvent]{
		Store: store, Category: "content", Events: contentEvents,
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(contents.Load(ctx, "42"))
	if _, err := contents.Handle(ctx, "42", UploadContent{Title: "Go"}); err != nil {
		panic(err)
	}
	fmt.Println(contents.Load(ctx, "42"))
	// Output:
	// {draft} 0 <nil>
	// {uploaded} 1 <nil>
}

// Update decides anew when another writer was faster.
func ExampleRoots_Update() {
	ctx := context.Background()
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	contents, err := aggregate.NewRoots(NewContent, aggregate.Config[*Content, ContentEvent]{
		Store: store, Category: "content", Events: contentEvents,
	})
	if err != nil {
		panic(err)
	}
	attempts := 0
	err = contents.Update(ctx, "42", func(c *Content) error {
		attempts++
		if attempts == 1 { // another writer, just now
			if err := contents.Update(ctx, "42", func(c *Content) error { return c.Upload("Rust") }); err != nil {
				return err
			}
		}
		return c.Upload("Go")
	})
	fmt.Println(attempts, err)
	// Output: 2 upload while uploaded: not now
}

// Save appends what was recorded since Load, unless another writer was faster.
func ExampleRoots_Save() {
	ctx := context.Background()
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	contents, err := aggregate.NewRoots(NewContent, aggregate.Config[*Content, ContentEvent]{
		Store: store, Category: "content", Events: contentEvents,
	})
	if err != nil {
		panic(err)
	}
	for _, title := range []string{"Go", "Rust"} {
		c, err := contents.Load(ctx, "42")
		if err != nil {
			panic(err)
		}
		late, err := contents.Load(ctx, "42")
		if err != nil {
			panic(err)
		}
		fmt.Println(c.Upload(title))
		fmt.Println(contents.Save(ctx, c))
		if late.Upload("too late") == nil {
			err := contents.Save(ctx, late)
			fmt.Println(errors.Is(err, eventstore.ErrConflict), len(late.Pending()))
		}
	}
	// Output:
	// <nil>
	// <nil>
	// true 1
	// upload while uploaded: not now
	// <nil>
}

// Snapshots in the event store last as long as the events.
func ExampleNewStreamSnapshots() {
	ctx := context.Background()
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	contents, err := aggregate.NewRepository(content, aggregate.Config[ContentState, ContentEvent]{
		Store: store, Category: "content", Events: contentEvents,
		Snapshots: aggregate.NewStreamSnapshots(store), SnapshotEvery: 2,
		Hooks: aggregate.Hooks{Snapshot: func(_ context.Context, info aggregate.SnapshotInfo) {
			fmt.Println("snapshot of", info.Stream, "at version", info.Version, info.Err)
		}},
	})
	if err != nil {
		panic(err)
	}
	for _, command := range []ContentCommand{UploadContent{Title: "Go"}, StartProcessing{}, CompleteProcessing{Words: 3}} {
		if _, err := contents.Handle(ctx, "42", command); err != nil {
			panic(err)
		}
	}
	fmt.Println(store.Head(ctx, "snapshot_content-42@1"))
	// Output:
	// snapshot of content-42 at version 2 <nil>
	// {1 1 false false} <nil>
}

// What a dashboard wants to know of commands.
func ExampleHooks() {
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	contents, err := aggregate.NewRepository(content, aggregate.Config[ContentState, ContentEvent]{
		Store: store, Category: "content", Events: contentEvents,
		Hooks: aggregate.Hooks{Handled: func(_ context.Context, info aggregate.HandledInfo) {
			fmt.Println(info.Stream, "attempts:", info.Attempts, "events:", info.Events, "error:", info.Err)
		}},
	})
	if err != nil {
		panic(err)
	}
	for range 2 {
		_, _ = contents.Handle(context.Background(), "42", UploadContent{Title: "Go"})
	}
	// Output:
	// content-42 attempts: 1 events: 1 error: <nil>
	// content-42 attempts: 1 events: 0 error: aggregate_test.UploadContent while uploaded: not now
}
