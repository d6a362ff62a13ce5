package eventstore

import (
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
)

// Codec turns values of one type into bytes and back.
type Codec[T any] struct {
	Encode func(T) ([]byte, error)
	Decode func([]byte) (T, error)
}

// EventType ties a Go type to the stable name and schema version under which
// its values are stored. Make one with JSON or CodecType.
type EventType struct {
	name    string
	version int
	zero    any
	encode  func(value any) (data []byte, mine bool, err error)
	decode  func(data []byte) (any, error)
}

// JSON returns the EventType of T stored as JSON under a name and a schema
// version.
func JSON[T any](name string, version int) EventType {
	return CodecType(name, version, Codec[T]{
		Encode: func(value T) ([]byte, error) { return json.Marshal(value) },
		Decode: func(data []byte) (value T, err error) {
			err = json.Unmarshal(data, &value)
			return value, err
		},
	})
}

// CodecType returns the EventType of T stored by a codec under a name and a
// schema version.
func CodecType[T any](name string, version int, codec Codec[T]) EventType {
	var zero T
	return EventType{
		name: name, version: version, zero: zero,
		encode: func(value any) ([]byte, bool, error) {
			typed, mine := value.(T)
			if !mine {
				return nil, false, nil
			}
			data, err := codec.Encode(typed)
			return data, true, err
		},
		decode: func(data []byte) (any, error) { return codec.Decode(data) },
	}
}

// Registry encodes and decodes the events of one family: the types that
// implement the interface E. It is immutable, safe for concurrent use, and uses
// no reflection of its own.
type Registry[E any] struct {
	types  []EventType
	byName map[typeName]*EventType
}

type typeName struct {
	name    string
	version int
}

// NewRegistry returns a Registry of the given types. Several entries of one Go
// type are allowed: the first is the one that Encode uses, the others are read
// only. It returns an error that matches ErrInvalid if a type does not
// implement E, has no name or no positive version, or if a name and version
// stand twice.
//
//	events, err := eventstore.NewRegistry[ContentEvent](
//		eventstore.JSON[ContentUploaded]("ContentUploaded", 1),
//		eventstore.JSON[ContentPublished]("ContentPublished", 1),
//	)
func NewRegistry[E any](types ...EventType) (*Registry[E], error) {
	r := &Registry[E]{types: types, byName: make(map[typeName]*EventType, len(types))}
	for i := range types {
		t := &types[i]
		key := typeName{t.name, t.version}
		if t.name == "" || t.version < 1 {
			return nil, fmt.Errorf("eventstore: registry: %w", invalidf("event type %T: name %q, schema version %d", t.zero, t.name, t.version))
		}
		if _, ok := t.zero.(E); !ok {
			return nil, fmt.Errorf("eventstore: registry: %w", invalidf("event type %q: %T does not implement %T", t.name, t.zero, (*E)(nil)))
		}
		if _, twice := r.byName[key]; twice {
			return nil, fmt.Errorf("eventstore: registry: %w", invalidf("event type %q, schema version %d, stands twice", t.name, t.version))
		}
		r.byName[key] = t
	}
	return r, nil
}

// Encode returns a new event, with an ID, that holds the value. The error
// matches ErrUnknownType or is the codec's.
func (r *Registry[E]) Encode(value E) (Event, error) {
	for i := range r.types {
		t := &r.types[i]
		data, mine, err := t.encode(value)
		if !mine {
			continue
		}
		if err != nil {
			return Event{}, fmt.Errorf("eventstore: encode %q: %w", t.name, err)
		}
		id, err := uuid.NewV7()
		if err != nil {
			return Event{}, fmt.Errorf("eventstore: new event ID: %w", err)
		}
		return Event{ID: id, Type: t.name, SchemaVersion: t.version, Data: data}, nil
	}
	return Event{}, fmt.Errorf("eventstore: encode: %w", &UnknownTypeError{Type: fmt.Sprintf("%T", value)})
}

// Decode returns the value that an event holds. The error matches
// ErrUnknownType or is the codec's.
func (r *Registry[E]) Decode(event Event) (E, error) {
	var none E
	t := r.byName[typeName{event.Type, event.SchemaVersion}]
	if t == nil {
		return none, fmt.Errorf("eventstore: decode: %w", &UnknownTypeError{Type: event.Type, SchemaVersion: event.SchemaVersion})
	}
	value, err := t.decode(event.Data)
	if err != nil {
		return none, fmt.Errorf("eventstore: decode %q, schema version %d: %w", event.Type, event.SchemaVersion, err)
	}
	return value.(E), nil
}

// Types returns the names of all registered types, for a Filter.
func (r *Registry[E]) Types() []string {
	names := make([]string, 0, len(r.types))
	seen := make(map[string]bool, len(r.types))
	for i := range r.types {
		if name := r.types[i].name; !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}
