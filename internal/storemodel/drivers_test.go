package storemodel_test

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/parlance-go/parlance/adapters/postgres"
	"github.com/parlance-go/parlance/adapters/sqlite"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/testenv"
)

func TestMain(m *testing.M) {
	// Fewer than rapid's 100: a database takes a second for ten. The flag
	// -rapid.checks on the command line comes later and wins.
	if err := flag.Set("rapid.checks", "40"); err != nil {
		panic(err)
	}
	testenv.Main(m)
}

// onDrivers runs a test on every driver.
func onDrivers(t *testing.T, test func(t *testing.T, stores *stores)) {
	for name, open := range map[string]func(t *testing.T) eventstore.Driver{
		"memory":   func(*testing.T) eventstore.Driver { return eventstore.NewMemory() },
		"postgres": openPostgres,
		"sqlite":   openSQLite,
	} {
		t.Run(name, func(t *testing.T) {
			test(t, &stores{all: eventstore.New(open(t), eventstore.Config{})})
		})
	}
}

func openPostgres(t *testing.T) eventstore.Driver {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), testenv.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	store, err := postgres.OpenEventStore(context.WithoutCancel(t.Context()), pool, postgres.EventStoreConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func openSQLite(t *testing.T) eventstore.Driver {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "events.db"), sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db.EventStore()
}

// stores gives out empty stores: each is that of a tenant of its own.
type stores struct {
	all  *eventstore.Store
	made atomic.Int64
}

func (s *stores) empty() *eventstore.Store {
	return s.all.ForTenant(fmt.Sprint("tenant ", s.made.Add(1)))
}
