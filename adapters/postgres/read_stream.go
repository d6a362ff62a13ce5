package postgres

import (
	"context"

	"github.com/parlance-go/parlance/eventstore"
)

// eventColumns is what a row decodes, in its order.
const eventColumns = `e.version, e.seq, e.ord, e.recorded_at, e.event_id, e.schema_version, e.tenant, e.stream, e.type,
    e.data, e.correlation_id, e.causation_id, e.actor, e.traceparent, e.extra`

// streamReadSQL returns the head with every event, so that both are of one
// moment, in one round trip.
const (
	streamReadSQL = `
SELECT s.version, s.first, s.state, ` + eventColumns + `
FROM {schema}.streams s
LEFT JOIN LATERAL (
    SELECT * FROM {schema}.events e
    WHERE e.tenant = $1 AND e.stream = $2 AND e.version >= greatest($3, s.first) AND s.state < 2
    ORDER BY e.version LIMIT $4
) e ON true
WHERE s.tenant = $1 AND s.stream = $2
ORDER BY e.version`

	streamReadBackSQL = `
SELECT s.version, s.first, s.state, ` + eventColumns + `
FROM {schema}.streams s
LEFT JOIN LATERAL (
    SELECT * FROM {schema}.events e
    WHERE e.tenant = $1 AND e.stream = $2 AND e.version <= $3 AND e.version >= s.first AND s.state < 2
    ORDER BY e.version DESC LIMIT $4
) e ON true
WHERE s.tenant = $1 AND s.stream = $2
ORDER BY e.version DESC`
)

// ReadStream implements eventstore.Driver, in one round trip.
func (s *EventStore) ReadStream(ctx context.Context, r eventstore.StreamRange) (eventstore.StreamPage, error) {
	page, err := s.readStream(ctx, s.pool, r)
	return page, caused(ctx, err)
}

func (s *EventStore) readStream(ctx context.Context, conn querier, r eventstore.StreamRange) (eventstore.StreamPage, error) {
	page := eventstore.StreamPage{Head: eventstore.Head{First: 1}}
	sql := s.sql.streamRead
	if r.Backwards {
		sql = s.sql.streamReadBack
	}
	rows, err := conn.Query(ctx, sql, r.Tenant, r.Stream, r.From, r.Max)
	if err != nil {
		return page, err
	}
	defer rows.Close()
	decode := newDecoder(rows, 3)
	var head [3]int64
	for rows.Next() && !decode.full() {
		page.Events = another(page.Events, r.Max)
		_, present, err := decode.row(head[:], &page.Events[len(page.Events)-1])
		if err != nil {
			return page, err
		}
		page.Head = headOf(head[0], head[1], int16(head[2]))
		if !present {
			page.Events = nil
		}
	}
	rows.Close()
	return page, rows.Err()
}
