package postgres_test

import (
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

	var middle, end, now string
	for try := 0; ; try++ {
		assert.True(t, try < 10, "the server forgets no ids")
		conn, err := pgx.Connect(ctx, url)
		assert.NoError(t, err)
		burn(t, url, 300)
		before := nextID(t, db)
		_, middle, _ = page(t, db, "", 1)
		_, end = rest(t, db, "", 100)
		current, err := db.ReadAll(ctx, everything(0))
		assert.NoError(t, err)
		now = current.Next.String()
		crash(t, url, conn.PgConn().PID())
		_ = conn.Close(ctx)
		db = openDatabase(t, url, postgres.EventStoreConfig{})
		if nextID(t, db) < before { // else something has flushed meanwhile
			break
		}
	}
	add(t, db, "a-1", 2)
	add(t, db, "b-1", 1)

	got, _ := rest(t, db, middle, 1)
	assert.Equal(t, places(got), []string{"a-1/2", "a-1/3", "a-1/4", "b-1/1"}, "from the middle")
	for name, checkpoint := range map[string]string{"end": end, "now": now} {
		got, _ := rest(t, db, checkpoint, 2)
		assert.Equal(t, places(got), []string{"a-1/3", "a-1/4", "b-1/1"}, "from %s", name)
	}
}

// nextID is the next transaction id that the server will give out.
func nextID(t *testing.T, db *database) (id int64) {
	t.Helper()
	assert.NoError(t, db.pool.QueryRow(t.Context(), "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint").Scan(&id))
	return id
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
