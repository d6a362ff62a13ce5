// Eventstore appends events to streams, finds out that somebody else was
// faster, and follows all events.
//
//	go run ./examples/eventstore
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/parlance-go/parlance/eventstore"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, w io.Writer) error {
	// With adapters/sqlite or adapters/postgres in place of memory, all else
	// stays as it is.
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})

	// A new stream: only if there is none yet.
	uploaded := []eventstore.Event{{Type: "ContentUploaded", Data: []byte(`{"title":"Go"}`)}}
	first, err := store.Append(ctx, "content-42", eventstore.NoStream, uploaded...)
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "appended version", first.Version)

	// The answer was lost? The same events again are the same events.
	again, err := store.Append(ctx, "content-42", eventstore.NoStream, uploaded...)
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "again: version", again.Version, "duplicate", again.Duplicate)

	// Two who have both seen version 1: one of them is too late.
	for _, name := range []string{"ContentPublished", "ContentDeleted"} {
		_, err := store.Append(ctx, "content-42", eventstore.Exact(1), eventstore.Event{Type: name})
		var conflict *eventstore.ConflictError
		switch {
		case errors.As(err, &conflict):
			fmt.Fprintf(w, "%s: too late, the stream is at version %d\n", name, conflict.Actual)
		case err != nil:
			return err
		default:
			fmt.Fprintf(w, "%s: appended\n", name)
		}
	}

	// Follow all streams, from the beginning on. The checkpoint of the last
	// event is where to go on next time.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for event, err := range store.Subscribe(ctx, eventstore.Checkpoint{}, eventstore.Filter{}) {
		if err != nil {
			return err
		}
		fmt.Fprintln(w, event.Stream, event.Version, event.Type)
		if event.Type == "ContentPublished" {
			break
		}
	}
	return nil
}
