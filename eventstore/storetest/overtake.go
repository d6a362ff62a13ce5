package storetest

import (
	"context"
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

func committedLate(ctx context.Context, t *trial) {
	promise := "an event is delivered once its transaction has committed, to readers too that have read later ones"
	reader := &follower{trial: t, name: "R"}
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
	fromStart, between := &follower{trial: t, name: "from the start"}, &follower{trial: t, name: "between"}
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
	reader := &follower{trial: t, name: "R"}
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
	reader := &follower{trial: t, name: "R"}
	reader.expect(ctx, "an empty store delivers nothing", t.given(ctx, "before-1", 1)...)
	release := t.foreign()
	promise := "events are delivered at once while a transaction is open in another database"
	reader.expect(ctx, promise, t.given(ctx, "during-1", 2)...)
	reader.expect(ctx, promise, t.given(ctx, "during-1", 1)...)
	release()
	t.diary.add("that transaction ends")
	reader.expect(ctx, "an event is delivered once")
	reader.expect(ctx, "events are delivered after it too", t.given(ctx, "after-1", 1)...)
}
