package policy

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parlance-go/parlance/breaker"
)

// BulkheadConfig says how many calls may be under way.
type BulkheadConfig struct {
	// Name is what errors call the bulkhead.
	// Defaults to no name.
	Name string

	// MaxConcurrent is how many calls may be under way at once. With Adaptive it
	// is the most that the limit can grow to.
	// Defaults to 64, and with Adaptive to 1,000.
	MaxConcurrent int

	// MaxQueue is how many more may wait, in the order in which they came.
	// Defaults to 0: nobody waits.
	MaxQueue int

	// MaxWait is how long one waits, within its context. It needs a MaxQueue.
	// Defaults to no bound but the context's.
	MaxWait time.Duration

	// Adaptive finds the limit from the latency of the calls.
	// Defaults to none: the limit is MaxConcurrent.
	Adaptive *Gradient
}

// A Bulkhead bounds how many calls are under way at once, so that one slow side
// cannot take all of a process. Make one with [NewBulkhead]. All its methods are
// safe for concurrent use.
//
// The bound is exact: a place is taken in one step with the look whether there is
// one. An adaptive limit that falls interrupts nobody; no call begins until enough
// have ended.
type Bulkhead struct {
	name     string
	maxQueue int
	maxWait  time.Duration

	// state is twice the number of places taken, and 1 more while somebody waits.
	// That bit changes only under mu. Once it is set nobody takes a place without
	// mu, and those who give one back look after the queue. So while nobody waits,
	// and the limit is fixed, a call costs two atomic writes and no lock.
	state atomic.Int64

	mu       sync.Mutex
	limit    int64 // never changes without an estimate
	waiting  waiters
	estimate *estimate // nil if the limit is fixed
	base     time.Time // of the times in places, if it is not
}

// NewBulkhead returns a bulkhead. The error names the field that is wrong.
func NewBulkhead(c BulkheadConfig) (*Bulkhead, error) {
	b := &Bulkhead{name: c.Name, maxQueue: c.MaxQueue, maxWait: c.MaxWait}
	switch {
	case c.MaxConcurrent < 0:
		return nil, fmt.Errorf("policy: BulkheadConfig.MaxConcurrent is %d, want 1 or more", c.MaxConcurrent)
	case c.MaxQueue < 0:
		return nil, fmt.Errorf("policy: BulkheadConfig.MaxQueue is %d, want 0 or more", c.MaxQueue)
	case c.MaxWait < 0:
		return nil, fmt.Errorf("policy: BulkheadConfig.MaxWait is %s, want 0 or more", c.MaxWait)
	case c.MaxWait > 0 && c.MaxQueue == 0:
		return nil, fmt.Errorf("policy: BulkheadConfig.MaxWait is %s, but without a MaxQueue nobody waits", c.MaxWait)
	}
	if c.Adaptive == nil {
		b.limit = 64
		if c.MaxConcurrent > 0 {
			b.limit = int64(c.MaxConcurrent)
		}
		return b, nil
	}
	var err error
	b.estimate, err = newEstimate(*c.Adaptive, c.MaxConcurrent)
	if err != nil {
		return nil, err
	}
	b.limit = b.estimate.limit()
	b.base = time.Now()
	return b, nil
}

// Acquire takes a place, or waits for one. The caller must give it back with
// [Place.Done], best in a deferred call. The error is
//
//   - a [*FullError], if there is no place and the queue is full, or if none became
//     free within MaxWait,
//   - the cause of ctx, wrapped, if ctx has ended. Then no place is taken, even if
//     there was one.
func (b *Bulkhead) Acquire(ctx context.Context) (Place, error) {
	if ctx.Err() != nil {
		return Place{}, ended(ctx, "enter bulkhead"+quoted(b.name))
	}
	if b.estimate == nil && b.take() {
		return Place{bulkhead: b}, nil
	}
	if err := b.enter(ctx); err != nil {
		return Place{}, err
	}
	place := Place{bulkhead: b}
	if b.estimate != nil {
		place.begun = time.Since(b.base) // the queue says nothing about the other side
	}
	return place, nil
}

// enter takes a place, or waits for one.
func (b *Bulkhead) enter(ctx context.Context) error {
	w, err := b.join()
	if w == nil {
		return err
	}
	return b.wait(ctx, w)
}

