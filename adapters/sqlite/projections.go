package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parlance-go/parlance/cqrs"
)

// Projections is the cqrs.Target that keeps read models in the same file as
// the events. A projection writes with the sql.Tx that also moves its
// checkpoint, so each event counts exactly once.
//
// The name of each table of a projection is a view of the active version's
// table. A view of an FTS5 table takes MATCH, and has its rowid and rank; its
// functions, such as snippet and bm25, need the name of the real table, from
// [cqrs.ActiveModel].
//
// Leases are told by the clock of the machine. A projection that is at work
// holds the write lock: see [Database.Writer].
type Projections struct{ db *Database }

var _ cqrs.Target[*sql.Tx] = (*Projections)(nil)

// Projections returns the cqrs.Target that keeps its read models in this file.
func (db *Database) Projections() *Projections { return &Projections{db: db} }

const (
	projectionColumns = `version, status, tables, epoch, owner, lease_from, lease_until, fresh, checkpoint, applied`
	selectProjection  = `SELECT ` + projectionColumns + ` FROM parlance_projections WHERE name = ? AND version = ?`
	selectProjections = `SELECT ` + projectionColumns + ` FROM parlance_projections WHERE name = ? ORDER BY version`
	upsertProjection  = `INSERT OR REPLACE INTO parlance_projections (name, ` + projectionColumns + `)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	releaseProjection = `UPDATE parlance_projections SET owner = '', lease_until = 0
		WHERE name = ? AND version = ? AND epoch = ?`
)

// projection is a row of parlance_projections.
type projection struct {
	cqrs.Record
	epoch int64
	fresh bool
	from  time.Time // when the lease was given or last extended
	until time.Time // when it ends
}

// extend gives the lease a new end.
func (r *projection) extend(by time.Duration) {
	r.from = time.Now()
	r.until = r.from.Add(by)
}

// remaining returns how long the lease lasts yet. One that begins in the future
// has ended, since the clock was set back; a second of that is nothing.
func (r *projection) remaining() time.Duration {
	if now := time.Now(); !r.from.After(now.Add(time.Second)) {
		return max(r.until.Sub(now), 0)
	}
	return 0
}

// Acquire implements cqrs.Target.
func (p *Projections) Acquire(ctx context.Context, claim cqrs.Claim) (lease cqrs.Lease, err error) {
	var refusal error // does not undo the making of a record
	err = p.transact(ctx, func(tx *sql.Tx) error {
		r, err := findProjection(ctx, tx, claim.Projection, claim.Version)
		if errors.Is(err, cqrs.ErrNoVersion) {
			r, err = newProjection(ctx, tx, claim)
		}
		if err != nil {
			return err
		}
		if refusal = r.refuse(claim); refusal == nil {
			lease, err = r.acquire(ctx, tx, claim)
		}
		return err
	})
	if err == nil {
		err = refusal
	}
	if err != nil {
		return cqrs.Lease{}, err
	}
	return lease, nil
}

func (r *projection) refuse(claim cqrs.Claim) error {
	remaining := r.remaining()
	switch {
	case r.Status == cqrs.Retired || r.Status == cqrs.Dropped:
		return cqrs.ErrRetired
	case r.Owner != claim.Owner && remaining > 0:
		return &cqrs.OwnedError{Owner: r.Owner, Remaining: remaining}
	}
	return nil
}

func (r *projection) acquire(ctx context.Context, tx *sql.Tx, claim cqrs.Claim) (cqrs.Lease, error) {
	r.epoch++
	r.Owner, r.Tables = claim.Owner, slices.Clone(claim.Tables)
	r.extend(claim.Duration)
	lease := cqrs.Lease{
		Model: r.Model, Status: r.Status, Owner: r.Owner, Duration: claim.Duration, Tables: r.Tables,
		Epoch: r.epoch, Fresh: r.fresh, Checkpoint: r.Checkpoint, Applied: r.Applied,
	}
	err := r.save(ctx, tx)
	return lease, err
}

// newProjection returns the record of a version that has none. One that is lower
// than the active version is retired from its beginning, and recorded so.
func newProjection(ctx context.Context, tx *sql.Tx, claim cqrs.Claim) (*projection, error) {
	others, err := findProjections(ctx, tx, claim.Projection)
	if err != nil {
		return nil, err
	}
	r := &projection{fresh: true}
	r.Model, r.Status, r.Tables = model(claim.Projection, claim.Version), cqrs.Building, slices.Clone(claim.Tables)
	for _, other := range others {
		if other.Status == cqrs.Active && other.Model.Version > claim.Version {
			r.Status = cqrs.Retired
		}
	}
	err = r.save(ctx, tx)
	return r, err
}

// Release implements cqrs.Target.
func (p *Projections) Release(ctx context.Context, lease cqrs.Lease) error {
	return p.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, releaseProjection, lease.Model.Projection, lease.Model.Version, lease.Epoch)
		return err
	})
}

// Versions implements cqrs.Target.
func (p *Projections) Versions(ctx context.Context, name string) ([]cqrs.Record, error) {
	found, err := findProjections(ctx, p.db.reader, name)
	if err != nil {
		return nil, p.db.explain(ctx, err)
	}
	records := make([]cqrs.Record, len(found))
	for i, r := range found {
		records[i] = r.Record
		if records[i].Remaining = r.remaining(); records[i].Remaining == 0 {
			records[i].Owner = ""
		}
	}
	return records, nil
}

// transact runs do with the write lock, and commits unless it fails.
func (p *Projections) transact(ctx context.Context, do func(tx *sql.Tx) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	tx, err := p.db.begin(ctx, p.db.deadline())
	if err != nil {
		return err
	}
	defer rollback(tx) // after Commit it does nothing; also if do panics
	if err := do(tx); err != nil {
		return p.db.explain(ctx, err)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return p.db.explain(context.WithoutCancel(ctx), tx.Commit())
}

func findProjection(ctx context.Context, tx *sql.Tx, name string, version int) (*projection, error) {
	r, err := scanProjection(tx.QueryRowContext(ctx, selectProjection, name, version), name)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, cqrs.ErrNoVersion
	}
	return r, err
}

func findProjections(ctx context.Context, from rowsQuerier, name string) (found []*projection, err error) {
	rows, err := from.QueryContext(ctx, selectProjections, name)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		r, err := scanProjection(rows, name)
		if err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	return found, rows.Err()
}

type rowsQuerier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func scanProjection(row interface{ Scan(to ...any) error }, name string) (*projection, error) {
	var r projection
	var version int
	var tables, checkpoint string
	var from, until int64
	err := row.Scan(&version, &r.Status, &tables, &r.epoch, &r.Owner, &from, &until, &r.fresh, &checkpoint, &r.Applied)
	if err == nil {
		err = json.Unmarshal([]byte(tables), &r.Tables)
	}
	if err == nil {
		err = r.Checkpoint.UnmarshalText([]byte(checkpoint))
	}
	if err != nil {
		return nil, fmt.Errorf("record of projection %q: %w", name, err)
	}
	r.Model, r.from, r.until = model(name, version), time.UnixMicro(from), time.UnixMicro(until)
	return &r, nil
}

func (r *projection) save(ctx context.Context, tx *sql.Tx) error {
	tables, err := json.Marshal(r.Tables)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, upsertProjection, r.Model.Projection, r.Model.Version, r.Status, string(tables),
		r.epoch, r.Owner, micros(r.from), micros(r.until), r.fresh, r.Checkpoint.String(), r.Applied)
	return err
}

// micros returns 0 for no time.
func micros(t time.Time) int64 { return max(t.UnixMicro(), 0) }

func model(name string, version int) cqrs.Model { return cqrs.NewModel(name, version, quote) }

// quote makes an identifier of any name.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
