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
	assert.Equal(t, err.Error(), `eventstore: delete "absent": no such stream`)
	assert.ErrorIs(t, store.Delete(ctx, "", eventstore.Any), eventstore.ErrInvalid)
	assert.ErrorIs(t, store.Tombstone(ctx, "s", eventstore.Exact(-1)), eventstore.ErrInvalid)
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
