package eventstore_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/internal/assert"
)

func TestContextMetadata(t *testing.T) {
	assert.Equal(t, eventstore.MetadataFrom(t.Context()), eventstore.Metadata{})
	metadata := eventstore.Metadata{Actor: "ada", Extra: map[string]string{"a": "1"}}
	ctx := eventstore.WithMetadata(t.Context(), metadata)
	metadata.Extra["a"] = "2"
	assert.Equal(t, eventstore.MetadataFrom(ctx).Extra["a"], "1", "the caller's map is not kept")
	assert.Equal(t, eventstore.MetadataFrom(eventstore.WithMetadata(ctx, eventstore.Metadata{})), eventstore.Metadata{})
}

func TestContextCommandID(t *testing.T) {
	ctx := t.Context()
	assert.Equal(t, eventstore.CommandIDFrom(ctx), "")
	ctx = eventstore.WithCommandID(ctx, "c-1")
	assert.Equal(t, eventstore.CommandIDFrom(eventstore.WithMetadata(ctx, eventstore.Metadata{})), "c-1")
	assert.Equal(t, eventstore.CommandIDFrom(eventstore.WithCommandID(ctx, "")), "")
}

func TestContextCausedBy(t *testing.T) {
	event := eventstore.Recorded{Event: eventstore.Event{
		ID: uuid.New(),
		Metadata: eventstore.Metadata{
			CausationID: "c-1", Tenant: "acme", Actor: "ada", TraceParent: "00-1-2-01",
			Extra: map[string]string{"channel": "web"},
		},
	}}
	parent := eventstore.WithCommandID(eventstore.WithMetadata(t.Context(), eventstore.Metadata{Actor: "eve"}), "c-1")
	ctx := eventstore.CausedBy(parent, event)
	assert.Equal(t, eventstore.CommandIDFrom(ctx), "", "a reaction is another command")
	want := eventstore.Metadata{
		CorrelationID: event.ID.String(), CausationID: event.ID.String(),
		Tenant: "acme", Actor: "ada", TraceParent: "00-1-2-01",
	}
	assert.Equal(t, eventstore.MetadataFrom(ctx), want)
	event.Metadata.CorrelationID = "request-1"
	want.CorrelationID = "request-1"
	assert.Equal(t, eventstore.MetadataFrom(eventstore.CausedBy(parent, event)), want)
}
