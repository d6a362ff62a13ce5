package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
)

func idempotencyGroup() group {
	g := group{"idempotency", []testCase{
		{name: "same IDs again return the first result", check: sameIDsAgain},
		{name: "same IDs again after later appends and erasures", check: sameIDsLater},
		{name: "same IDs again to several streams", check: sameIDsManyStreams},
		{name: "partial overlaps are refused", check: partialOverlaps},
		{name: "IDs are used in one stream of one tenant only", check: sameIDsElsewhere},
		{name: "same IDs from 32 goroutines at once", check: sameIDsAtOnce},
		{name: "same IDs to several streams from many goroutines at once", check: sameIDsManyStreamsAtOnce},
	}}
	for i, c := range g.cases {
		g.cases[i].check = func(ctx context.Context, t *trial) {
			for _, order := range []idOrder{ascending, descending, scattered} {
				ordered := t.tenant(order.String()).chapter()
				ordered.order = order
				c.check(ctx, ordered)
			}
		}
	}
	return g
}

// modes are all kinds of expectation.
func modes(head int64) []eventstore.Expected {
	return []eventstore.Expected{
		eventstore.Any, eventstore.NoStream, eventstore.StreamExists,
		eventstore.Exact(head), eventstore.Exact(max(head-1, 0)), eventstore.Exact(head + 7),
	}
}

const sameAgain = "the same event IDs again return the first result as a duplicate, whatever is expected, and change nothing"

// again repeats an append in every mode, and checks that nothing comes of it.
func (t *trial) again(ctx context.Context, stream string, first eventstore.Appended, events ...eventstore.Event) {
	t.Helper()
	before, err := t.store.Head(ctx, stream)
	if err != nil {
		t.fatal("the head can be read", "%v", err)
	}
	want := first
	want.Duplicate = true
	for _, expected := range modes(before.Version) {
		got, err := t.append(ctx, stream, expected, events...)
		if err != nil {
			t.broken(sameAgain, "%v", err)
		} else if got != want {
			t.broken(sameAgain, "the first result was %s, this one is %s", tellResult(first), tellResult(got))
		}
	}
	t.head(ctx, stream, before)
}

func sameIDsAgain(ctx context.Context, t *trial) {
	for i, expected := range []eventstore.Expected{eventstore.Any, eventstore.NoStream, eventstore.StreamExists, eventstore.Exact(2)} {
		t := t.chapter()
		stream := fmt.Sprintf("again-%d", i)
		var before []eventstore.Event
		if expected != eventstore.NoStream {
			before = t.given(ctx, stream, 2)
		}
		events := t.events(3)
		first := t.must(ctx, Append{{Stream: stream, Expected: expected, Events: events}}).Results[0]
		t.again(ctx, stream, first, events...)
		t.contents(ctx, stream, 1, append(before, events...)...)
	}
}

func sameIDsLater(ctx context.Context, t *trial) {
	const stream = "later-1"
	events := t.events(4)
	first := t.must(ctx, Append{{Stream: stream, Expected: eventstore.NoStream, Events: events}}).Results[0]
	t.given(ctx, stream, 2)
	t.again(ctx, stream, first, events...)
	// A part of an earlier append, in its order, is a duplicate as well.
	part, err := t.append(ctx, stream, eventstore.NoStream, events[1:3]...)
	if err != nil || part.Version != 3 || !part.Duplicate {
		t.broken(sameAgain+"; so do consecutive ones of them, with the version of their last",
			"%s, error %v", tellResult(part), err)
	}

	for _, erasure := range []eventstore.Erasure{
		{Kind: eventstore.Truncate, Before: 3},
		{Kind: eventstore.Truncate, Before: 7},
		{Kind: eventstore.Delete},
	} {
		erasure.Stream, erasure.Expected = stream, eventstore.Any
		t.must(ctx, Erase(erasure))
		t.again(ctx, stream, first, events...)
	}
	if got := t.read(ctx, stream); len(got) > 0 {
		t.broken("erased events stay erased when their IDs are appended again", "these are back: %s", tellRecorded(got))
	}
	after := t.given(ctx, stream, 2)
	t.again(ctx, stream, first, events...)
	t.contents(ctx, stream, 7, after...)

	t.must(ctx, Erase{Stream: stream, Expected: eventstore.Any, Kind: eventstore.Tombstone})
	for _, expected := range modes(8) {
		_, err := t.append(ctx, stream, expected, events...)
		t.wants("a tombstoned stream refuses all events, also those it has had", err, eventstore.ErrTombstoned)
	}
}

