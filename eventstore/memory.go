package eventstore

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Memory is the Driver that keeps events in memory: for tests, and for programs
// that need none of them tomorrow.
type Memory struct {
	mu      sync.RWMutex
	log     memoryLog
	streams map[string]map[string]*memoryStream // by tenant and name
	spare   []memoryStream
	waiting chan struct{} // closed by the next append; nil if nobody waits
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory {
	return &Memory{streams: make(map[string]map[string]*memoryStream)}
}

// Append implements Driver.
func (m *Memory) Append(ctx context.Context, writes []Write, results []Appended) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var few [4]*memoryStream
	streams := few[:0]
	for i := range writes {
		streams = append(streams, m.streams[writes[i].Tenant][writes[i].Stream])
	}
	duplicate, err := Check(writes, results,
		func(i int) Head { return streams[i].state() },
		func(i int, id uuid.UUID) (Found, bool) { return streams[i].find(&m.log, id) },
	)
	if err != nil || duplicate {
		return err
	}
	now := time.Now().Round(0).UTC() // the wall clock alone, as from a database
	for i := range writes {
		if len(writes[i].Events) == 0 {
			continue
		}
		if streams[i] == nil {
			streams[i] = m.open(writes[i].Tenant, writes[i].Stream)
		}
		results[i].Position = streams[i].write(&m.log, &writes[i], now)
	}
	if m.waiting != nil {
		close(m.waiting)
		m.waiting = nil
	}
	return nil
}

func (m *Memory) head(tenant, name string) Head {
	return m.streams[tenant][name].state()
}

// open makes a stream. Streams are never dropped, so they are made many at a
// time.
func (m *Memory) open(tenant, name string) *memoryStream {
	if len(m.spare) == 0 {
		m.spare = make([]memoryStream, 32)
	}
	s := &m.spare[0]
	m.spare = m.spare[1:]
	s.head = Head{First: 1}
	s.positions = s.few[:0]
	if m.streams[tenant] == nil {
		m.streams[tenant] = make(map[string]*memoryStream)
	}
	m.streams[tenant][name] = s
	return s
}

// ReadStream implements Driver.
func (m *Memory) ReadStream(ctx context.Context, r StreamRange) (StreamPage, error) {
	if ctx.Err() != nil {
		return StreamPage{}, context.Cause(ctx)
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	page := StreamPage{Head: m.head(r.Tenant, r.Stream)}
	head := page.Head
	low, high := max(r.From, head.First), head.Version
	if r.Backwards {
		low, high = head.First, min(r.From, head.Version)
	}
	n := min(high-low+1, int64(r.Max))
	if n <= 0 {
		return page, nil
	}
	s := m.streams[r.Tenant][r.Stream]
	page.Events = make([]Recorded, n)
	for i := range n {
		version := low + i
		if r.Backwards {
			version = high - i
		}
		page.Events[i] = *m.log.at(s.positions[version-1])
	}
	own(page.Events)
	return page, nil
}

// ReadAll implements Driver.
func (m *Memory) ReadAll(ctx context.Context, r AllRange) (Page, error) {
	const scan = 10_000
	if ctx.Err() != nil {
		return Page{}, context.Cause(ctx)
	}
	base, after := r.After.Parts()
	m.mu.RLock()
	defer m.mu.RUnlock()
	last := m.log.len()
	if base != "" || after < 0 || after > last {
		return Page{}, ErrCheckpoint
	}
	if r.Max == 0 {
		return Page{Next: NewCheckpoint("", last), End: true}, nil
	}
	var page Page
	end := min(after+scan, last)
	if after < end && r.AllTenants && len(r.Filter.Types)+len(r.Filter.Categories) == 0 {
		page.Events = make([]Recorded, 0, min(end-after, int64(r.Max)))
	}
	for after < end && len(page.Events) < r.Max {
		after++
		if event := m.log.at(after); r.passes(event) {
			page.Events = append(page.Events, *event)
			page.Events[len(page.Events)-1].Checkpoint = NewCheckpoint("", after)
		}
	}
	own(page.Events)
	page.Next, page.End = NewCheckpoint("", after), after == last
	return page, nil
}

// passes tells whether a page of r has the event.
func (r *AllRange) passes(e *Recorded) bool {
	return !e.erased() &&
		(r.AllTenants || r.Tenant == e.Metadata.Tenant) &&
		(len(r.Filter.Types) == 0 || slices.Contains(r.Filter.Types, e.Type)) &&
		(len(r.Filter.Categories) == 0 || slices.Contains(r.Filter.Categories, Category(e.Stream)))
}

// Wait implements Driver.
func (m *Memory) Wait(ctx context.Context, after Checkpoint) error {
	_, offset := after.Parts()
	m.mu.Lock()
	if m.log.len() > offset {
		m.mu.Unlock()
		return nil
	}
	if m.waiting == nil {
		m.waiting = make(chan struct{})
	}
	waiting := m.waiting
	m.mu.Unlock()
	select {
	case <-waiting:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Erase implements Driver.
func (m *Memory) Erase(ctx context.Context, e Erasure) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.head(e.Tenant, e.Stream)
	head, err := CheckErasure(e, old)
	if err != nil {
		return err
	}
	s := m.streams[e.Tenant][e.Stream]
	if s == nil {
		s = m.open(e.Tenant, e.Stream)
	}
	s.head = head
	for version := old.First; version < head.First; version++ {
		m.log.at(s.positions[version-1]).erase()
	}
	return nil
}

// Count implements Counter.
func (m *Memory) Count(ctx context.Context, r AllRange) (int64, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	base, after := r.After.Parts()
	m.mu.RLock()
	defer m.mu.RUnlock()
	if base != "" || after < 0 || after > m.log.len() {
		return 0, ErrCheckpoint
	}
	var n int64
	for position := after + 1; position <= m.log.len(); position++ {
		if r.passes(m.log.at(position)) {
			n++
		}
	}
	return n, nil
}
