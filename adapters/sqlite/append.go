package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
)

// The statements of an append. One of n events to a stream runs the first, the
// second n times if the stream has events, one of the next two, and the last n
// times; none of them leaves the process.
const (
	selectHead = `SELECT id, version, first, deleted, tombstoned
		FROM parlance_streams WHERE tenant = ? AND name = ?`
	selectFound  = `SELECT version, position FROM parlance_events WHERE stream = ? AND event_id = ?`
	insertStream = `INSERT INTO parlance_streams
		(tenant, name, category, version, first, deleted, tombstoned) VALUES (?, ?, ?, ?, ?, ?, ?)`
	updateStream = `UPDATE parlance_streams SET version = ?, first = ?, deleted = ?, tombstoned = ? WHERE id = ?`
	insertEvent  = `INSERT INTO parlance_events
		(stream, version, event_id, type, schema_version, time,
		correlation_id, causation_id, actor, trace_parent, extra, data)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
)

// stream is a row of parlance_streams; its id is 0 if there is none yet.
type stream struct {
	id   int64
	head eventstore.Head
}

func (s *EventStore) findStream(ctx context.Context, tx *sql.Tx, tenant, name string) (stream, error) {
	var found stream
	h := &found.head
	err := tx.StmtContext(ctx, s.head).QueryRowContext(ctx, tenant, name).
		Scan(&found.id, &h.Version, &h.First, &h.Deleted, &h.Tombstoned)
	if errors.Is(err, sql.ErrNoRows) {
		return stream{head: eventstore.Head{First: 1}}, nil
	}
	return found, err
}

// setHead makes or updates the row of a stream, and returns its id.
func (s *EventStore) setHead(ctx context.Context, tx *sql.Tx, tenant, name string, id int64, h eventstore.Head) (int64, error) {
	if id != 0 {
		_, err := tx.StmtContext(ctx, s.advance).ExecContext(ctx, h.Version, h.First, h.Deleted, h.Tombstoned, id)
		return id, err
	}
	result, err := tx.StmtContext(ctx, s.open).ExecContext(ctx,
		tenant, name, eventstore.Category(name), h.Version, h.First, h.Deleted, h.Tombstoned)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

// write decides on a request, and writes it if it is to be. A fatal error is
// one of SQLite: the transaction must not be committed. Another is the decision,
// and has written nothing.
func (s *EventStore) write(ctx context.Context, tx *sql.Tx, r *request) (fatal bool, err error) {
	streams := make([]stream, len(r.writes))
	for i := range r.writes {
		if streams[i], err = s.findStream(ctx, tx, r.writes[i].Tenant, r.writes[i].Stream); err != nil {
			return true, err
		}
	}
	var broken error
	heads := func(i int) eventstore.Head { return streams[i].head }
	find := func(i int, id uuid.UUID) (found eventstore.Found, ok bool) {
		if broken != nil || streams[i].head.Version == 0 {
			return found, false
		}
		err := tx.StmtContext(ctx, s.find).QueryRowContext(ctx, streams[i].id, id[:]).Scan(&found.Version, &found.Position)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			broken = err
		}
		return found, err == nil
	}
	duplicate, err := eventstore.Check(r.writes, r.results, heads, find)
	switch {
	case broken != nil:
		return true, broken
	case err != nil || duplicate:
		return false, err
	}
	extras, now := r.extras, time.Now().UnixMicro()
	for i := range r.writes {
		w, result := &r.writes[i], &r.results[i]
		if len(w.Events) == 0 {
			continue
		}
		head := streams[i].head
		head.Version, head.Deleted = result.Version, false
		id, err := s.setHead(ctx, tx, w.Tenant, w.Stream, streams[i].id, head)
		if err != nil {
			return true, err
		}
		first := result.Version - int64(len(w.Events)) + 1
		if result.Position, err = s.insertEvents(ctx, tx, id, first, now, w.Events, extras); err != nil {
			return true, err
		}
		extras = extras[len(w.Events):]
	}
	return false, nil
}

func (s *EventStore) insertEvents(
	ctx context.Context, tx *sql.Tx, stream, version, now int64, events []eventstore.Event, extras []string,
) (position int64, err error) {
	insert := tx.StmtContext(ctx, s.insert)
	for i := range events {
		e := &events[i]
		m := &e.Metadata
		result, err := insert.ExecContext(ctx,
			stream, version+int64(i), e.ID[:], e.Type, e.SchemaVersion, now,
			m.CorrelationID, m.CausationID, m.Actor, m.TraceParent, extras[i], e.Data)
		if err != nil {
			return 0, err
		}
		if position, err = result.LastInsertId(); err != nil {
			return 0, err
		}
	}
	return position, nil
}

func encodeExtra(extra map[string]string) (string, error) {
	if len(extra) == 0 {
		return "", nil
	}
	text, err := json.Marshal(extra)
	return string(text), err
}

func decodeExtra(text string) (extra map[string]string, err error) {
	if text != "" {
		err = json.Unmarshal([]byte(text), &extra)
	}
	return extra, err
}
