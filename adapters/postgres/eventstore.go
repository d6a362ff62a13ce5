package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/parlance-go/parlance/eventstore"
)

// EventStoreConfig sets up an EventStore. The zero value works.
type EventStoreConfig struct {
	// Schema is the schema that holds the tables; it is created if it is not
	// there. Any name will do.
	// Defaults to "parlance".
	Schema string

	// PollInterval is how long a subscriber that has caught up waits before it
	// looks again, unless it is woken.
	// Defaults to 50 ms.
	PollInterval time.Duration

	// Appenders is how many appends of each kind are under way at once. Those
	// that come meanwhile share the next statement and its commit.
	// Defaults to 2.
	Appenders int

	// Logger is told of trouble that Run has got over.
	// Defaults to none.
	Logger *slog.Logger
}

// EventStore is the eventstore.Driver that keeps events in PostgreSQL, version
// 14 or newer. It also implements eventstore.Counter.
type EventStore struct {
	pool      *pgxpool.Pool
	config    EventStoreConfig
	schema    schemaName
	epochKey  string
	sql       statements
	appenders [appendKinds]*appender
	wake      wake
	hints     chan struct{}
}

var (
	_ eventstore.Driver  = (*EventStore)(nil)
	_ eventstore.Counter = (*EventStore)(nil)
)

// OpenEventStore returns the EventStore in a schema of the pool's database. It
// creates or updates the tables if need be; many processes may do so at once.
// The pool stays the caller's, and must lead to the primary server. An append
// or a read uses one connection, briefly.
func OpenEventStore(ctx context.Context, pool *pgxpool.Pool, config EventStoreConfig) (*EventStore, error) {
	if pool == nil {
		return nil, errors.New("postgres: open event store: pool is nil")
	}
	if config.PollInterval < 0 || config.Appenders < 0 {
		return nil, fmt.Errorf("postgres: open event store: negative PollInterval %v or Appenders %d",
			config.PollInterval, config.Appenders)
	}
	config.Schema = cmp.Or(config.Schema, "parlance")
	config.PollInterval = cmp.Or(config.PollInterval, 50*time.Millisecond)
	config.Appenders = cmp.Or(config.Appenders, 2)
	config.Logger = cmp.Or(config.Logger, slog.New(slog.DiscardHandler))
	schema := schemaName(config.Schema)
	if err := schema.check(); err != nil {
		return nil, fmt.Errorf("postgres: open event store: %w", err)
	}
	s := &EventStore{
		pool: pool, config: config, schema: schema,
		epochKey: "parlance epoch of " + config.Schema,
		sql:      newStatements(schema),
		hints:    make(chan struct{}, 1),
	}
	for kind := range s.appenders {
		s.appenders[kind] = newAppender(s, appendKind(kind), config.Appenders)
	}
	if err := s.open(ctx); err != nil {
		return nil, fmt.Errorf("postgres: open event store: %w", caused(ctx, err))
	}
	return s, nil
}

func (s *EventStore) open(ctx context.Context) error {
	if err := migrate(ctx, s.pool, s.schema, "eventstore"); err != nil {
		return err
	}
	conn, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	conn.Release()
	return nil
}

// statements are the texts of all statements, with the schema's name in them.
type statements struct {
	epochs, epochLock, epochNew   string
	appendOne, appendMany         [appendKinds]prepared
	streamsMake, streamsLock      string
	idsFind                       string
	recordWrite                   prepared
	streamRead, streamReadBack    string
	snapshot                      string
	allScan, allScanSome, allLate string
	countAll                      string
	eraseMark, eraseEvents        string
}

func newStatements(schema schemaName) statements {
	s := statements{
		epochs: schema.in(epochsSQL), epochLock: schema.in(epochLockSQL), epochNew: schema.in(epochNewSQL),
		streamsMake: schema.in(streamsMakeSQL), streamsLock: schema.in(streamsLockSQL),
		idsFind: schema.in(idsFindSQL), recordWrite: prepare(schema.in(recordWriteSQL)),
		streamRead: schema.in(streamReadSQL), streamReadBack: schema.in(streamReadBackSQL),
		snapshot: schema.in(snapshotSQL),
		allScan:  schema.in(allScanSQL), allScanSome: schema.in(allScanSomeSQL), allLate: schema.in(allLateSQL),
		countAll:  schema.in(countAllSQL),
		eraseMark: schema.in(eraseMarkSQL), eraseEvents: schema.in(eraseEventsSQL),
	}
	for kind := range appendKinds {
		s.appendOne[kind] = prepare(schema.in(appendOne(kind)))
		s.appendMany[kind] = prepare(schema.in(appendMany(kind)))
	}
	return s
}

// caused returns err or, if ctx is done, an error that wraps its cause.
func caused(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	if cause := context.Cause(ctx); !errors.Is(err, cause) {
		return fmt.Errorf("%w (%w)", cause, err)
	}
	return err
}

// Codes of https://www.postgresql.org/docs/current/errcodes-appendix.html.
const (
	uniqueViolation      = "23505"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	lockNotAvailable     = "55P03"
	queryCanceled        = "57014"
)

// contended tells whether a statement lost to another transaction, and may win
// when it is tried alone.
func contended(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code == uniqueViolation || e.Code == serializationFailure || e.Code == deadlockDetected
	}
	return false
}

// gaveUp tells whether a statement waited for longer than it may.
func gaveUp(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == lockNotAvailable || e.Code == queryCanceled)
}

// repeated tells whether a statement met an ID that has been used before.
func repeated(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == uniqueViolation
}
