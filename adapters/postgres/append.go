package postgres

import (
	"context"
	"math"
	"strings"

	"github.com/parlance-go/parlance/eventstore"
)

// appendKind is one way in which a statement finds the stream to append to.
type appendKind int

const (
	appendAny      appendKind = iota // creates the stream if need be
	appendNew                        // creates it, or reopens it
	appendExisting                   // finds it
	appendKinds
)

func kindOf(expected eventstore.Expected) appendKind {
	switch expected {
	case eventstore.Any:
		return appendAny
	case eventstore.NoStream:
		return appendNew
	default:
		return appendExisting
	}
}

// bounds are the versions at which an existing stream is as expected.
func bounds(expected eventstore.Expected) (low, high int64) {
	if n, exact := expected.Version(); exact {
		return n, n
	}
	return 1, math.MaxInt64
}

// An append of one event is one round trip. Statements only do what is
// certainly right: no row means that eventstore.Check must decide, and a unique
// violation that an ID has been used before.
//
// $1 base, $2 tenant, $3 stream, then the event; $13 and $14 are the bounds of
// appendExisting. The stream's row is locked before the sequence is asked, so
// that seq grows within a stream.
const (
	appendOneUpsertSQL = `
WITH s AS (
    INSERT INTO {schema}.streams AS s (tenant, stream, version, ord)
    VALUES ($2, $3, 1, pg_current_xact_id()::text::bigint + $1)
    ON CONFLICT (tenant, stream) DO UPDATE
    SET version = s.version + 1, ord = greatest(s.ord, excluded.ord), state = 0
    WHERE {open}
    RETURNING s.version, s.ord
)`

	appendOneUpdateSQL = `
WITH s AS (
    UPDATE {schema}.streams AS s
    SET version = s.version + 1, ord = greatest(s.ord, pg_current_xact_id()::text::bigint + $1), state = 0
    WHERE s.tenant = $2 AND s.stream = $3 AND {open}
    RETURNING s.version, s.ord
)`

	appendOneEventSQL = `
INSERT INTO {schema}.events (version, seq, ord, xid, event_id, schema_version, tenant, stream, type, data,
    correlation_id, causation_id, actor, traceparent, extra)
SELECT s.version, nextval('{schema}.events_seq'), s.ord, pg_current_xact_id()::text::bigint + $1,
    $4, $5, $2, $3, $6, $7, $8, $9, $10, $11, $12
FROM s RETURNING version, seq`
)

// open is the condition that makes the stream's row s as expected.
func (k appendKind) open() string {
	switch k {
	case appendAny:
		return "s.state < 2"
	case appendNew:
		return "(s.state = 1 OR s.state = 0 AND s.version = 0)"
	default:
		return "s.version BETWEEN $13::bigint AND $14::bigint AND (s.state = 0 OR s.state = 1 AND $13 = $14)"
	}
}

func appendOne(k appendKind) string {
	find := appendOneUpsertSQL
	if k == appendExisting {
		find = appendOneUpdateSQL
	}
	return strings.Replace(find, "{open}", k.open(), 1) + appendOneEventSQL
}

// Append implements eventstore.Driver.
//
// With one stream it costs one round trip; while other appends are under way it
// joins the next statement, and shares its commit. With several streams, with
// none to write, or when the stream is not as expected, it is a transaction of
// several.
func (s *EventStore) Append(ctx context.Context, writes []eventstore.Write, results []eventstore.Appended) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	var err error
	if len(writes) == 1 && len(writes[0].Events) > 0 {
		err = s.appenders[kindOf(writes[0].Expected)].append(ctx, writes, results)
	} else {
		err = s.appendCarefully(ctx, writes, results)
	}
	if err != nil {
		return caused(ctx, err)
	}
	s.appended()
	return nil
}

// appendAlone runs the statement of one write. It returns false if the append
// must be decided with care.
func (s *EventStore) appendAlone(ctx context.Context, kind appendKind, w *eventstore.Write, result *eventstore.Appended) (bool, error) {
	if len(w.Events) > 1 {
		group := []*pending{{write: *w}}
		if err := s.appendGroup(ctx, kind, group); err != nil {
			return false, err
		}
		*result = group[0].result
		return group[0].done, nil
	}
	conn, err := s.acquire(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Release()
	e := &w.Events[0]
	extra, err := wireExtra(e.Metadata.Extra)
	if err != nil {
		return false, err
	}
	args := append(make([][]byte, 0, 14), wireInt8(conn.epoch.base), []byte(w.Tenant), []byte(w.Stream),
		e.ID[:], wireInt4(e.SchemaVersion), []byte(e.Type), wireData(e.Data),
		wireText(e.Metadata.CorrelationID), wireText(e.Metadata.CausationID),
		wireText(e.Metadata.Actor), wireText(e.Metadata.TraceParent), extra)
	if kind == appendExisting {
		low, high := bounds(w.Expected)
		args = append(args, wireInt8(low), wireInt8(high))
	}
	done := false
	err = s.sql.appendOne[kind].query(ctx, conn.Conn.Conn(), args, func(values []int64) error {
		done, *result = true, eventstore.Appended{Version: values[0], Position: values[1]}
		return nil
	})
	if contended(err) {
		return false, nil
	}
	return done && err == nil, err
}
