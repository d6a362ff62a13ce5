// Package aggregate turns commands into events, one consistent thing at a time.
//
// A [Decider] is three functions; a [Repository] loads an aggregate's events,
// folds them, decides, and appends what was decided. When somebody else was
// faster it reads what is new and decides again.
//
//	contents, err := aggregate.NewRepository(decider, aggregate.Config[Content, Event]{
//		Store: store, Category: "content", Events: events,
//	})
//	result, err := contents.Handle(ctx, "42", Upload{Title: "Go"})
//
// Those who prefer methods embed a [Root], and keep their aggregates in [Roots]:
//
//	err := contents.Update(ctx, "42", func(c *Content) error { return c.Upload("Go") })
//
// Both take the metadata of events from the context; see
// [eventstore.WithMetadata] and [eventstore.CausedBy].
//
// # Streams
//
// The events of an aggregate are the stream "category-id". A stream that was
// deleted begins anew, and its version goes on. A stream that was truncated is
// loaded only with a snapshot that the log confirms; see [ErrTruncated].
//
// # Commands that come twice
//
// Events decided in a context with a command ID ([eventstore.WithCommandID])
// get IDs that follow from it. So a command that has had its effect never has
// it again: not after a lost answer, a redelivery, or two deliveries at once.
// The second Handle returns the events of the first, and Repeated. A command
// that was refused, or decided no events, leaves no trace and is decided again.
//
// An error of Handle that matches neither [eventstore.ErrConflict] nor what
// Decide returned may leave open whether the events were appended. With a
// command ID, handle the same command again.
//
// # When not to use it
//
// If nothing must hold across several fields or several events, append the
// events with [eventstore.Store.Append], or use a table. An aggregate is not
// for queries: ask a projection.
package aggregate
