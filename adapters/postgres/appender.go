package postgres

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parlance-go/parlance/eventstore"
)

const (
	// groupEvents is how many events a statement takes before it leaves the rest
	// to the next: enough that its own cost is little beside theirs, and few
	// enough that two statements share two cores.
	groupEvents = 128
	groupBytes  = 1 << 20

	// largeEvents and largeBytes make an append go at once, so that small ones
	// do not wait for it.
	largeEvents = 256
	largeBytes  = 256 << 10

	// stalledAfter is when a statement no longer keeps others waiting: it may be
	// waiting itself, for a stream that somebody's transaction holds.
	stalledAfter = 10 * time.Millisecond
)

// appender lets appends of one kind share statements and commits. It never
// waits for company. While few come, each goes alone, and several are side by
// side. Those that find all places taken queue, and go together when what is
// under way is done: a commit costs as much as fifty events, and two at once
// hinder each other, so a second group goes beside the first only when it is
// worth it. A stream is in one statement at a time, for a second one would only
// wait for its row.
type appender struct {
	store  *EventStore
	kind   appendKind
	places int
	spare  int // how many stalled statements do not count

	mu            sync.Mutex
	alone, groups int               // statements under way that have not stalled
	turn          int               // counts statements
	busy          map[streamKey]int // to the turn of its statement
	held          map[streamKey]*hold
	queue         []*pending
	waiting       int // events in the queue
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
	return &appender{
		store: store, kind: kind, places: places,
		spare: int(store.pool.Config().MaxConns) / 2,
		busy:  make(map[streamKey]int),
		held:  make(map[streamKey]*hold),
	}
}

// append does the only write, in a statement with others or, if that did not do
// it, in a transaction of its own.
func (a *appender) append(ctx context.Context, writes []eventstore.Write, results []eventstore.Appended) error {
	done, err := a.share(ctx, &writes[0], &results[0])
	if done || err != nil {
		return err
	}
	release, err := a.hold(ctx, keyOf(&writes[0]))
	if err != nil {
		return err
	}
	defer release()
	return a.store.appendCarefully(ctx, writes, results)
}

// share returns whether a statement did the write; if not, and there is no
// error, it must be decided with care.
func (a *appender) share(ctx context.Context, w *eventstore.Write, result *eventstore.Appended) (bool, error) {
	if large(w) {
		return a.store.appendAlone(ctx, a.kind, w, result)
	}
	key := keyOf(w)
	a.mu.Lock()
	if !a.taken(key) && a.groups == 0 && a.alone < a.places && len(a.queue) == 0 {
		a.turn++
		a.busy[key] = a.turn
		f := a.launch([]streamKey{key}, false)
		a.mu.Unlock()
		defer a.land(f) //nolint:contextcheck // a statement is for many callers, and ends with none of them
		return a.store.appendAlone(ctx, a.kind, w, result)
	}
	p := &pending{write: ownWrite(w), ended: make(chan struct{})}
	a.queue = append(a.queue, p)
	a.waiting += len(w.Events)
	a.start() //nolint:contextcheck // a statement is for many callers, and ends with none of them
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

// hold is a stream to which appends are decided with care, one at a time: if
// somebody's transaction has it locked, one connection waits for that, and no
// statement that is shared does.
type hold struct {
	callers int
	turn    chan struct{} // holds the caller whose turn it is
}

// hold waits for the caller's turn, and returns what ends it.
func (a *appender) hold(ctx context.Context, key streamKey) (release func(), err error) {
	a.mu.Lock()
	h := a.held[key]
	if h == nil {
		h = &hold{turn: make(chan struct{}, 1)}
		a.held[key] = h
	}
	h.callers++
	a.mu.Unlock()
	leave := func() { //nolint:contextcheck // a statement is for many callers, and ends with none of them
		a.mu.Lock()
		defer a.mu.Unlock()
		if h.callers--; h.callers == 0 {
			delete(a.held, key)
			a.start()
		}
	}
	select {
	case h.turn <- struct{}{}:
		return func() { <-h.turn; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, context.Cause(ctx)
	}
}

// taken tells whether a statement or a transaction is at work on a stream. The
// lock is held.
func (a *appender) taken(key streamKey) bool {
	_, busy := a.busy[key]
	return busy || a.held[key] != nil
}

func large(w *eventstore.Write) bool {
	if len(w.Events) > largeEvents {
		return true
	}
	bytes := 0
	for i := range w.Events {
		bytes += len(w.Events[i].Data)
	}
	return bytes > largeBytes
}

// abandon takes an append out of the queue, or tells its statement that nobody
// waits for it any more.
func (a *appender) abandon(p *pending) {
	a.mu.Lock()
	leave := p.leave
	if i := slices.Index(a.queue, p); i >= 0 {
		a.queue = slices.Delete(a.queue, i, i+1)
		a.waiting -= len(p.write.Events)
	}
	a.mu.Unlock()
	if leave != nil {
		leave()
	}
}

// flight is a statement under way.
type flight struct {
	streams []streamKey
	group   bool
	stalled bool
	clock   *time.Timer
}

// launch counts a statement as under way. The lock is held.
func (a *appender) launch(streams []streamKey, group bool) *flight {
	f := &flight{streams: streams, group: group}
	a.count(f, 1)
	f.clock = time.AfterFunc(stalledAfter, func() { a.stall(f) })
	return f
}

func (a *appender) count(f *flight, n int) {
	if f.group {
		a.groups += n
	} else {
		a.alone += n
	}
}

// stall lets others go while a statement takes long, and bounds how many do.
func (a *appender) stall(f *flight) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if f.clock != nil && a.spare > 0 {
		a.spare--
		f.stalled = true
		a.count(f, -1)
		a.start()
	}
}

// land frees the streams of a statement and gives its place to the next.
func (a *appender) land(f *flight) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f.clock.Stop()
	f.clock = nil
	if f.stalled {
		a.spare++
	} else {
		a.count(f, -1)
	}
	for _, key := range f.streams {
		delete(a.busy, key)
	}
	a.start()
}

// start sends those in the queue that can go, as far as there are places.
// The lock is held.
func (a *appender) start() {
	for a.roomForNext() {
		group, streams := a.take()
		if len(group) == 0 {
			return
		}
		ctx, cancel := context.WithCancel(context.Background())
		leave := afterAll(len(group), cancel)
		for _, p := range group {
			p.leave = leave
		}
		go a.run(ctx, cancel, group, a.launch(streams, len(group) > 1))
	}
}

func (a *appender) roomForNext() bool {
	switch {
	case len(a.queue) == 0:
		return false
	case a.alone+a.groups == 0:
		return true
	case a.groups == 0:
		return len(a.queue) == 1 && a.alone < a.places
	default:
		return a.waiting >= groupEvents/2 && a.alone+a.groups < a.places
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
		busy := a.taken(key)
		together := a.busy[key] == a.turn && a.kind == appendAny
		full := len(group) > 0 && (events+len(p.write.Events) > groupEvents || bytes > groupBytes)
		if full || busy && !together {
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
	a.waiting -= events
	return group, streams
}

func (a *appender) run(ctx context.Context, cancel context.CancelFunc, group []*pending, f *flight) {
	defer func() { //nolint:contextcheck // a statement is for many callers, and ends with none of them
		cancel()
		for _, p := range group {
			close(p.ended)
		}
		// Callers that append again at once find the place still taken and queue,
		// instead of one of them going alone and the others behind it.
		runtime.Gosched()
		a.land(f)
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
