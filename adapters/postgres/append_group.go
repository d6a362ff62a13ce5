package postgres

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/parlance-go/parlance/eventstore"
)

// A group is one round trip and one commit, however many appends it holds.
//
// $1 base; $2 to $7 a row per stream, sorted so that two groups lock streams in
// one order; $8 to $17 a row per event, in the order of streams. i is the number
// of the event's stream, skip how many events stand before those of a stream.
// $18 are the numbers of the events that are the last of their append. A stream
// that somebody else holds for long makes the statement fail, so that the other
// appends do not wait for it.
const (
	appendManyRowsSQL = `
WITH x AS MATERIALIZED (
    SELECT $1::bigint + pg_current_xact_id()::text::bigint AS xid, set_config('lock_timeout', '20ms', true)
),
w AS (
    SELECT * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
    WITH ORDINALITY AS w (tenant, stream, n, low, high, skip, i)
),
s AS (`

	appendManyUpsertSQL = `
    INSERT INTO {schema}.streams AS s (tenant, stream, version, ord)
    SELECT tenant, stream, n, xid FROM w, x ORDER BY i
    ON CONFLICT (tenant, stream) DO UPDATE
    SET version = s.version + excluded.version, ord = greatest(s.ord, excluded.ord), state = 0
    WHERE {open}`

	// appendManyExistingSQL inserts only rows that are there, so that every one of
	// them is locked in order and then updated; an UPDATE would lock them in any
	// order, and might read the whole table. What is "excluded" never gets stored:
	// its first and state carry the versions that are expected. OFFSET 0 has each
	// stream looked up.
	appendManyExistingSQL = `
    INSERT INTO {schema}.streams AS s (tenant, stream, version, ord, first, state)
    SELECT w.tenant, w.stream, n, xid, low, (low = high)::integer
    FROM w, x, LATERAL (
        SELECT FROM {schema}.streams t WHERE t.tenant = w.tenant AND t.stream = w.stream OFFSET 0
    ) t
    ORDER BY i
    ON CONFLICT (tenant, stream) DO UPDATE
    SET version = s.version + excluded.version, ord = greatest(s.ord, excluded.ord), state = 0
    WHERE CASE excluded.state
        WHEN 1 THEN s.version = excluded.first AND s.state < 2
        ELSE s.version >= excluded.first AND s.state = 0
    END`

	appendManyEventsSQL = `
    RETURNING s.tenant, s.stream, s.version, s.ord
),
d AS MATERIALIZED (
    SELECT d.k, s.tenant, s.stream, s.ord, s.version - w.n + d.k - w.skip AS version,
        nextval('{schema}.events_seq') AS seq,
        d.event_id, d.schema_version, d.type, d.data,
        d.correlation_id, d.causation_id, d.actor, d.traceparent, d.extra
    FROM (
        -- In step; faster here than unnest of them all in FROM.
        SELECT generate_series(1, array_length($8::bigint[], 1)) AS k, unnest($8::bigint[]) AS i,
            unnest($9::uuid[]) AS event_id, unnest($10::integer[]) AS schema_version,
            unnest($11::text[]) AS type, unnest($12::bytea[]) AS data,
            unnest($13::text[]) AS correlation_id, unnest($14::text[]) AS causation_id,
            unnest($15::text[]) AS actor, unnest($16::text[]) AS traceparent, unnest($17::text[]) AS extra
    ) d
    JOIN w ON w.i = d.i
    JOIN s ON s.tenant = w.tenant AND s.stream = w.stream
    ORDER BY d.k
),
e AS (
    INSERT INTO {schema}.events (version, seq, ord, xid, event_id, schema_version, tenant, stream, type, data,
        correlation_id, causation_id, actor, traceparent, extra)
    SELECT version, seq, ord, xid, event_id, schema_version, tenant, stream, type, data,
        correlation_id, causation_id, actor, traceparent, extra
    FROM d, x
)
SELECT k, version, seq FROM d WHERE k = ANY($18::bigint[])`
)

func appendMany(k appendKind) string {
	if k == appendExisting {
		return appendManyRowsSQL + appendManyExistingSQL + appendManyEventsSQL
	}
	find := strings.Replace(appendManyUpsertSQL, "{open}", k.open(), 1)
	return appendManyRowsSQL + find + appendManyEventsSQL
}

