package eventstore_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

// numbered returns a store with a stream content-1 of n events, whose Data are
// the numbers from 1.
func numbered(t testing.TB, driver eventstore.Driver, n int) *eventstore.Store {
	t.Helper()
	store := eventstore.New(driver, eventstore.Config{})
	events := make([]eventstore.Event, n)
	for i := range events {
		events[i] = uploaded(fmt.Sprint(i + 1))
	}
	mustAppend(t, store, "content-1", events...)
	return store
}

func numbers(from, to int) []string {
	all := []string{}
	for i := from; from <= to && i <= to; i++ {
		all = append(all, fmt.Sprint(i))
	}
	for i := from; from > to && i >= to; i-- {
		all = append(all, fmt.Sprint(i))
	}
	return all
}

func TestReadFromAnyVersion(t *testing.T) {
	const n = 600 // several pages
	ctx := t.Context()
	store := numbered(t, eventstore.NewMemory(), n)
	for _, from := range []int64{-5, 0, 1, 2, 256, 257, 599, 600} {
		assert.Equal(t, texts(t, store.Read(ctx, "content-1", from)), numbers(max(int(from), 1), n), "from %d", from)
	}
	assert.Equal(t, texts(t, store.Read(ctx, "content-1", n+1)), []string{}, "from beyond the end")
	for _, from := range []int64{1, 2, 256, 257, 600, 601, eventstore.End} {
		assert.Equal(t, texts(t, store.ReadBackwards(ctx, "content-1", from)), numbers(min(int(from), n), 1), "back from %d", from)
	}
	for _, from := range []int64{0, -1} {
		assert.Equal(t, texts(t, store.ReadBackwards(ctx, "content-1", from)), []string{}, "back from %d", from)
	}
	assert.Equal(t, texts(t, store.Read(ctx, "absent", 1)), []string{})
	assert.Equal(t, texts(t, store.ReadBackwards(ctx, "absent", eventstore.End)), []string{})

	assert.NoError(t, store.Truncate(ctx, "content-1", 500))
	assert.Equal(t, texts(t, store.Read(ctx, "content-1", 1)), numbers(500, n))
	assert.Equal(t, texts(t, store.ReadBackwards(ctx, "content-1", eventstore.End)), numbers(n, 500))
	assert.Equal(t, texts(t, store.ReadBackwards(ctx, "content-1", 499)), []string{})
}

func TestReadMayBeUsedTwice(t *testing.T) {
	store := numbered(t, eventstore.NewMemory(), 300)
	read := store.Read(t.Context(), "content-1", 299)
	assert.Equal(t, texts(t, read), numbers(299, 300))
	assert.Equal(t, texts(t, read), numbers(299, 300))
}

func TestReadSeesWhatIsAppendedMeanwhile(t *testing.T) {
	store := numbered(t, eventstore.NewMemory(), 300)
	n := 0
	for _, err := range store.Read(t.Context(), "content-1", 1) {
		assert.NoError(t, err)
		if n++; n == 10 { // no lock is held
			mustAppend(t, store, "content-1", uploaded("301"))
		}
	}
	assert.Equal(t, n, 301)
}

func TestReadMayBeLeft(t *testing.T) {
	pages := 0
	memory := eventstore.NewMemory()
	store := numbered(t, fakeDriver{Driver: memory, readStream: func(ctx context.Context, r eventstore.StreamRange) (eventstore.StreamPage, error) {
		pages++
		return memory.ReadStream(ctx, r)
	}}, 600)
	for event, err := range store.Read(t.Context(), "content-1", 1) {
		assert.NoError(t, err)
		if event.Version == 3 {
			break
		}
	}
	assert.Equal(t, pages, 1)
}

func TestReadEndsWithItsError(t *testing.T) {
	pages := 0
	memory := eventstore.NewMemory()
	store := numbered(t, fakeDriver{Driver: memory, readStream: func(ctx context.Context, r eventstore.StreamRange) (eventstore.StreamPage, error) {
		if pages++; pages > 1 {
			return eventstore.StreamPage{}, errDriver
		}
		return memory.ReadStream(ctx, r)
	}}, 600)
	var read, errs int
	for _, err := range store.Read(t.Context(), "content-1", 1) {
		if err != nil {
			errs++
			assert.ErrorIs(t, err, errDriver)
			assert.Equal(t, err.Error(), `eventstore: read "content-1": the driver failed`)
			continue // the sequence ends all the same
		}
		read++
	}
	assert.Equal(t, read, 256)
	assert.Equal(t, errs, 1)
}

func TestReadOfATombstonedStream(t *testing.T) {
	ctx := t.Context()
	store := numbered(t, eventstore.NewMemory(), 3)
	assert.NoError(t, store.Tombstone(ctx, "content-1", eventstore.Any))
	_, err := collect(store.Read(ctx, "content-1", 1))
	assert.ErrorIs(t, err, eventstore.ErrTombstoned)
	assert.Equal(t, err.Error(), `eventstore: read "content-1": stream "content-1" is tombstoned`)
	_, err = collect(store.ReadBackwards(ctx, "content-1", eventstore.End))
	assert.ErrorIs(t, err, eventstore.ErrTombstoned)
	page, err := store.ReadPage(ctx, eventstore.StreamRange{Stream: "content-1", From: 1, Max: 10})
	assert.ErrorIs(t, err, eventstore.ErrTombstoned)
	assert.Equal(t, page, eventstore.StreamPage{})
	head, err := store.Head(ctx, "content-1")
	assert.NoError(t, err)
	assert.Equal(t, head, eventstore.Head{Version: 3, First: 4, Tombstoned: true})
}

