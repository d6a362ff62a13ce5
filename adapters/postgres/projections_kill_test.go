package postgres_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/parlance-go/parlance/adapters/postgres"
	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/internal/testenv"
)

const (
	childURL     = "PARLANCE_TEST_PROJECT_URL"
	childVersion = "PARLANCE_TEST_PROJECT_VERSION"
)

// tally is a read model that tells when an event was applied twice, out of
// order, or not at all: a row for each event in the order of their application,
// and sums that are not idempotent.
func tally(version int) cqrs.Projection[pgx.Tx] {
	return cqrs.Projection[pgx.Tx]{
		Name: "tally", Version: version, Tables: []string{"tallied", "sums"},
		Setup: func(ctx context.Context, tx pgx.Tx, m cqrs.Model) error {
			_, err := tx.Exec(ctx, "CREATE TABLE "+m.Table("tallied")+
				" (n bigint GENERATED ALWAYS AS IDENTITY, stream text, version bigint, PRIMARY KEY (stream, version));"+
				"CREATE TABLE "+m.Table("sums")+" (stream text PRIMARY KEY, events bigint, versions bigint)")
			return err
		},
		Apply: func(ctx context.Context, tx pgx.Tx, m cqrs.Model, events []eventstore.Recorded) error {
			var batch pgx.Batch
			for _, e := range events {
				batch.Queue("INSERT INTO "+m.Table("tallied")+" (stream, version) VALUES ($1, $2)", e.Stream, e.Version)
				batch.Queue("INSERT INTO "+m.Table("sums")+" AS s VALUES ($1, 1, $2)"+
					" ON CONFLICT (stream) DO UPDATE SET events = s.events + 1, versions = s.versions + $2", e.Stream, e.Version)
			}
			return tx.SendBatch(ctx, &batch).Close()
		},
	}
}

// wantTally compares the active read model with the fold of the log.
func wantTally(t *testing.T, pool *pgxpool.Pool, store *eventstore.Store) {
	t.Helper()
	type sum struct {
		Stream           string
		Events, Versions int64
	}
	fold := map[string]sum{}
	for e, err := range store.ReadAll(t.Context(), eventstore.Checkpoint{}, eventstore.Filter{}) {
		assert.NoError(t, err)
		s := fold[e.Stream]
		fold[e.Stream] = sum{e.Stream, s.Events + 1, s.Versions + e.Version}
	}
	rows, err := pool.Query(t.Context(), "SELECT stream, events, versions FROM parlance.sums")
	assert.NoError(t, err)
	sums, err := pgx.CollectRows(rows, pgx.RowToStructByPos[sum])
	assert.NoError(t, err)
	got := map[string]sum{}
	for _, s := range sums {
		got[s.Stream] = s
	}
	assert.Equal(t, got, fold, "sums of the read model, and of the log")

	var unordered int
	assert.NoError(t, pool.QueryRow(t.Context(),
		`SELECT count(*) FROM (SELECT version, row_number() OVER (PARTITION BY stream ORDER BY n) AS nth FROM parlance.tallied) r
		WHERE version <> nth`).Scan(&unordered))
	assert.Equal(t, unordered, 0, "events applied out of the order of their stream")
}

func openLog(t testing.TB, pool *pgxpool.Pool) *eventstore.Store {
	t.Helper()
	events, err := postgres.OpenEventStore(t.Context(), pool, postgres.EventStoreConfig{PollInterval: 5 * time.Millisecond})
	assert.NoError(t, err)
	return eventstore.New(events, eventstore.Config{})
}

// writing appends events until it is stopped.
func writing(t *testing.T, store *eventstore.Store) (stop func()) {
	t.Helper()
	var stopped atomic.Bool
	var done sync.WaitGroup
	for writer := range 2 {
		done.Go(func() {
			for i := 0; !stopped.Load(); i++ {
				stream := fmt.Sprintf("writer%d-%d", writer, i%7)
				events := make([]eventstore.Event, 1+rand.IntN(3))
				for j := range events {
					events[j].Type = "Happened"
				}
				if _, err := store.Append(t.Context(), stream, eventstore.Any, events...); err != nil {
					t.Error(err)
					return
				}
				time.Sleep(rand.N(6 * time.Millisecond)) // leaves the processor to those who project
			}
		})
	}
	return func() { stopped.Store(true); done.Wait() }
}

