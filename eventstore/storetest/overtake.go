package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
)

func overtakeGroup() group {
	return group{"reading all beside open transactions", []testCase{
		{name: "an event that is committed late is delivered late", needs: needOvertaking, check: committedLate},
		{name: "a stream keeps its order when the older transaction appends last", needs: needOvertaking, check: olderAppendsLast},
		{name: "what is rolled back is never delivered", needs: needBegin, check: rolledBack},
		{name: "transactions that end between the pages of a reading", needs: needOvertaking, check: schedules},
		{name: "a transaction open in another database holds nobody up", needs: needForeign, check: foreignOpen},
	}}
}

// begin opens a transaction and sees to its end.
func (t *trial) begin(ctx context.Context, name string) *openTx {
	t.Helper()
	tx, err := t.harness.Begin(ctx, t.driver)
	if err != nil {
		t.fatal("a transaction can be opened", "%v", err)
	}
	t.diary.add("transaction %s begins", name)
	open := &openTx{trial: t, tx: tx, name: name}
	t.Cleanup(func() {
		if !open.ended {
			_ = tx.Rollback(context.WithoutCancel(ctx))
		}
	})
	return open
}

type openTx struct {
	*trial
	tx    Tx
	name  string
	ended bool
}

func (o *openTx) append(ctx context.Context, stream string, n int) []eventstore.Event {
	o.Helper()
	events := o.events(n)
	writes := []eventstore.Write{{Stream: stream, Expected: eventstore.Any, Events: copyEvents(events)}}
	results := make([]eventstore.Appended, 1)
	if err := o.tx.Append(ctx, writes, results); err != nil {
		o.fatal("events can be appended inside a transaction", "transaction %s, stream %q: %v", o.name, stream, err)
	}
	o.diary.add("transaction %s appends %s to %q -> %s", o.name, tellIDs(events), stream, tellResult(results[0]))
	return events
}

func (o *openTx) end(ctx context.Context, commit bool) {
	o.Helper()
	if err := o.finish(ctx, commit); err != nil {
		o.fatal("a transaction can be ended", "transaction %s: %v", o.name, err)
	}
}

// finish is end for other goroutines.
func (o *openTx) finish(ctx context.Context, commit bool) error {
	o.ended = true
	o.diary.add("transaction %s ends; it commits: %t", o.name, commit)
	if commit {
		return o.tx.Commit(ctx)
	}
	return o.tx.Rollback(ctx)
}

// follower reads on from its checkpoint, page by page.
type follower struct {
	*trial
	filter eventstore.Filter
	after  eventstore.Checkpoint
	got    []eventstore.Recorded
}

// follow reads one page of at most n events, and tells whether it was the end.
func (f *follower) follow(ctx context.Context, n int) (end bool) {
	f.Helper()
	page, err := f.driver.ReadAll(ctx, eventstore.AllRange{After: f.after, Filter: f.filter, AllTenants: true, Max: n})
	if err != nil {
		f.fatal("reading goes on from a checkpoint", "after %q: %v", f.after, err)
	}
	f.diary.add("a reader gets %s, and is at %q", tellMany(len(page.Events), " ", func(i int) string { return tellPlace(page.Events[i]) }), page.Next)
	f.got = append(f.got, page.Events...)
	f.after = f.text(page.Next)
	return page.End
}

// toEnd reads pages of at most n events to the end.
func (f *follower) toEnd(ctx context.Context, n int) {
	f.Helper()
	for range 10_000 {
		if f.follow(ctx, n) {
			return
		}
	}
	f.fatal("a reading comes to its end", "10,000 pages of at most %d events were not enough; it is at %q", n, f.after)
}

// expect reads to the end and checks what came since the last time.
func (f *follower) expect(ctx context.Context, promise string, want ...eventstore.Event) {
	f.Helper()
	f.got = nil
	f.toEnd(ctx, 100)
	if !slices.EqualFunc(f.got, want, func(r eventstore.Recorded, e eventstore.Event) bool { return r.ID == e.ID }) {
		f.broken(promise, "%s came; it should be %s", tellRecorded(f.got), tellIDs(want))
	}
}

func committedLate(ctx context.Context, t *trial) {
	promise := "an event is delivered once its transaction has committed, to readers too that have read later ones"
	reader := &follower{trial: t}
	tx := t.begin(ctx, "A")
	late := tx.append(ctx, "late-1", 2)
	early := t.given(ctx, "early-1", 1)
	reader.expect(ctx, promise, early...)
	more := t.given(ctx, "early-1", 1)
	tx.end(ctx, true)
	last := t.given(ctx, "early-1", 1)
	reader.got = nil
	reader.toEnd(ctx, 1)
	got := reader.got
	want := slices.Concat(late, more, last)
	byStream := func(stream string) (ids []uuid.UUID) {
		for _, r := range got {
			if r.Stream == stream {
				ids = append(ids, r.ID)
			}
		}
		return ids
	}
	if len(got) != len(want) || !slices.Equal(byStream("late-1"), ids(late)) || !slices.Equal(byStream("early-1"), ids(more, last)) {
		t.broken(promise, "%s came; it should be %s", tellRecorded(got), tellIDs(want))
	}
	reader.expect(ctx, "an event is delivered once")
}

func ids(events ...[]eventstore.Event) (all []uuid.UUID) {
	for _, e := range slices.Concat(events...) {
		all = append(all, e.ID)
	}
	return all
}

