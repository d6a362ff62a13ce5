package aggregate

import (
	"context"
	"fmt"
	"strconv"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
)

// StreamSnapshots is a SnapshotStore in the event store itself, so that each
// driver has lasting snapshots. Those of the aggregate "content-42" with
// StateVersion 1 are in the stream "snapshot_content-42@1", of which only the
// last event is kept; its type is "Snapshot".
//
// Those who read all streams see these events too, unless their filter names
// categories or types. Whoever erases an aggregate for the sake of what is in
// it erases its snapshot streams as well.
type StreamSnapshots struct{ store *eventstore.Store }

// NewStreamSnapshots returns a StreamSnapshots. It panics if store is nil.
func NewStreamSnapshots(store *eventstore.Store) *StreamSnapshots {
	if store == nil {
		panic("aggregate: NewStreamSnapshots: store is nil")
	}
	return &StreamSnapshots{store: store}
}

const (
	versionKey = "aggregateversion"
	eventKey   = "aggregateevent"
)

func (s *StreamSnapshots) stream(key SnapshotKey) (*eventstore.Store, string) {
	store := s.store
	if store.Tenant() != key.Tenant {
		store = store.ForTenant(key.Tenant)
	}
	return store, "snapshot_" + key.Stream + "@" + strconv.Itoa(key.StateVersion)
}

// Load implements SnapshotStore. It costs one round trip.
func (s *StreamSnapshots) Load(ctx context.Context, key SnapshotKey) (Snapshot, error) {
	store, stream := s.stream(key)
	page, err := store.ReadPage(ctx, eventstore.StreamRange{
		Stream: stream, From: eventstore.End, Max: 1, Backwards: true,
	})
	if err != nil || len(page.Events) == 0 {
		return Snapshot{}, err
	}
	extra := page.Events[0].Metadata.Extra
	version, err := strconv.ParseInt(extra[versionKey], 10, 64)
	if err != nil {
		return Snapshot{}, fmt.Errorf("%s of the snapshot: %w", versionKey, err)
	}
	id, err := uuid.Parse(extra[eventKey])
	if err != nil {
		return Snapshot{}, fmt.Errorf("%s of the snapshot: %w", eventKey, err)
	}
	return Snapshot{Version: version, EventID: id, Data: page.Events[0].Data}, nil
}

// Save implements SnapshotStore. It costs two round trips.
func (s *StreamSnapshots) Save(ctx context.Context, key SnapshotKey, snapshot Snapshot) error {
	store, stream := s.stream(key)
	appended, err := store.Append(ctx, stream, eventstore.Any, eventstore.Event{
		Type: "Snapshot", SchemaVersion: key.StateVersion, Data: snapshot.Data,
		Metadata: eventstore.Metadata{Extra: map[string]string{
			versionKey: strconv.FormatInt(snapshot.Version, 10),
			eventKey:   snapshot.EventID.String(),
		}},
	})
	if err != nil {
		return err
	}
	return store.Truncate(ctx, stream, appended.Version)
}