var quiet = slog.New(slog.DiscardHandler)

func newTally(t testing.TB, pool *pgxpool.Pool, store *eventstore.Store, version int, config cqrs.Config) *cqrs.Projector[pgx.Tx] {
	t.Helper()
	target, err := postgres.OpenProjections(t.Context(), pool, postgres.ProjectionsConfig{})
	assert.NoError(t, err)
	if config.Logger == nil {
		config.Logger = quiet
	}
	projector, err := cqrs.NewProjector(store, target, tally(version), config)
	assert.NoError(t, err)
	return projector
}

// TestProjectingProcess is not a test but the process that others kill.
func TestProjectingProcess(t *testing.T) {
	url := os.Getenv(childURL)
	if url == "" {
		t.Skip("runs only as a process of its own, started by another test")
	}
	version, err := strconv.Atoi(os.Getenv(childVersion))
	assert.NoError(t, err)
	pool := openPool(t, url, 4)
	projector := newTally(t, pool, openLog(t, pool), version, cqrs.Config{
		BatchSize: 5, LeaseDuration: 250 * time.Millisecond,
		Hooks: cqrs.Hooks{Changed: func(_ context.Context, c cqrs.Change) { fmt.Println("part", c.Part) }},
	})
	fmt.Println("part ready")
	assert.NoError(t, projector.Run(t.Context()))
}

// child is another process that projects.
type child struct {
	*exec.Cmd
	parts chan string
}

func startChild(t *testing.T, url string, version int) *child {
	t.Helper()
	c := &child{Cmd: exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProjectingProcess$"), parts: make(chan string, 1000)}
	c.Env = append(os.Environ(), childURL+"="+url, childVersion+"="+strconv.Itoa(version))
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	assert.NoError(t, err)
	assert.NoError(t, c.Start())
	go func() {
		defer close(c.parts)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if part, ok := strings.CutPrefix(lines.Text(), "part "); ok {
				c.parts <- part
			} else {
				fmt.Fprintln(os.Stderr, "child:", lines.Text())
			}
		}
	}()
	t.Cleanup(c.kill)
	return c
}

func (c *child) kill() {
	_ = c.Process.Kill() // SIGKILL
	for range c.parts {
	}
	_ = c.Wait()
}

// await waits until the process plays one of the parts.
func (c *child) await(t *testing.T, parts ...string) {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case part, ok := <-c.parts:
			assert.True(t, ok, "the process ended instead of being %v", parts)
			if slices.Contains(parts, part) {
				return
			}
		case <-timeout:
			t.Fatalf("the process has not become %v", parts)
		}
	}
}

// The process that projects is killed at random moments, also while it makes its
// tables and takes the place of an older version. The read model equals the fold
// of the log in the end.
func TestProjectionSurvivesKills(t *testing.T) {
	t.Parallel()
	rounds := 40
	if testing.Short() {
		rounds = 8
	}
	url := testenv.Postgres(t)
	pool := openPool(t, url, 8)
	store := openLog(t, pool)
	stop := writing(t, store)
	version := 1
	for round := range rounds {
		version = 1 + round/8
		c := startChild(t, url, version)
		switch round % 8 {
		case 0: // whatever it does first
			c.await(t, "ready")
			time.Sleep(rand.N(30 * time.Millisecond)) // a random moment in another process
		case 1, 2:
			c.await(t, cqrs.Owning.String())
			time.Sleep(rand.N(20 * time.Millisecond)) // a random moment in another process
		case 7:
			c.await(t, cqrs.Switched.String(), cqrs.Owning.String())
			time.Sleep(rand.N(300 * time.Millisecond)) // a random moment in another process
		default:
			c.await(t, cqrs.Owning.String())
			time.Sleep(rand.N(120 * time.Millisecond)) // a random moment in another process
		}
		c.kill()
	}
	stop()
	assert.NoError(t, newTally(t, pool, store, version, cqrs.Config{}).CatchUp(t.Context()))
	wantTally(t, pool, store)
	target := openModels(t, pool, "")
	records, err := target.Versions(t.Context(), "tally")
	assert.NoError(t, err)
	model, err := cqrs.ActiveModel(t.Context(), target, "tally")
	assert.NoError(t, err)
	assert.Equal(t, model.Version, version)
	t.Logf("%d kills; %d events in version %d", rounds, records[len(records)-1].Applied, version)
}

