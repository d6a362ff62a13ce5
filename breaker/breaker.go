package breaker

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A Breaker guards calls to one other side. Make one with [New]. All its methods
// are safe for concurrent use.
type Breaker struct {
	phase  atomic.Pointer[phase]
	config Config    // with its defaults
	base   time.Time // times within the breaker are durations since then

	totals totals

	mu   sync.Mutex // is held wherever the phase changes
	last last       // guarded by mu
	news news       // guarded by mu
}

// New returns a breaker that is closed. The error names the field that is wrong.
func New(c Config) (*Breaker, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	b := &Breaker{config: c, base: time.Now()}
	b.last = newLast(c)
	b.phase.Store(b.begin(c.Mode, b.base))
	return b, nil
}

// Do calls fn if the breaker admits it, and tells the breaker the outcome. It
// returns what fn returned, or, without calling fn:
//
//   - an [*OpenError] if the breaker rejects the call,
//   - the cause of ctx, wrapped, if ctx has ended already. That takes no probe.
//
// A panic of fn passes through, and so does [runtime.Goexit]; both are failures.
// Do panics if b or fn is nil.
func Do[T any](ctx context.Context, b *Breaker, fn func(context.Context) (T, error)) (T, error) {
	if b == nil {
		panic("breaker: Do: the breaker is nil")
	}
	if fn == nil {
		panic("breaker: Do: the function is nil")
	}
	switch p := b.phase.Load(); {
	case p.silent && p.state == Open && !p.near.Load() && ctx.Err() == nil:
		var zero T
		return zero, p.rejection
	case p.plain && ctx.Err() == nil:
		return doPlain(ctx, p, fn)
	default:
		return doPermitted(ctx, b, fn)
	}
}

// doPlain is Do in a phase in which a success only ends the row: it needs no
// permit, which would cost as much as all the rest.
func doPlain[T any](ctx context.Context, p *phase, fn func(context.Context) (T, error)) (T, error) {
	var started time.Duration
	_, timed := ctx.Deadline()
	if timed {
		started = p.breaker.now()
	}
	returned := false
	defer func() {
		if !returned {
			p.breaker.report(&call{phase: p, outcome: Failure})
		}
	}()
	result, err := fn(ctx)
	returned = true
	if err == nil {
		p.succeed()
		return result, nil
	}
	permit := Permit{phase: p, started: started, timed: timed}
	permit.DoneErr(ctx, err)
	return result, err
}

func doPermitted[T any](ctx context.Context, b *Breaker, fn func(context.Context) (T, error)) (T, error) {
	permit, err := b.Acquire(ctx)
	if err != nil {
		var zero T
		return zero, err
	}
	defer permit.Done(Failure) // does something only if fn did not return
	result, err := fn(ctx)
	permit.DoneErr(ctx, err)
	return result, err
}

// Acquire asks for admission of one call, whose outcome the caller must report
// with [Permit.Done] or [Permit.DoneErr], best in a deferred call. The errors are
// those of [Do].
//
// A permit that is never reported holds nothing, except that of a probe, which
// keeps the place of the probe until [Config.ProbeTimeout] is over.
func (b *Breaker) Acquire(ctx context.Context) (Permit, error) {
	if ctx.Err() != nil {
		return Permit{}, b.ended(ctx)
	}
	switch p := b.phase.Load(); {
	case p.state == Closed:
		return p.pass(ctx), nil
	case p.state == Open && !p.near.Load():
		return b.reject(ctx, p)
	default:
		return b.admit(ctx, p)
	}
}

// Err returns the error with which a call would be rejected at this moment, or
// nil. It admits nothing and changes nothing.
func (b *Breaker) Err() error {
	p := b.phase.Load()
	switch {
	case p.mode == Shadow, p.state == Closed:
		return nil
	case p.state == Open:
		if b.now() >= p.until {
			return nil
		}
		return p.rejection
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	// If the phase has changed meanwhile, this was the answer a moment ago.
	if p.probes.room(b.now(), &b.config) {
		return nil
	}
	return p.rejection
}

// Name returns the name of the Config.
func (b *Breaker) Name() string { return b.config.Name }

// State returns what the breaker does at this moment: Open for ForcedOpen, Closed
// for Disabled, and otherwise what its rules say, in Shadow too. When the time to
// stay open is over it is HalfOpen, even before the next call.
func (b *Breaker) State() State {
	p := b.phase.Load()
	if p.state != Open {
		return p.state
	}
	return p.stateAt(b.now())
}

// SetMode changes who decides. Coming back to Automatic or Shadow from another
// mode, the breaker begins closed, with an empty row and window; totals stay. To
// set the mode it has changes nothing. SetMode panics if m is none of the four.
func (b *Breaker) SetMode(m Mode) {
	if m > Shadow {
		panic(fmt.Sprintf("breaker: SetMode: %v", m))
	}
	b.setMode(m)
	b.tell()
}

func (b *Breaker) setMode(m Mode) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.phase.Load().mode == m {
		return
	}
	at := time.Now()
	b.enter(b.begin(m, at), nil, at)
}

// Mode returns the present mode.
func (b *Breaker) Mode() Mode { return b.phase.Load().mode }

func (b *Breaker) now() time.Duration { return time.Since(b.base) }
