package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parlance-go/parlance/eventstore"
)

const (
	maxScan      = 10_000  // rows looked at for one page of all events
	maxPageBytes = 8 << 20 // of data in one page, passed by one event at most
)

// What a page costs: one statement for a stream; two for all events, of which
// the first, selectLast, looks at one row.
const (
	eventColumns = `e.position, e.version, e.event_id, e.type, e.schema_version, e.time,
		e.correlation_id, e.causation_id, e.actor, e.trace_parent, e.extra, e.data`

	// ?1 tenant, ?2 name, ?3 lowest and ?4 highest version, ?5 maximum. The head
	// comes with every event, since one statement sees one moment; without
	// events it comes alone.
	fromStream = `SELECT s.version, s.first, s.deleted, s.tombstoned, ` + eventColumns + `
		FROM parlance_streams s
		LEFT JOIN parlance_events e ON e.stream = s.id AND ?5 > 0
			AND e.version >= max(s.first, ?3) AND e.version <= min(s.version, ?4)
		WHERE s.tenant = ?1 AND s.name = ?2
		ORDER BY e.version`
	selectForwards  = fromStream + ` ASC LIMIT max(?5, 1)`
	selectBackwards = fromStream + ` DESC LIMIT max(?5, 1)`

	// ?1 and ?2 positions, ?3 tenant, ?4 categories, ?5 types, ?6 maximum.
	// CROSS JOIN keeps the events outermost: their positions are walked.
	fromAll = ` FROM parlance_events e CROSS JOIN parlance_streams s ON s.id = e.stream
		WHERE e.position > ?1 AND e.position <= ?2 AND e.version >= s.first
			AND (?3 IS NULL OR s.tenant = ?3)
			AND (?4 IS NULL OR s.category IN (SELECT value FROM json_each(?4)))
			AND (?5 IS NULL OR e.type IN (SELECT value FROM json_each(?5)))`
	selectAll = `SELECT s.tenant, s.name, ` + eventColumns + fromAll + ` ORDER BY e.position LIMIT ?6`
	countAll  = `SELECT count(*)` + fromAll
)

// ReadStream implements [eventstore.Driver].
func (s *EventStore) ReadStream(ctx context.Context, r eventstore.StreamRange) (eventstore.StreamPage, error) {
	read := s.forwards.QueryContext
	if r.Backwards {
		read = s.backwards.QueryContext
	}
	page, err := readStream(ctx, r, read)
	return page, s.db.explain(ctx, err)
}

// readStream runs selectForwards or selectBackwards with read.
func readStream(
	ctx context.Context, r eventstore.StreamRange, read func(ctx context.Context, args ...any) (*sql.Rows, error),
) (eventstore.StreamPage, error) {
	page := eventstore.StreamPage{Head: eventstore.Head{First: 1}}
	low, high := r.From, eventstore.End
	if r.Backwards {
		low, high = 1, r.From
	}
	rows, err := read(ctx, r.Tenant, r.Stream, low, high, r.Max)
	if err != nil {
		return page, err
	}
	defer rows.Close()
	h := &page.Head
	scan := newScanner(&h.Version, &h.First, &h.Deleted, &h.Tombstoned)
	for size := 0; size < maxPageBytes && rows.Next(); {
		event, err := scan.event(rows)
		if err != nil {
			return page, err
		}
		if event.Version == 0 {
			break
		}
		event.Stream, event.Metadata.Tenant = r.Stream, r.Tenant
		page.Events = append(page.Events, event)
		size += len(event.Data)
	}
	return page, rows.Err()
}

// ReadAll implements [eventstore.Driver].
func (s *EventStore) ReadAll(ctx context.Context, r eventstore.AllRange) (eventstore.Page, error) {
	from, last, err := s.visible(ctx, r.After)
	if err != nil {
		return eventstore.Page{}, err
	}
	if r.Max == 0 {
		return eventstore.Page{Next: s.checkpoint(last), End: true}, nil
	}
	page, err := s.readAll(ctx, r, from, last)
	return page, s.db.explain(ctx, err)
}

