package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

var errDriver = errors.New("the driver failed")

func newStore() *eventstore.Store {
	return eventstore.New(eventstore.NewMemory(), eventstore.Config{})
}

func uploaded(data string) eventstore.Event {
	return eventstore.Event{Type: "ContentUploaded", Data: []byte(data)}
}

func mustAppend(t testing.TB, store *eventstore.Store, stream string, events ...eventstore.Event) eventstore.Appended {
	t.Helper()
	appended, err := store.Append(t.Context(), stream, eventstore.Any, events...)
	assert.NoError(t, err)
	return appended
}

// collect returns what a sequence yields up to its error.
func collect[T any](seq iter.Seq2[T, error]) (all []T, err error) {
	for value, err := range seq {
		if err != nil {
			return all, err
		}
		all = append(all, value)
	}
	return all, nil
}

func texts(t testing.TB, seq iter.Seq2[eventstore.Recorded, error]) []string {
	t.Helper()
	events, err := collect(seq)
	assert.NoError(t, err)
	all := make([]string, len(events))
	for i, event := range events {
		all[i] = string(event.Data)
	}
	return all
}

func TestNewPanicsOnProgrammingErrors(t *testing.T) {
	value := assert.Panics(t, func() { eventstore.New(nil, eventstore.Config{}) })
	assert.Equal(t, value, any("eventstore: New: driver is nil"))
	value = assert.Panics(t, func() { eventstore.New(eventstore.NewMemory(), eventstore.Config{MaxEventSize: -1}) })
	assert.Equal(t, value, any("eventstore: New: negative limit: MaxEventSize -1, MaxAppendEvents 0"))
	assert.Panics(t, func() { eventstore.New(eventstore.NewMemory(), eventstore.Config{MaxAppendEvents: -1}) })
}

func TestAppendRecordsWhatItWasGiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := eventstore.New(eventstore.NewMemory(), eventstore.Config{Tenant: "acme"})
		event := eventstore.Event{
			ID: eventID, Type: "ContentUploaded", SchemaVersion: 7, Data: []byte("x"),
			Metadata: eventstore.Metadata{
				CorrelationID: "c", CausationID: "d", Actor: "ada", TraceParent: "t",
				Extra: map[string]string{"a": "b"},
			},
		}
		appended := mustAppend(t, store, "content-1", event)
		assert.Equal(t, appended, eventstore.Appended{Version: 1, Position: 1})
		got, err := collect(store.Read(t.Context(), "content-1", 1))
		assert.NoError(t, err)
		event.Metadata.Tenant = "acme"
		assert.Equal(t, got, []eventstore.Recorded{{
			Event: event, Stream: "content-1", Version: 1, Position: 1, Time: time.Now().UTC(),
		}})
	})
}

func TestAppendFillsInTheSliceSoThatItCanBeRepeated(t *testing.T) {
	store := newStore()
	events := []eventstore.Event{uploaded("1"), uploaded("2")}
	first, err := store.Append(t.Context(), "content-1", eventstore.NoStream, events...)
	assert.NoError(t, err)
	assert.Equal(t, first, eventstore.Appended{Version: 2, Position: 2})
	for _, event := range events {
		assert.Equal(t, event.ID.Version(), 7)
		assert.Equal(t, event.SchemaVersion, 1)
	}
	for _, expected := range []eventstore.Expected{eventstore.NoStream, eventstore.Any, eventstore.StreamExists, eventstore.Exact(9)} {
		again, err := store.Append(t.Context(), "content-1", expected, events...)
		assert.NoError(t, err)
		assert.Equal(t, again, eventstore.Appended{Version: 2, Position: 2, Duplicate: true}, "expecting %s", expected)
	}
	assert.Equal(t, texts(t, store.Read(t.Context(), "content-1", 1)), []string{"1", "2"})

	all := []eventstore.Write{{Stream: "content-2", Events: []eventstore.Event{uploaded("3")}}}
	_, err = store.AppendAll(t.Context(), all...)
	assert.NoError(t, err)
	results, err := store.AppendAll(t.Context(), all...)
	assert.NoError(t, err)
	assert.Equal(t, results, []eventstore.Appended{{Version: 1, Position: 3, Duplicate: true}})
	assert.Equal(t, all[0].Tenant, "", "the caller's writes are not changed, but their events")
}

