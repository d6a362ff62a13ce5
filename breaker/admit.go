package breaker

import (
	"context"
	"errors"
	"fmt"
)

// pass admits a call that is no probe.
func (p *phase) pass(ctx context.Context) Permit {
	permit := Permit{phase: p}
	if p.mode == Disabled {
		permit.lease = spent
	}
	if !p.timed {
		// The rule about deadlines needs to know how much time there was.
		if _, ok := ctx.Deadline(); !ok {
			return permit
		}
	}
	permit.started, permit.timed = p.breaker.now(), true
	return permit
}

// admit decides about a call when that takes more than a look at the phase.
func (b *Breaker) admit(ctx context.Context, p *phase) (Permit, error) {
	for {
		if p.state == Closed {
			return p.pass(ctx), nil
		}
		if now := b.now(); now < p.until || now < p.probes.busyUntil() {
			return b.reject(ctx, p)
		}
		switch permit, decided := b.probe(p); {
		case !decided:
			p = b.phase.Load() // it has just changed
		case permit.lease == 0:
			return b.reject(ctx, permit.phase)
		default:
			b.announce(permit)
			return permit, nil
		}
	}
}

// probe asks a half-open phase, or an open one whose time is over, for a lease.
// If all are taken the permit has none. It decides nothing if p is not the
// present phase.
func (b *Breaker) probe(p *phase) (permit Permit, decided bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.phase.Load() != p {
		return permit, false
	}
	if p.state == Open {
		p = b.halfOpen(p)
	}
	now := b.now()
	return Permit{phase: p, lease: p.probes.take(now, &b.config), started: now, timed: true}, true
}

// announce tells the hooks that a probe has begun a half-open phase. If one of
// them panics the call is not made, so its lease is given back.
func (b *Breaker) announce(permit Permit) {
	told := false
	defer func() {
		if !told {
			permit.Done(Neutral)
		}
	}()
	b.tell()
	told = true
}

// reject counts a rejection, and admits the call after all in Shadow.
func (b *Breaker) reject(ctx context.Context, p *phase) (Permit, error) {
	if !p.silent {
		b.totals.rejected.Add(1)
	}
	if hook := b.config.Hooks.Rejected; hook != nil {
		hook(p.rejection)
	}
	if p.mode != Shadow {
		return Permit{}, p.rejection
	}
	return p.pass(ctx), nil
}

// ended returns the error for a call whose context has ended before it.
func (b *Breaker) ended(ctx context.Context) error {
	name := ""
	if b.config.Name != "" {
		name = fmt.Sprintf("%q: ", b.config.Name)
	}
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return fmt.Errorf("breaker: %snot called: %w", name, cause)
	}
	return fmt.Errorf("breaker: %snot called: %w: %w", name, err, cause)
}
