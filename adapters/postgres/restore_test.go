package postgres_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/adapters/postgres"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/internal/testenv"
)

// dump is what pg_dump writes of a database, in the format of pg_restore.
func dump(t *testing.T, database string) []byte {
	t.Helper()
	return program(t, nil, "pg_dump", "--format=custom", "--dbname="+database)
}

// restore puts a dump into an empty database.
func restore(t *testing.T, dumped []byte, database string) {
	t.Helper()
	program(t, dumped, "pg_restore", "--exit-on-error", "--dbname="+database)
}

func program(t *testing.T, stdin []byte, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testenv.PostgresBin(t, name), args...)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(stdin), &stderr
	out, err := cmd.Output()
	assert.NoError(t, err, "%s: %s", name, &stderr)
	return out
}

// burn uses up transaction ids.
func burn(t *testing.T, database string, ids int) {
	t.Helper()
	execute(t, database, strings.Repeat("BEGIN; SELECT pg_current_xact_id(); ROLLBACK;", ids))
}

// bookmark is a checkpoint that a reader has stored, and what it had had then.
type bookmark struct {
	name, checkpoint string
	seen             map[uuid.UUID]bool
}

type bookmarks struct{ all []bookmark }

// make reads from the start in pages of n, and keeps each checkpoint.
func (b *bookmarks) make(t *testing.T, name string, driver eventstore.Driver, n int) {
	t.Helper()
	seen := make(map[uuid.UUID]bool)
	for after, end, pages := "", false, 0; !end; pages++ {
		var got []eventstore.Recorded
		got, after, end = page(t, driver, after, n)
		copied := make(map[uuid.UUID]bool)
		for _, e := range got {
			seen[e.ID] = true
		}
		for id := range seen {
			copied[id] = true
		}
		b.all = append(b.all, bookmark{fmt.Sprintf("%s, page %d of %d", name, pages, n), after, copied})
	}
}

// check reads on from each bookmark, in a store that may be another one by now.
func (b *bookmarks) check(t *testing.T, name string, driver eventstore.Driver) {
	t.Helper()
	all, _ := rest(t, driver, "", 1000)
	inOrder(t, driver, all, name)
	for _, mark := range b.all {
		for _, n := range []int{1, 3, 1000} {
			var want []string
			got, _ := rest(t, driver, mark.checkpoint, n)
			order := make(map[string]int64)
			delivered := make(map[uuid.UUID]bool)
			for _, e := range got {
				assert.False(t, mark.seen[e.ID] || delivered[e.ID], "in %s after %s (%s): %s/%d came again", name, mark.name, mark.checkpoint, e.Stream, e.Version)
				assert.True(t, order[e.Stream] < e.Version, "in %s after %s: %s/%d came late", name, mark.name, e.Stream, e.Version)
				delivered[e.ID], order[e.Stream] = true, e.Version
			}
			for _, e := range all {
				if !mark.seen[e.ID] && !delivered[e.ID] {
					want = append(want, places([]eventstore.Recorded{e})...)
				}
			}
			assert.Equal(t, len(want), 0, "in %s after %s (%s), page %d: missed %v", name, mark.name, mark.checkpoint, n, want)
		}
	}
}

// openAtOnce opens a store from many pools at the same moment.
func openAtOnce(t *testing.T, database string) *database {
	t.Helper()
	var wg sync.WaitGroup
	errs := make(chan error, 8)
	for range cap(errs) {
		pool := newPool(t, database, 1)
		wg.Go(func() {
			_, err := postgres.OpenEventStore(t.Context(), pool, postgres.EventStoreConfig{})
			errs <- err
		})
	}
	wg.Wait()
	for range cap(errs) {
		assert.NoError(t, <-errs)
	}
	return openDatabase(t, database, postgres.EventStoreConfig{})
}

func epochs(t *testing.T, db *database) (n int) {
	t.Helper()
	assert.NoError(t, db.pool.QueryRow(t.Context(), "SELECT count(*) FROM parlance.epochs").Scan(&n))
	return n
}

