package eventstore

import (
	"context"
	"maps"
)

type (
	metadataKey struct{}
	commandKey  struct{}
)

// WithMetadata returns a context that carries the metadata for the events that
// come of what is done in it. It replaces all that the parent carries, except
// the command ID. Append does not look at it; package aggregate does.
func WithMetadata(parent context.Context, metadata Metadata) context.Context {
	metadata.Extra = maps.Clone(metadata.Extra)
	return context.WithValue(parent, metadataKey{}, metadata)
}

// MetadataFrom returns the metadata that WithMetadata or CausedBy put into the
// context, or the zero Metadata. Its Extra must not be changed.
func MetadataFrom(ctx context.Context) Metadata {
	metadata, _ := ctx.Value(metadataKey{}).(Metadata)
	return metadata
}

// WithCommandID returns a context that carries the ID of a command, by which a
// second delivery of it is recognised: the ID of a message, an Idempotency-Key.
// One ID stands for one command to one stream, so put it in where the command
// comes in, and not around several commands. An empty ID takes it out again.
func WithCommandID(parent context.Context, id string) context.Context {
	return context.WithValue(parent, commandKey{}, id)
}

// CommandIDFrom returns the command ID that the context carries, "" for none.
func CommandIDFrom(ctx context.Context) string {
	id, _ := ctx.Value(commandKey{}).(string)
	return id
}

// CausedBy returns a context for a reaction to an event. What is done in it is
// caused by the event, is correlated with it (by the event's own ID if it has
// no CorrelationID), and has its Tenant, Actor and TraceParent. The event's
// Extra and the parent's command ID are left behind.
func CausedBy(parent context.Context, event Recorded) context.Context {
	metadata := event.Metadata
	metadata.Extra = nil
	metadata.CausationID = event.ID.String()
	if metadata.CorrelationID == "" {
		metadata.CorrelationID = metadata.CausationID
	}
	return WithCommandID(WithMetadata(parent, metadata), "")
}
