package aggregate_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/eventstore/aggregate"
	"github.com/parlance-go/parlance/internal/assert"
)

// In random histories, with snapshots that are due at odd times, spoiled, lost,
// or stand for truncated events, a load gives the state that folding all events
// in the head of the test gives; or it says that it cannot.
func TestSnapshotAndTailEqualFullFold(t *testing.T) {
	stores := map[string]func(*eventstore.Store) aggregate.SnapshotStore{
		"memory": func(*eventstore.Store) aggregate.SnapshotStore { return aggregate.NewMemorySnapshots(100) },
		"stream": func(s *eventstore.Store) aggregate.SnapshotStore { return aggregate.NewStreamSnapshots(s) },
	}
	loaded, refused := 0, 0
	for name, newSnapshots := range stores {
		for seed := range uint64(200) {
			h := newHistory(t, rand.New(rand.NewPCG(seed, 1)), newSnapshots)
			for range 40 {
				h.step()
				what := fmt.Sprintf("%s, seed %d: %v", name, seed, h.done)
				state, version, err := h.repository.Load(t.Context(), "1")
				if errors.Is(err, aggregate.ErrTruncated) && h.truncated {
					refused++
					break
				}
				assert.NoError(t, err, what)
				assert.Equal(t, version, h.version, what)
				assert.Equal(t, state.Balance, h.model.Balance, what)
				assert.Equal(t, fmt.Sprint(state.Moves), fmt.Sprint(h.model.Moves), what)
				loaded++
			}
		}
	}
	assert.True(t, loaded > 5_000 && refused > 20, "%d states and %d refusals test too little", loaded, refused)
}

// history is one random history, and a model of what it should lead to.
type history struct {
	t          *testing.T
	random     *rand.Rand
	repository *accountRepository
	store      *eventstore.Store
	snapshots  aggregate.SnapshotStore

	model     account
	version   int64
	truncated bool
	done      []string
}

func newHistory(t *testing.T, random *rand.Rand, newSnapshots func(*eventstore.Store) aggregate.SnapshotStore) *history {
	h := &history{t: t, random: random}
	every := 1 + random.IntN(7)
	h.repository, h.store = newAccounts(t, eventstore.NewMemory(), func(c *accountConfig) {
		h.snapshots = newSnapshots(c.Store)
		c.Snapshots, c.SnapshotEvery = h.snapshots, every
	})
	return h
}

func (h *history) step() {
	ctx, t := h.t.Context(), h.t
	snapshot, err := h.snapshots.Load(ctx, accountKey)
	assert.NoError(t, err)
	switch action := h.random.IntN(20); {
	case action < 14:
		h.handle([]accountCommand{
			deposit{h.random.IntN(9)}, withdraw{h.random.IntN(9)}, exchange{h.random.IntN(9), h.random.IntN(3)}, look{},
		}[h.random.IntN(4)])
	case action < 15:
		h.did("delete")
		if err := h.store.Delete(ctx, "account-1", eventstore.Any); !errors.Is(err, eventstore.ErrNoStream) {
			assert.NoError(t, err)
			h.model, h.truncated = account{}, false
		}
	case action < 16 && snapshot.Version > 0:
		h.did("spoil")
		if h.random.IntN(2) == 0 {
			snapshot.EventID = uuid.New()
		} else {
			snapshot.Data = []byte(`{"Balance":1}`)
		}
		assert.NoError(t, h.snapshots.Save(ctx, accountKey, snapshot))
	case action < 17 && snapshot.Version > 0:
		h.did("move")
		snapshot.Version += h.random.Int64N(5) - 2
		snapshot.Data = []byte(`{"Balance":1000,"Moves":[1000]}`)
		if head, err := h.store.Head(ctx, "account-1"); err == nil && snapshot.Version == head.Version {
			snapshot.Version++
		}
		snapshot.EventID = uuid.New()
		assert.NoError(t, h.snapshots.Save(ctx, accountKey, snapshot))
	case action < 18 && snapshot.Version > 0 && snapshot.Version <= h.version:
		before := min(snapshot.Version+h.random.Int64N(2), h.version+1)
		h.did("truncate before %d, snapshot at %d", before, snapshot.Version)
		assert.NoError(t, h.store.Truncate(ctx, "account-1", before))
		h.truncated = true
	}
}

func (h *history) handle(command accountCommand) {
	h.did("%T%v", command, command)
	result, err := h.repository.Handle(h.t.Context(), "1", command)
	if errors.Is(err, errInsufficient) || errors.Is(err, aggregate.ErrTruncated) && h.truncated {
		return
	}
	assert.NoError(h.t, err)
	for _, event := range result.Events {
		h.model = accounts.Evolve(h.model, event)
		h.version++
	}
	assert.Equal(h.t, result.Version, h.version)
	assert.Equal(h.t, result.State.Balance, h.model.Balance)
}

func (h *history) did(format string, args ...any) {
	h.done = append(h.done, fmt.Sprintf(format, args...))
}
