package storetest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/eventstore/storetest"
)

// A driver's test is this function, and as many fields of the Harness as its
// database can offer.
func ExampleRun() {
	TestDriver := func(t *testing.T) {
		storetest.Run(t, storetest.Harness{
			New: func(testing.TB) eventstore.Driver { return eventstore.NewMemory() },
		})
	}
	_ = TestDriver // go test calls it
}

// Its benchmark takes the same Harness.
func ExampleRunBenchmarks() {
	BenchmarkDriver := func(b *testing.B) {
		storetest.RunBenchmarks(b, storetest.Harness{
			New: func(testing.TB) eventstore.Driver { return eventstore.NewMemory() },
		})
	}
	_ = BenchmarkDriver // go test -bench calls it
}

// The Model says what a store should have answered.
func ExampleModel() {
	ctx := context.Background()
	store, model := eventstore.New(eventstore.NewMemory(), eventstore.Config{}), storetest.NewModel()
	event := eventstore.Event{ID: uuid.MustParse("6b697400-0000-7000-8000-000000000001"), Type: "ContentUploaded"}

	for _, op := range []storetest.Op{
		storetest.Append{{Stream: "content-1", Expected: eventstore.NoStream, Events: []eventstore.Event{event}}},
		storetest.Append{{Stream: "content-1", Expected: eventstore.NoStream, Events: []eventstore.Event{event}}},
		storetest.Erase{Stream: "content-1", Kind: eventstore.Truncate, Before: 2},
	} {
		outcome := storetest.Do(ctx, store, op)
		fmt.Println(op, "->", outcome)
		if err := model.Step(op, outcome); err != nil {
			fmt.Println("not as the model:", err)
		}
	}
	fmt.Println("as the model:", model.Verify(ctx, store) == nil)

	lost := storetest.Outcome{Results: []eventstore.Appended{{Version: 1, Position: 7}}}
	again := storetest.Append{{Stream: "content-1", Expected: eventstore.Any, Events: []eventstore.Event{event}}}
	fmt.Println(model.Step(again, lost))
	// Output:
	// append e1 to "content-1" expecting no stream -> version 1 at position 1
	// append e1 to "content-1" expecting no stream -> version 1 at position 1, duplicate
	// truncate "content-1" before version 2 -> done
	// as the model: true
	// for "content-1" it returned version 1 at position 7; it should be version 1 at position 1, duplicate
}

// A History is linearizable if some order of its calls explains them. Here the
// second client was given version 1 after the first had got version 2.
func ExampleHistory_Check() {
	appended := func(client int, version int64, start, end time.Duration) storetest.Call {
		return storetest.Call{
			Client:  client,
			Op:      storetest.Append{{Stream: "content-1", Expected: eventstore.Any, Events: make([]eventstore.Event, 1)}},
			Outcome: storetest.Outcome{Results: []eventstore.Appended{{Version: version}}},
			Start:   start, End: end,
		}
	}
	together := storetest.History{appended(1, 2, 0, 5*time.Millisecond), appended(2, 1, 2*time.Millisecond, 3*time.Millisecond)}
	fmt.Println("at the same time:", together.Check(0))

	apart := storetest.History{appended(1, 2, 0, 5*time.Millisecond), appended(2, 1, 7*time.Millisecond, 8*time.Millisecond)}
	fmt.Println("one after the other:", apart.Check(0) == nil)
	// Output:
	// at the same time: <nil>
	// one after the other: false
}

// Four clients append to one stream, each expecting the version that it has
// heard of last. Some lose; what they all were told must fit together.
func ExampleContest_Run() {
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	history := storetest.Contest{
		Stream:  "content-1",
		Clients: 4,
		Appends: 25,
		Next: func(_, _ int, seen int64) (eventstore.Expected, int) {
			return eventstore.Exact(seen), 1
		},
		Events: func(n int) []eventstore.Event {
			events := make([]eventstore.Event, n)
			for i := range events {
				events[i] = eventstore.Event{Type: "ContentUploaded"}
			}
			return events
		},
	}.Run(context.Background(), store)

	fmt.Println(len(history), "appends:", history.Check(0))
	// Output: 100 appends: <nil>
}
