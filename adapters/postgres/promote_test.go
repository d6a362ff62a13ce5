//go:build linux

package postgres_test

import (
	"bytes"
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/parlance-go/parlance/adapters/postgres"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/internal/testenv"
)

// newStandby starts a standby of the server on which a database is, and returns
// the URL of that database there.
func newStandby(t *testing.T, database string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	assert.NoError(t, err)
	defer conn.Close(context.WithoutCancel(t.Context()))
	var data, connections string
	assert.NoError(t, conn.QueryRow(t.Context(),
		"SELECT current_setting('data_directory'), current_setting('max_connections')").Scan(&data, &connections))
	info, err := os.Stat(data)
	assert.NoError(t, err)
	owner := info.Sys().(*syscall.Stat_t)

	// A folder of the server's account, with a name short enough for a socket.
	dir, err := os.MkdirTemp("/tmp", "parlance-standby-") //nolint:usetesting // t.TempDir is closed to the server's account
	assert.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
	assert.NoError(t, os.Chown(dir, int(owner.Uid), int(owner.Gid)))
	bin := filepath.Dir(testenv.PostgresBin(t, "pg_basebackup"))
	program := func(ctx context.Context, name string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, filepath.Join(bin, name), args...)
		cmd.Dir = dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
		if os.Geteuid() == 0 {
			cmd.SysProcAttr.Credential = &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}
		}
		return cmd
	}
	out, err := program(t.Context(), "pg_basebackup", "--pgdata="+filepath.Join(dir, "data"), "--dbname="+database,
		"--write-recovery-conf", "--checkpoint=fast", "--wal-method=stream").CombinedOutput()
	assert.NoError(t, err, "pg_basebackup: %s", out)

	server := program(context.WithoutCancel(t.Context()), "postgres", "-D", filepath.Join(dir, "data"), "-c", "listen_addresses=",
		"-c", "unix_socket_directories="+dir, "-c", "port=5433", "-c", "max_connections="+connections)
	var log bytes.Buffer
	server.Stdout, server.Stderr = &log, &log
	assert.NoError(t, server.Start())
	t.Cleanup(func() {
		assert.NoError(t, server.Process.Signal(syscall.SIGQUIT))
		_ = server.Wait() // its end by a signal is what was asked for
		if t.Failed() {
			t.Logf("the standby's log:\n%s", &log)
		}
	})
	u, err := url.Parse(database)
	assert.NoError(t, err)
	u.Host = ""
	u.RawQuery = url.Values{"host": {dir}, "port": {"5433"}}.Encode()
	standby := u.String()
	eventually(t, "the standby accepts connections", func() bool {
		conn, err := pgx.Connect(t.Context(), standby)
		return err == nil && conn.Close(t.Context()) == nil
	})
	return standby
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); {
		assert.True(t, time.Now().Before(deadline), "not after a minute: %s", what)
		time.Sleep(10 * time.Millisecond) // the server's state, which sends no event
	}
}

// query returns a text from a database.
func query(t *testing.T, database, sql string, args ...any) (text string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	assert.NoError(t, err)
	defer conn.Close(context.WithoutCancel(t.Context()))
	assert.NoError(t, conn.QueryRow(t.Context(), sql, args...).Scan(&text), "%s", sql)
	return text
}

// A standby that is promoted has lost what it had not received. Readers go on
// from checkpoints of the old primary, also from those that lie beyond that.
func TestCheckpointsAfterPromotion(t *testing.T) {
	t.Parallel()
	primary := testenv.NewPostgresServer(t).Database(t)
	old := openDatabase(t, primary, postgres.EventStoreConfig{})
	add(t, old, "s-1", 3)
	standby := newStandby(t, primary)
	pool := newPool(t, standby, 2)
	_, err := postgres.OpenEventStore(t.Context(), pool, postgres.EventStoreConfig{})
	assert.Error(t, err, "a standby, which cannot be written to")
	assert.Contains(t, err.Error(), "recovery is in progress")

	var marks bookmarks
	open := begin(t, old)
	add(t, old, "s-1", 2)
	marks.make(t, "before the loss", old, 2)
	add(t, open, "s-2", 1)
	assert.NoError(t, open.Commit(t.Context()))
	lsn := query(t, primary, "SELECT pg_current_wal_flush_lsn()::text")
	eventually(t, "the standby has got it", func() bool {
		return query(t, standby, "SELECT (pg_last_wal_replay_lsn() >= $1::text::pg_lsn)::text", lsn) == "true"
	})
	execute(t, standby, "ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()")
	eventually(t, "the standby is cut off", func() bool {
		return query(t, standby, "SELECT count(*)::text FROM pg_stat_wal_receiver") == "0"
	})
	burn(t, primary, 200)
	add(t, old, "s-1", 2)
	add(t, old, "lost-1", 2)
	marks.make(t, "after the loss", old, 3)

	assert.Equal(t, query(t, standby, "SELECT pg_promote(true, 60)::text"), "true")
	// Connections from before the promotion live on.
	driver, err := postgres.OpenEventStore(t.Context(), pool, postgres.EventStoreConfig{})
	assert.NoError(t, err)
	db := &database{EventStore: driver, pool: pool, url: standby}
	assert.Equal(t, epochs(t, db), 2)
	marks.check(t, "promoted", db)
	add(t, db, "s-1", 3)
	add(t, db, "s-2", 1)
	marks.check(t, "promoted, gone on", db)
	marks.make(t, "of the promoted", db, 4)
	add(t, db, "lost-1", 1)
	marks.check(t, "promoted, later", db)
}
