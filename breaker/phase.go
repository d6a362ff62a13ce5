package breaker

import (
	"sync/atomic"
	"time"

	"github.com/parlance-go/parlance/internal/rolling"
)

// A phase is the time between two changes of a breaker. A call reports to the
// phase in which it was admitted, and each phase has its own row, window and
// probes. So what comes late can only reach a phase that nobody looks at any
// more, however the report and the change interleave.
type phase struct {
	breaker    *Breaker
	generation uint64
	state      State
	mode       Mode
	// timed tells that it matters how long a call took.
	timed bool
	// plain tells that a success changes nothing but the row, and silent that a
	// rejection is neither counted nor told.
	plain, silent bool

	// until is when an open phase is over. The timer sets near some time before:
	// as long as it is not set, a rejection need not look at the clock, which
	// would be most of its cost. Near is a pointer so that a timer does not keep
	// a breaker that nobody has any more.
	until time.Duration
	near  *atomic.Bool
	timer *time.Timer

	// reopened is how many probes have failed since the breaker was closed.
	reopened int
	// rejection is the error of all calls that are rejected.
	rejection *OpenError

	// row is how many calls have failed one after the other.
	row atomic.Int64
	// window counts the calls of a closed phase, if there is a window of time.
	window *rolling.Window
	// spoilt is until when the window may hold a failure or a slow call. Without
	// one there is no need to look at it.
	spoilt atomic.Int64
	// probes are those of a half-open phase.
	probes probes
}

// The lanes of a window.
const (
	successes = rolling.First
	failures  = rolling.Second
	slows     = rolling.Third
)

// nearBy is how long before the end of an open phase rejections begin to look at
// the clock, at least. It is far more than timers are late.
const nearBy = 100 * time.Millisecond

// stateAt returns the state, which is half-open once the time to be open is over.
func (p *phase) stateAt(now time.Duration) State {
	if p.state == Open && now >= p.until {
		return HalfOpen
	}
	return p.state
}

// succeed reports a success to a plain phase. It writes only if the success ends
// a row.
func (p *phase) succeed() {
	if p.row.Load() != 0 {
		p.row.Store(0)
	}
	if p.breaker.phase.Load() != p {
		p.breaker.totals.late.Add(1)
	}
}

// count counts a call in the window, and reports whether the window may trip the
// breaker after it.
func (p *phase) count(c *call, now time.Duration) (look bool) {
	if c.slow {
		p.window.Add(now, c.lane(), slows)
	} else {
		p.window.AddOne(now, c.lane())
	}
	config := &p.breaker.config
	if !config.rates() {
		return false
	}
	// In this order, after Add: so of a failure and a success that end together,
	// the success sees here that there is a failure, or the failure finds the
	// success in the window.
	spoilt := p.spoilt.Load()
	if !c.slow && c.outcome == Success {
		return int64(now) <= spoilt
	}
	until := int64(later(now, config.Window))
	for spoilt < until && !p.spoilt.CompareAndSwap(spoilt, until) {
		spoilt = p.spoilt.Load()
	}
	return true
}

// begin returns the phase with which a mode begins.
func (b *Breaker) begin(m Mode, at time.Time) *phase {
	if m == ForcedOpen {
		rejection := &OpenError{Name: b.config.Name, State: Open, Since: at}
		return &phase{breaker: b, state: Open, mode: m, silent: b.silent(m), until: forever, near: new(atomic.Bool), rejection: rejection}
	}
	p := &phase{breaker: b, state: Closed, mode: m, timed: b.config.timed(), plain: !b.config.counts() && m != Disabled}
	if b.config.counts() && b.config.WindowCalls == 0 {
		p.window = rolling.New(b.config.Window)
	}
	return p
}

// silent reports whether rejections in a mode are neither counted nor told.
func (b *Breaker) silent(m Mode) bool {
	return m != Shadow && !b.config.counts() && b.config.Hooks.Rejected == nil
}

// enter makes next the present phase, and queues the news of it. Mu is held.
func (b *Breaker) enter(next *phase, cause error, at time.Time) {
	old := b.phase.Load()
	next.generation = old.generation + 1
	if b.config.Hooks.Transition != nil {
		change := Transition{
			Name:     b.config.Name,
			From:     old.state,
			To:       next.state,
			Mode:     next.mode,
			At:       at,
			Cause:    cause,
			Snapshot: b.snapshot(at.Sub(b.base)),
		}
		// Of an open phase whose time is over, hooks have heard that it is open.
		change.Snapshot.State = old.state
		if next.state == Open {
			change.Until = next.rejection.Until
		}
		b.news.add(change)
	}
	b.phase.Store(next)
	b.last.clear()
	b.settle(old)
	if old.timer != nil {
		old.timer.Stop()
	}
}

// open ends a closed or half-open phase because of a failure with the error
// cause, after which the other side asked to be left alone for some time. Mu is
// held.
func (b *Breaker) open(p *phase, cause error, asked time.Duration, at time.Time) {
	reopened := 0
	if p.state == HalfOpen {
		reopened = p.reopened + 1
	}
	d := b.config.interval(reopened, asked)
	near := new(atomic.Bool)
	next := &phase{
		breaker:  b,
		near:     near,
		state:    Open,
		mode:     p.mode,
		silent:   b.silent(p.mode),
		timed:    b.config.timed(),
		until:    later(at.Sub(b.base), d),
		reopened: reopened,
		rejection: &OpenError{
			Name:  b.config.Name,
			State: Open,
			Cause: cause,
			Since: at,
			Until: at.Add(d),
		},
	}
	if early := d - max(d/10, nearBy); early > 0 {
		next.timer = time.AfterFunc(early, func() { near.Store(true) })
	} else {
		near.Store(true)
	}
	b.enter(next, cause, at)
}

// halfOpen ends an open phase whose time is over, and returns the next. Mu is
// held.
func (b *Breaker) halfOpen(p *phase) *phase {
	rejection := *p.rejection
	rejection.State, rejection.Until = HalfOpen, time.Time{}
	next := &phase{
		breaker:   b,
		state:     HalfOpen,
		mode:      p.mode,
		silent:    p.silent,
		timed:     b.config.timed(),
		reopened:  p.reopened,
		rejection: &rejection,
	}
	b.enter(next, nil, time.Now())
	return next
}

// forever is a time that never comes.
const forever = time.Duration(1<<63 - 1)

// later returns the time d after now, at most forever.
func later(now, d time.Duration) time.Duration {
	if sum := now + d; sum >= now {
		return sum
	}
	return forever
}
