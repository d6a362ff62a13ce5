package storetest

import (
	"bytes"
	"context"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
)

func contentGroup() group {
	return group{"contents", []testCase{
		{name: "every field comes back as it was given", check: contentFields},
		{name: "events of the largest size", check: contentLarge},
		{name: "the largest append", check: contentMany},
		{name: "memory is not shared with callers", check: contentAliasing},
	}}
}

func contentFields(ctx context.Context, t *trial) {
	const stream = "fields-1"
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	awkward := "'\"\\%_$1 \t\n\u2028☃🦉\u202e" + strings.Repeat("x", 100)
	var events []eventstore.Event
	add := func(change func(*eventstore.Event)) {
		e := t.events(1)[0]
		change(&e)
		events = append(events, e)
	}
	add(func(e *eventstore.Event) { e.Data = nil })
	add(func(e *eventstore.Event) { e.Data = []byte{} })
	add(func(e *eventstore.Event) { e.Data = every })
	add(func(e *eventstore.Event) { e.Data = []byte{0} })
	add(func(e *eventstore.Event) { e.Data = bytes.Repeat([]byte{0xff, 0xfe}, 5000) })
	add(func(e *eventstore.Event) { e.Type = awkward })
	add(func(e *eventstore.Event) { e.Type = strings.Repeat("T", 255) })
	add(func(e *eventstore.Event) { e.SchemaVersion = 0 }) // comes back as 1
	add(func(e *eventstore.Event) { e.SchemaVersion = math.MaxInt32 })
	add(func(e *eventstore.Event) { e.ID = uuid.Max })
	add(func(e *eventstore.Event) { e.ID = uuid.MustParse("00000000-0000-0000-0000-000000000001") })
	add(func(e *eventstore.Event) { e.Metadata.CorrelationID = awkward })
	add(func(e *eventstore.Event) { e.Metadata.CausationID = awkward })
	add(func(e *eventstore.Event) { e.Metadata.Actor = awkward })
	add(func(e *eventstore.Event) { e.Metadata.TraceParent = strings.Repeat("t", 255) })
	add(func(e *eventstore.Event) {
		e.Metadata.Extra = map[string]string{"": "", "empty": "", awkward: awkward, "long": strings.Repeat("☃", 2000), "null": "null"}
	})
	add(func(e *eventstore.Event) { e.Metadata.Extra = map[string]string{} })
	add(func(e *eventstore.Event) {
		e.Metadata = eventstore.Metadata{
			CorrelationID: "c", CausationID: "d", Actor: "a", TraceParent: "t",
			Extra: map[string]string{"CorrelationID": "x", "correlation_id": "y"},
		}
	})
	t.must(ctx, Append{{Stream: stream, Expected: eventstore.NoStream, Events: events[:3]}})
	t.must(ctx, Append{{Stream: stream, Expected: eventstore.Any, Events: events[3:]}, {Stream: "fields-2", Expected: eventstore.Any, Events: t.events(1)}})
	t.contents(ctx, stream, 1, events...)
	all, err := collect(t.store.ReadAll(ctx, eventstore.Checkpoint{}, eventstore.Filter{Categories: []string{"fields"}}))
	if err != nil {
		t.fatal("all events can be read", "%v", err)
	}
	all = slices.DeleteFunc(all, func(r eventstore.Recorded) bool { return r.Stream != stream })
	for i, r := range all {
		if difference := differs(r.Event, events[min(i, len(events)-1)]); difference != "" {
			t.broken("reading all returns events as they were given", "%s: %s", tellPlace(r), difference)
		}
	}

	acme := t.tenant("acme ☃")
	acme.given(ctx, stream, 1)
	for _, r := range acme.read(ctx, stream) {
		if r.Metadata.Tenant != "acme ☃" {
			t.broken("an event tells its tenant", "%s tells %q", tellPlace(r), r.Metadata.Tenant)
		}
	}
}

