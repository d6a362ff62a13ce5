package eventstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

// A reader that waits to have caught up must not wait for the next event, be
// the store empty, read to its end already, or as long as exactly one page.
func TestSubscribeBatchesTellsOnceThatItHasCaughtUp(t *testing.T) {
	const firstPage = 256
	for _, events := range []int{0, 1, firstPage} {
		store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
		for range events {
			_, err := store.Append(t.Context(), "a", eventstore.Any, eventstore.Event{Type: "A"})
			assert.NoError(t, err)
		}
		now, err := store.Now(t.Context())
		assert.NoError(t, err)
		for _, after := range []eventstore.Checkpoint{{}, now} {
			assert.Equal(t, firstLive(t, store, after), now, "%d events, after %q", events, after)
		}
	}
}

func firstLive(t *testing.T, store *eventstore.Store, after eventstore.Checkpoint) eventstore.Checkpoint {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for batch, err := range store.SubscribeBatches(ctx, after, eventstore.Filter{}) {
		assert.NoError(t, err, "waits instead of telling that it has caught up")
		if batch.Live {
			return batch.Checkpoint
		}
	}
	t.Fatal("the subscription ended")
	return after
}
