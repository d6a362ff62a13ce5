package postgres

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

//go:embed migrations
var migrationFiles embed.FS

// The advisory lock lets one process at a time migrate; the others find the
// work done. Keys: a constant that stands for parlance, and the schema.
const (
	migrationLockSQL = `SELECT pg_advisory_xact_lock(hashtextextended('parlance migrations of ' || $1, 0))`

	// migrationSchemaSQL is not run where the schema exists: IF NOT EXISTS asks
	// for the right to create schemas even then.
	migrationHasSchemaSQL = `SELECT to_regnamespace($1) IS NOT NULL`
	migrationSchemaSQL    = `CREATE SCHEMA {schema}`

	migrationTableSQL = `
CREATE TABLE IF NOT EXISTS {schema}.migrations (
    component  text        NOT NULL,
    version    integer     NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (component, version)
)`

	migrationVersionSQL = `SELECT coalesce(max(version), 0) FROM {schema}.migrations WHERE component = $1`
	migrationKnownSQL   = `SELECT to_regclass($1) IS NOT NULL`
	migrationDoneSQL    = `INSERT INTO {schema}.migrations (component, version) VALUES ($1, $2)`
)

// migrate brings the tables of one component, a folder in migrations, to the
// newest version. It is safe to run from many processes at once, and needs no
// right to create anything when there is nothing to do.
func migrate(ctx context.Context, pool *pgxpool.Pool, schema schemaName, component string) error {
	steps, err := migrationSteps(component)
	if err != nil {
		return err
	}
	current, err := appliedVersion(ctx, pool, schema, component)
	if err != nil {
		return err
	}
	if current >= len(steps) {
		return schema.known(component, current, len(steps))
	}
	// A stricter isolation would show what was there before the lock was waited for.
	return pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, migrationLockSQL, string(schema)); err != nil {
			return err
		}
		var exists bool
		if err := tx.QueryRow(ctx, migrationHasSchemaSQL, schema.in("{schema}")).Scan(&exists); err != nil {
			return err
		}
		if !exists {
			if _, err := tx.Exec(ctx, schema.in(migrationSchemaSQL)); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, schema.in(migrationTableSQL)); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, schema.in(migrationVersionSQL), component).Scan(&current); err != nil {
			return err
		}
		if current >= len(steps) {
			return schema.known(component, current, len(steps))
		}
		for i, step := range steps[current:] {
			version := current + i + 1
			if _, err := tx.Exec(ctx, schema.in(step)); err != nil {
				return fmt.Errorf("migration %d of %s: %w", version, component, err)
			}
			if _, err := tx.Exec(ctx, schema.in(migrationDoneSQL), component, version); err != nil {
				return err
			}
		}
		return nil
	})
}

func appliedVersion(ctx context.Context, pool *pgxpool.Pool, schema schemaName, component string) (version int, err error) {
	var known bool
	if err := pool.QueryRow(ctx, migrationKnownSQL, schema.in("{schema}.migrations")).Scan(&known); err != nil || !known {
		return 0, err
	}
	err = pool.QueryRow(ctx, schema.in(migrationVersionSQL), component).Scan(&version)
	return version, err
}

// migrationSteps returns the statements of 0001.sql, 0002.sql and so on.
func migrationSteps(component string) ([]string, error) {
	folder := path.Join("migrations", component)
	files, err := fs.ReadDir(migrationFiles, folder)
	if err != nil {
		return nil, err
	}
	steps := make([]string, len(files))
	for i, file := range files {
		number, err := strconv.Atoi(strings.TrimSuffix(file.Name(), ".sql"))
		if err != nil || number != i+1 {
			return nil, fmt.Errorf("migration %s/%s is out of sequence", component, file.Name())
		}
		text, err := fs.ReadFile(migrationFiles, path.Join(folder, file.Name()))
		if err != nil {
			return nil, err
		}
		steps[i] = string(text)
	}
	return steps, nil
}

// schemaName is the unquoted name of a schema.
type schemaName string

// in puts the quoted name into a statement, also at the start of a literal.
func (s schemaName) in(sql string) string {
	name := pgx.Identifier{string(s)}.Sanitize()
	return strings.NewReplacer("'{schema}", "'"+strings.ReplaceAll(name, "'", "''"), "{schema}", name).Replace(sql)
}

func (s schemaName) check() error {
	if s == "" || len(s) > 63 || strings.ContainsRune(string(s), 0) || !utf8.ValidString(string(s)) {
		return fmt.Errorf("field Schema %.80q: want 1 to 63 bytes of UTF-8 without NUL", string(s))
	}
	return nil
}

// known refuses to work with tables of a newer program.
func (s schemaName) known(component string, version, known int) error {
	if version > known {
		return fmt.Errorf("schema %q holds version %d of %s, this program knows %d: use a newer program",
			string(s), version, component, known)
	}
	return nil
}
