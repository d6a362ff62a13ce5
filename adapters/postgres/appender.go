package postgres

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/parlance-go/parlance/eventstore"
)

const (
	maxGroupAppends = 256
	maxGroupEvents  = 4096
	maxGroupBytes   = 4 << 20
)

// appender lets appends of one kind share statements and commits. It never
// waits for company: an append that finds a free place goes at once and alone;
// while all places are taken the others queue, and whoever frees a place sends
// all who can go together. A stream is in one statement at a time, for a second
// one would only wait for its row.
type appender struct {
	store *EventStore
	kind  appendKind

	mu    sync.Mutex
	free  int
	turn  int               // counts statements
	busy  map[streamKey]int // to the turn of its statement
	queue []*pending
}

type streamKey struct{ tenant, stream string }

func keyOf(w *eventstore.Write) streamKey { return streamKey{w.Tenant, w.Stream} }

// pending is an append that waits for its statement.
type pending struct {
	write  eventstore.Write
	result eventstore.Appended
	done   bool // whether the statement did it
	err    error
	ended  chan struct{}
	leave  func() // one caller fewer waits for the statement
}

func newAppender(store *EventStore, kind appendKind, places int) *appender {
	return &appender{store: store, kind: kind, free: places, busy: make(map[streamKey]int)}
}

// append returns whether the write was done; if not, and there is no error, it
// must be decided with care.
func (a *appender) append(ctx context.Context, w *eventstore.Write, result *eventstore.Appended) (bool, error) {
	key := keyOf(w)
	a.mu.Lock()
	if _, busy := a.busy[key]; !busy && a.free > 0 {
		a.free--
		a.turn++
		a.busy[key] = a.turn
		a.mu.Unlock()
		defer a.release([]streamKey{key})
		return a.store.appendAlone(ctx, a.kind, w, result)
	}
	p := &pending{write: ownWrite(w), ended: make(chan struct{})}
	a.queue = append(a.queue, p)
	a.mu.Unlock()

	select {
	case <-p.ended:
		*result = p.result
		return p.done, p.err
	case <-ctx.Done():
		a.abandon(p)
		return false, context.Cause(ctx)
	}
}

// abandon takes an append out of the queue, or tells its statement that nobody
// waits for it any more.
func (a *appender) abandon(p *pending) {
	a.mu.Lock()
	leave := p.leave
	if leave == nil {
		for i, other := range a.queue {
			if other == p {
				a.queue = append(a.queue[:i], a.queue[i+1:]...)
				break
			}
		}
	}
	a.mu.Unlock()
	if leave != nil {
		leave()
	}
}

// release frees the streams of a statement, and gives its place to the next.
func (a *appender) release(streams []streamKey) {
	a.mu.Lock()
	for _, key := range streams {
		delete(a.busy, key)
	}
	a.free++
	a.start()
	a.mu.Unlock()
}

// start sends those in the queue that can go, as far as there are places.
// The lock is held.
func (a *appender) start() {
	for a.free > 0 {
		group, streams := a.take()
		if len(group) == 0 {
			return
		}
		a.free--
		ctx, cancel := context.WithCancel(context.Background())
		leave := afterAll(len(group), cancel)
		for _, p := range group {
			p.leave = leave
		}
		go a.run(ctx, cancel, group, streams)
	}
}

// take removes from the queue the appends that can go in one statement, and
// marks their streams. Appends to one stream go together only if none of them
// asks for a version. The lock is held.
func (a *appender) take() (group []*pending, streams []streamKey) {
	a.turn++
	var events, bytes int
	left := a.queue[:0]
	for _, p := range a.queue {
		key := keyOf(&p.write)
		turn, busy := a.busy[key]
		mine := turn == a.turn && a.kind == appendAny
		full := len(group) > 0 && (len(group) == maxGroupAppends ||
			events+len(p.write.Events) > maxGroupEvents || bytes > maxGroupBytes)
		if full || busy && !mine {
			left = append(left, p)
			continue
		}
		group = append(group, p)
		events += len(p.write.Events)
		for i := range p.write.Events {
			bytes += len(p.write.Events[i].Data)
		}
		if !busy {
			a.busy[key] = a.turn
			streams = append(streams, key)
		}
	}
	clear(a.queue[len(left):])
	a.queue = left
	return group, streams
}

func (a *appender) run(ctx context.Context, cancel context.CancelFunc, group []*pending, streams []streamKey) {
	defer func() {
		cancel()
		for _, p := range group {
			close(p.ended)
		}
		// Callers that append again at once find the place still taken and queue,
		// instead of one of them going alone and the others behind it.
		runtime.Gosched()
		a.release(streams)
	}()
	if len(group) == 1 {
		p := group[0]
		p.done, p.err = a.store.appendAlone(ctx, a.kind, &p.write, &p.result)
		return
	}
	if err := a.store.appendGroup(ctx, a.kind, group); err != nil {
		for _, p := range group {
			p.err = err
		}
	}
}

// afterAll returns a function that calls another at the n-th call.
func afterAll(n int, then func()) func() {
	var calls atomic.Int64
	return func() {
		if calls.Add(1) == int64(n) {
			then()
		}
	}
}

// ownWrite copies what a caller may change once it has left.
func ownWrite(w *eventstore.Write) eventstore.Write {
	own := *w
	own.Events = slices.Clone(w.Events)
	total := 0
	for i := range own.Events {
		total += len(own.Events[i].Data)
	}
	bytes := make([]byte, 0, total)
	for i := range own.Events {
		e := &own.Events[i]
		start := len(bytes)
		bytes = append(bytes, e.Data...)
		e.Data = bytes[start:len(bytes):len(bytes)]
		e.Metadata.Extra = maps.Clone(e.Metadata.Extra)
	}
	return own
}
