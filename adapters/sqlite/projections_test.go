package sqlite_test

import (
	"context"
	"database/sql"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parlance-go/parlance/adapters/sqlite"
	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/cqrs/projectiontest"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

func TestProjections(t *testing.T) {
	t.Parallel()
	var databases sync.Map // of each target the *sqlite.Database
	projectiontest.Run(t, projectiontest.Harness[*sql.Tx]{
		New: func(t testing.TB) cqrs.Target[*sql.Tx] {
			db := open(t)
			target := db.Projections()
			databases.Store(target, db)
			return target
		},
		Create: func(ctx context.Context, tx *sql.Tx, model cqrs.Model, table string) error {
			_, err := tx.ExecContext(ctx, `CREATE TABLE `+model.Table(table)+
				` (stream TEXT, version INTEGER, PRIMARY KEY (stream, version)) STRICT`)
			return err
		},
		Insert: func(ctx context.Context, tx *sql.Tx, model cqrs.Model, table string, row projectiontest.Row) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO `+model.Table(table)+` VALUES (?, ?)`, row.Stream, row.Version)
			return err
		},
		Rows: func(ctx context.Context, target cqrs.Target[*sql.Tx], table string) (found []projectiontest.Row, err error) {
			db, _ := databases.Load(target)
			rows, err := db.(*sqlite.Database).Reader().QueryContext(ctx, `SELECT stream, version FROM "`+strings.ReplaceAll(table, `"`, `""`)+`"`)
			if err != nil {
				return nil, err
			}
			defer rows.Close()
			for rows.Next() {
				var row projectiontest.Row
				if err := rows.Scan(&row.Stream, &row.Version); err != nil {
					return nil, err
				}
				found = append(found, row)
			}
			return found, rows.Err()
		},
	})
}

// A table for full text search is searched by the name that stands for the
// active version, its functions by the real one.
func TestFullTextProjection(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx := t.Context()
	store := storeOf(db)
	for _, title := range []string{"Go concurrency patterns", "Errors are values", "Patterns of patterns"} {
		_, err := store.Append(ctx, "content-"+title[:1], eventstore.Any, eventstore.Event{Type: "ContentUploaded", Data: []byte(title)})
		assert.NoError(t, err)
	}
	projector, err := cqrs.NewProjector(store, db.Projections(), search(), cqrs.Config{})
	assert.NoError(t, err)
	assert.NoError(t, projector.CatchUp(ctx))

	titles := func(query string, args ...any) (found []string) {
		rows, err := db.Reader().QueryContext(ctx, query, args...)
		assert.NoError(t, err)
		defer rows.Close()
		for rows.Next() {
			var title string
			assert.NoError(t, rows.Scan(&title))
			found = append(found, title)
		}
		assert.NoError(t, rows.Err())
		return found
	}
	assert.Equal(t, titles(`SELECT title FROM contents WHERE contents MATCH ? ORDER BY rank`, "patterns"),
		[]string{"Patterns of patterns", "Go concurrency patterns"})
	assert.Equal(t, titles(`SELECT title FROM contents WHERE title MATCH ? AND rowid = 1`, "patterns"),
		[]string{"Go concurrency patterns"})
	assert.Equal(t, titles(`SELECT title FROM contents WHERE contents MATCH ?`, "stream:C"), nil)
	model, err := cqrs.ActiveModel(ctx, db.Projections(), "search")
	assert.NoError(t, err)
	table := model.Table("contents")
	assert.Equal(t, titles(`SELECT snippet(`+table+`, 1, '[', ']', '', 5) FROM `+table+` WHERE `+table+` MATCH 'errors'`),
		[]string{"[Errors] are values"})
}

func search() cqrs.Projection[*sql.Tx] {
	return cqrs.Projection[*sql.Tx]{
		Name: "search", Tables: []string{"contents"},
		Setup: func(ctx context.Context, tx *sql.Tx, model cqrs.Model) error {
			_, err := tx.ExecContext(ctx, `CREATE VIRTUAL TABLE `+model.Table("contents")+` USING fts5 (stream, title)`)
			return err
		},
		Apply: func(ctx context.Context, tx *sql.Tx, model cqrs.Model, events []eventstore.Recorded) error {
			for _, event := range events {
				_, err := tx.ExecContext(ctx, `INSERT INTO `+model.Table("contents")+` VALUES (?, ?)`, event.Stream, string(event.Data))
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// SQLite ends a transaction by itself for some errors. A projection that goes
// on regardless must not move its checkpoint without its rows.
func TestUpdateWhoseTransactionEndsInside(t *testing.T) {
	t.Parallel()
	db := open(t)
	target := db.Projections()
	claim := cqrs.Claim{Projection: "search", Version: 1, Owner: "test", Duration: time.Minute}
	lease, err := target.Acquire(t.Context(), claim)
	assert.NoError(t, err)
	lease, err = target.Update(t.Context(), lease, cqrs.Step{}, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `CREATE TABLE contents (id INTEGER PRIMARY KEY); INSERT INTO contents VALUES (1)`)
		return err
	})
	assert.NoError(t, err)
	_, err = target.Update(t.Context(), lease, cqrs.Step{Applied: 1}, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO contents VALUES (2)`)
		assert.NoError(t, err)
		_, err = tx.ExecContext(ctx, `INSERT OR ROLLBACK INTO contents VALUES (1)`)
		assert.Error(t, err)
		return nil
	})
	assert.Error(t, err)
	assert.Contains(t, err.Error(), "ended inside")
	again, err := target.Acquire(t.Context(), claim)
	assert.NoError(t, err)
	assert.Equal(t, again.Applied, 0)
	_, err = target.Update(t.Context(), again, cqrs.Step{Applied: 1}, nil)
	assert.NoError(t, err, "the connection is as good as new")
	var rows int
	assert.NoError(t, db.Reader().QueryRowContext(t.Context(), `SELECT count(*) FROM contents`).Scan(&rows))
	assert.Equal(t, rows, 1)
}

// A name that belongs to the program is not taken from it.
func TestActivateDoesNotReplaceATable(t *testing.T) {
	t.Parallel()
	db := open(t)
	_, err := db.Writer().ExecContext(t.Context(), `CREATE TABLE contents (id TEXT)`)
	assert.NoError(t, err)
	p := search()
	lease, err := db.Projections().Acquire(t.Context(), cqrs.Claim{
		Projection: p.Name, Version: 1, Tables: p.Tables, Owner: "test", Duration: time.Minute,
	})
	assert.NoError(t, err)
	_, err = db.Projections().Update(t.Context(), lease, cqrs.Step{Activate: true}, func(ctx context.Context, tx *sql.Tx) error {
		return p.Setup(ctx, tx, lease.Model)
	})
	assert.Error(t, err)
	assert.Contains(t, err.Error(), "contents")
	assert.NoError(t, db.Reader().QueryRowContext(t.Context(), `SELECT id FROM contents`).Err())
}

func TestProjectionsAfterClose(t *testing.T) {
	t.Parallel()
	db := open(t)
	assert.NoError(t, db.Close())
	_, err := db.Projections().Acquire(t.Context(), cqrs.Claim{Projection: "search", Version: 1})
	assert.ErrorIs(t, err, sqlite.ErrClosed)
	_, err = db.Projections().Versions(t.Context(), "search")
	assert.ErrorIs(t, err, sqlite.ErrClosed)
}
