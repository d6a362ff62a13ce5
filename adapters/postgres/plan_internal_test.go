package postgres

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/internal/testenv"
)

// planned is a statement with arguments of which the planner could think that
// all of the table is wanted.
type planned struct {
	name, sql, args string
	uses            []string // what the plan must contain
	lacks           []string // what it must not, besides reading a whole table
}

func plans(s *EventStore) []planned {
	const (
		tail  = "199999,9223372036854775807,200000,'{199000,199500}',200000,200100,'{200050}',NULL"
		start = "-1,9223372036854775807,0,'{}',200000,200100,'{200050}',NULL"
		late  = "-1,9223372036854775807,200000,'{199000,199500}',200000,200100,'{200050}',NULL,NULL,NULL,2048"
		event = "0,'','s-5',gen_random_uuid(),1,'t','',NULL,NULL,NULL,NULL,NULL"
		group = `0,'{"",""}','{s-5,s-6}','{1,1}','{1,1}','{1,1}','{0,1}','{1,2}',` +
			`ARRAY[gen_random_uuid(),gen_random_uuid()],'{1,1}','{a,b}','{a,b}',NULL,NULL,NULL,NULL,NULL,'{1,2}'`
	)
	inOrder, sorts := []string{"Index Scan using events_ord"}, []string{"Sort"}
	byKey := []string{"using events_pkey"}
	return []planned{
		{"a page at the end", s.sql.allScan, tail + ",2048", inOrder, sorts},
		{"a page at the start", s.sql.allScan, start + ",2048", inOrder, sorts},
		{"a filtered page at the end", s.sql.allScanSome, tail + ",'{s}',NULL,2048,20000", inOrder, sorts},
		{"a filtered page at the start", s.sql.allScanSome, start + ",NULL,'{t}',2048,20000", inOrder, sorts},
		{"late events", s.sql.allLate, late, []string{"events_ord", "Index Scan using events_late"}, nil},
		{"snapshot", s.sql.snapshot, "", []string{"events_ord"}, sorts},
		{"a stream", s.sql.streamRead, "'','s-5',1,256", byKey, nil},
		{"a stream backwards", s.sql.streamReadBack, "'','s-5',9223372036854775807,256", byKey, nil},
		{"ids", s.sql.idsFind, "'{\"\"}','{s-5}','{00000000-0000-0000-0000-000000000001}'", []string{"Index Cond: ((event_id = w.id)"}, nil},
		{"append to any", s.sql.appendOne[appendAny].sql, event, nil, nil},
		{"append to none", s.sql.appendOne[appendNew].sql, event, nil, nil},
		{"append to an existing", s.sql.appendOne[appendExisting].sql, event + ",1,1", []string{"streams_pkey"}, nil},
		{"append of several to any", s.sql.appendMany[appendAny].sql, group, nil, nil},
		{"append of several to none", s.sql.appendMany[appendNew].sql, group, nil, nil},
	}
}

// session is a connection with all statements prepared.
type session struct {
	name string
	conn *pgx.Conn
}

func (s *session) execute(t *testing.T, sql string) {
	t.Helper()
	_, err := s.conn.Exec(t.Context(), sql)
	assert.NoError(t, err, "%s: %s", s.name, sql)
}

func newSession(t *testing.T, url, name, mode string, statements []planned) *session {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	assert.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	s := &session{name, conn}
	s.execute(t, "SET plan_cache_mode = "+mode)
	for i, p := range statements {
		s.execute(t, fmt.Sprintf("PREPARE p%d AS %s", i, p.sql))
	}
	return s
}

func call(i int, p planned) string {
	if p.args == "" {
		return fmt.Sprintf("EXECUTE p%d", i)
	}
	return fmt.Sprintf("EXECUTE p%d(%s)", i, p.args)
}

// use has all statements executed so often that their plans are kept.
func (s *session) use(t *testing.T, statements []planned) {
	t.Helper()
	for i, p := range statements {
		for range 7 {
			s.execute(t, "BEGIN; "+indexesOnlySQL+"; "+call(i, p)+"; ROLLBACK")
		}
	}
}

