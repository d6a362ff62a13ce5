package aggregate_test

import (
	"errors"
	"strconv"
	"sync"
	"testing"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/eventstore/aggregate"
	"github.com/parlance-go/parlance/internal/assert"
)

var errLost = errors.New("connection reset by peer")

// once returns a function that fails the first time.
func once(err error) func([]eventstore.Write) error {
	return func([]eventstore.Write) error {
		first := err
		err = nil
		return first
	}
}

// withSnapshots are the setups in which a command that comes again must be
// recognised: with all events before it, or only with a snapshot above them.
var withSnapshots = map[string]func(*accountConfig){
	"log": func(*accountConfig) {},
	"snapshots": func(c *accountConfig) {
		c.Snapshots, c.SnapshotEvery = aggregate.NewMemorySnapshots(10), 1
	},
}

// The append commits, its answer is lost, and the command is sent again.
func TestCommandAnswerLost(t *testing.T) {
	for name, setup := range withSnapshots {
		t.Run(name, func(t *testing.T) {
			driver := &faulty{Driver: eventstore.NewMemory()}
			repository, _ := newAccounts(t, driver, setup)
			_, err := repository.Handle(t.Context(), "1", deposit{10})
			assert.NoError(t, err)

			driver.afterAppend = once(errLost)
			ctx := eventstore.WithCommandID(t.Context(), "c-1")
			_, err = repository.Handle(ctx, "1", withdraw{10})
			assert.ErrorIs(t, err, errLost)
			result, err := repository.Handle(ctx, "1", withdraw{10})
			assert.NoError(t, err)
			assert.Equal(t, result, aggregate.Result[account, accountEvent]{
				State: account{Moves: []int{10, -10}}, Version: 2,
				Events: []accountEvent{withdrawn{10}}, Repeated: true,
			})
		})
	}
}

// The command comes again after others, when it would be refused, would lead
// to nothing, or to more or fewer events than the first time.
func TestCommandRedelivered(t *testing.T) {
	for name, setup := range withSnapshots {
		for _, again := range []accountCommand{exchange{20, 15}, withdraw{1000}, look{}, deposit{1}, thrice{}} {
			t.Run(name+"/"+typeName(again), func(t *testing.T) {
				decider := accounts
				decider.Decide = func(a account, c accountCommand) ([]accountEvent, error) {
					if c == (thrice{}) {
						return []accountEvent{deposited{1}, deposited{1}, deposited{1}}, nil
					}
					return accounts.Decide(a, c)
				}
				config := accountConfig{
					Store:    eventstore.New(eventstore.NewMemory(), eventstore.Config{}),
					Category: "account", Events: accountEvents(t),
				}
				setup(&config)
				repository, err := aggregate.NewRepository(decider, config)
				assert.NoError(t, err)
				ctx := eventstore.WithCommandID(t.Context(), "c-1")
				first, err := repository.Handle(ctx, "1", exchange{20, 15})
				assert.NoError(t, err)
				assert.False(t, first.Repeated)
				for i := range 5 {
					_, err := repository.Handle(eventstore.WithCommandID(ctx, "c-2-"+strconv.Itoa(i)), "1", deposit{1})
					assert.NoError(t, err)
				}
				result, err := repository.Handle(ctx, "1", again)
				assert.NoError(t, err)
				assert.True(t, result.Repeated)
				assert.Equal(t, result.Events, first.Events)
				assert.Equal(t, result.Version, 7)
				assert.Equal(t, result.State.Balance, 10)

				// Elsewhere, the same ID is another command.
				other, err := repository.Handle(ctx, "2", deposit{1})
				assert.NoError(t, err)
				assert.False(t, other.Repeated)
			})
		}
	}
}

type thrice struct{}

func (thrice) accountCommand() {}

func typeName(c accountCommand) string {
	switch c.(type) {
	case exchange:
		return "same"
	case withdraw:
		return "refused"
	case look:
		return "nothing"
	case deposit:
		return "fewer"
	default:
		return "more"
	}
}

