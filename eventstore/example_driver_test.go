package eventstore_test

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
)

// A driver asks Check what to do, and does it: here for one stream of three
// events, which holds none of the IDs.
func ExampleCheck() {
	writes := []eventstore.Write{{
		Stream: "content-42", Expected: eventstore.Exact(3),
		Events: []eventstore.Event{{ID: uuid.Max, Type: "ContentPublished", SchemaVersion: 1}},
	}}
	results := make([]eventstore.Appended, len(writes))
	duplicate, err := eventstore.Check(writes, results,
		func(int) eventstore.Head { return eventstore.Head{Version: 3, First: 1} },
		func(int, uuid.UUID) (eventstore.Found, bool) { return eventstore.Found{}, false },
	)
	fmt.Println("duplicate:", duplicate, err)
	fmt.Println("append so that the last event has version", results[0].Version)
	// Output:
	// duplicate: false <nil>
	// append so that the last event has version 4
}

func ExampleCheckErasure() {
	head := eventstore.Head{Version: 3, First: 1}
	truncate := eventstore.Erasure{Stream: "content-42", Kind: eventstore.Truncate, Expected: eventstore.Any, Before: 3}
	head, err := eventstore.CheckErasure(truncate, head)
	fmt.Println("remove what is before", head.First, err)
	// Output:
	// remove what is before 3 <nil>
}

func ExampleNewCheckpoint() {
	checkpoint := eventstore.NewCheckpoint("10:20:15", 7)
	fmt.Println(checkpoint)
	base, offset := checkpoint.Parts()
	fmt.Println(base, offset)
	// Output:
	// 7@10:20:15
	// 10:20:15 7
}

func ExampleParseCheckpoint() {
	checkpoint, err := eventstore.ParseCheckpoint("")
	fmt.Println(checkpoint.IsZero(), err)
	_, err = eventstore.ParseCheckpoint("yesterday")
	fmt.Println(err)
	// Output:
	// true <nil>
	// eventstore: invalid checkpoint: "yesterday"
}

func ExampleExact() {
	for _, expected := range []eventstore.Expected{eventstore.Exact(7), eventstore.NoStream, eventstore.StreamExists, eventstore.Any} {
		version, exact := expected.Version()
		fmt.Println(expected, version, exact)
	}
	// Output:
	// version 7 7 true
	// no stream 0 true
	// an existing stream 0 false
	// any version 0 false
}
