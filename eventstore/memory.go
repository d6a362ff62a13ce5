package eventstore

import (
	"context"
	"maps"
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
	streams map[streamKey]*memoryStream
	ids     map[idKey]int64 // to the version
	waiting chan struct{}   // closed by the next append; nil if nobody waits
}

type streamKey struct{ tenant, name string }

type idKey struct {
	stream *memoryStream
	id     uuid.UUID
}

type memoryStream struct {
	head      Head
	positions []int64 // of version 1, 2, 3...
	few       [4]int64
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory {
	return &Memory{
		streams: make(map[streamKey]*memoryStream),
		ids:     make(map[idKey]int64),
	}
}

// Append implements Driver.
func (m *Memory) Append(ctx context.Context, writes []Write, results []Appended) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	find := func(i int, id uuid.UUID) (Found, bool) {
		s := m.streams[streamKey{writes[i].Tenant, writes[i].Stream}]
		if s == nil {
			return Found{}, false
		}
		version, ok := m.ids[idKey{s, id}]
		if !ok {
			return Found{}, false
		}
		return Found{Version: version, Position: s.positions[version-1]}, true
	}
	heads := func(i int) Head { return m.head(writes[i].Tenant, writes[i].Stream) }
	duplicate, err := Check(writes, results, heads, find)
	if err != nil || duplicate {
		return err
	}
	now := time.Now()
	for i := range writes {
		if len(writes[i].Events) > 0 {
			results[i].Position = m.write(&writes[i], now)
		}
	}
	if m.waiting != nil {
		close(m.waiting)
		m.waiting = nil
	}
	return nil
}

func (m *Memory) head(tenant, name string) Head {
	if s := m.streams[streamKey{tenant, name}]; s != nil {
		return s.head
	}
	return Head{First: 1}
}

func (m *Memory) stream(tenant, name string) *memoryStream {
	key := streamKey{tenant, name}
	s := m.streams[key]
	if s == nil {
		s = &memoryStream{head: Head{First: 1}}
		s.positions = s.few[:0]
		m.streams[key] = s
	}
	return s
}

func (m *Memory) write(w *Write, now time.Time) (position int64) {
	s := m.stream(w.Tenant, w.Stream)
	for i := range w.Events {
		r := m.log.add()
		r.Event = w.Events[i]
		r.Data = append([]byte(nil), r.Data...)
		r.Metadata.Extra = maps.Clone(r.Metadata.Extra)
		r.Stream = w.Stream
		r.Time = now
		s.head.Version++
		r.Version = s.head.Version
		position = r.Position
		s.positions = append(s.positions, position)
		m.ids[idKey{s, r.ID}] = r.Version
	}
	s.head.Deleted = false
	return position
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
	s := m.streams[streamKey{r.Tenant, r.Stream}]
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
	for after < end && len(page.Events) < r.Max {
		after++
		if event := m.log.at(after); m.passes(&r, event) {
			page.Events = append(page.Events, *event)
			page.Events[len(page.Events)-1].Checkpoint = NewCheckpoint("", after)
		}
	}
	own(page.Events)
	page.Next, page.End = NewCheckpoint("", after), after == last
	return page, nil
}

func (m *Memory) passes(r *AllRange, e *Recorded) bool {
	if !r.AllTenants && r.Tenant != e.Metadata.Tenant ||
		len(r.Filter.Types) > 0 && !slices.Contains(r.Filter.Types, e.Type) ||
		len(r.Filter.Categories) > 0 && !slices.Contains(r.Filter.Categories, Category(e.Stream)) {
		return false
	}
	return e.Version >= m.head(e.Metadata.Tenant, e.Stream).First
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
	s := m.stream(e.Tenant, e.Stream)
	s.head = head
	for version := old.First; version < head.First; version++ {
		r := m.log.at(s.positions[version-1])
		r.Data, r.Metadata.Extra = nil, nil
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
		if m.passes(&r, m.log.at(position)) {
			n++
		}
	}
	return n, nil
}

// own gives a page its own bytes, so that no reader can change what is stored.
func own(page []Recorded) {
	total := 0
	for i := range page {
		total += len(page[i].Data)
	}
	bytes := make([]byte, 0, total)
	for i := range page {
		r := &page[i]
		start := len(bytes)
		bytes = append(bytes, r.Data...)
		r.Data = bytes[start:len(bytes):len(bytes)]
		r.Metadata.Extra = maps.Clone(r.Metadata.Extra)
	}
}

// memoryLog holds all events by position, in chunks, so that it never copies
// what it has.
type memoryLog struct{ chunks [][]Recorded }

const chunkSize = 256

func (l *memoryLog) len() int64 {
	if len(l.chunks) == 0 {
		return 0
	}
	last := len(l.chunks) - 1
	return int64(last*chunkSize + len(l.chunks[last]))
}

// add returns the next event, with its Position.
func (l *memoryLog) add() *Recorded {
	last := len(l.chunks) - 1
	if last < 0 || len(l.chunks[last]) == chunkSize {
		l.chunks = append(l.chunks, make([]Recorded, 0, chunkSize))
		last++
	}
	l.chunks[last] = append(l.chunks[last], Recorded{})
	r := &l.chunks[last][len(l.chunks[last])-1]
	r.Position = l.len()
	return r
}

func (l *memoryLog) at(position int64) *Recorded {
	i := int(position - 1)
	return &l.chunks[i/chunkSize][i%chunkSize]
}
