package postgres_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/parlance-go/parlance/adapters/postgres"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/internal/testenv"
)

func TestManyOpenAnEmptyDatabaseAtOnce(t *testing.T) {
	t.Parallel()
	database := testenv.Postgres(t)
	const processes = 16
	errs := make(chan error, processes)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range processes {
		pool := newPool(t, with(t, database, "default_transaction_isolation", [...]string{"read committed", "serializable"}[i%2]), 2)
		wg.Go(func() {
			<-start
			store, err := postgres.OpenEventStore(t.Context(), pool, postgres.EventStoreConfig{})
			if err == nil {
				_, err = eventstore.New(store, eventstore.Config{}).Append(t.Context(), "one-1", eventstore.Any, some(1)...)
			}
			errs <- err
		})
	}
	close(start)
	wg.Wait()
	for range processes {
		assert.NoError(t, <-errs)
	}
	db := openDatabase(t, database, postgres.EventStoreConfig{})
	got, _ := rest(t, db, "", 100)
	assert.Equal(t, len(got), processes)
	inOrder(t, db, got, "all opened the same tables")
	for name, want := range map[string]int{"migrations": 1, "epochs": 1} {
		var rows int
		assert.NoError(t, db.pool.QueryRow(t.Context(), "SELECT count(*) FROM parlance."+name).Scan(&rows))
		assert.Equal(t, rows, want, "rows of %s", name)
	}
}

// with is the URL of a database with one more setting of the session.
func with(t testing.TB, database, setting, value string) string {
	t.Helper()
	u, err := url.Parse(database)
	assert.NoError(t, err)
	query := u.Query()
	query.Set(setting, value)
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	return u.String()
}

// as is the URL of a database for another role.
func as(t testing.TB, database, role string) string {
	t.Helper()
	u, err := url.Parse(database)
	assert.NoError(t, err)
	u.User = url.User(role)
	return u.String()
}

// newRole makes a role that may do nothing yet, and lets it go with the test.
func newRole(t testing.TB, database string) string {
	t.Helper()
	role := "role_" + strings.ReplaceAll(some(1)[0].ID.String(), "-", "")
	execute(t, database, "CREATE ROLE "+role+" LOGIN")
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.WithoutCancel(t.Context()), database)
		assert.NoError(t, err)
		defer conn.Close(context.WithoutCancel(t.Context()))
		_, err = conn.Exec(context.WithoutCancel(t.Context()), "DROP OWNED BY "+role+" CASCADE; DROP ROLE "+role)
		assert.NoError(t, err)
	})
	return role
}

func TestRoleWithoutRightToCreate(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	database := testenv.Postgres(t)
	role := newRole(t, database)
	pool := newPool(t, as(t, database, role), 3)
	_, err := postgres.OpenEventStore(ctx, pool, postgres.EventStoreConfig{})
	assert.Error(t, err, "a schema made without the right to")
	assert.Contains(t, err.Error(), "permission denied")

	openDatabase(t, database, postgres.EventStoreConfig{})
	execute(t, database,
		"GRANT USAGE ON SCHEMA parlance TO "+role,
		"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA parlance TO "+role,
		"GRANT USAGE ON ALL SEQUENCES IN SCHEMA parlance TO "+role)
	store, err := postgres.OpenEventStore(ctx, pool, postgres.EventStoreConfig{})
	assert.NoError(t, err, "a migrated schema")
	events := eventstore.New(store, eventstore.Config{})
	add(t, store, "a-1", 3)
	assert.NoError(t, events.Truncate(ctx, "a-1", 2))
	got, _ := rest(t, store, "", 10)
	assert.Equal(t, places(got), []string{"a-1/2", "a-1/3"})

	// Another incarnation of the server.
	execute(t, database, "UPDATE parlance.epochs SET timeline = 'another'")
	pool.Reset()
	add(t, store, "a-1", 1)
}

// An administrator may make the schema and give it away.
func TestSchemaThatIsThere(t *testing.T) {
	t.Parallel()
	database := testenv.Postgres(t)
	role := newRole(t, database)
	execute(t, database, "CREATE SCHEMA parlance AUTHORIZATION "+role)
	store, err := postgres.OpenEventStore(t.Context(), newPool(t, as(t, database, role), 3), postgres.EventStoreConfig{})
	assert.NoError(t, err)
	add(t, store, "a-1", 1)
}

