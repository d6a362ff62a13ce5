package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

func TestReadAllFollowsTheCheckpoint(t *testing.T) {
	ctx := t.Context()
	store := newStore()
	for i := range 600 {
		mustAppend(t, store, fmt.Sprintf("content-%d", i%7), uploaded(fmt.Sprint(i+1)))
	}
	events, err := collect(store.ReadAll(ctx, eventstore.Checkpoint{}, eventstore.Filter{}))
	assert.NoError(t, err)
	assert.Equal(t, len(events), 600)
	for _, i := range []int{0, 254, 255, 256, 598, 599} {
		rest := texts(t, store.ReadAll(ctx, events[i].Checkpoint, eventstore.Filter{}))
		assert.Equal(t, rest, numbers(i+2, 600)[:599-i], "after event %d", i+1)
		stored, err := eventstore.ParseCheckpoint(events[i].Checkpoint.String())
		assert.NoError(t, err)
		assert.Equal(t, len(texts(t, store.ReadAll(ctx, stored, eventstore.Filter{}))), 599-i)
	}
	now, err := store.Now(ctx)
	assert.NoError(t, err)
	assert.Equal(t, texts(t, store.ReadAll(ctx, now, eventstore.Filter{})), []string{})
	mustAppend(t, store, "content-9", uploaded("601"))
	assert.Equal(t, texts(t, store.ReadAll(ctx, now, eventstore.Filter{})), []string{"601"})

	for _, foreign := range []eventstore.Checkpoint{
		eventstore.NewCheckpoint("", 700), eventstore.NewCheckpoint("", -1), eventstore.NewCheckpoint("1:2:", 1),
	} {
		_, err := collect(store.ReadAll(ctx, foreign, eventstore.Filter{}))
		assert.ErrorIs(t, err, eventstore.ErrCheckpoint, "%s", foreign)
		_, err = store.Count(ctx, foreign, eventstore.Filter{})
		assert.ErrorIs(t, err, eventstore.ErrCheckpoint, "%s", foreign)
	}
}

func TestFilters(t *testing.T) {
	ctx := t.Context()
	store := newStore()
	add := func(stream, eventType, data string) {
		mustAppend(t, store, stream, eventstore.Event{Type: eventType, Data: []byte(data)})
	}
	add("content-1", "Uploaded", "1")
	add("content-2", "Published", "2")
	add("user-1", "Uploaded", "3")
	add("content", "Uploaded", "4")
	add("-odd", "Uploaded", "5")
	tests := []struct {
		filter eventstore.Filter
		want   []string
	}{
		{eventstore.Filter{}, []string{"1", "2", "3", "4", "5"}},
		{eventstore.Filter{Categories: []string{"content"}}, []string{"1", "2", "4"}},
		{eventstore.Filter{Categories: []string{"user", "content"}}, []string{"1", "2", "3", "4"}},
		{eventstore.Filter{Categories: []string{""}}, []string{"5"}},
		{eventstore.Filter{Types: []string{"Uploaded"}}, []string{"1", "3", "4", "5"}},
		{eventstore.Filter{Types: []string{"Uploaded", "Published"}}, []string{"1", "2", "3", "4", "5"}},
		{eventstore.Filter{Categories: []string{"content"}, Types: []string{"Published"}}, []string{"2"}},
		{eventstore.Filter{Categories: []string{"user"}, Types: []string{"Published"}}, []string{}},
	}
	for _, test := range tests {
		assert.Equal(t, texts(t, store.ReadAll(ctx, eventstore.Checkpoint{}, test.filter)), test.want, "%+v", test.filter)
		n, err := store.Count(ctx, eventstore.Checkpoint{}, test.filter)
		assert.NoError(t, err)
		assert.Equal(t, int(n), len(test.want), "%+v", test.filter)
	}
	for _, filter := range []eventstore.Filter{
		{Types: []string{"\xff"}}, {Types: []string{strings.Repeat("x", 256)}}, {Categories: []string{"a\x00"}},
	} {
		_, err := collect(store.ReadAll(ctx, eventstore.Checkpoint{}, filter))
		assert.ErrorIs(t, err, eventstore.ErrInvalid, "%.40v", filter)
		_, err = store.Count(ctx, eventstore.Checkpoint{}, filter)
		assert.ErrorIs(t, err, eventstore.ErrInvalid, "%.40v", filter)
	}
}