// What was refused leaves no trace.
func TestCommandRefusedIsDecidedAgain(t *testing.T) {
	for name, setup := range withSnapshots {
		t.Run(name, func(t *testing.T) {
			repository, _ := newAccounts(t, eventstore.NewMemory(), setup)
			ctx := eventstore.WithCommandID(t.Context(), "c-1")
			_, err := repository.Handle(t.Context(), "1", deposit{1})
			assert.NoError(t, err)
			_, err = repository.Handle(ctx, "1", withdraw{5})
			assert.ErrorIs(t, err, errInsufficient)
			_, err = repository.Handle(t.Context(), "1", deposit{9})
			assert.NoError(t, err)
			result, err := repository.Handle(ctx, "1", withdraw{5})
			assert.NoError(t, err)
			assert.False(t, result.Repeated)
			assert.Equal(t, result.State.Balance, 5)
		})
	}
}

// The same command is delivered to many at once: one effect, and all are told
// the same.
func TestCommandDeliveredAtOnce(t *testing.T) {
	for name, setup := range withSnapshots {
		t.Run(name, func(t *testing.T) {
			repository, _ := newAccounts(t, eventstore.NewMemory(), setup)
			for round := range 20 {
				ctx := eventstore.WithCommandID(t.Context(), "c-"+strconv.Itoa(round))
				var wg sync.WaitGroup
				for range 8 {
					wg.Go(func() {
						result, err := repository.Handle(ctx, "1", exchange{3, 2})
						if err != nil || len(result.Events) != 2 || result.State.Balance != round+1 || result.Version != int64(2*round+2) {
							t.Errorf("round %d: %+v, %v", round, result, err)
						}
					})
				}
				wg.Wait()
			}
		})
	}
}

// Two deliveries load the same state, and one is faster.
func TestCommandOvertakenByItself(t *testing.T) {
	for _, command := range []accountCommand{deposit{1}, exchange{5, 5}} {
		driver := &faulty{Driver: eventstore.NewMemory()}
		repository, _ := newAccounts(t, driver)
		ctx := eventstore.WithCommandID(t.Context(), "c-1")
		driver.beforeAppend = func([]eventstore.Write) error {
			driver.beforeAppend = nil
			_, err := repository.Handle(ctx, "1", deposit{7})
			return err
		}
		result, err := repository.Handle(ctx, "1", command)
		assert.NoError(t, err)
		assert.Equal(t, result, aggregate.Result[account, accountEvent]{
			State: account{Balance: 7, Moves: []int{7}}, Version: 1,
			Events: []accountEvent{deposited{7}}, Repeated: true,
		})
	}
}

// The events of the command are erased, and their IDs are not forgotten.
func TestCommandAfterDeletion(t *testing.T) {
	for _, again := range []accountCommand{exchange{5, 5}, withdraw{1}, look{}} {
		repository, store := newAccounts(t, eventstore.NewMemory())
		ctx := eventstore.WithCommandID(t.Context(), "c-1")
		_, err := repository.Handle(ctx, "1", exchange{5, 5})
		assert.NoError(t, err)
		assert.NoError(t, store.Delete(ctx, "account-1", eventstore.Any))
		result, err := repository.Handle(ctx, "1", again)
		assert.NoError(t, err)
		assert.Equal(t, result, aggregate.Result[account, accountEvent]{Version: 2, Repeated: true})

		// Nor when the stream has begun anew.
		_, err = repository.Handle(t.Context(), "1", deposit{0})
		assert.NoError(t, err)
		result, err = repository.Handle(ctx, "1", again)
		assert.NoError(t, err)
		assert.Equal(t, result, aggregate.Result[account, accountEvent]{
			State: account{Moves: []int{0}}, Version: 3, Repeated: true,
		})
	}
}