func TestAppendMayBeRepeatedAfterAnErrorThatLeavesTheOutcomeOpen(t *testing.T) {
	memory := eventstore.NewMemory()
	lost := true
	store := eventstore.New(fakeDriver{
		Driver: memory,
		append: func(ctx context.Context, writes []eventstore.Write, results []eventstore.Appended) error {
			if err := memory.Append(ctx, writes, results); err != nil || !lost {
				return err
			}
			return errDriver
		},
	}, eventstore.Config{})
	events := []eventstore.Event{uploaded("1")}
	appended, err := store.Append(t.Context(), "content-1", eventstore.NoStream, events...)
	assert.ErrorIs(t, err, errDriver)
	assert.Equal(t, err.Error(), `eventstore: append to "content-1": the driver failed`)
	assert.Equal(t, appended, eventstore.Appended{})
	lost = false
	appended, err = store.Append(t.Context(), "content-1", eventstore.NoStream, events...)
	assert.NoError(t, err)
	assert.Equal(t, appended, eventstore.Appended{Version: 1, Position: 1, Duplicate: true})
}

// TestAppendKnowsIDsOfAnyOrder is about IDs that the store did not make: they
// need not ascend as those it makes.
func TestAppendKnowsIDsOfAnyOrder(t *testing.T) {
	store := newStore()
	event := func(id byte) eventstore.Event { return eventstore.Event{ID: num(id), Type: "T"} }
	order := []byte{10, 20, 30, 25, 40, 5, 35, 50}
	for i, id := range order {
		appended := mustAppend(t, store, "content-1", event(id))
		assert.Equal(t, appended, eventstore.Appended{Version: int64(i) + 1, Position: int64(i) + 1})
		for j, earlier := range order[:i+1] {
			again := mustAppend(t, store, "content-1", event(earlier))
			want := eventstore.Appended{Version: int64(j) + 1, Position: int64(j) + 1, Duplicate: true}
			assert.Equal(t, again, want, "ID %d after %v", earlier, order[:i+1])
		}
		for _, unknown := range []byte{1, 15, 27, 60} {
			_, err := store.Append(t.Context(), "content-1", eventstore.Any, event(unknown), event(id))
			overlap := assert.ErrorAs[*eventstore.PartialOverlapError](t, err)
			assert.Equal(t, overlap.Present, []uuid.UUID{num(id)}, "ID %d is not there", unknown)
		}
	}
	mustAppend(t, store, "content-2", event(10), event(30), event(20))
	again := mustAppend(t, store, "content-2", event(10), event(30), event(20))
	assert.Equal(t, again, eventstore.Appended{Version: 3, Position: 11, Duplicate: true})
}

func TestAppendWithoutEventsChecks(t *testing.T) {
	store := newStore()
	mustAppend(t, store, "content-1", uploaded("1"))
	appended, err := store.Append(t.Context(), "content-1", eventstore.Exact(1))
	assert.NoError(t, err)
	assert.Equal(t, appended, eventstore.Appended{Version: 1})
	_, err = store.Append(t.Context(), "content-1", eventstore.NoStream)
	assert.Equal(t, err.Error(), `eventstore: append to "content-1": stream "content-1": expected no stream, but it is at version 1`)
	assert.False(t, assert.ErrorAs[interface {
		error
		Retryable() bool
	}](t, err).Retryable())
	results, err := store.AppendAll(t.Context())
	assert.NoError(t, err)
	assert.Equal(t, results, nil)
}

func TestAppendAllIsAtomic(t *testing.T) {
	store := newStore()
	mustAppend(t, store, "content-1", uploaded("1"))
	writes := []eventstore.Write{
		{Stream: "content-1", Expected: eventstore.Exact(1), Events: []eventstore.Event{uploaded("2")}},
		{Stream: "content-2", Expected: eventstore.StreamExists},
	}
	_, err := store.AppendAll(t.Context(), writes...)
	conflict := assert.ErrorAs[*eventstore.ConflictError](t, err)
	assert.Equal(t, *conflict, eventstore.ConflictError{Stream: "content-2", Expected: eventstore.StreamExists})
	assert.Equal(t, err.Error(), `eventstore: append to 2 streams: stream "content-2": expected an existing stream, but it has no events`)
	assert.Equal(t, len(texts(t, store.Read(t.Context(), "content-1", 1))), 1)

	writes[1].Expected = eventstore.NoStream
	results, err := store.AppendAll(t.Context(), writes...)
	assert.NoError(t, err)
	assert.Equal(t, results, []eventstore.Appended{{Version: 2, Position: 2}, {}})
}

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

