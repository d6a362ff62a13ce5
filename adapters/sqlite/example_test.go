package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/parlance-go/parlance/adapters/sqlite"
	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
)

// Events are kept in a file, and are still there when it is opened again.
func ExampleOpen() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "parlance")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "app.db")

	db, err := sqlite.Open(ctx, path, sqlite.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	store := eventstore.New(db.EventStore(), eventstore.Config{})
	appended, err := store.Append(ctx, "content-42", eventstore.NoStream,
		eventstore.Event{Type: "ContentUploaded", Data: []byte(`{"title":"Go"}`)},
		eventstore.Event{Type: "ContentPublished", Data: []byte(`{}`)},
	)
	fmt.Println("appended up to version", appended.Version, err)
	fmt.Println("closed", db.Close())

	db, err = sqlite.Open(ctx, path, sqlite.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	store = eventstore.New(db.EventStore(), eventstore.Config{})
	for event, err := range store.Read(ctx, "content-42", 1) {
		fmt.Println(event.Version, event.Type, string(event.Data), err)
	}

	// Output:
	// appended up to version 2 <nil>
	// closed <nil>
	// 1 ContentUploaded {"title":"Go"} <nil>
	// 2 ContentPublished {} <nil>
}

// A table for full text search lives in the same file.
func ExampleDatabase_Reader() {
	ctx := context.Background()
	db, done := exampleDatabase(ctx)
	defer done()

	_, err := db.Writer().ExecContext(ctx, `
		CREATE VIRTUAL TABLE contents USING fts5 (id UNINDEXED, title);
		INSERT INTO contents VALUES ('42', 'Concurrency is not parallelism');
		INSERT INTO contents VALUES ('43', 'Errors are values');`)
	if err != nil {
		fmt.Println(err)
		return
	}
	rows, err := db.Reader().QueryContext(ctx, `SELECT id, title FROM contents WHERE contents MATCH ?`, "parallel*")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer rows.Close()
	for rows.Next() {
		var id, title string
		err := rows.Scan(&id, &title)
		fmt.Println(id, title, err)
	}
	fmt.Println(rows.Err())

	// Output:
	// 42 Concurrency is not parallelism <nil>
	// <nil>
}

// Events are appended if and only if the transaction around them is committed.
func ExampleEventStore_InTx() {
	ctx := context.Background()
	db, done := exampleDatabase(ctx)
	defer done()
	store := eventstore.New(db.EventStore(), eventstore.Config{})

	reserve := func(seat string) error {
		tx, err := db.Writer().BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback() // after Commit it does nothing
		if _, err := tx.ExecContext(ctx, `INSERT INTO seats VALUES (?)`, seat); err != nil {
			return err
		}
		event := eventstore.Event{Type: "SeatReserved", Data: []byte(seat)}
		if _, err := eventstore.New(db.EventStore().InTx(tx), eventstore.Config{}).
			Append(ctx, "flight-1", eventstore.Any, event); err != nil {
			return err
		}
		return tx.Commit()
	}
	if _, err := db.Writer().ExecContext(ctx, `CREATE TABLE seats (name TEXT PRIMARY KEY)`); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(reserve("12A"))
	fmt.Println(reserve("12A") != nil)
	head, err := store.Head(ctx, "flight-1")
	fmt.Println(head.Version, err)

	// Output:
	// <nil>
	// true
	// 1 <nil>
}

// A read model is written in the transaction that moves its checkpoint, so each
// event counts exactly once; readers find it by the name of its table.
func ExampleDatabase_Projections() {
	ctx := context.Background()
	db, done := exampleDatabase(ctx)
	defer done()
	store := eventstore.New(db.EventStore(), eventstore.Config{})
	for _, title := range []string{"Go", "Concurrency in Go"} {
		uploaded := eventstore.Event{Type: "ContentUploaded", Data: []byte(title)}
		if _, err := store.Append(ctx, "content-"+title, eventstore.NoStream, uploaded); err != nil {
			fmt.Println(err)
			return
		}
	}

	projector, err := cqrs.NewProjector(store, db.Projections(), cqrs.Projection[*sql.Tx]{
		Name: "search", Version: 1, Tables: []string{"titles"},
		Setup: func(ctx context.Context, tx *sql.Tx, model cqrs.Model) error {
			_, err := tx.ExecContext(ctx, `CREATE VIRTUAL TABLE `+model.Table("titles")+` USING fts5 (title)`)
			return err
		},
		Apply: func(ctx context.Context, tx *sql.Tx, model cqrs.Model, events []eventstore.Recorded) error {
			for _, event := range events {
				_, err := tx.ExecContext(ctx, `INSERT INTO `+model.Table("titles")+` VALUES (?)`, string(event.Data))
				if err != nil {
					return err
				}
			}
			return nil
		},
	}, cqrs.Config{Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		err = projector.CatchUp(ctx) // a service calls Run, which goes on
	}
	var title string
	if err == nil {
		err = db.Reader().QueryRowContext(ctx, `SELECT title FROM titles WHERE titles MATCH 'concurrency'`).Scan(&title)
	}
	fmt.Println(title, err)

	// Output:
	// Concurrency in Go <nil>
}

// What the law wants erased is gone from the file when Scrub returns.
func ExampleDatabase_Scrub() {
	ctx := context.Background()
	db, done := exampleDatabase(ctx)
	defer done()
	store := eventstore.New(db.EventStore(), eventstore.Config{})
	registered := eventstore.Event{Type: "PersonRegistered", Data: []byte("Ada Lovelace")}
	if _, err := store.Append(ctx, "person-1", eventstore.NoStream, registered); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(store.Tombstone(ctx, "person-1", eventstore.Any))
	fmt.Println(db.Scrub(ctx))

	// Output:
	// <nil>
	// <nil>
}

// exampleDatabase opens a database in a folder of its own, which done removes.
func exampleDatabase(ctx context.Context) (db *sqlite.Database, done func()) {
	dir, err := os.MkdirTemp("", "parlance")
	if err == nil {
		db, err = sqlite.Open(ctx, filepath.Join(dir, "app.db"), sqlite.Config{})
	}
	if err != nil {
		panic(err)
	}
	return db, func() {
		if err := errors.Join(db.Close(), os.RemoveAll(dir)); err != nil {
			panic(err)
		}
	}
}
