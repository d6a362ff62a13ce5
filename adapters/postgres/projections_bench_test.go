package postgres_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/internal/testenv"
)

// BenchmarkProject builds the read model of 20,000 events, two statements for
// each. The floor runs the same statements in as many transactions, with the
// events at hand and without a checkpoint.
func BenchmarkProject(b *testing.B) {
	const events, batchSize = 20_000, 500
	pool := openPool(b, testenv.Postgres(b), 8)
	store := openLog(b, pool)
	for range events / batchSize {
		writes := make([]eventstore.Write, 100)
		for i := range writes {
			writes[i] = eventstore.Write{Stream: fmt.Sprintf("stream-%d", i), Expected: eventstore.Any}
			for range batchSize / len(writes) {
				writes[i].Events = append(writes[i].Events, eventstore.Event{Type: "Happened", Data: []byte(`{"title":"Go"}`)})
			}
		}
		_, err := store.AppendAll(b.Context(), writes...)
		assert.NoError(b, err)
	}
	var log []eventstore.Recorded
	for event, err := range store.ReadAll(b.Context(), eventstore.Checkpoint{}, eventstore.Filter{}) {
		assert.NoError(b, err)
		log = append(log, event)
	}
	version := 0
	b.Run("floor", func(b *testing.B) {
		for b.Loop() {
			version++
			p, model := tally(version), cqrs.NewModel("floor", version, nil)
			assert.NoError(b, pgx.BeginFunc(b.Context(), pool, func(tx pgx.Tx) error { return p.Setup(b.Context(), tx, model) }))
			for rest := log; len(rest) > 0; rest = rest[batchSize:] {
				assert.NoError(b, pgx.BeginFunc(b.Context(), pool, func(tx pgx.Tx) error {
					return p.Apply(b.Context(), tx, model, rest[:batchSize])
				}))
			}
		}
		b.ReportMetric(events*float64(b.N)/b.Elapsed().Seconds(), "events/s")
	})
	b.Run("parlance", func(b *testing.B) {
		for b.Loop() {
			version++
			assert.NoError(b, newTally(b, pool, store, version, cqrs.Config{}).CatchUp(b.Context()))
		}
		b.ReportMetric(events*float64(b.N)/b.Elapsed().Seconds(), "events/s")
	})
}
