package postgres_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/parlance-go/parlance/adapters/postgres"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/eventstore/storetest"
	"github.com/parlance-go/parlance/internal/testenv"
)

// database is a driver with what the kit needs besides.
type database struct {
	*postgres.EventStore
	pool *pgxpool.Pool
	url  string
}

func openDatabase(t testing.TB, url string, config postgres.EventStoreConfig) *database {
	t.Helper()
	settings, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	settings.MaxConns = 20
	pool, err := pgxpool.NewWithConfig(t.Context(), settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	store, err := postgres.OpenEventStore(t.Context(), pool, config)
	if err != nil {
		t.Fatal(err)
	}
	return &database{EventStore: store, pool: pool, url: url}
}

// openTx is a transaction that has its id already, as one has that wrote to a
// table of its own before it appends.
type openTx struct {
	pgx.Tx
	eventstore.Driver
}

func beginTx(ctx context.Context, d eventstore.Driver) (storetest.Tx, error) {
	db := d.(*database)
	tx, err := db.pool.Begin(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, "SELECT pg_current_xact_id()"); err != nil {
		return nil, err
	}
	return &openTx{Tx: tx, Driver: db.InTx(tx)}, nil
}

func TestStore(t *testing.T) {
	t.Parallel()
	foreign := testenv.Postgres(t)
	storetest.Run(t, storetest.Harness{
		New: func(t testing.TB) eventstore.Driver {
			return openDatabase(t, testenv.Postgres(t), postgres.EventStoreConfig{})
		},
		Begin: beginTx,
		Foreign: func(t testing.TB, _ eventstore.Driver) func() {
			conn, err := pgx.Connect(t.Context(), foreign)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Exec(t.Context(), "BEGIN; CREATE TEMPORARY TABLE written (n int); INSERT INTO written VALUES (1)"); err != nil {
				t.Fatal(err)
			}
			return func() {
				if err := conn.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}
		},
		Reopen: func(t testing.TB, d eventstore.Driver) eventstore.Driver {
			return openDatabase(t, d.(*database).url, postgres.EventStoreConfig{})
		},
	})
}
