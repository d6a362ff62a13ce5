package breaker

import "sync/atomic"

// An entry is one breaker of a group.
type entry struct {
	key     string
	breaker *Breaker

	// used is set by whoever asks for the breaker, unless it is set: a breaker in
	// use costs those who use it no write.
	used atomic.Bool

	// What follows is guarded by Group.mu.

	recent bool   // made, or seen used, since the last sweep
	next   *entry // in its line
}

func (e *entry) use() *Breaker {
	if !e.used.Load() {
		e.used.Store(true)
	}
	return e.breaker
}

// takeUsed reports whether somebody has asked for the entry since the last time
// that it was called.
func (e *entry) takeUsed() bool {
	if !e.used.Load() {
		return false
	}
	e.used.Store(false)
	e.recent = true
	return true
}

// A line holds entries in the order in which they came.
type line struct {
	first, last *entry
	len         int
}

func (l *line) push(e *entry) {
	if l.last == nil {
		l.first = e
	} else {
		l.last.next = e
	}
	l.last = e
	l.len++
}

func (l *line) pop() *entry {
	e := l.first
	l.first, e.next = e.next, nil
	if l.first == nil {
		l.last = nil
	}
	l.len--
	return e
}

// A queue decides which entry of a group goes: "second chance", the CLOCK of
// Corbato (1968) as a queue. An entry whose turn it is stays, behind the others,
// if it was used since its last turn.
//
// Those that are not closed wait in a line of their own, so that nobody walks
// past them again and again. Each walk is paid for: a step past a used entry by
// the one who used it, a step from one line to the other by the breaker's change
// of state, and looking at those who wait by the new entries.
type queue struct {
	closed  line // when last seen
	waiting line // those that were not closed when last seen
	looks   int  // how many of those waiting an eviction may look at
}

const (
	// looksPerEntry is how many looks a new entry pays for. In a group that is
	// no larger, an eviction always knows which breakers are closed.
	looksPerEntry = 64
	// looksAhead is how many of those waiting each eviction looks at while
	// others are closed, so that they are found when they close.
	looksAhead = 4
)

func (q *queue) len() int { return q.closed.len + q.waiting.len }

func (q *queue) add(e *entry) {
	e.recent = true
	q.closed.push(e)
	q.looks = min(q.looks+looksPerEntry, q.len())
}

// evict takes out the entry whose turn it is: one that is closed, if there is one.
func (q *queue) evict() *entry {
	unseen := max(q.waiting.len-looksAhead, 0)
	q.look(looksAhead)
	if e := q.evictClosed(); e != nil {
		return e
	}
	looks := min(q.looks, unseen)
	q.looks -= looks
	q.look(looks)
	if e := q.evictClosed(); e != nil {
		return e
	}
	return q.evictWaiting()
}

// look finds out which of the first n waiting are closed by now.
func (q *queue) look(n int) {
	for range min(n, q.waiting.len) {
		q.sort(q.waiting.pop())
	}
}

// sort puts an entry at the end of the line where it belongs.
func (q *queue) sort(e *entry) {
	if e.breaker.State() == Closed {
		q.closed.push(e)
	} else {
		q.waiting.push(e)
	}
}

// evictClosed returns nil if none is closed. When everybody has had a second
// chance, it does not matter who was used meanwhile: the walk must end.
func (q *queue) evictClosed() *entry {
	for chances := q.closed.len; q.closed.len > 0; chances-- {
		e := q.closed.pop()
		switch {
		case e.breaker.State() != Closed:
			q.waiting.push(e)
		case chances > 0 && e.takeUsed():
			q.closed.push(e)
		default:
			return e
		}
	}
	return nil
}

func (q *queue) evictWaiting() *entry {
	for range q.waiting.len {
		e := q.waiting.pop()
		if !e.takeUsed() {
			return e
		}
		q.waiting.push(e)
	}
	return q.waiting.pop()
}

// sweep takes out the entries that were not used since the sweep before. One
// that is open stays: what it knows is true until its time to stay open is over.
func (q *queue) sweep(drop func(*entry)) {
	lines := []line{q.closed, q.waiting}
	q.closed, q.waiting = line{}, line{}
	for _, l := range lines {
		for l.len > 0 {
			e := l.pop()
			used := e.takeUsed() || e.recent
			e.recent = false
			if !used && e.breaker.State() != Open {
				drop(e)
				continue
			}
			q.sort(e)
		}
	}
}
