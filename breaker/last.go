package breaker

import "github.com/parlance-go/parlance/internal/rolling"

// last holds the last calls of a closed phase, if that is the window.
type last struct {
	calls  []tally // a ring; nil if the window is another one
	next   int     // where the next call goes
	counts rolling.Counts
}

// A tally says what a call counts as: one bit for each lane of a window. It is 0
// where there has been no call yet.
type tally uint8

func newLast(c Config) last {
	if c.WindowCalls == 0 || !c.counts() {
		return last{}
	}
	return last{calls: make([]tally, c.WindowCalls)}
}

// add puts a call in the place of the oldest.
func (l *last) add(c *call) {
	came, gone := tally(1)<<c.lane(), l.calls[l.next]
	if c.slow {
		came |= 1 << slows
	}
	l.calls[l.next] = came
	if l.next++; l.next == len(l.calls) {
		l.next = 0
	}
	for lane := range l.counts {
		l.counts[lane] += uint64(came >> lane & 1)
		l.counts[lane] -= uint64(gone >> lane & 1)
	}
}

func (l *last) clear() {
	clear(l.calls)
	l.next, l.counts = 0, rolling.Counts{}
}
