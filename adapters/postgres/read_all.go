package postgres

import (
	"context"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/parlance-go/parlance/eventstore"
)

// All events are read as the difference of two snapshots: those visible in the
// next that were not in the one seen, in the order of (ord, seq). Within such a
// difference no stream has a hole: whoever appended version n+1 held the
// stream's row, and so saw version n committed.
//
// An event that was not visible in a snapshot was written by a transaction from
// its xmax on, and has such an ord; or by one that was running then, and is
// found by that id among the late ones.
//
// $1 and $2 cursor, $3 and $4 seen, $5 to $7 next, $8 tenant or NULL; then, where
// there is a filter, $9 categories or NULL and $10 types or NULL.
const (
	allUnseenSQL = `
  AND (e.ord, e.seq) > ($1, $2)
  AND (e.xid >= $3 OR e.xid = ANY($4::bigint[]))
  AND (e.xid < $5 OR e.xid < $6 AND e.xid <> ALL($7::bigint[]))`

	allScanSQL = `
SELECT ` + eventColumns + `
FROM {schema}.events e
WHERE e.data IS NOT NULL AND ($8::text IS NULL OR e.tenant = $8)` + allUnseenSQL + `
ORDER BY e.ord, e.seq LIMIT $9`

	// allLateFromSQL says with OFFSET 0 and ord + 0 that the running ids are to be
	// looked up, and nothing else.
	allLateFromSQL = `
FROM (
    (SELECT * FROM {schema}.events WHERE ord = ANY($4::bigint[]) AND xid = ord OFFSET 0)
    UNION ALL
    (SELECT * FROM {schema}.events WHERE xid = ANY($4::bigint[]) AND ord <> xid AND ord + 0 < $3 OFFSET 0)
) e
WHERE true`

	allLateSQL = `
SELECT 0 AS n, ` + eventColumns + allLateFromSQL + allUnseenSQL + `
  AND e.data IS NOT NULL` + allFilterSQL + `
ORDER BY e.ord, e.seq LIMIT $11`

	allFilterSQL = `
  AND ($8::text IS NULL OR e.tenant = $8)
  AND ($9::text[] IS NULL OR split_part(e.stream, '-', 1) = ANY($9))
  AND ($10::text[] IS NULL OR e.type = ANY($10))`

	// allScanSomeSQL looks at $12 events, and returns those that pass the filter
	// and the last, so that a reader moves on where nothing passes. n is how many
	// it has looked at, negative if the event did not pass.
	allScanSomeSQL = `
SELECT CASE WHEN e.pass THEN e.n ELSE -e.n END, ` + eventColumns + `
FROM (
    SELECT e.*, e.data IS NOT NULL` + allFilterSQL + ` AS pass,
        row_number() OVER (ORDER BY e.ord, e.seq) AS n,
        lead(e.ord) OVER (ORDER BY e.ord, e.seq) IS NULL AS last
    FROM (
        SELECT * FROM {schema}.events e
        WHERE true` + allUnseenSQL + `
        ORDER BY e.ord, e.seq LIMIT $12
    ) e
) e
WHERE e.pass OR e.last
ORDER BY e.ord, e.seq LIMIT $11`

	countAllSQL = `
SELECT count(*) FROM {schema}.events e
WHERE e.data IS NOT NULL` + allUnseenSQL + allFilterSQL

	// indexesOnlySQL is for the rest of a transaction. A table that has grown since
	// it was analyzed, or was never, is else read and sorted whole for every page.
	indexesOnlySQL = `
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), set_config('jit', 'off', true)`

	// snapshotSQL returns the highest ord too, beyond which nothing is visible. A
	// checkpoint claims nothing beyond it: a server that crashes forgets the ids
	// of transactions that left nothing on disk, and gives them out again. For
	// the same reason checkpoints rest while only others write.
	snapshotSQL = `
SELECT pg_current_snapshot()::text, coalesce((SELECT max(ord) FROM {schema}.events), -1)`
)

// scanned is how many events one page looks at, at most, to find those that
// pass a filter.
const scanned = 20_000

// ReadAll implements eventstore.Driver, in one round trip.
func (s *EventStore) ReadAll(ctx context.Context, r eventstore.AllRange) (eventstore.Page, error) {
	calls := s.wake.reading()
	conn, err := s.acquire(ctx)
	if err != nil {
		return eventstore.Page{}, caused(ctx, err)
	}
	defer conn.Release()
	page, err := s.readAll(ctx, conn, r)
	if page.End && err == nil {
		s.wake.end(page.Next, calls)
	}
	return page, caused(ctx, err)
}

