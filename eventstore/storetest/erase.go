package storetest

import (
	"context"
	"fmt"

	"github.com/parlance-go/parlance/eventstore"
)

func eraseGroup() group {
	return group{"erasing", []testCase{
		{name: "truncation goes one way", check: eraseTruncate},
		{name: "what cannot be truncated", check: eraseInvalid},
		{name: "a deleted stream goes on from its head", check: eraseReopen},
		{name: "a tombstone is for ever", check: eraseTombstone},
		{name: "of large streams", check: eraseLarge},
		{name: "one tenant's stream leaves the others", check: eraseTenant},
		{name: "races with appends", check: eraseRaces},
	}}
}

func (t *trial) truncate(ctx context.Context, stream string, before int64) error {
	return t.do(ctx, Erase{Stream: stream, Kind: eventstore.Truncate, Before: before}).Err
}

func (t *trial) delete(ctx context.Context, stream string) {
	t.Helper()
	t.must(ctx, Erase{Stream: stream, Expected: eventstore.Any, Kind: eventstore.Delete})
}

func eraseTruncate(ctx context.Context, t *trial) {
	const stream = "truncate-1"
	events := t.given(ctx, stream, 6)
	for _, row := range []struct{ before, first int64 }{{1, 1}, {3, 3}, {2, 3}, {1, 3}, {3, 3}, {5, 5}, {7, 7}, {4, 7}} {
		if err := t.truncate(ctx, stream, row.before); err != nil {
			t.broken("a stream can be truncated before each of its versions and the next, also where it was before", "before %d: %v", row.before, err)
		}
		t.head(ctx, stream, eventstore.Head{Version: 6, First: row.first})
		t.contents(ctx, stream, row.first, events[row.first-1:]...)
	}
	more := t.given(ctx, stream, 2)
	t.contents(ctx, stream, 7, more...)
	t.head(ctx, stream, eventstore.Head{Version: 8, First: 7})
	if _, err := t.append(ctx, stream, eventstore.Exact(8), t.events(1)...); err != nil {
		t.broken("a truncated stream keeps its head", "%v", err)
	}
}

func eraseInvalid(ctx context.Context, t *trial) {
	const stream = "invalid-1"
	events := t.given(ctx, stream, 3)
	for _, before := range []int64{-9, 0, 5, 1 << 62} {
		t.wants(fmt.Sprintf("a stream of 3 events cannot be truncated before version %d", before),
			t.truncate(ctx, stream, before), eventstore.ErrInvalid)
	}
	t.wants("an absent stream cannot be truncated", t.truncate(ctx, "absent-1", 1), eventstore.ErrNoStream)
	t.wants("an absent stream cannot be deleted",
		t.do(ctx, Erase{Stream: "absent-1", Expected: eventstore.Any, Kind: eventstore.Delete}).Err, eventstore.ErrNoStream)
	t.head(ctx, "absent-1", eventstore.Head{First: 1})
	t.contents(ctx, stream, 1, events...)
}

func eraseReopen(ctx context.Context, t *trial) {
	const stream = "reopen-1"
	head := int64(0)
	for range 3 {
		t.given(ctx, stream, 2)
		head += 2
		t.delete(ctx, stream)
		t.delete(ctx, stream) // once more changes nothing
		t.head(ctx, stream, eventstore.Head{Version: head, First: head + 1, Deleted: true})
		t.contents(ctx, stream, 1)
		if err := t.truncate(ctx, stream, 1); err != nil {
			t.broken("a deleted stream can be truncated, which changes nothing", "%v", err)
		}
		t.head(ctx, stream, eventstore.Head{Version: head, First: head + 1, Deleted: true})
	}
	fresh := t.events(2)
	if got, err := t.append(ctx, stream, eventstore.NoStream, fresh...); err != nil || got.Version != head+2 {
		t.broken("a deleted stream is reopened with the version that follows its last", "%s, error %v", tellResult(got), err)
	}
	t.contents(ctx, stream, head+1, fresh...)
	t.head(ctx, stream, eventstore.Head{Version: head + 2, First: head + 1})
}

