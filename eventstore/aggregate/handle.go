package aggregate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"time"

	"github.com/parlance-go/parlance/eventstore"
)

// Result is what became of a command.
type Result[S, E any] struct {
	// State is that of the aggregate at Version.
	State S

	// Version is that of the aggregate's last event, 0 if it never had one.
	Version int64

	// Events are those that the command has led to, as the log holds them.
	Events []E

	// Repeated tells that the command had been handled before, and that Events
	// are those of that time. There are none if they have been erased since.
	Repeated bool
}

// handle does one command. decide is given the aggregate, and must not keep it.
func (e *engine[S, E]) handle(ctx context.Context, id string, decide func(*loaded[S]) ([]E, error)) (Result[S, E], error) {
	stream, err := e.stream(id)
	if err != nil {
		return Result[S, E]{}, err
	}
	var start time.Time
	if e.Hooks.Handled != nil {
		start = time.Now()
	}
	c := command[S, E]{engine: e, stream: stream, earlier: newEarlier[E](ctx, e.Store.Tenant(), stream)}
	result, err := c.run(ctx, decide)
	if hook := e.Hooks.Handled; hook != nil {
		hook(ctx, HandledInfo{
			Stream: stream, Version: result.Version, Events: len(result.Events),
			Attempts: c.attempts, Repeated: result.Repeated, Took: time.Since(start), Err: err,
		})
	}
	return result, err
}

// command is one command on its way.
type command[S, E any] struct {
	*engine[S, E]
	stream   string
	earlier  *earlier[E]
	attempts int
	at       *loaded[S]
}

func (c *command[S, E]) run(ctx context.Context, decide func(*loaded[S]) ([]E, error)) (Result[S, E], error) {
	c.at = c.begin(ctx, c.stream)
	for {
		c.attempts++
		if err := c.advance(ctx, c.stream, c.at, c.earlier); err != nil {
			return c.failed(err)
		}
		if c.earlier.seen() {
			return c.repeated(), nil
		}
		var due *Snapshot
		if c.spoils {
			due = c.take(ctx, c.stream, c.at)
		}
		decided, refusal := decide(c.at)
		if refusal != nil || len(decided) == 0 {
			return c.undecided(ctx, refusal)
		}
		events, values, err := c.encode(ctx, c.stream, c.at.place, decided)
		if err != nil {
			return c.failed(err)
		}
		c.earlier.claim(events)
		appended, err := c.Store.Append(ctx, c.stream, eventstore.Exact(c.at.version), events...)
		switch {
		case c.earlier != nil && (appended.Duplicate || errors.Is(err, eventstore.ErrPartialOverlap)):
			return c.recall(ctx)
		case err == nil:
			c.commit(appended.Version, events, values)
			if !c.spoils {
				due = c.take(ctx, c.stream, c.at)
			}
			c.keep(ctx, c.stream, due)
			return Result[S, E]{State: c.at.state, Version: c.at.version, Events: values}, nil
		case !errors.Is(err, eventstore.ErrConflict):
			return c.failed(err)
		}
		if err := c.pause(ctx, err); err != nil {
			return c.failed(err)
		}
		if c.spoils {
			c.at = c.begin(ctx, c.stream)
			c.earlier.forget()
		}
	}
}

func (c *command[S, E]) failed(err error) (Result[S, E], error) {
	return Result[S, E]{}, fmt.Errorf("aggregate: handle %q: %w", c.stream, err)
}

// commit brings the state up to the events that have been appended.
func (c *command[S, E]) commit(version int64, events []eventstore.Event, values []E) {
	if !c.spoils {
		for _, value := range values {
			c.at.state = c.evolve(c.at.state, value)
		}
	}
	c.at.version, c.at.last, c.at.anew = version, events[len(events)-1].ID, false
	c.at.folded += len(events)
}

// undecided ends a command that has led to nothing: perhaps only because it has
// had its effect before, in events that were not looked at.
func (c *command[S, E]) undecided(ctx context.Context, refusal error) (Result[S, E], error) {
	if c.earlier != nil && c.at.partial {
		if err := c.search(ctx); err != nil {
			return c.failed(err)
		}
		if c.earlier.seen() {
			return c.recall(ctx)
		}
	}
	if refusal != nil {
		return Result[S, E]{}, refusal
	}
	if !c.spoils {
		c.keep(ctx, c.stream, c.take(ctx, c.stream, c.at))
	}
	return Result[S, E]{State: c.at.state, Version: c.at.version}, nil
}

// recall ends a command whose events are in the stream already.
func (c *command[S, E]) recall(ctx context.Context) (Result[S, E], error) {
	if c.spoils {
		c.at = c.begin(ctx, c.stream)
		c.earlier.forget()
	}
	if err := c.advance(ctx, c.stream, c.at, c.earlier); err != nil {
		return c.failed(err)
	}
	if !c.earlier.seen() {
		if err := c.search(ctx); err != nil {
			return c.failed(err)
		}
	}
	return c.repeated(), nil
}

func (c *command[S, E]) repeated() Result[S, E] {
	return Result[S, E]{State: c.at.state, Version: c.at.version, Events: c.earlier.events, Repeated: true}
}

// encode makes events of values, and returns the values as they will be read.
// What cannot be read back would close the aggregate for ever, so it is refused
// before it is in the log.
func (e *engine[S, E]) encode(ctx context.Context, stream string, at place, values []E) ([]eventstore.Event, []E, error) {
	metadata := eventstore.MetadataFrom(ctx)
	if metadata.CausationID == "" {
		metadata.CausationID = eventstore.CommandIDFrom(ctx)
	}
	events, read := make([]eventstore.Event, len(values)), make([]E, len(values))
	for i, value := range values {
		event, err := e.Events.Encode(value)
		if err != nil {
			return nil, nil, err
		}
		if read[i], err = e.Events.Decode(event); err != nil {
			return nil, nil, fmt.Errorf("not appended, since it could not be read: %w", err)
		}
		event.Metadata = metadata
		events[i] = event
	}
	if at.anew && len(events) > 0 {
		extra := maps.Clone(metadata.Extra)
		if extra == nil {
			extra = make(map[string]string, 1)
		}
		extra[startKey] = startMark(stream, at.version+1)
		events[0].Metadata.Extra = extra
	}
	return events, read, nil
}

// pause waits before the next attempt. The ceiling doubles, and the pause is
// anything below it ("full jitter"), so that those who met do not meet again.
func (c *command[S, E]) pause(ctx context.Context, conflict error) error {
	const first, longest = time.Millisecond, 100 * time.Millisecond
	last := c.attempts >= c.MaxAttempts
	var wait time.Duration
	if !last {
		wait = rand.N(min(first<<min(c.attempts-1, 10), longest)) + 1
	}
	if hook := c.Hooks.Conflict; hook != nil {
		hook(ctx, ConflictInfo{Stream: c.stream, Attempt: c.attempts, Wait: wait, Err: conflict})
	}
	if last {
		return &ExhaustedError{Stream: c.stream, Attempts: c.attempts, Err: conflict}
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w, while waiting after attempt %d: %w", context.Cause(ctx), c.attempts, conflict)
	}
}
