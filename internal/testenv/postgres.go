package testenv

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// postgresURLVar names the environment variable that replaces the private
// server by one that is already running.
const postgresURLVar = "PARLANCE_POSTGRES_URL"

// adminTimeout bounds CREATE DATABASE and DROP DATABASE. Both wait for the
// disk, which parallel tests keep busy.
const adminTimeout = time.Minute

// A PostgresServer is a running PostgreSQL server on which a test may have any
// number of databases.
type PostgresServer struct {
	// admin is the URL of the database from which others are created.
	admin *url.URL
	// private is nil if the server is not ours to stop.
	private *privatePostgres
}

// shared is the server that all calls of Postgres in this process use.
var shared struct {
	once   sync.Once
	server *PostgresServer
	err    error
}

// Postgres returns the URL of a fresh, empty database for pgx, libpq and the
// programs of PostgreSQL. The database is dropped when the test ends, whoever is
// still connected. Calling Postgres again gives another database on the same
// server, so a test can watch one database while it disturbs the other.
//
// The server accepts 300 connections, for all tests of the package together.
func Postgres(t testing.TB) string {
	t.Helper()
	if configured := os.Getenv(postgresURLVar); configured != "" {
		admin, err := parsePostgresURL(configured)
		if err != nil {
			t.Fatal(err)
		}
		return (&PostgresServer{admin: admin}).Database(t)
	}
	if !mainCalled.Load() {
		t.Fatal("testenv: nobody will stop the server; add to this package's tests: " +
			"func TestMain(m *testing.M) { testenv.Main(m) }")
	}
	shared.once.Do(func() { shared.server, shared.err = startPostgresServer() })
	failUnlessStarted(t, shared.err)
	return shared.server.Database(t)
}

// NewPostgresServer starts a second server that only this test uses and stops
// it when the test ends. It is always private, also if PARLANCE_POSTGRES_URL is
// set. Prefer [Postgres], which costs no start, unless the test is about two
// servers: a dump restored elsewhere, a different cluster identity.
func NewPostgresServer(t testing.TB) *PostgresServer {
	t.Helper()
	server, err := startPostgresServer()
	failUnlessStarted(t, err)
	t.Cleanup(func() {
		if err := server.private.stop(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// PostgresBin returns the path of one of PostgreSQL's programs, such as
// "pg_dump", of the version that the private servers run. Without it the test
// ends as [Unavailable] says.
func PostgresBin(t testing.TB, name string) string {
	t.Helper()
	dir, err := findPostgres()
	failUnlessStarted(t, err)
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		Unavailable(t, "PostgreSQL has no program %s: %v", name, err)
	}
	return path
}

// Database returns the URL of a fresh, empty database on the server. It is
// dropped when the test ends, whoever is still connected.
func (s *PostgresServer) Database(t testing.TB) string {
	t.Helper()
	// Unique also among processes and machines that share a server, and short
	// of the 63 bytes at which PostgreSQL would cut it.
	name := "parlance_test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	identifier := pgx.Identifier{name}.Sanitize()

	// template1 may hold what an administrator put there, and cannot be copied
	// while somebody is connected to it; template0 is empty and always free.
	if err := s.exec(t.Context(), "CREATE DATABASE "+identifier+" TEMPLATE template0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The test's own context is done by now.
		ctx := context.WithoutCancel(t.Context())
		if err := s.exec(ctx, "DROP DATABASE IF EXISTS "+identifier+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})

	database := *s.admin
	database.Path = "/" + name
	return database.String()
}

// exec runs one statement on a connection of its own: idle connections would
// count against the server's limit for as long as the tests run.
func (s *PostgresServer) exec(ctx context.Context, statement string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.admin.String())
	if err != nil {
		return fmt.Errorf("testenv: connect to PostgreSQL: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("testenv: %s: %w", statement, err)
	}
	return nil
}

func startPostgresServer() (*PostgresServer, error) {
	private, err := startPrivatePostgres()
	if err != nil {
		return nil, err
	}
	return &PostgresServer{admin: private.url(), private: private}, nil
}

func stopSharedPostgres() error {
	if shared.server == nil {
		return nil
	}
	return shared.server.private.stop()
}

func parsePostgresURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		// The value may hold a password, so neither it nor url.Error is shown.
		return nil, fmt.Errorf("testenv: %s must be a URL like postgres://user:password@host:5432/postgres", postgresURLVar)
	}
	return u, nil
}

// missingError says that the machine lacks something a server needs. It is the
// only failure that may turn into a skip: a server that is there but does not
// start is a fault.
type missingError struct{ what string }

func (e *missingError) Error() string {
	return e.what + "; install PostgreSQL (Debian: apt-get install postgresql) or set " + postgresURLVar
}

func failUnlessStarted(t testing.TB, err error) {
	t.Helper()
	if missing, ok := errors.AsType[*missingError](err); ok {
		Unavailable(t, "%v", missing)
	}
	if err != nil {
		t.Fatal(err)
	}
}
