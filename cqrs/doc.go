// Package cqrs takes commands to their handlers, queries to their answers, and
// events into read models.
//
//	commands := cqrs.NewCommands()
//	err := cqrs.Handle(commands, func(ctx context.Context, c Upload) error { ... })
//	err = cqrs.Send(ctx, commands, Upload{Title: "Go"})
//
//	queries := cqrs.NewQueries()
//	err = cqrs.Answer(queries, func(ctx context.Context, q Search) (Results, error) { ... })
//	results, err := cqrs.Ask(ctx, queries, Search{Words: "go"})
//
//	projector, err := cqrs.NewProjector(store, target, contents, cqrs.Config{})
//	err = projector.Run(ctx)
//
// # Commands and queries
//
// A type has one handler. It is called in the goroutine of the caller, with
// nothing in between but the middleware. A command returns no result: who sends
// it chooses the ID of what it makes. A query embeds [Returns], so that the
// compiler knows the type of its result.
//
// # Projections
//
// A [Projection] says how events change tables, a [Target] keeps the tables, and
// a [Projector] sees to it that each event counts exactly once. The contract:
//
//   - What Apply writes and the checkpoint behind it are committed in one
//     transaction. Wherever the process dies, the read model is the fold of the
//     events up to the checkpoint, and the next Run goes on from there.
//   - One process owns a version of a projection; others wait. Each lease has an
//     epoch, and each commit asks for its own epoch and for the checkpoint it
//     began at. An owner that was frozen, or cut off, past its lease finds both
//     changed, and its transaction is rolled back.
//   - No event is skipped. One that Apply returns an error for comes again, with
//     growing delays, until Apply takes it or the program is stopped; the events
//     before it are applied, and [Progress] shows the lag. Which event it is, an
//     [ApplyError] says.
//   - After any failure the place to go on from is asked of the target, never
//     remembered. So a commit whose answer was lost does no harm.
//   - Events that the filter keeps out move the checkpoint too, but cost no
//     transaction of their own: it is stored with the next event, when the lease
//     is extended, and when Run ends.
//
// This is so for targets whose transactions hold both the read model and the
// checkpoint: [Memory], and those in adapters/postgres and adapters/sqlite. For
// all other places there is [AtLeastOnce], with a contract of its own.
//
// # Building anew
//
// To change a read model, raise its Version. The new version has tables of its
// own ([Model.Table]) and is built from the first event while the old one goes
// on. When it has caught up, one transaction makes it the active one: from then
// on readers find its tables under the names they know, all of them at once. No
// reader sees a half-built version; the very first one can be read as soon as it
// has caught up. At that moment the new version may be behind the old one by
// events that were appended while its last batch was under way.
//
// The old version is then retired: its Run stops writing and waits. Its tables
// stay, for readers who are still at work in them and for the way back
// ([Reinstate]), until they are given up ([Drop]). A process with the old version
// that is started again waits likewise; it does not push the new one aside.
//
// # Side effects
//
// Apply runs again for events of long ago each time a version is built. So it
// must touch nothing but its transaction. What an event sets off in the world is
// for a [Reactor]: it has one checkpoint for its name, no versions, and takes no
// part in a rebuild. This is the gate that keeps a rebuild from sending last
// year's mails. It is called at least once for each event.
//
// # When not to use it
//
// If a read model must change in the same moment as the events are appended,
// write it in the same transaction as the events. If a table with its current
// state is all that anyone asks for, nothing needs to be projected.
package cqrs
