package storetest

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
)

func reopenGroup() group {
	return group{"a second driver over the same data", []testCase{
		{name: "sees everything", needs: needReopen, check: reopenSees},
		{name: "shares the rules", needs: needReopen, check: reopenRules},
		{name: "wakes the first", needs: needReopen, check: reopenWakes},
		{name: "writes beside the first", needs: needReopen, check: reopenWrites},
	}}
}

func (t *trial) reopen() *trial {
	t.Helper()
	driver := t.harness.Reopen(t, t.driver)
	if driver == nil || driver == t.driver {
		t.Fatal("storetest: Harness.Reopen returned no second driver")
	}
	return t.through(driver)
}

func reopenSees(ctx context.Context, t *trial) {
	model := NewModel()
	random := t.random(8)
	for range 80 {
		op := model.Next(random.IntN)
		if err := model.Step(op, t.do(ctx, op)); err != nil {
			t.fatal(asModel, "%v", err)
		}
	}
	all := t.all(ctx, eventstore.Checkpoint{}, eventstore.Filter{})
	second := t.reopen()
	t.diary.add("the data is opened a second time")
	if err := model.Verify(ctx, second.store); err != nil {
		t.broken("a second driver sees all that was done through the first", "%v", err)
	}
	if len(all) > 1 {
		middle := all[len(all)/2]
		if rest := second.all(ctx, t.text(middle.Checkpoint), eventstore.Filter{}); !sameEvents(rest, all[len(all)/2+1:]) {
			t.broken("a checkpoint of one driver is good for another over the same data", "after %s came %s", tellPlace(middle), tellRecorded(rest))
		}
	}
	for range 40 {
		op := model.Next(random.IntN)
		through := []*trial{t, second}[random.IntN(2)]
		if err := model.Step(op, through.do(ctx, op)); err != nil {
			t.fatal("drivers over the same data act as one", "%v", err)
		}
	}
	if err := model.Verify(ctx, t.store); err != nil {
		t.broken("drivers over the same data act as one", "%v", err)
	}
}

func reopenRules(ctx context.Context, t *trial) {
	events := t.events(3)
	first := t.must(ctx, Append{{Stream: "rules-1", Expected: eventstore.NoStream, Events: events}}).Results[0]
	t.given(ctx, "rules-2", 2)
	t.delete(ctx, "rules-2")
	t.must(ctx, Erase{Stream: "rules-3", Expected: eventstore.Any, Kind: eventstore.Tombstone})
	second := t.reopen()
	t.diary.add("the data is opened a second time")
	second.again(ctx, "rules-1", first, events...)
	_, err := second.append(ctx, "rules-1", eventstore.Exact(2), t.events(1)...)
	t.wants("a second driver knows the versions", err, eventstore.ErrConflict)
	second.head(ctx, "rules-2", eventstore.Head{Version: 2, First: 3, Deleted: true})
	_, err = second.append(ctx, "rules-3", eventstore.Any, t.events(1)...)
	t.wants("a second driver knows the tombstones", err, eventstore.ErrTombstoned)
}

func reopenWakes(ctx context.Context, t *trial) {
	second := t.reopen()
	after := t.end(ctx)
	t.atOnce(2, func(i int) {
		if i == 0 {
			if _, err := second.append(ctx, "wake-1", eventstore.Any, t.events(1)...); err != nil {
				t.broken("events can be appended", "%v", err)
			}
		} else if err := t.until(ctx, after); err != nil {
			t.broken(wakes+", by another process too", "%v", err)
		}
	})
}

func reopenWrites(ctx context.Context, t *trial) {
	second := t.reopen()
	appends := t.rounds(25)
	events := make([][]eventstore.Event, 4)
	t.atOnce(len(events), func(i int) {
		through := []*trial{t, second}[i%2]
		for range appends {
			e := t.events(1)
			if _, err := through.append(ctx, "both-1", eventstore.Any, e...); err != nil {
				t.broken("appends that expect nothing succeed through both drivers", "%v", err)
				return
			}
			events[i] = append(events[i], e...)
		}
	})
	got := t.read(ctx, "both-1")
	var stored []uuid.UUID
	for i, r := range got {
		if stored = append(stored, r.ID); r.Version != int64(i)+1 {
			t.broken("versions follow each other without a gap", "event %d is %s", i, tellPlace(r))
		}
	}
	want := ids(events...)
	less := func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) }
	slices.SortFunc(want, less)
	slices.SortFunc(stored, less)
	if !slices.Equal(stored, want) {
		t.broken("what is appended through both drivers is stored once, and nothing else", "%d events were appended, and %d are there", len(want), len(got))
	}
}
