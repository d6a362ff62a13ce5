package aggregate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/parlance-go/parlance/eventstore"
)

// SnapshotStore keeps the latest snapshot of each aggregate. It may lose,
// forget or refuse what it likes: a snapshot saves time and is never needed to
// be right, unless the events below it have been truncated.
//
// Methods are safe for concurrent use, and return when ctx is done.
type SnapshotStore interface {
	// Load returns the snapshot last saved under the key, or the zero Snapshot
	// if there is none. The result belongs to the caller.
	Load(ctx context.Context, key SnapshotKey) (Snapshot, error)

	// Save puts a snapshot in the place of the one before. It must not keep
	// snapshot.Data after its return.
	Save(ctx context.Context, key SnapshotKey, snapshot Snapshot) error
}

// SnapshotKey is what a snapshot is kept under.
type SnapshotKey struct {
	// Tenant and Stream name the stream of the aggregate.
	Tenant, Stream string
	// StateVersion is that of the Config.
	StateVersion int
}

// Snapshot is the state of an aggregate as of one event. It is used only if the
// log still has that event at that version.
type Snapshot struct {
	// Version and EventID are those of the last event that the state knows.
	Version int64
	EventID uuid.UUID
	// Data is the state, encoded by Config.StateCodec.
	Data []byte
}

var (
	errUnconfirmed = errors.New("aggregate: the stream has not the event that the snapshot ends with")
	errLossy       = errors.New("aggregate: JSON does not give the same state back, since it has unexported fields or pointers: set StateCodec")
)

// begin returns the state of a snapshot that is still to be confirmed by the
// log, or a blank one.
func (e *engine[S, E]) begin(ctx context.Context, stream string) *loaded[S] {
	if e.Snapshots != nil {
		snapshot, state, err := e.restore(ctx, stream)
		if err != nil {
			e.told(ctx, stream, snapshot.Version, fmt.Errorf("aggregate: load snapshot of %q: %w", stream, err))
		} else if snapshot.Version > 0 {
			return &loaded[S]{
				place: place{version: snapshot.Version},
				state: state, last: snapshot.EventID, snapshot: snapshot.Version, partial: true,
			}
		}
	}
	return &loaded[S]{state: e.initial(stream)}
}

func (e *engine[S, E]) restore(ctx context.Context, stream string) (snapshot Snapshot, state S, err error) {
	snapshot, err = e.Snapshots.Load(ctx, e.key(stream))
	switch {
	case err != nil || snapshot.Version == 0:
		return snapshot, state, err
	case snapshot.Version < 0 || snapshot.EventID == uuid.Nil:
		return snapshot, state, fmt.Errorf("it ends with version %d, event %s", snapshot.Version, snapshot.EventID)
	}
	state, err = e.decode(stream, snapshot.Data)
	return snapshot, state, err
}

// take returns a snapshot, or nil if none is due.
func (e *engine[S, E]) take(ctx context.Context, stream string, at *loaded[S]) *Snapshot {
	if e.Snapshots == nil || at.folded < e.SnapshotEvery {
		return nil
	}
	data, err := e.StateCodec.Encode(at.state)
	if err == nil && e.unproven {
		err = e.prove(stream, at.state, data)
	}
	if err != nil {
		e.told(ctx, stream, at.version, fmt.Errorf("aggregate: take snapshot of %q: %w", stream, err))
		return nil
	}
	return &Snapshot{Version: at.version, EventID: at.last, Data: data}
}

// prove returns an error unless a state comes back from its encoding as it was.
// A field that JSON leaves out would be zero in every state that a snapshot
// begins, and nobody would be told.
func (e *engine[S, E]) prove(stream string, state S, data []byte) error {
	back, err := e.decode(stream, data)
	if err == nil && fmt.Sprintf("%#v", back) != fmt.Sprintf("%#v", state) {
		err = errLossy
	}
	return err
}

func (e *engine[S, E]) decode(stream string, data []byte) (S, error) {
	state, err := e.StateCodec.Decode(data)
	if err == nil && e.named != nil {
		e.named(state, stream)
	}
	return state, err
}

// keep saves a snapshot if there is one.
func (e *engine[S, E]) keep(ctx context.Context, stream string, snapshot *Snapshot) {
	if snapshot == nil {
		return
	}
	err := e.Snapshots.Save(ctx, e.key(stream), *snapshot)
	if err != nil {
		err = fmt.Errorf("aggregate: save snapshot of %q: %w", stream, err)
	}
	e.told(ctx, stream, snapshot.Version, err)
}

func (e *engine[S, E]) key(stream string) SnapshotKey {
	return SnapshotKey{Tenant: e.Store.Tenant(), Stream: stream, StateVersion: e.StateVersion}
}

func (e *engine[S, E]) told(ctx context.Context, stream string, version int64, err error) {
	if hook := e.Hooks.Snapshot; hook != nil {
		hook(ctx, SnapshotInfo{Stream: stream, Version: version, Err: err})
	}
}

// jsonState keeps states as JSON. It reads only what it would have written in
// the same way, so that a field that was added, removed or renamed without a
// new StateVersion makes the snapshot invalid, and not the state wrong.
func jsonState[S any](blank func() S) eventstore.Codec[S] {
	return eventstore.Codec[S]{
		Encode: func(state S) ([]byte, error) { return json.Marshal(state) },
		Decode: func(data []byte) (S, error) {
			state := blank()
			if string(data) == "null" {
				return state, errors.New("the state is null")
			}
			if err := json.Unmarshal(data, &state); err != nil {
				return state, err
			}
			again, err := json.Marshal(state)
			if err == nil && !bytes.Equal(again, data) {
				err = errors.New("the state has another layout now: change StateVersion")
			}
			return state, err
		},
	}
}
