package postgres_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/parlance-go/parlance/adapters/postgres"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

// appendURL tells a process of this test binary where to append.
const appendURL = "PARLANCE_TEST_APPEND_URL"

// TestAppendingProcess is not a test but the process that another one kills. It
// appends in groups, and says of each event when it is acknowledged.
func TestAppendingProcess(t *testing.T) {
	url := os.Getenv(appendURL)
	if url == "" {
		t.Skip("runs only as a process of its own, started by another test")
	}
	pool, err := pgxpool.New(t.Context(), url)
	assert.NoError(t, err)
	driver, err := postgres.OpenEventStore(t.Context(), pool, postgres.EventStoreConfig{})
	assert.NoError(t, err)
	store := eventstore.New(driver, eventstore.Config{})
	acknowledged := make(chan string, 64)
	for writer := range 32 {
		go func() {
			for i := 0; ; i++ {
				events := some(1 + i%2)
				if _, err := store.Append(t.Context(), fmt.Sprintf("s-%d", writer%12), eventstore.Any, events...); err != nil {
					panic(err)
				}
				for _, e := range events {
					acknowledged <- e.ID.String()
				}
			}
		}()
	}
	for id := range acknowledged {
		fmt.Printf("acknowledged %s\n", id)
	}
}

// A process that appends in groups dies at any moment: what it was told is
// stored is stored, streams have no holes, and a reader gets all of it once.
func TestKilledWhileAppending(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	self, err := os.Executable()
	assert.NoError(t, err)
	acknowledged := make(map[string]bool)
	read := make(map[string]int)
	var got []eventstore.Recorded
	after := ""
	for round := range 12 {
		cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestAppendingProcess$", "-test.v")
		cmd.Env = append(os.Environ(), appendURL+"="+db.url)
		stdout, err := cmd.StdoutPipe()
		assert.NoError(t, err)
		assert.NoError(t, cmd.Start())
		began := make(chan struct{})
		var reading sync.WaitGroup
		reading.Go(func() {
			lines := bufio.NewScanner(stdout)
			for n := 0; lines.Scan(); {
				if id, ok := strings.CutPrefix(lines.Text(), "acknowledged "); ok && len(id) == 36 {
					if acknowledged[id] = true; n == 0 {
						close(began)
					}
					n++
				}
			}
		})
		select {
		case <-began:
		case <-time.After(time.Minute):
			t.Fatal("the process acknowledges nothing")
		}
		time.Sleep(rand.N(60 * time.Millisecond)) // death comes at any moment
		assert.NoError(t, cmd.Process.Kill())
		reading.Wait()
		_ = cmd.Wait()
		var more []eventstore.Recorded
		more, after = rest(t, db, after, 100+round)
		got = append(got, more...)
	}
	idle(t, db) // statements of the dead may still have committed
	more, _ := rest(t, db, after, 7)
	got = append(got, more...)
	for _, e := range got {
		read[e.ID.String()]++
	}
	for id, n := range read {
		assert.Equal(t, n, 1, "%s was read", id)
	}
	for id := range acknowledged {
		assert.Equal(t, read[id], 1, "%s, which was acknowledged, was read", id)
	}
	inOrder(t, db, got, "after twelve deaths")
	for i := range 12 {
		versions(t, db, fmt.Sprintf("s-%d", i))
	}
	t.Logf("%d events acknowledged, %d stored", len(acknowledged), len(read))
}

// idle waits until no other statement runs in the database.
func idle(t testing.TB, db *database) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		var active int
		assert.NoError(t, db.pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'`).Scan(&active))
		if active == 0 {
			return
		}
		assert.True(t, time.Now().Before(deadline), "%d statements still run", active)
		time.Sleep(5 * time.Millisecond) // the server's state, which sends no event
	}
}
