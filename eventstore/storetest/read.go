package storetest

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/parlance-go/parlance/eventstore"
)

func readGroup() group {
	return group{"reading a stream", []testCase{
		{name: "from each version forwards and backwards", check: readRanges},
		{name: "page by page", check: readPages},
		{name: "streams that have no events", check: readNothing},
		{name: "names of all kinds are different streams", check: readNames},
		{name: "positions and times", check: readPositions},
		{name: "while others append", check: readWhileAppending},
	}}
}

// readRanges compares the pages of every kind with the model.
func readRanges(ctx context.Context, t *trial) {
	const stream = "ranges-1"
	model := NewModel()
	do := func(op Op) {
		t.Helper()
		if err := model.Step(op, t.do(ctx, op)); err != nil {
			t.broken("a page has the head of its stream, and its events from the one asked for on", "%v", err)
		}
	}
	do(Append{{Stream: stream, Expected: eventstore.NoStream, Events: t.events(7)}})
	for _, truncate := range []int64{1, 4, 8} {
		do(Erase{Stream: stream, Kind: eventstore.Truncate, Before: truncate})
		for from := int64(1); from <= 9; from++ {
			for _, most := range []int{0, 1, 3, 7, 100} {
				do(Read{Stream: stream, From: from, Max: most})
				do(Read{Stream: stream, From: from, Max: most, Backwards: true})
			}
		}
		do(Read{Stream: stream, From: eventstore.End, Max: 3, Backwards: true})
		do(Read{Stream: stream, From: eventstore.End, Max: 3})
	}
}

func readPages(ctx context.Context, t *trial) {
	const stream = "pages-1"
	var events []eventstore.Event
	for _, n := range []int{300, 1, 700} {
		events = append(events, t.given(ctx, stream, n)...)
	}
	t.contents(ctx, stream, 1, events...)
	backwards, err := collect(t.store.ReadBackwards(ctx, stream, eventstore.End))
	if err != nil || len(backwards) != len(events) {
		t.broken("all events can be read backwards", "%d of %d were read, error %v", len(backwards), len(events), err)
	}
	for i, r := range backwards {
		if r.Version != int64(len(events)-i) {
			t.broken("backwards, the versions go down one by one", "event %d is %s", i, tellPlace(r))
			break
		}
	}
	seen := 0
	for _, err := range t.store.Read(ctx, stream, 1) {
		if err != nil {
			t.fatal("a stream can be read", "%v", err)
		}
		if seen++; seen == 3 {
			break
		}
	}
	t.contents(ctx, stream, 1, events...) // leaving a reading early leaves nothing behind
}

func readNothing(ctx context.Context, t *trial) {
	t.given(ctx, "deleted-1", 2)
	t.must(ctx, Erase{Stream: "deleted-1", Expected: eventstore.Any, Kind: eventstore.Delete})
	t.given(ctx, "truncated-1", 2)
	t.must(ctx, Erase{Stream: "truncated-1", Kind: eventstore.Truncate, Before: 3})
	for _, stream := range []string{"absent-1", "deleted-1", "truncated-1"} {
		t.contents(ctx, stream, 1)
	}
	t.head(ctx, "absent-1", eventstore.Head{First: 1})

	t.must(ctx, Erase{Stream: "closed-1", Expected: eventstore.Any, Kind: eventstore.Tombstone})
	_, err := collect(t.store.Read(ctx, "closed-1", 1))
	t.wants("reading a tombstoned stream says so", err, eventstore.ErrTombstoned)
	page, err := t.driver.ReadStream(ctx, eventstore.StreamRange{Stream: "closed-1", From: 1, Max: 10})
	if err != nil || !page.Head.Tombstoned || len(page.Events) > 0 {
		t.broken("for a driver, reading a tombstoned stream is no error: its head tells", "%s; %s, error %v",
			tellHead(page.Head), tellRecorded(page.Events), err)
	}
}

func readNames(ctx context.Context, t *trial) {
	names := []string{
		"a-1", "A-1", "a-1 ", " a-1", "a", "-", "-a", "a-", "a--1", "a_1", "a%1", "%", "_", "a-%",
		`'`, `"`, `''; drop table events; --`, `a\`, `a\\`, `$1`, `{a,b}`, `NULL`, "true",
		"ß-1", "ss-1", "é-1", "e\u0301-1", "☃-1", "🦉-1", "🦉🦉-1", "\u202eright-to-left", "a\u00a0-1",
		strings.Repeat("n", 512), strings.Repeat("n", 511) + "o", strings.Repeat("☃", 170),
	}
	content := make(map[string][]eventstore.Event)
	for _, name := range names {
		content[name] = t.given(ctx, name, 2)
	}
	for _, name := range names {
		t.contents(ctx, name, 1, content[name]...)
	}
	all, err := collect(t.store.ReadAll(ctx, eventstore.Checkpoint{}, eventstore.Filter{}))
	if err != nil || len(all) != 2*len(names) {
		t.broken("all events can be read", "%d of %d were read, error %v", len(all), 2*len(names), err)
	}
	for _, tenant := range []string{"a", "A", `t'"\%☃`, strings.Repeat("t", 255)} {
		t := t.tenant(tenant)
		if _, err := t.append(ctx, "a-1", eventstore.NoStream, t.events(1)...); err != nil {
			t.broken(fmt.Sprintf("tenant %q has streams of its own", tenant), "%v", err)
		}
	}
	t.contents(ctx, "a-1", 1, content["a-1"]...)
}

