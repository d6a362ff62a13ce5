package aggregate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/eventstore/aggregate"
	"github.com/parlance-go/parlance/internal/assert"
)

var accountKey = aggregate.SnapshotKey{Stream: "account-1", StateVersion: 1}

// snapshotting is a repository with a snapshot every three events, and what its
// hook was told.
type snapshotting struct {
	*accountRepository
	store     *eventstore.Store
	driver    *faulty
	snapshots aggregate.SnapshotStore
	told      []aggregate.SnapshotInfo
}

func newSnapshotting(t *testing.T, changes ...func(*accountConfig)) *snapshotting {
	s := &snapshotting{driver: &faulty{Driver: eventstore.NewMemory()}, snapshots: aggregate.NewMemorySnapshots(10)}
	s.accountRepository, s.store = newAccounts(t, s.driver, func(c *accountConfig) {
		c.Snapshots, c.SnapshotEvery = s.snapshots, 3
		c.Hooks.Snapshot = func(_ context.Context, info aggregate.SnapshotInfo) { s.told = append(s.told, info) }
		for _, change := range changes {
			change(c)
		}
	})
	return s
}

// reads returns the versions from which a load reads.
func (s *snapshotting) reads(t *testing.T) (from []int64) {
	s.driver.beforeRead = func(r eventstore.StreamRange) error {
		from = append(from, r.From)
		return nil
	}
	defer func() { s.driver.beforeRead = nil }()
	_, _, err := s.Load(t.Context(), "1")
	assert.NoError(t, err)
	return from
}

func TestSnapshotEvery(t *testing.T) {
	s := newSnapshotting(t)
	for range 7 {
		handle(t, s.accountRepository, deposit{1})
	}
	assert.Equal(t, s.told, []aggregate.SnapshotInfo{
		{Stream: "account-1", Version: 3}, {Stream: "account-1", Version: 6},
	})
	assert.Equal(t, s.reads(t), []int64{6})
	handle(t, s.accountRepository, exchange{1, 1})
	assert.Equal(t, len(s.told), 3)
	assert.Equal(t, s.told[2].Version, 9)
}

// A load saves one, too: otherwise after a change of StateVersion those who
// only read would fold everything for ever.
func TestSnapshotSavedByLoad(t *testing.T) {
	s := newSnapshotting(t)
	plain, _ := newAccounts(t, s.driver, func(c *accountConfig) { c.Store = s.store })
	handle(t, plain, deposit{1}, deposit{1}, deposit{1}, deposit{1})
	assert.Equal(t, s.reads(t), []int64{1})
	assert.Equal(t, s.reads(t), []int64{4})
	assert.Equal(t, s.told, []aggregate.SnapshotInfo{{Stream: "account-1", Version: 4}})
}

// Snapshots that must not be used, and what Load makes of them: the state of
// the log, and a word to the hook.
func TestSnapshotNotTrusted(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, s *snapshotting, snapshot aggregate.Snapshot){
		"other event": func(t *testing.T, s *snapshotting, snapshot aggregate.Snapshot) {
			snapshot.EventID = uuid.New()
			assert.NoError(t, s.snapshots.Save(t.Context(), accountKey, snapshot))
		},
		"other version": func(t *testing.T, s *snapshotting, snapshot aggregate.Snapshot) {
			snapshot.Version--
			assert.NoError(t, s.snapshots.Save(t.Context(), accountKey, snapshot))
		},
		"beyond the head": func(t *testing.T, s *snapshotting, snapshot aggregate.Snapshot) {
			snapshot.Version = 1000
			assert.NoError(t, s.snapshots.Save(t.Context(), accountKey, snapshot))
		},
		"no event": func(t *testing.T, s *snapshotting, snapshot aggregate.Snapshot) {
			snapshot.EventID = uuid.Nil
			assert.NoError(t, s.snapshots.Save(t.Context(), accountKey, snapshot))
		},
		"negative version": func(t *testing.T, s *snapshotting, snapshot aggregate.Snapshot) {
			snapshot.Version = -3
			assert.NoError(t, s.snapshots.Save(t.Context(), accountKey, snapshot))
		},
		"garbage": func(t *testing.T, s *snapshotting, snapshot aggregate.Snapshot) {
			snapshot.Data = []byte("{")
			assert.NoError(t, s.snapshots.Save(t.Context(), accountKey, snapshot))
		},
		"empty": func(t *testing.T, s *snapshotting, snapshot aggregate.Snapshot) {
			snapshot.Data = nil
			assert.NoError(t, s.snapshots.Save(t.Context(), accountKey, snapshot))
		},
		"null": func(t *testing.T, s *snapshotting, snapshot aggregate.Snapshot) {
			snapshot.Data = []byte("null")
			assert.NoError(t, s.snapshots.Save(t.Context(), accountKey, snapshot))
		},
		"another layout": func(t *testing.T, s *snapshotting, snapshot aggregate.Snapshot) {
			snapshot.Data = bytes.Replace(snapshot.Data, []byte("Balance"), []byte("Amount"), 1)
			assert.NoError(t, s.snapshots.Save(t.Context(), accountKey, snapshot))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSnapshotting(t)
			handle(t, s.accountRepository, deposit{1}, deposit{2}, deposit{3}, deposit{4})
			snapshot, err := s.snapshots.Load(t.Context(), accountKey)
			assert.NoError(t, err)
			assert.Equal(t, snapshot.Version, 3)
			s.told = nil
			spoil(t, s, snapshot)
			state, version, err := s.Load(t.Context(), "1")
			assert.NoError(t, err)
			assert.Equal(t, version, 4)
			assert.Equal(t, state, account{Balance: 10, Moves: []int{1, 2, 3, 4}})
			assert.True(t, len(s.told) == 2 && s.told[0].Err != nil, "hook: %v", s.told)
			assert.Equal(t, s.reads(t), []int64{4}, "a good snapshot took its place")
			handle(t, s.accountRepository, withdraw{10})
		})
	}
}