func sameIDsManyStreams(ctx context.Context, t *trial) {
	t.given(ctx, "many-0", 1)
	op := Append{
		{Stream: "many-1", Expected: eventstore.NoStream, Events: t.events(2)},
		{Stream: "many-0", Expected: eventstore.Exact(1)},
		{Stream: "many-2", Expected: eventstore.Any, Events: t.events(3)},
	}
	first := t.must(ctx, op).Results
	t.given(ctx, "many-0", 1)
	t.given(ctx, "many-2", 1)
	for _, order := range [][]int{{0, 1, 2}, {2, 0, 1}} {
		again := Append{op[order[0]], op[order[1]], op[order[2]]}
		outcome := t.do(ctx, again)
		if outcome.Err != nil {
			t.broken(sameAgain, "%v", outcome.Err)
			continue
		}
		for i, w := range order {
			want := first[w]
			want.Duplicate = true
			if len(op[w].Events) == 0 {
				want.Version = 2 // only checked: the version it has now
			}
			if outcome.Results[i] != want {
				t.broken(sameAgain, "for %q it was %s, not %s", op[w].Stream, tellResult(outcome.Results[i]), tellResult(want))
			}
		}
	}
	t.must(ctx, Erase{Stream: "many-0", Expected: eventstore.Any, Kind: eventstore.Tombstone})
	if err := t.do(ctx, op).Err; err != nil {
		t.broken(sameAgain+", also when a stream that was only checked has been tombstoned since", "%v", err)
	}
	single, err := t.append(ctx, "many-2", eventstore.NoStream, op[2].Events...)
	if err != nil || single.Version != 3 || !single.Duplicate {
		t.broken(sameAgain+", also when one stream of several is repeated alone", "%s, error %v", tellResult(single), err)
	}
	t.contents(ctx, "many-1", 1, op[0].Events...)

	fresh := Append{op[0], {Stream: "many-3", Expected: eventstore.Any, Events: t.events(1)}}
	t.wants("an append is refused if one of its streams holds its events already and another does not",
		t.do(ctx, fresh).Err, eventstore.ErrPartialOverlap)
	t.head(ctx, "many-3", eventstore.Head{First: 1})
}

func partialOverlaps(ctx context.Context, t *trial) {
	const stream = "overlap-1"
	old := t.given(ctx, stream, 4)
	for _, row := range []struct {
		name   string
		events []eventstore.Event
	}{
		{"its first events are there", slices.Concat(old[2:4], t.events(1))},
		{"its last events are there", slices.Concat(t.events(1), old[0:2])},
		{"its middle events are there", slices.Concat(t.events(1), old[1:2], t.events(1))},
		{"all and more are there", slices.Concat(old, t.events(2))},
		{"they are there in another order", []eventstore.Event{old[1], old[0]}},
		{"they are there with others between", []eventstore.Event{old[0], old[2]}},
		{"its first and last events are there", slices.Concat(old[0:1], t.events(1), old[2:3])},
	} {
		for _, expected := range modes(4) {
			t := t.chapter()
			t.diary.add("given %q with %s", stream, tellIDs(old))
			promise := "an append is refused with a PartialOverlapError when " + row.name
			_, err := t.append(ctx, stream, expected, row.events...)
			if !t.wants(promise, err, eventstore.ErrPartialOverlap) {
				continue
			}
			overlap, ok := errors.AsType[*eventstore.PartialOverlapError](err)
			var present []uuid.UUID
			for _, e := range row.events {
				if slices.ContainsFunc(old, func(o eventstore.Event) bool { return o.ID == e.ID }) {
					present = append(present, e.ID)
				}
			}
			if !ok || overlap.Stream != stream || !slices.Equal(overlap.Present, present) {
				t.broken(promise+", which names the stream and the IDs that are there", "it was %+v", overlap)
			}
		}
	}
	t.contents(ctx, stream, 1, old...)
	both := Append{
		{Stream: "overlap-2", Expected: eventstore.Any, Events: t.events(1)},
		{Stream: stream, Expected: eventstore.Any, Events: slices.Concat(old[3:], t.events(1))},
	}
	t.wants("an overlap in one stream refuses the whole append", t.do(ctx, both).Err, eventstore.ErrPartialOverlap)
	t.head(ctx, "overlap-2", eventstore.Head{First: 1})
}

