package postgres

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/parlance-go/parlance/eventstore"
)

const (
	// streamsMakeSQL gives absent streams a row, at version 0, and locks the rows
	// of all; WHERE false leaves those that were there as they are. The order of
	// names is the order of locks in all statements.
	streamsMakeSQL = `
INSERT INTO {schema}.streams AS s (tenant, stream, version)
SELECT tenant, stream, 0 FROM unnest($1::text[], $2::text[]) AS w (tenant, stream)
ORDER BY tenant COLLATE "C", stream COLLATE "C"
ON CONFLICT (tenant, stream) DO UPDATE SET version = s.version WHERE false`

	streamsLockSQL = `
SELECT s.stream, s.version, s.first, s.state
FROM unnest($1::text[], $2::text[]) AS w (tenant, stream)
JOIN {schema}.streams s ON s.tenant = w.tenant AND s.stream = w.stream
ORDER BY s.tenant, s.stream FOR UPDATE OF s`

	// idsFindSQL says with OFFSET 0 that each ID is to be looked up.
	idsFindSQL = `
SELECT e.stream, e.event_id, e.version, e.seq
FROM unnest($1::text[], $2::text[], $3::uuid[]) AS w (tenant, stream, id), LATERAL (
    SELECT * FROM {schema}.events e
    WHERE e.tenant = w.tenant AND e.stream = w.stream AND e.event_id = w.id OFFSET 0
) e`

	// recordWriteSQL appends to one stream whose row is locked.
	recordWriteSQL = `
WITH x AS MATERIALIZED (SELECT $1::bigint + pg_current_xact_id()::text::bigint AS xid),
s AS (
    UPDATE {schema}.streams AS s
    SET version = $4, ord = greatest(s.ord, xid), state = 0
    FROM x WHERE s.tenant = $2 AND s.stream = $3
    RETURNING s.ord
),
e AS (
    INSERT INTO {schema}.events (version, seq, ord, xid, event_id, schema_version, tenant, stream, type, data,
        correlation_id, causation_id, actor, traceparent, extra)
    SELECT d.version, nextval('{schema}.events_seq'), s.ord, xid, d.event_id, d.schema_version, $2, $3, d.type, d.data,
        d.correlation_id, d.causation_id, d.actor, d.traceparent, d.extra
    FROM s, x, (
        SELECT $4::bigint - $5::bigint + k AS version, event_id, schema_version, type, data,
            correlation_id, causation_id, actor, traceparent, extra
        FROM unnest($6::uuid[], $7::integer[], $8::text[], $9::bytea[],
            $10::text[], $11::text[], $12::text[], $13::text[], $14::text[]) WITH ORDINALITY
            AS d (event_id, schema_version, type, data, correlation_id, causation_id, actor, traceparent, extra, k)
        ORDER BY k
    ) AS d
    RETURNING seq
)
SELECT max(seq) FROM e`
)

const maxCarefulTries = 10

// appendCarefully locks all the streams and lets eventstore.Check decide, in a
// transaction of three round trips and one for each stream it writes. One that
// loses to another transaction is tried again.
func (s *EventStore) appendCarefully(ctx context.Context, writes []eventstore.Write, results []eventstore.Appended) error {
	conn, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	for try := 1; ; try++ {
		err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
			return s.appendIn(ctx, tx, conn.epoch, writes, results)
		})
		if err == nil || !contended(err) || try == maxCarefulTries || ctx.Err() != nil {
			return err
		}
	}
}

