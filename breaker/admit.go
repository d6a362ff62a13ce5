package breaker

import (
	"context"
	"errors"
	"fmt"
	"time"
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

// admit decides about a call in any phase.
func (b *Breaker) admit(ctx context.Context, p *phase) (Permit, error) {
	if p.state == Open && !p.near.Load() {
		return b.reject(ctx, p)
	}
	for {
		now := b.now()
		switch {
		case p.state == Closed:
			return p.pass(ctx), nil
		case now < p.until, now < p.probes.busyUntil():
			return b.reject(ctx, p)
		}
		probing, lease := b.probe(p, now)
		switch {
		case probing == nil:
			p = b.phase.Load() // it has just changed
		case lease == 0:
			return b.reject(ctx, probing)
		default:
			permit := Permit{phase: probing, lease: lease, started: now, timed: true}
			b.announce(permit)
			return permit, nil
		}
	}
}

// probe asks a half-open phase, or an open one whose time is over, for a lease.
// It returns the phase that decided, nil if p is not the present one, and 0 for
// the lease if all are taken.
func (b *Breaker) probe(p *phase, now time.Duration) (*phase, uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.phase.Load() != p {
		return nil, 0
	}
	if p.state == Open {
		p = b.halfOpen(p)
	}
	return p, p.probes.take(now, &b.config)
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
	b.totals.rejected.Add(1)
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
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return fmt.Errorf("breaker: %q was not called: %w", b.config.Name, cause)
	}
	return fmt.Errorf("breaker: %q was not called: %w: %w", b.config.Name, err, cause)
}