func eraseTombstone(ctx context.Context, t *trial) {
	for _, row := range []struct {
		stream string
		events int
	}{{"stone-1", 3}, {"stone-2", 0}} {
		if row.events > 0 {
			t.given(ctx, row.stream, row.events)
		}
		for range 2 { // once more changes nothing
			t.must(ctx, Erase{Stream: row.stream, Expected: eventstore.Any, Kind: eventstore.Tombstone})
			t.head(ctx, row.stream, eventstore.Head{Version: int64(row.events), First: int64(row.events) + 1, Tombstoned: true})
		}
		promise := "a tombstoned stream is closed for ever"
		_, err := t.append(ctx, row.stream, eventstore.Any, t.events(1)...)
		t.wants(promise, err, eventstore.ErrTombstoned)
		t.wants(promise, t.truncate(ctx, row.stream, 1), eventstore.ErrTombstoned)
		t.wants(promise, t.do(ctx, Erase{Stream: row.stream, Expected: eventstore.Any, Kind: eventstore.Delete}).Err, eventstore.ErrTombstoned)
		_, err = collect(t.store.ReadBackwards(ctx, row.stream, eventstore.End))
		t.wants(promise, err, eventstore.ErrTombstoned)
	}
}

func eraseLarge(ctx context.Context, t *trial) {
	const stream = "large-1"
	events := t.given(ctx, stream, 3000)
	t.diary.add("with %d events", len(events))
	if err := t.truncate(ctx, stream, 2900); err != nil {
		t.broken("a large stream can be truncated", "%v", err)
	}
	t.contents(ctx, stream, 2900, events[2899:]...)
	t.delete(ctx, stream)
	t.contents(ctx, stream, 1)
	if left := t.all(ctx, eventstore.Checkpoint{}, eventstore.Filter{}); len(left) > 0 {
		t.broken("erased events are not delivered", "%d were", len(left))
	}
	again, err := t.append(ctx, stream, eventstore.Any, events...)
	if err != nil || !again.Duplicate || again.Version != 3000 {
		t.broken(sameAgain+", also after a deletion", "%s, error %v", tellResult(again), err)
	}
}

func eraseTenant(ctx context.Context, t *trial) {
	const stream = "tenant-1"
	tenants := []string{"", "acme", "other"}
	events := make(map[string][]eventstore.Event)
	for _, name := range tenants {
		events[name] = t.tenant(name).given(ctx, stream, 3)
	}
	t.tenant("acme").delete(ctx, stream)
	t.tenant("acme").contents(ctx, stream, 1)
	t.must(ctx, Erase{Stream: stream, Expected: eventstore.Any, Kind: eventstore.Tombstone})
	t.tenant("other").contents(ctx, stream, 1, events["other"]...)
	t.tenant("acme").head(ctx, stream, eventstore.Head{Version: 3, First: 4, Deleted: true})
}

// eraseRaces lets appends and erasures of one stream race. Some order of them
// must explain what each came to and what is left.
func eraseRaces(ctx context.Context, t *trial) {
	random := t.random(7)
	for round := range t.rounds(40) {
		t := t.tenant(fmt.Sprintf("race %d", round)).chapter()
		const stream = "race-1"
		model := NewModel()
		given := Append{{Stream: stream, Expected: eventstore.NoStream, Events: t.events(3)}}
		if err := model.Step(given, t.do(ctx, given)); err != nil {
			t.fatal("events can be appended", "%v", err)
		}
		ops := []Op{
			Append{{Stream: stream, Expected: eventstore.Exact(3), Events: t.events(2)}},
			Append{{Stream: stream, Expected: eventstore.NoStream, Events: t.events(1)}},
			Append{{Stream: stream, Expected: eventstore.StreamExists, Events: t.events(1)}},
			Append{{Stream: "other-1", Expected: eventstore.Any, Events: t.events(1)}, {Stream: stream, Expected: eventstore.StreamExists}},
			given,
			Erase{Stream: stream, Expected: eventstore.Exact(3), Kind: eventstore.Delete},
			Erase{Stream: stream, Expected: eventstore.StreamExists, Kind: eventstore.Delete},
			Erase{Stream: stream, Kind: eventstore.Truncate, Before: 4},
			Erase{Stream: stream, Kind: eventstore.Truncate, Before: 5},
			Erase{Stream: stream, Expected: eventstore.Exact(3), Kind: eventstore.Tombstone},
			Read{Stream: stream, From: 1, Max: 10},
		}
		random.Shuffle(len(ops), func(i, j int) { ops[i], ops[j] = ops[j], ops[i] })
		ops = ops[:4]
		outcomes := make([]Outcome, len(ops))
		t.atOnce(len(ops), func(i int) { outcomes[i] = Do(ctx, t.store, ops[i]) })
		if after, why := explain(ctx, t.store, model, ops, outcomes); after == nil {
			t.broken("appends and erasures at the same time come to what they would come to one after another, in some order",
				"in no order of these:%s", why)
			return
		}
	}
}
