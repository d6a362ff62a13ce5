package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/parlance-go/parlance/eventstore"
)

const (
	eraseMarkSQL = `
UPDATE {schema}.streams SET first = $3, state = $4 WHERE tenant = $1 AND stream = $2`

	// eraseEventsSQL keeps the rows, for their ids and versions stay used. Their
	// old contents go with the next vacuum.
	eraseEventsSQL = `
UPDATE {schema}.events
SET data = NULL, correlation_id = NULL, causation_id = NULL, actor = NULL, traceparent = NULL, extra = NULL
WHERE tenant = $1 AND stream = $2 AND version >= $3 AND version < $4`
)

// Erase implements eventstore.Driver, in one transaction of four round trips.
func (s *EventStore) Erase(ctx context.Context, e eventstore.Erasure) error {
	err := pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		return s.eraseIn(ctx, tx, e)
	})
	return caused(ctx, err)
}

func (s *EventStore) eraseIn(ctx context.Context, tx pgx.Tx, e eventstore.Erasure) error {
	state, err := s.lockStreams(ctx, tx, []eventstore.Write{{Tenant: e.Tenant, Stream: e.Stream}})
	if err != nil {
		return err
	}
	old := state.heads[e.Stream]
	head, err := eventstore.CheckErasure(e, old)
	if err != nil || head == old {
		return err
	}
	var batch pgx.Batch
	batch.Queue(s.sql.eraseMark, e.Tenant, e.Stream, head.First, stateOf(head))
	batch.Queue(s.sql.eraseEvents, e.Tenant, e.Stream, old.First, head.First)
	return tx.SendBatch(ctx, &batch).Close()
}
