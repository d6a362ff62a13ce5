package sqlite

import (
	"context"
	"database/sql"

	"github.com/parlance-go/parlance/eventstore"
)

// InTx returns a Driver that appends, reads a stream and erases inside a
// transaction of [Database.Writer], so that events are committed together with
// other rows, or not at all. Use it through an eventstore.Store:
//
//	store := eventstore.New(db.EventStore().InTx(tx), eventstore.Config{})
//
// A conflict leaves the transaction usable; after an error of SQLite's, or one
// of ctx, roll it back. Reading all is done outside it. Those who wait for
// events notice these after Config.PollInterval.
func (s *EventStore) InTx(tx *sql.Tx) eventstore.Driver { return &txEventStore{EventStore: s, tx: tx} }

type txEventStore struct {
	*EventStore
	tx *sql.Tx
}

func (s *txEventStore) Append(ctx context.Context, writes []eventstore.Write, results []eventstore.Appended) error {
	r, err := newRequest(writes)
	if err != nil {
		return err
	}
	fatal, err := s.write(ctx, s.tx, r)
	copy(results, r.results)
	if fatal {
		err = s.db.explain(ctx, err)
	}
	return err
}

func (s *txEventStore) ReadStream(ctx context.Context, r eventstore.StreamRange) (eventstore.StreamPage, error) {
	query := selectForwards
	if r.Backwards {
		query = selectBackwards
	}
	page, err := readStream(ctx, r, func(ctx context.Context, args ...any) (*sql.Rows, error) {
		return s.tx.QueryContext(ctx, query, args...)
	})
	return page, s.db.explain(ctx, err)
}

func (s *txEventStore) Erase(ctx context.Context, e eventstore.Erasure) error {
	return s.db.explain(ctx, s.erase(ctx, s.tx, e))
}