func TestTenantsAreApart(t *testing.T) {
	all := newStore()
	acme, other := all.ForTenant("acme"), all.ForTenant("other")
	assert.Equal(t, all.Tenant(), "")
	assert.Equal(t, acme.Tenant(), "acme")
	mustAppend(t, all, "content-1", uploaded("nobody's"))
	mustAppend(t, acme, "content-1", uploaded("acme's"))
	mustAppend(t, other, "content-1", uploaded("the other's"))

	for store, want := range map[*eventstore.Store]string{all: "nobody's", acme: "acme's", other: "the other's"} {
		assert.Equal(t, texts(t, store.Read(t.Context(), "content-1", 1)), []string{want})
		assert.Equal(t, texts(t, store.ReadBackwards(t.Context(), "content-1", eventstore.End)), []string{want})
		head, err := store.Head(t.Context(), "content-1")
		assert.NoError(t, err)
		assert.Equal(t, head, eventstore.Head{Version: 1, First: 1})
	}
	everything := func(store *eventstore.Store) []string {
		return texts(t, store.ReadAll(t.Context(), eventstore.Checkpoint{}, eventstore.Filter{}))
	}
	assert.Equal(t, everything(acme), []string{"acme's"})
	assert.Equal(t, everything(other), []string{"the other's"})
	assert.Equal(t, everything(all), []string{"nobody's", "acme's", "the other's"})
	n, err := acme.Count(t.Context(), eventstore.Checkpoint{}, eventstore.Filter{})
	assert.NoError(t, err)
	assert.Equal(t, n, 1)

	page, err := acme.ReadPage(t.Context(), eventstore.StreamRange{Stream: "content-1", Tenant: "other", From: 1, Max: 1})
	assert.NoError(t, err)
	assert.Equal(t, string(page.Events[0].Data), "acme's", "the range's tenant is ignored")

	assert.NoError(t, acme.Delete(t.Context(), "content-1", eventstore.Any))
	assert.Equal(t, everything(all), []string{"nobody's", "the other's"}, "an erasure is the tenant's own")
}

func TestTenantsThatCannotBeAreRefusedEverywhere(t *testing.T) {
	ctx := t.Context()
	for tenant, want := range map[string]string{
		strings.Repeat("x", 256): "tenant has 256 bytes, the limit is 255",
		"\xff":                   `tenant "\xff": want UTF-8 without NUL`,
		"a\x00":                  `tenant "a\x00": want UTF-8 without NUL`,
	} {
		for _, store := range []*eventstore.Store{
			eventstore.New(fakeDriver{}, eventstore.Config{Tenant: tenant}),
			eventstore.New(fakeDriver{}, eventstore.Config{}).ForTenant(tenant),
		} {
			seq := func(seq iter.Seq2[eventstore.Recorded, error]) error { _, err := collect(seq); return err }
			calls := map[string]func() error{
				"append":    func() error { _, err := store.Append(ctx, "s", eventstore.Any, uploaded("1")); return err },
				"head":      func() error { _, err := store.Head(ctx, "s"); return err },
				"now":       func() error { _, err := store.Now(ctx); return err },
				"delete":    func() error { return store.Delete(ctx, "s", eventstore.Any) },
				"read":      func() error { return seq(store.Read(ctx, "s", 1)) },
				"read all":  func() error { return seq(store.ReadAll(ctx, eventstore.Checkpoint{}, eventstore.Filter{})) },
				"subscribe": func() error { return seq(store.Subscribe(ctx, eventstore.Checkpoint{}, eventstore.Filter{})) },
			}
			for name, call := range calls {
				err := call()
				assert.ErrorIs(t, err, eventstore.ErrInvalid, name)
				assert.True(t, strings.HasSuffix(err.Error(), ": "+want), "%s: %s", name, err)
			}
		}
	}
}

func TestEventsOfAForeignTenantAreRefused(t *testing.T) {
	acme := newStore().ForTenant("acme")
	mustAppend(t, acme, "content-1", eventstore.Event{Type: "T", Metadata: eventstore.Metadata{Tenant: "acme"}})
	_, err := acme.Append(t.Context(), "content-1", eventstore.Any, eventstore.Event{Type: "T", Metadata: eventstore.Metadata{Tenant: "other"}})
	assert.ErrorIs(t, err, eventstore.ErrInvalid)
	assert.Equal(t, len(texts(t, acme.Read(t.Context(), "content-1", 1))), 1)
}

