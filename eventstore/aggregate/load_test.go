package aggregate_test

import (
	"context"
	"errors"
	"testing"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/eventstore/aggregate"
	"github.com/parlance-go/parlance/internal/assert"
)

func handle(t *testing.T, r *accountRepository, commands ...accountCommand) {
	t.Helper()
	for _, command := range commands {
		_, err := r.Handle(t.Context(), "1", command)
		assert.NoError(t, err)
	}
}

// fillAccount appends many deposits of 1 at once.
func fillAccount(t *testing.T, store *eventstore.Store, count int) {
	t.Helper()
	events := accountEvents(t)
	batch := make([]eventstore.Event, count)
	for i := range batch {
		var err error
		batch[i], err = events.Encode(deposited{1})
		assert.NoError(t, err)
	}
	_, err := store.Append(t.Context(), "account-1", eventstore.Any, batch...)
	assert.NoError(t, err)
}

func TestLoadManyPages(t *testing.T) {
	const count = 5000
	repository, store := newAccounts(t, eventstore.NewMemory())
	fillAccount(t, store, count)
	state, version, err := repository.Load(t.Context(), "1")
	assert.NoError(t, err)
	assert.Equal(t, version, count)
	assert.Equal(t, state.Balance, count)
}

func TestLoadAbsent(t *testing.T) {
	repository, _ := newAccounts(t, eventstore.NewMemory())
	state, version, err := repository.Load(t.Context(), "1")
	assert.NoError(t, err)
	assert.Equal(t, version, 0)
	assert.Equal(t, state, account{})
}

func TestLoadInitial(t *testing.T) {
	decider := accounts
	decider.Initial = func() account { return account{Balance: 100} }
	repository, err := aggregate.NewRepository(decider, accountConfig{
		Store:    eventstore.New(eventstore.NewMemory(), eventstore.Config{}),
		Category: "account", Events: accountEvents(t),
	})
	assert.NoError(t, err)
	handle(t, repository, withdraw{100})
	state, _, err := repository.Load(t.Context(), "1")
	assert.NoError(t, err)
	assert.Equal(t, state.Balance, 0)
}

func TestLoadUnknownEvent(t *testing.T) {
	repository, store := newAccounts(t, eventstore.NewMemory())
	handle(t, repository, deposit{1})
	_, err := store.Append(t.Context(), "account-1", eventstore.Any, eventstore.Event{Type: "Renamed"})
	assert.NoError(t, err)
	_, _, err = repository.Load(t.Context(), "1")
	assert.ErrorIs(t, err, eventstore.ErrUnknownType)
	assert.Contains(t, err.Error(), "version 2")
	assert.Contains(t, err.Error(), "Renamed")
	_, err = repository.Handle(t.Context(), "1", deposit{1})
	assert.ErrorIs(t, err, eventstore.ErrUnknownType)
}

// Without its first events, the state is unknown, and must not be guessed.
func TestLoadTruncated(t *testing.T) {
	for _, before := range []int64{2, 3, 4} {
		repository, store := newAccounts(t, eventstore.NewMemory())
		handle(t, repository, deposit{1}, deposit{2}, deposit{3})
		assert.NoError(t, store.Truncate(t.Context(), "account-1", before))
		_, _, err := repository.Load(t.Context(), "1")
		assert.ErrorIs(t, err, aggregate.ErrTruncated)
		assert.Equal(t, assert.ErrorAs[*aggregate.TruncatedError](t, err).First, before)
		_, err = repository.Handle(t.Context(), "1", deposit{1})
		assert.ErrorIs(t, err, aggregate.ErrTruncated)
		head, err := store.Head(t.Context(), "account-1")
		assert.NoError(t, err)
		assert.Equal(t, head.Version, 3)
	}
}

// A deleted aggregate begins anew, as often as one likes.
func TestLoadDeleted(t *testing.T) {
	ctx := eventstore.WithMetadata(t.Context(), eventstore.Metadata{Extra: map[string]string{"channel": "web"}})
	repository, store := newAccounts(t, eventstore.NewMemory())
	for round := range int64(3) {
		handle(t, repository, deposit{5}, withdraw{5})
		assert.NoError(t, store.Delete(ctx, "account-1", eventstore.Any))
		state, version, err := repository.Load(ctx, "1")
		assert.NoError(t, err)
		assert.Equal(t, version, 4*round+2)
		assert.Equal(t, state, account{})

		result, err := repository.Handle(ctx, "1", exchange{8, 1})
		assert.NoError(t, err)
		assert.Equal(t, result.Version, 4*round+4)
		assert.Equal(t, result.State, account{Balance: 7, Moves: []int{8, -1}})
		state, version, err = repository.Load(ctx, "1")
		assert.NoError(t, err)
		assert.Equal(t, version, 4*round+4)
		assert.Equal(t, state, result.State)

		// What began anew and was truncated then is not complete either.
		assert.NoError(t, store.Truncate(ctx, "account-1", version))
		_, _, err = repository.Load(ctx, "1")
		assert.ErrorIs(t, err, aggregate.ErrTruncated)
		assert.NoError(t, store.Delete(ctx, "account-1", eventstore.Any))
		repository, _ = newAccounts(t, eventstore.NewMemory(), func(c *accountConfig) { c.Store = store })
		_, version, err = repository.Load(ctx, "1")
		assert.NoError(t, err)
		assert.Equal(t, version, 4*round+4)
	}
}

