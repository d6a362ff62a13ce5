package sqlite_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/internal/assert"
)

// Tables that refer to each other go together, whatever their order.
func TestDropTablesThatReferToEachOther(t *testing.T) {
	t.Parallel()
	db := open(t)
	target := db.Projections()
	claim := cqrs.Claim{
		Projection: "orders", Version: 1, Tables: []string{"orders", "lines", "notes"},
		Owner: "test", Duration: time.Minute,
	}
	lease, err := target.Acquire(t.Context(), claim)
	assert.NoError(t, err)
	m := lease.Model
	lease, err = target.Update(t.Context(), lease, cqrs.Step{}, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `
			CREATE TABLE `+m.Table("orders")+` (id INTEGER PRIMARY KEY,
				note INTEGER REFERENCES `+m.Table("notes")+` DEFERRABLE INITIALLY DEFERRED);
			CREATE TABLE `+m.Table("lines")+` (ordered INTEGER NOT NULL REFERENCES `+m.Table("orders")+`);
			CREATE TABLE `+m.Table("notes")+` (id INTEGER PRIMARY KEY, ordered INTEGER NOT NULL REFERENCES `+m.Table("orders")+`);
			INSERT INTO `+m.Table("orders")+` VALUES (1, 1);
			INSERT INTO `+m.Table("lines")+` VALUES (1);
			INSERT INTO `+m.Table("notes")+` VALUES (1, 1);
			CREATE TABLE program (ordered INTEGER REFERENCES `+m.Table("orders")+`);
			INSERT INTO program VALUES (1)`)
		return err
	})
	assert.NoError(t, err)

	err = cqrs.Drop(t.Context(), target, "orders", 1)
	assert.Error(t, err, "a table of the program still refers to one")
	assert.Contains(t, err.Error(), "FOREIGN KEY")
	_, err = target.Update(t.Context(), lease, cqrs.Step{}, nil)
	assert.NoError(t, err, "nothing was dropped")

	_, err = db.Writer().ExecContext(t.Context(), `DELETE FROM program`)
	assert.NoError(t, err)
	assert.NoError(t, cqrs.Drop(t.Context(), target, "orders", 1))
	var tables int
	assert.NoError(t, db.Reader().QueryRowContext(t.Context(),
		`SELECT count(*) FROM sqlite_schema WHERE name LIKE '%\_v1' ESCAPE '\'`).Scan(&tables))
	assert.Equal(t, tables, 0)
}