func readPositions(ctx context.Context, t *trial) {
	const stream = "positions-1"
	began := time.Now()
	var results []eventstore.Appended
	for range 10 {
		op := Append{{Stream: stream, Expected: eventstore.Any, Events: t.events(2)}}
		results = append(results, t.must(ctx, op).Results[0])
		t.given(ctx, "positions-2", 1)
	}
	events := t.read(ctx, stream)
	for i, r := range events {
		if i > 0 && r.Position <= events[i-1].Position {
			t.broken("positions grow within a stream", "%s is at %d, the one before at %d", tellPlace(r), r.Position, events[i-1].Position)
		}
		if i > 0 && r.Time.Before(events[i-1].Time) {
			t.broken("an event that was appended after another has no earlier time", "%s has %v, the one before %v", tellPlace(r), r.Time, events[i-1].Time)
		}
		// A server has a clock of its own, and may keep fewer digits.
		if age := r.Time.Sub(began); age < -time.Minute || age > time.Hour {
			t.broken("an event has the time at which the store recorded it", "%s has %v; the case began at %v", tellPlace(r), r.Time, began)
		}
		if r.Checkpoint != (eventstore.Checkpoint{}) {
			t.broken("events read from one stream have no checkpoint", "%s has %q", tellPlace(r), r.Checkpoint)
		}
	}
	for i, result := range results {
		if last := 2*i + 1; last >= len(events) || events[last].Position != result.Position || events[last].Version != result.Version {
			t.broken("an append returns the version and position of its last event", "append %d returned %s; the stream holds %s",
				i, tellResult(result), tellRecorded(events))
		}
	}
	all, err := collect(t.store.ReadAll(ctx, eventstore.Checkpoint{}, eventstore.Filter{Categories: []string{"positions"}}))
	if err != nil {
		t.fatal("all events can be read", "%v", err)
	}
	positions := make(map[int64]eventstore.Recorded)
	for _, r := range all {
		if other, twice := positions[r.Position]; twice {
			t.broken("a position is unique in the store", "%s and %s are both at %d", tellPlace(other), tellPlace(r), r.Position)
		}
		positions[r.Position] = r
	}
	for _, r := range events {
		same, ok := positions[r.Position]
		if !ok || same.ID != r.ID || !same.Time.Equal(r.Time) {
			t.broken("an event has the same position and time in its stream and in the reading of all",
				"%s, position %d, time %v; at that position is %s, time %v", tellPlace(r), r.Position, r.Time, tellPlace(same), same.Time)
		}
	}
}

// readWhileAppending reads a growing stream: what is read has no gap, and its
// head is of the same moment as its events.
func readWhileAppending(ctx context.Context, t *trial) {
	const stream, readers, each = "growing-1", 2, 3
	t.given(ctx, stream, each)
	var finished atomic.Int64
	t.atOnce(readers+1, func(i int) {
		if i == 0 {
			for finished.Load() < readers {
				if _, err := t.append(ctx, stream, eventstore.Any, t.events(each)...); err != nil {
					t.broken("appends go on while others read", "%v", err)
					return
				}
			}
			return
		}
		defer finished.Add(1)
		for range t.rounds(60) {
			r := eventstore.StreamRange{Stream: stream, From: 1, Max: 1000}
			if i == 2 {
				r.From, r.Backwards = eventstore.End, true
			}
			page, err := t.store.ReadPage(ctx, r)
			if err != nil {
				t.broken("reads go on while others append", "%v", err)
				return
			}
			if happened := pageFault(page, r, each); happened != "" {
				t.broken("a page has no gap, and its head is as of the same moment; appends are seen wholly or not at all", "%s", happened)
				return
			}
		}
	})
}

// pageFault says what is wrong with a page of a stream that begins at an end of
// it, and to which so many events are appended at a time.
func pageFault(page eventstore.StreamPage, r eventstore.StreamRange, each int64) string {
	version, step := int64(1), int64(1)
	if r.Backwards {
		version, step = page.Head.Version, -1
	}
	if len(page.Events) == 0 || page.Head.Version%each != 0 {
		return fmt.Sprintf("a page of %d events has %s", len(page.Events), tellHead(page.Head))
	}
	for i, e := range page.Events {
		if e.Version != version || e.Version > page.Head.Version {
			return fmt.Sprintf("event %d of a page is %s, and the page has %s", i, tellPlace(e), tellHead(page.Head))
		}
		version += step
	}
	return ""
}
