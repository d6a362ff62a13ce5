package eventstore

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Codec turns values of one type into bytes and back. Both halves are required,
// and may be called by several goroutines at once. Decode may keep the bytes.
type Codec[T any] struct {
	Encode func(T) ([]byte, error)
	Decode func([]byte) (T, error)
}

// EventType ties a Go type to the stable name and schema version under which
// its values are stored. Make one with [JSON] or [CodecType].
type EventType struct {
	name    string
	version int
	goType  string
	zero    any // nil if the Go type is an interface
	encode  func(value any) (data []byte, mine bool, err error)
	decode  func(data []byte) (any, error)
}

// JSON returns the EventType of T, stored as JSON under a name and a schema
// version of 1 or more. T is any type that encoding/json takes, but not an
// interface.
func JSON[T any](name string, version int) EventType {
	t := newEventType[T](name, version)
	t.encode = func(value any) ([]byte, bool, error) {
		if _, mine := value.(T); !mine {
			return nil, false, nil
		}
		data, err := json.Marshal(value)
		return data, true, err
	}
	t.decode = func(data []byte) (any, error) {
		var value T
		if err := json.Unmarshal(data, &value); err != nil {
			return nil, err
		}
		return value, nil
	}
	return t
}

// CodecType returns the EventType of T, stored by a codec under a name and a
// schema version of 1 or more. T is not an interface.
func CodecType[T any](name string, version int, codec Codec[T]) EventType {
	t := newEventType[T](name, version)
	if codec.Encode == nil || codec.Decode == nil {
		return t
	}
	t.encode = func(value any) ([]byte, bool, error) {
		typed, mine := value.(T)
		if !mine {
			return nil, false, nil
		}
		data, err := codec.Encode(typed)
		return data, true, err
	}
	t.decode = func(data []byte) (any, error) { return codec.Decode(data) }
	return t
}

func newEventType[T any](name string, version int) EventType {
	var zero T
	return EventType{name: name, version: version, goType: nameOf[T](), zero: zero}
}

// nameOf returns the name of T, also if T is an interface, whose values name
// only what they hold.
func nameOf[T any]() string { return strings.TrimPrefix(fmt.Sprintf("%T", (*T)(nil)), "*") }

// Registry encodes and decodes the events of one family: the types that
// implement the interface E. It is immutable, safe for concurrent use, and uses
// no reflection of its own.
type Registry[E any] struct {
	types  []EventType
	byName map[typeName]*EventType
	ids    ids
}

type typeName struct {
	name    string
	version int
}

// NewRegistry returns a Registry of the given types. Several entries of one Go
// type are allowed: the first is the one that Encode uses, the others are read
// only. It returns an error that matches ErrInvalid if a type does not
// implement E, its name or version cannot be stored, its codec lacks a half, or
// a name and version stand twice.
//
//	events, err := eventstore.NewRegistry[ContentEvent](
//		eventstore.JSON[ContentUploaded]("ContentUploaded", 1),
//		eventstore.JSON[ContentPublished]("ContentPublished", 1),
//	)
func NewRegistry[E any](types ...EventType) (*Registry[E], error) {
	r := &Registry[E]{types: slices.Clone(types), byName: make(map[typeName]*EventType, len(types))}
	for i := range r.types {
		t := &r.types[i]
		if err := t.check(); err != nil {
			return nil, fmt.Errorf("eventstore: registry: %w", err)
		}
		if _, ok := t.zero.(E); !ok {
			return nil, fmt.Errorf("eventstore: registry: %w", invalidf("event type %q: %s does not implement %s", t.name, t.goType, nameOf[E]()))
		}
		key := typeName{t.name, t.version}
		if twin := r.byName[key]; twin != nil {
			return nil, fmt.Errorf("eventstore: registry: %w", invalidf("event type %q, schema version %d, stands twice: for %s and for %s", t.name, t.version, twin.goType, t.goType))
		}
		r.byName[key] = t
	}
	return r, nil
}

func (t *EventType) check() error {
	switch {
	case t.goType == "":
		return invalidf("an EventType is zero: make it with JSON or CodecType")
	case t.name == "":
		return invalidf("event type for %s has no name", t.goType)
	case t.version < 1 || t.version > maxSchemaVersion:
		return invalidf("event type %.80q for %s: schema version %d: want 1 to %d", t.name, t.goType, t.version, maxSchemaVersion)
	case t.zero == nil:
		return invalidf("event type %.80q: %s is an interface: register the types that implement it", t.name, t.goType)
	case t.encode == nil:
		return invalidf("event type %.80q for %s: its Codec lacks Encode or Decode", t.name, t.goType)
	}
	return checkText("event type", t.name, maxName)
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
			return Event{}, fmt.Errorf("eventstore: encode %q, schema version %d: %w", t.name, t.version, err)
		}
		return Event{ID: r.ids.next(), Type: t.name, SchemaVersion: t.version, Data: data}, nil
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
	return value.(E), nil // NewRegistry has seen that it is one
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
