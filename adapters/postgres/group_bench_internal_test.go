package postgres

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/testenv"
)

// BenchmarkAppendStatement runs the statement of a group over and over, with no
// callers to wake in between: what appends that share statements could reach.
func BenchmarkAppendStatement(b *testing.B) {
	for _, c := range []struct{ events, connections, group int }{
		{1, 1, 32}, {1, 2, 16}, {1, 3, 11}, {10, 1, 32}, {10, 2, 12}, {10, 3, 10},
	} {
		name := "events=" + strconv.Itoa(c.events) + "/connections=" + strconv.Itoa(c.connections) + ",group=" + strconv.Itoa(c.group)
		b.Run(name+"/parlance", func(b *testing.B) {
			pool, err := pgxpool.New(b.Context(), testenv.Postgres(b))
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(pool.Close)
			store, err := OpenEventStore(b.Context(), pool, EventStoreConfig{})
			if err != nil {
				b.Fatal(err)
			}
			var streams, appends atomic.Int64
			var running sync.WaitGroup
			b.ResetTimer()
			for range c.connections {
				running.Go(func() {
					for appends.Add(int64(c.group)) < int64(b.N+c.connections*c.group) {
						if err := store.appendGroup(b.Context(), appendNew, newGroup(&streams, c.group, c.events)); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			running.Wait()
			b.ReportMetric(float64(b.N*c.events)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

func newGroup(streams *atomic.Int64, appends, events int) []*pending {
	data := []byte(`{"title":"Concurrency in practice","author":"someone","words":1234,"tags":["go","events"],"summary":"An event of the usual size"}`)
	group := make([]*pending, appends)
	for i := range group {
		w := eventstore.Write{Stream: "content-" + strconv.FormatInt(streams.Add(1), 10)}
		for range events {
			w.Events = append(w.Events, eventstore.Event{
				ID: uuid.Must(uuid.NewV7()), Type: "ContentUploaded", SchemaVersion: 1, Data: data,
			})
		}
		group[i] = &pending{write: w}
	}
	return group
}
