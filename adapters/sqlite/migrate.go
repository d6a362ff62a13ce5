package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	findMigrations   = `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'parlance_migrations'`
	createMigrations = `CREATE TABLE IF NOT EXISTS parlance_migrations (
		version    INTEGER PRIMARY KEY,
		name       TEXT    NOT NULL,
		applied_at INTEGER NOT NULL -- seconds since 1970 UTC
	) STRICT`
	latestMigration = `SELECT coalesce(max(version), 0) FROM parlance_migrations`
	recordMigration = `INSERT INTO parlance_migrations (version, name, applied_at) VALUES (?, ?, ?)`
)

// migrate brings the schema up to date. Any number of processes may do so at
// once: each takes the write lock, and then does what it finds undone.
func (db *Database) migrate(ctx context.Context) error {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	if err := db.awaken(ctx); err != nil {
		return err
	}
	version, err := schemaVersion(ctx, db.writer, len(files))
	if err != nil || version == len(files) {
		return err
	}
	tx, err := db.begin(ctx, db.deadline())
	if err != nil {
		return err
	}
	defer rollback(tx) // after Commit it does nothing
	if _, err := tx.ExecContext(ctx, createMigrations); err != nil {
		return err
	}
	if version, err = schemaVersion(ctx, tx, len(files)); err != nil {
		return err
	}
	for n := version; n < len(files); n++ {
		if err := applyMigration(ctx, tx, n+1, files[n]); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func applyMigration(ctx context.Context, tx *sql.Tx, version int, file string) error {
	statements, err := migrations.ReadFile(file)
	if err == nil {
		_, err = tx.ExecContext(ctx, string(statements))
	}
	if err == nil {
		_, err = tx.ExecContext(ctx, recordMigration, version, file, time.Now().Unix())
	}
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func schemaVersion(ctx context.Context, q queryer, known int) (version int, err error) {
	var found bool
	if err = q.QueryRowContext(ctx, findMigrations).Scan(&found); err != nil || !found {
		return 0, err
	}
	err = q.QueryRowContext(ctx, latestMigration).Scan(&version)
	if err == nil && version > known {
		err = &SchemaError{Found: version, Known: known}
	}
	return version, err
}

// awaken makes the first connection. SQLite does not wait by itself when
// several processes turn a new file's write-ahead log on at once.
func (db *Database) awaken(ctx context.Context) error {
	deadline := db.deadline()
	for {
		var mode string
		err := db.explain(ctx, db.writer.QueryRowContext(ctx, `PRAGMA journal_mode`).Scan(&mode))
		switch {
		case err == nil && mode != "wal":
			return fmt.Errorf("journal mode is %q: this file system cannot hold a write-ahead log", mode)
		case !errors.Is(err, ErrBusy) || time.Now().After(deadline):
			return err
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}
