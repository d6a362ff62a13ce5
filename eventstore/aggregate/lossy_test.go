package aggregate_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/eventstore/aggregate"
	"github.com/parlance-go/parlance/internal/assert"
)

// lossy is a driver that loses answers: half of the appends fail, some of them
// before and some after they were done.
type lossy struct{ eventstore.Driver }

func (l lossy) Append(ctx context.Context, writes []eventstore.Write, results []eventstore.Appended) error {
	fate := rand.IntN(4)
	if fate == 0 {
		return errLost
	}
	err := l.Driver.Append(ctx, writes, results)
	if fate == 1 && err == nil {
		err = errLost
	}
	return err
}

// Many send commands to one account, each again until it is answered, while
// answers are lost, and now and then once more: each has its effect once.
func TestEachCommandOnce(t *testing.T) {
	driver := eventstore.NewMemory()
	const writers, commands = 8, 12
	repository, store := newAccounts(t, lossy{driver}, func(c *accountConfig) {
		c.MaxAttempts = 1000
		c.Snapshots = aggregate.NewStreamSnapshots(c.Store)
		c.SnapshotEvery = 5
	})
	var wg sync.WaitGroup
	for writer := range writers {
		wg.Go(func() {
			for n := range commands {
				id := strconv.Itoa(writer) + "." + strconv.Itoa(n)
				ctx := eventstore.WithCommandID(t.Context(), id)
				amount := 1 + writer*commands + n
				for answers := 0; answers < 1+n%2; {
					result, err := repository.Handle(ctx, "1", deposit{amount})
					switch {
					case errors.Is(err, errLost):
						continue
					case err != nil:
						t.Error(err)
						return
					case len(result.Events) != 1 || result.Events[0] != (deposited{amount}):
						t.Errorf("command %s: %+v", id, result)
					}
					answers++
				}
			}
		})
	}
	wg.Wait()
	const all = writers * commands
	head, err := store.Head(t.Context(), "account-1")
	assert.NoError(t, err)
	assert.Equal(t, head.Version, all)
	repository, _ = newAccounts(t, driver)
	state, _, err := repository.Load(t.Context(), "1")
	assert.NoError(t, err)
	assert.Equal(t, state.Balance, all*(all+1)/2)
}
