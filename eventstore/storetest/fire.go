package storetest

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
)

// fire is writers of all kinds and readers of all kinds at the same time.
type fire struct {
	*trial
	began time.Time

	mu        sync.Mutex
	committed map[uuid.UUID]commit
	undone    map[uuid.UUID]string // what was rolled back, and by whom
}

// commit is an event that was committed, by whom and when.
type commit struct {
	by         string
	event      eventstore.Event
	stream     string
	version    int64
	start, end time.Duration // of the append, or of the commit of its transaction
}

func (c commit) String() string {
	return fmt.Sprintf("%s (version %d of %q), committed by %s between %v and %v",
		tellID(c.event.ID), c.version, c.stream, c.by, c.start.Round(time.Microsecond), c.end.Round(time.Microsecond))
}

// hot returns the name of a stream to which all append.
func hot(i int) string { return fmt.Sprintf("hot-%d", i%4) }

// writer is one of those who append; it runs its turn a number of times.
type writer struct {
	name  string
	turns int
	turn  func(ctx context.Context, f *fire, w *writer) error
	rand  *rand.Rand
}

func (f *fire) writers() []*writer {
	plain, slow := f.rounds(100), f.rounds(15)
	all := []*writer{
		{name: "a writer of single appends", turns: plain, turn: singleAppend},
		{name: "another writer of single appends", turns: plain, turn: singleAppend},
		{name: "a writer to several streams", turns: plain / 2, turn: manyAppend},
	}
	if f.harness.Begin != nil {
		all = append(all,
			&writer{name: "a holder of transactions", turns: slow, turn: heldAppend},
			&writer{name: "another holder of transactions", turns: slow, turn: heldAppend},
			&writer{name: "a writer who begins early and appends late", turns: slow, turn: lateAppend},
			&writer{name: "a writer who rolls back", turns: slow, turn: undoneAppend},
		)
	}
	for i, w := range all {
		w.rand = f.random(uint64(200 + i))
	}
	return all
}

// pause lets others do something meanwhile.
func (w *writer) pause(most time.Duration) {
	time.Sleep(time.Duration(w.rand.Int64N(int64(most)))) // a transaction has to stay open, and writing has to last, for a while
}

func singleAppend(ctx context.Context, f *fire, w *writer) error {
	w.pause(2 * time.Millisecond)
	return f.appendNow(ctx, w, Append{{Stream: hot(w.rand.IntN(4)), Expected: eventstore.Any, Events: f.events(1 + w.rand.IntN(2))}})
}

func manyAppend(ctx context.Context, f *fire, w *writer) error {
	w.pause(4 * time.Millisecond)
	var op Append
	for _, i := range w.rand.Perm(4)[:2+w.rand.IntN(2)] {
		op = append(op, eventstore.Write{Stream: hot(i), Expected: eventstore.Any, Events: f.events(1)})
	}
	return f.appendNow(ctx, w, op)
}

func (f *fire) appendNow(ctx context.Context, w *writer, op Append) error {
	start := time.Since(f.began)
	outcome := Do(ctx, f.store, op)
	if outcome.Err != nil {
		return outcome.Err
	}
	f.note(w, op, outcome.Results, start)
	return nil
}

// heldAppend appends to a stream of its own, which nobody waits for, stays, and
// appends to a stream of all.
func heldAppend(ctx context.Context, f *fire, w *writer) error {
	return f.transaction(ctx, w, true, func(do func(stream string, n int) error) error {
		if err := do("own-"+w.name, 1+w.rand.IntN(2)); err != nil {
			return err
		}
		w.pause(15 * time.Millisecond)
		return do(hot(w.rand.IntN(4)), 1)
	})
}

func lateAppend(ctx context.Context, f *fire, w *writer) error {
	return f.transaction(ctx, w, true, func(do func(stream string, n int) error) error {
		w.pause(15 * time.Millisecond)
		return do(hot(w.rand.IntN(4)), 2)
	})
}

func undoneAppend(ctx context.Context, f *fire, w *writer) error {
	return f.transaction(ctx, w, false, func(do func(stream string, n int) error) error {
		if err := do(hot(w.rand.IntN(4)), 1); err != nil {
			return err
		}
		w.pause(15 * time.Millisecond)
		return nil
	})
}

func (f *fire) transaction(ctx context.Context, w *writer, commits bool, work func(do func(stream string, n int) error) error) error {
	tx, err := f.harness.Begin(ctx, f.driver)
	if err != nil {
		return err
	}
	var op Append
	var results []eventstore.Appended
	err = work(func(stream string, n int) error {
		write := eventstore.Write{Stream: stream, Expected: eventstore.Any, Events: f.events(n)}
		op = append(op, write)
		results = append(results, eventstore.Appended{})
		write.Events = copyEvents(write.Events)
		return tx.Append(ctx, []eventstore.Write{write}, results[len(results)-1:])
	})
	start := time.Since(f.began)
	if err == nil && commits {
		if err = tx.Commit(ctx); err == nil {
			f.note(w, op, results, start)
		}
		return err
	}
	f.mu.Lock()
	for _, write := range op {
		for _, e := range write.Events {
			f.undone[e.ID] = w.name
		}
	}
	f.mu.Unlock()
	if undo := tx.Rollback(ctx); err == nil {
		err = undo
	}
	return err
}

// note remembers what was committed.
func (f *fire) note(w *writer, op Append, results []eventstore.Appended, start time.Duration) {
	end := time.Since(f.began)
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, write := range op {
		for j, e := range write.Events {
			version := results[i].Version - int64(len(write.Events)-1-j)
			f.committed[e.ID] = commit{by: w.name, event: e, stream: write.Stream, version: version, start: start, end: end}
		}
	}
}

// write lets all writers write, and returns when they have.
func (f *fire) write(ctx context.Context) {
	f.Helper()
	writers := f.writers()
	f.atOnce(len(writers), func(i int) {
		w := writers[i]
		for range w.turns {
			if err := w.turn(ctx, f, w); err != nil {
				f.broken("appends that expect nothing succeed, whatever others do", "%s: %v", w.name, err)
				return
			}
		}
	})
	kinds := make(map[string]int)
	for _, c := range f.committed {
		kinds[c.by]++
	}
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		f.diary.add("%s committed %d events", name, kinds[name])
	}
}
