package cqrs

import (
	"context"
	"fmt"

	"github.com/parlance-go/parlance/eventstore"
)

// Reaction is what events set off outside the read models: a mail, a command, a
// call to another service.
type Reaction struct {
	// Name tells this reaction from all others of the target: as that of a
	// Projection, of which there may be one of the same name. Required.
	Name string

	// Filter chooses the events.
	// Defaults to all.
	Filter eventstore.Filter

	// React does what an event sets off. It is called at least once for each
	// event, in order: again if the process dies, or ownership or the target is
	// lost, before the checkpoint has moved. Event.ID is the same each time, and
	// fit to be the key by which the other side tells a repetition. With an
	// error the same event comes again, as with [Projection]. Required.
	React func(ctx context.Context, event eventstore.Recorded) error

	// FromNow makes the first Run of this Name ever skip the events that are
	// there already.
	// Defaults to false: React is called for all of them.
	FromNow bool
}

// Reactor calls a Reaction for each event. How far it has got belongs to its
// name alone. It has no versions: when a projection is built anew, nothing that
// a Reactor has done is done again. The target and the hooks know it as
// "reaction/" and the name, version 1.
type Reactor struct {
	projector interface {
		Run(ctx context.Context) error
	}
}

// NewReactor returns a Reactor that keeps its checkpoint in a target. The error
// matches ErrInvalid, and names the field at fault.
func NewReactor[Tx any](store *eventstore.Store, target Target[Tx], reaction Reaction, config Config) (*Reactor, error) {
	if err := checkName(reaction.Name); err != nil {
		return nil, fmt.Errorf("cqrs: new reactor: %w", err)
	}
	if reaction.React == nil {
		return nil, fmt.Errorf("cqrs: new reactor %q: %w", reaction.Name, invalidf("React is nil"))
	}
	p := &Projector[struct{}]{
		store: store, config: config, fromNow: reaction.FromNow,
		projection: Projection[struct{}]{
			// A name no Projection can have.
			Name: "reaction/" + reaction.Name, Version: 1, Filter: reaction.Filter,
			Apply: func(ctx context.Context, _ struct{}, _ Model, events []eventstore.Recorded) error {
				for i := range events {
					if err := reaction.React(ctx, events[i]); err != nil {
						return err
					}
				}
				return nil
			},
		},
	}
	if target != nil {
		p.target = AtLeastOnce(target, struct{}{})
	}
	if err := p.prepare(1); err != nil {
		return nil, fmt.Errorf("cqrs: new reactor %q: %w", reaction.Name, err)
	}
	return &Reactor{projector: p}, nil
}

// Run calls React for each event until ctx is done; then it lets the call under
// way end, gives ownership away and returns nil. Any number of processes may
// call Run: one of them reacts, the others wait. Failures are treated as by
// [Projector.Run].
func (r *Reactor) Run(ctx context.Context) error { return r.projector.Run(ctx) }