func TestHooksAreTold(t *testing.T) {
	type call struct {
		streams []string
		results []eventstore.Appended
		took    time.Duration
		err     error
	}
	synctest.Test(t, func(t *testing.T) {
		var calls []call
		memory := eventstore.NewMemory()
		driver := fakeDriver{Driver: memory, append: func(ctx context.Context, writes []eventstore.Write, results []eventstore.Appended) error {
			time.Sleep(time.Second)
			return memory.Append(ctx, writes, results)
		}}
		var store *eventstore.Store
		store = eventstore.New(driver, eventstore.Config{Hooks: eventstore.Hooks{
			Appended: func(ctx context.Context, info eventstore.AppendInfo) {
				c := call{took: info.Took, err: info.Err, results: append([]eventstore.Appended(nil), info.Results...)}
				for _, w := range info.Writes {
					c.streams = append(c.streams, w.Stream)
				}
				calls = append(calls, c)
				if info.Err == nil { // no lock is held
					_, err := store.Head(ctx, "content-1")
					assert.NoError(t, err)
				}
			},
		}})
		mustAppend(t, store, "content-1", uploaded("1"))
		_, err := store.AppendAll(t.Context(), eventstore.Write{Stream: "a", Events: []eventstore.Event{uploaded("2")}}, eventstore.Write{Stream: "content-1"})
		assert.ErrorIs(t, err, eventstore.ErrConflict)
		_, err = store.Append(t.Context(), "", eventstore.Any)
		assert.ErrorIs(t, err, eventstore.ErrInvalid)
		mustAppend(t, store.ForTenant("acme"), "content-1", uploaded("3"))

		assert.Equal(t, len(calls), 4)
		assert.Equal(t, calls[0], call{[]string{"content-1"}, []eventstore.Appended{{Version: 1, Position: 1}}, time.Second, nil})
		assert.Equal(t, calls[1].streams, []string{"a", "content-1"})
		assert.ErrorIs(t, calls[1].err, eventstore.ErrConflict)
		assert.ErrorIs(t, calls[2].err, eventstore.ErrInvalid, "what the store refuses is told too")
		assert.Equal(t, calls[2].results, []eventstore.Appended{{}}, "nothing of an earlier append")
		assert.Equal(t, calls[3].results, []eventstore.Appended{{Version: 1, Position: 2}})
	})
}

func TestAPanicDoesNotWedgeTheStore(t *testing.T) {
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{Hooks: eventstore.Hooks{
		Appended: func(_ context.Context, info eventstore.AppendInfo) {
			if info.Writes[0].Stream == "bad" {
				panic("hook")
			}
		},
	}})
	for range 3 {
		value := assert.Panics(t, func() { _, _ = store.Append(t.Context(), "bad", eventstore.Any, uploaded("1")) })
		assert.Equal(t, value, any("hook"))
		mustAppend(t, store, "good", uploaded("1"))
	}
}

func TestAllMethodsReturnTheCauseOfACancelledContext(t *testing.T) {
	cause := errors.New("shutting down")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	store := newStore()
	mustAppend(t, store, "s", uploaded("1"))
	seq := func(seq iter.Seq2[eventstore.Recorded, error]) error { _, err := collect(seq); return err }
	calls := map[string]func() error{
		"append":         func() error { _, err := store.Append(ctx, "s", eventstore.Any, uploaded("2")); return err },
		"append all":     func() error { _, err := store.AppendAll(ctx, eventstore.Write{Stream: "s"}); return err },
		"head":           func() error { _, err := store.Head(ctx, "s"); return err },
		"read page":      func() error { _, err := store.ReadPage(ctx, eventstore.StreamRange{Stream: "s", From: 1}); return err },
		"now":            func() error { _, err := store.Now(ctx); return err },
		"count":          func() error { _, err := store.Count(ctx, eventstore.Checkpoint{}, eventstore.Filter{}); return err },
		"truncate":       func() error { return store.Truncate(ctx, "s", 1) },
		"delete":         func() error { return store.Delete(ctx, "s", eventstore.Any) },
		"tombstone":      func() error { return store.Tombstone(ctx, "s", eventstore.Any) },
		"read":           func() error { return seq(store.Read(ctx, "s", 1)) },
		"read backwards": func() error { return seq(store.ReadBackwards(ctx, "s", eventstore.End)) },
		"read all":       func() error { return seq(store.ReadAll(ctx, eventstore.Checkpoint{}, eventstore.Filter{})) },
		"subscribe":      func() error { return seq(store.Subscribe(ctx, eventstore.Checkpoint{}, eventstore.Filter{})) },
	}
	for name, call := range calls {
		err := call()
		assert.ErrorIs(t, err, cause, name)
		assert.True(t, strings.HasPrefix(err.Error(), "eventstore: "), "%s: %s", name, err)
	}
	assert.Equal(t, texts(t, store.Read(t.Context(), "s", 1)), []string{"1"})
}

