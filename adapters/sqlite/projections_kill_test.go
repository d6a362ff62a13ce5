package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/parlance-go/parlance/adapters/sqlite"
	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

// tally counts the events of each stream and adds up their versions, so that
// an event too many or too few shows.
func tally() cqrs.Projection[*sql.Tx] {
	return cqrs.Projection[*sql.Tx]{
		Name: "tally", Tables: []string{"tallies"},
		Setup: func(ctx context.Context, tx *sql.Tx, model cqrs.Model) error {
			_, err := tx.ExecContext(ctx, `CREATE TABLE `+model.Table("tallies")+
				` (stream TEXT PRIMARY KEY, events INTEGER NOT NULL, sum INTEGER NOT NULL) STRICT`)
			return err
		},
		Apply: func(ctx context.Context, tx *sql.Tx, model cqrs.Model, events []eventstore.Recorded) error {
			for _, event := range events {
				_, err := tx.ExecContext(ctx, `INSERT INTO `+model.Table("tallies")+` VALUES (?1, 1, ?2)
					ON CONFLICT DO UPDATE SET events = events + 1, sum = sum + ?2`, event.Stream, event.Version)
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
}

type tallied struct{ events, sum int64 }

// projectForEver appends and projects at the same time.
func projectForEver(ctx context.Context, db *sqlite.Database) error {
	projector, err := cqrs.NewProjector(storeOf(db), db.Projections(), tally(), cqrs.Config{
		BatchSize: 5, LeaseDuration: 100 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
		Hooks: cqrs.Hooks{Progress: func(context.Context, cqrs.Progress) { fmt.Println("progress") }},
	})
	if err != nil {
		return err
	}
	errs := make(chan error)
	go func() { errs <- projector.Run(ctx) }()
	go func() {
		for n := 0; ; n++ {
			_, err := storeOf(db).Append(ctx, fmt.Sprintf("content-%d", n%7), eventstore.Any,
				eventstore.Event{Type: "ContentUploaded"}, eventstore.Event{Type: "ContentPublished"})
			if err != nil {
				errs <- err
				return
			}
		}
	}()
	return <-errs
}

// Killed at any moment, processes leave a read model that is the fold of the
// log up to its checkpoint. Two at a time want to project.
func TestKilledWhileProjecting(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	rounds := 10 // of two processes each
	if testing.Short() {
		rounds = 3
	}
	var applied int64
	for range rounds {
		var errs [2]error
		var both sync.WaitGroup
		for n := range errs {
			both.Go(func() { _, errs[n] = runAndKill(t.Context(), "project", path, 80*time.Millisecond) })
		}
		both.Wait()
		assert.NoError(t, errors.Join(errs[:]...))
		db, err := sqlite.Open(t.Context(), path, sqlite.Config{})
		assert.NoError(t, err)
		applied = verifyTally(t, db)
		assert.NoError(t, db.Close())
	}
	db := openPath(t, path)
	projector, err := cqrs.NewProjector(storeOf(db), db.Projections(), tally(), cqrs.Config{})
	assert.NoError(t, err)
	assert.NoError(t, projector.CatchUp(t.Context()))
	all := verifyTally(t, db)
	assert.Equal(t, int(all), len(readAll(t, db, eventstore.Checkpoint{})))
	t.Logf("%d events projected in %d processes, and then %d more", applied, 2*rounds, all-applied)
}

// verifyTally compares the read model with the fold of the log up to its
// checkpoint, and returns how many events were applied.
func verifyTally(t *testing.T, db *sqlite.Database) (applied int64) {
	t.Helper()
	versions, err := db.Projections().Versions(t.Context(), "tally")
	assert.NoError(t, err)
	assert.Equal(t, len(versions), 1)
	_, last := versions[0].Checkpoint.Parts()
	want := make(map[string]tallied)
	for _, event := range readAll(t, db, eventstore.Checkpoint{}) {
		if event.Position <= last {
			sum := want[event.Stream]
			want[event.Stream] = tallied{sum.events + 1, sum.sum + event.Version}
			applied++
		}
	}
	got := make(map[string]tallied)
	rows, err := db.Reader().QueryContext(t.Context(), `SELECT stream, events, sum FROM `+versions[0].Model.Table("tallies"))
	assert.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var stream string
		var sum tallied
		assert.NoError(t, rows.Scan(&stream, &sum.events, &sum.sum))
		got[stream] = sum
	}
	assert.NoError(t, rows.Err())
	assert.Equal(t, got, want)
	assert.Equal(t, versions[0].Applied, applied)
	return applied
}
