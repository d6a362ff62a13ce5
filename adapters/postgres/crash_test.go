package postgres_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/parlance-go/parlance/adapters/postgres"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/internal/testenv"
)

// A server that crashes forgets the ids of transactions that left nothing on
// disk, and gives them out again. A reader who had seen them end must still get
// the events that are written under them afterwards.
func TestTransactionIDsGivenOutAgain(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	url := testenv.NewPostgresServer(t).Database(t)
	// What is not flushed by a commit stays in memory, and goes with the crash.
	execute(t, url, "ALTER SYSTEM SET wal_writer_delay = '10s'", "SELECT pg_reload_conf()")
	db := openDatabase(t, url, postgres.EventStoreConfig{})
	add(t, db, "a-1", 2)

	conn, err := pgx.Connect(ctx, url)
	assert.NoError(t, err)
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, strings.Repeat("BEGIN; SELECT pg_current_xact_id(); ROLLBACK;", 300))
	assert.NoError(t, err)
	var before int64
	assert.NoError(t, conn.QueryRow(ctx, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint").Scan(&before))
	_, middle, _ := page(t, db, "", 1)
	_, end := rest(t, db, "", 100)
	page0, err := db.ReadAll(ctx, everything(0))
	assert.NoError(t, err)
	now := page0.Next.String()

	crash(t, url, conn.PgConn().PID())
	db = openDatabase(t, url, postgres.EventStoreConfig{})
	var after int64
	assert.NoError(t, db.pool.QueryRow(ctx, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint").Scan(&after))
	assert.True(t, after < before, "the server forgot no ids: next was %d, is %d", before, after)
	add(t, db, "a-1", 2)
	add(t, db, "b-1", 1)

	got, _ := rest(t, db, middle, 1)
	assert.Equal(t, places(got), []string{"a-1/2", "a-1/3", "a-1/4", "b-1/1"}, "from the middle")
	for name, checkpoint := range map[string]string{"end": end, "now": now} {
		got, _ := rest(t, db, checkpoint, 2)
		assert.Equal(t, places(got), []string{"a-1/3", "a-1/4", "b-1/1"}, "from %s", name)
	}
}

// Other transactions leave the checkpoint of a reader at the end as it is. Else
// who saves it beside the events would make it change by saving it.
func TestCheckpointRests(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	add(t, db, "a-1", 2)
	_, end := rest(t, db, "", 100)
	for range 3 {
		_, err := db.pool.Exec(t.Context(), "SELECT pg_current_xact_id()")
		assert.NoError(t, err)
		got, next := rest(t, db, end, 100)
		assert.Equal(t, len(got), 0)
		assert.Equal(t, next, end)
		page, err := db.ReadAll(t.Context(), everything(0))
		assert.NoError(t, err)
		assert.Equal(t, page.Next.String(), end, "now")
	}
}
