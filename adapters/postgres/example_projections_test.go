package postgres_test

import (
	"context"
	"log"
	"os"
	"os/signal"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/parlance-go/parlance/adapters/postgres"
	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
)

// A read model in PostgreSQL that can be read as parlance.titles. It needs a
// server, so it is not run here.
func ExampleOpenProjections() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Panic(err)
	}
	defer pool.Close()
	events, err := postgres.OpenEventStore(ctx, pool, postgres.EventStoreConfig{})
	if err != nil {
		log.Panic(err)
	}
	models, err := postgres.OpenProjections(ctx, pool, postgres.ProjectionsConfig{})
	if err != nil {
		log.Panic(err)
	}
	titles := cqrs.Projection[pgx.Tx]{
		Name:   "titles",
		Tables: []string{"titles"},
		Filter: eventstore.Filter{Types: []string{"ContentUploaded"}},
		Setup: func(ctx context.Context, tx pgx.Tx, m cqrs.Model) error {
			_, err := tx.Exec(ctx, "CREATE TABLE "+m.Table("titles")+" (content text PRIMARY KEY, title text NOT NULL)")
			return err
		},
		Apply: func(ctx context.Context, tx pgx.Tx, m cqrs.Model, events []eventstore.Recorded) error {
			var batch pgx.Batch
			for _, event := range events {
				batch.Queue("INSERT INTO "+m.Table("titles")+" VALUES ($1, $2::jsonb ->> 'title')", event.Stream, event.Data)
			}
			return tx.SendBatch(ctx, &batch).Close()
		},
	}
	projector, err := cqrs.NewProjector(eventstore.New(events, eventstore.Config{}), models, titles, cqrs.Config{})
	if err != nil {
		log.Panic(err)
	}
	if err := projector.Run(ctx); err != nil {
		log.Panic(err)
	}
}
