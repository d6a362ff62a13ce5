package benchmarks_test

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/parlance-go/parlance/adapters/postgres"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/testenv"
)

var payload = []byte(`{"title":"Concurrency in practice","author":"someone","words":1234,"tags":["go","events"],"summary":"An event of the usual size"}`)

// The floor keeps what an event has in one table with one index, and checks
// nothing.
const floorTable = `
CREATE SEQUENCE floor_seq;
CREATE TABLE floor (
    version bigint NOT NULL, seq bigint NOT NULL DEFAULT nextval('floor_seq'), ord bigint NOT NULL, xid bigint NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(), event_id uuid NOT NULL, schema_version integer NOT NULL,
    tenant text COLLATE "C" NOT NULL, stream text COLLATE "C" NOT NULL, type text COLLATE "C" NOT NULL, data bytea,
    correlation_id text NOT NULL, causation_id text NOT NULL, actor text NOT NULL, traceparent text NOT NULL, extra text,
    PRIMARY KEY (tenant, stream, version)
)`

const (
	floorInsert = `
INSERT INTO floor (version, ord, xid, event_id, schema_version, tenant, stream, type, data,
    correlation_id, causation_id, actor, traceparent, extra)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`

	floorUnnest = `
INSERT INTO floor (version, ord, xid, event_id, schema_version, tenant, stream, type, data,
    correlation_id, causation_id, actor, traceparent, extra)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::uuid[], $5::integer[], $6::text[], $7::text[],
    $8::text[], $9::bytea[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[])`
)

func openPool(b *testing.B, connections int) *pgxpool.Pool {
	b.Helper()
	config, err := pgxpool.ParseConfig(testenv.Postgres(b))
	if err != nil {
		b.Fatal(err)
	}
	config.MaxConns = int32(connections)
	config.MinConns = config.MaxConns
	pool, err := pgxpool.NewWithConfig(b.Context(), config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	return pool
}

func openStore(b *testing.B, connections int) *eventstore.Store {
	b.Helper()
	events, err := postgres.OpenEventStore(b.Context(), openPool(b, connections), postgres.EventStoreConfig{})
	if err != nil {
		b.Fatal(err)
	}
	return eventstore.New(events, eventstore.Config{})
}

// concurrently has clients share b.N operations.
func concurrently(b *testing.B, clients, events int, operation func(ctx context.Context, n int64) error) {
	b.Helper()
	b.ReportAllocs()
	ctx := b.Context()
	for n := range int64(2 * clients) { // connections and their statements
		if err := operation(ctx, -1-n); err != nil {
			b.Fatal(err)
		}
	}
	var next, failed atomic.Int64
	var group sync.WaitGroup
	b.ResetTimer()
	for range clients {
		group.Go(func() {
			for n := next.Add(1); n <= int64(b.N) && failed.Load() == 0; n = next.Add(1) {
				if err := operation(ctx, n); err != nil {
					failed.Add(1)
					b.Error(err)
				}
			}
		})
	}
	group.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N*events)/b.Elapsed().Seconds(), "events/s")
}

func newStream(n int64) string { return "content-" + strconv.FormatInt(n, 10) }

func BenchmarkAppend(b *testing.B) {
	for _, clients := range []int{2, 32, 256} {
		b.Run("one-event/clients="+strconv.Itoa(clients), func(b *testing.B) {
			b.Run("floor", func(b *testing.B) { floorAppendOne(b, clients) })
			b.Run("parlance", func(b *testing.B) { parlanceAppend(b, clients, 1) })
			b.Run("transaction", func(b *testing.B) { transactionAppend(b, clients) })
			b.Run("watermill-sql", func(b *testing.B) { watermillAppend(b, clients, 1) })
		})
	}
	b.Run("ten-events/clients=32", func(b *testing.B) {
		b.Run("floor", func(b *testing.B) { floorAppendTen(b, 32) })
		b.Run("parlance", func(b *testing.B) { parlanceAppend(b, 32, 10) })
		b.Run("watermill-sql", func(b *testing.B) { watermillAppend(b, 32, 10) })
	})
}

// connections are as many as clients, up to what serves a plain INSERT best
// here; more only make it slower.
func connections(clients int) int { return min(clients, 32) }

func floorAppendOne(b *testing.B, clients int) {
	pool := openPool(b, connections(clients))
	if _, err := pool.Exec(b.Context(), floorTable); err != nil {
		b.Fatal(err)
	}
	concurrently(b, clients, 1, func(ctx context.Context, n int64) error {
		_, err := pool.Exec(ctx, floorInsert, int64(1), int64(1), int64(1), [16]byte(uuid.New()), int32(1), "",
			newStream(n), "ContentUploaded", payload, "", "", "", "", nil)
		return err
	})
}

func floorAppendTen(b *testing.B, clients int) {
	const events = 10
	pool := openPool(b, connections(clients))
	if _, err := pool.Exec(b.Context(), floorTable); err != nil {
		b.Fatal(err)
	}
	concurrently(b, clients, events, func(ctx context.Context, n int64) error {
		var versions, ones []int64
		var ids [][16]byte
		var schemas []int32
		var empty, streams, types []string
		var data [][]byte
		var none []*string
		for version := range int64(events) {
			versions, ones = append(versions, version+1), append(ones, 1)
			ids, schemas = append(ids, [16]byte(uuid.New())), append(schemas, 1)
			empty, streams, types = append(empty, ""), append(streams, newStream(n)), append(types, "ContentUploaded")
			data, none = append(data, payload), append(none, nil)
		}
		_, err := pool.Exec(ctx, floorUnnest, versions, ones, ones, ids, schemas, empty, streams, types, data,
			empty, empty, empty, empty, none)
		return err
	})
}

func parlanceAppend(b *testing.B, clients, events int) {
	store := openStore(b, connections(clients))
	concurrently(b, clients, events, func(ctx context.Context, n int64) error {
		batch := make([]eventstore.Event, events)
		for i := range batch {
			batch[i] = eventstore.Event{Type: "ContentUploaded", Data: payload}
		}
		_, err := store.Append(ctx, newStream(n), eventstore.NoStream, batch...)
		return err
	})
}
