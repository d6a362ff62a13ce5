package eventstore

import (
	"strings"
	"time"

	"github.com/google/uuid"
)

// Event is something that happened, before it is stored.
type Event struct {
	// ID tells this event from every other in its stream, for ever. Appending
	// the same IDs again is not an error and not a second event.
	// Defaults to a new UUID of version 7, which Append writes into the slice it
	// was given.
	ID uuid.UUID

	// Type is the stable name of what happened, such as "ContentUploaded".
	// 1 to 255 bytes of UTF-8. Required.
	Type string

	// SchemaVersion is the version of the layout of Data.
	// Defaults to 1.
	SchemaVersion int

	// Data is the encoded event, up to Config.MaxEventSize bytes. The store does
	// not look into it. Append does not change it, nor keep it after it has
	// returned.
	Data []byte

	// Metadata says where the event came from.
	Metadata Metadata
}

// Metadata says where an event came from. Every field may be empty, and is at
// most 255 bytes of UTF-8 without NUL.
type Metadata struct {
	// CorrelationID is shared by all that one request from outside set going.
	CorrelationID string

	// CausationID is the ID of the command or event that led to this one.
	CausationID string

	// Tenant owns the stream. It is the tenant of the Store that appends; an
	// event that names another one is refused.
	Tenant string

	// Actor is who did it: a user, a service, an API key's name.
	Actor string

	// TraceParent is the W3C trace context in which it was done.
	TraceParent string

	// Extra are free pairs: up to 256, keys up to 255 bytes, values up to 8 KiB,
	// all UTF-8 without NUL.
	Extra map[string]string
}

// Recorded is an event as the store keeps it.
type Recorded struct {
	Event

	// Stream is the name of the stream.
	Stream string

	// Version is the event's number in its stream: 1, 2, 3 and so on.
	Version int64

	// Position is unique in the store and grows within a stream. It may have
	// gaps, and is not the order in which events became visible: to remember
	// what has been read, keep the Checkpoint.
	Position int64

	// Time is when the store recorded the event, by the store's clock.
	Time time.Time

	// Checkpoint is the place just after this event in the reading of all
	// events. It is zero on events that were read from one stream.
	Checkpoint Checkpoint
}

// Category returns the part of a stream's name before its first hyphen, or the
// whole name if it has none: "content" for "content-42".
func Category(stream string) string {
	category, _, _ := strings.Cut(stream, "-")
	return category
}
