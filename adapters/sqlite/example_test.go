package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/parlance-go/parlance/adapters/sqlite"
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