// A command is recognised below a snapshot, below a truncation, after a
// deletion, and after the stream has begun anew.
func TestCommandBelowErasedEvents(t *testing.T) {
	driver := eventstore.NewMemory()
	ctx := eventstore.WithCommandID(t.Context(), "c-1")
	repository, store := newAccounts(t, driver, func(c *accountConfig) {
		c.Snapshots, c.SnapshotEvery = aggregate.NewStreamSnapshots(c.Store), 2
	})
	_, err := repository.Handle(ctx, "1", exchange{9, 4})
	assert.NoError(t, err)
	handle(t, repository, deposit{1}, deposit{1})
	assert.NoError(t, store.Truncate(ctx, "account-1", 4))
	state, version, err := repository.Load(ctx, "1")
	assert.NoError(t, err)
	assert.Equal(t, []int{state.Balance, int(version)}, []int{7, 4})
	again := func() {
		t.Helper()
		for _, command := range []accountCommand{exchange{9, 4}, withdraw{1000}, look{}, deposit{1}} {
			result, err := repository.Handle(ctx, "1", command)
			assert.NoError(t, err)
			assert.True(t, result.Repeated)
			assert.Equal(t, result.State, state)
			assert.Equal(t, result.Version, version)
			assert.Equal(t, len(result.Events), 0)
		}
	}
	again()
	assert.NoError(t, store.Delete(ctx, "account-1", eventstore.Any))
	state, version, err = repository.Load(ctx, "1")
	assert.NoError(t, err)
	assert.Equal(t, []int{state.Balance, int(version)}, []int{0, 4})
	again()
	handle(t, repository, exchange{5, 1}, deposit{3})
	state, version, err = repository.Load(ctx, "1")
	assert.NoError(t, err)
	assert.Equal(t, []int{state.Balance, int(version)}, []int{7, 7})
	again()
	assert.NoError(t, store.Truncate(ctx, "account-1", 7))
	_, _, err = repository.Load(ctx, "1")
	assert.ErrorIs(t, err, aggregate.ErrTruncated)
	assert.NoError(t, store.Tombstone(ctx, "account-1", eventstore.Any))
	_, err = repository.Handle(ctx, "1", look{})
	assert.ErrorIs(t, err, eventstore.ErrTombstoned)
}

// The stream is erased while the command is looked for in it.
func TestCommandErasedMeanwhile(t *testing.T) {
	driver := &faulty{Driver: eventstore.NewMemory()}
	repository, store := newAccounts(t, driver)
	ctx := eventstore.WithCommandID(t.Context(), "c-1")
	_, err := repository.Handle(ctx, "1", deposit{5})
	assert.NoError(t, err)
	fillAccount(t, store, 300)
	driver.beforeRead = func(r eventstore.StreamRange) error {
		if r.From == 1 {
			return nil
		}
		driver.beforeRead = nil
		return store.Delete(ctx, "account-1", eventstore.Any)
	}
	result, err := repository.Handle(ctx, "1", deposit{5})
	assert.NoError(t, err)
	assert.Equal(t, result, aggregate.Result[account, accountEvent]{Version: 301, Repeated: true})
}

// Without a command ID, the outcome is the caller's to find out.
func TestCommandWithoutIDIsNotRepeated(t *testing.T) {
	driver := &faulty{Driver: eventstore.NewMemory()}
	repository, _ := newAccounts(t, driver)
	driver.afterAppend = once(errLost)
	_, err := repository.Handle(t.Context(), "1", deposit{1})
	assert.ErrorIs(t, err, errLost)
	result, err := repository.Handle(t.Context(), "1", deposit{1})
	assert.NoError(t, err)
	assert.Equal(t, result.Version, 2)
}

// IDs are unique beyond their stream: what reads all streams may rely on them.
func TestCommandEventIDs(t *testing.T) {
	driver := eventstore.NewMemory()
	ids := make(map[string]bool)
	for _, tenant := range []string{"", "a", "b"} {
		var store *eventstore.Store
		repository, _ := newAccounts(t, driver, func(c *accountConfig) {
			c.Store = c.Store.ForTenant(tenant)
			store = c.Store
		})
		for _, id := range []string{"1", "2"} {
			ctx := eventstore.WithCommandID(t.Context(), "c-1")
			result, err := repository.Handle(ctx, id, exchange{1, 1})
			assert.NoError(t, err)
			assert.False(t, result.Repeated)
			for event, err := range store.Read(ctx, "account-"+id, 1) {
				assert.NoError(t, err)
				assert.Equal(t, event.ID.Version(), 5)
				ids[event.ID.String()] = true
			}
		}
	}
	assert.Equal(t, len(ids), 12)
}
