package aggregate

import (
	"context"
	"fmt"
)

// Repository handles the commands to the aggregates of one category. It keeps
// nothing between calls, and is safe for concurrent use.
type Repository[S, C, E any] struct {
	engine  *engine[S, E]
	decider Decider[S, C, E]
}

// NewRepository returns a Repository. The error matches eventstore.ErrInvalid
// and names what is wrong.
func NewRepository[S, C, E any](decider Decider[S, C, E], config Config[S, E]) (*Repository[S, C, E], error) {
	switch {
	case decider.Decide == nil:
		return nil, fmt.Errorf("aggregate: repository: %w", invalidf("Decider.Decide is nil"))
	case decider.Evolve == nil:
		return nil, fmt.Errorf("aggregate: repository: %w", invalidf("Decider.Evolve is nil"))
	}
	complete, err := config.complete(decider.blank)
	if err != nil {
		return nil, fmt.Errorf("aggregate: repository: %w", err)
	}
	engine := &engine[S, E]{
		Config: complete, blank: decider.blank, evolve: decider.Evolve,
		unproven: config.StateCodec.Encode == nil,
	}
	return &Repository[S, C, E]{engine: engine, decider: decider}, nil
}

// Handle decides a command and appends the events it leads to, with the
// metadata of ctx. When another writer was faster, it reads the new events and
// decides again. It returns what the command has led to; no events are no
// error. Once the events are in the log it returns no error, whatever becomes
// of ctx or of a snapshot.
//
// It returns Decide's error as it is, or errors that match
// eventstore.ErrConflict (an [ExhaustedError]), ErrTruncated,
// eventstore.ErrTombstoned, eventstore.ErrUnknownType, eventstore.ErrInvalid,
// the cause of ctx, or the driver's. The last two may leave open whether the
// events were appended; see "Commands that come twice" above.
func (r *Repository[S, C, E]) Handle(ctx context.Context, id string, command C) (Result[S, E], error) {
	return r.engine.handle(ctx, id, func(at *loaded[S]) ([]E, error) {
		return r.decider.Decide(at.state, command)
	})
}

// Load returns the state of an aggregate, and the version of its last event.
// One that never had an event has the initial state and the version 0; one that
// was deleted has the initial state and the version it had last. Load saves a
// snapshot if one is due.
//
// It returns errors that match ErrTruncated, eventstore.ErrTombstoned,
// eventstore.ErrUnknownType, eventstore.ErrInvalid, the cause of ctx, or the
// driver's.
func (r *Repository[S, C, E]) Load(ctx context.Context, id string) (state S, version int64, err error) {
	at, err := r.engine.find(ctx, id)
	if err != nil {
		return state, 0, err
	}
	return at.state, at.version, nil
}
