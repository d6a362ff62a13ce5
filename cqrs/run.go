package cqrs

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/parlance-go/parlance/eventstore"
)

const (
	firstDelay   = 50 * time.Millisecond
	longestDelay = 10 * time.Second
)

// run is one call of Run or CatchUp.
type run[Tx any] struct {
	*Projector[Tx]
	owner     string
	untilLive bool

	size     int // events per transaction; less than BatchSize after a failure
	failures int // since something went well
	change   Change
	meter    meter

	// A switch may keep readers waiting for a moment, so one that failed is not
	// tried again as soon as something else has gone well.
	switchFailures int
	switchAfter    time.Time
}

// loop owns the projection again and again until it is done. It returns the
// cause of ctx, or what no further try can mend.
func (r *run[Tx]) loop(ctx context.Context) error {
	for {
		err := r.tenure(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ended(ctx, err)
		}
		var delay time.Duration
		var owned *OwnedError
		switch {
		case errors.As(err, &owned):
			r.changed(ctx, Change{Part: Waiting, Owner: owned.Owner})
			delay = min(owned.Remaining, r.config.LeaseDuration/10)
		case errors.Is(err, ErrRetired) && r.untilLive:
			return err
		case errors.Is(err, ErrRetired):
			r.changed(ctx, Change{Part: Parked})
			delay = r.config.LeaseDuration / 3
		case r.hopeless(err):
			return err
		default:
			delay = r.failed(ctx, err)
		}
		if !sleep(ctx, delay) {
			return ended(ctx, err)
		}
	}
}

// ended returns why ctx is done, and what went wrong before that.
func ended(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if errors.Is(err, cause) {
		return cause
	}
	return fmt.Errorf("%w, after: %w", cause, err)
}

// hopeless tells that trying again is no use.
func (r *run[Tx]) hopeless(err error) bool {
	var apply *ApplyError
	switch {
	case errors.As(err, &apply) && apply.Events > 1:
		return false // which event is at fault is not known yet
	case errors.Is(err, eventstore.ErrConflict):
		return false // for who appends the same again; Apply decides anew
	case errors.Is(err, ErrInvalid), errors.Is(err, eventstore.ErrInvalid), errors.Is(err, eventstore.ErrCheckpoint):
		return true
	}
	var known interface{ Retryable() bool }
	if !errors.As(err, &known) || known.Retryable() {
		return false
	}
	// An open breaker, or retries that are used up: not now, rather than never.
	later, ok := known.(interface{ RetryAfter() time.Duration })
	return !ok || later.RetryAfter() < 0
}

// failed reports a failure, and says how long to wait.
func (r *run[Tx]) failed(ctx context.Context, err error) time.Duration {
	r.failures++
	delay := backoff(r.failures)
	var apply *ApplyError
	if errors.As(err, &apply) && apply.Events > 1 {
		delay = 0 // fewer at once are something else to try
	}
	r.config.Logger.WarnContext(ctx, "projection failed, will try again",
		"projection", r.projection.Name, "version", r.projection.Version,
		"error", err, "attempt", r.failures, "delay", delay)
	if hook := r.config.Hooks.Failed; hook != nil {
		hook(ctx, Failure{
			Projection: r.projection.Name, Version: r.projection.Version,
			Err: err, Attempt: r.failures, Delay: delay,
		})
	}
	return delay
}

// backoff returns how long to wait after so many failures.
func backoff(failures int) time.Duration {
	delay := min(firstDelay<<min(failures-1, 10), longestDelay)
	return delay - rand.N(delay/2)
}

// changed reports a new part, unless it is the one before.
func (r *run[Tx]) changed(ctx context.Context, c Change) {
	c.Projection, c.Version = r.projection.Name, r.projection.Version
	before := r.change
	r.change = c
	if c.Part == before.Part && c.Owner == before.Owner || c.Part == Owning && before.Part == Switched {
		return
	}
	r.config.Logger.DebugContext(ctx, "projection "+c.Part.String(),
		"projection", c.Projection, "version", c.Version, "epoch", c.Epoch, "owner", c.Owner)
	if hook := r.config.Hooks.Changed; hook != nil {
		hook(ctx, c)
	}
}

func (r *run[Tx]) report(ctx context.Context, missing time.Time, live bool) {
	if hook := r.config.Hooks.Progress; hook != nil {
		p := r.meter.progress(missing, live)
		p.Projection, p.Version = r.projection.Name, r.projection.Version
		hook(ctx, p)
	}
}

// applyError names the events that could not be applied.
func applyError(events []eventstore.Recorded, err error) error {
	first := &events[0]
	return &ApplyError{
		Stream: first.Stream, Version: first.Version, Type: first.Type,
		Events: len(events), Err: err,
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

var (
	errTooLong = errors.New("the transaction took longer than half of LeaseDuration")
	errEnded   = errors.New("the subscription ended")
)
