package aggregate

import (
	"container/list"
	"context"
	"slices"
	"sync"
)

// MemorySnapshots is a SnapshotStore in memory. When it is full, it forgets the
// snapshot that has not been used for the longest time.
type MemorySnapshots struct {
	mu    sync.Mutex
	limit int
	byKey map[SnapshotKey]*list.Element
	used  *list.List // of *memorySnapshot, the latest used first
}

type memorySnapshot struct {
	key      SnapshotKey
	snapshot Snapshot
}

// NewMemorySnapshots returns a MemorySnapshots that holds up to limit
// snapshots, whatever their size. It panics if limit is less than 1.
func NewMemorySnapshots(limit int) *MemorySnapshots {
	if limit < 1 {
		panic("aggregate: NewMemorySnapshots: limit is less than 1")
	}
	return &MemorySnapshots{limit: limit, byKey: make(map[SnapshotKey]*list.Element), used: list.New()}
}

// Load implements SnapshotStore.
func (m *MemorySnapshots) Load(_ context.Context, key SnapshotKey) (Snapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	element := m.byKey[key]
	if element == nil {
		return Snapshot{}, nil
	}
	m.used.MoveToFront(element)
	snapshot := element.Value.(*memorySnapshot).snapshot
	snapshot.Data = slices.Clone(snapshot.Data)
	return snapshot, nil
}

// Save implements SnapshotStore.
func (m *MemorySnapshots) Save(_ context.Context, key SnapshotKey, snapshot Snapshot) error {
	snapshot.Data = slices.Clone(snapshot.Data)
	m.mu.Lock()
	defer m.mu.Unlock()
	if element := m.byKey[key]; element != nil {
		element.Value.(*memorySnapshot).snapshot = snapshot
		m.used.MoveToFront(element)
		return nil
	}
	m.byKey[key] = m.used.PushFront(&memorySnapshot{key, snapshot})
	if m.used.Len() > m.limit {
		oldest := m.used.Remove(m.used.Back()).(*memorySnapshot)
		delete(m.byKey, oldest.key)
	}
	return nil
}
