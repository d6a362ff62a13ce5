package eventstore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

func TestAppendRefusesWhatCannotBeStored(t *testing.T) {
	long := strings.Repeat("x", 256)
	event := func(change func(e *eventstore.Event)) []eventstore.Event {
		e := uploaded("1")
		change(&e)
		return []eventstore.Event{uploaded("0"), e}
	}
	extra := func(key, value string) []eventstore.Event {
		return event(func(e *eventstore.Event) { e.Metadata.Extra = map[string]string{key: value} })
	}
	twins := make([]eventstore.Event, 20)
	for i := range twins {
		twins[i] = eventstore.Event{ID: num(byte(i%19 + 1)), Type: "T"}
	}
	const about = `stream "s": event 1 ("ContentUploaded")`
	tests := []struct {
		stream   string
		expected eventstore.Expected
		events   []eventstore.Event
		want     string
	}{
		{"", eventstore.Any, nil, `stream name "": want 1 to 512 bytes, not 0`},
		{strings.Repeat("s", 513), eventstore.Any, nil, fmt.Sprintf("stream name %q: want 1 to 512 bytes, not 513", strings.Repeat("s", 80))},
		{"a\nb", eventstore.Any, nil, `stream name "a\nb": want UTF-8 without control characters`},
		{"a\x7fb", eventstore.Any, nil, `stream name "a\x7fb": want UTF-8 without control characters`},
		{"a\xffb", eventstore.Any, nil, `stream name "a\xffb": want UTF-8 without control characters`},
		{"s", eventstore.Exact(-1), nil, `stream "s": invalid expected version`},
		{"s", eventstore.Any, make([]eventstore.Event, 4), `more than 3 events in one append`},
		{"s", eventstore.Any, event(func(e *eventstore.Event) { e.Type = "" }), `stream "s": event 1 has no Type`},
		{"s", eventstore.Any, event(func(e *eventstore.Event) { e.Type = long }), fmt.Sprintf(`stream "s": event 1 (%q): Type has 256 bytes, the limit is 255`, long[:80])},
		{"s", eventstore.Any, event(func(e *eventstore.Event) { e.Type = "\xff" }), `stream "s": event 1 ("\xff"): Type "\xff": want UTF-8 without NUL`},
		{"s", eventstore.Any, event(func(e *eventstore.Event) { e.SchemaVersion = -1 }), about + ` has SchemaVersion -1`},
		{"s", eventstore.Any, event(func(e *eventstore.Event) { e.SchemaVersion = 1 << 31 }), about + ` has SchemaVersion 2147483648`},
		{"s", eventstore.Any, event(func(e *eventstore.Event) { e.Data = make([]byte, 101) }), about + ` has 101 bytes of Data, the limit is 100`},
		{"s", eventstore.Any, event(func(e *eventstore.Event) { e.Metadata.CorrelationID = long }), about + `: CorrelationID has 256 bytes, the limit is 255`},
		{"s", eventstore.Any, event(func(e *eventstore.Event) { e.Metadata.CausationID = "\x00" }), about + `: CausationID "\x00": want UTF-8 without NUL`},
		{"s", eventstore.Any, event(func(e *eventstore.Event) { e.Metadata.Actor = "\xff" }), about + `: Actor "\xff": want UTF-8 without NUL`},
		{"s", eventstore.Any, event(func(e *eventstore.Event) { e.Metadata.TraceParent = "\x00" }), about + `: TraceParent "\x00": want UTF-8 without NUL`},
		{"s", eventstore.Any, event(func(e *eventstore.Event) { e.Metadata.Tenant = "other" }), `stream "s": tenant "other" is not the store's tenant "": use ForTenant`},
		{"s", eventstore.Any, event(func(e *eventstore.Event) { e.Metadata.Extra = manyPairs(257) }), about + ` has 257 pairs in Extra, the limit is 256`},
		{"s", eventstore.Any, extra(long, ""), about + fmt.Sprintf(`: Extra %q: want UTF-8 without NUL, keys up to 255 bytes, values up to 8192`, long[:80])},
		{"s", eventstore.Any, extra("a", strings.Repeat("x", 8193)), about + `: Extra "a": want UTF-8 without NUL, keys up to 255 bytes, values up to 8192`},
		{"s", eventstore.Any, extra("a", "\x00"), about + `: Extra "a": want UTF-8 without NUL, keys up to 255 bytes, values up to 8192`},
		{"s", eventstore.Any, []eventstore.Event{{ID: num(1), Type: "T"}, {ID: num(2), Type: "T"}, {ID: num(1), Type: "T"}}, `stream "s": event ID 00000000-0000-0000-0000-000000000001 stands twice`},
	}
	store := eventstore.New(fakeDriver{}, eventstore.Config{MaxEventSize: 100, MaxAppendEvents: 3})
	for _, test := range tests {
		_, err := store.Append(t.Context(), test.stream, test.expected, test.events...)
		assert.ErrorIs(t, err, eventstore.ErrInvalid, test.want)
		assert.Equal(t, err.Error(), fmt.Sprintf("eventstore: append to %q: %s", test.stream, test.want))
	}
	_, err := eventstore.New(fakeDriver{}, eventstore.Config{}).Append(t.Context(), "s", eventstore.Any, twins...)
	assert.Equal(t, err.Error(), `eventstore: append to "s": stream "s": event ID 00000000-0000-0000-0000-000000000001 stands twice`)
}

