package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/parlance-go/parlance/cqrs"
)

// An update runs selectProjection, the savepoint around write, and
// upsertProjection; none of them leaves the process.
const (
	// SQLite can end a transaction by itself, such as when the disk is full, and
	// what follows would then be committed without what came before. The
	// savepoint is gone with the transaction, so releasing it tells.
	markTransaction  = `SAVEPOINT parlance_update`
	checkTransaction = `RELEASE parlance_update`

	selectColumns = `SELECT name, hidden = 1 FROM pragma_table_xinfo(?) ORDER BY cid`
)

// Update implements cqrs.Target. An error of committing leaves open whether it
// took place.
func (p *Projections) Update(
	ctx context.Context, lease cqrs.Lease, step cqrs.Step, write func(ctx context.Context, tx *sql.Tx) error,
) (next cqrs.Lease, err error) {
	err = p.transact(ctx, func(tx *sql.Tx) error {
		next, err = update(ctx, tx, lease, step, write)
		return err
	})
	if err != nil {
		return cqrs.Lease{}, err
	}
	return next, nil
}

func update(
	ctx context.Context, tx *sql.Tx, lease cqrs.Lease, step cqrs.Step, write func(ctx context.Context, tx *sql.Tx) error,
) (cqrs.Lease, error) {
	r, err := findProjection(ctx, tx, lease.Model.Projection, lease.Model.Version)
	switch {
	case errors.Is(err, cqrs.ErrNoVersion):
		return cqrs.Lease{}, cqrs.ErrLost
	case err != nil:
		return cqrs.Lease{}, err
	case r.Status == cqrs.Retired || r.Status == cqrs.Dropped:
		return cqrs.Lease{}, cqrs.ErrRetired
	case r.epoch != lease.Epoch || r.Checkpoint != lease.Checkpoint:
		return cqrs.Lease{}, cqrs.ErrLost
	}
	if write != nil {
		if err := guarded(ctx, tx, write); err != nil {
			return cqrs.Lease{}, err
		}
	}
	r.Checkpoint, r.fresh = step.Checkpoint, false
	r.Applied += step.Applied
	r.extend(lease.Duration)
	if step.Activate {
		if err := activate(ctx, tx, r); err != nil {
			return cqrs.Lease{}, fmt.Errorf("activate: %w", err)
		}
	}
	if err := r.save(ctx, tx); err != nil {
		return cqrs.Lease{}, err
	}
	lease.Status, lease.Checkpoint, lease.Applied, lease.Fresh = r.Status, r.Checkpoint, r.Applied, false
	return lease, nil
}

// guarded runs write, and fails if it ended the transaction.
func guarded(ctx context.Context, tx *sql.Tx, write func(ctx context.Context, tx *sql.Tx) error) error {
	if _, err := tx.ExecContext(ctx, markTransaction); err != nil {
		return err
	}
	if err := write(ctx, tx); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, checkTransaction); err != nil {
		return fmt.Errorf("the transaction was ended inside it: %w", err)
	}
	return nil
}

// activate makes a version the one that is read.
func activate(ctx context.Context, tx *sql.Tx, r *projection) error {
	others, err := findProjections(ctx, tx, r.Model.Projection)
	if err != nil {
		return err
	}
	for _, other := range others {
		same := other.Model.Version == r.Model.Version
		lower := other.Status == cqrs.Building && other.Model.Version < r.Model.Version
		if other.Status == cqrs.Active {
			if err := hide(ctx, tx, other.Tables); err != nil {
				return err
			}
		}
		if same || other.Status != cqrs.Active && !lower {
			continue
		}
		other.Status = cqrs.Retired
		other.epoch++
		if err := other.save(ctx, tx); err != nil {
			return err
		}
	}
	r.Status = cqrs.Active
	for _, table := range r.Tables {
		if err := show(ctx, tx, table, r.Model); err != nil {
			return fmt.Errorf("table %q: %w", table, err)
		}
	}
	return nil
}

func hide(ctx context.Context, tx *sql.Tx, tables []string) error {
	for _, table := range tables {
		if _, err := tx.ExecContext(ctx, `DROP VIEW IF EXISTS `+quote(table)); err != nil {
			return fmt.Errorf("table %q: %w", table, err)
		}
	}
	return nil
}

// show makes a name stand for the table of a version. The hidden columns of a
// virtual table, which SELECT * leaves out, are what its searches need: FTS5
// calls one like the table itself.
func show(ctx context.Context, tx *sql.Tx, table string, model cqrs.Model) error {
	rows, err := tx.QueryContext(ctx, selectColumns, model.Name(table))
	if err != nil {
		return err
	}
	defer rows.Close()
	var columns []string
	virtual := false
	for rows.Next() {
		var name string
		var hidden bool
		if err := rows.Scan(&name, &hidden); err != nil {
			return err
		}
		column := quote(name)
		if name == model.Name(table) {
			column += ` AS ` + quote(table)
		}
		columns = append(columns, column)
		virtual = virtual || hidden
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if virtual {
		columns = append(columns, `rowid AS rowid`)
	}
	if len(columns) == 0 {
		return fmt.Errorf("there is no table %s", model.Table(table))
	}
	_, err = tx.ExecContext(ctx, `CREATE VIEW `+quote(table)+` AS SELECT `+strings.Join(columns, ", ")+` FROM `+model.Table(table))
	return err
}
