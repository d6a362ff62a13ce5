package cqrs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parlance-go/parlance/eventstore"
)

// tenure is the time during which a run owns the projection.
type tenure[Tx any] struct {
	*run[Tx]
	lease Lease
	renew *time.Timer

	// passed is how far reading has got. It is ahead of the lease's checkpoint
	// by events that the filter kept from us; these are not worth a transaction.
	passed eventstore.Checkpoint

	live bool // has been told

	counter *companion // finds out how much there is to do; may be nil
	counted time.Time  // when it began
}

// tenure acquires the projection and applies events until ctx is done, something
// fails, or a CatchUp has caught up.
func (r *run[Tx]) tenure(ctx context.Context) error {
	lease, err := r.target.Acquire(ctx, Claim{
		Projection: r.projection.Name, Version: r.projection.Version, Tables: r.projection.Tables,
		Owner: r.owner, Duration: r.config.LeaseDuration,
	})
	if err != nil {
		return err
	}
	t := &tenure[Tx]{run: r, lease: lease, renew: time.NewTimer(r.config.LeaseDuration / 3)}
	defer t.renew.Stop()
	defer t.release(ctx)
	r.changed(ctx, Change{Part: Owning, Epoch: lease.Epoch})
	if lease.Fresh {
		if err := t.setup(ctx); err != nil {
			return err
		}
	}
	t.passed = t.lease.Checkpoint
	r.meter.done, r.meter.since = t.lease.Applied, time.Now()

	reader := read(ctx, r.store, t.passed, r.projection.Filter)
	defer reader.stop()
	defer t.stopCounting()
	if r.meter.total.Load() == 0 {
		t.count(ctx)
	}
	return t.serve(ctx, reader)
}

// count begins to count what there is to do, if anybody wants to know.
func (t *tenure[Tx]) count(ctx context.Context) {
	if t.config.Hooks.Progress == nil {
		return
	}
	t.counted = time.Now()
	after, done := t.passed, t.meter.done
	t.counter = beside(ctx, func(ctx context.Context) {
		t.meter.count(ctx, t.store, after, t.projection.Filter, done)
	})
}

// measure sees to it that what is to be done is known, also when events come in
// faster than they are applied after the projection was live.
func (t *tenure[Tx]) measure(ctx context.Context, batch eventstore.Batch) {
	const pause = time.Second // at least, between two counts
	if t.live && (!batch.Live || len(batch.Events) > t.size) {
		t.stopCounting()
		t.meter.restart()
		if !batch.Live && time.Since(t.counted) >= pause {
			t.count(ctx)
		}
	}
	if batch.Live {
		t.meter.total.Store(t.meter.done + int64(len(batch.Events)))
	}
}

func (t *tenure[Tx]) stopCounting() {
	if c := t.counter; c != nil {
		t.counter = nil
		c.stop()
	}
}

func (t *tenure[Tx]) serve(ctx context.Context, reader *reader) error {
	for {
		select {
		case batch, ok := <-reader.batches:
			if !ok {
				return t.end(ctx, reader)
			}
			if err := t.take(ctx, batch); err != nil {
				return err
			}
		case <-t.renew.C:
			if err := t.update(ctx, Step{Checkpoint: t.passed}, nil); err != nil {
				return err
			}
		case <-ctx.Done():
			return t.end(ctx, reader)
		}
		if err := t.activate(ctx); err != nil {
			return err
		}
		if t.untilLive && t.live && t.lease.Status == Active {
			return t.flush(ctx)
		}
	}
}