// appendGroup runs the statement of several appends and marks those that it did
// as done. Those that it did not, it leaves to be decided one by one; so it
// does with all if one of them makes the statement fail by contention, or wait
// for too long. If it fails because events are repeated, it runs once more
// without those appends: two more round trips.
func (s *EventStore) appendGroup(ctx context.Context, kind appendKind, group []*pending) error {
	conn, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	err = s.appendTogether(ctx, conn, kind, group)
	if repeated(err) && len(group) > 1 {
		var fresh []*pending
		if fresh, err = s.withoutRepeated(ctx, conn, group); err == nil && len(fresh) > 0 {
			err = s.appendTogether(ctx, conn, kind, fresh)
		}
	}
	if contended(err) || gaveUp(err) && ctx.Err() == nil {
		return nil
	}
	return err
}

func (s *EventStore) appendTogether(ctx context.Context, conn connection, kind appendKind, group []*pending) error {
	args, lasts, err := groupArgs(conn.epoch.base, group)
	if err != nil {
		return err
	}
	err = s.sql.appendMany[kind].query(ctx, conn.Conn.Conn(), args, func(values []int64) error {
		p := lasts[values[0]]
		p.done, p.result = true, eventstore.Appended{Version: values[1], Position: values[2]}
		return nil
	})
	if err != nil {
		for _, p := range group {
			p.done = false
		}
	}
	return err
}

// withoutRepeated returns the appends none of whose IDs are in their streams.
func (s *EventStore) withoutRepeated(ctx context.Context, conn connection, group []*pending) ([]*pending, error) {
	writes := make([]eventstore.Write, len(group))
	for i, p := range group {
		writes[i] = p.write
	}
	found := make(map[streamID]eventstore.Found)
	rows, err := conn.Query(ctx, s.sql.idsFind, idsArgs(writes)...)
	if err != nil {
		return nil, err
	}
	if err := collectIDs(rows, found); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(group), func(p *pending) bool {
		return slices.ContainsFunc(p.write.Events, func(e eventstore.Event) bool {
			_, known := found[streamID{p.write.Stream, e.ID}]
			return known
		})
	}), nil
}

// groupArgs encodes the appends of a group, and returns them by the number of
// their last event. It sorts the group by stream.
func groupArgs(base int64, group []*pending) (args [][]byte, lasts map[int64]*pending, err error) {
	slices.SortStableFunc(group, func(p, q *pending) int {
		return cmp.Or(strings.Compare(p.write.Tenant, q.write.Tenant), strings.Compare(p.write.Stream, q.write.Stream))
	})
	var (
		tenants, streams           = make([]string, 0, len(group)), make([]string, 0, len(group))
		counts, lows, highs, skips = make([]int64, 0, len(group)), make([]int64, 0, len(group)), make([]int64, 0, len(group)), make([]int64, 0, len(group))
		events                     = make([]*eventstore.Event, 0, 2*len(group))
		streamOf                   = make([]int64, 0, 2*len(group))
		ends                       = make([]int64, 0, len(group))
	)
	lasts = make(map[int64]*pending, len(group))
	for _, p := range group {
		w := &p.write
		at := len(streams) - 1
		if at < 0 || streams[at] != w.Stream || tenants[at] != w.Tenant {
			low, high := bounds(w.Expected)
			tenants, streams = append(tenants, w.Tenant), append(streams, w.Stream)
			counts, lows, highs = append(counts, 0), append(lows, low), append(highs, high)
			skips = append(skips, int64(len(events)))
			at++
		}
		counts[at] += int64(len(w.Events))
		for i := range w.Events {
			events = append(events, &w.Events[i])
			streamOf = append(streamOf, int64(at+1))
		}
		last := int64(len(events))
		ends = append(ends, last)
		lasts[last] = p
	}
	args = append(make([][]byte, 0, 18), wireInt8(base), wireTexts(tenants), wireTexts(streams),
		wireInts(counts), wireInts(lows), wireInts(highs), wireInts(skips), wireInts(streamOf))
	if args, err = wireEvents(args, events); err != nil {
		return nil, nil, err
	}
	return append(args, wireInts(ends)), lasts, nil
}
