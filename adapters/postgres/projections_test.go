package postgres_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/parlance-go/parlance/adapters/postgres"
	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/cqrs/projectiontest"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/internal/testenv"
)

const oddSchema = `Odd "schema"; DROP TABLE x`

// openPool returns a pool on a database, which ends with the test.
func openPool(t testing.TB, url string, connections int32) *pgxpool.Pool {
	t.Helper()
	settings, err := pgxpool.ParseConfig(url)
	assert.NoError(t, err)
	settings.MaxConns = connections
	pool, err := pgxpool.NewWithConfig(t.Context(), settings)
	assert.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// models is a target that knows its pool.
type models struct {
	*postgres.Projections
	pool   *pgxpool.Pool
	schema string
}

func openModels(t testing.TB, pool *pgxpool.Pool, schema string) *models {
	t.Helper()
	target, err := postgres.OpenProjections(t.Context(), pool, postgres.ProjectionsConfig{Schema: schema})
	assert.NoError(t, err)
	if schema == "" {
		schema = "parlance"
	}
	return &models{Projections: target, pool: pool, schema: schema}
}

func createTable(ctx context.Context, tx pgx.Tx, model cqrs.Model, table string) error {
	_, err := tx.Exec(ctx, "CREATE TABLE "+model.Table(table)+
		" (stream text NOT NULL, version bigint NOT NULL, PRIMARY KEY (stream, version))")
	return err
}

func insertRow(ctx context.Context, tx pgx.Tx, model cqrs.Model, table string, row projectiontest.Row) error {
	_, err := tx.Exec(ctx, "INSERT INTO "+model.Table(table)+" VALUES ($1, $2)", row.Stream, row.Version)
	return err
}

// rows reads what stands under a name that readers use.
func (m *models) rows(ctx context.Context, table string) ([]projectiontest.Row, error) {
	rows, err := m.pool.Query(ctx, "SELECT stream, version FROM "+pgx.Identifier{m.schema, table}.Sanitize())
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[projectiontest.Row])
}

func TestProjections(t *testing.T) {
	t.Parallel()
	projectiontest.Run(t, projectiontest.Harness[pgx.Tx]{
		New: func(t testing.TB) cqrs.Target[pgx.Tx] {
			return openModels(t, openPool(t, testenv.Postgres(t), 10), oddSchema)
		},
		Create: createTable,
		Insert: insertRow,
		Rows: func(ctx context.Context, target cqrs.Target[pgx.Tx], table string) ([]projectiontest.Row, error) {
			return target.(*models).rows(ctx, table)
		},
	})
}