func (s *EventStore) readAll(ctx context.Context, conn connection, r eventstore.AllRange) (eventstore.Page, error) {
	p, err := parseCheckpoint(r.After, conn.epoch)
	if err != nil {
		return eventstore.Page{}, err
	}
	if r.Max == 0 {
		now, err := s.currentSnapshot(ctx, conn)
		return eventstore.Page{Next: after(conn.epoch, now), End: true}, err
	}
	read := &allPage{store: s, epoch: conn.epoch, r: r, p: p}
	current := p.next == nil
	read.batch.Queue("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
	read.batch.Queue(indexesOnlySQL)
	if current {
		// The snapshot in which the events are read is the next one.
		read.batch.Queue(s.sql.snapshot).QueryRow(func(row pgx.Row) error {
			now, err := scanSnapshot(row, conn.epoch)
			if err == nil && p.seen.xmax > now.xmax {
				err = fmt.Errorf("%w: it has seen more than there is", eventstore.ErrCheckpoint)
			}
			read.p.next = &now
			return err
		})
	}
	read.queue()
	read.batch.Queue("COMMIT")
	if err := conn.SendBatch(ctx, &read.batch).Close(); err != nil {
		return eventstore.Page{}, err
	}
	return read.result(current), nil
}

func (s *EventStore) currentSnapshot(ctx context.Context, conn connection) (snapshot, error) {
	return scanSnapshot(conn.QueryRow(ctx, s.sql.snapshot), conn.epoch)
}

func scanSnapshot(row pgx.Row, e *epoch) (snapshot, error) {
	var text string
	var last int64
	if err := row.Scan(&text, &last); err != nil {
		return snapshot{}, err
	}
	now, err := parseSnapshot(text, e.base)
	return now.before(last + 1), err
}

// allPage is one page in the making.
type allPage struct {
	store   *EventStore
	epoch   *epoch
	r       eventstore.AllRange
	p       progress
	batch   pgx.Batch
	events  []eventstore.Recorded
	ords    []int64 // of the events
	at      cursor  // the last event looked at
	stopped bool    // by a limit: there is more in the difference
}

// queue adds what reads the difference from the cursor on: the late ones, which
// all come before the others, and the others.
func (a *allPage) queue() {
	a.at = a.p.at
	if a.p.next == nil {
		a.at = cursor{ord: -1, seq: math.MaxInt64}
	}
	filtered := len(a.r.Filter.Categories) > 0 || len(a.r.Filter.Types) > 0 || !a.r.AllTenants
	if boundary := a.p.seen.xmax - 1; a.at.ord < boundary {
		if len(a.p.seen.running) > 0 {
			a.add(a.store.sql.allLate, 1, append(a.filterArgs(a.at), a.r.Max)...)
		}
		a.at = cursor{ord: boundary, seq: math.MaxInt64}
	}
	if filtered {
		a.add(a.store.sql.allScanSome, 1, append(a.filterArgs(a.at), a.r.Max, int64(scanned))...)
	} else {
		a.add(a.store.sql.allScan, 0, append(a.args(a.at), a.r.Max)...)
	}
}

// args are those of allUnseenSQL and the tenant.
func (a *allPage) args(from cursor) []any {
	next := everything
	if a.p.next != nil {
		next = *a.p.next
	}
	var tenant *string
	if !a.r.AllTenants {
		tenant = &a.r.Tenant
	}
	return []any{
		from.ord, from.seq, a.p.seen.xmax, notNull(a.p.seen.running),
		next.xmin, next.xmax, notNull(next.running), tenant,
	}
}

// filterArgs are those of allFilterSQL.
func (a *allPage) filterArgs(from cursor) []any {
	return append(a.args(from), nullIfNone(a.r.Filter.Categories), nullIfNone(a.r.Filter.Types))
}

// notNull makes an array of none, since nothing equals or differs from NULL.
func notNull(ids []int64) []int64 {
	if ids == nil {
		return []int64{}
	}
	return ids
}

func nullIfNone(names []string) []string {
	if len(names) == 0 {
		return nil
	}
	return names
}

func (a *allPage) add(sql string, leading int, args ...any) {
	a.batch.Queue(sql, args...).Query(func(rows pgx.Rows) error {
		if err := rows.Err(); err != nil { // such rows have no columns to look at
			return err
		}
		decode := newDecoder(rows, leading)
		var n [1]int64
		for !a.stopped && rows.Next() {
			a.events = another(a.events, a.r.Max)
			last := len(a.events) - 1
			at, _, err := decode.row(n[:leading], &a.events[last])
			if err != nil {
				return err
			}
			a.at = at
			if n[0] < 0 {
				a.events = a.events[:last]
			} else {
				a.ords = append(a.ords, at.ord)
			}
			a.stopped = len(a.events) == a.r.Max || decode.full() || n[0] == scanned || n[0] == -scanned
		}
		rows.Close()
		return rows.Err()
	})
}

// result makes the page. The events' checkpoints can only be made now, since
// they name the snapshot.
func (a *allPage) result(current bool) eventstore.Page {
	checkpoints := newCheckpoints(a.epoch, a.p)
	for i := range a.events {
		a.events[i].Checkpoint = checkpoints.at(cursor{ord: a.ords[i], seq: a.events[i].Position})
	}
	page := eventstore.Page{Events: a.events}
	if a.stopped {
		page.Next = checkpoints.at(a.at)
		return page
	}
	page.Next = after(a.epoch, *a.p.next)
	page.End = current
	return page
}

// Count implements eventstore.Counter. It reads the index of what the
// checkpoint has not covered.
func (s *EventStore) Count(ctx context.Context, r eventstore.AllRange) (int64, error) {
	n, err := s.count(ctx, r)
	return n, caused(ctx, err)
}

func (s *EventStore) count(ctx context.Context, r eventstore.AllRange) (n int64, err error) {
	conn, err := s.acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Release()
	p, err := parseCheckpoint(r.After, conn.epoch)
	if err != nil {
		return 0, err
	}
	// In the middle of a difference, what is left of it and what came after.
	unseen := &allPage{r: r, p: progress{seen: p.seen}}
	from := cursor{ord: p.seen.xmin - 1, seq: math.MaxInt64}
	args := unseen.filterArgs(from)
	if p.next != nil {
		unseen.p.seen = *p.next
		args = unseen.filterArgs(cursor{ord: p.next.xmin - 1, seq: math.MaxInt64})
	}
	err = conn.QueryRow(ctx, s.sql.countAll, args...).Scan(&n)
	if err != nil || p.next == nil {
		return n, err
	}
	var rest int64
	unseen.p = p
	err = conn.QueryRow(ctx, s.sql.countAll, unseen.filterArgs(p.at)...).Scan(&rest)
	return n + rest, err
}
