package aggregate_test

import (
	"context"
	"fmt"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/eventstore/aggregate"
)

// Snapshots in the event store itself: every driver keeps them, with no table
// of their own.
func Example_snapshots() {
	ctx := context.Background()
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	config := aggregate.Config[ContentState, ContentEvent]{
		Store: store, Category: "content", Events: contentEvents,
		Snapshots:     aggregate.NewStreamSnapshots(store),
		SnapshotEvery: 4,
		Hooks: aggregate.Hooks{
			Snapshot: func(_ context.Context, info aggregate.SnapshotInfo) {
				fmt.Println("snapshot of", info.Stream, "at version", info.Version, info.Err)
			},
		},
	}
	contents, err := aggregate.NewRepository(content, config)
	if err != nil {
		panic(err)
	}

	commands := []ContentCommand{
		UploadContent{Title: "Go"}, StartProcessing{}, FailProcessing{Reason: "no memory"}, StartProcessing{}, CompleteProcessing{Words: 1200},
	}
	for _, command := range commands {
		if _, err := contents.Handle(ctx, "42", command); err != nil {
			panic(err)
		}
	}

	// The events below the snapshot may go; the one that it ends with must stay,
	// because the snapshot counts only as long as the log confirms it.
	if err := store.Truncate(ctx, "content-42", 4); err != nil {
		panic(err)
	}
	state, version, err := contents.Load(ctx, "42")
	fmt.Println(state.Status, version, err)

	// A new StateVersion does not look at old snapshots, and events are gone.
	config.StateVersion = 2
	contents, err = aggregate.NewRepository(content, config)
	if err != nil {
		panic(err)
	}
	_, _, err = contents.Load(ctx, "42")
	fmt.Println(err)
	// Output:
	// snapshot of content-42 at version 4 <nil>
	// completed 5 <nil>
	// aggregate: load "content-42": stream "content-42": the events before version 4 are gone, and no snapshot stands for them
}

// JSON does not see unexported fields, so a codec says what a snapshot holds.
func ExampleConfig_stateCodec() {
	ctx := context.Background()
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	contents, err := aggregate.NewRoots(NewContent, aggregate.Config[*Content, ContentEvent]{
		Store: store, Category: "content", Events: contentEvents,
		Snapshots:     aggregate.NewStreamSnapshots(store),
		SnapshotEvery: 3,
		StateCodec: eventstore.Codec[*Content]{
			Encode: func(c *Content) ([]byte, error) { return []byte(c.status), nil },
			Decode: func(data []byte) (*Content, error) { return &Content{status: string(data)}, nil },
		},
	})
	if err != nil {
		panic(err)
	}

	for _, step := range []func(*Content) error{
		func(c *Content) error { return c.Upload("Go") },
		func(c *Content) error { return c.Process(1200) },
		(*Content).Publish,
	} {
		if err := contents.Update(ctx, "42", step); err != nil {
			panic(err)
		}
	}
	for event, err := range store.Read(ctx, "snapshot_content-42@1", 1) {
		if err != nil {
			panic(err)
		}
		fmt.Println(string(event.Data), event.Metadata.Extra["aggregateversion"])
	}
	c, err := contents.Load(ctx, "42")
	fmt.Println(c.status, c.Version(), err)
	// Output:
	// completed 3
	// published 4 <nil>
}

// Snapshots in memory save a process from folding again what it has folded.
func ExampleNewMemorySnapshots() {
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	_, err := aggregate.NewRepository(content, aggregate.Config[ContentState, ContentEvent]{
		Store: store, Category: "content", Events: contentEvents,
		Snapshots: aggregate.NewMemorySnapshots(10_000),
	})
	fmt.Println(err)
	// Output: <nil>
}
