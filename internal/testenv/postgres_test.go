package testenv_test

import (
	"bytes"
	"context"
	"net/url"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/internal/testenv"
)

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	assert.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// query returns the only value that the statement selects, as text.
func query(t *testing.T, conn *pgx.Conn, statement string, args ...any) string {
	t.Helper()
	var value string
	assert.NoError(t, conn.QueryRow(t.Context(), statement, args...).Scan(&value), statement)
	return value
}

func TestPostgresGivesTwoDatabasesOfOneServer(t *testing.T) {
	t.Parallel()
	a, b := connect(t, testenv.Postgres(t)), connect(t, testenv.Postgres(t))

	const identity = "SELECT system_identifier::text FROM pg_control_system()"
	assert.Equal(t, query(t, a, identity), query(t, b, identity), "the server")

	const tables = "SELECT count(*)::text FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
	_, err := a.Exec(t.Context(), "CREATE TABLE only_in_a (id int)")
	assert.NoError(t, err)
	assert.Equal(t, query(t, a, tables), "1")
	assert.Equal(t, query(t, b, tables), "0")
}

func TestPostgresIsAsDurableAsInProduction(t *testing.T) {
	t.Parallel()
	conn := connect(t, testenv.NewPostgresServer(t).Database(t))
	for setting, want := range map[string]string{
		"fsync":              "on",
		"full_page_writes":   "on",
		"synchronous_commit": "on",
		"listen_addresses":   "",
		"server_encoding":    "UTF8",
	} {
		assert.Equal(t, query(t, conn, "SELECT current_setting($1)", setting), want, setting)
	}
	assert.Equal(t, query(t, conn, "SELECT lower('ÄÖÜ')"), "äöü", "letters beyond ASCII")
}

func TestPostgresDropsTheDatabaseUnderOpenConnections(t *testing.T) {
	t.Parallel()
	server := testenv.NewPostgresServer(t)
	watcher := connect(t, server.Database(t))
	const databases = "SELECT count(*)::text FROM pg_database WHERE datname LIKE 'parlance%'"

	t.Run("leaks its connection", func(t *testing.T) {
		leaked, err := pgx.Connect(t.Context(), server.Database(t))
		assert.NoError(t, err)
		assert.NoError(t, leaked.Ping(t.Context()))
		assert.Equal(t, query(t, watcher, databases), "2")
	})
	assert.Equal(t, query(t, watcher, databases), "1")
}

func TestPostgresOnAServerThatRunsAlready(t *testing.T) {
	server := testenv.NewPostgresServer(t)
	running := server.Database(t)
	t.Setenv("PARLANCE_POSTGRES_URL", running)

	got := testenv.Postgres(t)
	assert.NotEqual(t, got, running)
	assert.Equal(t, hostOf(t, got), hostOf(t, running))
	assert.NoError(t, connect(t, got).Ping(t.Context()))
}

func hostOf(t *testing.T, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	assert.NoError(t, err)
	return u.Host + u.Query().Get("host")
}

func TestPostgresRejectsAnAddressThatIsNoURL(t *testing.T) {
	t.Setenv("PARLANCE_POSTGRES_URL", "host=localhost password=secret")
	how := end(func(t testing.TB) { testenv.Postgres(t) })
	assert.Contains(t, how, "fatal: ")
	assert.Contains(t, how, "PARLANCE_POSTGRES_URL must be a URL")
	assert.False(t, bytes.Contains([]byte(how), []byte("secret")), "the password is shown: %s", how)
}

func TestDumpAndRestoreOnAnotherServer(t *testing.T) {
	t.Parallel()
	from, to := testenv.Postgres(t), testenv.NewPostgresServer(t).Database(t)
	_, err := connect(t, from).Exec(t.Context(), "CREATE TABLE kept AS SELECT 'yes' AS answer")
	assert.NoError(t, err)

	dump := filepath.Join(t.TempDir(), "dump")
	for _, command := range []*exec.Cmd{
		exec.CommandContext(t.Context(), testenv.PostgresBin(t, "pg_dump"), "--format=custom", "--file="+dump, from),
		exec.CommandContext(t.Context(), testenv.PostgresBin(t, "pg_restore"), "--dbname="+to, dump),
	} {
		out, err := command.CombinedOutput()
		assert.NoError(t, err, "%s: %s", command, out)
	}
	assert.Equal(t, query(t, connect(t, to), "SELECT answer FROM kept"), "yes")
}

func TestPostgresBinNamesTheMissingProgram(t *testing.T) {
	t.Setenv("REQUIRE_BACKENDS", "1")
	how := end(func(t testing.TB) { testenv.PostgresBin(t, "pg_nothing") })
	assert.Contains(t, how, "fatal: ")
	assert.Contains(t, how, "pg_nothing")
}
