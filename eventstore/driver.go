package eventstore

import "context"

// Driver keeps events. Programs use a [Store]; a driver is written for a
// database, and passes the kit in eventstore/storetest.
//
// All methods are safe for concurrent use. They return when ctx is done, with
// an error that wraps context.Cause(ctx); what was under way may then have
// happened or not. Errors are returned as they are: the Store says what was
// being done. Arguments are valid: the Store has checked names, sizes and
// limits, has filled in event IDs and schema versions, and never passes the
// same stream twice in one Append. Slices and maps in arguments must not be
// kept after the return; those in results belong to the caller.
type Driver interface {
	// Append does all of the writes, or none. Whether they may be done is
	// decided by [Check] alone, with the heads of the streams locked against
	// other writers. It fills in results[i] for writes[i]; both have the same
	// length, at least 1.
	Append(ctx context.Context, writes []Write, results []Appended) error

	// ReadStream returns up to r.Max events of one stream, and its head as of
	// the same moment. With r.Max = 0 it returns the head alone. An absent or
	// tombstoned stream is no error: it has no events.
	ReadStream(ctx context.Context, r StreamRange) (StreamPage, error)

	// ReadAll returns up to r.Max events that pass the filter and that r.After
	// has not covered. It does not wait. A page may be empty and still not be
	// the end: a driver bounds the work it does for one page. With r.Max = 0 it
	// returns the checkpoint that covers everything visible now.
	ReadAll(ctx context.Context, r AllRange) (Page, error)

	// Wait returns nil when there may be something to read after the
	// checkpoint; also, when it cannot tell, from time to time.
	Wait(ctx context.Context, after Checkpoint) error

	// Erase removes events of one stream for good, but never its head, nor the
	// memory of the IDs it has used.
	Erase(ctx context.Context, e Erasure) error
}

// Counter is an optional ability of a Driver; see [Store.Count].
type Counter interface {
	// Count returns how many events ReadAll would return from r.After to the
	// end. r.Max is ignored.
	Count(ctx context.Context, r AllRange) (int64, error)
}

// Write is what one stream gets in an append.
type Write struct {
	// Stream is the name of the stream: 1 to 512 bytes of UTF-8 without control
	// characters.
	Stream string

	// Tenant owns the stream. The Store fills it in.
	Tenant string

	// Expected is what must be true of the stream. The zero value is NoStream.
	Expected Expected

	// Events are appended in their order. With none, only Expected is checked.
	Events []Event
}

// Appended is the result of an append to one stream.
type Appended struct {
	// Version is that of the last event of the append or, without events, of
	// the stream.
	Version int64

	// Position is that of the last event of the append; 0 without events.
	Position int64

	// Duplicate tells that the events had been appended before, and that this
	// is the result of that time.
	Duplicate bool
}

// Head is the state of a stream.
type Head struct {
	// Version of the last event ever appended; 0 for an absent stream.
	Version int64

	// First is the lowest version that truncation has left readable. It is
	// Version+1 when there is no event to read.
	First int64

	// Deleted tells that the stream was deleted and not appended to since.
	Deleted bool

	// Tombstoned tells that the stream is closed for ever. It is not Deleted
	// then.
	Tombstoned bool
}

// StreamRange says what to read of one stream.
type StreamRange struct {
	// Stream and Tenant name the stream. The Store fills in Tenant.
	Stream, Tenant string

	// From is the version of the first event to return, at least 1. Reading
	// backwards from beyond the end begins at the end.
	From int64

	// Max is how many events to return at most. A driver may return fewer to
	// bound memory, but at least one if there is one.
	Max int

	// Backwards returns From, From-1 and so on.
	Backwards bool
}

// StreamPage is a part of one stream.
type StreamPage struct {
	Head   Head
	Events []Recorded
}

// Filter chooses among all events. The zero Filter passes every event.
type Filter struct {
	// Categories are the categories of streams to pass.
	// Defaults to all.
	Categories []string

	// Types are the event types to pass.
	// Defaults to all.
	Types []string
}

// AllRange says what to read of all streams.
type AllRange struct {
	After  Checkpoint
	Filter Filter

	// Tenant is the one to read, unless AllTenants is set. The Store fills in
	// both.
	Tenant     string
	AllTenants bool

	// Max is how many events to return at most. A driver may return fewer to
	// bound memory and work.
	Max int
}

// Page is a part of all events.
type Page struct {
	// Events that passed the filter, each with its Checkpoint.
	Events []Recorded

	// Next covers the events, and those before and between that did not pass.
	Next Checkpoint

	// End tells that nothing more was visible when the page was read.
	End bool
}

// Erasure is what to remove of a stream.
type Erasure struct {
	Stream, Tenant string

	// Expected is checked as in an append without events. An absent stream
	// makes Erase return ErrNoStream, unless Kind is Tombstone.
	Expected Expected

	Kind ErasureKind

	// Before is the version of the first event that a Truncate keeps, from 1 to
	// the head's Version+1; else Erase returns an error that matches ErrInvalid,
	// made by CheckErasure. One that has been passed before changes nothing.
	Before int64
}

// ErasureKind says how an Erasure ends.
type ErasureKind uint8

const (
	// Truncate removes the events before a version.
	Truncate ErasureKind = iota + 1
	// Delete removes all events. The next append reopens the stream.
	Delete
	// Tombstone removes all events and closes the stream for ever.
	Tombstone
)