func TestSnapshotOfAnotherStateVersion(t *testing.T) {
	s := newSnapshotting(t)
	handle(t, s.accountRepository, deposit{1}, deposit{2}, deposit{3})
	next, _ := newAccounts(t, s.driver, func(c *accountConfig) {
		c.Store, c.Snapshots, c.StateVersion = s.store, s.snapshots, 2
		c.StateCodec = eventstore.Codec[account]{
			Encode: func(account) ([]byte, error) { return []byte("two"), nil },
			Decode: func(data []byte) (account, error) {
				t.Errorf("decoded %q", data)
				return account{}, nil
			},
		}
	})
	state, _, err := next.Load(t.Context(), "1")
	assert.NoError(t, err)
	assert.Equal(t, state.Balance, 6)
}

// A deleted stream that was begun anew has nothing of the old snapshot.
func TestSnapshotOfDeletedStream(t *testing.T) {
	s := newSnapshotting(t)
	handle(t, s.accountRepository, deposit{1}, deposit{2}, deposit{3})
	assert.NoError(t, s.store.Delete(t.Context(), "account-1", eventstore.Any))
	state, version, err := s.Load(t.Context(), "1")
	assert.NoError(t, err)
	assert.Equal(t, version, 3)
	assert.Equal(t, state, account{})
	handle(t, s.accountRepository, deposit{9})
	state, version, err = s.Load(t.Context(), "1")
	assert.NoError(t, err)
	assert.Equal(t, version, 4)
	assert.Equal(t, state.Balance, 9)
}

// A snapshot stands for truncated events as long as the log confirms it.
func TestSnapshotStandsForTruncatedEvents(t *testing.T) {
	s := newSnapshotting(t)
	handle(t, s.accountRepository, deposit{1}, deposit{2}, deposit{3}, deposit{4})
	assert.NoError(t, s.store.Truncate(t.Context(), "account-1", 3))
	state, version, err := s.Load(t.Context(), "1")
	assert.NoError(t, err)
	assert.Equal(t, version, 4)
	assert.Equal(t, state.Balance, 10)
	handle(t, s.accountRepository, withdraw{10})

	assert.NoError(t, s.store.Truncate(t.Context(), "account-1", 4))
	_, _, err = s.Load(t.Context(), "1")
	assert.ErrorIs(t, err, aggregate.ErrTruncated, "the event at the snapshot's version is gone")
	_, err = s.Handle(t.Context(), "1", deposit{1})
	assert.ErrorIs(t, err, aggregate.ErrTruncated)
}

type brokenSnapshots struct{ err error }

func (b brokenSnapshots) Load(context.Context, aggregate.SnapshotKey) (aggregate.Snapshot, error) {
	return aggregate.Snapshot{}, b.err
}

func (b brokenSnapshots) Save(context.Context, aggregate.SnapshotKey, aggregate.Snapshot) error {
	return b.err
}

func TestSnapshotStoreFails(t *testing.T) {
	broken := errors.New("disk full")
	s := newSnapshotting(t, func(c *accountConfig) { c.Snapshots = brokenSnapshots{broken} })
	handle(t, s.accountRepository, deposit{1}, deposit{2}, deposit{3})
	state, _, err := s.Load(t.Context(), "1")
	assert.NoError(t, err)
	assert.Equal(t, state.Balance, 6)
	assert.Equal(t, len(s.told), 3+1+1+1, "loads of Handle, its save, and those of Load: %v", s.told)
	for _, info := range s.told {
		assert.ErrorIs(t, info.Err, broken)
	}
}

