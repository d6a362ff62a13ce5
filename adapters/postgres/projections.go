package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
)

// ProjectionsConfig sets up Projections. The zero value works.
type ProjectionsConfig struct {
	// Schema is the schema that holds the read models, and the record of how
	// far each has got; it is created if it is not there. Any name will do.
	// Defaults to "parlance".
	Schema string
}

// Projections is the cqrs.Target that keeps read models in PostgreSQL, version
// 14 or newer. A projection writes with a pgx.Tx, at the isolation level that is
// the default of the database, and each event counts exactly once.
//
// The name of each table of a projection is a view of the active version's
// table; it may be read as soon as there is one, by any role that may. A switch
// to another version waits at most 250 ms for those who are reading at that
// moment; then it lets them be, and is tried again later. A version whose
// columns are not those of the former and more makes the view anew, without what
// was granted on the former.
//
// An owner that stops in the middle of a transaction, without its connection
// being closed, holds locks; the server ends its session after the time that
// its lease takes.
type Projections struct {
	pool   *pgxpool.Pool
	schema schemaName
	sql    projectionStatements
}

var _ cqrs.Target[pgx.Tx] = (*Projections)(nil)

// OpenProjections returns the Projections in a schema of the pool's database.
// It creates or updates the tables if need be; many processes may do so at once.
// The pool stays the caller's. Each projection uses one connection while it
// works, and one for a moment while it is idle, every third of its lease.
func OpenProjections(ctx context.Context, pool *pgxpool.Pool, config ProjectionsConfig) (*Projections, error) {
	if pool == nil {
		return nil, errors.New("postgres: open projections: pool is nil")
	}
	schema := schemaName(cmp.Or(config.Schema, "parlance"))
	if err := schema.check(); err != nil {
		return nil, fmt.Errorf("postgres: open projections: %w", err)
	}
	if err := migrate(ctx, pool, schema, "projections"); err != nil {
		return nil, fmt.Errorf("postgres: open projections: %w", caused(ctx, err))
	}
	return &Projections{pool: pool, schema: schema, sql: newProjectionStatements(schema)}, nil
}

// Leases are told by the clock of the database. One that was extended in the
// future has ended, since the clock was set back; a second of that is nothing.
// Status 1 is building, 2 active, 3 retired, 4 dropped. $1 is the name and $2 the
// version.
const (
	projectionOwned   = `lease_until > clock_timestamp() AND updated_at <= clock_timestamp() + interval '1 second'`
	projectionColumns = `version, status, tables, checkpoint, applied,
    CASE WHEN ` + projectionOwned + ` THEN owner ELSE '' END,
    coalesce(greatest(extract(epoch FROM lease_until - clock_timestamp()) * 1e6, 0), 0)::bigint`

	// One round trip while there is another owner, two if there is none.
	projectionPeekSQL    = `SELECT ` + projectionColumns + ` FROM {schema}.projections WHERE name = $1 AND version = $2`
	projectionAcquireSQL = `
UPDATE {schema}.projections
SET epoch = epoch + 1, owner = $3, lease_until = clock_timestamp() + $4 * interval '1 microsecond',
    tables = $5, updated_at = clock_timestamp()
WHERE name = $1 AND version = $2 AND status IN (1, 2)
  AND (owner = $3 OR (` + projectionOwned + `) IS NOT TRUE)
RETURNING status, epoch, fresh, checkpoint, applied`
	projectionInsertSQL = `
INSERT INTO {schema}.projections (name, version, tables, status)
SELECT $1, $2, $3, CASE WHEN EXISTS (
    SELECT FROM {schema}.projections WHERE name = $1 AND version > $2 AND status = 2
) THEN 3 ELSE 1 END
ON CONFLICT DO NOTHING`

	projectionReleaseSQL = `
UPDATE {schema}.projections SET owner = '', lease_until = NULL, updated_at = clock_timestamp()
WHERE name = $1 AND version = $2 AND epoch = $3`

	projectionVersionsSQL = `SELECT ` + projectionColumns + ` FROM {schema}.projections WHERE name = $1 ORDER BY version`
)

type projectionStatements struct {
	peek, acquire, insert, release, versions string
	update, former, retire, activate         string
	setStatus, reset                         string
}