func TestErasedEventsAreNotReadOrCounted(t *testing.T) {
	ctx := t.Context()
	store := newStore()
	mustAppend(t, store, "content-1", uploaded("1"), uploaded("2"))
	mustAppend(t, store, "content-2", uploaded("3"))
	assert.NoError(t, store.Truncate(ctx, "content-1", 2))
	assert.NoError(t, store.Tombstone(ctx, "content-2", eventstore.Any))
	assert.Equal(t, texts(t, store.ReadAll(ctx, eventstore.Checkpoint{}, eventstore.Filter{})), []string{"2"})
	n, err := store.Count(ctx, eventstore.Checkpoint{}, eventstore.Filter{})
	assert.NoError(t, err)
	assert.Equal(t, n, 1)
}

func TestCountNeedsADriverThatCounts(t *testing.T) {
	_, err := eventstore.New(fakeDriver{}, eventstore.Config{}).Count(t.Context(), eventstore.Checkpoint{}, eventstore.Filter{})
	assert.ErrorIs(t, err, eventstore.ErrUnsupported)
}

func TestReadAllEndsWithItsError(t *testing.T) {
	ctx := t.Context()
	pages := 0
	memory := eventstore.NewMemory()
	store := numbered(t, fakeDriver{Driver: memory, readAll: func(ctx context.Context, r eventstore.AllRange) (eventstore.Page, error) {
		if pages++; pages > 1 {
			return eventstore.Page{}, errDriver
		}
		return memory.ReadAll(ctx, r)
	}}, 600)
	var read, errs int
	for _, err := range store.ReadAll(ctx, eventstore.Checkpoint{}, eventstore.Filter{}) {
		if err != nil {
			errs++
			assert.ErrorIs(t, err, errDriver)
			assert.Equal(t, err.Error(), `eventstore: read all: the driver failed`)
			continue // the sequence ends all the same
		}
		read++
	}
	assert.Equal(t, read, 256)
	assert.Equal(t, errs, 1)
	_, err := store.Now(ctx)
	assert.Equal(t, err.Error(), `eventstore: checkpoint of now: the driver failed`)
}

func TestSubscribersWaitAndAreWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("shutting down")
		ctx, cancel := context.WithCancelCause(t.Context())
		store := newStore()
		mustAppend(t, store, "content-1", uploaded("1"))
		var got []string
		var end error
		go func() {
			for event, err := range store.Subscribe(ctx, eventstore.Checkpoint{}, eventstore.Filter{}) {
				if err != nil {
					end = err
					return
				}
				got = append(got, string(event.Data))
			}
		}()
		synctest.Wait() // for the subscriber to block
		assert.Equal(t, got, []string{"1"})
		mustAppend(t, store, "content-1", uploaded("2"))
		synctest.Wait()
		assert.Equal(t, got, []string{"1", "2"})
		mustAppend(t, store, "content-2", uploaded("3"), uploaded("4"))
		synctest.Wait()
		assert.Equal(t, got, []string{"1", "2", "3", "4"})
		assert.NoError(t, end)
		cancel(cause)
		synctest.Wait()
		assert.ErrorIs(t, end, cause)
		assert.Equal(t, end.Error(), "eventstore: subscribe: shutting down")
	})
}

func TestManySubscribersAreWokenByOneAppend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newStore()
		woken := make([]bool, 20)
		for i := range woken {
			go func() {
				for _, err := range store.Subscribe(t.Context(), eventstore.Checkpoint{}, eventstore.Filter{}) {
					woken[i] = err == nil
					return // leaving ends the subscription
				}
			}()
		}
		synctest.Wait()
		mustAppend(t, store, "content-1", uploaded("1"))
		synctest.Wait() // and synctest.Test fails if a goroutine is left
		for i := range woken {
			assert.True(t, woken[i], "subscriber %d", i)
		}
	})
}

