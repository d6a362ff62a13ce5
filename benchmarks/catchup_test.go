package benchmarks_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/parlance-go/parlance/adapters/postgres"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/testenv"
)

// BenchmarkCatchUp reads a whole log. The floor reads the same rows of the same
// table in one ordered SELECT, into the same type.
func BenchmarkCatchUp(b *testing.B) {
	const events = 100_000
	pool := openPool(b, 4)
	driver, err := postgres.OpenEventStore(b.Context(), pool, postgres.EventStoreConfig{})
	if err != nil {
		b.Fatal(err)
	}
	store := eventstore.New(driver, eventstore.Config{})
	fill(b, store, events)
	b.Run("events=100000", func(b *testing.B) {
		b.Run("floor", func(b *testing.B) {
			readAll(b, events, func(ctx context.Context) (int, error) { return selectAll(ctx, pool) })
		})
		b.Run("parlance", func(b *testing.B) {
			readAll(b, events, func(ctx context.Context) (n int, err error) {
				for _, err := range store.ReadAll(ctx, eventstore.Checkpoint{}, eventstore.Filter{}) {
					if err != nil {
						return n, err
					}
					n++
				}
				return n, nil
			})
		})
		b.Run("watermill-sql", func(b *testing.B) { watermillCatchUp(b, openPool(b, 4), events) })
	})
}

func fill(b *testing.B, store *eventstore.Store, events int) {
	b.Helper()
	const size = 1000
	for n := range int64(events / size) {
		batch := make([]eventstore.Event, size)
		for i := range batch {
			batch[i] = eventstore.Event{Type: "ContentUploaded", Data: payload}
		}
		if _, err := store.Append(b.Context(), newStream(n), eventstore.NoStream, batch...); err != nil {
			b.Fatal(err)
		}
	}
}

func readAll(b *testing.B, events int, read func(context.Context) (int, error)) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		n, err := read(b.Context())
		if err != nil || n != events {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(b.N*events)/b.Elapsed().Seconds(), "events/s")
}

func selectAll(ctx context.Context, pool *pgxpool.Pool) (n int, err error) {
	rows, err := pool.Query(ctx, `
SELECT version, seq, ord, recorded_at, event_id, schema_version, tenant, stream, type, data,
    correlation_id, causation_id, actor, traceparent, extra
FROM parlance.events ORDER BY ord, seq`)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var ord int64
	var correlation, causation, actor, traceparent, extra *string
	for rows.Next() {
		var event eventstore.Recorded
		if err := rows.Scan(&event.Version, &event.Position, &ord, &event.Time, (*[16]byte)(&event.ID), &event.SchemaVersion,
			&event.Metadata.Tenant, &event.Stream, &event.Type, &event.Data,
			&correlation, &causation, &actor, &traceparent, &extra); err != nil {
			return n, err
		}
		n++
	}
	return n, rows.Err()
}

// BenchmarkDelivery appends an event and waits until a subscriber has it, while
// a write transaction stays open in another database of the server. It reports
// the lag between the two.
func BenchmarkDelivery(b *testing.B) {
	b.Run("foreign-transaction/parlance", func(b *testing.B) {
		store, foreign := openStore(b, 4), holdTransaction(b)
		defer foreign()
		ctx, cancel := context.WithCancel(b.Context())
		arrived := make(chan uuid.UUID)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for event, err := range store.Subscribe(ctx, eventstore.Checkpoint{}, eventstore.Filter{}) {
				if err != nil {
					return
				}
				arrived <- event.ID
			}
		}()
		var lags []time.Duration
		for b.Loop() {
			event := []eventstore.Event{{Type: "ContentUploaded", Data: payload}}
			if _, err := store.Append(ctx, "content-1", eventstore.Any, event...); err != nil {
				b.Fatal(err)
			}
			appended := time.Now()
			if got := <-arrived; got != event[0].ID {
				b.Fatalf("got event %s, want %s", got, event[0].ID)
			}
			lags = append(lags, time.Since(appended))
		}
		cancel()
		<-ended
		slices.Sort(lags)
		b.ReportMetric(lags[len(lags)*99/100].Seconds()*1e3, "p99-ms")
		b.ReportMetric(lags[len(lags)/2].Seconds()*1e3, "p50-ms")
	})
}

func holdTransaction(b *testing.B) (release func()) {
	b.Helper()
	conn, err := pgx.Connect(b.Context(), testenv.Postgres(b))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := conn.Exec(b.Context(), "BEGIN; CREATE TABLE held (n int); INSERT INTO held VALUES (1)"); err != nil {
		b.Fatal(err)
	}
	return func() { _ = conn.Close(b.Context()) }
}
