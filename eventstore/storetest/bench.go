package storetest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
)

// RunBenchmarks measures a driver, each case in a benchmark of its own named
// area/case/parlance. Those that append tell events/s besides.
//
//	func BenchmarkStore(b *testing.B) { storetest.RunBenchmarks(b, harness) }
func RunBenchmarks(b *testing.B, h Harness) {
	for _, size := range []struct {
		name   string
		events int
	}{{"one-event", 1}, {"ten-events", 10}} {
		for _, clients := range []int{1, 2, 32, 256} {
			b.Run(fmt.Sprintf("Append/%s/clients=%d/parlance", size.name, clients), func(b *testing.B) {
				benchmarkAppend(b, h, size.events, clients)
			})
		}
	}
	b.Run("Append/one-stream/clients=32/parlance", func(b *testing.B) { benchmarkOneStream(b, h, 32) })
	b.Run("ReadStream/events=1000/parlance", func(b *testing.B) { benchmarkRead(b, h, 1000) })
	b.Run("CatchUp/events=10000/parlance", func(b *testing.B) { benchmarkCatchUp(b, h, 10_000) })
	b.Run("Deliver/one-event/parlance", func(b *testing.B) { benchmarkDeliver(b, h) })
}

func benchmarkEvents(n int) []eventstore.Event {
	data := []byte(`{"title":"A lecture on event stores","words":4711,"language":"en"}`)
	events := make([]eventstore.Event, n)
	for i := range events {
		events[i] = eventstore.Event{Type: "ContentUploaded", SchemaVersion: 1, Data: data}
	}
	return events
}

// clients divides b.N calls among goroutines.
func clients(b *testing.B, n int, call func() error) {
	b.Helper()
	var running sync.WaitGroup
	var next atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	for range n {
		running.Go(func() {
			for next.Add(1) <= int64(b.N) {
				if err := call(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
	b.StopTimer()
}

func benchmarkAppend(b *testing.B, h Harness, events, n int) {
	store := eventstore.New(h.New(b), eventstore.Config{})
	ctx := b.Context()
	clients(b, n, func() error {
		_, err := store.Append(ctx, "content-"+uuid.NewString(), eventstore.NoStream, benchmarkEvents(events)...)
		return err
	})
	b.ReportMetric(float64(b.N*events)/b.Elapsed().Seconds(), "events/s")
}

func benchmarkOneStream(b *testing.B, h Harness, n int) {
	store := eventstore.New(h.New(b), eventstore.Config{})
	ctx := b.Context()
	clients(b, n, func() error {
		_, err := store.Append(ctx, "content-1", eventstore.Any, benchmarkEvents(1)...)
		return err
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// fill appends events to streams of ten.
func fill(ctx context.Context, b *testing.B, store *eventstore.Store, events int) {
	b.Helper()
	for i := 0; i < events; i += 1000 {
		writes := make([]eventstore.Write, min(100, (events-i)/10))
		for j := range writes {
			writes[j] = eventstore.Write{Stream: fmt.Sprintf("content-%d-%d", i, j), Events: benchmarkEvents(10)}
		}
		if _, err := store.AppendAll(ctx, writes...); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkRead(b *testing.B, h Harness, events int) {
	store := eventstore.New(h.New(b), eventstore.Config{})
	ctx := b.Context()
	if _, err := store.Append(ctx, "content-1", eventstore.NoStream, benchmarkEvents(events)...); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if got, err := collect(store.Read(ctx, "content-1", 1)); err != nil || len(got) != events {
			b.Fatalf("%d events, error %v", len(got), err)
		}
	}
	b.ReportMetric(float64(b.N*events)/b.Elapsed().Seconds(), "events/s")
}

func benchmarkCatchUp(b *testing.B, h Harness, events int) {
	store := eventstore.New(h.New(b), eventstore.Config{})
	ctx := b.Context()
	fill(ctx, b, store, events)
	b.ReportAllocs()
	for b.Loop() {
		got := 0
		for _, err := range store.ReadAll(ctx, eventstore.Checkpoint{}, eventstore.Filter{}) {
			if err != nil {
				b.Fatal(err)
			}
			got++
		}
		if got != events {
			b.Fatalf("%d events, not %d", got, events)
		}
	}
	b.ReportMetric(float64(b.N*events)/b.Elapsed().Seconds(), "events/s")
}

// benchmarkDeliver measures from before an append until a subscriber has it.
func benchmarkDeliver(b *testing.B, h Harness) {
	store := eventstore.New(h.New(b), eventstore.Config{})
	ctx, stop := context.WithCancel(b.Context())
	delivered := make(chan struct{}, 1)
	var subscriber sync.WaitGroup
	subscriber.Go(func() {
		for _, err := range store.Subscribe(ctx, eventstore.Checkpoint{}, eventstore.Filter{}) {
			if err != nil {
				return
			}
			delivered <- struct{}{}
		}
	})
	for b.Loop() {
		if _, err := store.Append(ctx, "content-1", eventstore.Any, benchmarkEvents(1)...); err != nil {
			b.Fatal(err)
		}
		<-delivered
	}
	stop()
	subscriber.Wait()
}