func TestReadPage(t *testing.T) {
	ctx := t.Context()
	store := numbered(t, eventstore.NewMemory(), 5)
	page, err := store.ReadPage(ctx, eventstore.StreamRange{Stream: "content-1", From: 2, Max: 2})
	assert.NoError(t, err)
	assert.Equal(t, page.Head, eventstore.Head{Version: 5, First: 1})
	assert.Equal(t, len(page.Events), 2)
	assert.Equal(t, page.Events[0].Version, 2)
	page, err = store.ReadPage(ctx, eventstore.StreamRange{Stream: "content-1", From: 4, Max: 2, Backwards: true})
	assert.NoError(t, err)
	assert.Equal(t, page.Events[1].Version, 3)
	page, err = store.ReadPage(ctx, eventstore.StreamRange{Stream: "content-1", From: 1})
	assert.NoError(t, err)
	assert.Equal(t, page, eventstore.StreamPage{Head: eventstore.Head{Version: 5, First: 1}}, "Max 0 asks for the head")
	for _, r := range []eventstore.StreamRange{{}, {Stream: "s"}, {Stream: "s", From: -1}, {Stream: "s", From: 1, Max: -1}} {
		_, err := store.ReadPage(ctx, r)
		assert.ErrorIs(t, err, eventstore.ErrInvalid, "%+v", r)
	}
	_, err = store.Head(ctx, "")
	assert.ErrorIs(t, err, eventstore.ErrInvalid)
	_, err = collect(store.Read(ctx, "", 1))
	assert.Equal(t, err.Error(), `eventstore: read "": stream name "": want 1 to 512 bytes, not 0`)
}

func TestReadersCannotChangeWhatIsStored(t *testing.T) {
	ctx := t.Context()
	store := newStore()
	given := uploaded("original")
	given.Metadata.Extra = map[string]string{"key": "original"}
	second := given
	second.Data = []byte("original")
	second.Metadata.Extra = map[string]string{"key": "original"}
	events := []eventstore.Event{given, second}
	mustAppend(t, store, "content-1", events...)
	spoil := func(r eventstore.Recorded) {
		copy(r.Data, "spoiled!")
		_ = append(r.Data, "more"...)
		r.Metadata.Extra["key"] = "spoiled"
	}
	spoil(eventstore.Recorded{Event: events[0]})
	spoil(eventstore.Recorded{Event: events[1]})
	for range 2 {
		for event, err := range store.Read(ctx, "content-1", 1) {
			assert.NoError(t, err)
			assert.Equal(t, string(event.Data), "original")
			assert.Equal(t, event.Metadata.Extra["key"], "original")
			spoil(event)
		}
		for event, err := range store.ReadAll(ctx, eventstore.Checkpoint{}, eventstore.Filter{}) {
			assert.NoError(t, err)
			assert.Equal(t, string(event.Data), "original")
			assert.Equal(t, event.Metadata.Extra["key"], "original")
			spoil(event)
		}
	}
}

// TestPagesHoldFewLargeEvents sees how many events the store asks a driver for.
func TestPagesHoldFewLargeEvents(t *testing.T) {
	const quarter = 256 << 10
	tests := []struct {
		name   string
		events int
		size   int
		want   []int
	}{
		{"small", 6000, 10, []int{256, 1024, 2048, 2048, 2048}},
		{"16 fill a page", 300, quarter, []int{256, 16, 16, 16}},
		{"none", 500, 0, []int{256, 1024}},
	}
	for _, test := range tests {
		memory := eventstore.NewMemory()
		var asked []int
		store := eventstore.New(fakeDriver{
			Driver: memory,
			readStream: func(ctx context.Context, r eventstore.StreamRange) (eventstore.StreamPage, error) {
				asked = append(asked, r.Max)
				return memory.ReadStream(ctx, r)
			},
			readAll: func(ctx context.Context, r eventstore.AllRange) (eventstore.Page, error) {
				asked = append(asked, r.Max)
				return memory.ReadAll(ctx, r)
			},
		}, eventstore.Config{})
		events := make([]eventstore.Event, test.events)
		for i := range events {
			events[i] = uploaded(strings.Repeat("x", test.size))
		}
		mustAppend(t, store, "content-1", events...)
		assert.Equal(t, len(texts(t, store.Read(t.Context(), "content-1", 1))), test.events, test.name)
		assert.Equal(t, asked, test.want, "%s: Read", test.name)
		asked = nil
		assert.Equal(t, len(texts(t, store.ReadAll(t.Context(), eventstore.Checkpoint{}, eventstore.Filter{}))), test.events, test.name)
		assert.Equal(t, asked, test.want, "%s: ReadAll", test.name)
	}
}

// There is nothing before the first event, but what is wrong is still said.
func TestReadBackwardsFromBeforeTheFirst(t *testing.T) {
	t.Parallel()
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	assert.NoError(t, store.Tombstone(t.Context(), "closed-1", eventstore.Any))
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		ctx    context.Context
		store  *eventstore.Store
		stream string
		want   error
	}{
		{t.Context(), store, "absent-1", nil},
		{t.Context(), store, "", eventstore.ErrInvalid},
		{t.Context(), store.ForTenant("\xff"), "absent-1", eventstore.ErrInvalid},
		{t.Context(), store, "closed-1", eventstore.ErrTombstoned},
		{canceled, store, "absent-1", context.Canceled},
	} {
		var got error
		for _, err := range test.store.ReadBackwards(test.ctx, test.stream, 0) {
			got = err
		}
		assert.ErrorIs(t, got, test.want)
	}
}
