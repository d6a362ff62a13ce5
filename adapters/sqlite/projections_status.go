package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
)

// SetStatus implements cqrs.Target.
func (p *Projections) SetStatus(ctx context.Context, name string, version int, status cqrs.Status) error {
	return p.transact(ctx, func(tx *sql.Tx) error {
		r, err := findProjection(ctx, tx, name, version)
		if err != nil {
			return err
		}
		change, err := cqrs.CheckStatus(r.Status, status)
		if err != nil || !change {
			return err
		}
		if status == cqrs.Dropped {
			if err := r.drop(ctx, tx); err != nil {
				return err
			}
		}
		r.Status = status
		r.epoch++
		return r.save(ctx, tx)
	})
}

// Tables that refer to each other can go one after the other only if nobody asks
// before the commit whether the references are good.
const deferForeignKeys = `PRAGMA defer_foreign_keys = ON`

// drop removes the tables, and forgets what was done.
func (r *projection) drop(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, deferForeignKeys); err != nil {
		return err
	}
	for _, table := range r.Tables {
		if _, err := tx.ExecContext(ctx, `DROP TABLE IF EXISTS `+r.Model.Table(table)); err != nil {
			return fmt.Errorf("table %q: %w", table, err)
		}
	}
	r.fresh, r.Checkpoint, r.Applied = true, eventstore.Checkpoint{}, 0
	r.Owner, r.until = "", time.Time{}
	return nil
}
