package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	modernc "modernc.org/sqlite"
)

// Database is an open file. It is safe for concurrent use, and other processes
// may have the same file open.
type Database struct {
	path   string
	config Config
	writer *sql.DB
	reader *sql.DB
	events *EventStore

	closing sync.Once
	closed  <-chan struct{}
	close   context.CancelFunc
	onClose func(f func()) (stop func() bool) // context.AfterFunc of the same life
}

// Open opens the database in a file, and creates what is missing of it, but not
// its folder. It may take as long as Config.BusyTimeout while others write.
//
// The path is taken as it is; it cannot be ":memory:" nor a URI. Every
// connection uses the write-ahead log, flushes to disk on each commit, and
// enforces foreign keys. The error matches ErrSchema if the file was written by
// a later release, ErrBusy, or the cause of ctx.
func Open(ctx context.Context, path string, config Config) (*Database, error) {
	db, err := open(ctx, path, config)
	if err != nil {
		return nil, fmt.Errorf("sqlite: open %q: %w", path, err)
	}
	return db, nil
}

func open(ctx context.Context, path string, config Config) (*Database, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := checkPath(path); err != nil {
		return nil, err
	}
	db := &Database{path: path, config: config}
	life, end := context.WithCancel(context.WithoutCancel(ctx)) // it outlives the call
	db.closed, db.close = life.Done(), end
	db.onClose = func(f func()) func() bool { return context.AfterFunc(life, f) }
	if db.writer, err = connect(path, config.BusyTimeout, false, 1); err != nil {
		return nil, err
	}
	if db.reader, err = connect(path, config.BusyTimeout, true, config.Readers); err != nil {
		return nil, errors.Join(err, db.writer.Close())
	}
	if err := db.migrate(ctx); err != nil {
		return nil, errors.Join(db.explain(ctx, err), db.Close())
	}
	if db.events, err = newEventStore(ctx, db); err != nil {
		return nil, errors.Join(db.explain(ctx, err), db.Close())
	}
	return db, nil
}

func connect(path string, busy time.Duration, reader bool, connections int) (*sql.DB, error) {
	connector, err := modernc.NewConnector(dsn(path, busy, reader))
	if err != nil {
		return nil, err
	}
	pool := sql.OpenDB(connector)
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)
	return pool, nil
}

// EventStore returns the eventstore.Driver that keeps its events in this file.
func (db *Database) EventStore() *EventStore { return db.events }

// Path returns what Open was given.
func (db *Database) Path() string { return db.path }

// Reader returns connections that can read the file and not change it, for
// read models. They see what has been committed when a statement begins, and
// do not wait for writers. Close closes them.
func (db *Database) Reader() *sql.DB { return db.reader }

// Writer returns the one connection of this process that can change the file,
// for the tables of read models. A transaction on it has the write lock from
// its beginning to its end, and nobody can append meanwhile: keep it short, and
// append inside it with [EventStore.InTx] only. Close closes it.
func (db *Database) Writer() *sql.DB { return db.writer }

// Scrub makes sure that no byte of what has been erased or deleted is left in
// the file or its write-ahead log. Without it, the log may hold such bytes
// until it is next reset: after about a thousand more pages of writes, or when
// the last process closes the file. It waits until nobody reads what the file
// held before; its error matches ErrBusy if that takes longer than
// Config.BusyTimeout, or the cause of ctx.
//
// It cannot reach copies that file systems, disks and backups keep.
func (db *Database) Scrub(ctx context.Context) error {
	var busy, log, moved int64
	err := db.writer.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &log, &moved)
	if err == nil && busy != 0 {
		err = &busyError{cause: errors.New("some still read what the file held before")}
	}
	if err != nil {
		return fmt.Errorf("sqlite: scrub: %w", db.explain(ctx, err))
	}
	return nil
}

// Close closes the database. Calls that wait return ErrClosed; a transaction
// that is under way can end. Close may be called more than once.
func (db *Database) Close() error {
	var err error
	db.closing.Do(func() {
		db.close()
		if err = errors.Join(db.reader.Close(), db.writer.Close()); err != nil {
			err = fmt.Errorf("sqlite: close: %w", err)
		}
	})
	return err
}

func (db *Database) isClosed() bool {
	select {
	case <-db.closed:
		return true
	default:
		return false
	}
}

func (db *Database) deadline() time.Time { return time.Now().Add(db.config.BusyTimeout) }

// begin takes the write lock. Only the wait for it ends with ctx, at the
// deadline, or with Close: the transaction itself goes on whatever becomes of
// ctx, since it may be doing the work of others too.
func (db *Database) begin(ctx context.Context, deadline time.Time) (*sql.Tx, error) {
	wait, cancel := context.WithDeadlineCause(ctx, deadline,
		&busyError{cause: fmt.Errorf("no chance to write for %v", db.config.BusyTimeout)})
	defer cancel()
	defer db.onClose(cancel)()
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(wait, end)
	tx, err := db.writer.BeginTx(life, nil)
	if stop() {
		return tx, db.explain(ctx, err)
	}
	if err == nil {
		rollback(tx)
	}
	if db.isClosed() && ctx.Err() == nil {
		return nil, ErrClosed
	}
	return nil, context.Cause(wait)
}

// rollback ends a transaction that failed. SQLite has often done so by itself,
// such as when the disk is full, and this is the only way in which it can fail.
func rollback(tx *sql.Tx) {
	_ = tx.Rollback()
}
