package eventstore_test

import (
	"context"
	"fmt"

	"github.com/parlance-go/parlance/eventstore"
)

// A seat moves from one course to another, if the student is still enrolled:
// all of it is done, or nothing.
func ExampleStore_AppendAll() {
	ctx := context.Background()
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	_, _ = store.Append(ctx, "student-1", eventstore.NoStream, eventstore.Event{Type: "StudentEnrolled"})
	_, _ = store.Append(ctx, "course-1", eventstore.NoStream, eventstore.Event{Type: "SeatTaken"})

	move := func(enrolled eventstore.Expected) {
		results, err := store.AppendAll(ctx,
			eventstore.Write{Stream: "course-1", Expected: eventstore.Exact(1), Events: []eventstore.Event{{Type: "SeatFreed"}}},
			eventstore.Write{Stream: "course-2", Expected: eventstore.NoStream, Events: []eventstore.Event{{Type: "SeatTaken"}}},
			eventstore.Write{Stream: "student-1", Expected: enrolled}, // only checked
		)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("course-1 is at", results[0].Version, "and course-2 at", results[1].Version)
	}
	move(eventstore.Exact(2))
	move(eventstore.Exact(1))
	// Output:
	// eventstore: append to 3 streams: stream "student-1": expected version 2, but it is at version 1
	// course-1 is at 2 and course-2 at 1
}
