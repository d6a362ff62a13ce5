package aggregate_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/eventstore/aggregate"
	"github.com/parlance-go/parlance/internal/assert"
)

// Many writers race for one account. Each success must have been decided on the
// state just before it: the balance is never below zero, at no version.
func TestHandleRacing(t *testing.T) {
	const writers, commands = 32, 20
	ctx := t.Context()
	var conflicts atomic.Int64
	driver := &faulty{Driver: eventstore.NewMemory()}
	driver.beforeAppend = func([]eventstore.Write) error {
		runtime.Gosched() // to whoever would like to be faster
		return nil
	}
	repository, store := newAccounts(t, driver, func(c *accountConfig) {
		c.MaxAttempts = 100
		c.Snapshots = aggregate.NewMemorySnapshots(1)
		c.SnapshotEvery = 7
		c.Hooks.Conflict = func(context.Context, aggregate.ConflictInfo) { conflicts.Add(1) }
	})
	var (
		wg       sync.WaitGroup
		total    atomic.Int64
		done     atomic.Int64
		versions sync.Map
	)
	for range writers {
		wg.Go(func() {
			for range commands {
				amount := rand.IntN(50)
				var command accountCommand = deposit{amount}
				change := int64(amount)
				if rand.IntN(2) == 0 {
					command, change = withdraw{amount}, -change
				}
				result, err := repository.Handle(ctx, "1", command)
				if errors.Is(err, errInsufficient) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				total.Add(change)
				done.Add(1)
				if _, twice := versions.LoadOrStore(result.Version, true); twice {
					t.Errorf("two commands were told that theirs is version %d", result.Version)
				}
				if result.State.Balance != sum(result.State.Moves) || int64(len(result.State.Moves)) != result.Version {
					t.Errorf("version %d: balance %d after moves %v", result.Version, result.State.Balance, result.State.Moves)
				}
			}
		})
	}
	wg.Wait()
	state, version, err := repository.Load(ctx, "1")
	assert.NoError(t, err)
	assert.Equal(t, int64(state.Balance), total.Load())
	assert.Equal(t, version, done.Load())
	assert.True(t, conflicts.Load() > 0, "nobody ever met: the test tests nothing")
	balance, folded := 0, accountEvents(t)
	for event, err := range store.Read(ctx, "account-1", 1) {
		assert.NoError(t, err)
		value, err := folded.Decode(event.Event)
		assert.NoError(t, err)
		balance = accounts.Evolve(account{Balance: balance}, value).Balance
		assert.True(t, balance >= 0, "balance %d at version %d", balance, event.Version)
	}
}

// After a conflict only what is new is read.
func TestHandleReadsOnAfterAConflict(t *testing.T) {
	ctx := t.Context()
	driver := &faulty{Driver: eventstore.NewMemory()}
	repository, store := newAccounts(t, driver)
	for range 10 {
		_, err := repository.Handle(ctx, "1", deposit{1})
		assert.NoError(t, err)
	}
	other := accountOther(t, store)
	driver.beforeAppend = func([]eventstore.Write) error {
		driver.beforeAppend = nil
		other(withdrawn{10})
		return nil
	}
	var from []int64
	driver.beforeRead = func(r eventstore.StreamRange) error {
		from = append(from, r.From)
		return nil
	}
	_, err := repository.Handle(ctx, "1", withdraw{5})
	assert.ErrorIs(t, err, errInsufficient, "decided on the state before the conflict")
	assert.Equal(t, from, []int64{1, 10})
}

// accountOther returns a function that appends behind the repository's back.
func accountOther(t *testing.T, store *eventstore.Store) func(accountEvent) {
	events := accountEvents(t)
	return func(value accountEvent) {
		t.Helper()
		event, err := events.Encode(value)
		assert.NoError(t, err)
		_, err = store.Append(t.Context(), "account-1", eventstore.Any, event)
		assert.NoError(t, err)
	}
}

// contended returns a repository whose appends always lose.
func contended(t *testing.T, changes ...func(*accountConfig)) *accountRepository {
	driver := &faulty{Driver: eventstore.NewMemory()}
	repository, _ := newAccounts(t, driver, changes...)
	other := accountOther(t, eventstore.New(driver.Driver, eventstore.Config{}))
	driver.beforeAppend = func([]eventstore.Write) error {
		other(deposited{1})
		return nil
	}
	return repository
}

func TestHandleGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var conflicts []aggregate.ConflictInfo
		var handled aggregate.HandledInfo
		repository := contended(t, func(c *accountConfig) {
			c.Hooks.Conflict = func(_ context.Context, info aggregate.ConflictInfo) { conflicts = append(conflicts, info) }
			c.Hooks.Handled = func(_ context.Context, info aggregate.HandledInfo) { handled = info }
		})
		start := time.Now()
		_, err := repository.Handle(t.Context(), "1", deposit{1})
		assert.ErrorIs(t, err, eventstore.ErrConflict)
		exhausted := assert.ErrorAs[*aggregate.ExhaustedError](t, err)
		assert.Equal(t, exhausted.Attempts, 12)
		assert.Contains(t, err.Error(), "12 attempts")
		conflict := assert.ErrorAs[*eventstore.ConflictError](t, err)
		assert.Equal(t, conflict.Expected, eventstore.Exact(11), "the last conflict")
		retryable := assert.ErrorAs[interface {
			error
			Retryable() bool
		}](t, err)
		assert.True(t, retryable.Retryable(), "another Handle may succeed")

		assert.Equal(t, len(conflicts), 12)
		var waited time.Duration
		for i, info := range conflicts[:11] {
			assert.Equal(t, info.Attempt, i+1)
			ceiling := min(time.Millisecond<<i, 100*time.Millisecond)
			assert.True(t, info.Wait > 0 && info.Wait <= ceiling, "wait %d is %v, the ceiling %v", i, info.Wait, ceiling)
			waited += info.Wait
		}
		assert.Equal(t, conflicts[11].Wait, 0)
		assert.Equal(t, time.Since(start), waited)
		assert.Equal(t, handled.Attempts, 12)
		assert.Equal(t, handled.Err, err)
	})
}

func TestHandleCancelledWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		repository := contended(t, func(c *accountConfig) { c.MaxAttempts = 1_000_000 })
		stop := errors.New("the shop is closing")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, stop)
		defer cancel()
		start := time.Now()
		_, err := repository.Handle(ctx, "1", deposit{1})
		assert.ErrorIs(t, err, stop)
		assert.ErrorIs(t, err, eventstore.ErrConflict)
		assert.Equal(t, time.Since(start), time.Second)
	})
}

func TestHandleRefusedOrNothing(t *testing.T) {
	ctx := t.Context()
	repository, store := newAccounts(t, eventstore.NewMemory())
	_, err := repository.Handle(ctx, "1", withdraw{1})
	assert.Equal(t, err, errInsufficient, "Decide's error as it is")
	result, err := repository.Handle(ctx, "1", look{})
	assert.NoError(t, err)
	assert.Equal(t, result, aggregate.Result[account, accountEvent]{})
	head, err := store.Head(ctx, "account-1")
	assert.NoError(t, err)
	assert.Equal(t, head, eventstore.Head{First: 1})

	_, err = repository.Handle(ctx, "1", deposit{3})
	assert.NoError(t, err)
	result, err = repository.Handle(ctx, "1", look{})
	assert.NoError(t, err)
	assert.Equal(t, result.Version, 1)
	assert.Equal(t, result.State.Balance, 3)
}

func TestHandlePanics(t *testing.T) {
	ctx := t.Context()
	decider := accounts
	explode := true
	decider.Decide = func(a account, c accountCommand) ([]accountEvent, error) {
		if explode {
			panic("decide")
		}
		return accounts.Decide(a, c)
	}
	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
	repository, err := aggregate.NewRepository(decider, accountConfig{Store: store, Category: "account", Events: accountEvents(t)})
	assert.NoError(t, err)
	assert.Equal(t, assert.Panics(t, func() { _, _ = repository.Handle(ctx, "1", deposit{1}) }), any("decide"))
	explode = false
	result, err := repository.Handle(ctx, "1", deposit{1})
	assert.NoError(t, err)
	assert.Equal(t, result.Version, 1)
}

