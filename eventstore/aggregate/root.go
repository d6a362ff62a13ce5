package aggregate

import (
	"fmt"
	"slices"

	"github.com/google/uuid"
)

// Aggregate is a pointer to a struct that embeds a Root[E], and has an Apply
// method that changes it by an event. Apply cannot refuse: the event has
// happened. It must not record events.
type Aggregate[E any] interface {
	Apply(event E)
	root() *Root[E]
}

// Root makes a struct that embeds it an aggregate, for those who prefer methods
// to a Decider. They decide, and record what happens:
//
//	type Account struct {
//		aggregate.Root[Event]
//		balance int
//	}
//
//	func (a *Account) Withdraw(amount int) error {
//		if amount > a.balance {
//			return ErrInsufficient
//		}
//		a.Record(a, Withdrawn{Amount: amount})
//		return nil
//	}
//
//	func (a *Account) Apply(event Event) { ... }
//
// The zero Root works, so an aggregate can be tested without a store; to be
// saved it must come from [Roots]. A Root is not safe for concurrent use.
type Root[E any] struct {
	place

	id, stream string
	owner      any // the engine of the Roots it was loaded from

	pending []E

	// tried are the IDs of the first pending events: those that a Save has sent,
	// and that may be in the log.
	tried []uuid.UUID
}

// Record applies an event to the aggregate, and keeps it for Save or Update. The
// aggregate is passed because a Root does not know what it is part of; Record
// panics if it is part of another.
func (r *Root[E]) Record(self Aggregate[E], event E) {
	if self.root() != r {
		panic(fmt.Sprintf("aggregate: Record: %T is not the aggregate whose method is called", self))
	}
	self.Apply(event)
	r.pending = append(r.pending, event)
}

// ID returns the ID that the aggregate was loaded by.
func (r *Root[E]) ID() string { return r.id }

// Version returns the version of the last event in the log, as far as this
// aggregate knows; 0 for a new one. Recorded events count once they are saved.
func (r *Root[E]) Version() int64 { return r.version }

// Pending returns the events that are recorded and not saved.
func (r *Root[E]) Pending() []E { return slices.Clone(r.pending) }

func (r *Root[E]) root() *Root[E] { return r } //nolint:unused // it is called as a method of Aggregate

// saved forgets the first n pending events, which are in the log up to version.
func (r *Root[E]) saved(n int, version int64) {
	r.place = place{version: version}
	r.pending, r.tried = append([]E(nil), r.pending[n:]...), nil
}
