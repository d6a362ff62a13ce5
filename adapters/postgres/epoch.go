package postgres

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// epoch is one incarnation of a server, as far as transaction ids go. They begin
// anew when a dump is restored into another cluster, and fall back when a
// standby is promoted or a backup is recovered to a point in time. Each such
// change begins an epoch, whose base is above every number given out before.
type epoch struct {
	base int64
	// names and bases are those of all epochs, from the first to this one. A
	// name holds when its epoch began, so that two that begin after the same dump
	// are told apart, and its base.
	names []string
	bases []int64
}

// lineage is the text of the names.
func (e *epoch) lineage() string { return strings.Join(e.names, ",") }

// limit returns from which id on this history and that of another epoch are not
// the same. It returns false if they have nothing in common.
func (e *epoch) limit(lineage string) (limit int64, related bool) {
	names := strings.Split(lineage, ",")
	common := 0
	for common < min(len(names), len(e.names)) && names[common] == e.names[common] {
		common++
	}
	if common == 0 {
		return 0, false
	}
	limit = math.MaxInt64
	if common < len(e.bases) {
		limit = e.bases[common]
	}
	if common < len(names) {
		_, text, _ := strings.Cut(names[common], ".")
		base, err := strconv.ParseInt(text, 10, 64)
		if err != nil || base < 0 {
			return 0, false
		}
		limit = min(limit, base)
	}
	return limit, true
}

// One round trip each. The timeline comes from the name of the current WAL
// file, since pg_control_checkpoint lags behind a promotion.
const (
	epochsSQL = `
SELECT base, (extract(epoch FROM since) * 1000000)::bigint,
       system_identifier = (SELECT c.system_identifier FROM pg_control_system() c)
       AND timeline = substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
FROM {schema}.epochs ORDER BY epoch`

	epochLockSQL = `LOCK TABLE {schema}.epochs IN EXCLUSIVE MODE`

	epochNewSQL = `
INSERT INTO {schema}.epochs (epoch, base, system_identifier, timeline)
SELECT coalesce((SELECT max(epoch) FROM {schema}.epochs), 0) + 1,
       greatest((SELECT max(ord) FROM {schema}.events), (SELECT max(base) FROM {schema}.epochs), -1) + 1,
       (SELECT c.system_identifier FROM pg_control_system() c),
       substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)`
)

// connection is a pooled connection whose server's epoch is known.
type connection struct {
	*pgxpool.Conn
	epoch *epoch
}

// acquire takes a connection from the pool. A connection cannot outlive its
// server's incarnation, so its epoch is looked up once.
func (s *EventStore) acquire(ctx context.Context) (connection, error) {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return connection{}, err
	}
	e, err := s.epochOf(ctx, conn.Conn(), conn)
	if err != nil {
		conn.Release()
		return connection{}, err
	}
	return connection{Conn: conn, epoch: e}, nil
}

// epochOf looks on a connection, and begins an epoch where begin can.
func (s *EventStore) epochOf(ctx context.Context, conn *pgx.Conn, begin beginner) (*epoch, error) {
	known := conn.PgConn().CustomData()
	if e, ok := known[s.epochKey].(*epoch); ok {
		return e, nil
	}
	e, err := s.currentEpoch(ctx, conn)
	if err == nil && e == nil {
		e, err = s.beginEpoch(ctx, begin)
	}
	if err != nil {
		return nil, fmt.Errorf("epoch of the server: %w", err)
	}
	known[s.epochKey] = e
	return e, nil
}

type beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// currentEpoch returns nil if the server is in none of the epochs on record.
func (s *EventStore) currentEpoch(ctx context.Context, conn querier) (*epoch, error) {
	rows, err := conn.Query(ctx, s.sql.epochs)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	e, current := &epoch{}, false
	for rows.Next() {
		var since int64
		if err := rows.Scan(&e.base, &since, &current); err != nil {
			return nil, err
		}
		e.names = append(e.names, strconv.FormatInt(since, 36)+"."+strconv.FormatInt(e.base, 10))
		e.bases = append(e.bases, e.base)
	}
	if err := rows.Err(); err != nil || !current {
		return nil, err
	}
	return e, nil
}

func (s *EventStore) beginEpoch(ctx context.Context, conn beginner) (e *epoch, err error) {
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, s.sql.epochLock); err != nil {
			return err
		}
		if e, err = s.currentEpoch(ctx, tx); err != nil || e != nil {
			return err
		}
		if _, err := tx.Exec(ctx, s.sql.epochNew); err != nil {
			return err
		}
		e, err = s.currentEpoch(ctx, tx)
		return err
	})
	return e, err
}
