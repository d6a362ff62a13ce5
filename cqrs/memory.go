package cqrs

import (
	"context"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"
)

// Memory is the Target that keeps read models in memory: for tests, and for
// programs that build theirs anew each time they start. Its tables hold rows of
// type V by key; a row is stored as it is given, so what it points to must not
// be changed after.
type Memory[V any] struct {
	mu      sync.Mutex
	records map[string][]*memoryRecord // by projection, ordered by version
	tables  map[string]map[string]V    // by name with version
	views   map[string]string          // from what readers say to a table
}

type memoryRecord struct {
	Lease
	status Status
	until  time.Time
}

// NewMemory returns an empty Memory.
func NewMemory[V any]() *Memory[V] {
	return &Memory[V]{
		records: make(map[string][]*memoryRecord),
		tables:  make(map[string]map[string]V),
		views:   make(map[string]string),
	}
}

// Row returns a row of a table. Table is a name that readers use, or one that
// [Model.Table] returned.
func (m *Memory[V]) Row(table, key string) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	row, ok := m.table(table)[key]
	return row, ok
}

// Rows returns the rows of a table in the order of their keys, all as of one
// moment.
func (m *Memory[V]) Rows(table string) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		m.mu.Lock()
		rows := maps.Clone(m.table(table))
		m.mu.Unlock()
		for _, key := range slices.Sorted(maps.Keys(rows)) {
			if !yield(key, rows[key]) {
				return
			}
		}
	}
}

func (m *Memory[V]) table(name string) map[string]V {
	if versioned, ok := m.views[name]; ok {
		name = versioned
	}
	return m.tables[name]
}

// Acquire implements Target.
func (m *Memory[V]) Acquire(ctx context.Context, claim Claim) (Lease, error) {
	if ctx.Err() != nil {
		return Lease{}, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.record(claim.Projection, claim.Version)
	if r == nil {
		r = m.add(claim)
	}
	if r.status == Retired || r.status == Dropped {
		return Lease{}, ErrRetired
	}
	now := time.Now()
	if r.Owner != claim.Owner && now.Before(r.until) {
		return Lease{}, &OwnedError{Owner: r.Owner, Remaining: r.until.Sub(now)}
	}
	r.Epoch++
	r.Owner, r.Duration, r.Tables = claim.Owner, claim.Duration, slices.Clone(claim.Tables)
	r.until = now.Add(claim.Duration)
	return r.lease(), nil
}

func (m *Memory[V]) record(projection string, version int) *memoryRecord {
	for _, r := range m.records[projection] {
		if r.Model.Version == version {
			return r
		}
	}
	return nil
}

func (m *Memory[V]) add(claim Claim) *memoryRecord {
	r := &memoryRecord{status: Building}
	r.Model = NewModel(claim.Projection, claim.Version, nil)
	r.Fresh = true
	records := m.records[claim.Projection]
	for _, other := range records {
		if other.status == Active && other.Model.Version > claim.Version {
			r.status = Retired
		}
	}
	records = append(records, r)
	slices.SortFunc(records, func(a, b *memoryRecord) int { return a.Model.Version - b.Model.Version })
	m.records[claim.Projection] = records
	return r
}

func (r *memoryRecord) lease() Lease {
	lease := r.Lease
	lease.Status = r.status
	lease.Tables = slices.Clone(r.Tables)
	return lease
}

// Update implements Target. The rows that write puts become visible all at once.
func (m *Memory[V]) Update(ctx context.Context, lease Lease, step Step, write func(context.Context, *MemoryTx[V]) error) (Lease, error) {
	tx := &MemoryTx[V]{memory: m, writes: make(map[string]map[string]*V)}
	if err := m.check(lease); err != nil {
		return Lease{}, err
	}
	if write != nil {
		if err := write(ctx, tx); err != nil {
			return Lease{}, err
		}
	}
	if ctx.Err() != nil {
		return Lease{}, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.current(lease)
	if err != nil {
		return Lease{}, err
	}
	tx.commit()
	r.Checkpoint = step.Checkpoint
	r.Applied += step.Applied
	r.Fresh = false
	r.until = time.Now().Add(r.Duration)
	if step.Activate {
		m.activate(r)
	}
	return r.lease(), nil
}

// check is current for those who do not hold the lock.
func (m *Memory[V]) check(lease Lease) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := m.current(lease)
	return err
}

func (m *Memory[V]) current(lease Lease) (*memoryRecord, error) {
	r := m.record(lease.Model.Projection, lease.Model.Version)
	switch {
	case r == nil:
		return nil, ErrLost
	case r.status == Retired || r.status == Dropped:
		return nil, ErrRetired
	case r.Epoch != lease.Epoch || r.Checkpoint != lease.Checkpoint:
		return nil, ErrLost
	}
	return r, nil
}

func (m *Memory[V]) activate(r *memoryRecord) {
	for _, other := range m.records[r.Model.Projection] {
		if other == r || other.status != Active &&
			(other.status != Building || other.Model.Version > r.Model.Version) {
			continue
		}
		if other.status == Active {
			for _, table := range other.Tables {
				delete(m.views, table)
			}
		}
		other.status = Retired
		other.Epoch++
	}
	r.status = Active
	for _, table := range r.Tables {
		m.views[table] = r.Model.Table(table)
	}
}

// Release implements Target.
func (m *Memory[V]) Release(ctx context.Context, lease Lease) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.record(lease.Model.Projection, lease.Model.Version)
	if r != nil && r.Epoch == lease.Epoch {
		r.Owner, r.until = "", time.Time{}
	}
	return nil
}

// Versions implements Target.
func (m *Memory[V]) Versions(ctx context.Context, projection string) ([]Record, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var records []Record
	for _, r := range m.records[projection] {
		record := Record{
			Model: r.Model, Status: r.status, Tables: slices.Clone(r.Tables),
			Checkpoint: r.Checkpoint, Applied: r.Applied,
		}
		if remaining := time.Until(r.until); remaining > 0 {
			record.Owner, record.Remaining = r.Owner, remaining
		}
		records = append(records, record)
	}
	return records, nil
}

// SetStatus implements Target.
func (m *Memory[V]) SetStatus(ctx context.Context, projection string, version int, status Status) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.record(projection, version)
	if r == nil {
		return ErrNoVersion
	}
	change, err := CheckStatus(r.status, status)
	if err != nil || !change {
		return err
	}
	if status == Dropped {
		for _, table := range r.Tables {
			delete(m.tables, r.Model.Table(table))
		}
		fresh := Lease{Model: r.Model, Epoch: r.Epoch, Tables: r.Tables, Fresh: true}
		r.Lease, r.until = fresh, time.Time{}
	}
	r.status = status
	r.Epoch++
	return nil
}