func newProjectionStatements(schema schemaName) projectionStatements {
	return projectionStatements{
		peek: schema.in(projectionPeekSQL), acquire: schema.in(projectionAcquireSQL),
		insert: schema.in(projectionInsertSQL), release: schema.in(projectionReleaseSQL),
		versions: schema.in(projectionVersionsSQL),
		update:   schema.in(projectionUpdateSQL), former: schema.in(projectionFormerSQL),
		retire: schema.in(projectionRetireSQL), activate: schema.in(projectionActivateSQL),
		setStatus: schema.in(projectionSetStatusSQL), reset: schema.in(projectionResetSQL),
	}
}

// Acquire implements cqrs.Target.
func (p *Projections) Acquire(ctx context.Context, claim cqrs.Claim) (cqrs.Lease, error) {
	lease, err := p.acquire(ctx, claim)
	return lease, caused(ctx, err)
}

func (p *Projections) acquire(ctx context.Context, claim cqrs.Claim) (cqrs.Lease, error) {
	for {
		record, err := p.record(p.pool.QueryRow(ctx, p.sql.peek, claim.Projection, claim.Version), claim.Projection)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			if err := p.insert(ctx, claim); err != nil {
				return cqrs.Lease{}, err
			}
			continue
		case err != nil:
			return cqrs.Lease{}, err
		case record.Status == cqrs.Retired || record.Status == cqrs.Dropped:
			return cqrs.Lease{}, cqrs.ErrRetired
		case record.Owner != "" && record.Owner != claim.Owner:
			return cqrs.Lease{}, &cqrs.OwnedError{Owner: record.Owner, Remaining: record.Remaining}
		}
		lease := cqrs.Lease{
			Model: record.Model, Owner: claim.Owner, Duration: claim.Duration,
			Tables: append([]string(nil), claim.Tables...),
		}
		var checkpoint string
		err = p.pool.QueryRow(ctx, p.sql.acquire, claim.Projection, claim.Version,
			claim.Owner, claim.Duration.Microseconds(), notNullTexts(claim.Tables),
		).Scan(&lease.Status, &lease.Epoch, &lease.Fresh, &checkpoint, &lease.Applied)
		if errors.Is(err, pgx.ErrNoRows) {
			continue // somebody was faster
		}
		if err != nil {
			return cqrs.Lease{}, err
		}
		lease.Checkpoint, err = eventstore.ParseCheckpoint(checkpoint)
		return lease, err
	}
}

// insert makes the record of a version. No other version may become active
// meanwhile.
func (p *Projections) insert(ctx context.Context, claim cqrs.Claim) error {
	return pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
		if err := p.lockName(ctx, tx, claim.Projection); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, p.sql.insert, claim.Projection, claim.Version, notNullTexts(claim.Tables))
		return err
	})
}

// Release implements cqrs.Target, in one round trip.
func (p *Projections) Release(ctx context.Context, lease cqrs.Lease) error {
	_, err := p.pool.Exec(ctx, p.sql.release, lease.Model.Projection, lease.Model.Version, lease.Epoch)
	return caused(ctx, err)
}

// Versions implements cqrs.Target, in one round trip.
func (p *Projections) Versions(ctx context.Context, projection string) ([]cqrs.Record, error) {
	rows, err := p.pool.Query(ctx, p.sql.versions, projection)
	if err != nil {
		return nil, caused(ctx, err)
	}
	records, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (cqrs.Record, error) {
		return p.record(row, projection)
	})
	return records, caused(ctx, err)
}

// record reads projectionColumns.
func (p *Projections) record(row pgx.Row, projection string) (r cqrs.Record, err error) {
	var version int
	var checkpoint string
	var microseconds int64
	err = row.Scan(&version, &r.Status, &r.Tables, &checkpoint, &r.Applied, &r.Owner, &microseconds)
	if err != nil {
		return cqrs.Record{}, err
	}
	r.Model = p.model(projection, version)
	r.Remaining = time.Duration(microseconds) * time.Microsecond
	if r.Owner == "" {
		r.Remaining = 0
	}
	r.Checkpoint, err = eventstore.ParseCheckpoint(checkpoint)
	return r, err
}

func (p *Projections) model(projection string, version int) cqrs.Model {
	return cqrs.NewModel(projection, version, p.quote)
}

// quote returns the name of a table with its schema.
func (p *Projections) quote(name string) string {
	return pgx.Identifier{string(p.schema), name}.Sanitize()
}

func notNullTexts(texts []string) []string {
	if texts == nil {
		return []string{}
	}
	return texts
}
