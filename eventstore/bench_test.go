package eventstore_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
)

var benchData = []byte(`{"title":"Go","words":1234,"language":"en","author":"someone"}`)

// floor does the least that an append to memory has to do: it copies the event
// into a slice and remembers its ID, under a mutex.
type floor struct {
	mu     sync.Mutex
	events []eventstore.Event
	ids    map[uuid.UUID]int
}

func newFloor() *floor { return &floor{ids: make(map[uuid.UUID]int)} }

func (f *floor) append(e eventstore.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e.Data = append([]byte(nil), e.Data...)
	f.ids[e.ID] = len(f.events)
	f.events = append(f.events, e)
}

func (f *floor) read(yield func(eventstore.Event) bool) {
	f.mu.Lock()
	page := append([]eventstore.Event(nil), f.events...)
	f.mu.Unlock()
	for i := range page {
		page[i].Data = append([]byte(nil), page[i].Data...)
		if !yield(page[i]) {
			return
		}
	}
}

// BenchmarkAppend begins a new store every 100,000 appends, so that the number
// of runs does not decide how much memory the collector has to look through.
func BenchmarkAppend(b *testing.B) {
	const round = 100_000
	ctx := b.Context()
	names := make([]string, round)
	for i := range names {
		names[i] = fmt.Sprintf("content-%d", i)
	}
	parlance := func(name func(i int) string, expected eventstore.Expected) func(*testing.B) {
		return func(b *testing.B) {
			var store *eventstore.Store
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if i%round == 0 {
					store = eventstore.New(eventstore.NewMemory(), eventstore.Config{})
				}
				event := eventstore.Event{Type: "ContentUploaded", Data: benchData}
				if _, err := store.Append(ctx, name(i%round), expected, event); err != nil {
					b.Fatal(err)
				}
			}
			reportEvents(b, 1)
		}
	}
	least := func(b *testing.B) {
		var f *floor
		var id uuid.UUID
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if i%round == 0 {
				f = newFloor()
			}
			id[0], id[1], id[2] = byte(i), byte(i>>8), byte(i>>16)
			f.append(eventstore.Event{ID: id, Type: "ContentUploaded", Data: benchData})
		}
		reportEvents(b, 1)
	}
	b.Run("one-event/existing-stream/parlance", parlance(func(int) string { return "content-1" }, eventstore.Any))
	b.Run("one-event/existing-stream/floor", least)
	b.Run("one-event/new-streams/parlance", parlance(func(i int) string { return names[i] }, eventstore.NoStream))
	b.Run("one-event/new-streams/floor", least)
}

func reportEvents(b *testing.B, events int) {
	b.ReportMetric(float64(b.N)*float64(events)/b.Elapsed().Seconds(), "events/s")
}

func filled(b *testing.B, events int) (*eventstore.Store, *floor) {
	store, f := eventstore.New(eventstore.NewMemory(), eventstore.Config{}), newFloor()
	for range events {
		appended := []eventstore.Event{{Type: "ContentUploaded", Data: benchData}}
		if _, err := store.Append(b.Context(), "content-1", eventstore.Any, appended...); err != nil {
			b.Fatal(err)
		}
		f.append(appended[0])
	}
	return store, f
}

func benchmarkRead(b *testing.B, read func(store *eventstore.Store) int) {
	const events = 1000
	store, f := filled(b, events)
	b.Run("events=1000/parlance", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if n := read(store); n != events {
				b.Fatalf("read %d events, want %d", n, events)
			}
		}
		reportEvents(b, events)
	})
	b.Run("events=1000/floor", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			n := 0
			for range f.read {
				n++
			}
			if n != events {
				b.Fatalf("read %d events, want %d", n, events)
			}
		}
		reportEvents(b, events)
	})
}

func BenchmarkRead(b *testing.B) {
	benchmarkRead(b, func(store *eventstore.Store) (n int) {
		for _, err := range store.Read(b.Context(), "content-1", 1) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		return n
	})
}

func BenchmarkReadAll(b *testing.B) {
	benchmarkRead(b, func(store *eventstore.Store) (n int) {
		for _, err := range store.ReadAll(b.Context(), eventstore.Checkpoint{}, eventstore.Filter{}) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		return n
	})
}

func BenchmarkRegistry(b *testing.B) {
	registry, err := eventstore.NewRegistry[contentEvent](
		eventstore.JSON[contentPublished]("ContentPublished", 1),
		eventstore.JSON[contentArchived]("ContentArchived", 1),
		eventstore.JSON[contentUploaded]("ContentUploaded", 1),
	)
	if err != nil {
		b.Fatal(err)
	}
	value := contentUploaded{Title: "Go", Words: 1234}
	event, err := registry.Encode(value)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode/parlance", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := registry.Encode(value); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encode/floor", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(value); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode/parlance", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := registry.Decode(event); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode/floor", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var value contentUploaded
			if err := json.Unmarshal(event.Data, &value); err != nil {
				b.Fatal(err)
			}
		}
	})
}