func TestAppendTakesAllThatTheLimitsAllow(t *testing.T) {
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{MaxEventSize: 3, MaxAppendEvents: 2})
	longest := strings.Repeat("ä", 127) + "x" // 255 bytes
	event := eventstore.Event{
		Type: longest, SchemaVersion: 1<<31 - 1, Data: []byte("123"),
		Metadata: eventstore.Metadata{
			CorrelationID: longest, CausationID: longest, Actor: "a\nb", TraceParent: longest,
			Extra: manyPairs(255),
		},
	}
	event.Metadata.Extra[longest] = strings.Repeat("x", 8192)
	stream := strings.Repeat("ä", 256)
	mustAppend(t, store, stream, event, eventstore.Event{Type: "T"})
	assert.Equal(t, len(texts(t, store.Read(t.Context(), stream, 1))), 2)

	many := make([]eventstore.Event, 10_000)
	for i := range many {
		many[i].Type = "T"
	}
	appended := mustAppend(t, newStore(), "s", many...)
	assert.Equal(t, appended.Version, 10_000, "the default limit")
	mustAppend(t, newStore(), "s", uploaded(strings.Repeat("x", 1<<20)))
	_, err := newStore().Append(t.Context(), "s", eventstore.Any, uploaded(strings.Repeat("x", 1<<20+1)))
	assert.ErrorIs(t, err, eventstore.ErrInvalid)
	_, err = newStore().Append(t.Context(), "s", eventstore.Any, append(many, eventstore.Event{Type: "T"})...)
	assert.ErrorIs(t, err, eventstore.ErrInvalid)
}

func TestAppendAllRefusesWhatCannotBeStored(t *testing.T) {
	store := eventstore.New(fakeDriver{}, eventstore.Config{Tenant: "acme", MaxAppendEvents: 40})
	many := make([]eventstore.Write, 41)
	for i := range many {
		many[i].Stream = fmt.Sprintf("s-%d", i%30)
	}
	three := []eventstore.Event{uploaded("1"), uploaded("2"), uploaded("3")}
	tests := []struct {
		writes []eventstore.Write
		want   string
	}{
		{[]eventstore.Write{{Stream: "a"}, {Stream: "b"}, {Stream: "a"}}, `append to 3 streams: stream "a" stands twice in one append`},
		{many[:40], `append to 40 streams: stream "s-0" stands twice in one append`},
		{many, `append to 41 streams: more than 40 streams in one append`},
		{[]eventstore.Write{{Stream: "a", Tenant: "other"}}, `append to 1 streams: stream "a": tenant "other" is not the store's tenant "acme": use ForTenant`},
		{[]eventstore.Write{{Stream: "a"}, {Stream: ""}}, `append to 2 streams: stream name "": want 1 to 512 bytes, not 0`},
		{[]eventstore.Write{{Stream: "a", Events: three}, {Stream: "b", Events: make([]eventstore.Event, 38)}}, `append to 2 streams: more than 40 events in one append`},
	}
	for _, test := range tests {
		_, err := store.AppendAll(t.Context(), test.writes...)
		assert.ErrorIs(t, err, eventstore.ErrInvalid, test.want)
		assert.Equal(t, err.Error(), "eventstore: "+test.want)
	}
}

func TestErrorsSayWhatHappened(t *testing.T) {
	tests := []struct {
		err      error
		sentinel error
		want     string
	}{
		{&eventstore.ConflictError{Stream: "s", Expected: eventstore.Exact(2), Actual: 3}, eventstore.ErrConflict, `stream "s": expected version 2, but it is at version 3`},
		{&eventstore.ConflictError{Stream: "s", Expected: eventstore.StreamExists}, eventstore.ErrConflict, `stream "s": expected an existing stream, but it has no events`},
		{&eventstore.ConflictError{Stream: "s", Expected: eventstore.StreamExists, Actual: 3, Deleted: true}, eventstore.ErrConflict, `stream "s": expected an existing stream, but it was deleted at version 3`},
		{&eventstore.TombstonedError{Stream: "s"}, eventstore.ErrTombstoned, `stream "s" is tombstoned`},
		{&eventstore.PartialOverlapError{Stream: "s"}, eventstore.ErrPartialOverlap, `stream "s": new, while other streams of the same append hold its events already`},
		{&eventstore.PartialOverlapError{Stream: "s", Present: []uuid.UUID{num(1), num(2)}}, eventstore.ErrPartialOverlap, `stream "s": 2 of the events are in it already, first 00000000-0000-0000-0000-000000000001: repeat an append with exactly its own events, or give new events new IDs`},
		{&eventstore.UnknownTypeError{Type: "T", SchemaVersion: 2}, eventstore.ErrUnknownType, `event type "T", schema version 2, is not registered`},
	}
	for _, test := range tests {
		assert.Equal(t, test.err.Error(), test.want)
		for _, sentinel := range []error{eventstore.ErrConflict, eventstore.ErrTombstoned, eventstore.ErrPartialOverlap, eventstore.ErrUnknownType, eventstore.ErrInvalid} {
			assert.Equal(t, errors.Is(test.err, sentinel), errors.Is(sentinel, test.sentinel), "%s is %s", test.err, sentinel)
		}
		if retryable, ok := test.err.(interface{ Retryable() bool }); ok {
			assert.False(t, retryable.Retryable(), "%s", test.err)
		}
	}
}
