package postgres_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/parlance-go/parlance/adapters/postgres"
	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/internal/testenv"
)

func TestOpenProjectionsFromManyProcesses(t *testing.T) {
	t.Parallel()
	url := testenv.Postgres(t)
	var all sync.WaitGroup
	for range 8 {
		pool := openPool(t, url, 2)
		all.Go(func() {
			_, err := postgres.OpenProjections(t.Context(), pool, postgres.ProjectionsConfig{Schema: oddSchema})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	_, err := postgres.OpenProjections(t.Context(), nil, postgres.ProjectionsConfig{})
	assert.Error(t, err)
	_, err = postgres.OpenProjections(t.Context(), openPool(t, url, 2), postgres.ProjectionsConfig{Schema: "nul\x00"})
	assert.Error(t, err)
}

// A report that runs for hours must not make the switch keep all other readers
// waiting behind it.
func TestSwitchLetsLongReadersBe(t *testing.T) {
	t.Parallel()
	pool := openPool(t, testenv.Postgres(t), 8)
	store := openLog(t, pool)
	_, err := store.Append(t.Context(), "a", eventstore.Any, eventstore.Event{Type: "Happened"})
	assert.NoError(t, err)
	assert.NoError(t, newTally(t, pool, store, 1, cqrs.Config{}).CatchUp(t.Context()))

	report, err := pool.Begin(t.Context())
	assert.NoError(t, err)
	t.Cleanup(func() { _ = report.Rollback(context.WithoutCancel(t.Context())) })
	read := func(q interface {
		QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	},
	) (events int) {
		assert.NoError(t, q.QueryRow(t.Context(), "SELECT count(*) FROM parlance.tallied").Scan(&events))
		return events
	}
	assert.Equal(t, read(report), 1)

	failed, caught := make(chan error, 100), make(chan error, 1)
	two := newTally(t, pool, store, 2, cqrs.Config{LeaseDuration: 2 * time.Minute, Hooks: cqrs.Hooks{
		Failed: func(_ context.Context, f cqrs.Failure) { failed <- f.Err },
	}})
	go func() { caught <- two.CatchUp(t.Context()) }()
	slowest := time.Duration(0)
	for start := time.Now(); len(failed) < 3; {
		assert.True(t, time.Since(start) < 30*time.Second, "%d tries to switch in half a minute", len(failed))
		before := time.Now()
		assert.Equal(t, read(pool), 1)
		slowest = max(slowest, time.Since(before))
	}
	// A quarter of a second on a machine at leisure. Without the limit it is the
	// minute that a transaction may take.
	assert.True(t, slowest < 15*time.Second, "another reader waited for %s", slowest)
	assert.Contains(t, (<-failed).Error(), "lock timeout")
	assert.True(t, slowest < time.Second, "another reader waited for %s", slowest)
	assert.NoError(t, report.Rollback(t.Context()))
	assert.NoError(t, <-caught)
	model, err := cqrs.ActiveModel(t.Context(), openModels(t, pool, ""), "tally")
	assert.NoError(t, err)
	assert.Equal(t, model.Version, 2)
	assert.Equal(t, read(pool), 1)
}

// columns is a projection whose only table has the given columns.
func columns(version int, definition, values string) cqrs.Projection[pgx.Tx] {
	return cqrs.Projection[pgx.Tx]{
		Name: "columns", Version: version, Tables: []string{"shape"},
		Setup: func(ctx context.Context, tx pgx.Tx, m cqrs.Model) error {
			_, err := tx.Exec(ctx, "CREATE TABLE "+m.Table("shape")+" ("+definition+")")
			return err
		},
		Apply: func(ctx context.Context, tx pgx.Tx, m cqrs.Model, events []eventstore.Recorded) error {
			for range events {
				if _, err := tx.Exec(ctx, "INSERT INTO "+m.Table("shape")+" VALUES ("+values+")"); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func TestVersionsMayHaveOtherColumns(t *testing.T) {
	t.Parallel()
	pool := openPool(t, testenv.Postgres(t), 8)
	store, target := openLog(t, pool), openModels(t, pool, "")
	_, err := store.Append(t.Context(), "a", eventstore.Any, eventstore.Event{Type: "Happened"})
	assert.NoError(t, err)
	for i, shape := range []struct{ definition, values, want string }{
		{"a int", "1", `{"a":1}`},
		{"a int, b text", "1, 'x'", `{"a":1,"b":"x"}`}, // more of them
		{"a text", "'one'", `{"a":"one"}`},             // fewer, and of another type
		{"z int, a text", "3, 'one'", `{"z":3,"a":"one"}`},
	} {
		projector, err := cqrs.NewProjector(store, target, columns(i+1, shape.definition, shape.values), cqrs.Config{Logger: quiet})
		assert.NoError(t, err)
		assert.NoError(t, projector.CatchUp(t.Context()))
		var row string
		assert.NoError(t, pool.QueryRow(t.Context(), "SELECT row_to_json(shape)::text FROM parlance.shape").Scan(&row))
		assert.Equal(t, row, shape.want, "row of version %d", i+1)
	}
	for version := 1; version <= 3; version++ {
		assert.NoError(t, cqrs.Drop(t.Context(), target, "columns", version))
	}
	var tables int
	assert.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'shape%'").Scan(&tables))
	assert.Equal(t, tables, 1, "tables after the old versions were dropped")
}

// A commit in a projection would part the read model from its checkpoint.
func TestApplyCannotEndTheTransaction(t *testing.T) {
	t.Parallel()
	pool := openPool(t, testenv.Postgres(t), 4)
	target := openModels(t, pool, "")
	lease, err := target.Acquire(t.Context(), cqrs.Claim{Projection: "p", Version: 1, Owner: "one", Duration: time.Minute})
	assert.NoError(t, err)
	for _, end := range []func(pgx.Tx) error{
		func(tx pgx.Tx) error { return tx.Commit(t.Context()) },
		func(tx pgx.Tx) error { return tx.Rollback(t.Context()) },
	} {
		lease, err = target.Update(t.Context(), lease, cqrs.Step{Applied: 1}, func(ctx context.Context, tx pgx.Tx) error {
			if end(tx) == nil {
				return errors.New("the transaction was ended")
			}
			// One inside is the projection's own.
			return pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, "SELECT 1")
				return err
			})
		})
		assert.NoError(t, err)
	}
	assert.Equal(t, lease.Applied, int64(2))

	// An error that Apply swallows has still spoiled the transaction.
	_, err = target.Update(t.Context(), lease, cqrs.Step{Applied: 1}, func(ctx context.Context, tx pgx.Tx) error {
		_, _ = tx.Exec(ctx, "SELECT 1/0")
		return nil
	})
	assert.Error(t, err)
	records, err := target.Versions(t.Context(), "p")
	assert.NoError(t, err)
	assert.Equal(t, records[0].Applied, int64(2))
}

// Versions that catch up at the same moment do not wait for each other for ever,
// and the highest one remains.
func TestVersionsThatSwitchAtOnce(t *testing.T) {
	t.Parallel()
	pool := openPool(t, testenv.Postgres(t), 16)
	store := openLog(t, pool)
	stop := writing(t, store)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var all sync.WaitGroup
	for version := 1; version <= 6; version++ {
		projector := newTally(t, pool, store, version, cqrs.Config{})
		all.Go(func() {
			if err := projector.CatchUp(ctx); err != nil && !errors.Is(err, cqrs.ErrRetired) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	stop()
	target := openModels(t, pool, "")
	records, err := target.Versions(t.Context(), "tally")
	assert.NoError(t, err)
	for _, record := range records[:5] {
		assert.Equal(t, record.Status, cqrs.Retired, "status of version %d", record.Model.Version)
	}
	assert.Equal(t, records[5].Status, cqrs.Active)
	assert.NoError(t, newTally(t, pool, store, 6, cqrs.Config{}).CatchUp(t.Context()))
	wantTally(t, pool, store)
}

// The reader, the transaction and who counts take turns on one connection.
func TestProjectionsWithOneConnection(t *testing.T) {
	t.Parallel()
	url := testenv.Postgres(t)
	pool := openPool(t, url, 1)
	store := openLog(t, pool)
	for range 3 {
		events := make([]eventstore.Event, 300)
		for i := range events {
			events[i].Type = "Happened"
		}
		_, err := store.Append(t.Context(), "a", eventstore.Any, events...)
		assert.NoError(t, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	last := cqrs.Progress{}
	hooks := cqrs.Hooks{Progress: func(_ context.Context, p cqrs.Progress) { last = p }}
	assert.NoError(t, newTally(t, pool, store, 1, cqrs.Config{BatchSize: 100, Hooks: hooks}).CatchUp(ctx))
	assert.True(t, last.Live && last.Done == 900 && last.Total == 900, "%+v", last)
	wantTally(t, pool, store)
}
