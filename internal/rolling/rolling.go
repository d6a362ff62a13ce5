// Package rolling counts what happened in the last seconds, without a lock
// where something is counted.
package rolling

import (
	"sync"
	"sync/atomic"
	"time"
)

// A Lane is one of the three counts that a window keeps.
type Lane uint8

// The lanes of a window.
const (
	First Lane = iota
	Second
	Third
)

// Counts are the counts of the three lanes.
type Counts [3]uint64

// buckets is how many parts a window is made of. What was counted stays in the
// window for at least 9/10 of its length and for at most all of it.
const buckets = 10

const (
	laneBits = 21
	laneMask = 1<<laneBits - 1
	// full is where a lane is halved, together with the others of its bucket: so
	// their ratio stays. The bit above leaves room for those who add meanwhile.
	full = 1 << (laneBits - 1)
)

// A Window counts in three lanes over a span of time. Make one with [New]. All
// its methods are safe for concurrent use.
//
// Times are durations since a moment that its user chose.
type Window struct {
	width time.Duration // of one bucket
	cells [buckets]cell

	mu    sync.Mutex // guards the reuse of a cell, and totals
	total Counts     // of what is not in the cells any more, and was not taken
}

// cell holds the counts of one bucket in one word. Whoever adds to it while it
// is given to a later bucket is counted there.
type cell struct {
	bucket atomic.Int64 // its number + 1, so that 0 is none
	counts atomic.Uint64
	_      [48]byte // one cell for each cache line
}

// New returns a window of a length of at least 10 ns.
func New(length time.Duration) *Window {
	return &Window{width: max(length/buckets, 1)}
}

// Add counts one in each of the lanes. A time that is older than the window,
// because its caller was held up, counts as a newer one.
func (w *Window) Add(now time.Duration, lanes ...Lane) {
	var counts uint64
	for _, lane := range lanes {
		counts += lane.one()
	}
	w.add(now, counts)
}

// AddOne counts one in a lane, and is Add for those who count nanoseconds.
func (w *Window) AddOne(now time.Duration, lane Lane) { w.add(now, lane.one()) }

func (w *Window) add(now time.Duration, counts uint64) {
	number := w.number(now)
	c := &w.cells[uint64(number)%buckets]
	if c.bucket.Load() < number {
		w.reuse(c, number)
	}
	if overflows(c.counts.Add(counts)) {
		w.halve(c)
	}
}

func (l Lane) one() uint64 { return 1 << (laneBits * l) }

// Sum returns the counts of the window that ends now.
func (w *Window) Sum(now time.Duration) Counts {
	gone := w.number(now) - buckets
	var first, second, third uint64 // an array would not be kept in registers
	for i := range w.cells {
		c := &w.cells[i]
		// In this order: of a cell that is reused in between, only what is new
		// may be seen.
		if c.bucket.Load() > gone {
			packed := c.counts.Load()
			first += packed & laneMask
			second += packed >> laneBits & laneMask
			third += packed >> (2 * laneBits)
		}
	}
	return Counts{first, second, third}
}

// Total returns the counts since the window was made, or since Take.
func (w *Window) Total() Counts {
	w.mu.Lock()
	defer w.mu.Unlock()
	total := w.total
	for i := range w.cells {
		total.add(w.cells[i].counts.Load())
	}
	return total
}

// Take returns the counts since the window was made or this was last called, and
// empties the window. What is added meanwhile is returned by this call or by the
// next.
func (w *Window) Take() Counts {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := w.total
	for i := range w.cells {
		taken.add(w.cells[i].counts.Swap(0))
	}
	w.total = Counts{}
	return taken
}

// number returns the number of the bucket of a time, which begins with 1.
func (w *Window) number(now time.Duration) int64 { return int64(max(now, 0)/w.width) + 1 }

func (w *Window) reuse(c *cell, number int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.bucket.Load() >= number {
		return
	}
	w.total.add(c.counts.Swap(0))
	c.bucket.Store(number)
}

func (w *Window) halve(c *cell) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		old := c.counts.Load()
		if !overflows(old) {
			return
		}
		// The lowest bit of each lane would fall into the lane below.
		half := old >> 1 &^ (1<<(laneBits-1) | 1<<(2*laneBits-1) | 1<<(3*laneBits-1))
		if c.counts.CompareAndSwap(old, half) {
			w.total.add(old)
			w.total.subtract(half)
			return
		}
	}
}

func overflows(counts uint64) bool {
	const limits = full | full<<laneBits | full<<(2*laneBits)
	return counts&limits != 0
}

func (c *Counts) add(packed uint64) {
	for lane := range c {
		c[lane] += packed >> (laneBits * lane) & laneMask
	}
}

func (c *Counts) subtract(packed uint64) {
	for lane := range c {
		c[lane] -= packed >> (laneBits * lane) & laneMask
	}
}
