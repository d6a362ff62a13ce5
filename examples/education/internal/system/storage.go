package system

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/parlance-go/parlance/adapters/postgres"
	"github.com/parlance-go/parlance/adapters/sqlite"
	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/examples/education/internal/readmodel"
)

// storage is where events and read model are kept. Tx is the transaction that
// its read models are written with.
type storage[Tx any] struct {
	store      *eventstore.Store
	target     cqrs.Target[Tx]
	projection cqrs.Projection[Tx]
	reader     readmodel.Reader
	place      string
	close      func() error
}

func openSQLite(ctx context.Context, data string) (*storage[*sql.Tx], error) {
	projection, err := readmodel.SQLiteProjection()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(data, "education.db")
	// Nobody else appends to the file, so there is little to look for.
	db, err := sqlite.Open(ctx, path, sqlite.Config{PollInterval: time.Second})
	if err != nil {
		return nil, err
	}
	target := db.Projections()
	return &storage[*sql.Tx]{
		store:      eventstore.New(db.EventStore(), eventstore.Config{}),
		target:     target,
		projection: projection,
		reader:     readmodel.NewSQLite(db.Reader(), target),
		place:      path,
		close:      db.Close,
	}, nil
}

func openPostgres(ctx context.Context, url string, logger *slog.Logger) (_ *storage[pgx.Tx], err error) {
	projection, err := readmodel.PostgresProjection()
	if err != nil {
		return nil, err
	}
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("-postgres: %w", err)
	}
	// Each projection and each lane of the processing has a connection of its
	// own while it works.
	config.MaxConns = max(config.MaxConns, 16)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("-postgres: %w", err)
	}
	defer func() {
		if err != nil {
			pool.Close()
		}
	}()
	if err := pool.Ping(ctx); err != nil {
		return nil, fmt.Errorf("-postgres: %w", err)
	}
	unlock, err := lockDatabase(ctx, pool)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			unlock()
		}
	}()
	events, err := postgres.OpenEventStore(ctx, pool, postgres.EventStoreConfig{Logger: logger})
	if err != nil {
		return nil, err
	}
	target, err := postgres.OpenProjections(ctx, pool, postgres.ProjectionsConfig{})
	if err != nil {
		return nil, err
	}
	return &storage[pgx.Tx]{
		store:      eventstore.New(events, eventstore.Config{}),
		target:     target,
		projection: projection,
		reader:     readmodel.NewPostgres(pool, target),
		place:      "PostgreSQL database " + config.ConnConfig.Database + ", schema parlance",
		close: func() error {
			unlock()
			pool.Close()
			return nil
		},
	}, nil
}

// databaseLock is a number that no other program is likely to lock.
const databaseLock = 0x70_61_72_6c_65_64_75

// lockDatabase keeps a second program away from the database: it could not
// process contents whose files are in the folder of the first.
func lockDatabase(ctx context.Context, pool *pgxpool.Pool) (unlock func(), err error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	var locked bool
	err = conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, int64(databaseLock)).Scan(&locked)
	if err == nil && !locked {
		err = errors.New("-postgres: another education program works on this database")
	}
	if err != nil {
		conn.Release()
		return nil, err
	}
	// The lock lives as long as its connection.
	return func() { _ = conn.Hijack().Close(context.WithoutCancel(ctx)) }, nil
}