// What the registry cannot read again must not get into the log, where it
// would close the aggregate for ever.
func TestHandleRefusesWhatCannotBeRead(t *testing.T) {
	ctx := t.Context()
	unreadable := errors.New("unreadable")
	events, err := eventstore.NewRegistry[accountEvent](
		eventstore.JSON[deposited]("Deposited", 1),
		eventstore.CodecType("Withdrawn", 1, eventstore.Codec[withdrawn]{
			Encode: func(withdrawn) ([]byte, error) { return []byte("x"), nil },
			Decode: func([]byte) (withdrawn, error) { return withdrawn{}, unreadable },
		}),
	)
	assert.NoError(t, err)
	repository, _ := newAccounts(t, eventstore.NewMemory(), func(c *accountConfig) { c.Events = events })
	_, err = repository.Handle(ctx, "1", exchange{In: 2, Out: 1})
	assert.ErrorIs(t, err, unreadable)
	result, err := repository.Handle(ctx, "1", deposit{1})
	assert.NoError(t, err)
	assert.Equal(t, result.Version, 1)
}

func TestHandleMetadata(t *testing.T) {
	repository, store := newAccounts(t, eventstore.NewMemory())
	metadata := eventstore.Metadata{
		CorrelationID: "request-1", CausationID: "command-1", Actor: "ada", TraceParent: "00-1-2-01",
		Extra: map[string]string{"channel": "web"},
	}
	ctx := eventstore.WithMetadata(t.Context(), metadata)
	_, err := repository.Handle(ctx, "1", exchange{5, 1})
	assert.NoError(t, err)
	_, err = repository.Handle(eventstore.WithCommandID(t.Context(), "command-2"), "1", deposit{1})
	assert.NoError(t, err)
	var got []eventstore.Metadata
	for event, err := range store.Read(t.Context(), "account-1", 1) {
		assert.NoError(t, err)
		got = append(got, event.Metadata)
	}
	assert.Equal(t, got, []eventstore.Metadata{metadata, metadata, {CausationID: "command-2"}})
}

func TestConfigErrors(t *testing.T) {
	half := eventstore.Codec[account]{Encode: func(account) ([]byte, error) { return nil, nil }}
	for want, change := range map[string]func(*accountConfig){
		"Store is nil":     func(c *accountConfig) { c.Store = nil },
		"Events is nil":    func(c *accountConfig) { c.Events = nil },
		`Category ""`:      func(c *accountConfig) { c.Category = "" },
		`Category "a-b"`:   func(c *accountConfig) { c.Category = "a-b" },
		`Category "a\nb"`:  func(c *accountConfig) { c.Category = "a\nb" },
		"not 101":          func(c *accountConfig) { c.Category = strings.Repeat("a", 101) },
		"MaxAttempts is -": func(c *accountConfig) { c.MaxAttempts = -1 },
		"SnapshotEvery is": func(c *accountConfig) { c.SnapshotEvery = -1 },
		"StateVersion is ": func(c *accountConfig) { c.StateVersion = -1 },
		"StateCodec has":   func(c *accountConfig) { c.StateCodec = half },
	} {
		config := accountConfig{
			Store: eventstore.New(eventstore.NewMemory(), eventstore.Config{}), Category: "account", Events: accountEvents(t),
		}
		change(&config)
		_, err := aggregate.NewRepository(accounts, config)
		assert.ErrorIs(t, err, eventstore.ErrInvalid, want)
		assert.Contains(t, err.Error(), want)
	}
	_, err := aggregate.NewRepository(aggregate.Decider[account, accountCommand, accountEvent]{}, accountConfig{})
	assert.ErrorIs(t, err, eventstore.ErrInvalid)
	assert.Contains(t, err.Error(), "Decide is nil")

	repository, _ := newAccounts(t, eventstore.NewMemory())
	for _, id := range []string{"", strings.Repeat("x", 600), "a\x00"} {
		_, err := repository.Handle(t.Context(), id, deposit{1})
		assert.ErrorIs(t, err, eventstore.ErrInvalid, "Handle %.10q", id)
		_, _, err = repository.Load(t.Context(), id)
		assert.ErrorIs(t, err, eventstore.ErrInvalid, "Load %.10q", id)
	}
}
