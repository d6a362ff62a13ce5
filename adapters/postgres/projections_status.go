package postgres

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/parlance-go/parlance/cqrs"
)

const (
	projectionSetStatusSQL = `
UPDATE {schema}.projections
SET status = $4, epoch = epoch + 1, owner = '', lease_until = NULL, updated_at = clock_timestamp()
WHERE name = $1 AND version = $2 AND status = $3`

	projectionResetSQL = `
UPDATE {schema}.projections SET fresh = true, checkpoint = '', applied = 0
WHERE name = $1 AND version = $2`
)

// SetStatus implements cqrs.Target.
func (p *Projections) SetStatus(ctx context.Context, projection string, version int, status cqrs.Status) error {
	err := pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
		return p.setStatus(ctx, tx, projection, version, status)
	})
	return caused(ctx, err)
}

func (p *Projections) setStatus(ctx context.Context, tx pgx.Tx, projection string, version int, status cqrs.Status) error {
	if err := p.lockName(ctx, tx, projection); err != nil {
		return err
	}
	record, err := p.record(tx.QueryRow(ctx, p.sql.peek, projection, version), projection)
	if errors.Is(err, pgx.ErrNoRows) {
		return cqrs.ErrNoVersion
	}
	if err != nil {
		return err
	}
	change, err := cqrs.CheckStatus(record.Status, status)
	if err != nil || !change {
		return err
	}
	if status == cqrs.Dropped {
		// Before the record is changed, since an update in progress locks the
		// tables first, too.
		if err := dropTables(ctx, tx, record); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, p.sql.reset, projection, version); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, p.sql.setStatus, projection, version, record.Status, status)
	return err
}

// dropTables removes all tables in one statement, since they may refer to each
// other.
func dropTables(ctx context.Context, tx pgx.Tx, record cqrs.Record) error {
	if len(record.Tables) == 0 {
		return nil
	}
	names := make([]string, len(record.Tables))
	for i, table := range record.Tables {
		names[i] = record.Model.Table(table)
	}
	_, err := tx.Exec(ctx, "DROP TABLE IF EXISTS "+strings.Join(names, ", "))
	return err
}
