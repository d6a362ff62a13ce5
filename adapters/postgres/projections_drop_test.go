package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/internal/testenv"
)

// Tables that refer to each other go together, whatever their order.
func TestDropTablesThatReferToEachOther(t *testing.T) {
	t.Parallel()
	pool := openPool(t, testenv.Postgres(t), 4)
	target := openModels(t, pool, "")
	claim := cqrs.Claim{
		Projection: "orders", Version: 1, Tables: []string{"orders", "lines", "notes"},
		Owner: "test", Duration: time.Minute,
	}
	lease, err := target.Acquire(t.Context(), claim)
	assert.NoError(t, err)
	m := lease.Model
	_, err = target.Update(t.Context(), lease, cqrs.Step{}, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			CREATE TABLE `+m.Table("orders")+` (id int PRIMARY KEY, note int);
			CREATE TABLE `+m.Table("lines")+` (ordered int NOT NULL REFERENCES `+m.Table("orders")+`);
			CREATE TABLE `+m.Table("notes")+` (id int PRIMARY KEY, ordered int NOT NULL REFERENCES `+m.Table("orders")+`);
			ALTER TABLE `+m.Table("orders")+` ADD FOREIGN KEY (note) REFERENCES `+m.Table("notes")+`;
			CREATE VIEW report AS SELECT * FROM `+m.Table("lines"))
		return err
	})
	assert.NoError(t, err)

	err = cqrs.Drop(t.Context(), target, "orders", 1)
	assert.Error(t, err, "a view of the program still stands on one")
	assert.Contains(t, err.Error(), "2BP01")
	_, err = pool.Exec(t.Context(), `DROP VIEW report`)
	assert.NoError(t, err)
	assert.NoError(t, cqrs.Drop(t.Context(), target, "orders", 1))
	var tables int
	assert.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_tables WHERE tablename LIKE '%\_v1'`).Scan(&tables))
	assert.Equal(t, tables, 0)
}

// The server takes times up to 2^31-1 ms.
func TestLeaseForEver(t *testing.T) {
	t.Parallel()
	target := openModels(t, openPool(t, testenv.Postgres(t), 4), "")
	claim := cqrs.Claim{Projection: "p", Version: 1, Owner: "one", Duration: 1<<63 - 1}
	lease, err := target.Acquire(t.Context(), claim)
	assert.NoError(t, err)
	nothing := func(context.Context, pgx.Tx) error { return nil }
	_, err = target.Update(t.Context(), lease, cqrs.Step{Applied: 1}, nothing)
	assert.NoError(t, err)
	claim.Owner = "two"
	_, err = target.Acquire(t.Context(), claim)
	owned := assert.ErrorAs[*cqrs.OwnedError](t, err)
	assert.True(t, owned.Remaining > 1000*time.Hour, "%s", owned.Remaining)
}