func TestCheckpointsAfterRestore(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	var marks bookmarks
	url := testenv.Postgres(t)
	burn(t, url, 5000) // the other servers' ids will be far lower
	a := openDatabase(t, url, postgres.EventStoreConfig{})
	for i := range 4 {
		add(t, a, fmt.Sprintf("s-%d", i%2), 3)
	}
	// Committed between the bookmarks and the dump, under an old id.
	open, lost := begin(t, a), begin(t, a)
	add(t, lost, "lost-1", 1)
	add(t, a, "s-0", 2)
	marks.make(t, "A before the dump", a, 4)
	add(t, open, "s-0", 2)
	assert.NoError(t, open.Commit(ctx))
	first := dump(t, url)

	// What is after the dump is lost, also to those who have seen it.
	add(t, a, "s-0", 3)
	assert.NoError(t, lost.Commit(ctx))
	burn(t, url, 100)
	add(t, a, "s-1", 3)
	marks.make(t, "A after the dump", a, 5)

	urlB := testenv.NewPostgresServer(t).Database(t)
	restore(t, first, urlB)
	b := openAtOnce(t, urlB)
	assert.Equal(t, epochs(t, b), 2, "epochs after concurrent opens")
	marks.check(t, "B, restored", b)
	add(t, b, "s-0", 2)
	add(t, b, "new-1", 2)
	marks.check(t, "B, gone on", b)
	marks.make(t, "B before the second dump", b, 3)
	second := dump(t, urlB)
	burn(t, urlB, 200)
	add(t, b, "s-1", 3)
	marks.make(t, "B after the second dump", b, 6)

	// The first dump again, as if B had been found to be broken.
	serverC := testenv.NewPostgresServer(t)
	urlC := serverC.Database(t)
	restore(t, first, urlC)
	c := openAtOnce(t, urlC)
	assert.Equal(t, epochs(t, c), 2, "epochs of the first dump, restored again")
	add(t, c, "s-0", 2)
	add(t, c, "s-1", 1)
	marks.check(t, "C, from the first dump", c)
	marks.make(t, "C", c, 2)

	// Two restores in a row.
	urlD := serverC.Database(t)
	restore(t, second, urlD)
	d := openAtOnce(t, urlD)
	assert.Equal(t, epochs(t, d), 3, "epochs after two restores in a row")
	add(t, d, "s-0", 1)
	add(t, d, "s-1", 2)
	marks.check(t, "D, from B's dump", d)

	// And back home, where transaction ids are higher than in between.
	urlE := testenv.Postgres(t)
	restore(t, dump(t, urlD), urlE)
	e := openAtOnce(t, urlE)
	assert.Equal(t, epochs(t, e), 4, "epochs after the way back")
	marks.make(t, "D", d, 7)
	add(t, e, "s-0", 1)
	marks.check(t, "E, back on the first server", e)
}

// Transaction ids of another database of the same server mean the same.
func TestRestoreOnTheSameServer(t *testing.T) {
	t.Parallel()
	var marks bookmarks
	url := testenv.Postgres(t)
	a := openDatabase(t, url, postgres.EventStoreConfig{})
	add(t, a, "s-0", 5)
	marks.make(t, "before the dump", a, 2)
	dumped := dump(t, url)
	add(t, a, "s-0", 2)
	marks.make(t, "after the dump", a, 2)
	to := testenv.Postgres(t)
	restore(t, dumped, to)
	b := openAtOnce(t, to)
	assert.Equal(t, epochs(t, b), 1)
	add(t, b, "s-0", 3)
	marks.check(t, "restored", b)
}

// The checkpoint of another store is refused, not misunderstood.
func TestCheckpointOfAnotherStore(t *testing.T) {
	t.Parallel()
	one, other := newDatabase(t), newDatabase(t)
	add(t, one, "a-1", 3)
	add(t, other, "a-1", 3)
	_, middle, _ := page(t, one, "", 1)
	_, end := rest(t, one, "", 10)
	for _, text := range []string{middle, end} {
		checkpoint, err := eventstore.ParseCheckpoint(text)
		assert.NoError(t, err)
		_, err = other.ReadAll(t.Context(), eventstore.AllRange{After: checkpoint, AllTenants: true, Max: 10})
		assert.ErrorIs(t, err, eventstore.ErrCheckpoint, "%s", text)
		_, err = other.Count(t.Context(), eventstore.AllRange{After: checkpoint, AllTenants: true})
		assert.ErrorIs(t, err, eventstore.ErrCheckpoint, "%s", text)
	}
}