// Metadata that is passed on does not say that another event begins anew.
func TestLoadMarkIsNotInherited(t *testing.T) {
	repository, store := newAccounts(t, eventstore.NewMemory())
	handle(t, repository, deposit{1})
	assert.NoError(t, store.Delete(t.Context(), "account-1", eventstore.Any))
	handle(t, repository, deposit{2})
	for event, err := range store.Read(t.Context(), "account-1", 1) {
		assert.NoError(t, err)
		_, err = repository.Handle(eventstore.WithMetadata(t.Context(), event.Metadata), "1", deposit{3})
		assert.NoError(t, err)
		break
	}
	assert.NoError(t, store.Truncate(t.Context(), "account-1", 3))
	_, _, err := repository.Load(t.Context(), "1")
	assert.ErrorIs(t, err, aggregate.ErrTruncated)
}

func TestLoadTombstoned(t *testing.T) {
	repository, store := newAccounts(t, eventstore.NewMemory())
	handle(t, repository, deposit{1})
	assert.NoError(t, store.Tombstone(t.Context(), "account-1", eventstore.Any))
	_, _, err := repository.Load(t.Context(), "1")
	assert.ErrorIs(t, err, eventstore.ErrTombstoned)
	_, err = repository.Handle(t.Context(), "1", deposit{1})
	assert.ErrorIs(t, err, eventstore.ErrTombstoned)
}

// The stream is erased, and begun anew, between two pages of one load.
func TestLoadErasedBetweenPages(t *testing.T) {
	driver := &faulty{Driver: eventstore.NewMemory()}
	repository, store := newAccounts(t, driver)
	fillAccount(t, store, 300)
	driver.beforeRead = func(r eventstore.StreamRange) error {
		if r.From == 1 {
			return nil
		}
		driver.beforeRead = nil
		assert.NoError(t, store.Delete(t.Context(), "account-1", eventstore.Any))
		handle(t, repository, deposit{7})
		return nil
	}
	state, version, err := repository.Load(t.Context(), "1")
	assert.NoError(t, err)
	assert.Equal(t, version, 301)
	assert.Equal(t, state.Balance, 7)
}

// The stream is erased, and begun anew, between a command's load and append.
func TestHandleErasedMeanwhile(t *testing.T) {
	driver := &faulty{Driver: eventstore.NewMemory()}
	repository, store := newAccounts(t, driver)
	handle(t, repository, deposit{100})
	driver.beforeAppend = func([]eventstore.Write) error {
		driver.beforeAppend = nil
		assert.NoError(t, store.Delete(t.Context(), "account-1", eventstore.Any))
		handle(t, repository, deposit{7})
		return nil
	}
	_, err := repository.Handle(t.Context(), "1", withdraw{50})
	assert.ErrorIs(t, err, errInsufficient)
	driver.beforeAppend = func([]eventstore.Write) error {
		driver.beforeAppend = nil
		return store.Tombstone(t.Context(), "account-1", eventstore.Any)
	}
	_, err = repository.Handle(t.Context(), "1", withdraw{5})
	assert.ErrorIs(t, err, eventstore.ErrTombstoned)
}

// A stream that is erased again and again is not read for ever.
func TestLoadErasedAgainAndAgain(t *testing.T) {
	driver := &faulty{Driver: eventstore.NewMemory()}
	repository, store := newAccounts(t, driver)
	busy := false
	fill := func() {
		busy = true
		handle(t, repository, deposit{1})
		fillAccount(t, store, 299)
		busy = false
	}
	fill()
	driver.beforeRead = func(r eventstore.StreamRange) error {
		if r.From > 1 && !busy {
			assert.NoError(t, store.Delete(t.Context(), "account-1", eventstore.Any))
			fill()
		}
		return nil
	}
	_, _, err := repository.Load(t.Context(), "1")
	assert.Error(t, err)
	assert.Contains(t, err.Error(), "erased while they were read")
}

func TestCancelled(t *testing.T) {
	stop := errors.New("the shop is closing")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	repository, _ := newAccounts(t, eventstore.NewMemory(), func(c *accountConfig) {
		c.Snapshots = aggregate.NewStreamSnapshots(c.Store)
	})
	_, _, err := repository.Load(ctx, "1")
	assert.ErrorIs(t, err, stop)
	_, err = repository.Handle(ctx, "1", deposit{1})
	assert.ErrorIs(t, err, stop)

	// Once the events are in the log, a context that is done changes nothing.
	driver := &faulty{Driver: eventstore.NewMemory()}
	ctx, cancel = context.WithCancelCause(t.Context())
	driver.afterAppend = func([]eventstore.Write) error {
		cancel(stop)
		return nil
	}
	repository, _ = newAccounts(t, driver, func(c *accountConfig) {
		c.Snapshots, c.SnapshotEvery = aggregate.NewStreamSnapshots(c.Store), 1
	})
	result, err := repository.Handle(ctx, "1", deposit{1})
	assert.NoError(t, err)
	assert.Equal(t, result.Version, 1)
}