// A field that JSON does not see would come back empty, in silence.
func TestSnapshotOfUnexportedFields(t *testing.T) {
	type halfHidden struct {
		Moves   int
		balance int
		last    *int
	}
	config := aggregate.Config[halfHidden, accountEvent]{
		Store:    eventstore.New(eventstore.NewMemory(), eventstore.Config{}),
		Category: "account", Events: accountEvents(t),
		Snapshots: aggregate.NewMemorySnapshots(1), SnapshotEvery: 1,
	}
	var told []error
	config.Hooks.Snapshot = func(_ context.Context, info aggregate.SnapshotInfo) { told = append(told, info.Err) }
	deposits := func(want int) {
		t.Helper()
		repository, err := aggregate.NewRepository(
			aggregate.Decider[halfHidden, int, accountEvent]{
				Decide: func(_ halfHidden, amount int) ([]accountEvent, error) { return []accountEvent{deposited{amount}}, nil },
				Evolve: func(h halfHidden, event accountEvent) halfHidden {
					amount := event.(deposited).Amount
					return halfHidden{h.Moves + 1, h.balance + amount, &amount}
				},
			}, config)
		assert.NoError(t, err)
		result, err := repository.Handle(t.Context(), "1", 1)
		assert.NoError(t, err)
		assert.Equal(t, result.State, halfHidden{want, want, new(1)})
	}
	deposits(1)
	deposits(2)
	assert.Equal(t, len(told), 2)
	assert.Contains(t, told[0].Error(), "StateCodec")

	config.StateCodec = eventstore.Codec[halfHidden]{
		Encode: func(h halfHidden) ([]byte, error) { return fmt.Appendf(nil, "%d %d", h.Moves, h.balance), nil },
		Decode: func(data []byte) (h halfHidden, err error) {
			h.last = new(1)
			_, err = fmt.Sscan(string(data), &h.Moves, &h.balance)
			return h, err
		},
	}
	told = nil
	deposits(3)
	deposits(4)
	assert.Equal(t, told, []error{nil, nil})
}

func TestMemorySnapshotsForget(t *testing.T) {
	ctx := t.Context()
	m := aggregate.NewMemorySnapshots(2)
	key := func(stream string) aggregate.SnapshotKey {
		return aggregate.SnapshotKey{Stream: stream, StateVersion: 1}
	}
	version := func(stream string) int64 {
		snapshot, err := m.Load(ctx, key(stream))
		assert.NoError(t, err)
		return snapshot.Version
	}
	data := []byte("a")
	assert.NoError(t, m.Save(ctx, key("a"), aggregate.Snapshot{Version: 1, Data: data}))
	data[0] = 'x'
	assert.NoError(t, m.Save(ctx, key("b"), aggregate.Snapshot{Version: 2}))
	assert.Equal(t, version("a"), 1)
	assert.NoError(t, m.Save(ctx, key("c"), aggregate.Snapshot{Version: 3}))
	assert.Equal(t, []int64{version("a"), version("b"), version("c")}, []int64{1, 0, 3})
	assert.NoError(t, m.Save(ctx, key("c"), aggregate.Snapshot{Version: 4}))
	assert.Equal(t, []int64{version("a"), version("c")}, []int64{1, 4})
	snapshot, _ := m.Load(ctx, key("a"))
	assert.Equal(t, string(snapshot.Data), "a", "the caller's slice was kept")
	snapshot.Data[0] = 'x'
	snapshot, _ = m.Load(ctx, key("a"))
	assert.Equal(t, string(snapshot.Data), "a", "the own slice was given away")
	assert.Panics(t, func() { aggregate.NewMemorySnapshots(0) })
}

func TestStreamSnapshots(t *testing.T) {
	ctx := t.Context()
	driver := eventstore.NewMemory()
	store := eventstore.New(driver, eventstore.Config{})
	snapshots := aggregate.NewStreamSnapshots(store)
	for _, tenant := range []string{"", "acme"} {
		key := aggregate.SnapshotKey{Tenant: tenant, Stream: "account-1", StateVersion: 2}
		got, err := snapshots.Load(ctx, key)
		assert.NoError(t, err)
		assert.Equal(t, got, aggregate.Snapshot{})
		for version := range int64(3) {
			want := aggregate.Snapshot{Version: version + 1, EventID: uuid.New(), Data: []byte(tenant)}
			assert.NoError(t, snapshots.Save(ctx, key, want))
			got, err = snapshots.Load(ctx, key)
			assert.NoError(t, err)
			assert.Equal(t, got.Version, want.Version)
			assert.Equal(t, got.EventID, want.EventID)
			assert.Equal(t, string(got.Data), tenant)
		}
		own := store.ForTenant(tenant)
		head, err := own.Head(ctx, "snapshot_account-1@2")
		assert.NoError(t, err)
		assert.Equal(t, head, eventstore.Head{Version: 3, First: 3}, "only the last is kept")
	}
	assert.Equal(t, eventstore.Category("snapshot_account-1@2"), "snapshot_account")

	_, err := store.Append(ctx, "snapshot_account-2@1", eventstore.Any, eventstore.Event{Type: "Stray"})
	assert.NoError(t, err)
	_, err = snapshots.Load(ctx, aggregate.SnapshotKey{Stream: "account-2", StateVersion: 1})
	assert.Error(t, err)
}
