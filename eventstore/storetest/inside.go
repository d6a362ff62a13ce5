package storetest

import (
	"context"
	"time"

	"github.com/parlance-go/parlance/eventstore"
)

func insideGroup() group {
	return group{"appending inside a transaction", []testCase{
		{name: "follows the same rules", needs: needBegin, check: insideRules},
		{name: "is seen by nobody before the commit", needs: needOvertaking, check: insideUnseen},
		{name: "same IDs outside wait for its end", needs: needBegin, check: insideSameIDs},
	}}
}

func insideRules(ctx context.Context, t *trial) {
	before := t.given(ctx, "inside-1", 2)
	tx := t.begin(ctx, "A")
	events := t.events(4)
	for _, row := range []struct {
		promise string
		op      Append
		want    eventstore.Appended
	}{
		{
			"a transaction sees what was there",
			Append{{Stream: "inside-1", Expected: eventstore.Exact(2), Events: events[:2]}},
			eventstore.Appended{Version: 4},
		}, {
			"a transaction sees what it has appended",
			Append{{Stream: "inside-1", Expected: eventstore.Exact(4), Events: events[2:3]}},
			eventstore.Appended{Version: 5},
		}, {
			sameAgain + ", also in the same transaction",
			Append{{Stream: "inside-1", Expected: eventstore.NoStream, Events: events[:2]}},
			eventstore.Appended{Version: 4, Duplicate: true},
		}, {
			sameAgain + ", also in a transaction after it",
			Append{{Stream: "inside-1", Expected: eventstore.NoStream, Events: before}},
			eventstore.Appended{Version: 2, Duplicate: true},
		}, {
			"a transaction appends to several streams at once",
			Append{{Stream: "inside-2", Expected: eventstore.NoStream, Events: events[3:]}, {Stream: "inside-1", Expected: eventstore.StreamExists}},
			eventstore.Appended{Version: 1},
		},
	} {
		outcome := tx.do(ctx, row.op)
		if outcome.Err != nil {
			t.fatal(row.promise, "%v", outcome.Err)
		}
		got := outcome.Results[0]
		if got.Version != row.want.Version || got.Duplicate != row.want.Duplicate {
			t.broken(row.promise, "it was %s, not %s", tellResult(got), tellResult(row.want))
		}
	}
	tx.end(ctx, true)
	t.contents(ctx, "inside-1", 1, append(before, events[:3]...)...)
	t.contents(ctx, "inside-2", 1, events[3])
	t.again(ctx, "inside-2", t.must(ctx, Append{{Stream: "inside-2", Expected: eventstore.Any, Events: events[3:]}}).Results[0], events[3])

	for _, expected := range []eventstore.Expected{eventstore.NoStream, eventstore.Exact(4), eventstore.Exact(6)} {
		tx := t.begin(ctx, "B")
		outcome := tx.do(ctx, Append{{Stream: "inside-1", Expected: expected, Events: t.events(1)}})
		t.wants("a transaction refuses what the stream does not fit", outcome.Err, eventstore.ErrConflict)
		tx.end(ctx, false)
	}
	t.head(ctx, "inside-1", eventstore.Head{Version: 5, First: 1})
}

func insideUnseen(ctx context.Context, t *trial) {
	tx := t.begin(ctx, "A")
	events := tx.append(ctx, "unseen-1", 2)
	t.head(ctx, "unseen-1", eventstore.Head{First: 1})
	t.contents(ctx, "unseen-1", 1)
	t.counts(ctx, eventstore.Checkpoint{}, eventstore.Filter{}, 0)
	now, err := t.store.Now(ctx)
	if err != nil {
		t.fatal("the checkpoint of now can be had", "%v", err)
	}
	tx.end(ctx, true)
	t.contents(ctx, "unseen-1", 1, events...)
	reader := &follower{trial: t, name: "R", after: now}
	reader.expect(ctx, "the checkpoint of now does not cover what is not committed then", events...)
}

// insideSameIDs appends events whose IDs an open transaction has appended.
func insideSameIDs(ctx context.Context, t *trial) {
	for _, row := range []struct {
		stream string
		commit bool
	}{{"same-1", true}, {"same-2", false}} {
		t := t.chapter()
		tx := t.begin(ctx, "A")
		events := tx.append(ctx, row.stream, 2)
		t.atOnce(2, func(i int) {
			if i == 0 {
				time.Sleep(20 * time.Millisecond) // so that the other is waiting
				if err := tx.finish(ctx, row.commit); err != nil {
					t.broken("a transaction can be ended", "%v", err)
				}
				return
			}
			got, err := t.append(ctx, row.stream, eventstore.Any, events...)
			if err != nil || got.Version != 2 || got.Duplicate != row.commit {
				t.broken("the IDs of a transaction are used if it commits, and free if it rolls back",
					"when it had ended, commit %t: %s, error %v", row.commit, tellResult(got), err)
			}
		})
		t.contents(ctx, row.stream, 1, events...)
	}
}