func TestASubscriberMayAppend(t *testing.T) {
	store := newStore()
	mustAppend(t, store, "content-1", uploaded("1"))
	for event, err := range store.Subscribe(t.Context(), eventstore.Checkpoint{}, eventstore.Filter{}) {
		assert.NoError(t, err)
		if event.Stream == "other-3" {
			break
		}
		mustAppend(t, store, fmt.Sprintf("other-%d", event.Position), uploaded("x")) // no lock is held
	}
}

func TestSubscribeEndsWithTheErrorOfReading(t *testing.T) {
	store := eventstore.New(fakeDriver{readAll: func(context.Context, eventstore.AllRange) (eventstore.Page, error) {
		return eventstore.Page{}, errDriver
	}}, eventstore.Config{})
	_, err := collect(store.Subscribe(t.Context(), eventstore.Checkpoint{}, eventstore.Filter{}))
	assert.ErrorIs(t, err, errDriver)
	_, err = collect(store.SubscribeBatches(t.Context(), eventstore.Checkpoint{}, eventstore.Filter{}))
	assert.ErrorIs(t, err, errDriver)
	_, err = collect(store.SubscribeBatches(t.Context(), eventstore.Checkpoint{}, eventstore.Filter{Types: []string{"\xff"}}))
	assert.ErrorIs(t, err, eventstore.ErrInvalid)
}

// TestBatchesMoveTheCheckpointPastWhatIsFiltered is about a reader of a rare
// event: its checkpoint must not stay behind.
func TestBatchesMoveTheCheckpointPastWhatIsFiltered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		store := numbered(t, eventstore.NewMemory(), 10_000) // as many as one page looks through
		mustAppend(t, store, "user-1", uploaded("rare"))
		mustAppend(t, store, "content-1", uploaded("10001"))
		var batches []eventstore.Batch
		go func() {
			for batch, err := range store.SubscribeBatches(ctx, eventstore.Checkpoint{}, eventstore.Filter{Categories: []string{"user"}}) {
				if err != nil {
					return
				}
				batches = append(batches, batch)
			}
		}()
		synctest.Wait()
		assert.Equal(t, len(batches), 2)
		assert.Equal(t, len(batches[0].Events), 0)
		assert.False(t, batches[0].Live)
		assert.Equal(t, len(batches[1].Events), 1)
		assert.True(t, batches[1].Live)
		now, err := store.Now(ctx)
		assert.NoError(t, err)
		assert.Equal(t, batches[1].Checkpoint, now)
		assert.NotEqual(t, batches[1].Events[0].Checkpoint, now, "the event after it did not pass")

		mustAppend(t, store, "content-1", uploaded("10002"))
		synctest.Wait()
		now, err = store.Now(ctx)
		assert.NoError(t, err)
		assert.Equal(t, batches[2:], []eventstore.Batch{{Checkpoint: now, Live: true}})
	})
}

func TestBatchesTellOnceThatTheyHaveCaughtUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		store := newStore()
		var batches []eventstore.Batch
		go func() {
			for batch, err := range store.SubscribeBatches(ctx, eventstore.Checkpoint{}, eventstore.Filter{}) {
				if err != nil {
					return
				}
				batches = append(batches, batch)
			}
		}()
		synctest.Wait()
		assert.Equal(t, batches, []eventstore.Batch{{Live: true}}, "of an empty store")
		mustAppend(t, store, "content-1", uploaded("1"))
		synctest.Wait()
		assert.Equal(t, len(batches), 2)
		assert.True(t, batches[1].Live)
	})
}

// TestBatchesAreNotMadeOfNothing is about drivers that cannot tell whether there
// is something to read, and so return from Wait now and then.
func TestBatchesAreNotMadeOfNothing(t *testing.T) {
	waits := 0
	store := numbered(t, fakeDriver{Driver: eventstore.NewMemory(), wait: func(context.Context, eventstore.Checkpoint) error {
		if waits++; waits > 10 {
			return errDriver
		}
		return nil
	}}, 1)
	batches, err := collect(store.SubscribeBatches(t.Context(), eventstore.Checkpoint{}, eventstore.Filter{}))
	assert.ErrorIs(t, err, errDriver)
	assert.Equal(t, len(batches), 1)
	assert.Equal(t, waits, 11)
}
