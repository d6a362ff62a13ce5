package postgres_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

// A transaction that has its id before others, and appends after them, writes
// late events: their order is not that of its id. Readers who were anywhere in
// between get each event once, whatever the size of their pages.
func TestLateEvents(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := newDatabase(t)
	var marks bookmarks
	mark := func(name string) {
		t.Helper()
		for _, n := range []int{1, 2, 3, 100} {
			marks.make(t, name, db, n)
		}
		marks.check(t, name, db)
	}
	add(t, db, "s-1", 1)
	mark("before")
	first, second := begin(t, db), begin(t, db)
	add(t, db, "s-1", 2)
	add(t, db, "s-2", 1)
	mark("after the ids were given out")
	add(t, first, "s-1", 2)
	add(t, first, "own-1", 1)
	add(t, second, "s-2", 2)
	mark("after the late appends")
	assert.NoError(t, second.Commit(ctx))
	mark("between the commits")
	add(t, db, "s-2", 1)
	assert.NoError(t, first.Commit(ctx))
	mark("after the commits")
	add(t, db, "s-1", 2)
	add(t, db, "own-1", 2)
	mark("at the end")

	var late int
	assert.NoError(t, db.pool.QueryRow(ctx, "SELECT count(*) FROM parlance.events WHERE ord <> xid").Scan(&late))
	assert.Equal(t, late, 4, "late events")
	count := func(m bookmark) int64 {
		checkpoint, err := eventstore.ParseCheckpoint(m.checkpoint)
		assert.NoError(t, err)
		n, err := db.Count(ctx, everythingAfter(checkpoint))
		assert.NoError(t, err)
		return n
	}
	all, _ := rest(t, db, "", 100)
	for _, m := range marks.all {
		assert.Equal(t, count(m), int64(len(all)-len(m.seen)), "count after %s (%s)", m.name, m.checkpoint)
	}
}

func everythingAfter(checkpoint eventstore.Checkpoint) eventstore.AllRange {
	return eventstore.AllRange{After: checkpoint, AllTenants: true}
}

// play is a random schedule of transactions and readers, in one goroutine, so
// that its seed gives it again.
type play struct {
	*testing.T
	random    *rand.Rand
	db        *database
	streams   []string
	open      []*openTx
	holds     map[string]*openTx      // who has appended to a stream
	pending   map[*openTx][]uuid.UUID // what commits with it
	committed map[uuid.UUID]bool      // of this play
	readers   []*bookmark             // where readers are
	versions  []map[string]int64      // what each had last of a stream
}

func TestRandomSchedules(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for seed := range uint64(300) {
		now, err := db.ReadAll(t.Context(), everything(0))
		assert.NoError(t, err)
		p := &play{
			T: t, random: rand.New(rand.NewPCG(seed, 7)), db: db, holds: map[string]*openTx{},
			pending: map[*openTx][]uuid.UUID{}, committed: map[uuid.UUID]bool{},
		}
		for i := range 3 {
			p.streams = append(p.streams, fmt.Sprintf("play%d-%d", seed, i))
			p.readers = append(p.readers, &bookmark{fmt.Sprintf("seed %d, reader %d", seed, i), now.Next.String(), map[uuid.UUID]bool{}})
			p.versions = append(p.versions, map[string]int64{})
		}
		for range 25 {
			p.step()
		}
		for len(p.open) > 0 {
			p.end(0)
		}
		for i := range p.readers {
			for !p.read(i) {
			}
		}
	}
}

func (p *play) step() {
	p.Helper()
	switch choice := p.random.IntN(10); {
	case choice < 2 && len(p.open) < 4:
		p.open = append(p.open, begin(p.T, p.db))
	case choice < 4 && len(p.open) > 0:
		p.end(p.random.IntN(len(p.open)))
	case choice < 7:
		stream := p.streams[p.random.IntN(len(p.streams))]
		holder := p.holds[stream]
		if holder == nil && len(p.open) > 0 && p.random.IntN(3) > 0 {
			holder = p.open[p.random.IntN(len(p.open))]
			p.holds[stream] = holder
		}
		n := 1 + p.random.IntN(2)
		if holder == nil {
			for _, e := range add(p.T, p.db, stream, n) {
				p.committed[e.ID] = true
			}
			return
		}
		for _, e := range add(p.T, holder, stream, n) {
			p.pending[holder] = append(p.pending[holder], e.ID)
		}
	default:
		p.read(p.random.IntN(len(p.readers)))
	}
}

// end commits a transaction, or rolls it back.
func (p *play) end(i int) {
	p.Helper()
	tx := p.open[i]
	p.open = slices.Delete(p.open, i, i+1)
	maps.DeleteFunc(p.holds, func(_ string, holder *openTx) bool { return holder == tx })
	if p.random.IntN(3) == 0 {
		assert.NoError(p, tx.Rollback(p.Context()))
		return
	}
	assert.NoError(p, tx.Commit(p.Context()))
	for _, id := range p.pending[tx] {
		p.committed[id] = true
	}
}

// read has a reader read a page, and checks what it has had by then.
func (p *play) read(i int) (end bool) {
	p.Helper()
	reader, versions := p.readers[i], p.versions[i]
	got, next, end := page(p, p.db, reader.checkpoint, 1+p.random.IntN(3))
	for _, e := range got {
		assert.True(p, p.committed[e.ID], "%s at %s: %s/%d is not committed", reader.name, reader.checkpoint, e.Stream, e.Version)
		assert.False(p, reader.seen[e.ID], "%s at %s: %s/%d came twice", reader.name, reader.checkpoint, e.Stream, e.Version)
		assert.Equal(p, e.Version, versions[e.Stream]+1, "%s at %s: the version of %s", reader.name, reader.checkpoint, e.Stream)
		reader.seen[e.ID], versions[e.Stream] = true, e.Version
	}
	reader.checkpoint = next
	if end {
		assert.Equal(p, len(reader.seen), len(p.committed), "%s at the end %s: events of those committed", reader.name, next)
	}
	return end
}
