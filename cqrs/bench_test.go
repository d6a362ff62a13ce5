package cqrs_test

import (
	"context"
	"testing"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
)

// BenchmarkSend compares a bus with a call of the handler through a variable.
func BenchmarkSend(b *testing.B) {
	ctx, handled := b.Context(), 0
	handle := func(_ context.Context, c upload) error {
		handled += len(c.Title)
		return nil
	}
	b.Run("floor", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = handle(ctx, upload{"a"})
		}
	})
	for name, middleware := range map[string][]cqrs.Middleware{
		"parlance":                nil,
		"parlance-one-middleware": {func(next cqrs.Next) cqrs.Next { return next }},
	} {
		commands := cqrs.NewCommands(middleware...)
		if err := cqrs.Handle(commands, handle); err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = cqrs.Send(ctx, commands, upload{"a"})
			}
		})
	}
}

func BenchmarkAsk(b *testing.B) {
	ctx, queries := b.Context(), cqrs.NewQueries()
	if err := cqrs.Answer(queries, func(_ context.Context, q length) (int, error) { return len(q.Of), nil }); err != nil {
		b.Fatal(err)
	}
	b.Run("parlance", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = cqrs.Ask(ctx, queries, length{Of: "a"})
		}
	})
}

// BenchmarkProject is what projecting costs besides the store and the target.
func BenchmarkProject(b *testing.B) {
	ctx, store := b.Context(), newStore()
	for range 10_000 {
		if _, err := store.Append(ctx, "a", eventstore.Any, eventstore.Event{Type: "A"}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		p := cqrs.Projection[countx]{
			Name:  "none",
			Apply: func(context.Context, countx, cqrs.Model, []eventstore.Recorded) error { return nil },
		}
		projector, err := cqrs.NewProjector(store, cqrs.NewMemory[int](), p, cqrs.Config{Logger: quiet})
		if err != nil {
			b.Fatal(err)
		}
		if err := projector.CatchUp(ctx); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(10_000*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
