package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/parlance-go/parlance/eventstore"
)

func atomicGroup() group {
	return group{"appends to several streams", []testCase{
		{name: "all of the writes are done or none", check: allOrNone},
		{name: "conditions on other streams hold while others write", check: writeSkew},
		{name: "streams in any order never deadlock", check: anyOrder},
		{name: "hundreds of streams", check: hundreds},
	}}
}

func allOrNone(ctx context.Context, t *trial) {
	t.given(ctx, "there-1", 2)
	t.must(ctx, Erase{Stream: "closed-1", Expected: eventstore.Any, Kind: eventstore.Tombstone})
	good := func(stream string) eventstore.Write {
		return eventstore.Write{Stream: stream, Expected: eventstore.NoStream, Events: t.events(2)}
	}
	for _, row := range []struct {
		name string
		bad  eventstore.Write
		want error
	}{
		{"a version that is not there", eventstore.Write{Stream: "there-1", Expected: eventstore.Exact(1), Events: t.events(1)}, eventstore.ErrConflict},
		{"a check that fails", eventstore.Write{Stream: "there-1", Expected: eventstore.NoStream}, eventstore.ErrConflict},
		{"a check of an absent stream", eventstore.Write{Stream: "absent-1", Expected: eventstore.StreamExists}, eventstore.ErrConflict},
		{"a tombstone", eventstore.Write{Stream: "closed-1", Expected: eventstore.Any, Events: t.events(1)}, eventstore.ErrTombstoned},
	} {
		for place := range 3 {
			t := t.chapter()
			op := Append{good("new-1"), good("new-2")}
			op = append(op[:place:place], append(Append{row.bad}, op[place:]...)...)
			promise := fmt.Sprintf("%s refuses the whole append", row.name)
			t.wants(promise, t.do(ctx, op).Err, row.want)
			t.head(ctx, "new-1", eventstore.Head{First: 1})
			t.head(ctx, "new-2", eventstore.Head{First: 1})
			t.head(ctx, "there-1", eventstore.Head{Version: 2, First: 1})
		}
	}
	op := Append{good("new-1"), {Stream: "there-1", Expected: eventstore.Exact(2)}, good("new-2"), {Stream: "absent-1", Expected: eventstore.NoStream}}
	t.must(ctx, op)
	t.contents(ctx, "new-1", 1, op[0].Events...)
	t.contents(ctx, "new-2", 1, op[2].Events...)
	t.head(ctx, "absent-1", eventstore.Head{First: 1})
}

// writeSkew lets two appends each check the stream that the other writes. Only
// one of them can be first, and then the other's condition is false.
func writeSkew(ctx context.Context, t *trial) {
	promise := "of two appends that each check that the other has not happened, exactly one succeeds, and the other gets a ConflictError"
	for round := range t.rounds(30) {
		t := t.chapter()
		left, right := fmt.Sprintf("left-%d", round), fmt.Sprintf("right-%d", round)
		unwritten := eventstore.NoStream
		if round%2 == 1 {
			t.given(ctx, left, 1)
			t.given(ctx, right, 1)
			unwritten = eventstore.Exact(1)
		}
		ops := []Append{
			{{Stream: left, Expected: eventstore.Any, Events: t.events(1)}, {Stream: right, Expected: unwritten}},
			{{Stream: right, Expected: eventstore.Any, Events: t.events(1)}, {Stream: left, Expected: unwritten}},
		}
		errs := make([]error, len(ops))
		t.atOnce(len(ops), func(i int) { errs[i] = t.do(ctx, ops[i]).Err })
		won, lost := 0, 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if errors.Is(err, eventstore.ErrConflict) {
				lost++
			}
		}
		if won != 1 || lost != 1 {
			t.broken(promise, "%d succeeded and %d conflicted: %v", won, lost, errs)
			return
		}
	}
}

func anyOrder(ctx context.Context, t *trial) {
	const writers, streams = 16, 5
	appends := t.rounds(10)
	random := t.random(4)
	orders := make([][]int, writers*appends)
	for i := range orders {
		orders[i] = random.Perm(streams)[:2+random.IntN(streams-1)]
	}
	var mu sync.Mutex
	want := make(map[string]int64)
	t.atOnce(writers, func(writer int) {
		for n := range appends {
			var op Append
			for _, i := range orders[writer*appends+n] {
				op = append(op, eventstore.Write{Stream: fmt.Sprintf("tangle-%d", i), Expected: eventstore.Any, Events: t.events(1 + n%2)})
			}
			outcome := Do(ctx, t.store, op)
			if outcome.Err != nil {
				t.broken("appends to several streams in any order, expecting nothing, all succeed", "%s -> %s", op, outcome)
				return
			}
			mu.Lock()
			for _, w := range op {
				want[w.Stream] += int64(len(w.Events))
			}
			mu.Unlock()
		}
	})
	for stream, n := range want {
		t.head(ctx, stream, eventstore.Head{Version: n, First: 1})
		if got := t.read(ctx, stream); int64(len(got)) != n {
			t.broken("nothing that was appended is lost", "%q holds %d events of %d", stream, len(got), n)
		}
	}
}

func hundreds(ctx context.Context, t *trial) {
	op := make(Append, 300)
	for i := range op {
		op[i] = eventstore.Write{Stream: fmt.Sprintf("crowd-%d", i), Expected: eventstore.NoStream}
		if i%3 > 0 {
			op[i].Events = t.events(i % 3)
		}
	}
	t.must(ctx, op)
	for i, w := range op {
		t.head(ctx, w.Stream, eventstore.Head{Version: int64(i % 3), First: 1})
	}
	again := t.must(ctx, op)
	for i, result := range again.Results {
		if result.Version != int64(i%3) || !result.Duplicate {
			t.broken(sameAgain, "for %q it was %s", op[i].Stream, tellResult(result))
			return
		}
	}
}
