package postgres_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/parlance-go/parlance/adapters/postgres"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/eventstore/aggregate"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/internal/testenv"
)

// added is the only event of the aggregates here, whose state is a sum.
type added struct{ N int }

var errTooMuch = errors.New("too much")

var sums = aggregate.Decider[int, int, added]{
	Decide: func(_, n int) ([]added, error) {
		switch {
		case n == 0:
			return nil, nil
		case n > 1000:
			return nil, errTooMuch
		}
		return []added{{n}}, nil
	},
	Evolve: func(sum int, event added) int { return sum + event.N },
}

func newSums(t *testing.T, driver eventstore.Driver) (*aggregate.Repository[int, int, added], *eventstore.Store) {
	t.Helper()
	store := eventstore.New(driver, eventstore.Config{})
	events, err := eventstore.NewRegistry[added](eventstore.JSON[added]("Added", 1))
	assert.NoError(t, err)
	repository, err := aggregate.NewRepository(sums, aggregate.Config[int, added]{
		Store: store, Category: "sum", Events: events, MaxAttempts: 1000,
		Snapshots: aggregate.NewStreamSnapshots(store), SnapshotEvery: 5,
	})
	assert.NoError(t, err)
	return repository, store
}

var errAnswerLost = errors.New("answer lost")

// lossy is a driver that loses answers: half of the appends fail, some of them
// before and some after they were done.
type lossy struct{ eventstore.Driver }

func (l lossy) Append(ctx context.Context, writes []eventstore.Write, results []eventstore.Appended) error {
	fate := rand.IntN(4)
	if fate == 0 {
		return errAnswerLost
	}
	err := l.Driver.Append(ctx, writes, results)
	if fate == 1 && err == nil {
		err = errAnswerLost
	}
	return err
}

// Many send commands to one aggregate, each again until it is answered, while
// answers are lost, and now and then once more: each has its effect once.
func TestAggregateEachCommandOnce(t *testing.T) {
	const writers, commands = 6, 10
	db := openDatabase(t, testenv.Postgres(t), postgres.EventStoreConfig{})
	repository, _ := newSums(t, lossy{db})
	var wg sync.WaitGroup
	for writer := range writers {
		wg.Go(func() {
			for n := range commands {
				number := 1 + writer*commands + n
				ctx := eventstore.WithCommandID(t.Context(), strconv.Itoa(number))
				for answers := 0; answers < 1+n%2; {
					result, err := repository.Handle(ctx, "1", number)
					switch {
					case errors.Is(err, errAnswerLost):
						continue
					case err != nil:
						t.Error(err)
						return
					case len(result.Events) != 1 || result.Events[0] != (added{number}):
						t.Errorf("command %d: %+v", number, result)
					}
					answers++
				}
			}
		})
	}
	wg.Wait()
	const all = writers * commands
	repository, _ = newSums(t, db)
	sum, version, err := repository.Load(t.Context(), "1")
	assert.NoError(t, err)
	assert.Equal(t, version, all)
	assert.Equal(t, sum, all*(all+1)/2)
}

// A command is recognised below a snapshot, after a deletion, and after the
// stream has begun anew; and what is truncated is not guessed.
func TestAggregateErased(t *testing.T) {
	repository, store := newSums(t, openDatabase(t, testenv.Postgres(t), postgres.EventStoreConfig{}))
	ctx := eventstore.WithCommandID(t.Context(), "c-1")
	expect := func(sum int, version int64) {
		t.Helper()
		gotSum, gotVersion, err := repository.Load(ctx, "1")
		assert.NoError(t, err)
		assert.Equal(t, gotSum, sum)
		assert.Equal(t, gotVersion, version)
		for _, again := range []int{0, 7, 5000} {
			result, err := repository.Handle(ctx, "1", again)
			assert.NoError(t, err)
			assert.Equal(t, result.State, sum)
			assert.True(t, result.Repeated)
		}
	}
	handle := func(numbers ...int) {
		t.Helper()
		for _, n := range numbers {
			_, err := repository.Handle(t.Context(), "1", n)
			assert.NoError(t, err)
		}
	}
	_, err := repository.Handle(ctx, "1", 7)
	assert.NoError(t, err)
	handle(1, 1, 1, 1, 1)
	expect(12, 6)
	assert.NoError(t, store.Truncate(ctx, "sum-1", 5))
	expect(12, 6)
	assert.NoError(t, store.Delete(ctx, "sum-1", eventstore.Any))
	expect(0, 6)
	handle(3)
	expect(3, 7)
	handle(4)
	assert.NoError(t, store.Truncate(ctx, "sum-1", 8))
	_, _, err = repository.Load(ctx, "1")
	assert.ErrorIs(t, err, aggregate.ErrTruncated)
}
