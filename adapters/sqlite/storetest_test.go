package sqlite_test

import (
	"context"
	"database/sql"
	"sync"
	"testing"

	"github.com/parlance-go/parlance/adapters/sqlite"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/eventstore/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	var databases sync.Map // of each driver the *sqlite.Database
	driver := func(db *sqlite.Database) eventstore.Driver {
		databases.Store(db.EventStore(), db)
		return db.EventStore()
	}
	database := func(d eventstore.Driver) *sqlite.Database {
		db, _ := databases.Load(d)
		return db.(*sqlite.Database)
	}
	storetest.Run(t, storetest.Harness{
		New: func(t testing.TB) eventstore.Driver { return driver(open(t)) },
		Reopen: func(t testing.TB, d eventstore.Driver) eventstore.Driver {
			return driver(openPath(t, database(d).Path()))
		},
		Begin: func(ctx context.Context, d eventstore.Driver) (storetest.Tx, error) {
			db := database(d)
			tx, err := db.Writer().BeginTx(ctx, nil)
			return &transaction{events: db.EventStore(), tx: tx}, err
		},
		OneWriter: true,
	})
}

type transaction struct {
	events *sqlite.EventStore
	tx     *sql.Tx
}

func (t *transaction) Append(ctx context.Context, writes []eventstore.Write, results []eventstore.Appended) error {
	return t.events.InTx(t.tx).Append(ctx, writes, results)
}

func (t *transaction) Commit(context.Context) error { return t.tx.Commit() }

func (t *transaction) Rollback(context.Context) error { return t.tx.Rollback() }