// appendIn appends in a transaction.
func (s *EventStore) appendIn(ctx context.Context, tx pgx.Tx, e *epoch, writes []eventstore.Write, results []eventstore.Appended) error {
	state, err := s.lockStreams(ctx, tx, writes)
	if err != nil {
		return err
	}
	duplicate, err := eventstore.Check(writes, results,
		func(i int) eventstore.Head { return state.heads[writes[i].Stream] },
		func(i int, id uuid.UUID) (eventstore.Found, bool) {
			found, ok := state.ids[streamID{writes[i].Stream, id}]
			return found, ok
		})
	if err != nil || duplicate {
		return err
	}
	for i := range writes {
		if len(writes[i].Events) == 0 {
			continue
		}
		w := &writes[i]
		events := make([]*eventstore.Event, len(w.Events))
		for j := range events {
			events[j] = &w.Events[j]
		}
		args := append(make([][]byte, 0, 14), wireInt8(e.base), []byte(w.Tenant), []byte(w.Stream),
			wireInt8(results[i].Version), wireInt8(int64(len(events))))
		if args, err = wireEvents(args, events); err != nil {
			return err
		}
		err = s.sql.recordWrite.query(ctx, tx.Conn(), args, func(values []int64) error {
			results[i].Position = values[0]
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// streamState is what Check asks about locked streams of one tenant.
type streamState struct {
	heads map[string]eventstore.Head
	ids   map[streamID]eventstore.Found
}

type streamID struct {
	stream string
	id     uuid.UUID
}

func (s *EventStore) lockStreams(ctx context.Context, tx pgx.Tx, writes []eventstore.Write) (streamState, error) {
	state := streamState{heads: make(map[string]eventstore.Head, len(writes)), ids: make(map[streamID]eventstore.Found)}
	var tenants, streams []string
	for i := range writes {
		tenants, streams = append(tenants, writes[i].Tenant), append(streams, writes[i].Stream)
	}
	var batch pgx.Batch
	batch.Queue(s.sql.streamsMake, tenants, streams)
	batch.Queue(s.sql.streamsLock, tenants, streams).Query(func(rows pgx.Rows) error {
		var stream string
		var head eventstore.Head
		var st int16
		_, err := pgx.ForEachRow(rows, []any{&stream, &head.Version, &head.First, &st}, func() error {
			state.heads[stream] = headOf(head.Version, head.First, st)
			return nil
		})
		return err
	})
	// A statement of its own, so that it sees what was committed while the locks
	// were waited for.
	batch.Queue(s.sql.idsFind, idsArgs(writes)...).Query(func(rows pgx.Rows) error { return collectIDs(rows, state.ids) })
	return state, tx.SendBatch(ctx, &batch).Close()
}

// idsArgs are those of idsFindSQL for all events of the writes.
func idsArgs(writes []eventstore.Write) []any {
	var tenants, streams []string
	var ids []pgtype.UUID // which pgx knows how to send in every mode of a pool
	for i := range writes {
		for j := range writes[i].Events {
			tenants, streams = append(tenants, writes[i].Tenant), append(streams, writes[i].Stream)
			ids = append(ids, pgtype.UUID{Bytes: writes[i].Events[j].ID, Valid: true})
		}
	}
	return []any{tenants, streams, ids}
}

func collectIDs(rows pgx.Rows, ids map[streamID]eventstore.Found) error {
	var key streamID
	var id [16]byte
	var found eventstore.Found
	_, err := pgx.ForEachRow(rows, []any{&key.stream, &id, &found.Version, &found.Position}, func() error {
		key.id = id
		ids[key] = found
		return nil
	})
	return err
}

// States of a stream's row.
const (
	stateOpen int16 = iota
	stateDeleted
	stateTombstoned
)

func headOf(version, first int64, state int16) eventstore.Head {
	return eventstore.Head{
		Version: version, First: first,
		Deleted: state == stateDeleted, Tombstoned: state == stateTombstoned,
	}
}

func stateOf(head eventstore.Head) int16 {
	switch {
	case head.Tombstoned:
		return stateTombstoned
	case head.Deleted:
		return stateDeleted
	default:
		return stateOpen
	}
}

// InTx returns a Driver that appends, reads a stream and erases inside a
// transaction of the caller's, so that events are committed together with other
// rows, or not at all. Use it through an eventstore.Store:
//
//	store := eventstore.New(events.InTx(tx), eventstore.Config{})
//
// The transaction holds the streams it has appended to until it ends; keep it
// short, and append to several streams with one AppendAll, in which they are
// locked in order. It should be READ COMMITTED, the default: in a stricter one
// an append that races another fails with a serialization error. After an
// error of PostgreSQL's the transaction can only be rolled back; conflicts leave
// it usable. Reading all is done outside it. Nobody is told when it commits:
// subscribers find its events at their next poll.
func (s *EventStore) InTx(tx pgx.Tx) eventstore.Driver { return &txEventStore{EventStore: s, tx: tx} }

type txEventStore struct {
	*EventStore
	tx pgx.Tx
}

func (s *txEventStore) Append(ctx context.Context, writes []eventstore.Write, results []eventstore.Appended) error {
	e, err := s.epochOf(ctx, s.tx.Conn(), s.pool)
	if err == nil {
		err = s.appendIn(ctx, s.tx, e, writes, results)
	}
	return caused(ctx, err)
}

func (s *txEventStore) ReadStream(ctx context.Context, r eventstore.StreamRange) (eventstore.StreamPage, error) {
	page, err := s.readStream(ctx, s.tx, r)
	return page, caused(ctx, err)
}

func (s *txEventStore) Erase(ctx context.Context, e eventstore.Erasure) error {
	return caused(ctx, s.eraseIn(ctx, s.tx, e))
}