// contentLarge stores more than fits a page of memory.
func contentLarge(ctx context.Context, t *trial) {
	const stream, size = "large-1", 1 << 20
	count := t.rounds(24)
	var events []eventstore.Event
	for i := range count {
		e := t.events(1)[0]
		e.Data = bytes.Repeat([]byte{byte(i), 0, 0xff, '\''}, size/4)
		events = append(events, e)
	}
	for part := range slices.Chunk(events, 8) {
		t.must(ctx, Append{{Stream: stream, Expected: eventstore.Any, Events: part}})
	}
	t.diary.add("given %d events of %d bytes", count, size)
	t.contents(ctx, stream, 1, events...)
	next := 0
	for r, err := range t.store.ReadAll(ctx, eventstore.Checkpoint{}, eventstore.Filter{}) {
		if err != nil {
			t.fatal("large events can be read", "%v", err)
		}
		if next >= count || differs(r.Event, events[next]) != "" {
			t.fatal("reading all returns large events as they were given", "event %d is %s", next, tellPlace(r))
		}
		next++
	}
	if next != count {
		t.broken("reading all returns all large events", "%d of %d came", next, count)
	}
	page, err := t.store.ReadPage(ctx, eventstore.StreamRange{Stream: stream, From: 1, Max: 200})
	if err != nil || len(page.Events) == 0 {
		t.broken("a page of large events has at least one", "%d, error %v", len(page.Events), err)
	}
}

func contentMany(ctx context.Context, t *trial) {
	const most = 10_000
	events := t.events(most)
	first := t.must(ctx, Append{
		{Stream: "most-1", Expected: eventstore.NoStream, Events: events[:most-1]},
		{Stream: "most-2", Expected: eventstore.NoStream, Events: events[most-1:]},
	}).Results[0]
	t.contents(ctx, "most-1", 1, events[:most-1]...)
	again, err := t.append(ctx, "most-1", eventstore.NoStream, events[:most-1]...)
	if first.Duplicate = true; err != nil || again != first {
		t.broken(sameAgain, "it was %s, not %s; error %v", tellResult(again), tellResult(first), err)
	}
}

// contentAliasing changes what was given to the driver, and what it returned.
func contentAliasing(ctx context.Context, t *trial) {
	const stream = "shared-1"
	promise := "neither what a caller does to its memory after an append nor what it does to what it has read changes what is stored"
	events := t.events(3)
	for i := range events {
		events[i].Metadata.Extra = map[string]string{"key": "value"}
	}
	given := copyEvents(events)
	writes := []eventstore.Write{{Stream: stream, Expected: eventstore.NoStream, Events: given}}
	if err := t.driver.Append(ctx, writes, make([]eventstore.Appended, 1)); err != nil {
		t.fatal("events can be appended", "%v", err)
	}
	if !slices.EqualFunc(given, events, func(a, b eventstore.Event) bool {
		return a.ID == b.ID && bytes.Equal(a.Data, b.Data) && maps.Equal(a.Metadata.Extra, b.Metadata.Extra)
	}) {
		t.broken("a driver does not change the events that it is given", "they are now %v", given)
	}
	spoil := func(events []eventstore.Event) {
		for i := range events {
			if len(events[i].Data) > 0 {
				_ = append(events[i].Data, " appended"...)
			}
			if events[i].Metadata.Extra != nil {
				events[i].Metadata.Extra["another"] = "pair"
			}
		}
		scribble(events)
	}
	spoil(given)
	clear(writes)
	readings := map[string]func() ([]eventstore.Recorded, error){
		"reading the stream": func() ([]eventstore.Recorded, error) {
			page, err := t.driver.ReadStream(ctx, eventstore.StreamRange{Stream: stream, From: 1, Max: 10})
			return page.Events, err
		},
		"reading it backwards": func() ([]eventstore.Recorded, error) {
			page, err := t.driver.ReadStream(ctx, eventstore.StreamRange{Stream: stream, From: 9, Max: 10, Backwards: true})
			slices.Reverse(page.Events)
			return page.Events, err
		},
		"reading all": func() ([]eventstore.Recorded, error) {
			page, err := t.driver.ReadAll(ctx, eventstore.AllRange{Max: 10})
			return page.Events, err
		},
	}
	for range 2 { // the second time after the first has been spoiled
		for _, name := range slices.Sorted(maps.Keys(readings)) {
			got, err := readings[name]()
			if err != nil || len(got) != len(events) {
				t.fatal(promise, "%s returned %s, error %v", name, tellRecorded(got), err)
			}
			for i := range got {
				if difference := differs(got[i].Event, events[i]); difference != "" {
					t.broken(promise, "%s: %s: %s", name, tellPlace(got[i]), difference)
				}
			}
			for i := range got {
				spoil([]eventstore.Event{got[i].Event})
				if i+1 < len(got) && differs(got[i+1].Event, events[i+1]) != "" {
					t.broken("the events of a page do not share memory with each other", "%s: changing one event changed the next", name)
				}
			}
		}
	}
	t.contents(ctx, stream, 1, events...)
}
