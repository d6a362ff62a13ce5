package storetest

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

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

func (m *Model) stepAppend(op Append, got Outcome) error {
	results, err := m.append(op)
	if mismatch := compareErrors(got.Err, err); mismatch != nil || err != nil {
		return mismatch
	}
	if len(got.Results) != len(results) {
		return fmt.Errorf("it returned %d results for %d writes", len(got.Results), len(results))
	}
	for i, want := range results {
		if at := got.Results[i].Position; want.Position == 0 && len(op[i].Events) > 0 && at > 0 {
			// Only the store knows it: from now on it has to stay.
			m.streams[op[i].Stream].events[want.Version-1].Position = at
			want.Position = at
		}
		if got.Results[i] != want {
			return fmt.Errorf("for %q it returned %s; it should be %s", op[i].Stream, tellResult(got.Results[i]), tellResult(want))
		}
	}
	return nil
}

// append decides by the documentation of eventstore, not by its Check.
func (m *Model) append(op Append) ([]eventstore.Appended, error) {
	for _, w := range op {
		onlyChecks := len(w.Events) == 0 && (w.Expected == eventstore.Any || w.Expected == eventstore.NoStream)
		if s := m.streams[w.Stream]; s != nil && s.tombstoned && !onlyChecks {
			return nil, &eventstore.TombstonedError{Stream: w.Stream}
		}
	}
	results := make([]eventstore.Appended, len(op))
	repeated, fresh := false, ""
	for i, w := range op {
		if len(w.Events) == 0 {
			continue
		}
		s := m.peek(w.Stream)
		versions := s.find(w.Events)
		switch present := slices.DeleteFunc(slices.Clone(versions), func(v int64) bool { return v == 0 }); {
		case len(present) == 0 && fresh == "":
			fresh = w.Stream
		case len(present) == 0:
		case len(present) == len(versions) && consecutive(versions):
			repeated = true
			last := s.events[versions[len(versions)-1]-1]
			results[i] = eventstore.Appended{Version: last.Version, Position: last.Position, Duplicate: true}
		default:
			return nil, &eventstore.PartialOverlapError{Stream: w.Stream, Present: s.those(w.Events)}
		}
	}
	if repeated && fresh != "" {
		return nil, &eventstore.PartialOverlapError{Stream: fresh}
	}
	for i, w := range op {
		s := m.peek(w.Stream)
		switch {
		case repeated && len(w.Events) == 0:
			results[i] = eventstore.Appended{Version: s.version(), Duplicate: true}
		case repeated:
		case !s.is(w.Expected):
			return nil, &eventstore.ConflictError{Stream: w.Stream, Expected: w.Expected, Actual: s.version(), Deleted: s.deleted}
		default:
			results[i] = eventstore.Appended{Version: s.version() + int64(len(w.Events))}
		}
	}
	if !repeated {
		m.write(op)
	}
	return results, nil
}

func (m *Model) write(op Append) {
	for _, w := range op {
		if len(w.Events) == 0 {
			continue
		}
		s := m.stream(w.Stream)
		for _, e := range copyEvents(w.Events) {
			s.events = append(s.events, eventstore.Recorded{Event: e, Stream: w.Stream, Version: s.version() + 1})
		}
		s.deleted = false
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

// find returns the versions of events, 0 for those that are not in the stream.
func (s *modelStream) find(events []eventstore.Event) []int64 {
	versions := make([]int64, len(events))
	for i, e := range events {
		for _, r := range s.events {
			if r.ID == e.ID {
				versions[i] = r.Version
			}
		}
	}
	return versions
}

func (s *modelStream) those(events []eventstore.Event) (present []uuid.UUID) {
	for i, version := range s.find(events) {
		if version > 0 {
			present = append(present, events[i].ID)
		}
	}
	return present
}

func (s *modelStream) readable() (events []*eventstore.Recorded) {
	for i := range s.events {
		if s.events[i].Version >= s.first {
			events = append(events, &s.events[i])
		}
	}
	return events
}

func consecutive(versions []int64) bool {
	for i, v := range versions {
		if v != versions[0]+int64(i) {
			return false
		}
	}
	return true
}

// compareErrors says how an error is not the one it should be.
func compareErrors(got, want error) error {
	if want == nil {
		if got != nil {
			return fmt.Errorf("it should have been done, but returned: %w", got)
		}
		return nil
	}
	switch {
	case sameError(got, want):
		return nil
	case got == nil:
		return fmt.Errorf("it was done, but should have been refused: %w", want)
	default:
		return fmt.Errorf("it was refused with %w, but should have been with: %w", got, want)
	}
}

func sameError(got, want error) bool {
	if w, ok := errors.AsType[*eventstore.ConflictError](want); ok {
		g, ok := errors.AsType[*eventstore.ConflictError](got)
		return ok && *g == *w
	}
	if w, ok := errors.AsType[*eventstore.TombstonedError](want); ok {
		g, ok := errors.AsType[*eventstore.TombstonedError](got)
		return ok && *g == *w
	}
	if w, ok := errors.AsType[*eventstore.PartialOverlapError](want); ok {
		g, ok := errors.AsType[*eventstore.PartialOverlapError](got)
		return ok && g.Stream == w.Stream && slices.Equal(g.Present, w.Present)
	}
	return errors.Is(got, want)
}
