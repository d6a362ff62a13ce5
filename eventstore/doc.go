// Package eventstore keeps events in streams, in the order in which they
// happened, with optimistic concurrency, and lets readers follow all of them.
//
// A [Store] is the portable type that programs use; a [Driver] keeps the bytes.
// [NewMemory] is the driver for tests and small tools; adapters/postgres and
// adapters/sqlite keep events for good. All of them pass the same kit, in
// eventstore/storetest.
//
//	store := eventstore.New(eventstore.NewMemory(), eventstore.Config{})
//
//	uploaded := eventstore.Event{Type: "ContentUploaded", Data: []byte(`{"title":"Go"}`)}
//	_, err := store.Append(ctx, "content-42", eventstore.NoStream, uploaded)
//
//	for event, err := range store.Read(ctx, "content-42", 1) {
//		...
//	}
//	for event, err := range store.Subscribe(ctx, checkpoint, eventstore.Filter{}) {
//		...
//	}
//
// # Streams and versions
//
// A stream is named by its tenant and its name. Its events are numbered 1, 2, 3
// and so on: the version. The version of the last event ever appended, the
// head, never goes back: not when events are truncated, nor when the stream is
// deleted or tombstoned. By convention a name is a category, a hyphen and an
// id ("content-42"); see [Category].
//
// # Appending
//
// [Store.Append] is atomic, and idempotent by event ID in every mode: the same
// IDs again return the first result, and change nothing. So an append whose
// answer was lost may always be sent again. An append some of whose IDs are in
// the stream already is a [PartialOverlapError].
//
// # Reading all
//
// Events of one stream are always seen in the order of their versions. Between
// streams there is no order to rely on, and two readers may see two: an event
// is delivered once it has become visible. How far a reader has got is told by
// a [Checkpoint], never by a [Recorded.Position].
//
// # When not to use it
//
// If nobody asks how a thing came to be as it is, a table with its current
// state is simpler. If messages need no order and no history, use a queue.
package eventstore