func (s *EventStore) readAll(ctx context.Context, r eventstore.AllRange, from, last int64) (eventstore.Page, error) {
	var page eventstore.Page
	to := min(from+maxScan, last)
	if from < to {
		rows, err := s.all.QueryContext(ctx, append(conditions(r, from, to), r.Max)...)
		if err != nil {
			return page, err
		}
		defer rows.Close()
		var tenant, stream string
		scan, size := newScanner(&tenant, &stream), 0
		for rows.Next() {
			event, err := scan.event(rows)
			if err != nil {
				return page, err
			}
			event.Stream, event.Metadata.Tenant = stream, tenant
			event.Checkpoint = s.checkpoint(event.Position)
			page.Events = append(page.Events, event)
			if size += len(event.Data); size >= maxPageBytes || len(page.Events) == r.Max {
				to = event.Position
				break
			}
		}
		if err := rows.Err(); err != nil {
			return page, err
		}
	}
	page.Next, page.End = s.checkpoint(to), to == last
	return page, nil
}

// Count implements [eventstore.Counter].
func (s *EventStore) Count(ctx context.Context, r eventstore.AllRange) (n int64, err error) {
	from, last, err := s.visible(ctx, r.After)
	if err != nil {
		return 0, err
	}
	err = s.count.QueryRowContext(ctx, conditions(r, from, last)...).Scan(&n)
	return n, s.db.explain(ctx, err)
}

// conditions returns the first five arguments of selectAll and countAll.
func conditions(r eventstore.AllRange, from, to int64) []any {
	var tenant any
	if !r.AllTenants {
		tenant = r.Tenant
	}
	return []any{from, to, tenant, list(r.Filter.Categories), list(r.Filter.Types)}
}

// list returns the JSON array of the values, or nil for none. A value that JSON
// or SQLite would change is left out: no event can have it.
func list(values []string) any {
	if len(values) == 0 {
		return nil
	}
	possible := slices.DeleteFunc(slices.Clone(values), func(value string) bool {
		return !utf8.ValidString(value) || strings.IndexByte(value, 0) >= 0
	})
	text, err := json.Marshal(possible)
	if err != nil {
		panic(fmt.Sprintf("sqlite: strings cannot be encoded: %v", err)) // unreachable: they always can
	}
	return string(text)
}

// scanner reads events from rows whose last columns are eventColumns. It is
// made once for a page.
type scanner struct {
	values [12]any
	to     []any
}

// newScanner takes where the columns before eventColumns go.
func newScanner(before ...any) *scanner {
	s := &scanner{}
	s.to = before
	for i := range s.values {
		s.to = append(s.to, &s.values[i])
	}
	return s
}

// event returns the event of a row; its Version is 0 if there is none.
func (s *scanner) event(rows *sql.Rows) (e eventstore.Recorded, err error) {
	if err = rows.Scan(s.to...); err != nil || s.values[0] == nil {
		return e, err
	}
	e.Position = as[int64](s, 0)
	e.Version = as[int64](s, 1)
	if n := copy(e.ID[:], as[[]byte](s, 2)); n != len(e.ID) {
		return e, fmt.Errorf("position %d: event ID of %d bytes", e.Position, n)
	}
	e.Type = as[string](s, 3)
	e.SchemaVersion = int(as[int64](s, 4))
	e.Time = time.UnixMicro(as[int64](s, 5)).UTC()
	e.Metadata.CorrelationID = as[string](s, 6)
	e.Metadata.CausationID = as[string](s, 7)
	e.Metadata.Actor = as[string](s, 8)
	e.Metadata.TraceParent = as[string](s, 9)
	if e.Metadata.Extra, err = decodeExtra(as[string](s, 10)); err != nil {
		return e, fmt.Errorf("position %d: extra metadata: %w", e.Position, err)
	}
	e.Data = as[[]byte](s, 11)
	return e, nil
}

// as returns a value as SQLite has it, and the zero value for NULL. The tables
// are STRICT: a column has no other type.
func as[T any](s *scanner, column int) T {
	value, _ := s.values[column].(T)
	return value
}