func sameIDsElsewhere(ctx context.Context, t *trial) {
	events := t.events(2)
	own := t.store.Tenant()
	for _, place := range []struct{ tenant, stream string }{
		{own, "elsewhere-1"}, {own, "elsewhere-2"}, {"acme of " + own, "elsewhere-1"}, {"other of " + own, "elsewhere-1"},
	} {
		t := t.tenant(place.tenant)
		got, err := t.append(ctx, place.stream, eventstore.NoStream, events...)
		if err != nil || got.Duplicate || got.Version != 2 {
			t.broken("an event ID is used in one stream of one tenant only",
				"the same IDs in stream %q of tenant %q: %s, error %v", place.stream, place.tenant, tellResult(got), err)
		}
		t.contents(ctx, place.stream, 1, events...)
	}
	outcome := t.do(ctx, Append{
		{Stream: "elsewhere-3", Expected: eventstore.NoStream, Events: events},
		{Stream: "elsewhere-4", Expected: eventstore.NoStream, Events: events},
	})
	if outcome.Err != nil {
		t.broken("the same IDs can be appended to two streams at once", "%v", outcome.Err)
	}
}

func sameIDsAtOnce(ctx context.Context, t *trial) {
	const racers = 32
	for i, expected := range []eventstore.Expected{eventstore.Any, eventstore.NoStream, eventstore.StreamExists, eventstore.Exact(1)} {
		t := t.chapter()
		stream := fmt.Sprintf("at once-%d", i)
		var before []eventstore.Event
		if expected != eventstore.NoStream {
			before = t.given(ctx, stream, 1)
		}
		events := t.events(3)
		var mu sync.Mutex
		written := 0
		distinct := map[eventstore.Appended]int{}
		t.atOnce(racers, func(int) {
			got, err := t.append(ctx, stream, expected, events...)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.broken("of goroutines that append the same events at once, all succeed", "%v", err)
				return
			}
			if !got.Duplicate {
				written++
			}
			got.Duplicate = false
			distinct[got]++
		})
		if written != 1 || len(distinct) != 1 {
			t.broken("of goroutines that append the same events at once, one writes them, and all get the same result",
				"%d say that they wrote them; the results, and how often they came: %v", written, distinct)
		}
		t.contents(ctx, stream, 1, append(before, events...)...)
	}
}

func sameIDsManyStreamsAtOnce(ctx context.Context, t *trial) {
	op := Append{
		{Stream: "crowd-1", Expected: eventstore.NoStream, Events: t.events(2)},
		{Stream: "crowd-2", Expected: eventstore.NoStream, Events: t.events(1)},
		{Stream: "crowd-3", Expected: eventstore.Any, Events: t.events(3)},
	}
	t.atOnce(16, func(i int) {
		turned := slices.Concat(op[i%3:], op[:i%3])
		if outcome := t.do(ctx, turned); outcome.Err != nil {
			t.broken("of goroutines that append the same events at once, all succeed", "%v", outcome.Err)
		}
	})
	for _, w := range op {
		t.contents(ctx, w.Stream, 1, w.Events...)
	}
}
