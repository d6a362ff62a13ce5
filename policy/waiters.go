package policy

// waiters are those who wait for a place, in the order in which they came. One can
// leave from the middle without a look at the others.
type waiters struct {
	first, last *waiter
	length      int
}

// A waiter waits for a place. All but ready is guarded by the lock of the bulkhead.
type waiter struct {
	ready      chan struct{} // closed when it has a place
	admitted   bool
	prev, next *waiter
}

// push adds a waiter at the end.
func (q *waiters) push() *waiter {
	w := &waiter{ready: make(chan struct{}), prev: q.last}
	if q.last == nil {
		q.first = w
	} else {
		q.last.next = w
	}
	q.last = w
	q.length++
	return w
}

// admit tells the first waiter that it has a place, and takes it out of the queue.
func (q *waiters) admit() {
	w := q.first
	q.remove(w)
	w.admitted = true
	close(w.ready)
}

// remove takes out a waiter that is in the queue.
func (q *waiters) remove(w *waiter) {
	if w.prev == nil {
		q.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		q.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next = nil, nil
	q.length--
}
