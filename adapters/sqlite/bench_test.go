package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/adapters/sqlite"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

// BenchmarkAppend appends one event to a new stream each time. The floor is
// the least that a program could do instead: an INSERT of the same columns, in
// a transaction of its own, with the same settings of SQLite.
//
//	go test -bench 'Append|CatchUp' -benchtime 2s
func BenchmarkAppend(b *testing.B) {
	for _, clients := range []int{1, 32} {
		b.Run(fmt.Sprintf("one-event/clients=%d/parlance", clients), func(b *testing.B) {
			store := eventstore.New(open(b).EventStore(), eventstore.Config{})
			event := payload()
			race(b, clients, func(ctx context.Context, n int64) error {
				_, err := store.Append(ctx, "content-"+strconv.FormatInt(n, 10), eventstore.NoStream, event)
				return err
			})
		})
		b.Run(fmt.Sprintf("one-event/clients=%d/floor", clients), func(b *testing.B) {
			insert := floor(b, open(b).Writer())
			event := payload()
			race(b, clients, func(ctx context.Context, n int64) error {
				id := uuid.Must(uuid.NewV7())
				_, err := insert.ExecContext(ctx, "", "content-"+strconv.FormatInt(n, 10), "content", 1, id[:],
					event.Type, 1, time.Now().UnixMicro(), event.Metadata.CorrelationID, "", "", "", "", event.Data)
				return err
			})
		})
	}
}

// BenchmarkCatchUp reads many events as a subscription does. The floor is one
// SELECT of the same columns, by position.
func BenchmarkCatchUp(b *testing.B) {
	const events = 20_000
	fill := func(b *testing.B) *sqlite.Database {
		db := open(b)
		store := eventstore.New(db.EventStore(), eventstore.Config{})
		batch := make([]eventstore.Event, 1000)
		for n := range events / len(batch) {
			for i := range batch {
				batch[i] = payload()
			}
			_, err := store.Append(b.Context(), "content-"+strconv.Itoa(n), eventstore.NoStream, batch...)
			assert.NoError(b, err)
		}
		return db
	}
	report := func(b *testing.B) {
		b.ReportMetric(float64(b.N)*events/b.Elapsed().Seconds(), "events/s")
	}
	b.Run("parlance", func(b *testing.B) {
		store := eventstore.New(fill(b).EventStore(), eventstore.Config{})
		for b.Loop() {
			n := 0
			for _, err := range store.ReadAll(b.Context(), eventstore.Checkpoint{}, eventstore.Filter{}) {
				assert.NoError(b, err)
				n++
			}
			assert.Equal(b, n, events)
		}
		report(b)
	})
	b.Run("floor", func(b *testing.B) {
		db := fill(b)
		for b.Loop() {
			assert.Equal(b, scanAll(b, db.Reader()), events)
		}
		report(b)
	})
}

func scanAll(b *testing.B, db *sql.DB) (n int) {
	rows, err := db.QueryContext(b.Context(), `SELECT e.position, e.version, e.event_id, e.type, e.schema_version,
		e.time, e.correlation_id, e.causation_id, e.actor, e.trace_parent, e.extra, e.data, s.tenant, s.name
		FROM parlance_events e CROSS JOIN parlance_streams s ON s.id = e.stream ORDER BY e.position`)
	assert.NoError(b, err)
	defer rows.Close()
	var r eventstore.Recorded
	var id []byte
	var micros int64
	var extra string
	for rows.Next() {
		m := &r.Metadata
		err := rows.Scan(&r.Position, &r.Version, &id, &r.Type, &r.SchemaVersion, &micros,
			&m.CorrelationID, &m.CausationID, &m.Actor, &m.TraceParent, &extra, &r.Data, &m.Tenant, &r.Stream)
		assert.NoError(b, err)
		n++
	}
	assert.NoError(b, rows.Err())
	return n
}

func payload() eventstore.Event {
	return eventstore.Event{
		Type:     "ContentUploaded",
		Data:     []byte(`{"title":"Concurrency is not parallelism","bytes":18734,"mime":"text/html"}`),
		Metadata: eventstore.Metadata{CorrelationID: "0198c0de-0000-7000-8000-000000000001"},
	}
}

func floor(b *testing.B, db *sql.DB) *sql.Stmt {
	_, err := db.ExecContext(b.Context(), `CREATE TABLE floor (
		position INTEGER PRIMARY KEY AUTOINCREMENT,
		tenant TEXT NOT NULL, stream TEXT NOT NULL, category TEXT NOT NULL, version INTEGER NOT NULL,
		event_id BLOB NOT NULL, type TEXT NOT NULL, schema_version INTEGER NOT NULL, time INTEGER NOT NULL,
		correlation_id TEXT NOT NULL, causation_id TEXT NOT NULL, actor TEXT NOT NULL, trace_parent TEXT NOT NULL,
		extra TEXT NOT NULL, data BLOB) STRICT`)
	assert.NoError(b, err)
	insert, err := db.PrepareContext(b.Context(), `INSERT INTO floor
		(tenant, stream, category, version, event_id, type, schema_version, time,
		correlation_id, causation_id, actor, trace_parent, extra, data)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	assert.NoError(b, err)
	return insert
}

// race calls do b.N times from so many goroutines, with numbers that never come
// twice.
func race(b *testing.B, clients int, do func(ctx context.Context, n int64) error) {
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	b.ResetTimer()
	for range clients {
		all.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				if err := do(b.Context(), n); err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	if err := failed.Load(); err != nil {
		b.Fatal(*err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