// end returns why the tenure is over, never nil.
func (t *tenure[Tx]) end(ctx context.Context, reader *reader) error {
	if ctx.Err() == nil {
		return reader.why()
	}
	if err := t.flush(ctx); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// take applies a batch.
func (t *tenure[Tx]) take(ctx context.Context, batch eventstore.Batch) error {
	t.measure(ctx, batch)
	for events := batch.Events; len(events) > 0; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n := min(len(events), t.size)
		step := Step{Checkpoint: events[n-1].Checkpoint, Applied: int64(n)}
		if n == len(events) {
			step.Checkpoint = batch.Checkpoint
		}
		if err := t.apply(ctx, step, events[:n]); err != nil {
			return err
		}
		t.passed = step.Checkpoint
		t.size = min(t.size*2, t.config.BatchSize)
		last := events[n-1].Time
		t.meter.applied(n, last)
		events = events[n:]
		if len(events) > 0 || !batch.Live {
			t.report(ctx, last, false)
		}
	}
	t.passed = batch.Checkpoint
	if batch.Live {
		t.failures = 0
	}
	if batch.Live && (len(batch.Events) > 0 || !t.live) {
		t.report(ctx, time.Time{}, true)
	}
	t.live = batch.Live
	return nil
}

// activate makes the version the one that is read, once it has caught up.
func (t *tenure[Tx]) activate(ctx context.Context) error {
	if !t.live || t.lease.Status == Active {
		return nil
	}
	if pause := time.Until(t.switchAfter); pause > 0 {
		t.renew.Reset(min(pause, t.config.LeaseDuration/3))
		return nil
	}
	if err := t.update(ctx, Step{Checkpoint: t.passed, Activate: true}, nil); err != nil {
		t.switchFailures++
		t.switchAfter = time.Now().Add(backoff(t.switchFailures))
		return err
	}
	t.switchFailures = 0
	t.changed(ctx, Change{Part: Switched, Epoch: t.lease.Epoch})
	return nil
}

func (t *tenure[Tx]) apply(ctx context.Context, step Step, events []eventstore.Recorded) error {
	var failed error
	err := t.update(ctx, step, func(ctx context.Context, tx Tx) error {
		if err := t.projection.Apply(ctx, tx, t.lease.Model, events); err != nil {
			failed = applyError(events, err)
			return failed
		}
		return nil
	})
	if err == nil {
		t.failures = 0
		return nil
	}
	if failed != nil {
		// Events that are in the read model already, because it has a new owner,
		// may have been what Apply could not take.
		lost := t.update(ctx, Step{Checkpoint: t.lease.Checkpoint}, nil)
		if errors.Is(lost, ErrLost) || errors.Is(lost, ErrRetired) {
			return lost
		}
		err = failed
	}
	t.size = max(1, len(events)/2)
	t.report(ctx, events[0].Time, false)
	return err
}

// setup makes the tables of a fresh version.
func (t *tenure[Tx]) setup(ctx context.Context) (err error) {
	var start eventstore.Checkpoint
	if t.fromNow {
		if start, err = t.store.Now(ctx); err != nil {
			return err
		}
	}
	var write func(context.Context, Tx) error
	if t.projection.Setup != nil {
		write = func(ctx context.Context, tx Tx) error {
			if err := t.projection.Setup(ctx, tx, t.lease.Model); err != nil {
				return fmt.Errorf("set up: %w", err)
			}
			return nil
		}
	}
	return t.update(ctx, Step{Checkpoint: start}, write)
}

// update runs a transaction to its end, also when ctx is done meanwhile.
func (t *tenure[Tx]) update(ctx context.Context, step Step, write func(context.Context, Tx) error) error {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), t.config.LeaseDuration/2, errTooLong)
	defer cancel()
	lease, err := t.target.Update(ctx, t.lease, step, write)
	if err != nil {
		return err
	}
	t.lease = lease
	t.renew.Reset(t.config.LeaseDuration / 3)
	return nil
}

// flush stores what has been passed.
func (t *tenure[Tx]) flush(ctx context.Context) error {
	if t.passed == t.lease.Checkpoint {
		return nil
	}
	return t.update(ctx, Step{Checkpoint: t.passed}, nil)
}

// release gives ownership away, so that nobody has to wait for the lease to run
// out. It is a courtesy: what it fails to do, time does.
func (t *tenure[Tx]) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(t.config.LeaseDuration, 5*time.Second))
	defer cancel()
	if err := t.target.Release(ctx, t.lease); err != nil {
		t.config.Logger.WarnContext(ctx, "projection not released",
			"projection", t.projection.Name, "version", t.projection.Version, "error", err)
	}
}
