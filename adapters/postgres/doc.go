// Package postgres keeps in PostgreSQL what other packages of parlance need
// kept. [EventStore] is an event store with appends in one round trip that
// share commits under load, and subscriptions that miss nothing, repeat nothing
// and do not stall behind other transactions.
//
//	pool, err := pgxpool.New(ctx, url)
//	...
//	events, err := postgres.OpenEventStore(ctx, pool, postgres.EventStoreConfig{})
//	...
//	store := eventstore.New(events, eventstore.Config{})
//	_, err = store.Append(ctx, "content-42", eventstore.NoStream, uploaded)
//
// All tables are in one schema, "parlance" unless another is named, and are
// created on opening. The role needs the right to create the schema then, or a
// schema with all migrations done.
//
// PostgreSQL 14 or newer is supported, on the primary server: a standby's
// snapshots have not been shown to be enough. A connection pooler must pool
// sessions, not transactions. After a dump has been restored into another
// cluster, or a standby promoted, programs go on with the checkpoints they have.
// A copy of the server's files that is put back must be recovered to a timeline
// of its own, as with recovery.signal, to be noticed in this way.
//
// When not to use it: for one process with a local file, adapters/sqlite needs
// no server.
package postgres
