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
// $1 base; $2 to $6 a row per stream, sorted so that two groups lock streams in
// one order; then a row per event in the order of streams. last is the number
// of the append that the event is the last of, else 0.
const (
	appendManyRowsSQL = `
WITH x AS MATERIALIZED (SELECT $1::bigint + pg_current_xact_id()::text::bigint AS xid),
w AS (
    SELECT * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])
    WITH ORDINALITY AS w (tenant, stream, n, low, high, i)
),
s AS (`

	appendManyUpsertSQL = `
    INSERT INTO {schema}.streams AS s (tenant, stream, version, ord)
    SELECT tenant, stream, n, xid FROM w, x ORDER BY i
    ON CONFLICT (tenant, stream) DO UPDATE
    SET version = s.version + excluded.version, ord = greatest(s.ord, excluded.ord), state = 0
    WHERE {open}`

	appendManyUpdateSQL = `
    UPDATE {schema}.streams AS s
    SET version = s.version + w.n, ord = greatest(s.ord, x.xid), state = 0
    FROM w, x
    WHERE s.tenant = w.tenant AND s.stream = w.stream AND {open}`

	appendManyEventsSQL = `
    RETURNING s.tenant, s.stream, s.version, s.ord
),
d AS MATERIALIZED (
    SELECT s.tenant, s.stream, s.ord, s.version - w.n + d.k AS version, nextval('{schema}.events_seq') AS seq,
        d.last, d.event_id, d.schema_version, d.type, d.data,
        d.correlation_id, d.causation_id, d.actor, d.traceparent, d.extra
    FROM unnest($7::bigint[], $8::bigint[], $9::bigint[], $10::uuid[], $11::integer[], $12::text[], $13::bytea[],
        $14::text[], $15::text[], $16::text[], $17::text[], $18::text[])
        AS d (i, k, last, event_id, schema_version, type, data,
        correlation_id, causation_id, actor, traceparent, extra)
    JOIN w ON w.i = d.i
    JOIN s ON s.tenant = w.tenant AND s.stream = w.stream
    ORDER BY d.i, d.k
),
e AS (
    INSERT INTO {schema}.events (version, seq, ord, xid, event_id, schema_version, tenant, stream, type, data,
        correlation_id, causation_id, actor, traceparent, extra)
    SELECT version, seq, ord, xid, event_id, schema_version, tenant, stream, type, data,
        correlation_id, causation_id, actor, traceparent, extra
    FROM d, x
)
SELECT last, version, seq FROM d WHERE last > 0`
)

func appendMany(k appendKind) string {
	find := appendManyUpsertSQL
	if k == appendExisting {
		find = appendManyUpdateSQL
	}
	find = strings.Replace(find, "{open}", k.open("w.low", "w.high"), 1)
	return appendManyRowsSQL + find + appendManyEventsSQL
}

// appendGroup runs the statement of several appends and marks those that it did
// as done. Those that it did not, it leaves to be decided one by one; so it
// does with all if one of them makes the statement fail by contention.
func (s *EventStore) appendGroup(ctx context.Context, kind appendKind, group []*pending) error {
	rows, err := newAppendRows(group)
	if err != nil {
		return err
	}
	conn, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	found, err := conn.Query(ctx, s.sql.appendMany[kind], rows.args(conn.epoch.base)...)
	if err != nil {
		return err
	}
	defer found.Close()
	for found.Next() {
		var last, version, position int64
		if err := found.Scan(&last, &version, &position); err != nil {
			return err
		}
		p := group[last-1]
		p.done, p.result = true, eventstore.Appended{Version: version, Position: position}
	}
	if err := found.Err(); err != nil {
		for _, p := range group {
			p.done = false
		}
		if !contended(err) {
			return err
		}
	}
	return nil
}

// appendRows are the arrays that a group's statement unnests.
type appendRows struct {
	tenants, streams                                []string
	counts, lows, highs                             []int64
	stream, offset, last                            []int64
	ids                                             [][16]byte
	schemas                                         []int32
	types, correlations, causations, actors, traces []string
	data                                            [][]byte
	extras                                          []*string
}

// newAppendRows sorts the group by stream.
func newAppendRows(group []*pending) (*appendRows, error) {
	order := make([]int, len(group))
	events := 0
	for i, p := range group {
		order[i] = i
		events += len(p.write.Events)
	}
	slices.SortStableFunc(order, func(a, b int) int {
		v, w := &group[a].write, &group[b].write
		return cmp.Or(cmp.Compare(v.Tenant, w.Tenant), cmp.Compare(v.Stream, w.Stream))
	})
	r := &appendRows{
		tenants: make([]string, 0, len(group)), streams: make([]string, 0, len(group)),
		counts: make([]int64, 0, len(group)), lows: make([]int64, 0, len(group)), highs: make([]int64, 0, len(group)),
		stream: make([]int64, 0, events), offset: make([]int64, 0, events), last: make([]int64, 0, events),
		ids: make([][16]byte, 0, events), schemas: make([]int32, 0, events), types: make([]string, 0, events),
		correlations: make([]string, 0, events), causations: make([]string, 0, events),
		actors: make([]string, 0, events), traces: make([]string, 0, events),
		data: make([][]byte, 0, events), extras: make([]*string, 0, events),
	}
	for _, i := range order {
		if err := r.add(&group[i].write, int64(i+1)); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *appendRows) add(w *eventstore.Write, number int64) error {
	at := len(r.streams) - 1
	if at < 0 || r.streams[at] != w.Stream || r.tenants[at] != w.Tenant {
		low, high := bounds(w.Expected)
		r.tenants = append(r.tenants, w.Tenant)
		r.streams = append(r.streams, w.Stream)
		r.counts = append(r.counts, 0)
		r.lows = append(r.lows, low)
		r.highs = append(r.highs, high)
		at++
	}
	for i := range w.Events {
		e := &w.Events[i]
		extra, err := encodeExtra(e.Metadata.Extra)
		if err != nil {
			return err
		}
		r.counts[at]++
		r.stream = append(r.stream, int64(at+1))
		r.offset = append(r.offset, r.counts[at])
		r.last = append(r.last, 0)
		r.ids = append(r.ids, e.ID)
		r.schemas = append(r.schemas, int32(e.SchemaVersion)) //nolint:gosec // the Store bounds it
		r.types = append(r.types, e.Type)
		r.correlations = append(r.correlations, e.Metadata.CorrelationID)
		r.causations = append(r.causations, e.Metadata.CausationID)
		r.actors = append(r.actors, e.Metadata.Actor)
		r.traces = append(r.traces, e.Metadata.TraceParent)
		r.data = append(r.data, notNil(e.Data))
		r.extras = append(r.extras, extra)
	}
	r.last[len(r.last)-1] = number
	return nil
}

func (r *appendRows) args(base int64) []any {
	return []any{
		base, r.tenants, r.streams, r.counts, r.lows, r.highs,
		r.stream, r.offset, r.last, r.ids, r.schemas, r.types, r.data,
		r.correlations, r.causations, r.actors, r.traces, r.extras,
	}
}