func TestErasuresOfStreams(t *testing.T) {
	store := newStore()
	ctx := t.Context()
	mustAppend(t, store, "content-1", uploaded("1"), uploaded("2"), uploaded("3"))

	assert.NoError(t, store.Truncate(ctx, "content-1", 3))
	assert.Equal(t, texts(t, store.Read(ctx, "content-1", 1)), []string{"3"})
	err := store.Truncate(ctx, "content-1", 9)
	assert.ErrorIs(t, err, eventstore.ErrInvalid)
	assert.Equal(t, err.Error(), `eventstore: truncate "content-1": stream "content-1": truncate before version 9: want 1 to 4`)

	err = store.Delete(ctx, "content-1", eventstore.Exact(2))
	assert.ErrorIs(t, err, eventstore.ErrConflict)
	assert.NoError(t, store.Delete(ctx, "content-1", eventstore.Exact(3)))
	assert.Equal(t, texts(t, store.Read(ctx, "content-1", 1)), []string{})
	head, err := store.Head(ctx, "content-1")
	assert.NoError(t, err)
	assert.Equal(t, head, eventstore.Head{Version: 3, First: 4, Deleted: true})
	assert.Equal(t, mustAppend(t, store, "content-1", uploaded("4")).Version, 4)

	assert.NoError(t, store.Tombstone(ctx, "content-1", eventstore.Any))
	_, err = store.Append(ctx, "content-1", eventstore.Any, uploaded("5"))
	assert.ErrorIs(t, err, eventstore.ErrTombstoned)

	err = store.Delete(ctx, "absent", eventstore.Any)
	assert.ErrorIs(t, err, eventstore.ErrNoStream)
	assert.Equal(t, err.Error(), `eventstore: delete "absent": eventstore: no such stream`)
	assert.ErrorIs(t, store.Delete(ctx, "", eventstore.Any), eventstore.ErrInvalid)
	assert.ErrorIs(t, store.Tombstone(ctx, "s", eventstore.Exact(-1)), eventstore.ErrInvalid)
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

func TestCategory(t *testing.T) {
	for stream, want := range map[string]string{"content-42": "content", "content": "content", "a-b-c": "a", "-x": "", "": ""} {
		assert.Equal(t, eventstore.Category(stream), want, stream)
	}
}

// TestAppendAllocatesLittle holds the promise of the design: the slice that the
// events are passed in, and the copy of the Data.
func TestAppendAllocatesLittle(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes values escape to the heap")
	}
	store := newStore()
	ctx := t.Context()
	data := []byte(`{"title":"Go"}`)
	mustAppend(t, store, "content-1", uploaded("1"))
	existing := testing.AllocsPerRun(2000, func() {
		_, err := store.Append(ctx, "content-1", eventstore.Any, eventstore.Event{Type: "ContentUploaded", Data: data})
		if err != nil {
			t.Fatal(err)
		}
	})
	if existing > 2 {
		t.Errorf("%v allocations for an event to an existing stream, want at most 2", existing)
	}
	names := make([]string, 2002)
	for i := range names {
		names[i] = fmt.Sprintf("content-new-%d", i)
	}
	created := testing.AllocsPerRun(2000, func() {
		_, err := store.Append(ctx, names[0], eventstore.NoStream, eventstore.Event{Type: "ContentUploaded", Data: data})
		if err != nil {
			t.Fatal(err)
		}
		names = names[1:]
	})
	if created > 2 {
		t.Errorf("%v allocations for an event to a new stream, want at most 2", created)
	}
}
