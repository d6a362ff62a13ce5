package cqrs_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
)

// A service calls Run, which ends when the service does.
func ExampleProjector_Run() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	target := cqrs.NewMemory[string]()
	plain := titles(1, func(data []byte) string { return string(data) })
	projector, err := cqrs.NewProjector(store, target, plain, cqrs.Config{
		Logger: discard,
		Hooks: cqrs.Hooks{
			Changed: func(_ context.Context, c cqrs.Change) { fmt.Println(c.Part) },
			Progress: func(_ context.Context, p cqrs.Progress) {
				if p.Live && p.Done == 1 {
					stop() // such as on SIGTERM
				}
			},
		},
	})
	if err != nil {
		panic(err)
	}
	event := eventstore.Event{Type: "ContentUploaded", Data: []byte("Go")}
	if _, err := store.Append(ctx, "content-42", eventstore.NoStream, event); err != nil {
		panic(err)
	}
	fmt.Println(projector.Run(ctx))
	for stream, title := range target.Rows("titles") {
		fmt.Println(stream, title)
	}
	// Output:
	// owner
	// switched to active
	// <nil>
	// content-42 Go
}

// An event that cannot be applied comes again until it can.
func ExampleHooks() {
	ctx := context.Background()
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	event := eventstore.Event{Type: "ContentUploaded", Data: []byte("Go")}
	if _, err := store.Append(ctx, "content-42", eventstore.NoStream, event); err != nil {
		panic(err)
	}
	projection := titles(1, func(data []byte) string { return string(data) })
	apply, down := projection.Apply, true
	projection.Apply = func(ctx context.Context, tx *cqrs.MemoryTx[string], m cqrs.Model, events []eventstore.Recorded) error {
		if down {
			return errors.New("the dictionary is down")
		}
		return apply(ctx, tx, m, events)
	}
	projector, err := cqrs.NewProjector(store, cqrs.NewMemory[string](), projection, cqrs.Config{
		Logger: discard,
		Hooks: cqrs.Hooks{
			Failed: func(_ context.Context, f cqrs.Failure) {
				fmt.Println(f.Attempt, f.Err)
				down = false
			},
			Progress: func(_ context.Context, p cqrs.Progress) {
				fmt.Println(p.Done, "of", p.Total, "live:", p.Live)
			},
		},
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(projector.CatchUp(ctx))
	// Output:
	// 0 of 1 live: false
	// 1 apply event of stream "content-42", version 1 (ContentUploaded): the dictionary is down
	// 1 of 1 live: true
	// <nil>
}

// Old versions stay until they are given up.
func ExampleDrop() {
	ctx := context.Background()
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	target := cqrs.NewMemory[string]()
	for version := 1; version <= 2; version++ {
		projection := titles(version, func(data []byte) string { return string(data) })
		projector, err := cqrs.NewProjector(store, target, projection, cqrs.Config{Logger: discard})
		if err != nil {
			panic(err)
		}
		if err := projector.CatchUp(ctx); err != nil {
			panic(err)
		}
	}
	model, err := cqrs.ActiveModel(ctx, target, "titles")
	fmt.Println(model.Table("titles"), err)
	fmt.Println(cqrs.Drop(ctx, target, "titles", 2))
	fmt.Println(cqrs.Drop(ctx, target, "titles", 1))
	versions, err := target.Versions(ctx, "titles")
	for _, v := range versions {
		fmt.Println(v.Model.Version, v.Status)
	}
	fmt.Println(err)
	// Output:
	// titles_v2 <nil>
	// cqrs: drop "titles", version 2: cqrs: version of the projection is active
	// <nil>
	// 1 dropped
	// 2 active
	// <nil>
}

// A version that is being built and is not wanted any more stops.
func ExampleRetire() {
	ctx := context.Background()
	target := cqrs.NewMemory[string]()
	lease, err := target.Acquire(ctx, cqrs.Claim{Projection: "titles", Version: 2, Owner: "pod-1", Duration: time.Second})
	if err != nil {
		panic(err)
	}
	fmt.Println(cqrs.Retire(ctx, target, "titles", 2))
	_, err = target.Update(ctx, lease, cqrs.Step{Applied: 1}, nil)
	fmt.Println(errors.Is(err, cqrs.ErrRetired))
	// Output:
	// <nil>
	// true
}
