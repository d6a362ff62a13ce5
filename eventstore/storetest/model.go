package storetest

import (
	"fmt"
	"maps"
	"slices"

	"github.com/parlance-go/parlance/eventstore"
)

// Model is what the store of one tenant should do, written as plainly as it
// can be: streams are slices, and everything is found by looking through them.
// It is not safe for concurrent use.
type Model struct {
	streams map[string]*modelStream
	made    uint64 // how many events Next has made
}

type modelStream struct {
	// events are all that were ever appended, as versions 1, 2, 3 and so on.
	// Position and Time are zero until the model has been told them.
	events []eventstore.Recorded
	// first is the lowest version that can be read.
	first               int64
	deleted, tombstoned bool
}

// NewModel returns the Model of an empty store.
func NewModel() *Model {
	return &Model{streams: make(map[string]*modelStream)}
}

// Clone returns a Model that goes its own way from here.
func (m *Model) Clone() *Model {
	c := &Model{streams: make(map[string]*modelStream, len(m.streams)), made: m.made}
	for name, s := range m.streams {
		own := *s
		own.events = slices.Clone(s.events)
		c.streams[name] = &own
	}
	return c
}

// Equal tells whether both hold the same events in streams of the same state.
func (m *Model) Equal(other *Model) bool {
	return maps.EqualFunc(m.streams, other.streams, func(a, b *modelStream) bool {
		return a.head() == b.head() && slices.EqualFunc(a.events, b.events, func(a, b eventstore.Recorded) bool { return a.ID == b.ID })
	})
}

// Step does an Op that came to got in a store. The error says in words how got
// is not what it should be; the Model is of no use after that.
func (m *Model) Step(op Op, got Outcome) error {
	switch op := op.(type) {
	case Append:
		return m.stepAppend(op, got)
	case Erase:
		return compareErrors(got.Err, m.erase(op))
	case Read:
		return m.stepRead(op, got)
	default:
		return fmt.Errorf("the model does not know %T", op)
	}
}

func (m *Model) erase(op Erase) error {
	s := m.peek(op.Stream)
	if s.tombstoned {
		if op.Kind == eventstore.Tombstone {
			return nil
		}
		return &eventstore.TombstonedError{Stream: op.Stream}
	}
	expected := op.Expected
	if op.Kind == eventstore.Truncate {
		expected = eventstore.Any
	}
	if !s.is(expected) {
		return &eventstore.ConflictError{Stream: op.Stream, Expected: expected, Actual: s.version(), Deleted: s.deleted}
	}
	if s.version() == 0 && op.Kind != eventstore.Tombstone {
		return eventstore.ErrNoStream
	}
	s = m.stream(op.Stream)
	switch op.Kind {
	case eventstore.Truncate:
		if op.Before < 1 || op.Before > s.version()+1 {
			return eventstore.ErrInvalid
		}
		s.first = max(s.first, op.Before)
		return nil
	case eventstore.Delete:
		s.deleted = true
	default:
		s.tombstoned = true
	}
	s.first = s.version() + 1
	return nil
}

func (m *Model) stepRead(op Read, got Outcome) error {
	s := m.peek(op.Stream)
	if s.tombstoned {
		return compareErrors(got.Err, &eventstore.TombstonedError{Stream: op.Stream})
	}
	if mismatch := compareErrors(got.Err, nil); mismatch != nil {
		return mismatch
	}
	if got.Page.Head != s.head() {
		return fmt.Errorf("it returned %s; it should be %s", tellHead(got.Page.Head), tellHead(s.head()))
	}
	want := s.readable()
	if op.Backwards {
		slices.Reverse(want)
		want = slices.DeleteFunc(want, func(r *eventstore.Recorded) bool { return r.Version > op.From })
	} else {
		want = slices.DeleteFunc(want, func(r *eventstore.Recorded) bool { return r.Version < op.From })
	}
	most := min(len(want), op.Max)
	if n := len(got.Page.Events); n > most || n == 0 && most > 0 {
		return fmt.Errorf("it returned %s; it should be %d events or fewer, but not none if there are any", tellRecorded(got.Page.Events), most)
	}
	return matchRecorded(got.Page.Events, want[:len(got.Page.Events)])
}

func (m *Model) peek(name string) *modelStream {
	if s := m.streams[name]; s != nil {
		return s
	}
	return &modelStream{first: 1}
}

func (m *Model) stream(name string) *modelStream {
	if m.streams[name] == nil {
		m.streams[name] = m.peek(name)
	}
	return m.streams[name]
}

// Streams returns the names of the streams that were appended to or closed, in
// order.
func (m *Model) Streams() []string { return slices.Sorted(maps.Keys(m.streams)) }

// Head returns the head of a stream.
func (m *Model) Head(stream string) eventstore.Head { return m.peek(stream).head() }

func (s *modelStream) version() int64 { return int64(len(s.events)) }

func (s *modelStream) head() eventstore.Head {
	return eventstore.Head{Version: s.version(), First: s.first, Deleted: s.deleted && !s.tombstoned, Tombstoned: s.tombstoned}
}

// is tells whether the stream is as expected. Of a tombstoned one that is asked
// only where Any and NoStream hold.
func (s *modelStream) is(expected eventstore.Expected) bool {
	absent := len(s.events) == 0 || s.deleted || s.tombstoned
	switch expected {
	case eventstore.Any:
		return true
	case eventstore.NoStream:
		return absent
	case eventstore.StreamExists:
		return !absent
	default:
		n, _ := expected.Version()
		return s.version() == n
	}
}

func (s *modelStream) readable() (events []*eventstore.Recorded) {
	for i := range s.events {
		if s.events[i].Version >= s.first {
			events = append(events, &s.events[i])
		}
	}
	return events
}
