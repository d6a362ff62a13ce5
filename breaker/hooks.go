package breaker

import "time"

// Hooks are told what a breaker does. Each may be nil. They are called without a
// lock, in the goroutine of a call or of SetMode, so they should be quick; they
// may call any method of the breaker. If one panics, the panic passes to that
// call, whose outcome has been reported before; a call that was to be made, and
// was not, is neutral. The breaker goes on as if nothing had happened.
type Hooks struct {
	// Transition is called after each change of state or mode: one at a time, in
	// the order in which they happened. While it runs, other goroutines go on,
	// and leave their changes to the one that is in it.
	Transition func(Transition)

	// Rejected is called for each call that is rejected, and in Shadow for each
	// that would have been.
	Rejected func(*OpenError)
}

// A Transition is one change of a breaker.
type Transition struct {
	Name     string
	From, To State
	Mode     Mode
	At       time.Time
	// Until is when an open breaker will probe.
	Until time.Time
	// Cause is the error of the call that caused it, if it had one.
	Cause error
	// Snapshot holds the counts by which the breaker decided: those before the
	// change.
	Snapshot Snapshot
}

// news are the transitions of which the hook has not been told.
type news struct {
	waiting []Transition
	telling bool // a goroutine is at it
}

func (n *news) add(t Transition) { n.waiting = append(n.waiting, t) }

// tell calls the hook for all transitions that wait, unless another goroutine,
// or a caller of this function, is at it already.
func (b *Breaker) tell() {
	if b.config.Hooks.Transition != nil && b.beginTelling() {
		b.tellAll()
	}
}

func (b *Breaker) beginTelling() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.news.telling || len(b.news.waiting) == 0 {
		return false
	}
	b.news.telling = true
	return true
}

// tellAll tells of the transitions one after the other, also if the hook panics
// or ends the goroutine at one of them.
func (b *Breaker) tellAll() {
	done := false
	defer func() {
		if !done {
			b.tellAll()
		}
	}()
	for {
		t, ok := b.nextNews()
		if !ok {
			break
		}
		b.config.Hooks.Transition(t)
	}
	done = true
}

// nextNews takes the next transition. If there is none, telling has ended.
func (b *Breaker) nextNews() (t Transition, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.news.waiting) == 0 {
		b.news = news{}
		return t, false
	}
	t = b.news.waiting[0]
	b.news.waiting = b.news.waiting[1:]
	return t, true
}