func TestSchemaOfANewerProgram(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	role := newRole(t, db.url)
	execute(t, db.url, "INSERT INTO parlance.migrations (component, version) VALUES ('eventstore', 4711)",
		"GRANT USAGE ON SCHEMA parlance TO "+role, "GRANT SELECT ON ALL TABLES IN SCHEMA parlance TO "+role)
	for _, database := range []string{db.url, as(t, db.url, role)} {
		_, err := postgres.OpenEventStore(t.Context(), newPool(t, database, 2), postgres.EventStoreConfig{})
		assert.Error(t, err)
		assert.Contains(t, err.Error(), `schema "parlance" holds version 4711 of eventstore, this program knows`)
	}
}

// strange names of schemas, all in one database.
var strangeSchemas = []string{
	`With Spaces and "quotes"`, `it's %s`, `UPPER`, `upper`, `back\slash`, `"$1"`, `{schema}{open}`, `/* -- a.b`,
	"\U0001f418 line\nbreak", strings.Repeat("\U0001f418", 15) + "xyz", `x'"; DROP SCHEMA parlance CASCADE; --`,
}

func TestSchemasOfAnyName(t *testing.T) {
	t.Parallel()
	database := testenv.Postgres(t)
	pool := newPool(t, database, 4)
	ctx := t.Context()
	openDatabase(t, database, postgres.EventStoreConfig{}) // parlance, which must survive
	for i, name := range strangeSchemas {
		store, err := postgres.OpenEventStore(ctx, pool, postgres.EventStoreConfig{Schema: name})
		assert.NoError(t, err, "schema %q", name)
		stream := fmt.Sprintf("of-%d", i)
		events := eventstore.New(store, eventstore.Config{})
		add(t, store, stream, 1)
		add(t, store, stream, 2)
		_, err = events.Append(ctx, stream, eventstore.Exact(3), some(1)...)
		assert.NoError(t, err)
		_, err = events.AppendAll(ctx, eventstore.Write{Stream: stream, Expected: eventstore.Exact(4), Events: some(2)},
			eventstore.Write{Stream: "other-1", Events: some(1)})
		assert.NoError(t, err)
		assert.NoError(t, events.Truncate(ctx, stream, 2))
		got, _ := rest(t, store, "", 2)
		assert.Equal(t, len(got), 6, "schema %q holds its own events only", name)
		inOrder(t, store, got[:5], name)
		count, err := events.Count(ctx, eventstore.Checkpoint{}, eventstore.Filter{Categories: []string{"of"}})
		assert.NoError(t, err)
		assert.Equal(t, count, int64(5))
	}
	var schemas []string
	rows, err := pool.Query(ctx, "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('public', 'information_schema')")
	assert.NoError(t, err)
	schemas, err = pgx.CollectRows(rows, pgx.RowTo[string])
	assert.NoError(t, err)
	assert.Equal(t, len(schemas), len(strangeSchemas)+1, "%q", schemas)
}

func TestSchemasThatCannotBe(t *testing.T) {
	t.Parallel()
	pool := newPool(t, testenv.Postgres(t), 1)
	for _, name := range []string{
		strings.Repeat("n", 64), strings.Repeat("\U0001f418", 16), "\x00", "null\x00byte", "not UTF-8 \xff",
	} {
		_, err := postgres.OpenEventStore(t.Context(), pool, postgres.EventStoreConfig{Schema: name})
		assert.Error(t, err, "schema %q", name)
		assert.Contains(t, err.Error(), "postgres: open event store: field Schema ")
	}
	_, err := postgres.OpenEventStore(t.Context(), pool, postgres.EventStoreConfig{Schema: "pg_reserved"})
	assert.Error(t, err)
	assert.Contains(t, err.Error(), "pg_reserved")
}

func TestConfigThatCannotBe(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	_, err := postgres.OpenEventStore(ctx, nil, postgres.EventStoreConfig{})
	assert.Error(t, err)
	assert.Contains(t, err.Error(), "pool is nil")
	pool := newPool(t, testenv.Postgres(t), 1)
	_, err = postgres.OpenEventStore(ctx, pool, postgres.EventStoreConfig{PollInterval: -1})
	assert.Error(t, err)
	assert.Contains(t, err.Error(), "PollInterval -1ns")
	_, err = postgres.OpenEventStore(ctx, pool, postgres.EventStoreConfig{Appenders: -2})
	assert.Error(t, err)
	assert.Contains(t, err.Error(), "Appenders -2")
	canceled, cancel := context.WithCancelCause(ctx)
	cancel(errGone)
	_, err = postgres.OpenEventStore(canceled, pool, postgres.EventStoreConfig{})
	assert.ErrorIs(t, err, errGone)
}
