package cqrs_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
)

var discard = slog.New(slog.DiscardHandler)

// titles is a read model: the title of each content, by its stream.
func titles(version int, title func(data []byte) string) cqrs.Projection[*cqrs.MemoryTx[string]] {
	return cqrs.Projection[*cqrs.MemoryTx[string]]{
		Name: "titles", Version: version, Tables: []string{"titles"},
		Filter: eventstore.Filter{Types: []string{"ContentUploaded"}},
		Apply: func(_ context.Context, tx *cqrs.MemoryTx[string], m cqrs.Model, events []eventstore.Recorded) error {
			for _, event := range events {
				tx.Put(m.Table("titles"), event.Stream, title(event.Data))
			}
			return nil
		},
	}
}

func ExampleProjector_CatchUp() {
	ctx := context.Background()
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	for id, title := range []string{"Go", "SQL"} {
		event := eventstore.Event{Type: "ContentUploaded", Data: []byte(title)}
		if _, err := store.Append(ctx, fmt.Sprintf("content-%d", id), eventstore.NoStream, event); err != nil {
			panic(err)
		}
	}

	target := cqrs.NewMemory[string]()
	show := func() {
		for stream, title := range target.Rows("titles") {
			fmt.Println(stream, title)
		}
	}
	plain := titles(1, func(data []byte) string { return string(data) })
	one, err := cqrs.NewProjector(store, target, plain, cqrs.Config{Logger: discard})
	if err != nil {
		panic(err)
	}
	if err := one.CatchUp(ctx); err != nil {
		panic(err)
	}
	show()

	// Version 2 is built beside version 1, and takes its place.
	quoted := titles(2, func(data []byte) string { return fmt.Sprintf("%q", data) })
	two, err := cqrs.NewProjector(store, target, quoted, cqrs.Config{
		Logger: discard,
		Hooks: cqrs.Hooks{Progress: func(_ context.Context, p cqrs.Progress) {
			fmt.Printf("%s version %d: %d of %d events\n", p.Projection, p.Version, p.Done, p.Total)
		}},
	})
	if err != nil {
		panic(err)
	}
	if err := two.CatchUp(ctx); err != nil {
		panic(err)
	}
	show()
	// Output:
	// content-0 Go
	// content-1 SQL
	// titles version 2: 2 of 2 events
	// content-0 "Go"
	// content-1 "SQL"
}

func ExampleReactor() {
	ctx, cancel := context.WithCancel(context.Background())
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	for _, name := range []string{"ContentUploaded", "ContentPublished"} {
		if _, err := store.Append(ctx, "content-42", eventstore.Any, eventstore.Event{Type: name}); err != nil {
			panic(err)
		}
	}
	reactor, err := cqrs.NewReactor(store, cqrs.NewMemory[string](), cqrs.Reaction{
		Name:   "announce",
		Filter: eventstore.Filter{Types: []string{"ContentPublished"}},
		React: func(_ context.Context, event eventstore.Recorded) error {
			fmt.Println("announce", event.Stream)
			cancel()
			return nil
		},
	}, cqrs.Config{Logger: discard})
	if err != nil {
		panic(err)
	}
	fmt.Println(reactor.Run(ctx))
	// Output:
	// announce content-42
	// <nil>
}

func ExampleAtLeastOnce() {
	ctx := context.Background()
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	event := eventstore.Event{Type: "ContentUploaded", Data: []byte("Go")}
	if _, err := store.Append(ctx, "content-42", eventstore.NoStream, event); err != nil {
		panic(err)
	}

	index := map[string]string{} // stands for a search engine
	contents := cqrs.Projection[map[string]string]{
		Name: "contents",
		Apply: func(_ context.Context, index map[string]string, m cqrs.Model, events []eventstore.Recorded) error {
			for _, event := range events {
				// The same key and value when it is repeated.
				index[m.Name("contents")+"/"+event.Stream] = string(event.Data)
			}
			return nil
		},
	}
	target := cqrs.AtLeastOnce(cqrs.NewMemory[string](), index)
	projector, err := cqrs.NewProjector(store, target, contents, cqrs.Config{Logger: discard})
	if err != nil {
		panic(err)
	}
	if err := projector.CatchUp(ctx); err != nil {
		panic(err)
	}
	model, err := cqrs.ActiveModel(ctx, target, "contents")
	fmt.Println(index[model.Name("contents")+"/content-42"], err)
	// Output: Go <nil>
}

func ExampleReinstate() {
	ctx := context.Background()
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	target := cqrs.NewMemory[string]()
	plain := func(data []byte) string { return string(data) }
	build := func(version int) {
		projector, err := cqrs.NewProjector(store, target, titles(version, plain), cqrs.Config{Logger: discard})
		if err != nil {
			panic(err)
		}
		if err := projector.CatchUp(ctx); err != nil {
			panic(err)
		}
		model, err := cqrs.ActiveModel(ctx, target, "titles")
		fmt.Println("version", model.Version, err)
	}
	build(1)
	build(2)

	// Version 2 was a mistake: version 1 goes on and takes the place back.
	if err := cqrs.Reinstate(ctx, target, "titles", 1); err != nil {
		panic(err)
	}
	build(1)
	fmt.Println(cqrs.Drop(ctx, target, "titles", 2))
	// Output:
	// version 1 <nil>
	// version 2 <nil>
	// version 1 <nil>
	// <nil>
}