func (s *session) check(t *testing.T, statements []planned) {
	t.Helper()
	for i, p := range statements {
		s.execute(t, "BEGIN; "+indexesOnlySQL)
		rows, err := s.conn.Query(t.Context(), "EXPLAIN (COSTS OFF) "+call(i, p), pgx.QueryExecModeSimpleProtocol)
		assert.NoError(t, err)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		assert.NoError(t, err)
		s.execute(t, "ROLLBACK")
		plan := strings.Join(lines, "\n")
		for _, part := range p.uses {
			assert.True(t, strings.Contains(plan, part), "%s: the plan of %s lacks %q:\n%s", s.name, p.name, part, plan)
		}
		for _, part := range append(p.lacks, "Seq Scan on events", "Seq Scan on streams") {
			assert.False(t, strings.Contains(plan, part), "%s: the plan of %s contains %q:\n%s", s.name, p.name, part, plan)
		}
	}
}

// Tables grow faster than PostgreSQL analyzes them, and plans are kept from the
// time when they were empty. What is asked often must never read a whole table.
func TestPlans(t *testing.T) {
	t.Parallel()
	url := testenv.Postgres(t)
	store := openNamed(t, url)
	statements := plans(store)
	admin := newSession(t, url, "admin", "auto", nil)
	admin.execute(t, "ALTER TABLE parlance.events SET (autovacuum_enabled = off); ALTER TABLE parlance.streams SET (autovacuum_enabled = off)")

	old := []*session{
		newSession(t, url, "plans made before the table grew", "auto", statements),
		newSession(t, url, "generic plans made before the table grew", "force_generic_plan", statements),
	}
	for _, s := range old {
		s.use(t, statements)
	}
	admin.execute(t, `
INSERT INTO parlance.streams (tenant, stream, version, ord)
SELECT '', 's-' || i, 10, i * 10 FROM generate_series(0, 20000) i;
INSERT INTO parlance.events (version, seq, ord, xid, event_id, schema_version, tenant, stream, type, data)
SELECT i % 10 + 1, i, i, CASE WHEN i % 1000 = 500 THEN i - 1 ELSE i END, gen_random_uuid(), 1, '', 's-' || i / 10, 'Happened', 'data'
FROM generate_series(1, 200000) i`)
	for _, s := range old {
		s.check(t, statements)
	}
	for _, mode := range []string{"auto", "force_generic_plan"} {
		newSession(t, url, "never analyzed, "+mode, mode, statements).check(t, statements)
	}
	before := admin.wholeTables(t, store) // when the indexes were made
	reader := openNamed(t, url)
	readSome(t, reader)
	assert.Equal(t, admin.wholeTables(t, reader), before, "readings of whole tables")
	admin.execute(t, "ANALYZE parlance.events, parlance.streams")
	for _, mode := range []string{"auto", "force_generic_plan"} {
		newSession(t, url, "analyzed, "+mode, mode, statements).check(t, statements)
	}
}

// openNamed opens the store with a pool whose connections can be told apart.
func openNamed(t *testing.T, url string) *EventStore {
	t.Helper()
	settings, err := pgxpool.ParseConfig(url)
	assert.NoError(t, err)
	settings.ConnConfig.RuntimeParams["application_name"] = "named"
	pool, err := pgxpool.NewWithConfig(t.Context(), settings)
	assert.NoError(t, err)
	t.Cleanup(pool.Close)
	store, err := OpenEventStore(t.Context(), pool, EventStoreConfig{})
	assert.NoError(t, err)
	return store
}

// wholeTables closes the store, whose connections tell what they did when they
// end, and returns how often a whole table has been read.
func (s *session) wholeTables(t *testing.T, store *EventStore) (n int) {
	t.Helper()
	store.pool.Close()
	for open := 1; open > 0; {
		assert.NoError(t, s.conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = 'named'`).Scan(&open))
	}
	assert.NoError(t, s.conn.QueryRow(t.Context(), "SELECT sum(seq_scan) FROM pg_stat_user_tables WHERE relname IN ('events', 'streams')").Scan(&n))
	return n
}

// readSome reads pages at the start and at the end, with filters and without,
// and goes on from the middle.
func readSome(t *testing.T, store *EventStore) {
	t.Helper()
	now, err := store.ReadAll(t.Context(), eventstore.AllRange{})
	assert.NoError(t, err)
	for _, after := range []eventstore.Checkpoint{{}, now.Next} {
		for _, r := range []eventstore.AllRange{{AllTenants: true}, {}, {AllTenants: true, Filter: eventstore.Filter{Types: []string{"Other"}}}} {
			r.After, r.Max = after, 100
			page, err := store.ReadAll(t.Context(), r)
			assert.NoError(t, err)
			r.After = page.Next
			_, err = store.ReadAll(t.Context(), r)
			assert.NoError(t, err)
		}
	}
	_, err = store.ReadStream(t.Context(), eventstore.StreamRange{Stream: "s-7", From: 1, Max: 100})
	assert.NoError(t, err)
}
