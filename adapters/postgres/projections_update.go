package postgres

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/parlance-go/parlance/cqrs"
)

const (
	// The last statement of a transaction, so that the row is locked only while
	// it is committed. It finds no row if the lease is void: then the epoch is
	// higher, or the checkpoint another.
	projectionUpdateSQL = `
UPDATE {schema}.projections
SET checkpoint = $5, applied = applied + $6, fresh = false,
    lease_until = clock_timestamp() + $7 * interval '1 microsecond', updated_at = clock_timestamp()
WHERE name = $1 AND version = $2 AND epoch = $3 AND checkpoint = $4 AND status IN (1, 2)
RETURNING status, applied`

	// In what follows, whoever changes the status of a version holds the lock of
	// the name first, and only then those of rows: two versions that become
	// active at once would else wait for each other.
	projectionLockSQL = `SELECT pg_advisory_xact_lock(hashtextextended('parlance projection ' || $1 || ' ' || $2, 0))`

	projectionFormerSQL = `SELECT tables FROM {schema}.projections WHERE name = $1 AND version <> $2 AND status = 2`
	projectionRetireSQL = `
UPDATE {schema}.projections
SET status = 3, epoch = epoch + 1, owner = '', lease_until = NULL, updated_at = clock_timestamp()
WHERE name = $1 AND version <> $2 AND (status = 2 OR status = 1 AND version < $2)`
	projectionActivateSQL = `UPDATE {schema}.projections SET status = 2 WHERE name = $1 AND version = $2`
)

// switchPatience bounds how long readers of a view wait for a switch that waits
// for other readers.
const switchPatience = 250 * time.Millisecond

// Update implements cqrs.Target. It costs three round trips besides those of
// write: to begin, to move the checkpoint, to commit; and one without write.
func (p *Projections) Update(ctx context.Context, lease cqrs.Lease, step cqrs.Step, write func(context.Context, pgx.Tx) error) (cqrs.Lease, error) {
	var next cqrs.Lease
	var err error
	if write == nil && !step.Activate {
		next, err = p.move(ctx, p.pool, lease, step)
	} else {
		next, err = p.transact(ctx, lease, step, write)
	}
	if err != nil {
		return cqrs.Lease{}, caused(ctx, err)
	}
	return next, nil
}

func (p *Projections) transact(ctx context.Context, lease cqrs.Lease, step cqrs.Step, write func(context.Context, pgx.Tx) error) (next cqrs.Lease, err error) {
	// The server ends the session of an owner that has stopped in the middle:
	// the next one must not wait for its locks.
	idle := strconv.FormatInt(min(max(lease.Duration.Milliseconds(), 1), math.MaxInt32), 10)
	tx, err := p.pool.BeginTx(ctx, pgx.TxOptions{
		BeginQuery: "BEGIN; SET LOCAL idle_in_transaction_session_timeout = " + idle,
	})
	if err != nil {
		return cqrs.Lease{}, err
	}
	committed := false
	defer func() { // also when write panics
		if !committed {
			rollback(ctx, tx)
		}
	}()
	if write != nil {
		if err := write(ctx, openTx{tx}); err != nil {
			return cqrs.Lease{}, err
		}
	}
	if step.Activate {
		if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = "+strconv.FormatInt(switchPatience.Milliseconds(), 10)); err != nil {
			return cqrs.Lease{}, err
		}
		if err := p.lockName(ctx, tx, lease.Model.Projection); err != nil {
			return cqrs.Lease{}, err
		}
	}
	if next, err = p.move(ctx, tx, lease, step); err != nil {
		return cqrs.Lease{}, err
	}
	if step.Activate {
		if err := p.activate(ctx, tx, lease); err != nil {
			return cqrs.Lease{}, err
		}
		next.Status = cqrs.Active
	}
	if err := tx.Commit(ctx); err != nil {
		return cqrs.Lease{}, err
	}
	committed = true
	return next, nil
}

// rowQuerier is a pool or a transaction.
type rowQuerier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// move moves the checkpoint if the lease is good.
func (p *Projections) move(ctx context.Context, q rowQuerier, lease cqrs.Lease, step cqrs.Step) (cqrs.Lease, error) {
	projection, version := lease.Model.Projection, lease.Model.Version
	err := q.QueryRow(ctx, p.sql.update, projection, version, lease.Epoch, lease.Checkpoint.String(),
		step.Checkpoint.String(), step.Applied, lease.Duration.Microseconds(),
	).Scan(&lease.Status, &lease.Applied)
	if errors.Is(err, pgx.ErrNoRows) {
		return cqrs.Lease{}, p.refusal(ctx, q, projection, version)
	}
	if err != nil {
		return cqrs.Lease{}, err
	}
	lease.Checkpoint, lease.Fresh = step.Checkpoint, false
	return lease, nil
}

// refusal says why a lease is void.
func (p *Projections) refusal(ctx context.Context, q rowQuerier, projection string, version int) error {
	record, err := p.record(q.QueryRow(ctx, p.sql.peek, projection, version), projection)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return cqrs.ErrLost
	case err != nil:
		return err
	case record.Status == cqrs.Retired || record.Status == cqrs.Dropped:
		return cqrs.ErrRetired
	}
	return cqrs.ErrLost
}

// activate makes a version the one that is read.
func (p *Projections) activate(ctx context.Context, tx pgx.Tx, lease cqrs.Lease) error {
	projection, version := lease.Model.Projection, lease.Model.Version
	var former []string
	err := tx.QueryRow(ctx, p.sql.former, projection, version).Scan(&former)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	for _, sql := range []string{p.sql.retire, p.sql.activate} {
		if _, err := tx.Exec(ctx, sql, projection, version); err != nil {
			return err
		}
	}
	for _, table := range former {
		if !slices.Contains(lease.Tables, table) {
			if _, err := tx.Exec(ctx, "DROP VIEW IF EXISTS "+p.quote(table)); err != nil {
				return err
			}
		}
	}
	for _, table := range lease.Tables {
		if err := p.show(ctx, tx, table, lease.Model); err != nil {
			return err
		}
	}
	return nil
}

// show points a view at the table of a version.
func (p *Projections) show(ctx context.Context, tx pgx.Tx, table string, model cqrs.Model) error {
	const invalidTableDefinition = "42P16"
	view := p.quote(table) + " AS SELECT * FROM " + model.Table(table)
	// What readers hold on to, such as grants, outlasts a replacement, but one
	// can only add columns.
	err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "CREATE OR REPLACE VIEW "+view)
		return err
	})
	if e, ok := errors.AsType[*pgconn.PgError](err); !ok || e.Code != invalidTableDefinition {
		return err
	}
	_, err = tx.Exec(ctx, "DROP VIEW "+p.quote(table)+"; CREATE VIEW "+view)
	return err
}

func (p *Projections) lockName(ctx context.Context, tx pgx.Tx, projection string) error {
	_, err := tx.Exec(ctx, projectionLockSQL, string(p.schema), projection)
	return err
}

// rollback does not leave a transaction open because ctx is done. It cannot
// fail in a way that matters: the server rolls back what it loses sight of.
func rollback(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = tx.Rollback(ctx)
}

// openTx is a transaction that only its owner ends: a commit in a projection
// would part the read model from its checkpoint.
type openTx struct{ pgx.Tx }

var errOpenTx = errors.New("postgres: the transaction of a projection must not be ended by the projection")

func (openTx) Commit(context.Context) error   { return errOpenTx }
func (openTx) Rollback(context.Context) error { return errOpenTx }
