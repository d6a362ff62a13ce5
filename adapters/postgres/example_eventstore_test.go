package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os/signal"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/parlance-go/parlance/adapters/postgres"
	"github.com/parlance-go/parlance/eventstore"
)

// The examples here have no Output: they need a server, and examples must run
// without one. What they show is tested beside them.

// A service that appends, and follows what it and others append.
func ExampleOpenEventStore() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	pool, err := pgxpool.New(ctx, "postgres://app@localhost/app")
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	driver, err := postgres.OpenEventStore(ctx, pool, postgres.EventStoreConfig{})
	if err != nil {
		log.Fatal(err)
	}
	go driver.Run(ctx) // sees sooner what other processes append
	store := eventstore.New(driver, eventstore.Config{})

	_, err = store.Append(ctx, "content-42", eventstore.NoStream,
		eventstore.Event{Type: "ContentUploaded", Data: []byte(`{"title":"Relativity"}`)})
	if err != nil && !errors.Is(err, eventstore.ErrConflict) {
		log.Fatal(err)
	}
	after, err := eventstore.ParseCheckpoint(savedCheckpoint())
	if err != nil {
		log.Fatal(err)
	}
	for event, err := range store.Subscribe(ctx, after, eventstore.Filter{Categories: []string{"content"}}) {
		if err != nil {
			log.Print(err)
			return
		}
		fmt.Println(event.Stream, event.Version, event.Type)
		saveCheckpoint(event.Checkpoint.String())
	}
}

// In a service these are a file or a row beside what is made of the events.
func savedCheckpoint() string { return "" }
func saveCheckpoint(string)   {}

// An event is committed together with a row of the program's own, or not at
// all.
func ExampleEventStore_InTx() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, "postgres://app@localhost/app")
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	driver, err := postgres.OpenEventStore(ctx, pool, postgres.EventStoreConfig{})
	if err != nil {
		log.Fatal(err)
	}
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "INSERT INTO seats (show, seat) VALUES ($1, $2)", 7, "A1"); err != nil {
			return err
		}
		store := eventstore.New(driver.InTx(tx), eventstore.Config{})
		_, err := store.Append(ctx, "show-7", eventstore.Any, eventstore.Event{Type: "SeatTaken", Data: []byte(`"A1"`)})
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
}
