package sqlite

import (
	"context"
	"database/sql"

	"github.com/parlance-go/parlance/eventstore"
)

// The connection's secure_delete makes SQLite overwrite what this leaves free.
const eraseEvents = `UPDATE parlance_events
	SET data = NULL, correlation_id = '', causation_id = '', actor = '', trace_parent = '', extra = ''
	WHERE stream = ? AND version >= ? AND version < ?`

// Erase implements [eventstore.Driver]. What it erases is overwritten in the
// file; see [Database.Scrub] for the write-ahead log.
func (s *EventStore) Erase(ctx context.Context, e eventstore.Erasure) error {
	tx, err := s.db.begin(ctx, s.db.deadline())
	if err != nil {
		return err
	}
	if err := s.erase(ctx, tx, e); err != nil {
		rollback(tx)
		return s.db.explain(ctx, err)
	}
	return s.db.explain(ctx, tx.Commit())
}

func (s *EventStore) erase(ctx context.Context, tx *sql.Tx, e eventstore.Erasure) error {
	found, err := s.findStream(ctx, tx, e.Tenant, e.Stream)
	if err != nil {
		return err
	}
	head, err := eventstore.CheckErasure(e, found.head)
	if err != nil || head == found.head {
		return err
	}
	if _, err := s.setHead(ctx, tx, e.Tenant, e.Stream, found.id, head); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, eraseEvents, found.id, found.head.First, head.First)
	return err
}