func olderAppendsLast(ctx context.Context, t *trial) {
	promise := "events of a stream are delivered in the order of their versions, whichever transaction is older"
	fromStart, between := &follower{trial: t}, &follower{trial: t}
	older := t.begin(ctx, "older")
	first := t.given(ctx, "order-1", 1)
	between.expect(ctx, promise, first...)
	second := older.append(ctx, "order-1", 1)
	older.end(ctx, true)
	third := t.given(ctx, "order-1", 1)
	fromStart.expect(ctx, promise, slices.Concat(first, second, third)...)
	between.expect(ctx, promise, slices.Concat(second, third)...)
	t.contents(ctx, "order-1", 1, slices.Concat(first, second, third)...)
}

func rolledBack(ctx context.Context, t *trial) {
	reader := &follower{trial: t}
	tx := t.begin(ctx, "A")
	events := tx.append(ctx, "back-1", 2)
	reader.expect(ctx, "what is not committed is not delivered")
	tx.end(ctx, false)
	reader.expect(ctx, "what was rolled back is never delivered")
	t.head(ctx, "back-1", eventstore.Head{First: 1})
	if got, err := t.append(ctx, "back-1", eventstore.NoStream, events...); err != nil || got.Duplicate || got.Version != 2 {
		t.broken("what was rolled back can be appended as if it had never been", "%s, error %v", tellResult(got), err)
	}
	reader.expect(ctx, "an event is delivered once it is committed", events...)
}

func foreignOpen(ctx context.Context, t *trial) {
	reader := &follower{trial: t}
	reader.expect(ctx, "an empty store delivers nothing", t.given(ctx, "before-1", 1)...)
	release := t.harness.Foreign(t, t.driver)
	t.diary.add("a transaction writes in another database of the server, and stays open")
	promise := "events are delivered at once while a transaction is open in another database"
	reader.expect(ctx, promise, t.given(ctx, "during-1", 2)...)
	reader.expect(ctx, promise, t.given(ctx, "during-1", 1)...)
	(&follower{trial: t, filter: eventstore.Filter{Categories: []string{"before"}}}).follow(ctx, 10)
	release()
	t.diary.add("that transaction ends")
	reader.expect(ctx, "an event is delivered once")
	reader.expect(ctx, "events are delivered after it too", t.given(ctx, "after-1", 1)...)
}

// schedules plays random schedules of transactions and readers, all in one
// goroutine, so that a seed gives the same again.
func schedules(ctx context.Context, t *trial) {
	for n := range t.rounds(10) {
		s := &schedule{
			trial: t.chapter(), random: t.random(uint64(100 + n)), name: fmt.Sprintf("s%d", n),
			open: make(map[string]*openTx), pending: make(map[string][]eventstore.Event), committed: make(map[string][]eventstore.Event),
		}
		s.diary.add("seed %d, schedule %d", t.harness.Seed, n)
		if !s.play(ctx) {
			return
		}
	}
}

type schedule struct {
	*trial
	random    *rand.Rand
	name      string
	open      map[string]*openTx            // by the stream that it appends to
	pending   map[string][]eventstore.Event // of those
	committed map[string][]eventstore.Event // by stream
	readers   []*follower
}

func (s *schedule) play(ctx context.Context) bool {
	s.Helper()
	const steps, streams, readers = 80, 4, 3
	for i := range readers {
		f := &follower{trial: s.trial, filter: eventstore.Filter{Categories: []string{s.name}}}
		s.readers = append(s.readers, f)
		if i == 1 {
			f.filter.Types = []string{"Happened"} // passes all, by another way
		}
	}
	for range steps {
		stream := fmt.Sprintf("%s-%d", s.name, s.random.IntN(streams))
		tx := s.open[stream]
		switch choice := s.random.IntN(8); {
		case choice < 3:
			s.readers[s.random.IntN(readers)].follow(ctx, 1+s.random.IntN(3))
		case tx == nil && choice < 5:
			s.committed[stream] = append(s.committed[stream], s.given(ctx, stream, 1+s.random.IntN(2))...)
		case tx == nil:
			s.open[stream] = s.begin(ctx, stream)
		case choice < 6:
			s.pending[stream] = append(s.pending[stream], tx.append(ctx, stream, 1)...)
		default:
			s.end(ctx, stream, s.random.IntN(3) > 0)
		}
	}
	for stream := range s.open {
		s.end(ctx, stream, true)
	}
	for _, reader := range s.readers {
		reader.toEnd(ctx, 2)
		if !s.judge(reader) {
			return false
		}
	}
	return true
}

func (s *schedule) end(ctx context.Context, stream string, commit bool) {
	s.Helper()
	s.open[stream].end(ctx, commit)
	if commit {
		s.committed[stream] = append(s.committed[stream], s.pending[stream]...)
	}
	delete(s.open, stream)
	delete(s.pending, stream)
}

func (s *schedule) judge(reader *follower) bool {
	s.Helper()
	got := make(map[string][]uuid.UUID)
	for _, r := range reader.got {
		got[r.Stream] = append(got[r.Stream], r.ID)
	}
	for stream, events := range s.committed {
		if !slices.Equal(got[stream], ids(events)) {
			s.broken("a reader gets every committed event once, those of a stream in order, and none that was rolled back",
				"of %q a reader got %s; it should be %s",
				stream, tellMany(len(got[stream]), " ", func(i int) string { return tellID(got[stream][i]) }), tellIDs(events))
			return false
		}
		delete(got, stream)
	}
	for stream := range got {
		s.broken("what is rolled back is never delivered", "a reader got %v of %q", got[stream], stream)
		return false
	}
	return true
}
