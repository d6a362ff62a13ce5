package aggregate

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
)

// Roots keeps the aggregates of one category that embed a [Root]. It keeps
// nothing between calls, and is safe for concurrent use.
type Roots[A Aggregate[E], E any] struct {
	engine *engine[A, E]
}

// NewRoots returns Roots. create returns an aggregate without events, a new one
// at each call. The error matches eventstore.ErrInvalid and names what is
// wrong. Snapshots of structs with unexported fields need a StateCodec; it
// leaves the Root alone.
//
//	accounts, err := aggregate.NewRoots(func() *Account { return &Account{} },
//		aggregate.Config[*Account, Event]{Store: store, Category: "account", Events: events})
func NewRoots[A Aggregate[E], E any](create func() A, config Config[A, E]) (*Roots[A, E], error) {
	if create == nil {
		return nil, fmt.Errorf("aggregate: roots: %w", invalidf("create is nil"))
	}
	complete, err := config.complete(create)
	if err != nil {
		return nil, fmt.Errorf("aggregate: roots: %w", err)
	}
	if n := len(create().root().pending); n > 0 {
		return nil, fmt.Errorf("aggregate: roots: %w", invalidf("create returns an aggregate with %d recorded events", n))
	}
	engine := &engine[A, E]{
		Config: complete, blank: create, spoils: true,
		unproven: config.StateCodec.Encode == nil,
	}
	engine.evolve = func(a A, event E) A {
		a.Apply(event)
		return a
	}
	engine.named = func(a A, stream string) {
		*a.root() = Root[E]{stream: stream, id: stream[len(complete.Category)+1:], owner: engine}
	}
	return &Roots[A, E]{engine: engine}, nil
}

// Load returns an aggregate: a new one, whose Version is 0, if it never had an
// event; and also a new one if it was deleted, whose Version goes on. Load saves
// a snapshot if one is due.
//
// It returns errors that match ErrTruncated, eventstore.ErrTombstoned,
// eventstore.ErrUnknownType, eventstore.ErrInvalid, the cause of ctx, or the
// driver's.
func (r *Roots[A, E]) Load(ctx context.Context, id string) (A, error) {
	at, err := r.engine.find(ctx, id)
	if err != nil {
		var none A
		return none, err
	}
	at.state.root().place = at.place
	return at.state, nil
}

// Save appends the events that were recorded since the aggregate was loaded or
// saved, with the metadata of ctx. If it fails, they stay pending with the IDs
// they were sent with: Save again adds those that are not in the log, and no
// event twice. After an error that matches eventstore.ErrConflict the aggregate
// is out of date: load it and decide again, or use Update.
//
// Save does not recognise a command that comes twice; Update does. It returns
// errors that match eventstore.ErrConflict, eventstore.ErrTombstoned, eventstore.ErrUnknownType,
// eventstore.ErrInvalid, the cause of ctx, or the driver's.
func (r *Roots[A, E]) Save(ctx context.Context, a A) error {
	root := a.root()
	if root.owner != r.engine {
		return fmt.Errorf("aggregate: save %q: %w", root.id, invalidf("the aggregate was not loaded from these Roots, or an Update of it is under way"))
	}
	for len(root.pending) > 0 {
		if err := r.append(ctx, root); err != nil {
			return fmt.Errorf("aggregate: save %q: %w", root.stream, err)
		}
	}
	return nil
}

// append does one append: of the events that may be in the log already, if
// there are such, and of all that are pending otherwise.
func (r *Roots[A, E]) append(ctx context.Context, root *Root[E]) error {
	batch := root.pending
	if len(root.tried) > 0 {
		batch = batch[:len(root.tried)]
	}
	events, _, err := r.engine.encode(ctx, root.stream, root.place, batch)
	if err != nil {
		return err
	}
	if root.tried == nil {
		root.tried = make([]uuid.UUID, len(events))
		for i := range events {
			root.tried[i] = events[i].ID
		}
	}
	for i := range events {
		events[i].ID = root.tried[i]
	}
	appended, err := r.engine.Store.Append(ctx, root.stream, eventstore.Exact(root.version), events...)
	if err != nil {
		return err
	}
	root.saved(len(batch), appended.Version)
	return nil
}

// Update loads an aggregate, calls change, and appends what it recorded. When
// another writer was faster, it does so again with a newly loaded aggregate.
// With a command ID in ctx, a command that has had its effect never has it
// again: Update returns nil then.
//
// change may be called several times, or not at all for a command that comes
// twice. It must not Save the aggregate, and may keep it only if Update returns
// nil. Update returns change's error as it is, or the errors of
// [Repository.Handle].
func (r *Roots[A, E]) Update(ctx context.Context, id string, change func(A) error) error {
	result, err := r.engine.handle(ctx, id, func(at *loaded[A]) ([]E, error) {
		root := at.state.root()
		root.place = at.place
		root.owner = nil // until it is saved, so that change cannot save it as well
		if err := change(at.state); err != nil {
			return nil, err
		}
		return root.pending, nil
	})
	if err == nil && !result.Repeated {
		root := result.State.root()
		root.owner = r.engine
		if len(result.Events) > 0 {
			root.saved(len(result.Events), result.Version)
		}
	}
	return err
}