// A process that is stopped in the middle of its work, holding whatever locks it
// has, does not keep the next owner from taking over, and when it goes on it
// changes nothing.
func TestFrozenProcessIsFenced(t *testing.T) {
	t.Parallel()
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	url := testenv.Postgres(t)
	pool := openPool(t, url, 8)
	store := openLog(t, pool)
	stop := writing(t, store)
	frozen := startChild(t, url, 1)
	frozen.await(t, cqrs.Switched.String())
	owner := ownerOf(t, pool)
	for range rounds {
		time.Sleep(rand.N(40 * time.Millisecond)) // a random moment in another process
		assert.NoError(t, frozen.Process.Signal(syscall.SIGSTOP))
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		assert.NoError(t, newTally(t, pool, store, 1, cqrs.Config{}).CatchUp(ctx), "while the owner is frozen")
		cancel()
		second := startChild(t, url, 1)
		second.await(t, cqrs.Owning.String())
		assert.NoError(t, frozen.Process.Signal(syscall.SIGCONT))
		time.Sleep(50 * time.Millisecond) // both at work, in other processes
		second.kill()
		// Asked of the target: a process that did not find out in time that there was
		// another one has played the same part all along, and says nothing.
		for start := time.Now(); ownerOf(t, pool) != owner; time.Sleep(time.Millisecond) { // the other process needs it
			assert.True(t, time.Since(start) < 30*time.Second, "the process has not become the owner again")
		}
	}
	frozen.kill()
	stop()
	assert.NoError(t, newTally(t, pool, store, 1, cqrs.Config{}).CatchUp(t.Context()))
	wantTally(t, pool, store)
}

// ownerOf returns who owns the one version of the tally.
func ownerOf(t *testing.T, pool *pgxpool.Pool) string {
	t.Helper()
	target, err := postgres.OpenProjections(t.Context(), pool, postgres.ProjectionsConfig{})
	assert.NoError(t, err)
	records, err := target.Versions(t.Context(), tally(1).Name)
	assert.NoError(t, err)
	assert.Equal(t, len(records), 1)
	return records[0].Owner
}

// Connections are cut in the middle of whatever they do, commits included.
func TestProjectionSurvivesLostConnections(t *testing.T) {
	t.Parallel()
	cuts := 12
	if testing.Short() {
		cuts = 3
	}
	url := testenv.Postgres(t)
	pool, other := openPool(t, url, 8), openPool(t, url, 4)
	settings, err := pgxpool.ParseConfig(url)
	assert.NoError(t, err)
	settings.ConnConfig.RuntimeParams["application_name"] = "projector"
	victims, err := pgxpool.NewWithConfig(t.Context(), settings)
	assert.NoError(t, err)
	defer victims.Close()
	store := openLog(t, pool)
	failures := 0
	projector := newTally(t, victims, openLog(t, victims), 1, cqrs.Config{BatchSize: 5, Hooks: cqrs.Hooks{
		Failed: func(context.Context, cqrs.Failure) { failures++ },
	}})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := projector.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop := writing(t, store)
	cut := 0
	for start := time.Now(); cut < cuts; {
		assert.True(t, time.Since(start) < 40*time.Second, "the projector was at work %d times in %s", cut, time.Since(start))
		var n int
		assert.NoError(t, other.QueryRow(t.Context(),
			"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'projector' AND state <> 'idle'").Scan(&n))
		cut += n
		time.Sleep(rand.N(30 * time.Millisecond)) // a random moment on the server
	}
	stop()
	cancel()
	running.Wait()
	assert.True(t, failures > 0, "%d connections were cut, but no try failed", cut)
	assert.NoError(t, newTally(t, pool, store, 1, cqrs.Config{}).CatchUp(t.Context()))
	wantTally(t, pool, store)
	t.Logf("%d connections cut, %d tries failed", cut, failures)
}
