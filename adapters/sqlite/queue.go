package sqlite

import (
	"slices"
	"sync"
	"time"

	"github.com/parlance-go/parlance/eventstore"
)

const (
	maxBatchEvents = 1024
	maxBatchBytes  = 4 << 20
)

// queue holds the appends that wait for the write lock. The first in it leads:
// it gets the lock, and does the work of those behind it as well. No goroutine
// but those of the callers is needed.
type queue struct {
	mu      sync.Mutex
	waiting []*request
	leader  *request // has been told to lead and has not settled; nil for nobody
}

// request is an append in the queue. It owns all that it refers to, so that its
// caller can leave while the leader is at work.
type request struct {
	writes   []eventstore.Write
	extras   []string // of the events of all writes, encoded
	results  []eventstore.Appended
	err      error
	deadline time.Time // of the wait for the lock
	events   int
	bytes    int

	// turn gets one value: true tells to lead, false that the work is done.
	turn chan bool
}

func newRequest(writes []eventstore.Write) (*request, error) {
	r := &request{
		writes:  slices.Clone(writes),
		results: make([]eventstore.Appended, len(writes)),
		turn:    make(chan bool, 1),
	}
	for i := range writes {
		r.events += len(writes[i].Events)
		for j := range writes[i].Events {
			r.bytes += len(writes[i].Events[j].Data)
		}
	}
	events := make([]eventstore.Event, 0, r.events)
	data := make([]byte, 0, r.bytes)
	r.extras = make([]string, 0, r.events)
	for i := range r.writes {
		w := &r.writes[i]
		start := len(events)
		for _, e := range w.Events {
			begin := len(data)
			data = append(data, e.Data...)
			e.Data = data[begin:len(data):len(data)]
			extra, err := encodeExtra(e.Metadata.Extra)
			if err != nil {
				return nil, err
			}
			r.extras = append(r.extras, extra)
			e.Metadata.Extra = nil
			events = append(events, e)
		}
		w.Events = events[start:len(events):len(events)]
	}
	return r, nil
}

// join puts a request at the end.
func (q *queue) join(r *request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, r)
	q.appoint()
}

// leave withdraws a request, and hands on its lead if it has it. It returns
// false if the request has been taken.
func (q *queue) leave(r *request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, r)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	if q.leader == r {
		q.leader = nil
	}
	q.appoint()
	return true
}

// take removes the leader and those behind it, up to a size that keeps a
// transaction short.
func (q *queue) take() []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, events, bytes := 0, 0, 0
	for n < len(q.waiting) {
		events += q.waiting[n].events
		bytes += q.waiting[n].bytes
		if n > 0 && (events > maxBatchEvents || bytes > maxBatchBytes) {
			break
		}
		n++
	}
	batch := slices.Clone(q.waiting[:n])
	q.waiting = slices.Delete(q.waiting, 0, n)
	return batch
}

// settle tells all but the leader that their work is done, and who is to lead
// next.
func (q *queue) settle(batch []*request, leader *request) {
	q.mu.Lock()
	q.leader = nil
	q.appoint()
	q.mu.Unlock()
	for _, r := range batch {
		if r != leader {
			r.turn <- false
		}
	}
}

// appoint tells the first to lead if nobody does.
func (q *queue) appoint() {
	if q.leader == nil && len(q.waiting) > 0 {
		q.leader = q.waiting[0]
		q.leader.turn <- true
	}
}