// join takes a place, or returns a new waiter if there is none.
func (b *Bulkhead) join() (*waiter, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for !b.take() {
		if b.waiting.length >= b.maxQueue {
			return nil, b.full(false)
		}
		// The bit is set in one step with the look whether the bulkhead is full: a
		// call that ends later sees it, and one that ended before is seen here.
		if s := b.state.Load(); s&1 != 0 || s>>1 >= b.limit && b.state.CompareAndSwap(s, s|1) {
			return b.waiting.push(), nil
		}
	}
	return nil, nil
}

// wait returns when w has a place, or may not or cannot wait any longer.
func (b *Bulkhead) wait(ctx context.Context, w *waiter) error {
	var over <-chan time.Time
	if b.maxWait > 0 {
		timer := time.NewTimer(b.maxWait)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-w.ready:
	case <-ctx.Done():
	case <-over:
	}
	if ctx.Err() != nil {
		b.cancel(w)
		return ended(ctx, "wait for a place in bulkhead"+quoted(b.name))
	}
	return b.stop(w)
}

// cancel takes w out of the queue. If w got a place meanwhile, the next one has it.
func (b *Bulkhead) cancel(w *waiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if w.admitted {
		b.state.Add(-2)
	} else {
		b.waiting.remove(w)
	}
	b.admit()
}

// stop ends the wait of w: with a place, or with an error if it has none.
func (b *Bulkhead) stop(w *waiter) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.admit() // somebody may be about to
	if w.admitted {
		return nil
	}
	err := b.full(true)
	b.waiting.remove(w)
	b.admit()
	return err
}

// full returns the error of a call without a place. mu must be held.
func (b *Bulkhead) full(waited bool) error {
	return &FullError{Name: b.name, Limit: int(b.limit), Queued: b.waiting.length, Waited: waited}
}

// take takes a place if there is one and nobody waits for it. Where the limit is
// adaptive mu must be held.
func (b *Bulkhead) take() bool {
	for {
		s := b.state.Load()
		if s&1 != 0 || s>>1 >= b.limit {
			return false
		}
		if b.state.CompareAndSwap(s, s+2) {
			return true
		}
	}
}

// learn tells an adaptive limit of a call that has ended.
func (b *Bulkhead) learn(begun time.Duration, o breaker.Outcome) {
	now := time.Since(b.base)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.estimate.learn(begun, now, b.state.Load()>>1, o)
	b.limit = b.estimate.limit()
	b.state.Add(-2)
	b.admit()
}

// handOn gives the places that are free to those who wait.
func (b *Bulkhead) handOn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.admit()
}

// admit gives the places that are free to those who have waited longest. mu must
// be held.
func (b *Bulkhead) admit() {
	for b.waiting.length > 0 && b.state.Load()>>1 < b.limit {
		b.state.Add(2)
		b.waiting.admit()
	}
	if b.waiting.length == 0 && b.state.Load()&1 != 0 {
		b.state.Add(-1)
	}
}

// Limit returns how many calls may be under way at present.
func (b *Bulkhead) Limit() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return int(b.limit)
}

// InFlight returns how many calls are under way. After an adaptive limit has fallen
// it may be more than [Bulkhead.Limit].
func (b *Bulkhead) InFlight() int { return int(b.state.Load() >> 1) }

// Queued returns how many calls wait.
func (b *Bulkhead) Queued() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waiting.length
}

// A Place is one of a bulkhead. Giving it back twice does nothing, and neither does
// the zero Place. It belongs to one goroutine at a time and must not be copied after
// its first use.
type Place struct {
	bulkhead *Bulkhead // nil once it is given back
	begun    time.Duration
}

// Done gives the place back. An adaptive limit learns the latency of a success,
// takes a failure for overload, and learns nothing from a neutral outcome.
func (p *Place) Done(o breaker.Outcome) {
	b := p.bulkhead
	if b == nil {
		return
	}
	p.bulkhead = nil
	if b.estimate != nil {
		b.learn(p.begun, o)
		return
	}
	if b.state.Add(-2)&1 != 0 {
		b.handOn()
	}
}
